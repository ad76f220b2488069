"""T27: a workload that is decommissioned loses everything within a day.

Population  Every workload whose access was ended in the period, and every other that is
            decommissioned or over its end.
Holds when  All was ended by one entry, a day after the end at the latest; nothing was served to it
            behind that; no token of its lives; and the daily look found nothing of its. Somebody
            else answers for the roles and users that it made.
Not judged  A row that is not as it was written; an ending whose entry was cut.
Trust       As for people (T25). An alias shared by several programs is one workload here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period
from strongroom.sdk.leavers import LATEST, WORKLOAD, Gone, endings, gone_since, judged


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each workload that is gone."""
    gone: dict[str, Gone] = {}
    names: dict[str, str] = {}
    for each in await evidence.identities.workloads():
        subject = f"{each.name} ({each.entity})" if each.name else f"workload {each.entity}"
        names[each.entity] = subject
        if each.problem:
            yield Item(subject, None, f"not as it was written: {each.problem}")
        elif (since := gone_since(each, period)) is not None:
            why = "is decommissioned" if each.left_at is not None else "is over its end"
            gone[each.entity] = Gone(subject, since, each.entry, why)
    leaving = await endings(period, evidence, WORKLOAD)
    async for item in judged(period, evidence, leaving, gone, names):
        yield item


CONTROL = ControlTest(
    id="T27",
    title="A decommissioned workload loses everything within a day",
    kind=Kind.POP,
    population="Every workload whose access was ended in the period, or had to be",
    procedure=(
        "Took every entry that ended a workload's access, and every workload that is "
        "decommissioned or over its end. Looked for anything served to it behind that entry, for "
        "live tokens of its, and for what the server's daily look missed."
    ),
    holds_when="All ended by one entry, in time; nothing was served behind it, nothing is left.",
    limits="A program that nobody uses and nobody decommissions is not found here.",
    parameters={"latest_hours": int(LATEST.total_seconds() // 3600)},
    evaluate=evaluate,
)
