"""Showing a fresh factor, and going on with what wanted one.

Trust  What was sent and refused is carried in the page, sealed, and goes on only in the session
       that sent it, only to the path it was for, and only by a button that the person presses.
       Whoever has shown one gets another cookie; the one before is refused from then on.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from strongroom.console.asking import FORBIDDEN
from strongroom.console.cookies import given, opened, sealed
from strongroom.console.returning import afterwards
from strongroom.console.showing import showing, shown_in
from strongroom.console.visit import MARK, Moved, Page, Shown, Visit
from strongroom.core.server import Server

STEP_UP = "/step-up"
LARGEST = 32 * 1024  # of a form that is carried; beyond it, one types it again
_PURPOSE = "carried form"


class Carried(msgspec.Struct, frozen=True):
    """A form that was refused, of the session whose forms have this mark."""

    path: str
    fields: dict[str, str]
    form: str

    def __repr__(self) -> str:
        return "Carried(…)"


@dataclass(frozen=True)
class StepUp:
    """See the module."""

    server: Server

    def pages(self) -> tuple[Page, ...]:
        """Return them."""
        return (Page(path=STEP_UP, get=self.ask, post=self.show),)

    async def ask(self, visit: Visit) -> Shown:
        """Ask for a factor."""
        return await self._form(visit, afterwards(visit.query))

    async def instead(self, visit: Visit, *, back: bool) -> Shown:
        """Ask for one in place of what a form was to do; `back` says that its path is a page."""
        fields = {name: value for name, value in visit.form.items() if name != MARK}
        mark = "" if visit.kept is None else visit.kept.form
        carried = sealed(self.server.barrier, _PURPOSE, Carried(visit.path, fields, mark))
        page = visit.path if back else visit.path.rpartition("/")[0] or "/"
        carried = carried if len(carried) <= LARGEST else ""
        return await self._form(visit, page, carried, status=FORBIDDEN)

    async def _form(
        self,
        visit: Visit,
        to: str,
        carried: str = "",
        errors: tuple[str, ...] = (),
        status: int = 200,
    ) -> Shown:
        data = {
            "showing": await showing(visit),
            "next": to,
            "carried": carried,
            "errors": errors,
        }
        return Shown(template="step_up.html", data=data, status=status)

    async def show(self, visit: Visit) -> Shown | Moved:
        """Show one, and go on."""
        to, carried = afterwards(visit.form), visit.form.get("carried", "")
        answer = shown_in(visit.form)
        if not answer:
            said = ("Type a code, or use your security key.",)
            return await self._form(visit, to, carried, said, 400)
        told = await visit.asker.write("strongroom/step-up", **answer)
        if not told.ok:
            return await self._form(visit, to, carried, told.errors, told.status)
        cookies = self._another_cookie(visit, str(told.data["turn"]))
        held = opened(self.server.barrier, _PURPOSE, carried, Carried) if carried else None
        mark = "" if visit.kept is None else visit.kept.form
        if held is None or not hmac.compare_digest(held.form.encode(), mark.encode()):
            return Moved(to=to, cookies=cookies)
        data = {"path": held.path, "fields": held.fields, "back": to, "index": told.index}
        return Shown(template="resume.html", data=data, cookies=cookies)

    def _another_cookie(self, visit: Visit, turn: str) -> tuple[str, ...]:
        """Return the cookie of a session that may do more now; the one before is none any more."""
        if visit.kept is None:
            return ()
        kept = msgspec.structs.replace(visit.kept, turn=turn)
        return (given(self.server.barrier, kept),)


def step_up_for(path: str) -> str:
    """Return where somebody shows a factor who wanted to see a page."""
    return f"{STEP_UP}?next={quote(path, safe='/')}"
