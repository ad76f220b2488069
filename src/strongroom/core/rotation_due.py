"""What leavers knew, and what is to be rotated for it.

A static secret that somebody read or wrote stays known to them (`sdk.knowing` says what is known,
for T26 too). Each that they knew as it was when they left is a row that is due until somebody else
writes it, and no field of it has the value that they knew.

Order   A row is made behind the offboarding, by the log up to then; it is resolved by the log too,
        from the entry that wrote the secret anew. Whoever comes back has no rows any more; when
        they leave again, they are made anew.
Trust   It is as complete as the log: every read that left is an entry. What somebody saw elsewhere
        is not in it, nor what they opened by a wrapping token alone. Whoever moves a mount gives
        its secrets another path: what was read before is known by the old one.
Limits  The whole log is read for a leaver, in pieces, while requests go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from strongroom.audit.decoding import decoded
from strongroom.audit.log import Log
from strongroom.core.server import Server
from strongroom.identity.leaving import LEAVERS
from strongroom.identity.people import active_person
from strongroom.identity.records import MERGED
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.knowing import (
    MOUNTED,
    READ,
    UNWRAPPED,
    WRITTEN,
    Knowledge,
    Value,
    actors,
    is_whole,
    print_of,
    still_known,
)
from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction

if TYPE_CHECKING:
    from strongroom.core.attempt import Attempt

PIECE: Final = 1000
DUE, ROTATED = "due", "rotated"


def _mark(code: str) -> bytes:
    """Return how an entry's bytes say what it is of."""
    return b'"event_code":"%s"' % code.encode()


WHY: Final = "known to somebody who left"
BATCH: Final = 200
READING: Final = _mark(READ)
WRITING: Final = tuple(_mark(code) for code in WRITTEN)
CHANGING: Final = (*WRITING, *(_mark(code) for code in MOUNTED))
OPENING: Final = tuple(_mark(code) for code in UNWRAPPED)
WRAPPED: Final = b'"wrapping_accessor"'


@dataclass(frozen=True, slots=True)
class RotationDue:
    """A value of a secret that somebody knew who should not any more, until it is written anew.

    `version` 0: of an engine that has none. `looked` is how much of the log was read for another.
    """

    entity: str
    path: str
    version: int
    why: str
    read_at: datetime
    read_entry: int
    since: datetime
    state: str
    looked: int
    resolved_at: datetime | None = None
    resolved_entry: int | None = None
    entry: int | None = None


ROTATIONS_DUE = Register(
    "rotation_due",
    RotationDue,
    key=("entity", "path", "version"),
    indexes=(("state",),),
    guarded=True,
)


async def known_to(log: Log, entities: Sequence[str]) -> list[Value]:
    """Return the values that these actors read or wrote, from the whole log up to now."""
    who = [entity.encode() for entity in entities]
    knowledge = Knowledge(dict.fromkeys(entities, ""))
    for start in range(0, log.size, PIECE):
        for entry in await log.entries(start, min(start + PIECE, log.size)):
            leaf = entry.leaf
            if (
                any(code in leaf for code in (*CHANGING, *OPENING))
                or (READING in leaf and WRAPPED in leaf)
                or (READING in leaf and any(each in leaf for each in who))
            ):
                knowledge.follow(decoded(entry.index, leaf))
        await asyncio.sleep(0)
    return knowledge.of("")


def at_of(entry: LogEntry, otherwise: datetime) -> datetime:
    """Return the time of an entry."""
    return otherwise if entry.time is None else entry.time


async def names_of(tx: Transaction, entity: str) -> list[str]:
    """Return the ids under which an entity acted: its own, and of those that went into it."""
    return [entity, *(merged.id for merged in await tx.all(MERGED, entity=entity))]


# -- rows


async def queue(server: Server, entity: str, now: datetime) -> list[RotationDue]:
    """Return what is to be rotated because somebody knows it; what was written since is not."""
    tx = Transaction(server.database, server.barrier)
    size = server.log.size
    known = await known_to(server.log, await names_of(tx, entity))
    return [
        RotationDue(
            entity=entity,
            path=v.path,
            version=v.version,
            why=WHY,
            read_at=at_of(v.last, now),
            read_entry=v.last.index,
            since=now,
            state=DUE,
            looked=size if v.kept is None else v.made + 1,  # what wrote over it is read again
        )
        for v in known
        if v.replaced is None
    ]


async def queue_leavers(server: Server) -> int:
    """Queue what those knew who left since, with an entry for each. Returns how many left."""
    tx = Transaction(server.database, server.barrier)
    leavers, _ = await tx.examine(LEAVERS, queued_at=None)
    for leaver in leavers:
        rows = await queue(server, leaver.entity, server.clock.now())

        async def work(
            attempt: Attempt, entity: str = leaver.entity, rows: Sequence[RotationDue] = rows
        ) -> bool:
            tx = attempt.transaction
            current = await tx.get(LEAVERS, entity)
            if current is None or current.queued_at is not None:
                return False
            there = await _is_there(tx, entity, attempt.now)
            for row in () if there else rows:
                old = await tx.get(ROTATIONS_DUE, *_key(row))
                if old is None or old.state != DUE:
                    tx.put(ROTATIONS_DUE, row)
            tx.put(LEAVERS, replace(current, queued_at=attempt.now))
            attempt.details = {"entity": entity, "queued": 0 if there else len(rows)}
            return True

        await server.pipeline.act(
            "rotation.queue", f"strongroom/people/{leaver.entity}/knowledge", work
        )
    return len(leavers)


async def _is_there(tx: Transaction, entity: str, now: datetime) -> bool:
    """Say whether somebody is back, or is another one now."""
    if await tx.get(MERGED, entity) is not None:
        return True
    return await active_person(tx, entity, now) is not None


async def withdraw(tx: Transaction, entity: str) -> int:
    """Forget what is due because of somebody who is back. Returns how much that is."""
    rows, _ = await tx.examine(ROTATIONS_DUE, entity=entity)
    due = [row for row in rows if row.state == DUE and row.why == WHY]
    for row in due:
        tx.delete(ROTATIONS_DUE, *_key(row))
    return len(due)


class Following:
    """Follows the log for secrets that are due; each entry is read once for all of them."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._known: dict[tuple[str, str, int], RotationDue] = {}
        self._kept: dict[tuple[str, str, int], frozenset[str]] = {}
        self._prints: dict[int, str] = {}

    def unchanged(self, row: RotationDue) -> list[str]:
        """Return which fields still have the values that are known, by their keys.

        Nothing: nobody wrote it since; "*": others too, or all of it.
        """
        return sorted(self._kept.get(_key(row), ()))

    async def resolved(self, tx: Transaction, rows: Sequence[RotationDue]) -> list[RotationDue]:
        """Return rows that are due as the log leaves them now: those written anew are rotated."""
        found = [self._latest(row) for row in rows]
        for row in found:
            if row.read_entry not in self._prints:
                self._prints[row.read_entry] = await self._print(row.read_entry)
        names = {row.entity: frozenset(await names_of(tx, row.entity)) for row in found}
        size = self._log.size
        waiting: dict[str, list[int]] = {}
        for at, row in enumerate(found):
            waiting.setdefault(row.path, []).append(at)
        for start in range(min((row.looked for row in found), default=size), size, PIECE):
            for stored in await self._log.entries(start, min(start + PIECE, size)):
                if any(code in stored.leaf for code in WRITING):
                    entry = decoded(stored.index, stored.leaf)
                    for at in waiting.get(entry.path or "", ()):
                        found[at] = self._after(found[at], entry, names[found[at].entity])
            await asyncio.sleep(0)
        found = [replace(row, looked=size) for row in found]
        self._known = {_key(row): row for row in found}
        return found

    async def _print(self, index: int) -> str:
        """Return the fingerprint of what was read there."""
        for stored in await self._log.entries(index, index + 1):
            return print_of(decoded(stored.index, stored.leaf))
        return ""

    def _after(self, row: RotationDue, entry: LogEntry, names: frozenset[str]) -> RotationDue:
        """Return a row as an entry that wrote its path leaves it."""
        of_leaver = not names.isdisjoint(actors(entry))
        done = row.state != DUE or entry.index < row.looked or not is_whole(entry)
        if done or not entry.ok or of_leaver:
            return row
        key = _key(row)
        kept = still_known(self._kept.get(key), self._prints.get(row.read_entry, ""), entry)
        self._kept[key] = kept
        if kept:
            return row
        at = at_of(entry, row.since)
        return replace(row, state=ROTATED, resolved_at=at, resolved_entry=entry.index)

    def _latest(self, row: RotationDue) -> RotationDue:
        known = self._known.get(_key(row))
        if known is not None and known.since == row.since:
            return known
        self._kept.pop(_key(row), None)
        return row


def _key(row: RotationDue) -> tuple[str, str, int]:
    return (row.entity, row.path, row.version)


async def resolve_due(server: Server, following: Following) -> int:
    """Write down which secrets were written anew. Returns how many."""
    tx = Transaction(server.database, server.barrier)
    due, _ = await tx.examine(ROTATIONS_DUE, state=DUE)
    found = [row for row in await following.resolved(tx, due) if row.state == ROTATED]
    for start in range(0, len(found), BATCH):
        part = found[start : start + BATCH]

        async def work(attempt: Attempt, part: Sequence[RotationDue] = part) -> bool:
            done: list[str] = []
            for row in part:
                key = (row.entity, row.path, row.version)
                current = await attempt.transaction.get(ROTATIONS_DUE, *key)
                if current is not None and current.state == DUE:
                    attempt.transaction.put(ROTATIONS_DUE, row)
                    done.append(row.path)
            attempt.details = {"rotated": done}
            return bool(done)

        await server.pipeline.act("rotation.resolve", "strongroom/rotation/due", work)
    return len(found)
