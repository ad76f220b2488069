"""T36: no rule grants more than its purpose can need.

Population  Every rule of every stored policy.
Holds when  Its pattern does not cover a whole protected environment, it is no wildcard over
            everything, and it does not grant sudo on a wildcard; or the policy is on the list of
            approved ones.
Not judged  Nothing.
Trust       The policy root is no stored policy: T12 tells of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.access import RuleFact
from strongroom.sdk.facts.period import Period

APPROVED: tuple[str, ...] = ()


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each rule."""
    async for rule in evidence.access.rules():
        yield _judge(rule)


def _judge(rule: RuleFact) -> Item:
    subject = f"{rule.policy}: {rule.pattern}"
    proof = () if rule.entry is None else (rule.entry,)
    granted = [c for c in rule.capabilities if c != "deny"]
    if not granted:
        return Item(subject, True, "grants nothing", proof)
    if problem := rule.broad:
        if rule.policy in APPROVED:
            return Item(subject, True, f"{problem}; approved", proof)
        return Item(subject, False, problem, proof)
    return Item(subject, True, ", ".join(granted), proof)


CONTROL = ControlTest(
    id="T36",
    title="No grant is over-broad",
    kind=Kind.POP,
    population="Every rule of every stored policy, as of the run",
    procedure=(
        "Compared the set of paths of each rule with those of each protected environment, and "
        "looked for wildcards over everything and for sudo on wildcards."
    ),
    holds_when="No rule covers everything or a protected environment, none has sudo on a wildcard.",
    limits="It judges the shape of rules, not whether their holders need them.",
    parameters={"approved_policies": list(APPROVED)},
    evaluate=evaluate,
)
