"""`strongroom/notices…`: what somebody was told, and what of it they have not read.

Everybody has an inbox of their own, and sees no other. That a notice was read is noted for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, NotFoundError
from strongroom.core.request import SystemCall
from strongroom.core.system.people import moment
from strongroom.identity.governance.notices import INBOX, NOTICES, Notice, Received
from strongroom.sdk.engine import Endpoint, Help, Nothing, Page, Reply, Route

MOST_LISTED: Final = 200
UNREAD, READ = "unread", "read"


@dataclass(frozen=True, kw_only=True)
class ById:
    """For paths that name a notice."""

    id: Annotated[str, Help("Id of the notice.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which notices."""

    state: Annotated[str, Help("unread or read.", choices=("", UNREAD, READ))] = ""


class InboxRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="notices",
                summary="What the caller was told, the latest first.",
                list=Endpoint(Filter, self.mine, "notice.list"),
            ),
            Route(
                path="notices/read",
                summary="Note that the caller has read all of them.",
                write=Endpoint(Nothing, self.read_all, "notice.read"),
            ),
            Route(
                path="notices/{id}/read",
                summary="Note that the caller has read one.",
                write=Endpoint(ById, self.read, "notice.read"),
            ),
        )

    async def mine(self, call: SystemCall, given: Filter) -> Reply:
        rows = await _inbox(call)
        wanted = [r for r in rows if given.state in ("", UNREAD if r.read_at is None else READ)]
        wanted.sort(key=lambda each: (each.at, each.notice), reverse=True)
        limit = given.limit if 0 < given.limit < MOST_LISTED else MOST_LISTED
        info: dict[str, object] = {}
        for row in wanted[:limit]:
            notice = await call.transaction.get(NOTICES, row.notice)
            if notice is not None:
                info[row.notice] = plain(notice, row)
        unread = sum(row.read_at is None for row in rows)
        return Reply({"keys": list(info), "key_info": info, "unread": unread})

    async def read(self, call: SystemCall, given: ById) -> None:
        row = await call.transaction.get(INBOX, _own(call), given.id)
        if row is None:
            raise NotFoundError
        _read(call, [row])

    async def read_all(self, call: SystemCall, _given: Nothing) -> None:
        _read(call, await _inbox(call))


def _read(call: SystemCall, rows: list[Received]) -> None:
    unread = [row for row in rows if row.read_at is None]
    for row in unread:
        call.transaction.put(INBOX, replace(row, read_at=call.now, entry=None))
    call.details["notices"] = len(unread)


def _own(call: SystemCall) -> str:
    session = call.session
    if session is None or session.entity is None or session.made.foreign:
        raise DeniedError
    return session.entity.id


async def _inbox(call: SystemCall) -> list[Received]:
    return await call.transaction.all(INBOX, entity=_own(call))


def plain(notice: Notice, row: Received) -> dict[str, object]:
    """Return a notice as its reader sees it."""
    return {
        "id": notice.id,
        "topic": notice.topic,
        "about": notice.about,
        "title": notice.title,
        "text": notice.text,
        "place": notice.place,
        "at": rfc3339(notice.at),
        "read_at": moment(row.read_at),
    }
