"""What leavers knew, and what is to be rotated for it.

A static secret that somebody read stays known to them. The log says what they read: which path,
which version, when. Each is a row that is due until a newer version is written.

Order   A row is made behind the offboarding, by the log up to then; it is resolved by the log too,
        from the entry that wrote the secret anew.
Trust   It is as complete as the log: every read that left is an entry. What somebody was handed by
        a wrapping token of another one, or saw elsewhere, is not in it. Whoever moves a mount gives
        its secrets another path: what was read before is known by the old one.
Limits  The whole log is read for a leaver, in pieces, while requests go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from strongroom.audit.entry import utc
from strongroom.audit.log import Log
from strongroom.core.server import Server
from strongroom.identity.leaving import LEAVERS
from strongroom.identity.records import MERGED
from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction

if TYPE_CHECKING:
    from strongroom.core.attempt import Attempt

PIECE: Final = 1000
READ: Final = b'"event_code":"secret.read"'
WRITTEN: Final = (b'"event_code":"secret.write"', b'"event_code":"secret.patch"')
DUE, ROTATED = "due", "rotated"
WHY: Final = "read by somebody who left"
BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class RotationDue:
    """A version of a secret that a leaver read, until it is written anew.

    `version` 0: of an engine that has none. `looked` is how much of the log was read for a newer.
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


@dataclass(frozen=True, slots=True)
class Read:
    """A version of a secret, and the last entry of somebody's reading it."""

    path: str
    version: int
    index: int
    at: datetime
    times: int
    written_index: int | None = None
    written_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """What of an entry concerns a secret that it read or wrote."""

    path: str
    version: int
    index: int
    at: datetime


async def known_to(log: Log, entities: Sequence[str]) -> list[Read]:
    """Return what these actors read, by path and version, from the whole log up to now."""
    who = [entity.encode() for entity in entities]
    reads: dict[tuple[str, int], Read] = {}
    written: dict[str, list[Line]] = {}
    for start in range(0, log.size, PIECE):
        for entry in await log.entries(start, min(start + PIECE, log.size)):
            leaf = entry.leaf
            if READ in leaf and any(each in leaf for each in who):
                if (line := _line(leaf, entry.index, entities)) is not None:
                    at = (line.path, line.version)
                    times = reads[at].times + 1 if at in reads else 1
                    reads[at] = Read(*at, line.index, line.at, times)
            elif (line := _write(leaf, entry.index)) is not None:
                written.setdefault(line.path, []).append(line)
        await asyncio.sleep(0)
    return [_with_newer(read, written.get(read.path, ())) for _, read in sorted(reads.items())]


def _with_newer(read: Read, written: Iterable[Line]) -> Read:
    newer = next((w for w in written if _newer(w, read.version, read.index)), None)
    if newer is None:
        return read
    return replace(read, written_index=newer.index, written_at=newer.at)


def _newer(written: Line, version: int, read: int) -> bool:
    """Say whether a write made what was read an older version."""
    if version and written.version:
        return written.version > version
    return written.index > read


def _write(leaf: bytes, index: int) -> Line | None:
    """Read an entry that wrote a secret; None for any other."""
    return _line(leaf, index) if any(code in leaf for code in WRITTEN) else None


def _line(leaf: bytes, index: int, actors: Sequence[str] = ()) -> Line | None:
    """Read an entry of a secret that was served; None for one that was refused, or another's."""
    event: Mapping[str, Any] = msgspec.json.decode(leaf)
    if event.get("status_id") != 1:
        return None
    if actors and event["actor"]["user"]["uid"] not in actors:
        return None
    [resource] = event["resources"]
    path = event["unmapped"]["path"]
    return Line(path, int(resource.get("version", 0)), index, utc(event["time"]))


async def names_of(tx: Transaction, entity: str) -> list[str]:
    """Return the ids under which an entity acted: its own, and of those that went into it."""
    return [entity, *(merged.id for merged in await tx.all(MERGED, entity=entity))]


# -- rows


async def queue(server: Server, entity: str, now: datetime) -> list[RotationDue]:
    """Return what is to be rotated because somebody knows it; what was written since is not."""
    tx = Transaction(server.database, server.barrier)
    size = server.log.size
    reads = await known_to(server.log, await names_of(tx, entity))
    return [
        RotationDue(entity, r.path, r.version, WHY, r.at, r.index, now, DUE, size)
        for r in reads
        if r.written_index is None
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
            for row in rows:
                if await tx.get(ROTATIONS_DUE, row.entity, row.path, row.version) is None:
                    tx.put(ROTATIONS_DUE, row)
            tx.put(LEAVERS, replace(current, queued_at=attempt.now))
            attempt.details = {"entity": entity, "queued": len(rows)}
            return True

        await server.pipeline.act(
            "rotation.queue", f"strongroom/people/{leaver.entity}/knowledge", work
        )
    return len(leavers)


class Following:
    """Follows the log for secrets that are due; each entry is read once for all of them."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._known: dict[tuple[str, str, int], RotationDue] = {}

    async def resolved(self, rows: Sequence[RotationDue]) -> list[RotationDue]:
        """Return rows that are due as the log leaves them now: those written anew are rotated."""
        found = [self._latest(row) for row in rows]
        size = self._log.size
        waiting: dict[str, list[int]] = {}
        for at, row in enumerate(found):
            waiting.setdefault(row.path, []).append(at)
        for start in range(min((row.looked for row in found), default=size), size, PIECE):
            for entry in await self._log.entries(start, min(start + PIECE, size)):
                _resolve(found, waiting, _write(entry.leaf, entry.index))
            await asyncio.sleep(0)
        found = [replace(row, looked=size) for row in found]
        self._known = {_key(row): row for row in found}
        return found

    def _latest(self, row: RotationDue) -> RotationDue:
        known = self._known.get(_key(row))
        return known if known is not None and known.since == row.since else row


def _key(row: RotationDue) -> tuple[str, str, int]:
    return (row.entity, row.path, row.version)


def _resolve(
    rows: list[RotationDue], waiting: Mapping[str, Sequence[int]], line: Line | None
) -> None:
    for at in waiting.get(line.path, ()) if line is not None else ():
        row = rows[at]
        if line is not None and row.state == DUE and _newer(line, row.version, row.read_entry):
            rows[at] = replace(row, state=ROTATED, resolved_at=line.at, resolved_entry=line.index)


async def resolve_due(server: Server, following: Following) -> int:
    """Write down which secrets were written anew. Returns how many."""
    tx = Transaction(server.database, server.barrier)
    due, _ = await tx.examine(ROTATIONS_DUE, state=DUE)
    found = [row for row in await following.resolved(due) if row.state == ROTATED]
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
