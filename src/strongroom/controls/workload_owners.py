"""T23: every workload has an owner who is there.

Population  Every active workload that is registered, and every other that logged in in the period.
Holds when  Its owner is an active person.
Not judged  A row that is not as it was written.
Trust       The owner is judged at the run, and by the rows of the owner's entity and person.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period
from strongroom.sdk.logins import CODES, SERVICE, login_of


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each workload."""
    known: set[str] = {person.entity for person in await evidence.identities.people()}
    for each in await evidence.identities.workloads():
        known.add(each.entity)
        subject = f"{each.name} ({each.entity})" if each.name else f"workload {each.entity}"
        proof = () if each.entry is None else (each.entry,)
        if each.problem:
            yield Item(subject, None, f"not as it was written: {each.problem}")
        elif each.active and each.owner_problem:
            yield Item(subject, False, each.owner_problem, proof)
        elif each.active:
            yield Item(subject, True, f"owned by {each.owner}", proof)
    strangers: dict[str, int] = {}
    async for entry in evidence.log.entries(period.start, period.end, CODES):
        login = login_of(entry)
        if login is not None and login.kind == SERVICE and login.who not in known:
            strangers[login.who] = entry.index
    for who, index in strangers.items():
        because = "logged in as a workload, and is registered as none: nobody owns it"
        yield Item(f"workload {who}", False, because, (index,))


CONTROL = ControlTest(
    id="T23",
    title="Every workload has a living owner",
    kind=Kind.POP,
    population=(
        "Every active workload that is registered, and every other that logged in as one in the "
        "period"
    ),
    procedure=(
        "Read the owner of every active workload, and whether that is a registered person who "
        "has not left, is not disabled and not over their end. From the log took workloads that "
        "logged in and are not registered."
    ),
    holds_when="Each has an owner, who is an active person.",
    limits="It shows the owners at the run. Whether the owner knows of it, it does not show.",
    evaluate=evaluate,
)
