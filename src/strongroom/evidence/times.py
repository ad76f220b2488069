"""When the entries of a log were written, by their own times, in whatever order those are.

A machine's clock may be set back, so the times need not rise with the indexes. The stretch of a
period is from the first entry that is not before its start to the last that is before its end:
before it every time is before the period, and behind it every time is after.

Form    Of each block of entries the earliest and the latest time are kept, of the log a few bytes
        for each thousand entries; within a block the entries are read again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import msgspec

from strongroom.base.clock import parse_time, rfc3339
from strongroom.base.errors import InputError
from strongroom.sdk.control import CLOCK_TOLERANCE
from strongroom.sdk.facts.log import Setback
from strongroom.sdk.facts.period import Period

DAY = timedelta(days=1)
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


class _Own(msgspec.Struct):
    time: str = ""


class _Event(msgspec.Struct):
    unmapped: _Own = msgspec.field(default_factory=_Own)


_decode = msgspec.json.Decoder(_Event).decode


def time_of(leaf: bytes) -> datetime | None:
    """Return the time that an entry says; None where it says none."""
    try:
        return parse_time(_decode(leaf).unmapped.time, "time")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InputError):
        return None


@dataclass(slots=True)
class Times:
    """The earliest and the latest time of each block of entries, and where each block begins."""

    begins: list[int] = field(default_factory=list)
    earliest: list[datetime] = field(default_factory=list)
    latest: list[datetime] = field(default_factory=list)

    def add(self, block: Sequence[tuple[int, bytes]]) -> None:
        """Take in the next entries; some of them may have no time."""
        times = [time for _, leaf in block if (time := time_of(leaf)) is not None]
        self.begins.append(block[0][0])
        self.earliest.append(min(times, default=LATEST))
        self.latest.append(max(times, default=EARLIEST))

    def first_block(self, moment: datetime) -> int | None:
        """Return the index where the first block begins that has a time not before a moment."""
        at = bisect_left(list(accumulate(self.latest, max)), moment)
        return self.begins[at] if at < len(self.begins) else None

    def last_block(self, moment: datetime) -> int | None:
        """Return the index where the last block begins that has a time before a moment."""
        rising = list(accumulate(reversed(self.earliest), min))
        rising.reverse()
        at = bisect_left(rising, moment) - 1
        return self.begins[at] if at >= 0 else None


async def setbacks_in(leaves: AsyncIterator[tuple[int, bytes]]) -> list[Setback]:
    """Return where times go back by more than the tolerance, from the latest time before.

    After each that is found it is begun anew, so one wrong hour is named once.
    """
    found: list[Setback] = []
    latest: tuple[int, datetime] | None = None
    async for index, leaf in leaves:
        time = time_of(leaf)
        if time is None:
            continue
        if latest is not None and latest[1] - time > CLOCK_TOLERANCE:
            found.append(Setback(before=latest[0], was=latest[1], index=index, time=time))
            latest = None
        if latest is None or time >= latest[1]:
            latest = index, time
    return found


def days_uncovered(period: Period, begins: datetime) -> tuple[int, int]:
    """Return how many days of a period are not wholly after a moment, and how many it has."""
    first = period.start.astimezone(UTC).date()
    last = (period.end.astimezone(UTC) - timedelta(microseconds=1)).date()
    until = min((begins.astimezone(UTC) - timedelta(microseconds=1)).date(), last)
    return max((until - first).days + 1, 0), (last - first).days + 1


def in_words_since(period: Period, begins: datetime) -> str:
    """Say what of a period a log that begins then does not cover; nothing if it covers it."""
    if begins <= period.start:
        return ""
    lacking, days = days_uncovered(period, begins)
    return (
        f"the log begins on {begins:%Y-%m-%d %H:%M:%S} UTC; "
        f"{lacking} of {days} days are not covered, or not wholly"
    )


def went_back(setbacks: Sequence[Setback]) -> str:
    """Say how often the clock went back, and where first; nothing if it did not."""
    if not setbacks:
        return ""
    times = "once" if len(setbacks) == 1 else f"{len(setbacks)} times"
    first = setbacks[0]
    return (
        f"the clock went back {times}, first from {rfc3339(first.was)} at entry {first.before} "
        f"to {rfc3339(first.time)} at entry {first.index}"
    )
