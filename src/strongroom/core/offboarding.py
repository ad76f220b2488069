"""Offboarding: the row that says who left, and the end of everything that was theirs.

Order   One transaction, with the entry of who asked for it. Behind it: engines take leases back,
        and what a person had read is queued for rotation (`core.knowledge`). Doing it again is
        harmless, and ends what came since.
        Behind the commit `leaver.measured` says what it took from the asking to there.
Trust   Nothing is asked of other systems while it is decided, so nobody can hold it up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from strongroom.base.errors import NotFoundError
from strongroom.core.server import Server
from strongroom.core.views import Live
from strongroom.identity.entrances import ENTRANCES, dropped, entrance_name, set_by_leavers
from strongroom.identity.leaving import LEAVERS, Ending, Leaver
from strongroom.identity.people import LEFT, active_person
from strongroom.identity.records import ALIASES, MERGED, PEOPLE, WORKLOADS, Person, Workload
from strongroom.identity.standing import ACTIVE, end_of
from strongroom.identity.workloads import DECOMMISSIONED
from strongroom.sdk.auth import Forgetting, ForgettingMade, SetByOthers
from strongroom.sdk.engine import Call
from strongroom.storage.store import MountStore
from strongroom.storage.transaction import Transaction

if TYPE_CHECKING:
    from strongroom.core.attempt import Attempt

PERSON, WORKLOAD = "person", "workload"


@dataclass(frozen=True, slots=True)
class Offboarded:
    """The row of a leaver, and by what nobody gets in any more but who is registered.

    `codes` are those whose enrolment codes are void, `passwords` by which even a person does not.
    """

    leaver: Leaver
    closed: tuple[str, ...]
    codes: tuple[str, ...]
    passwords: tuple[str, ...]

    @property
    def details(self) -> dict[str, object]:
        """What the entry says."""
        found: dict[str, object] = {
            "entity": self.leaver.entity,
            "kind": self.leaver.kind,
            "ended": self.leaver.ended,
        }
        found |= {"entrances": list(self.closed)} if self.closed else {}
        found |= {"codes_void_of": list(self.codes)} if self.codes else {}
        return found | ({"passwords": list(self.passwords)} if self.passwords else {})


async def offboard(  # noqa: PLR0913 - who, when, by whom and why
    server: Server, tx: Transaction, entity: str, now: datetime, *, by: str, why: str
) -> Offboarded:
    """Let a person leave, or a workload be decommissioned, and end all that is theirs.

    NotFoundError for an entity that is neither.
    """
    ending = Ending(tx, server.database.kind, entity, now, by)
    kind = await _gone(tx, entity, now)
    await ending.run()
    await ending.timed("credentials", partial(forget, server, tx, entity, now))
    await ending.timed("made_credentials", partial(forget_made, server, tx, entity, now))
    return await _offboarded(server, tx, ending, _noted(tx, ending, kind, why))


async def end_what_is_over(
    server: Server, tx: Transaction, entity: str, now: datetime
) -> Offboarded:
    """End all that is somebody's whose registration is over; they stay who they are."""
    ending = Ending(tx, server.database.kind, entity, now, "system")
    kind = PERSON if await tx.get(PEOPLE, entity) is not None else WORKLOAD
    await ending.run()
    await ending.timed("credentials", partial(forget, server, tx, entity, now))
    await ending.timed("made_credentials", partial(forget_made, server, tx, entity, now))
    leaver = _noted(tx, ending, kind, "the end of the registration has come")
    return await _offboarded(server, tx, ending, leaver)


async def measure(server: Server, leaver: Leaver, began: float) -> None:
    """Write down what it took from the asking to the commit, which no entry of that commit can."""
    took = round((perf_counter() - began) * 1000, 3)
    ended = {name: int(each["count"]) for name, each in leaver.ended.items() if each["count"]}
    details = {"entity": leaver.entity, "of": leaver.kind, "took_ms": took, "counts": ended}

    async def work(attempt: Attempt) -> bool:
        attempt.details = dict(details)
        return True

    await server.pipeline.act("leaver.measured", f"strongroom/leavers/{leaver.entity}", work)


def _noted(tx: Transaction, ending: Ending, kind: str, why: str) -> Leaver:
    leaver = Leaver(ending.entity, kind, ending.now, ending.by, why, ending.ended)
    tx.put(LEAVERS, leaver)
    return leaver


async def _offboarded(
    server: Server, tx: Transaction, ending: Ending, leaver: Leaver
) -> Offboarded:
    passwords = await _passwords(server, tx, ending)
    return Offboarded(leaver, await _closed(server, tx, ending), tuple(ending.codes), passwords)


async def _passwords(server: Server, tx: Transaction, ending: Ending) -> tuple[str, ...]:
    """Return the names of users of registered people who do not get in until another sets them.

    They are signed out: it may have been the leaver who signed in.
    """
    found: list[str] = []
    mounts = (await server.views.mounts(tx)).by_path
    by_uuid = {live.row.uuid: (path, live) for path, live in mounts.items()}
    for mount, name in ending.closed:
        path, live = by_uuid.get(mount, ("", None))
        person = "" if live is None else await _shut_out(server, tx, live, name, ending.now)
        if person:
            await Ending(tx, ending.database, person, ending.now, ending.by).sign_out()
            found.append(entrance_name(path, name))
    return tuple(found)


async def _shut_out(server: Server, tx: Transaction, live: Live, name: str, now: datetime) -> str:
    """Return which registered person a user's password lets in no more, since a leaver set it."""
    if not isinstance(live.plugin, SetByOthers):
        return ""
    set_by = await live.plugin.set_by(call_at(server, tx, live, now), name)
    for alias in await tx.all(ALIASES, mount_accessor=live.row.accessor, name=name):
        person = await active_person(tx, alias.entity, now) if set_by else None
        if person is not None and await set_by_leavers(tx, set_by, person.entity, now):
            return person.entity
    return ""


async def _closed(server: Server, tx: Transaction, ending: Ending) -> tuple[str, ...]:
    """Return the names of what was closed, and is still there."""
    mounts = (await server.views.mounts(tx)).by_path
    paths = {live.row.uuid: path for path, live in mounts.items()}
    there = [(m, n) for m, n in ending.closed if await tx.get(ENTRANCES, m, n) is not None]
    return tuple(entrance_name(paths.get(mount, mount), name) for mount, name in there)


async def _gone(tx: Transaction, entity: str, now: datetime) -> str:
    person = await tx.get(PEOPLE, entity)
    if person is not None:
        if person.state != LEFT:
            tx.put(PEOPLE, replace(person, state=LEFT, left_at=now, updated_at=now))
        return PERSON
    workload = await tx.get(WORKLOADS, entity)
    if workload is None:
        raise NotFoundError
    if workload.state == ACTIVE:
        tx.put(WORKLOADS, replace(workload, state=DECOMMISSIONED, left_at=now, updated_at=now))
    return WORKLOAD


async def forget(server: Server, tx: Transaction, entity: str, now: datetime) -> int:
    """Remove what auth mounts let somebody in by, as far as their aliases tell."""
    removed = 0
    async for live, plugin, alias in _credentials(server, tx, entity):
        call = call_at(server, tx, live, now)
        removed += await plugin.forget(call, alias)
        for name in call.dropped:
            dropped(tx, live.row.uuid, name)
    return removed


async def remembered(server: Server, tx: Transaction, entity: str, now: datetime) -> int:
    """Count what auth mounts would still let somebody in by."""
    found = 0
    async for live, plugin, alias in _credentials(server, tx, entity):
        found += await plugin.remembers(call_at(server, tx, live, now), alias)
    return found


async def forget_made(server: Server, tx: Transaction, entity: str, now: datetime) -> int:
    """Remove what somebody made for others to log in with, since they know it."""
    removed = 0
    async for call, plugin, maker in _made(server, tx, entity, now):
        removed += await plugin.forget_made(call, maker)
    return removed


async def remembered_made(server: Server, tx: Transaction, entity: str, now: datetime) -> int:
    """Count what somebody made that would still let others in."""
    found = 0
    async for call, plugin, maker in _made(server, tx, entity, now):
        found += await plugin.remembers_made(call, maker)
    return found


async def _made(
    server: Server, tx: Transaction, entity: str, now: datetime
) -> AsyncIterator[tuple[Call, ForgettingMade, str]]:
    merged, _ = await tx.examine(MERGED, entity=entity)
    for live in (await server.views.mounts(tx)).by_path.values():
        if isinstance(live.plugin, ForgettingMade):
            for maker in (entity, *(each.id for each in merged)):
                yield call_at(server, tx, live, now), live.plugin, maker


async def _credentials(
    server: Server, tx: Transaction, entity: str
) -> AsyncIterator[tuple[Live, Forgetting, str]]:
    mounts = await server.views.mounts(tx)
    by_accessor = {live.row.accessor: live for live in mounts.by_path.values()}
    aliases, _ = await tx.examine(ALIASES, entity=entity)
    for alias in aliases:
        live = by_accessor.get(alias.mount_accessor)
        if live is not None and isinstance(live.plugin, Forgetting):
            yield live, live.plugin, alias.name


def call_at(server: Server, tx: Transaction, live: Live, now: datetime) -> Call:
    """Return a call to a mount's plugin, by the server itself."""
    return Call(
        store=MountStore(tx, live.row.uuid),
        now=now,
        entropy=server.entropy,
        fingerprint=server.pipeline.fingerprint,
        mount=live.mounted,
    )


async def end_those_over(server: Server) -> int:
    """End all that is theirs whose registration has run out, with an entry for each."""
    tx = Transaction(server.database, server.barrier)
    found = await _over(tx, server.clock.now())
    for entity in found:
        leavers: list[Leaver] = []
        began = perf_counter()

        async def work(
            attempt: Attempt, entity: str = entity, leavers: list[Leaver] = leavers
        ) -> bool:
            gone = await end_what_is_over(server, attempt.transaction, entity, attempt.now)
            attempt.details = gone.details
            leavers.append(gone.leaver)
            return True

        answer = await server.pipeline.act("leaver.over", f"strongroom/leavers/{entity}", work)
        if answer is not None and answer.status < 400:
            await measure(server, leavers[-1], began)
    return len(found)


async def _over(tx: Transaction, now: datetime) -> list[str]:
    """Return whose end has come by the clock, and nobody has ended what is theirs since."""
    people, _ = await tx.examine(PEOPLE)
    workloads, _ = await tx.examine(WORKLOADS)
    registered: list[Person | Workload] = [*people, *workloads]
    found: list[str] = []
    for row in registered:
        end = end_of(row)
        if end is None or now < end:
            continue
        leaver = await tx.get(LEAVERS, row.entity)
        if leaver is None or leaver.at < end:
            found.append(row.entity)
    return found
