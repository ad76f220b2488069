"""What entries of the log say of leaving: whose access was ended, and who was served after it.

Somebody may leave, come back, and leave again: each ending is judged up to the coming back.

Order   By the log's indexes, not by its times: what is behind the ending is after it.
Trust   The ending and what it ended are one commit, so its entry is there or none of it happened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Final

from strongroom.base.clock import parse_time
from strongroom.base.errors import InputError
from strongroom.sdk.control import Evidence, Item
from strongroom.sdk.facts.identities import EntranceFact, PersonFact, WorkloadFact
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.knowing import Same, actors

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = timedelta(hours=24)
MISSED, MEASURED = "leaver.missed", "leaver.measured"
PERSON, WORKLOAD = "person", "workload"
ENDING: Final = ("person.leave", "workload.decommission", "leaver.", "vendor.leave")
RETURNING: Final = ("person.", "scim.user.", "workload.")
APPROVED: Final = "registration.approve"
ACTIVE: Final = "active"


@dataclass
class Ended:
    """Whose access was ended; what was served or missed behind it, up to their coming back."""

    entity: str
    entry: LogEntry
    ended: Mapping[str, object] = field(default_factory=dict)
    back: LogEntry | None = None
    served: int | None = None
    missed: int | None = None
    measured: LogEntry | None = None

    @property
    def counts(self) -> str:
        """What was ended, in words, and how soon; else the longest that finding one kind took."""
        found, slowest = list[str](), 0.0
        for name, each in sorted(self.ended.items()):
            told = _mapping(each)
            count, ms = told.get("count", 0), told.get("ms", 0.0)
            if isinstance(count, int | float) and count:
                found.append(f"{int(count)} {name}")
            slowest = max(slowest, float(ms) if isinstance(ms, int | float) else 0.0)
        counts = ", ".join(found) or "nothing was left"
        took = None if self.measured is None else self.measured.own.get("took_ms")
        if isinstance(took, int | float):
            return f"{counts}, {took:.1f} ms after it was asked for"
        return f"{counts}, found within {slowest:.1f} ms each"

    @property
    def until(self) -> float:
        """Return the index of the entry up to which they were gone."""
        return inf if self.back is None else self.back.index


@dataclass(frozen=True)
class Gone:
    """A row that says that somebody is gone, or must be by now."""

    subject: str
    since: datetime
    entry: int | None
    why: str


def told_of_each(entry: LogEntry) -> list[tuple[str, str, Mapping[str, object]]]:
    """Return whose access an entry ended, each with their kind, and what of theirs there was.

    A vendor's leaving ends that of several at once.
    """
    if not entry.ok:
        return []
    several = entry.own.get("leavers")
    each_of = several if isinstance(several, list) and not entry.lacks("leavers") else [entry.own]
    return [
        (own["entity"], own["kind"], _mapping(own["ended"]))
        for own in each_of
        if isinstance(own, Mapping)
        and isinstance(own.get("entity"), str)
        and isinstance(own.get("kind"), str)
        and "ended" in own
    ]


def gone_since(row: PersonFact | WorkloadFact, period: Period) -> datetime | None:
    """Return since when somebody is gone who must have been ended by the period's end."""
    if row.left_at is not None:
        return row.left_at if row.left_at >= period.start else None
    end = row.ends_at
    return end if end is not None and period.start <= end and end + LATEST < period.end else None


@dataclass
class Leaving:
    """All of one kind: endings, of whom they are the last, entries that were cut, and mergers."""

    ended: list[Ended] = field(default_factory=list)
    gone: dict[str, Ended] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)
    same: Same = field(default_factory=Same)

    def follow(self, entry: LogEntry, kind: str, end: datetime) -> None:
        """Take the next entry; endings from `end` on are of another period."""
        entity = entry.own.get("entity")
        if told := told_of_each(entry):
            for who, of, ended in told:
                if of == kind and (entry.time is None or entry.time < end):
                    self._note(Ended(who, entry, ended))
            return
        if entry.ok and entry.code.startswith(ENDING):
            if entry.lacks("entity", "ended", "leavers") and entry.code not in (MISSED, MEASURED):
                self.cut.append(entry.index)
            self._note_behind(entry)
        self.same.follow(entry)
        if isinstance(entity, str) and entity in self.gone and comes_back(entry):
            self.gone.pop(entity).back = entry
        for name in actors(entry):
            served = self.gone.get(name)
            if served is not None and entry.ok and served.served is None:
                served.served = entry.index

    def _note_behind(self, entry: LogEntry) -> None:
        """Take what an ending took, or what was missed by it."""
        entity = entry.own.get("entity")
        gone = self.gone.get(entity) if isinstance(entity, str) else None
        if entry.code == MEASURED and gone is not None and gone.measured is None:
            gone.measured = entry
        if entry.code == MISSED and gone is not None and gone.missed is None:
            gone.missed = entry.index

    def _note(self, ended: Ended) -> None:
        """Take an ending; of one who is gone already it is none."""
        if ended.entity not in self.gone:
            self.gone[ended.entity] = ended
            self.ended.append(ended)


async def endings(period: Period, evidence: Evidence, kind: str) -> Leaving:
    """Read who was ended up to the period's end, and what came behind it."""
    found = Leaving()
    async for entry in evidence.log.entries(BEGINNING, None):
        found.follow(entry, kind, period.end)
    return found


def comes_back(entry: LogEntry) -> bool:
    """Say whether an entry says that somebody is active, and not over their end."""
    if entry.ok and entry.code == APPROVED and entry.own.get("returned"):
        return True
    if not entry.ok or not entry.code.startswith(RETURNING):
        return False
    ends = entry.own.get("ends_at")
    if entry.own.get("state") != ACTIVE or ends is None:
        return entry.own.get("state") == ACTIVE
    try:
        return entry.time is not None and entry.time < parse_time(str(ends), "ends_at")
    except InputError:
        return False


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
        of = (token.entity, *token.makers, *token.let_in_by)
        live |= {each: token.entry for each in of if each}
    for index in leaving.cut:
        if index >= first:
            yield Item(f"entry {index}", None, "was cut: what it ended is not in it", (index,))
    for ended in leaving.ended:
        if ended.entry.index >= first:
            subject = names.get(ended.entity) or f"entity {ended.entity}"
            last = leaving.gone.get(ended.entity) is ended
            late = gone[ended.entity].since if last and ended.entity in gone else None
            yield _of_ending(subject, ended, late, holds=last and ended.entity in live)
    for entity, row in gone.items():
        merged = leaving.same.now(entity) != entity  # who they are now is judged
        if entity not in leaving.gone and not merged and row.since < period.end:
            proof = () if row.entry is None else (row.entry,)
            yield Item(row.subject, False, f"{row.why}, and no entry ended what it had", proof)
    left = {entity: ended.entry.index for entity, ended in leaving.gone.items()}
    for item in _ways_in(await evidence.identities.entrances(), left, names):
        yield item


def _ways_in(
    entrances: Sequence[EntranceFact], left: Mapping[str, int], names: Mapping[str, str]
) -> Iterator[Item]:
    """Give an item for each way in that somebody made who has left, and who did not come back."""
    for each in entrances:
        proof = () if each.entry is None else (each.entry,)
        if each.problem:
            yield Item(each.name, None, f"not as it was written: {each.problem}", proof)
            continue
        for entity in each.known_to:
            if entity not in left:
                continue
            subject = f"{each.name}, which {names.get(entity) or f'entity {entity}'} made"
            shown = (left[entity], *proof)
            if entity not in each.closed:
                yield Item(subject, False, "they have left, and it still lets anybody in", shown)
            else:
                because = (
                    "lets in who is registered, a person by a password that a leaver set only with "
                    "a factor of their own: nobody else has looked at it since they left"
                )
                yield Item(subject, None, because, shown)


def _of_ending(subject: str, ended: Ended, since: datetime | None, *, holds: bool) -> Item:
    index = ended.entry.index
    if ended.served is not None:
        because = f"ended at entry {index}, and was served at entry {ended.served}"
        return Item(subject, False, because, (index, ended.served))
    if ended.missed is not None:
        because = f"the check at entry {ended.missed} found what was not ended"
        return Item(subject, False, because, (index, ended.missed))
    if holds:
        return Item(
            subject, False, "ended, and a token of its, or that it made, lives at the run", (index,)
        )
    at = ended.entry.time
    if since is not None and at is not None and at - since > LATEST:
        return Item(subject, False, f"ended {at - since} after it had to be", (index,))
    because = f"ended at once: {ended.counts}"
    if ended.back is None:
        return Item(subject, True, because, (index,))
    back = ended.back.index
    return Item(subject, True, f"{because}; back since entry {back}", (index, back))


def _mapping(found: object) -> Mapping[str, object]:
    return found if isinstance(found, Mapping) else {}
