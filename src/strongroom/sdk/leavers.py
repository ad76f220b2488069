"""What entries of the log say of leaving: whose access was ended, and who was served after it.

Order   By the log's indexes, not by its times: what is behind the ending is after it.
Trust   The ending and what it ended are one commit, so its entry is there or none of it happened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from strongroom.sdk.control import Evidence, Item
from strongroom.sdk.facts.identities import PersonFact, WorkloadFact
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = timedelta(hours=24)
MISSED: Final = "leaver.missed"
PERSON, WORKLOAD = "person", "workload"


@dataclass
class Ended:
    """Whose access was ended, the first time; what was served or missed behind it."""

    entity: str
    entry: LogEntry
    served: int | None = None
    missed: int | None = None

    @property
    def counts(self) -> str:
        """What was ended, in words, with the longest that one kind of thing took."""
        found, slowest = list[str](), 0.0
        for name, each in sorted(_mapping(self.entry.own.get("ended")).items()):
            told = _mapping(each)
            count, ms = told.get("count", 0), told.get("ms", 0.0)
            if isinstance(count, int | float) and count:
                found.append(f"{int(count)} {name}")
            slowest = max(slowest, float(ms) if isinstance(ms, int | float) else 0.0)
        return f"{', '.join(found) or 'nothing was left'}, within {slowest:.1f} ms each"


@dataclass(frozen=True)
class Gone:
    """A row that says that somebody is gone, or must be by now."""

    subject: str
    since: datetime
    entry: int | None
    why: str


def gone_since(row: PersonFact | WorkloadFact, period: Period) -> datetime | None:
    """Return since when somebody is gone who must have been ended by the period's end."""
    if row.left_at is not None:
        return row.left_at if row.left_at >= period.start else None
    end = row.ends_at
    return end if end is not None and period.start <= end and end + LATEST < period.end else None


@dataclass
class Leaving:
    """All of one kind: endings by entity, and entries of endings that were cut."""

    ended: dict[str, Ended] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)


async def endings(period: Period, evidence: Evidence, kind: str) -> Leaving:
    """Read who was ended up to the period's end, and what came behind it."""
    found = Leaving()
    async for entry in evidence.log.entries(BEGINNING, None):
        own, entity = entry.own, entry.own.get("entity")
        if entry.ok and "ended" in own and own.get("kind") == kind and isinstance(entity, str):
            if entry.time is None or entry.time < period.end:
                found.ended.setdefault(entity, Ended(entity, entry))
            continue
        if entry.ok and entry.code.startswith(("person.leave", "workload.decommission", "leaver.")):
            if entry.lacks("entity", "ended") and entry.code != MISSED:
                found.cut.append(entry.index)
            gone = found.ended.get(entity) if isinstance(entity, str) else None
            if entry.code == MISSED and gone is not None and gone.missed is None:
                gone.missed = entry.index
        served = found.ended.get(entry.actor or "")
        if served is not None and entry.ok and served.served is None:
            served.served = entry.index
    return found


async def judged(
    period: Period,
    evidence: Evidence,
    leaving: Leaving,
    gone: Mapping[str, Gone],
    names: Mapping[str, str],
) -> AsyncIterator[Item]:
    """Give an item for each ending of the period, and for each that should have been one."""
    first, _ = await evidence.log.stretch(period.start, period.end)
    live: dict[str, int | None] = {}
    async for token in evidence.tokens.live():
        if token.entity:
            live[token.entity] = token.entry
    for index in leaving.cut:
        if index >= first:
            yield Item(f"entry {index}", None, "was cut: what it ended is not in it", (index,))
    for entity, ended in leaving.ended.items():
        if ended.entry.index >= first:
            subject = names.get(entity) or f"entity {entity}"
            late = gone[entity].since if entity in gone else None
            yield _of_ending(subject, ended, late, holds=entity in live)
    for entity, row in gone.items():
        if entity not in leaving.ended and row.since < period.end:
            proof = () if row.entry is None else (row.entry,)
            yield Item(row.subject, False, f"{row.why}, and no entry ended what it had", proof)


def _of_ending(subject: str, ended: Ended, since: datetime | None, *, holds: bool) -> Item:
    index = ended.entry.index
    if ended.served is not None:
        because = f"ended at entry {index}, and was served at entry {ended.served}"
        return Item(subject, False, because, (index, ended.served))
    if ended.missed is not None:
        because = f"the check at entry {ended.missed} found what was not ended"
        return Item(subject, False, because, (index, ended.missed))
    if holds:
        return Item(subject, False, "ended, and a token of its lives at the run", (index,))
    at = ended.entry.time
    if since is not None and at is not None and at - since > LATEST:
        return Item(subject, False, f"ended {at - since} after it had to be", (index,))
    return Item(subject, True, f"ended at once: {ended.counts}", (index,))


def _mapping(found: object) -> Mapping[str, object]:
    return found if isinstance(found, Mapping) else {}
