"""T63: what the log holds is what the server counted while it answered.

Population  The intervals between heartbeats of the period. Each heartbeat is an entry with the
            counts of what was answered since the one before, by event and outcome.
Holds when  The entries of the interval give the same counts.
Not judged  What was answered before a crash and after the last heartbeat: its counts are lost.
            The end of the period, where no heartbeat follows it.
Trust       The counts are made where answers are given, apart from what writes the log. A server
            that lies in both is not found by this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind, LogEntry, Period

QUIET = frozenset({"log.heartbeat:ok", "server.stop:ok", "log.noise:ok"})  # a stop's last entries


@dataclass
class Interval:
    """Entries that no heartbeat has accounted for yet. `whole`: none before them is missing."""

    whole: bool
    waiting: list[tuple[int, str]] = field(default_factory=list)


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each day's intervals that agree, and one for each that does not."""
    interval = Interval(whole=False)
    agreed: dict[str, list[int]] = {}
    heartbeats = 0
    async for entry in evidence.log.entries(period.start, None):
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
        if entry.code == "log.heartbeat" and entry.time is not None and entry.time >= period.end:
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
        "that its heartbeat carries, up to the index that the heartbeat names."
    ),
    holds_when="Every count agrees.",
    limits=(
        "The same program counts and logs. After a crash the interval's counts are lost, and it "
        "is inconclusive. Repeated anonymous noise is one entry with a number, counted as one."
    ),
    evaluate=evaluate,
)
