"""The log as control tests see it: the entries up to one signed checkpoint, decoded.

Entries belong to a period by their time, and times may go back: see `times` for what the stretch
of a period is.

Cost    The first stretch that is asked for reads every entry up to the checkpoint once, block by
        block. Where the clock went back is found by reading the entries of the stretch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from strongroom.audit.decoding import decoded
from strongroom.audit.log import Log, Published
from strongroom.crypto.merkle import Tree, leaf_hash
from strongroom.evidence.times import Times, in_words_since, setbacks_in, time_of, went_back
from strongroom.sdk.facts.log import DailyCheckpoint, LogEntry, Setback
from strongroom.sdk.facts.period import Period
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


@dataclass(slots=True, kw_only=True)
class LogReading:
    """See `sdk.facts.log.Log`. `published` is the checkpoint that the run is about."""

    database: Database
    log: Log
    published: Published
    verifier_key: str
    witnesses: Sequence[str] = ()
    before: LogEntry | None = None
    _times: Times | None = None
    _setbacks: dict[tuple[datetime, datetime | None], list[Setback]] = field(default_factory=dict)

    async def open(self) -> LogReading:
        """Read the first entry; return the reading."""
        self.before = await self.entry(0)
        return self

    async def entry(self, index: int) -> LogEntry | None:
        rows = await self.database.rows(FROM, (index, index + 1, 1))
        return decoded(index, bytes(rows[0][1])) if rows else None

    async def stretch(self, start: datetime, end: datetime | None) -> tuple[int, int]:
        """Return the indexes from which and up to which the entries of a period lie.

        The second is not before the first, and is 0 only where no entry is before `end`.
        """
        times = await self._surveyed()
        size = self.published.size
        first, last = size, 0 if end is not None else size
        if (block := times.first_block(start)) is not None:
            async for index, leaf in self.leaves(block, min(block + CHUNK, size)):
                if (time := time_of(leaf)) is not None and time >= start:
                    first = index
                    break
        if end is not None and (block := times.last_block(end)) is not None:
            async for index, leaf in self.leaves(block, min(block + CHUNK, size)):
                if (time := time_of(leaf)) is not None and time < end:
                    last = index + 1
        return first, max(first, last) if last else 0

    async def _surveyed(self) -> Times:
        """Return the times of the log; the entries are read once for them."""
        if self._times is None:
            times, block = Times(), list[tuple[int, bytes]]()
            async for each in self.leaves(0, self.published.size):
                block.append(each)
                if len(block) == CHUNK:
                    times.add(block)
                    block = []
            if block:
                times.add(block)
            self._times = times
        return self._times

    async def setbacks(self, start: datetime, end: datetime | None) -> Sequence[Setback]:
        if (start, end) not in self._setbacks:
            leaves = self.leaves(*await self.stretch(start, end))
            self._setbacks[start, end] = await setbacks_in(leaves)
        return self._setbacks[start, end]

    def uncovered(self, period: Period) -> str:
        begins = self.before.time if self.before is not None else None
        return in_words_since(period, begins) if begins is not None else ""

    async def notes(self, period: Period) -> tuple[str, ...]:
        """Return what has to be said of a period whatever is asked about it."""
        first, end = await self.stretch(period.start, period.end)
        if not end:
            said = [self.uncovered(period), "no entry is from before its end: nothing to test"]
        else:
            empty = "" if first < end else "the log has no entry of the period"
            said = [self.uncovered(period), empty]
        return tuple(
            filter(None, [*said, went_back(await self.setbacks(period.start, period.end))])
        )

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
        first, last = await self.stretch(start, end)
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
            day, note, further = notes[size]
            proof = tuple(await self.log.consistency(before, size)) if before else None
            lines = await self.database.rows(COSIGNATURES, (size,))
            yield DailyCheckpoint(
                day=day,
                note=note,
                proof=proof,
                recomputed=roots.get(size, b""),
                cosigned=tuple(line.rstrip("\n") for (line,) in lines),
                fresh=size == self.published.size,
                further=further,
            )
            before = size

    async def daily(self, period: Period) -> dict[int, tuple[str, bytes, int]]:
        """Return day and note of each day's last checkpoint, a cosigned one if it has any, by size.

        With it goes how many entries further the day's last checkpoint of all is. The checkpoint
        that this reading is of is among them.
        """
        found: dict[int, tuple[str, bytes, int]] = {}
        day = period.start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        while day < period.end:
            first, last = await self.stretch(max(day, period.start), min(day + DAY, period.end))
            for choice in (WITNESSED, CHECKPOINT) if last > first else ():
                rows = await self.database.rows(choice, (last,))
                if rows and rows[0][0] > first:
                    size, _, note = rows[0]
                    [newest] = await self.database.rows(CHECKPOINT, (last,))
                    found[size] = (f"{day:%Y-%m-%d}", note.encode(), newest[0] - size)
                    break
            day += DAY
        found[self.published.size] = ("the run", self.published.note, 0)
        return found

    async def _roots(self, sizes: Sequence[int]) -> dict[int, bytes]:
        """Grow the tree from the stored entries, and return its root at each of the sizes."""
        tree, roots, wanted = Tree(), dict[int, bytes](), list(sizes)
        async for _, leaf in self.leaves(0, max(sizes, default=0)):
            tree.append([leaf_hash(leaf)])
            if wanted and tree.size == wanted[0]:
                roots[wanted.pop(0)] = tree.root()
        return roots
