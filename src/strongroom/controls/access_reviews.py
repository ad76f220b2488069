"""T38: once a quarter somebody else looks at what people hold, and signs for it.

Population  Every access review of people that was signed off in the period, or had to be by its
            end; and every quarter that ended in it without one, from the first that was begun, or
            scheduled, on.
Holds when  Its lines are those that the entry of its start has the number and the root of; what is
            held since before, by rows that are still there, has a line; all lines are decided by
            others than their holders; it is signed off before its deadline and the grace are over.
Not judged  Where the entries of its start or of a decision were cut.
Trust       Who decided, and when, comes from the log. The lines come from the database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period
from strongroom.sdk.review_log import PEOPLE, judged


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each review of people that was due, and each quarter without one."""
    async for item in judged(period, evidence, PEOPLE):
        yield item


CONTROL = ControlTest(
    id="T38",
    title="Who holds what is reviewed each quarter",
    kind=Kind.POP,
    population=(
        "Every access review of people that was signed off in the period or had to be, and every "
        "quarter that ended in it without one"
    ),
    procedure=(
        "From the whole log took each review's start, decisions and sign-off. Computed the root "
        "over its lines anew, and compared it with that in the entry of the start; looked for "
        "memberships, policies and grants of before the start that have no line."
    ),
    holds_when=(
        "All lines are there as they were frozen, each decided by another than its holder, and "
        "the review was signed off within deadline and grace; no quarter is without one."
    ),
    limits=(
        "Quarters before the first review, or the first schedule, are not asked for. What was held "
        "at the start and is gone by now is seen only in the lines. Whether a reviewer looked is "
        "not seen."
    ),
    evaluate=evaluate,
)
