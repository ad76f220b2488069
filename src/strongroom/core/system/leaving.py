"""`people/{entity}/leave`, `workloads/{entity}/decommission`, `leavers`: the end of all access.

Order   Ended is what the answer says from the commit on: no response after it uses a token of the
        leaver's, nor one below them. Leases are taken back behind it; `lease.revoke` says how late.
Trust   `leavers` is for a personnel system: whoever may write there can end anybody's access by
        e-mail address or external id, and nothing else; of those it cannot end, it says why. A
        caller that is bound to an environment ends only who is bound as it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.leaver_check import look
from strongroom.core.offboarding import Offboarded, measure, offboard
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.bindings import check_unbound
from strongroom.core.system.people import ById, listed, moment, writable
from strongroom.identity.entrances import (
    ENTRANCES,
    Entrance,
    entrance_name,
    may_take_over,
    take_over,
)
from strongroom.identity.leaving import LEAVERS, Leaver
from strongroom.identity.people import LEFT, active_person
from strongroom.identity.records import ENTITIES, PEOPLE, WORKLOADS, Person
from strongroom.sdk.engine import Endpoint, Help, Nothing, Page, Reply, Route

if TYPE_CHECKING:
    from strongroom.core.attempt import Attempt

OWNERLESS_ALERT: Final = "workloads_without_owner"
ONLY_A_PERSON = "another person who is registered answers for it, signed in as themselves"


@dataclass(frozen=True, kw_only=True)
class Reported:
    """A person who leaves, as a personnel system knows them; one of the two will do."""

    external_id: Annotated[str, Help("Id in the directory of people.", most=256)] = ""
    email: Annotated[str, Help("E-mail address.", most=320)] = ""
    reason: Annotated[str, Help("Why; it stands in the row.", most=1024)] = ""
    successor: Annotated[str, Help("Entity of who takes over their workloads.", most=512)] = ""


@dataclass(frozen=True, kw_only=True)
class Decommissioned(ById):
    """Which workload is no more."""

    reason: Annotated[str, Help("Why; it stands in the row.", most=1024)] = ""


@dataclass(frozen=True, kw_only=True)
class Leaving(Decommissioned):
    """Who leaves."""

    successor: Annotated[str, Help("Entity of who takes over their workloads.", most=512)] = ""


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """Which way in: the auth mount, and the name of the role or user there."""

    mount: Annotated[str, Help("Path of the auth mount.", least=1, most=512)]
    name: Annotated[str, Help("Name of the role or user; left out, its configuration.")] = ""


class LeavingRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="people/{entity}/leave",
                summary="Say that a person has left: all that is theirs ends.",
                write=Endpoint(Leaving, self.leave, "person.leave"),
            ),
            Route(
                path="workloads/{entity}/decommission",
                summary="Say that a workload is no more: all that is its ends.",
                write=Endpoint(Decommissioned, self.decommission, "workload.decommission"),
            ),
            Route(
                path="leavers",
                summary="Whose access was ended; report somebody who leaves.",
                list=Endpoint(Page, self.ids, "leaver.list"),
                write=Endpoint(Reported, self.report, "leaver.report"),
            ),
            Route(
                path="leavers/check",
                summary="Look for what leavers still have, without ending it.",
                read=Endpoint(Nothing, self.check, "leaver.check"),
            ),
            Route(
                path="leavers/entrances",
                summary="Roles, users and configurations that somebody wrote who has left.",
                read=Endpoint(Nothing, self.entrances, "leaver.entrances"),
            ),
            Route(
                path="leavers/entrances/confirm",
                summary="Say that one of them is right, and answer for it from now on.",
                write=Endpoint(Confirmed, self.confirm, "leaver.entrance.confirm"),
            ),
        )

    async def leave(self, call: SystemCall, given: Leaving) -> Reply:
        if await call.transaction.get(PEOPLE, given.entity) is None:
            raise NotFoundError
        return await self._end(call, given.entity, given.reason, given.successor)

    async def decommission(self, call: SystemCall, given: Decommissioned) -> Reply:
        if await call.transaction.get(WORKLOADS, given.entity) is None:
            raise NotFoundError
        return await self._end(call, given.entity, given.reason)

    async def report(self, call: SystemCall, given: Reported) -> Reply:
        person = await _found(call, given)
        return await self._end(call, person.entity, given.reason, given.successor)

    async def _end(self, call: SystemCall, entity: str, why: str, successor: str = "") -> Reply:
        if await call.transaction.get(ENTITIES, entity) is None:  # it was deleted
            check_unbound(call)
        else:
            await writable(call, entity)
        if successor:
            heir = await active_person(call.transaction, successor, call.now)
            if heir is None or heir.entity == entity:
                raise InputError("successor", "not the entity of another active person")
            successor = heir.entity
        gone = await end_access(self._server, call, entity, why)
        owned, _ = await call.transaction.examine(WORKLOADS, owner=entity)
        orphans = sorted(row.entity for row in owned if row.left_at is None)
        if successor and orphans:
            await self._hand_over(call, orphans, successor)
            orphans = []
        call.details["orphans"] = orphans
        if orphans:
            call.details["alert"] = OWNERLESS_ALERT
        left = {"workloads_without_owner": orphans, "entrances": list(gone.closed)}
        left |= {"passwords": list(gone.passwords), "codes_void_of": list(gone.codes)}
        return Reply({**shown(gone.leaver), **left})

    async def _hand_over(self, call: SystemCall, workloads: list[str], successor: str) -> None:
        """Make another person the owner of workloads; an entry of each comes behind."""
        tx, server, by = call.transaction, self._server, call.actor.id
        for entity in workloads:
            row = await tx.get(WORKLOADS, entity)
            if row is None:
                continue
            tx.put(WORKLOADS, replace(row, owner=successor, updated_at=call.now))
            tx.changed(f"entity:{entity}")
            told = {"entity": entity, "owner": successor, "owner_before": row.owner, "by": by}
            call.after_commit(partial(_tell, server, told))
        call.details |= {"successor": successor, "taken_over": workloads}

    async def ids(self, call: SystemCall, given: Page) -> Reply:
        rows, _ = await call.transaction.examine(LEAVERS)
        return Reply(listed(rows, given, shown))

    async def check(self, call: SystemCall, _: Nothing) -> Reply:
        found = await look(self._server, call.transaction, call.now)
        call.details |= {"looked_at": found.looked_at, "missed": len(found.missed)}
        call.details["to_look_at"] = found.to_look_at
        shown = {"missed": found.missed, "to_look_at": found.to_look_at}
        return Reply({"looked_at": found.looked_at, **shown})

    async def entrances(self, call: SystemCall, _: Nothing) -> Reply:
        rows, broken = await call.transaction.examine(ENTRANCES)
        paths = await self._paths(call)
        closed = [shown_entrance(row, paths) for row in rows if row.refused_for]
        return Reply({"entrances": closed, "changed": [each.problem for each in broken]})

    async def confirm(self, call: SystemCall, given: Confirmed) -> Reply:
        """Let who asks answer for a way in of somebody who has left."""
        check_unbound(call)
        tx, session = call.transaction, call.session
        wanted = f"{given.mount.strip('/').removeprefix('auth/')}/"
        live = (await self._server.views.mounts(tx)).by_path.get(f"auth/{wanted}")
        if live is None:
            raise NotFoundError
        row = await tx.get(ENTRANCES, live.row.uuid, given.name)
        if row is None or not row.refused_for:
            raise NotFoundError
        if session is None or not session.person or session.made.makers or session.made.let_in_by:
            raise InputError("", ONLY_A_PERSON)
        by = (session.token.entity,)
        if not await may_take_over(tx, row, by, call.now):
            raise InputError("", ONLY_A_PERSON)
        take_over(tx, row, by)
        name = entrance_name(f"auth/{wanted}", given.name)
        call.details |= {"entrance": name, "of": list(row.refused_for)}
        return Reply()

    async def _paths(self, call: SystemCall) -> dict[str, str]:
        mounts = (await self._server.views.mounts(call.transaction)).by_path
        return {live.row.uuid: path for path, live in mounts.items()}


def _tell(server: Server, told: Mapping[str, object]) -> None:
    async def work(attempt: Attempt) -> bool:
        attempt.details = dict(told)
        return True

    path = f"strongroom/workloads/{told['entity']}"
    act = server.pipeline.act("workload.inherit", path, work)
    server.pipeline.behind(_done(act))


async def _done(act: Awaitable[object]) -> None:
    await act


async def end_access(server: Server, call: SystemCall, entity: str, why: str) -> Offboarded:
    """Offboard somebody for a caller; the entry says what ended, and in what time."""
    by = call.actor.id
    gone = await offboard(server, call.transaction, entity, call.now, by=by, why=why)
    call.details |= gone.details
    began = call.request.began
    call.after_commit(lambda: server.pipeline.behind(measure(server, gone.leaver, began)))
    return gone


def shown_entrance(row: Entrance, paths: Mapping[str, str]) -> dict[str, object]:
    """Return a way in of somebody who has left as replies show it."""
    return {
        "mount": paths.get(row.mount, row.mount),
        "name": row.name,
        "makers": list(row.makers),
        "readers": list(row.readers),
        "refused_for": list(row.refused_for),
        "since": moment(row.refused_at),
    }


def shown(leaver: Leaver) -> dict[str, object]:
    """Return a leaver as replies show them."""
    return {
        "entity": leaver.entity,
        "kind": leaver.kind,
        "at": rfc3339(leaver.at),
        "by": leaver.by,
        "why": leaver.why,
        "ended": {
            name: {"count": int(each["count"]), "ms": each["ms"]}
            for name, each in leaver.ended.items()
        },
        "queued_at": moment(leaver.queued_at),
        "missed_at": moment(leaver.missed_at),
    }


async def _found(call: SystemCall, given: Reported) -> Person:
    """Return the one person who is meant; of several none is."""
    said = {"external_id": given.external_id, "email": given.email}
    asked: dict[str, Any] = {name: value for name, value in said.items() if value}
    if not asked:
        raise InputError("external_id", "say who leaves: external_id or email")
    rows = await call.transaction.all(PEOPLE, **asked)
    there = [row for row in rows if row.state != LEFT]
    if len(there) > 1 or (not there and len(rows) > 1):
        raise InputError("external_id", "several people are known so")
    if not rows:
        raise NotFoundError
    return (there or rows)[0]
