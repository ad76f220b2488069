"""Signing in and out: a name and a password, or a provider's word, and then a second factor.

Trust  The page is the same for every name, and so is a refusal. What was typed comes back but for
       the password. Where to go afterwards is a path of ours or the first page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from strongroom.base.errors import InputError
from strongroom.console.cookies import taken_back
from strongroom.console.entering import Entering
from strongroom.console.returning import afterwards
from strongroom.console.visit import Moved, Page, Shown, Visit
from strongroom.core.router import Operation
from strongroom.core.server import Server

PASSWORD = ("userpass", "ldap")
OVER = ("That took too long, or was begun in another browser: sign in again.",)
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
            Page(path="/sign-out", post=self.leave, enrols=True),
        )

    async def ask(self, visit: Visit) -> Shown | Moved:
        """Show the form."""
        if visit.kept is not None:
            return Moved(to=afterwards(visit.query))
        return await self.form(visit, visit.query)

    async def form(
        self,
        visit: Visit,
        typed: Mapping[str, str],
        errors: tuple[str, ...] = (),
        status: int = 200,
    ) -> Shown:
        """Return the form, with what was typed."""
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
            told = await visit.asker.ask(Operation.READ, "sys/internal/ui/mounts")
            listed = told.data.get("auth", {})
            ways = [
                (path, path.rstrip("/")) for path, of in listed.items() if of["type"] in PASSWORD
            ]
            data["mounts"] = ways
            if ways and "mount" not in typed:
                data["mount"] = ways[0][0]
            data["providers"] = [
                (path, of["description"] or path.rstrip("/"))
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
            return await self.form(visit, form, said, 400)
        path = f"auth/{mount}login/{name}"
        told = await visit.asker.write(path, password=form.get("password", ""))
        if not told.ok:
            return await self.form(visit, form, told.errors, told.status)
        return await Entering(self.server).further(visit, told, afterwards(form))

    async def second(self, visit: Visit) -> Shown | Moved:
        """Try a second factor, once all are there that the login waits for."""
        entering = Entering(self.server)
        waiting = entering.waiting(visit)
        if waiting is None:
            await visit.refused("a login that is none, or was begun by another client")
            return await self.form(visit, {}, OVER, 400)
        way, answer = visit.form.get("way", ""), visit.form.get("answer", "").strip()
        kinds = {each.id: each.kind for ways in waiting.open() for each in ways}
        if way not in kinds or not answer:
            return entering.asking(waiting, ("Type a code, or use your security key.",), 400)
        waiting = msgspec.structs.replace(waiting, given={**waiting.given, way: answer})
        if waiting.open():
            return entering.asking(waiting)
        payload = {each: [text] for each, text in waiting.given.items()}
        told = await visit.asker.write(
            "sys/mfa/validate", mfa_request_id=waiting.request, mfa_payload=payload
        )
        if told.ok:
            return await entering.further(visit, told, waiting.to)
        again = msgspec.structs.replace(waiting, given={})
        if any(text.startswith("{") for text in waiting.given.values()):
            again = again.without_keys()
        return entering.asking(again, told.errors, told.status)

    async def leave(self, visit: Visit) -> Moved:
        """Revoke the session's token and take the cookie back."""
        await visit.asker.ask(Operation.WRITE, "auth/token/revoke-self")
        return Moved(to="/sign-in", cookies=(taken_back(),))
