"""T63: what the log holds is what the server counted while it answered.

Population  The intervals between heartbeats of the period. Each heartbeat is an entry with the
            counts of what was answered since the one before, by event and outcome.
Holds when  The entries of the interval give the same counts, and each heartbeat came within three
            minutes of the one before, or of the start: one is due each minute. A stop that is an
            entry, or a simulated clock that an entry put forward, explains a longer time.
Not judged  What was answered before a crash and after the last heartbeat: its counts are lost.
            The end of the period, where no heartbeat follows it; the days before the log began.
Trust       The counts are made where answers are given, apart from what writes the log. A server
            that lies in both is not found by this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from strongroom.base.clock import parse_time
from strongroom.base.errors import InputError
from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period

QUIET = frozenset({"log.heartbeat:ok", "server.stop:ok", "log.noise:ok"})  # a stop's last entries
DUE = timedelta(seconds=60)  # a heartbeat after the one before, or after the start
LATE = 3 * DUE
SIGNS = ("log.heartbeat", "server.start", "server.stop", "clock.advance")


@dataclass
class Interval:
    """Entries that no heartbeat has accounted for yet. `whole`: none before them is missing."""

    whole: bool
    waiting: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Pulse:
    """The last sign of life, and how far a simulated clock was put forward since."""

    last: LogEntry | None = None
    advanced: timedelta = timedelta(0)

    def follow(self, entry: LogEntry) -> Item | None:
        """Return the gap that a heartbeat or a start ends, if nothing explains it."""
        if entry.code == "server.stop":
            self.last = None
        elif entry.code == "clock.advance":
            self.advanced += _advance(entry)
        elif entry.code in {"log.heartbeat", "server.start"} and entry.time is not None:
            last, advanced = self.last, self.advanced
            self.last, self.advanced = entry, timedelta(0)
            if last is not None and last.time is not None:
                silent = entry.time - last.time - advanced
                if silent > LATE:
                    return _gap(last, entry, silent)
        return None


def _advance(entry: LogEntry) -> timedelta:
    """Return how far an entry says that the clock was put forward; only a simulated one can be."""
    if not entry.simulated or not entry.ok or entry.lacks("from", "to"):
        return timedelta(0)
    try:
        before, after = (parse_time(str(entry.own.get(name)), name) for name in ("from", "to"))
    except InputError:
        return timedelta(0)
    return max(after - before, timedelta(0))


def _gap(last: LogEntry, entry: LogEntry, silent: timedelta) -> Item:
    because = (
        f"{silent.total_seconds():.0f} s without a heartbeat and without a stop before: "
        f"entry {last.index} at {last.time:%Y-%m-%d %H:%M:%S}, "
        f"entry {entry.index} at {entry.time:%Y-%m-%d %H:%M:%S} UTC"
    )
    return Item(f"after entry {last.index}", False, because, (last.index, entry.index))


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each day's intervals that agree, each that does not, and each gap."""
    first, end = await evidence.log.stretch(period.start, period.end)
    if first >= end:
        return  # an interval around a period without entries is none of it
    if lacking := evidence.log.uncovered(period):
        yield Item("start of the period", None, lacking, (0,))
    async for item in _intervals(evidence.log.entries(period.start, None), end):
        yield item
    async for item in _gaps(evidence.log.entries(period.start, None, SIGNS), end):
        yield item


async def _gaps(entries: AsyncIterator[LogEntry], end: int) -> AsyncIterator[Item]:
    """Give the gaps that begin before index `end`."""
    pulse = Pulse()
    async for entry in entries:
        if (gap := pulse.follow(entry)) is not None:
            yield gap
        if entry.index >= end and (pulse.last is None or pulse.last.index >= end):
            break


async def _intervals(entries: AsyncIterator[LogEntry], end: int) -> AsyncIterator[Item]:
    """Judge the intervals up to the first heartbeat from index `end` on."""
    interval = Interval(whole=False)
    agreed: dict[str, list[int]] = {}
    heartbeats = 0
    async for entry in entries:
        found: Item | None = None
        if not entry.readable:
            yield Item(f"entry {entry.index}", None, "cannot be read", (entry.index,))
            continue
        interval.whole |= entry.index == 0
        if entry.code == "server.start":
            found, interval = _restarted(interval, entry), Interval(whole=True)
        elif entry.code == "log.heartbeat":
            found = _compare(interval, entry)
            heartbeats += 1
        if found is not None and found.held:
            agreed.setdefault(f"{entry.time:%Y-%m-%d}", []).append(entry.index)
        elif found is not None:
            yield found
        if entry.code == "log.heartbeat" and entry.index >= end:
            break
        interval.waiting.append((entry.index, key_of(entry)))
    for item in _agreed(agreed):
        yield item
    if not heartbeats and interval.waiting:
        yield Item("heartbeats", None, f"{len(interval.waiting)} entries and no heartbeat")


def _agreed(by_day: dict[str, list[int]]) -> Iterator[Item]:
    for day, heartbeats in by_day.items():
        ends = tuple(dict.fromkeys((heartbeats[0], heartbeats[-1])))
        count = len(heartbeats)
        yield Item(f"{day}: {count} intervals", True, "counts agree", ends, members=count)


def _restarted(interval: Interval, start: LogEntry) -> Item | None:
    lost = [index for index, key in interval.waiting if key not in QUIET]
    if not interval.whole or (not lost and not start.own.get("after_crash")):
        return None
    why = "a crash" if start.own.get("after_crash") else "a stop without a last heartbeat"
    because = f"{len(lost)} entries before it are in no count: {why}"
    return Item(f"start at entry {start.index}", None, because, (start.index,))


def _compare(interval: Interval, heartbeat: LogEntry) -> Item | None:
    """Compare what the heartbeat counted with the entries, and keep what it does not cover."""
    through = heartbeat.own.get("through")
    counts = heartbeat.own.get("counts")
    subject = f"interval to entry {heartbeat.index}"
    if not isinstance(through, int) or not isinstance(counts, dict) or heartbeat.lacks("counts"):
        return Item(subject, None, "the heartbeat has no counts", (heartbeat.index,))
    found = Counter(key for index, key in interval.waiting if index <= through)
    interval.waiting = [(index, key) for index, key in interval.waiting if index > through]
    whole, interval.whole = interval.whole, True
    if not whole:
        return None  # it began before the period
    differing = {
        key: (int(counts.get(key, 0)), found[key])
        for key in {*counts, *found}
        if counts.get(key, 0) != found[key]
    }
    if not differing:
        return Item(subject, True, "counts agree", (heartbeat.index,))
    named = "; ".join(
        f"{k}: counted {c}, in the log {f}" for k, (c, f) in sorted(differing.items())
    )
    return Item(subject, False, named, (heartbeat.index,))


def key_of(entry: LogEntry) -> str:
    """Return what an entry is counted under."""
    return f"{entry.code}:{'ok' if entry.ok else 'failed'}"


CONTROL = ControlTest(
    id="T63",
    title="The log equals the server's own counters",
    kind=Kind.POP,
    population="The intervals between heartbeats that begin and end in the period",
    procedure=(
        "Counted the entries of each interval by event and outcome, and compared with the counts "
        "that its heartbeat carries, up to the index that the heartbeat names. Compared the times "
        "of consecutive heartbeats and starts; a gap belongs to the period in which it begins."
    ),
    holds_when=(
        "Every count agrees, and no heartbeat is later than three minutes after the one before or "
        "the start, unless an entry says that the server was stopped or its simulated clock moved."
    ),
    limits=(
        "The same program counts and logs. After a crash the interval's counts are lost, and it "
        "is inconclusive. Repeated anonymous noise is one entry with a number, counted as one."
    ),
    parameters={"longest_gap_seconds": LATE.total_seconds()},
    evaluate=evaluate,
)
