"""Approval rules: what is in force, and whether anybody can meet it.

The floor is built in and holds beneath every rule: at least one approval, and no grant beyond a
working day. Rules that cover the same proposal count together: their needs add up, and nobody
fills two places. Where no rule covers it, the floor is what it needs.

Trust   A rule that is not as it was written, or that names a group which is gone, is met by nobody
        until it is mended: what it covers does not pass.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from strongroom.identity.governance.matching import all_met, fill
from strongroom.identity.governance.records import (
    ACCESS,
    APPROVAL_RULES,
    ApprovalRule,
    InForce,
    Need,
)
from strongroom.identity.groups import Graph
from strongroom.identity.records import NONE
from strongroom.storage.transaction import Transaction

FLOOR: Final = InForce("at-least-one", (Need(1),), timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Covered:
    """What a proposal is of, as far as rules go by it."""

    kind: str
    environments: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rules:
    """All that are stored. `lost` says which rows are not as they were written."""

    rules: tuple[ApprovalRule, ...]
    lost: tuple[str, ...] = ()

    def covering(self, of: Covered, reached: Collection[str]) -> list[ApprovalRule]:
        """Return the rules that cover a proposal, which meets `reached` of their patterns."""
        return [rule for rule in self.rules if _covers(rule, of, reached)]


async def read_rules(tx: Transaction) -> Rules:
    """Return the rules; those that were changed in the database are lost."""
    stored, broken = await tx.examine(APPROVAL_RULES, order="name")
    return Rules(tuple(stored), tuple(each.problem for each in broken))


def in_force(rules: Rules, covering: Iterable[ApprovalRule], graph: Graph) -> tuple[InForce, ...]:
    """Return what is needed, by each rule; the floor where none covers it."""
    found = [
        InForce(rule.name, rule.needs, rule.longest, rule.afterwards, problem_of(rule, graph))
        for rule in covering
    ]
    found += [
        InForce(f"lost:{at}", (Need(1),), FLOOR.longest, NONE, problem)
        for at, problem in enumerate(rules.lost)
    ]
    return tuple(found) or (FLOOR,)


def longest(rules: Iterable[InForce]) -> timedelta:
    """Return the longest life of a grant under these rules, and the floor."""
    return min(FLOOR.longest, *(rule.longest for rule in rules))


def begins_at_once(rules: Sequence[InForce]) -> timedelta | None:
    """Return within what time approval must follow, where all rules let a grant begin before."""
    if not rules or any(rule.afterwards <= NONE or rule.problem for rule in rules):
        return None
    return min(rule.afterwards for rule in rules)


def needs_of(rules: Iterable[InForce]) -> tuple[Need, ...]:
    """Return all needs that count together."""
    return tuple(need for rule in rules for need in rule.needs)


def problem_of(rule: ApprovalRule, graph: Graph) -> str:
    """Say why nobody can meet a rule as it stands, or nothing."""
    if not rule.needs or any(need.count < 1 for need in rule.needs):
        return f"rule {rule.name} needs nobody"
    for need in rule.needs:
        if any(each not in graph.groups for each in need.groups):
            return f"rule {rule.name} names a group that is gone"
    return ""


def could_be_met(needs: Sequence[Need], people: Mapping[str, Collection[str]]) -> bool:
    """Say whether some active people could meet needs for somebody who is none of them.

    `people` are all active ones, each with the groups they are in. Who asks does not approve, so
    one must be left to ask.
    """
    places = sum(need.count for need in needs)
    return all_met(fill(needs, people)) and places < len(people)


def _covers(rule: ApprovalRule, of: Covered, reached: Collection[str]) -> bool:
    if of.kind not in (rule.kinds or (ACCESS,)):
        return False
    if not (rule.paths or rule.environments or rule.groups):
        return True
    return (
        not set(rule.paths).isdisjoint(reached)
        or not of.environments.isdisjoint(rule.environments)
        or not of.groups.isdisjoint(rule.groups)
    )
