"""T33: once a quarter somebody looks at what programs hold, and signs for it.

Population  Every access review of workloads that was signed off in the period, or had to be by its
            end; and every quarter that ended in it without one, from the first that was begun, or
            scheduled, on.
Holds when  As T38; and nothing was kept by the word of a workload's owner alone.
Not judged  Where the entries of its start or of a decision were cut.
Trust       Who decided, and when, comes from the log. The lines come from the database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period
from strongroom.sdk.review_log import WORKLOADS, judged


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each review of workloads that was due, and each quarter without one."""
    async for item in judged(period, evidence, WORKLOADS):
        yield item


CONTROL = ControlTest(
    id="T33",
    title="What programs hold is reviewed each quarter",
    kind=Kind.POP,
    population=(
        "Every access review of workloads that was signed off in the period or had to be, and "
        "every quarter that ended in it without one"
    ),
    procedure=(
        "From the whole log took each review's start, decisions and sign-off. Computed the root "
        "over its lines anew, and compared it with that in the entry of the start; looked for "
        "memberships and policies of registered workloads of before the start without a line."
    ),
    holds_when=(
        "All lines are there as they were frozen, each decided, none kept by its owner alone, and "
        "the review was signed off within deadline and grace; no quarter is without one."
    ),
    limits=(
        "Quarters before the first review, or the first schedule, are not asked for. A program "
        "that uses somebody else's identity is seen as that one. Batch tokens have no lines."
    ),
    evaluate=evaluate,
)
