"""One's own factors: which there are, enrolling one, recovery codes, deleting one.

Trust  A key of an app and recovery codes are in one page, once, which no cache keeps; the key's
       picture is drawn in that page and has no address. While the first code is typed the key goes
       along in the form, sealed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from strongroom.base.errors import InputError
from strongroom.base.secret import Secret
from strongroom.console.asking import NOTHING, RefusedError, Told
from strongroom.console.cookies import opened, sealed
from strongroom.console.showing import answer_of, showing, shown_in
from strongroom.console.visit import Moved, Page, Shown, Visit
from strongroom.core.router import Operation
from strongroom.core.server import Server
from strongroom.crypto.errors import PictureError
from strongroom.crypto.qr_code import QrCode, qr_code

KINDS = {
    "totp": "Authenticator app",
    "webauthn": "Security key or passkey",
    "recovery": "Recovery codes",
}
_PURPOSE = "app"
_MINE = "strongroom/factors"


class Begun(msgspec.Struct, frozen=True):
    """An app that waits for its first code."""

    id: str
    secret: str
    url: str

    def __repr__(self) -> str:
        return "Begun(…)"


@dataclass(frozen=True)
class Factors:
    """See the module."""

    server: Server

    def pages(self) -> tuple[Page, ...]:
        """Return them."""
        new = "/factors/new"
        return (
            Page(path="/factors", get=self.mine, enrols=True),
            Page(path=f"{new}/app", get=self.ask_app, post=self.begin_app, enrols=True),
            Page(path=f"{new}/app/code", post=self.confirm_app, enrols=True),
            Page(path=f"{new}/key", get=self.ask_key, post=self.begin_key, enrols=True),
            Page(path=f"{new}/key/answer", post=self.finish_key, enrols=True),
            Page(path="/factors/recovery", get=self.ask_codes, post=self.make_codes, enrols=True),
            Page(path="/factors/{id}/delete", get=self.ask_delete, post=self.delete),
        )

    async def mine(self, visit: Visit) -> Shown:
        """Show them."""
        return await self._mine(visit)

    async def _mine(self, visit: Visit, done: str = "", index: int = -1) -> Shown:
        told = await visit.asker.names(_MINE)
        rows = [{"id": key, **told.data["key_info"][key]} for key in told.data["keys"]]
        data = {
            "rows": rows,
            "kinds": KINDS,
            "index": told.index,
            "done": done,
            "done_index": index,
            "enrols": visit.kept is not None and visit.kept.enrols,
        }
        return Shown(template="factors.html", data=data)

    # -- an app

    async def ask_app(self, visit: Visit) -> Shown:
        """Ask for its name, and for a factor that is there."""
        return await _ask(visit, "app")

    async def begin_app(self, visit: Visit) -> Shown:
        """Make its key, and show that."""
        told = await _begin(visit, "totp")
        if not told.ok:
            return await _ask(visit, "app", told)
        return self._app(Begun(told.data["id"], told.data["secret"], told.data["url"]), told.index)

    def _app(self, begun: Begun, index: int, told: Told | None = None) -> Shown:
        grouped = " ".join(begun.secret[at : at + 4] for at in range(0, len(begun.secret), 4))
        data = {
            "secret": grouped,
            "url": begun.url,
            "picture": _picture(begun.url),
            "index": index,
            "begun": sealed(self.server.barrier, _PURPOSE, begun),
            "errors": told.errors if told is not None else (),
        }
        return Shown(
            template="factor_app.html", data=data, status=told.status if told is not None else 200
        )

    async def confirm_app(self, visit: Visit) -> Shown:
        """Enrol it by its first code."""
        begun = opened(self.server.barrier, _PURPOSE, visit.form.get("begun", ""), Begun)
        if begun is None:
            raise InputError("begun", "nothing that was begun here: begin again")
        code = visit.form.get("code", "").strip()
        told = await visit.asker.write(f"{_MINE}/totp/confirm", id=begun.id, code=code)
        if not told.ok:
            return self._app(begun, -1, told)
        return await self._mine(visit, "Your authenticator app is enrolled.", told.index)

    # -- a key

    async def ask_key(self, visit: Visit) -> Shown:
        """Ask for its name, and for a factor that is there."""
        return await _ask(visit, "key")

    async def begin_key(self, visit: Visit) -> Shown:
        """Show what the browser is to ask the key."""
        told = await _begin(visit, "webauthn")
        if not told.ok:
            return await _ask(visit, "key", told)
        options = json.dumps(told.data["options"])
        data = {"id": told.data["id"], "options": options}
        return Shown(template="factor_key.html", data=data)

    async def finish_key(self, visit: Visit) -> Shown:
        """Enrol it by its answer."""
        answer = answer_of(visit.form.get("answer", ""))
        id_ = visit.form.get("id", "")
        told = await visit.asker.write(f"{_MINE}/webauthn/finish", id=id_, credential=answer)
        if not told.ok:
            return await _ask(visit, "key", told)
        return await self._mine(visit, "Your security key is enrolled.", told.index)

    # -- recovery codes

    async def ask_codes(self, visit: Visit) -> Shown:
        """Say what making them does."""
        return await _ask(visit, "recovery")

    async def make_codes(self, visit: Visit) -> Shown:
        """Show new ones, this once."""
        told = await visit.asker.write(f"{_MINE}/recovery", **shown_in(visit.form))
        if not told.ok:
            return await _ask(visit, "recovery", told)
        data = {"codes": told.data["codes"], "index": told.index}
        return Shown(template="recovery_codes.html", data=data)

    # -- deleting

    async def ask_delete(self, visit: Visit) -> Shown:
        """Say what goes."""
        return await _ask_delete(visit)

    async def delete(self, visit: Visit) -> Shown | Moved:
        """Delete it."""
        path = f"{_MINE}/{visit.fields['id']}/delete"
        told = await visit.asker.write(path, **shown_in(visit.form))
        if not told.ok:
            return await _ask_delete(visit, told)
        return await self._mine(visit, "The factor is deleted.", told.index)


def _picture(url: str) -> QrCode | None:
    """Return what an app's camera reads; nothing for a URL that is too long for one."""
    try:
        return qr_code(Secret(url))
    except PictureError:
        return None


async def _begin(visit: Visit, kind: str) -> Told:
    given = {"name": visit.form.get("name", "").strip(), **shown_in(visit.form)}
    if code := visit.form.get("enrolment_code", "").strip():
        given["enrolment_code"] = code
    return await visit.asker.write(f"{_MINE}/{kind}/begin", **given)


async def _ask(visit: Visit, what: str, told: Told | None = None) -> Shown:
    listed = await visit.asker.ask(Operation.LIST, _MINE)  # of who has none it says so, too
    data = {
        "what": what,
        "by_code": what != "recovery" and bool(listed.data.get("enrolment_code_needed")),
        "name": visit.form.get("name", ""),
        "showing": await showing(visit),
        "errors": told.errors if told is not None else (),
    }
    return Shown(
        template="factor_new.html", data=data, status=told.status if told is not None else 200
    )


async def _ask_delete(visit: Visit, told: Told | None = None) -> Shown:
    listed = await visit.asker.names(_MINE)
    row: Mapping[str, Any] | None = listed.data.get("key_info", {}).get(visit.fields["id"])
    if row is None:
        raise RefusedError(Told(status=NOTHING, index=-1))
    data = {
        "id": visit.fields["id"],
        "row": row,
        "kinds": KINDS,
        "showing": await showing(visit),
        "errors": told.errors if told is not None else (),
    }
    return Shown(
        template="factor_delete.html", data=data, status=told.status if told is not None else 200
    )
