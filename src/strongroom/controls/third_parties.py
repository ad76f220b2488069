"""T28: what third parties are given has an end, and ends.

Population  Every person who is a contractor or of a vendor, and every workload of a vendor.
Holds when  It has an end date, a person a contract too; and nothing was served in the period to it,
            or to a token that it made, after its end.
Not judged  A row that is not as it was written; one past its end while the clock went back.
Trust       The end is the one that its row has now.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from strongroom.sdk.control import CLOCK_TOLERANCE, ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period
from strongroom.sdk.knowing import actors

EMPLOYEE = "employee"


@dataclass(frozen=True)
class Party:
    """A third party, person or workload."""

    entity: str
    subject: str
    ends_at: datetime | None
    lacks: str
    entry: int | None


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each of them."""
    parties: list[Party] = []
    for person in await evidence.identities.people():
        if person.problem:
            because = f"not as it was written: {person.problem}"
            yield Item(f"person {person.entity}", None, because)
        elif person.worker != EMPLOYEE:
            subject = f"{person.worker} {person.name} ({person.entity})"
            lacks = "" if person.contract.strip() else "no contract"
            parties.append(Party(person.entity, subject, person.ends_at, lacks, person.entry))
    for workload in await evidence.identities.workloads():
        if workload.problem:
            because = f"not as it was written: {workload.problem}"
            yield Item(f"workload {workload.entity}", None, because)
        elif workload.vendor:
            subject = f"{workload.name} of {workload.vendor} ({workload.entity})"
            parties.append(Party(workload.entity, subject, workload.ends_at, "", workload.entry))
    if not parties:
        return
    late = await _late(period, evidence, parties)
    back = await evidence.log.setbacks(period.start, period.end)
    for party in parties:
        yield _judge(party, late.get(party.entity), clock_went_back=bool(back))


async def _late(period: Period, evidence: Evidence, parties: list[Party]) -> dict[str, int]:
    """Return the first entry of each that something was served to after its end."""
    ends = {p.entity: p.ends_at for p in parties if p.ends_at is not None}
    late: dict[str, int] = {}
    async for entry in evidence.log.entries(period.start, period.end):
        for name in actors(entry):
            end = ends.get(name)
            if end and entry.ok and entry.time and entry.time > end + CLOCK_TOLERANCE:
                late.setdefault(name, entry.index)
    return late


def _judge(party: Party, late: int | None, *, clock_went_back: bool) -> Item:
    proof = () if party.entry is None else (party.entry,)
    if party.ends_at is None:
        return Item(party.subject, False, "has no end", proof)
    end = f"{party.ends_at:%Y-%m-%d}"
    if party.lacks:
        return Item(party.subject, False, f"ends {end}; {party.lacks}", proof)
    if late is not None:
        held = None if clock_went_back else False
        because = f"ended {end}, and was served after it"
        because += "; but the clock went back" if clock_went_back else ""
        return Item(party.subject, held, because, (late,))
    return Item(party.subject, True, f"ends {end}", proof)


CONTROL = ControlTest(
    id="T28",
    title="What third parties are given has an end",
    kind=Kind.POP,
    population="Every contractor, everybody of a vendor, and every workload of one",
    procedure=(
        "Read the end and the contract of each. From the log looked for anything that was served "
        "to one, or to a token that one made, in the period after its end."
    ),
    holds_when="Each has an end, a person a contract; none was served anything after it.",
    limits=(
        "Whether the date is the contract's, and whether an employee is one, nobody can tell "
        "from here. An end that was moved is judged by where it is now."
    ),
    evaluate=evaluate,
)
