"""The log as control tests see it: the entries up to one signed checkpoint, decoded.

Entries belong to a period by their time. Times hardly ever go back in the order of the log (two
requests that commit together, a corrected clock), so a period is the stretch between two indexes
that a search by halves finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from strongroom.audit.log import Log, Published
from strongroom.base.clock import parse_time
from strongroom.base.errors import InputError
from strongroom.crypto.merkle import Tree, leaf_hash
from strongroom.sdk.control import DailyCheckpoint, LogEntry, Period
from strongroom.storage.database import Database

CHUNK = 512
DAY = timedelta(days=1)
FROM = "SELECT idx, leaf FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?"
CHECKPOINT = "SELECT size, at, note FROM checkpoint WHERE size <= ? ORDER BY size DESC LIMIT 1"
WITNESSED = (
    "SELECT c.size, c.at, c.note FROM checkpoint c JOIN cosignature s ON s.size = c.size "
    "WHERE c.size <= ? ORDER BY c.size DESC LIMIT 1"
)
COSIGNATURES = "SELECT line FROM cosignature WHERE size = ? ORDER BY witness"
_decode = msgspec.json.Decoder().decode


def decoded(index: int, leaf: bytes) -> LogEntry:
    """Return a leaf as an entry; one that is no JSON object is not readable."""
    try:
        event = _decode(leaf)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = None
    if not isinstance(event, dict):
        return LogEntry(index=index, readable=False)
    own = _part(event, "unmapped")
    actor, source = _part(event, "actor"), _part(event, "src_endpoint")
    user = _text(_part(actor, "user").get("uid")) or _text(own.get("actor"))
    own_act = user == "system" and "src_endpoint" not in event
    address = own.get("address") or ("strongroom" if own_act else None)
    return LogEntry(
        index=index,
        time=_time(own.get("time")),
        code=_text(_part(event, "metadata").get("event_code")) or "",
        operation=_text(own.get("operation")),
        path=_text(own.get("path")),
        actor=user,
        token=_text(_part(actor, "session").get("uid")) or "",
        source=_text(source.get("ip") or source.get("name") or address),
        ok={1: True, 2: False}.get(event.get("status_id", 0)),
        simulated=own.get("clock") == "simulated",
        own=own,
    )


def _part(event: dict[str, Any], name: str) -> dict[str, Any]:
    found = event.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _time(value: object) -> datetime | None:
    try:
        return parse_time(value, "time") if isinstance(value, str) else None
    except InputError:
        return None


@dataclass(slots=True, kw_only=True)
class LogReading:
    """See `sdk.control.Log`. `published` is the checkpoint that the run is about."""

    database: Database
    log: Log
    published: Published
    verifier_key: str
    witnesses: Sequence[str] = ()
    before: LogEntry | None = None
    _known: dict[datetime, int] = field(default_factory=dict)

    async def open(self) -> LogReading:
        """Read the first entry; return the reading."""
        self.before = await self.entry(0)
        return self

    async def entry(self, index: int) -> LogEntry | None:
        rows = await self.database.rows(FROM, (index, index + 1, 1))
        return decoded(index, bytes(rows[0][1])) if rows else None

    async def index_at(self, moment: datetime) -> int:
        """Return the index of the first entry that is not before a moment; the size if none."""
        if moment in self._known:
            return self._known[moment]
        low, high = 0, self.published.size
        while low < high:
            middle = (low + high) // 2
            rows = await self.database.rows(FROM, (middle, high, 1))
            if not rows:
                high = middle
                continue
            found = decoded(rows[0][0], bytes(rows[0][1]))
            if found.time is not None and found.time < moment:
                low = found.index + 1
            else:
                high = middle
        self._known[moment] = low
        return low

    async def leaves(self, start: int, end: int) -> AsyncIterator[tuple[int, bytes]]:
        """Give the stored entries from `start` up to `end`, with a pause after each chunk."""
        while start < end:
            rows = await self.database.rows(FROM, (start, end, CHUNK))
            for index, leaf in rows:
                yield index, bytes(leaf)
            if len(rows) < CHUNK:
                return
            start = rows[-1][0] + 1
            await asyncio.sleep(0)

    async def entries(
        self, start: datetime, end: datetime | None, codes: tuple[str, ...] = ()
    ) -> AsyncIterator[LogEntry]:
        first = await self.index_at(start)
        last = self.published.size if end is None else await self.index_at(end)
        wanted = [b'"event_code":"' + code.encode() for code in codes]
        async for index, leaf in self.leaves(first, last):
            if not wanted or any(mark in leaf for mark in wanted):
                found = decoded(index, leaf)
                if not codes or found.code.startswith(codes):
                    yield found

    async def checkpoints(self, period: Period) -> AsyncIterator[DailyCheckpoint]:
        notes = await self.daily(period)
        roots = await self._roots(sorted(notes))
        before = 0
        for size in sorted(notes):
            day, note = notes[size]
            proof = tuple(await self.log.consistency(before, size)) if before else None
            lines = await self.database.rows(COSIGNATURES, (size,))
            yield DailyCheckpoint(
                day=day,
                note=note,
                proof=proof,
                recomputed=roots.get(size, b""),
                cosigned=tuple(line.rstrip("\n") for (line,) in lines),
                fresh=size == self.published.size,
            )
            before = size

    async def daily(self, period: Period) -> dict[int, tuple[str, bytes]]:
        """Return day and note of each day's last checkpoint, a cosigned one if it has any, by size.

        The checkpoint that this reading is of is among them.
        """
        found: dict[int, tuple[str, bytes]] = {}
        day = period.start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        while day < period.end:
            first = await self.index_at(max(day, period.start))
            last = await self.index_at(min(day + DAY, period.end))
            for choice in (WITNESSED, CHECKPOINT) if last > first else ():
                rows = await self.database.rows(choice, (last,))
                if rows and rows[0][0] > first:
                    found[rows[0][0]] = (f"{day:%Y-%m-%d}", rows[0][2].encode())
                    break
            day += DAY
        found[self.published.size] = ("the run", self.published.note)
        return found

    async def _roots(self, sizes: Sequence[int]) -> dict[int, bytes]:
        """Grow the tree from the stored entries, and return its root at each of the sizes."""
        tree, roots, wanted = Tree(), dict[int, bytes](), list(sizes)
        async for _, leaf in self.leaves(0, max(sizes, default=0)):
            tree.append([leaf_hash(leaf)])
            if wanted and tree.size == wanted[0]:
                roots[wanted.pop(0)] = tree.root()
        return roots
