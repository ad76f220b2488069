"""Approvals, grants and standing rights as facts for control tests.

Trust   A row that is not as it was written is given by its key and its problem, and by nothing
        that it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from strongroom.core.guardrails import GRANTED, Guardrails
from strongroom.core.server import Server
from strongroom.evidence.access_facts import Facts, concrete
from strongroom.identity.environments import read_environments
from strongroom.identity.governance.records import APPROVAL_RULES, APPROVALS, GRANTS
from strongroom.identity.governance.rules import problem_of
from strongroom.identity.groups import read_graph
from strongroom.identity.policy.acl import Acl
from strongroom.identity.policy.capability import Capability
from strongroom.identity.policy.lending import Lending
from strongroom.identity.policy.pattern import shape
from strongroom.identity.policy.questions import reaches
from strongroom.identity.records import GROUP_MEMBERS, PEOPLE
from strongroom.sdk.facts.governance import (
    ApprovalFact,
    ApprovalRuleFact,
    GrantFact,
    MemberFact,
    StandingFact,
)
from strongroom.sdk.paths import Listing
from strongroom.storage.barrier import TamperedError
from strongroom.storage.transaction import Transaction

SHOWS = Capability.READ | Capability.DENY


@dataclass(frozen=True, slots=True)
class GovernanceFacts:
    """See `sdk.facts.governance.Governance`."""

    server: Server

    def _tx(self) -> Transaction:
        return Transaction(self.server.database, self.server.barrier)

    async def grants(self) -> Sequence[GrantFact]:
        rows, broken = await self._tx().examine(GRANTS, order="id")
        found = [
            GrantFact(
                id=row.id,
                entity=row.entity,
                request=row.request,
                begins=row.begins,
                ends=row.ends,
                ended_at=row.ended_at,
                entry=row.entry,
            )
            for row in rows
        ]
        return [*found, *(GrantFact(id=each.name, problem=each.problem) for each in broken)]

    async def rules(self) -> Sequence[ApprovalRuleFact]:
        tx = self._tx()
        rows, broken = await tx.examine(APPROVAL_RULES, order="name")
        graph = await read_graph(tx)
        found = [
            ApprovalRuleFact(
                name=row.name,
                needed=sum(need.count for need in row.needs),
                counts=tuple(need.count for need in row.needs),
                entry=row.entry,
                problem=problem_of(row, graph),
            )
            for row in rows
        ]
        lost = [ApprovalRuleFact(name=each.name, problem=each.problem) for each in broken]
        return [*found, *lost]

    async def approvals(self) -> Sequence[ApprovalFact]:
        rows, broken = await self._tx().examine(APPROVALS)
        found = [
            ApprovalFact(
                proposal=row.proposal,
                revision=row.revision,
                approver=row.approver,
                verdict=row.verdict,
                entry=row.entry,
            )
            for row in rows
        ]
        lost = [ApprovalFact(proposal=str(b.key[0]), problem=b.problem) for b in broken]
        return [*found, *lost]

    async def members(self) -> Sequence[MemberFact]:
        tx = self._tx()
        graph = await read_graph(tx)
        found: list[MemberFact] = []
        for row in (await tx.examine(GROUP_MEMBERS))[0]:
            try:
                above = graph.above((row.group_id,))
            except TamperedError:  # T02 names the group
                continue
            found += [MemberFact(entity=row.entity, group=g.id, since=row.since) for g in above]
        return found

    async def standing(self, environments: Sequence[str]) -> AsyncIterator[StandingFact]:
        """Judge policies of entities, groups and live tokens, and none that a login would add."""
        tx = self._tx()
        stored = await read_environments(tx)
        guardrails = Guardrails(stored.sound, stored.lost, stored.problem)
        there = [each for each in stored.sound if each.name in environments]
        people, broken = await tx.examine(PEOPLE)
        names = {person.entity: person.name for person in people}
        values = {each.name: await self._values(tx, each.paths) for each in there}
        found: dict[tuple[str, str], StandingFact] = {}
        for session in await Facts(self.server).sessions() if there else ():
            await asyncio.sleep(0)
            if not session.person or session.entity is None:
                continue
            for each in there:
                bound, who = session.environments, session.entity.id
                reads = any(reaches(_shown(session.acl), path) for path in values[each.name])
                fact = StandingFact(
                    entity=who,
                    name=names.get(who, ""),
                    environment=each.name,
                    by_policy=reads,
                    by_grant=each.people == GRANTED,
                    isolated=all(guardrails.refusal(bound, concrete(p)) for p in each.paths),
                )
                known = found.setdefault((who, each.name), fact)
                if reads and (not known.by_policy or (known.isolated and not fact.isolated)):
                    found[who, each.name] = fact
        for fact in found.values():
            yield fact
        for each in there:
            for lost in broken:
                yield StandingFact(
                    entity=lost.name,
                    name="",
                    environment=each.name,
                    by_policy=False,
                    by_grant=False,
                    problem=lost.problem,
                )

    async def _values(self, tx: Transaction, patterns: Sequence[str]) -> list[str]:
        """Return patterns of an environment, narrowed to where a mount keeps values if it says."""
        heads = [
            f"{path}{live.plugin.heads[0]}*"
            for path, live in (await self.server.views.mounts(tx)).by_path.items()
            if isinstance(live.plugin, Listing) and live.plugin.heads
        ]
        found: list[str] = []
        for pattern in patterns:
            inside = [each for each in heads if shape(pattern).covers(shape(each))]
            found += inside or [pattern]
        return found


def _shown(acl: Acl) -> Acl:
    """Return what the policies themselves let somebody read, less all grants."""
    own = acl.own if isinstance(acl, Lending) else acl
    if own.everything is not None:
        return own
    merged = own.merged.items()
    return Acl({p: replace(m, capabilities=m.capabilities & SHOWS) for p, m in merged})
