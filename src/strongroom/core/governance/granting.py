"""`strongroom/grants…`: what was granted, for how long yet, and the end of it before its time.

Order   A grant that is ended gives nothing to any request that is committed after the entry. What
        ends by the clock is over at that moment, and no entry says so.
Trust   Everybody may end their own (`grants/self/{id}/end`); another's ends whoever policy lets. A
        grant that was ended is not begun again: it is asked for anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final, Protocol

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.core.governance.organisation import names_of
from strongroom.core.request import SystemCall
from strongroom.identity.governance.records import GRANTS, Grant
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route

ACTIVE, ENDED = "active", "ended"
MOST_LISTED: Final = 1000


class Asked(Protocol):
    """What a grant comes of: a request, or a case of break-glass."""

    @property
    def id(self) -> str: ...
    @property
    def requesters(self) -> tuple[str, ...]: ...


class Wanted(Protocol):
    """What a grant is of."""

    @property
    def paths(self) -> tuple[str, ...]: ...
    @property
    def capabilities(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, kw_only=True)
class ById:
    """For paths that name a grant."""

    id: Annotated[str, Help("Id of the grant.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class End(ById):
    """The end of a grant."""

    because: Annotated[str, Help("Why.", most=1024)] = ""


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which grants."""

    entity: Annotated[str, Help("Id of the entity that has them.", most=512)] = ""
    state: Annotated[str, Help("active or ended.", choices=("", ACTIVE, ENDED))] = ""


class GrantRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="grants",
                summary="What was granted, and to whom.",
                list=Endpoint(Filter, self.ids, "grant.list"),
            ),
            Route(
                path="grants/self",
                summary="The caller's own grants.",
                list=Endpoint(Filter, self.mine, "grant.list"),
            ),
            Route(
                path="grants/self/{id}/end",
                summary="End a grant of one's own.",
                write=Endpoint(End, self.end_mine, "grant.end"),
            ),
            Route(
                path="grants/{id}",
                summary="A grant.",
                read=Endpoint(ById, self.show, "grant.read"),
            ),
            Route(
                path="grants/{id}/end",
                summary="End a grant before its time.",
                write=Endpoint(End, self.end, "grant.end"),
            ),
        )

    async def ids(self, call: SystemCall, given: Filter) -> Reply:
        tx = call.transaction
        rows = await tx.all(GRANTS, entity=given.entity) if given.entity else await tx.all(GRANTS)
        return await _listed(call, rows, given)

    async def mine(self, call: SystemCall, given: Filter) -> Reply:
        rows = await call.transaction.all(GRANTS, entity=_own(call))
        return await _listed(call, rows, given)

    async def show(self, call: SystemCall, given: ById) -> Reply:
        row = await _there(call, given.id)
        names = await names_of(call.transaction, {row.entity: row})
        return Reply({**plain(row, call.now), "name": names[row.entity]})

    async def end(self, call: SystemCall, given: End) -> None:
        """End a grant; one that is over stays as it is."""
        row = await _there(call, given.id)
        await end_grant(call, row.id, call.actor.id, given.because or "ended")

    async def end_mine(self, call: SystemCall, given: End) -> None:
        """End a grant of the caller's."""
        row = await _there(call, given.id)
        if row.entity != _own(call):
            raise NotFoundError
        await end_grant(call, row.id, row.entity, given.because or "ended by its holder")


def _own(call: SystemCall) -> str:
    session = call.session
    if session is None or session.entity is None or session.made.foreign:
        raise DeniedError
    return session.entity.id


async def _there(call: SystemCall, id_: str) -> Grant:
    row = await call.transaction.get(GRANTS, id_)
    if row is None:
        raise NotFoundError
    return row


def make_grant(call: SystemCall, row: Asked, wanted: Wanted, ends: datetime) -> Grant:
    """Make what a request asks for, from now on."""
    grant = Grant(
        id=uuid_of(call.entropy(16)),
        entity=row.requesters[0],
        request=row.id,
        paths=wanted.paths,
        capabilities=wanted.capabilities,
        groups=wanted.groups,
        begins=call.now,
        ends=ends,
        ended_at=None,
        ended_by="",
        why="",
    )
    call.transaction.put(GRANTS, grant)
    call.transaction.changed(f"entity:{grant.entity}")
    call.details |= {"grant": grant.id, "granted_to": grant.entity}
    call.details |= {"begins": rfc3339(grant.begins), "ends": rfc3339(grant.ends)}
    return grant


async def lengthen_grant(call: SystemCall, id_: str, ends: datetime) -> None:
    """Let a grant that is active end later. Raises InputError for one that is over."""
    row = await call.transaction.get(GRANTS, id_)
    if row is None or not row.active(call.now):
        raise InputError("", "its grant is over: what ended is asked for anew")
    call.transaction.put(GRANTS, replace(row, ends=ends, entry=None))
    call.transaction.changed(f"entity:{row.entity}")
    call.details |= {"grant": row.id, "granted_to": row.entity}
    call.details |= {"begins": rfc3339(row.begins), "ends": rfc3339(ends)}


async def end_grant(call: SystemCall, id_: str, by: str, why: str) -> None:
    """End a grant now, unless it is over."""
    row = await call.transaction.get(GRANTS, id_)
    if row is None:
        return
    call.details |= {"grant": row.id, "granted_to": row.entity, "proposal": row.request}
    if row.over_at <= call.now:
        return
    ended = replace(row, ended_at=call.now, ended_by=by, why=why, entry=None)
    call.transaction.put(GRANTS, ended)
    call.transaction.changed(f"entity:{row.entity}")
    call.details["ended_at"] = rfc3339(call.now)


def state_of(row: Grant, now: datetime) -> str:
    """Return whether a grant gives anything, by the clock."""
    return ACTIVE if row.active(now) else ENDED


def plain(row: Grant, now: datetime) -> dict[str, object]:
    """Return a grant as replies show it; `left` is what is left of it, in seconds."""
    left = (row.over_at - now).total_seconds() if row.active(now) else 0
    return {
        "id": row.id,
        "entity": row.entity,
        "request": row.request,
        "state": state_of(row, now),
        "paths": list(row.paths),
        "capabilities": list(row.capabilities),
        "groups": list(row.groups),
        "begins": rfc3339(row.begins),
        "ends": rfc3339(row.ends),
        "ended_at": None if row.ended_at is None else rfc3339(row.ended_at),
        "ended_by": row.ended_by,
        "why": row.why,
        "left": int(left),
        "entry": row.entry,
    }


async def _listed(call: SystemCall, rows: list[Grant], given: Filter) -> Reply:
    found = [
        row
        for row in sorted(rows, key=lambda each: each.id)
        if row.id > given.after and given.state in ("", state_of(row, call.now))
    ]
    limit = given.limit if 0 < given.limit < MOST_LISTED else MOST_LISTED
    there = found[:limit]
    names = await names_of(call.transaction, {row.entity: row for row in there})
    info = {row.id: {**plain(row, call.now), "name": names[row.entity]} for row in there}
    after = there[-1].id if len(found) > limit else ""
    return Reply({"keys": list(info), "key_info": info, "next": after})
