"""Signing in and out: a name and a password, or a provider's word, and then a second factor.

Trust  The page is the same for every name, and so is a refusal. What was typed comes back but for
       the password. Where to go afterwards is a path of ours or the first page.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from strongroom.base.errors import InputError
from strongroom.console.asking import Told
from strongroom.console.cookies import Kept, given, taken_back
from strongroom.console.visit import Moved, Page, Shown, Visit
from strongroom.core.router import Operation
from strongroom.core.server import Server

FIRST = "/"
PASSWORD = ("userpass", "ldap")
_OURS = re.compile(r"/(?:[A-Za-z0-9_.~@:-]+(?:/[A-Za-z0-9_.~@:-]+)*)?")
_MOUNT = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*/")


@dataclass(frozen=True)
class SignIn:
    """The pages of the way in."""

    server: Server

    def pages(self) -> tuple[Page, ...]:
        """Return them."""
        return (
            Page(path="/sign-in", get=self.ask, post=self.prove, open=True),
            Page(path="/sign-in/factor", post=self.second, open=True),
            Page(path="/sign-out", post=self.leave),
        )

    async def ask(self, visit: Visit) -> Shown | Moved:
        """Show the form."""
        if visit.kept is not None:
            return Moved(to=afterwards(visit.query))
        return await self._form(visit, visit.query)

    async def _form(
        self,
        visit: Visit,
        typed: Mapping[str, str],
        errors: tuple[str, ...] = (),
        status: int = 200,
    ) -> Shown:
        data: dict[str, object] = {
            "sealed": self.server.barrier.sealed,
            "errors": errors,
            "next": afterwards(typed),
            "name": typed.get("name", ""),
            "mount": typed.get("mount", "userpass/"),
            "mounts": [],
            "providers": [],
        }
        if not self.server.barrier.sealed:
            listed = (await visit.asker.read("sys/internal/ui/mounts")).data.get("auth", {})
            ways = [
                (path, path.rstrip("/")) for path, of in listed.items() if of["type"] in PASSWORD
            ]
            data["mounts"] = ways
            if ways and "mount" not in typed:
                data["mount"] = ways[0][0]
            data["providers"] = [
                (path.rstrip("/"), of["description"] or path.rstrip("/"))
                for path, of in listed.items()
                if of["type"] == "oidc"
            ]
        return Shown(template="sign_in.html", data=data, status=status)

    async def prove(self, visit: Visit) -> Shown | Moved:
        """Try a name and a password."""
        form = visit.form
        mount, name = form.get("mount", ""), form.get("name", "")
        if not _MOUNT.fullmatch(mount):
            raise InputError("mount", "not the path of an auth method")
        if not name or "/" in name:
            said = ("name: type your user name",)
            return await self._form(visit, form, said, 400)
        path = f"auth/{mount}login/{name}"
        told = await visit.asker.write(path, password=form.get("password", ""))
        if not told.ok:
            return await self._form(visit, form, told.errors, told.status)
        return await self._further(visit, told)

    async def _further(
        self, visit: Visit, told: Told, errors: tuple[str, ...] = ()
    ) -> Shown | Moved:
        """Go on after a proof: to the second factor where one is asked for, or in."""
        asked = told.auth.get("mfa_requirement")
        if asked:
            return second_factor(asked, afterwards(visit.form), errors)
        return self._let_in(visit, told)

    def _let_in(self, visit: Visit, told: Told) -> Moved:
        mark = urlsafe_b64encode(self.server.entropy(24)).decode()
        kept = Kept(token=told.auth["client_token"], client=visit.client.digest, form=mark)
        return Moved(to=afterwards(visit.form), cookie=given(self.server.barrier, kept))

    async def second(self, visit: Visit) -> Shown | Moved:
        """Try a second factor."""
        form = visit.form
        request, way = form.get("request", ""), form.get("way", "")
        answer = form.get("answer", "").strip()
        payload = {way: [answer]}
        told = await visit.asker.write(
            "sys/mfa/validate", mfa_request_id=request, mfa_payload=payload
        )
        if not told.ok:
            return await self._form(visit, {"next": form.get("next", "")}, told.errors, told.status)
        return await self._further(visit, told)

    async def leave(self, visit: Visit) -> Moved:
        """Revoke the session's token and take the cookie back."""
        await visit.asker.ask(Operation.WRITE, "auth/token/revoke-self")
        return Moved(to="/sign-in", cookie=taken_back())


def afterwards(typed: Mapping[str, str]) -> str:
    """Return where to go once signed in: a path of ours, or the first page."""
    wanted = typed.get("next", "")
    return wanted if _OURS.fullmatch(wanted) else FIRST


def second_factor(asked: Mapping[str, Any], to: str, errors: tuple[str, ...]) -> Shown:
    """Return the page that asks for one of the factors which a login demands."""
    constraints = asked["mfa_constraints"].values()
    ways = [_way(each) for constraint in constraints for each in constraint["any"]]
    data = {"ways": ways, "request": asked["mfa_request_id"], "next": to, "errors": errors}
    return Shown(template="second_factor.html", data=data)


def _way(method: Mapping[str, Any]) -> dict[str, object]:
    kind = str(method["type"])
    said = {
        "totp": ("Authenticator app", "Six digits from your app", "numeric"),
        "recovery": ("Recovery code", "One of your recovery codes", "text"),
    }
    label, words, input_ = said.get(kind, (kind, "Code", "text"))
    options = json.dumps(method.get("options") or {})
    return {
        "kind": kind,
        "id": method["id"],
        "label": label,
        "words": words,
        "input": input_,
        "options": options,
    }


def sign_in_for(path: str) -> str:
    """Return where somebody signs in who wanted to see a page."""
    return f"/sign-in?next={quote(path, safe='/')}"
