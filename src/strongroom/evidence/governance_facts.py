"""Approvals, grants and standing rights as facts for control tests.

Trust   A row that is not as it was written is given by its key and its problem, and by nothing
        that it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from strongroom.core.guardrails import GRANTED
from strongroom.core.server import Server
from strongroom.identity.environments import read_environments
from strongroom.identity.governance.records import APPROVAL_RULES, APPROVALS, GRANTS
from strongroom.identity.governance.rules import problem_of
from strongroom.identity.groups import belonging_of, read_graph
from strongroom.identity.policy.acl import Acl
from strongroom.identity.policy.capability import Capability
from strongroom.identity.policy.questions import reaches
from strongroom.identity.records import ALIASES, ENTITIES, GROUP_MEMBERS, PEOPLE, Person
from strongroom.identity.standing import end_of, identity, stand
from strongroom.sdk.facts.governance import (
    ApprovalFact,
    ApprovalRuleFact,
    GrantFact,
    MemberFact,
    StandingFact,
)
from strongroom.storage.barrier import TamperedError
from strongroom.storage.transaction import Transaction

SHOWS = Capability.READ | Capability.LIST | Capability.SCAN | Capability.DENY


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
        """Judge policies of the entity and its groups, and none that a login adds."""
        tx, now = self._tx(), self.server.clock.now()
        stored = await read_environments(tx)
        there = [each for each in stored.sound if each.name in environments]
        people, broken = await tx.examine(PEOPLE, order="entity")
        for environment in there:
            for each in broken:
                yield StandingFact(
                    entity=each.name,
                    name="",
                    environment=environment.name,
                    by_policy=False,
                    by_grant=environment.people == GRANTED,
                    problem=each.problem,
                )
        for person in people:
            await asyncio.sleep(0)
            problem, acl = "", None
            try:
                acl = await self._acl(tx, person, now)
            except TamperedError as error:
                problem = str(error)
            if acl is None and not problem:
                continue
            for environment in there:
                reads = acl is not None and any(reaches(acl, p) for p in environment.paths)
                yield StandingFact(
                    entity=person.entity,
                    name=person.name,
                    environment=environment.name,
                    by_policy=reads,
                    by_grant=environment.people == GRANTED,
                    problem=problem,
                )

    async def _acl(self, tx: Transaction, person: Person, now: datetime) -> Acl | None:
        """Return what an active person may read for good; None of one who is not there."""
        entity = await tx.get(ENTITIES, person.entity)
        end = end_of(person)
        if entity is None or entity.disabled or (end is not None and end <= now):
            return None
        graph = await read_graph(tx)
        standing = await stand(tx, entity, graph)
        who = identity(
            entity,
            (await tx.examine(ALIASES, entity=entity.id))[0],
            await belonging_of(tx, entity.id, graph),
        )
        acl, problem = await self.server.views.acl(tx, standing.policies, who, now)
        if problem:
            raise TamperedError(problem)
        if acl.everything is not None:
            return acl
        shown = {p: replace(m, capabilities=m.capabilities & SHOWS) for p, m in acl.merged.items()}
        return Acl(shown)
