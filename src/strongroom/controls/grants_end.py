"""T42: grants end: none is longer than allowed, and none gives anything once it is over.

Population  Every grant that was made in the period, or was running in it.
Holds when  It was to last no longer than its rules, and the floor, allow; its row says the end
            that its entry says, or an earlier one; and no entry behind its end names it.
Not judged  A row that is not as it was written; a grant whose entry was cut.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from strongroom.base.clock import parse_time, rfc3339
from strongroom.base.errors import InputError
from strongroom.sdk.approvals import ENDED_BY, Granted, following, lasts, names
from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.governance import GrantFact
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
FLOOR = timedelta(hours=8)
NAMED = "grant/"


@dataclass
class Story:
    """What the log tells of grants: who made and ended them, and who used one that was over."""

    made: dict[str, Granted] = field(default_factory=dict)
    ended: dict[str, LogEntry] = field(default_factory=dict)
    late: dict[str, LogEntry] = field(default_factory=dict)

    def follow(self, entry: LogEntry) -> None:
        """Take the next entry."""
        made = following(self.made, entry)
        if made is None and entry.ok and entry.code in ENDED_BY and "ended_at" in entry.own:
            self.ended.setdefault(str(entry.own.get("grant")), entry)
        for id_ in _used(entry):
            if _over(self.made.get(id_), self.ended.get(id_), entry):
                self.late.setdefault(id_, entry)


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each grant."""
    rows = {row.id: row for row in await evidence.governance.grants()}
    story = Story()
    async for entry in evidence.log.entries(BEGINNING, period.end):
        story.follow(entry)
    for grant in story.made.values():
        row = rows.get(grant.id, _GONE)
        if _until(grant) > period.start and not row.problem:
            yield _judge(grant, row, story)
    for row in rows.values():
        if row.problem:
            yield Item(f"grant {row.id}", None, f"not as it was written: {row.problem}")
        elif row.id not in story.made and row.begins is not None and row.begins < period.end:
            proof = () if row.entry is None else (row.entry,)
            yield Item(f"grant {row.id}", False, "is there, and no entry made it", proof)


_GONE = GrantFact(id="")


def _used(entry: LogEntry) -> list[str]:
    rules = names(entry, "rules") if entry.ok else []
    return [r.removeprefix(NAMED).partition("#")[0] for r in rules if r.startswith(NAMED)]


def _until(grant: Granted) -> datetime:
    try:
        return parse_time(grant.ends, "ends")
    except InputError:
        return datetime.max.replace(tzinfo=UTC)


def _over(grant: Granted | None, ended: LogEntry | None, used: LogEntry) -> bool:
    if grant is None or used.time is None:
        return False
    return used.time >= _until(grant) or (ended is not None and ended.index < used.index)


def _judge(grant: Granted, row: GrantFact, story: Story) -> Item:
    subject, proof = f"grant {grant.id}", [grant.entry.index]
    ended, late = story.ended.get(grant.id), story.late.get(grant.id)
    if ended is not None:
        proof.append(ended.index)
    if late is not None:
        because = f"was over, and entry {late.index} names it as what allowed a request"
        return Item(subject, False, because, (*proof, late.index))
    length = lasts(grant)
    if length is None or grant.entry.lacks("grant", "begins", "ends", "longest_seconds"):
        return Item(subject, None, "the entry that made it was cut", tuple(proof))
    if length > min(FLOOR, grant.most or FLOOR):
        return Item(subject, False, f"was to last {length}, longer than allowed", tuple(proof))
    if row.ends is not None and rfc3339(row.ends) != grant.ends:
        return Item(subject, False, "its row says another end than its entry", tuple(proof))
    if ended is not None and row.id and row.ended_at is None:
        return Item(subject, False, "it was ended, and its row does not say so", tuple(proof))
    said = f"ended at entry {ended.index}" if ended is not None else f"ends {grant.ends}"
    return Item(subject, True, f"lasts {length}, {said}", tuple(proof))


CONTROL = ControlTest(
    id="T42",
    title="Just-in-time grants end",
    kind=Kind.POP,
    population="Every grant that was made in the period, or was running in it",
    procedure=(
        "From the whole log took every grant with its begin, its end and what its rules allowed, "
        "and every entry that ended one. Compared them with the rows, and looked for any request "
        "that names a grant behind its end."
    ),
    holds_when=(
        "No grant was to last longer than its rules and eight hours allow, no row was prolonged, "
        "and none allowed anything once it was over."
    ),
    limits="Times are those of the entries. A grant that nobody used is judged by its end alone.",
    parameters={"longest_hours": 8},
    evaluate=evaluate,
)
