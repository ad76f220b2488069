"""Whether what was asked for is approved: judged as of the decision, all approvals anew.

Each approval counts for as long as its giver is an active person, is in the group whose place they
fill (through groups in groups, by id), and is none of those who asked, nor anybody who could be
one (`identity.deciding`), nor who made what is asked for. Two names of one person are one. Their
policies let them approve it still: those of their entity and groups as they are, and those that
their login gave them then, as these read now.

Order   All is read in the transaction of the decision, whose commit checks that it is still so:
        of an approval and a revocation that come at once, the later sees the earlier.
Trust   Both what the rules need now, and what they needed when the proposal was written, must be
        met: a rule that is loosened meanwhile lets nothing through that was asked for before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from strongroom.identity.behind import behind
from strongroom.identity.deciding import MayNotDecideError, check_apart
from strongroom.identity.governance.matching import Filled, all_met, fill, suits
from strongroom.identity.governance.records import APPROVALS, APPROVE, Approval, InForce, Proposal
from strongroom.identity.governance.rules import needs_of
from strongroom.identity.groups import Graph, belonging_of
from strongroom.storage.transaction import Transaction

MADE_IT = "who made what is asked for does not approve it"
TWICE = "it is the same person as another approver"
NO_PLACE = "no rule has a place for them"
NO_RIGHT = "their policies let them approve it no more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What approvals come to. `filled` is by the rules of now, in their order.

    `counting` are the entities whose approvals count, each with their groups; `not_counting` says
    of the others why. `problems` are why nobody can meet a rule.
    """

    met: bool
    filled: tuple[Filled, ...]
    counting: dict[str, frozenset[str]]
    not_counting: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


async def judge(  # noqa: PLR0913 - what is judged, by which rules, and as of when
    tx: Transaction,
    proposal: Proposal,
    approvals: Iterable[Approval],
    rules: Sequence[InForce],
    *,
    makers: Collection[str],
    may: Callable[[str, Approval], Awaitable[bool]],
    graph: Graph,
    now: datetime,
) -> Judged:
    """Judge the approvals of a proposal's present text.

    `makers` made what it is of; `may` says whether policies let an entity approve it still.
    """
    counting: dict[str, frozenset[str]] = {}
    why_not: dict[str, str] = {}
    for each in approvals:
        if each.revision != proposal.revision or each.verdict != APPROVE:
            continue
        try:
            person = await check_approver(tx, proposal, each, makers, now)
        except MayNotDecideError as refused:
            why_not[each.approver] = str(refused)
            continue
        if person in counting:
            why_not[each.approver] = TWICE
            continue
        if not await may(person, each):
            why_not[each.approver] = NO_RIGHT
            continue
        groups = await groups_of(tx, person, graph)
        if not has_place((*rules, *proposal.rules), groups):
            why_not[each.approver] = NO_PLACE
            continue
        counting[person] = groups
    sets = (tuple(rules), proposal.rules)
    filled = [fill(needs_of(each), counting) for each in sets]
    problems = dict.fromkeys(problems_of((*rules, *proposal.rules), graph))
    return Judged(
        met=not problems and all(map(all_met, filled)),
        filled=filled[0],
        counting=counting,
        not_counting=why_not,
        problems=tuple(problems),
    )


def problems_of(rules: Iterable[InForce], graph: Graph) -> list[str]:
    """Say why nobody can meet some rules: the problem of each, and groups that are gone."""
    found = [rule.problem for rule in rules if rule.problem]
    for rule in rules:
        named = {group for need in rule.needs for group in need.groups}
        if not rule.needs or any(need.count < 1 for need in rule.needs):
            found.append(f"rule {rule.name} needs nobody")
        if not named <= graph.groups.keys():
            found.append(f"rule {rule.name} names a group that is gone")
    return found


async def check_approver(
    tx: Transaction, proposal: Proposal, approval: Approval, makers: Collection[str], now: datetime
) -> str:
    """Return the entity whose approval it is now; MayNotDecideError if it counts no more."""
    person = await check_apart(
        tx,
        proposal.requesters,
        proposal.known_as,
        approval.approver,
        approval.vouching,
        now=now,
        helpers=proposal.helpers,
    )
    if person in makers:
        raise MayNotDecideError(MADE_IT)
    return person


async def people_behind(tx: Transaction, entities: Iterable[str]) -> frozenset[str]:
    """Return who some entities are now, and who could be behind them: owners of workloads, too."""
    return frozenset(await behind(tx, entities))


async def groups_of(tx: Transaction, entity: str, graph: Graph) -> frozenset[str]:
    """Return the ids of all groups that somebody is in."""
    return frozenset(group.id for group in (await belonging_of(tx, entity, graph)).all)


async def approvals_of(tx: Transaction, proposal: Proposal) -> list[Approval]:
    """Return what was said of a proposal's present text, the first first."""
    found = await tx.all(APPROVALS, proposal=proposal.id, revision=proposal.revision)
    return sorted(found, key=lambda each: each.at)


def has_place(needs: Iterable[InForce], groups: Collection[str]) -> bool:
    """Say whether somebody in these groups could fill a place that any of the rules needs."""
    return any(suits(need, groups) for need in needs_of(needs))
