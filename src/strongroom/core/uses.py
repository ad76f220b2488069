"""What was granted and what of it was used: one reading of the log for all who ask.

Each entry names the rules that granted its request, as `policy#pattern`, so what a rule was used
for is counted and never worked out anew. A use by what an entity was before it was merged counts.

Order   By the indexes of entries, from the first that is not before the period.
Trust   It is as complete as the log. A request whose rules were cut off is not counted for a rule,
        and how many there are is said.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from strongroom.audit.asked import Asked, asked, time_text, written_at
from strongroom.audit.log import Log
from strongroom.base.clock import rfc3339

PIECE: Final = 2000
RULES: Final = b'"rules":['


@dataclass(slots=True)
class Used:
    """What one rule was used for by one entity."""

    operations: dict[str, int] = field(default_factory=dict)
    index: int = -1
    time: str = ""

    @property
    def times(self) -> int:
        """How often."""
        return sum(self.operations.values())

    def shown(self) -> dict[str, object]:
        """Return it as replies show it."""
        return {
            "times": self.times,
            "used": sorted(self.operations),
            "last_index": self.index if self.index >= 0 else None,
            "last_time": f"{self.time}Z" if self.time else None,
        }


@dataclass(slots=True)
class Uses:
    """Adds up uses, by entity and by rule."""

    by_rule: dict[tuple[str, str], Used] = field(default_factory=dict)
    uncounted: int = 0

    def follow(self, entry: Asked, who: str) -> None:
        """Take a request that was let through."""
        if entry.lacks("rules"):
            self.uncounted += 1
        own = entry.unmapped
        for rule in own.rules:
            used = self.by_rule.get((who, rule))
            if used is None:
                used = self.by_rule[who, rule] = Used()
            used.operations[own.operation] = used.operations.get(own.operation, 0) + 1
            used.index, used.time = entry.index, own.time.removesuffix("Z")


async def requests(
    log: Log, since: datetime, marks: Iterable[bytes] = (), until: int | None = None
) -> AsyncIterator[Asked]:
    """Give the requests since a moment that a rule was asked about.

    With `marks`, only those whose entries hold one of them.
    """
    first, wanted, begun = time_text(since), tuple(marks), False
    size = log.size if until is None else until
    for start in range(0, size, PIECE):
        for entry in await log.entries(start, min(start + PIECE, size)):
            leaf = entry.leaf
            begun = begun or written_at(leaf) >= first
            if not begun or RULES not in leaf:
                continue
            if wanted and not any(mark in leaf for mark in wanted):
                continue
            if (found := asked(entry.index, leaf)) is not None:
                yield found
        await asyncio.sleep(0)


def policy_mark(name: str) -> bytes:
    """Return what an entry's bytes hold if its token had a policy."""
    return json.dumps(name).encode()


def rule_mark(name: str) -> bytes:
    """Return what an entry's bytes hold if a rule of a policy decided on it."""
    return json.dumps(f"{name}#")[:-1].encode()


async def uses_of(log: Log, since: datetime, names: Mapping[str, str] | None = None) -> Uses:
    """Return what was used since a moment. `names` are those asked about, and whose each is."""
    found = Uses()
    marks = [json.dumps(name).encode() for name in names or ()]
    async for entry in requests(log, since, marks):
        who = entry.who if names is None else names.get(entry.who, "")
        if entry.granted and who:
            found.follow(entry, who)
    return found


def period(since: datetime, now: datetime) -> dict[str, str]:
    """Return a period as replies show it."""
    return {"since": rfc3339(since), "until": rfc3339(now)}
