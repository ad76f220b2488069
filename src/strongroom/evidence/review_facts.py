"""Access reviews as facts for control tests.

Trust   A row that is not as it was written is given by its number and its problem alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from strongroom.core.server import Server
from strongroom.identity.governance.campaigns import LINES
from strongroom.identity.governance.records import GRANTS
from strongroom.identity.records import ENTITIES, GROUP_MEMBERS, GROUPS, PEOPLE, WORKLOADS
from strongroom.sdk.facts.reviews import HeldFact, LineFact
from strongroom.sdk.reviews import DIRECTORY, GRANT, GROUP, POLICY
from strongroom.storage.transaction import Transaction

EVERYBODYS = ("default",)


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """See `sdk.facts.reviews.Reviews`."""

    server: Server

    def _tx(self) -> Transaction:
        return Transaction(self.server.database, self.server.barrier)

    async def lines(self, campaign: str) -> AsyncIterator[LineFact]:
        rows, broken = await self._tx().examine(LINES, campaign=campaign)
        for row in rows:
            yield LineFact(number=row.number, frozen=row.frozen())
        for each in broken:
            yield LineFact(number=int(str(each.key[1])), problem=each.problem)

    async def held(self) -> Sequence[HeldFact]:
        tx, now = self._tx(), self.server.clock.now()
        people = {row.entity: row.entry or 0 for row in (await tx.examine(PEOPLE))[0]}
        registered = {row.entity: row.entry or 0 for row in (await tx.examine(WORKLOADS))[0]}
        registered |= people
        names: dict[str, str] = {}
        found: list[HeldFact] = []

        def add(entity: str, kind: str, via: str, entry: int | None) -> None:
            if entity in registered:
                latest = max(registered[entity], entry or 0)  # which kind they are, and that
                found.append(
                    HeldFact(
                        entity=entity,
                        name=names.get(entity, entity),
                        person=entity in people,
                        kind=kind,
                        via=via,
                        entry=latest,
                    )
                )

        for entity in (await tx.examine(ENTITIES))[0]:
            names[entity.id] = entity.name
            for policy in entity.policies:
                if policy not in EVERYBODYS:
                    add(entity.id, POLICY, policy, entity.entry)
        external = {row.id for row in (await tx.examine(GROUPS))[0] if row.external}
        for member in (await tx.examine(GROUP_MEMBERS))[0]:
            kind = DIRECTORY if member.group_id in external else GROUP
            add(member.entity, kind, member.group_id, member.entry)
        for grant in (await tx.examine(GRANTS))[0]:
            if grant.active(now):
                add(grant.entity, GRANT, grant.id, grant.entry)
        return found
