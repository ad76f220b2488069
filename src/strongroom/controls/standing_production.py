"""T40: no person can read production by standing policies.

Population  Every active person against every environment that is named as production.
Holds when  No policy of theirs, of their groups or their live tokens lets them read a secret there;
            or a guardrail holds them: they are bound to another environment, or this one serves
            people by grants alone, whatever policies say.
Not judged  A row that is not as it was written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.governance import StandingFact
from strongroom.sdk.facts.period import Period

PRODUCTION = ("production", "prod")


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each person and environment."""
    async for each in evidence.governance.standing(PRODUCTION):
        yield _judge(each)


def _judge(fact: StandingFact) -> Item:
    who = f"{fact.name} ({fact.entity})" if fact.name else f"person {fact.entity}"
    subject = f"{who} on {fact.environment}"
    if fact.problem:
        return Item(subject, None, f"not as it was written: {fact.problem}")
    if not fact.by_policy:
        return Item(subject, True, "no policy lets them read there")
    if fact.isolated:
        return Item(subject, True, "a policy would, and the boundary keeps them out")
    if fact.by_grant:
        return Item(subject, True, "a policy would, and the guardrail asks people for a grant")
    return Item(subject, False, "a policy lets them read there at any time")


CONTROL = ControlTest(
    id="T40",
    title="No standing human read on production",
    kind=Kind.POP,
    population="Every active person against every environment that is named as production",
    procedure=(
        "Compiled what policies give each active person by themselves, by their groups and by "
        "their live tokens, less all grants, and asked whether any secret of the environment "
        "could be read; looked whether a guardrail holds them off."
    ),
    holds_when="Nobody can read there without a grant.",
    limits=(
        "Policies that the next login would add are not seen, nor people who are not registered; "
        "where the environment serves people by grants alone, neither helps them. Names and "
        "metadata of secrets are not taken for secrets."
    ),
    parameters={"production": list(PRODUCTION)},
    evaluate=evaluate,
)
