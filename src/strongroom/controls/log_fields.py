"""T64: every entry says when, who, what, on what, from where, and what came of it.

Population  Every entry of the period.
Holds when  It has a time, an actor, an operation, a path, a source and an outcome.
Not judged  An entry that cannot be read; the days of the period before the log began.
Trust       The source of the server's own acts is the server; of a request, a network address.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period


@dataclass
class Group:
    """The complete entries of one event."""

    count: int
    first: int
    last: int


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each event with its complete entries, and one for each other entry."""
    complete: dict[str, Group] = {}
    async for entry in evidence.log.entries(period.start, period.end):
        if not entry.readable:
            yield Item(f"entry {entry.index}", None, "cannot be read", (entry.index,))
        elif missing := missing_of(entry):
            because = f"{entry.code or 'no event'}: no {', '.join(missing)}"
            yield Item(f"entry {entry.index}", False, because, (entry.index,))
        else:
            group = complete.setdefault(entry.code, Group(0, entry.index, entry.index))
            group.count += 1
            group.last = entry.index
    lacking = evidence.log.uncovered(period)
    if lacking and complete:
        yield Item("start of the period", None, lacking, (0,))
    for code, group in sorted(complete.items()):
        ends = tuple(dict.fromkeys((group.first, group.last)))
        yield Item(f"{code}: {group.count} entries", True, "complete", ends, members=group.count)


def missing_of(entry: LogEntry) -> list[str]:
    """Return what an entry does not say."""
    said = {
        "time": entry.time,
        "event": entry.code or None,
        "actor": entry.actor or None,
        "operation": entry.operation or None,
        "path": entry.path,
        "source": entry.source or None,
        "outcome": entry.ok,
    }
    return [name for name, value in said.items() if value is None]


CONTROL = ControlTest(
    id="T64",
    title="Log entries are complete",
    kind=Kind.POP,
    population="Every entry of the period",
    procedure="Read every entry and looked for each of the seven fields.",
    holds_when="No entry lacks a field.",
    limits="It shows that the fields are there, not that what they say is true.",
    parameters={"fields": ["time", "event", "actor", "operation", "path", "source", "outcome"]},
    evaluate=evaluate,
)
