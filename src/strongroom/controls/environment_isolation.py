"""T17: what belongs to one environment cannot reach another (by evaluation).

Population  Every identity that is bound to an environment, with every path pattern of every
            other environment that is protected.
Holds when  No path under the pattern can be reached: policy grants none, or the guardrail, which
            no policy can lift, refuses all.
Not judged  Nothing.
Trust       The evaluation reasons about all paths of a pattern, not about samples. T18 tries the
            same with real requests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Crossing, Evidence, Item, Kind, Period

MUST_BE_PROTECTED = ("production", "prod")


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each identity and foreign pattern; one for each unprotected environment."""
    async for crossing in evidence.access.crossings():
        yield _judge(crossing)
    for environment in await evidence.access.environments():
        if environment.name in MUST_BE_PROTECTED and not environment.protected:
            yield Item(f"environment {environment.name}", False, "is not protected")


def _judge(crossing: Crossing) -> Item:
    bound = ", ".join(crossing.bound)
    subject = f"{crossing.identity} ({bound}) on {crossing.environment}: {crossing.pattern}"
    if not crossing.by_policy:
        also = "; the guardrail would refuse it too" if crossing.guardrail else ""
        return Item(subject, True, f"no policy grants any path there{also}")
    if crossing.guardrail:
        return Item(subject, True, f"a policy grants some, and {crossing.guardrail} refuses it")
    return Item(subject, False, "a policy grants some path there, and no guardrail refuses it")


CONTROL = ControlTest(
    id="T17",
    title="Environments are isolated (evaluated)",
    kind=Kind.POP,
    population=(
        "Every identity bound to an environment, with every pattern of every other protected one"
    ),
    procedure=(
        "For each bound identity compiled the policies it has, and asked symbolically whether any "
        "path under each pattern of each other protected environment is granted; then whether "
        "the guardrail refuses it."
    ),
    holds_when="No path of another protected environment can be reached.",
    limits=(
        "It shows the policies and identities as of the run. Identities are live tokens and "
        "entities with policies of their own; what a role would grant at the next login shows "
        "once somebody has logged in. Whoever may write environments can move the boundary."
    ),
    parameters={"must_be_protected": list(MUST_BE_PROTECTED)},
    evaluate=evaluate,
)
