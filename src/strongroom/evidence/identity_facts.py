"""People, workloads and what they log in with, as facts for control tests.

Trust   A row that is not as it was written is given by its key and its problem, and by nothing
        that it says: whoever changed it chose the words.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from strongroom.core.login import lockout_rules, locks
from strongroom.core.records import MOUNTS
from strongroom.core.server import Server
from strongroom.identity.behind import behind
from strongroom.identity.entrances import ENTRANCES, entrance_name
from strongroom.identity.factors.records import FACTOR_RULES, FACTORS, MFA_METHODS, Factor
from strongroom.identity.groups import Graph, read_graph
from strongroom.identity.people import active_person
from strongroom.identity.policy.capability import Operation
from strongroom.identity.records import (
    ALIASES,
    ENTITIES,
    MERGED,
    NONE,
    PEOPLE,
    WORKLOADS,
    Person,
    Workload,
)
from strongroom.identity.standing import ACTIVE, end_of, stand
from strongroom.sdk.facts.identities import (
    EntranceFact,
    FactorFact,
    FactorRuleFact,
    FreshFactor,
    PersonFact,
    SecretIdFact,
    WayIn,
    WorkloadFact,
)
from strongroom.storage.barrier import TamperedError
from strongroom.storage.guard import Broken
from strongroom.storage.store import upper
from strongroom.storage.transaction import Transaction

CHUNK = 1000
KEYS_OF = "SELECT key, entry FROM cell WHERE mount = ? AND key > ? AND key < ? ORDER BY key LIMIT ?"


@dataclass(frozen=True, slots=True)
class IdentityFacts:
    """See `sdk.facts.identities.Identities`."""

    server: Server

    def _tx(self) -> Transaction:
        return Transaction(self.server.database, self.server.barrier)

    # -- who is registered

    async def people(self) -> Sequence[PersonFact]:
        tx, now = self._tx(), self.server.clock.now()
        rows, broken = await tx.examine(PEOPLE, order="entity")
        graph = await read_graph(tx)
        found = [await self._person(tx, row, graph, now) for row in rows]
        return [*found, *(PersonFact(entity=b.name, problem=b.problem) for b in broken)]

    async def _person(
        self, tx: Transaction, row: Person, graph: Graph, now: datetime
    ) -> PersonFact:
        policies: tuple[str, ...] = ()
        groups: tuple[str, ...] = ()
        made_by: tuple[str, ...] = ()
        there, problem = False, ""
        try:
            entity = await tx.get(ENTITIES, row.entity)
            wrote = [
                each for a in await tx.all(ALIASES, entity=row.entity) for each in a.made_by or ()
            ]
            made_by = await behind(tx, (*(row.made_by or ()), *wrote))
            if entity is not None:
                standing = await stand(tx, entity, graph)
                there, policies = not entity.disabled, standing.policies
                groups = tuple(name for g in standing.belonging.all for name in (g.name, g.id))
        except TamperedError as error:
            problem = str(error)
        return PersonFact(
            entity=row.entity,
            name=row.name,
            active=there and _lasts(row, now),
            worker=row.worker,
            contract=row.contract,
            ends_at=row.ends_at,
            left_at=row.left_at,
            created_at=row.created_at,
            policies=policies,
            groups=groups,
            made_by=made_by,
            entry=row.entry,
            problem=problem,
        )

    async def workloads(self) -> Sequence[WorkloadFact]:
        tx, now = self._tx(), self.server.clock.now()
        rows, broken = await tx.examine(WORKLOADS, order="entity")
        found = [await self._workload(tx, row, now) for row in rows]
        return [*found, *(WorkloadFact(entity=b.name, problem=b.problem) for b in broken)]

    async def _workload(self, tx: Transaction, row: Workload, now: datetime) -> WorkloadFact:
        problem, name, there = "", "", False
        try:
            entity = await tx.get(ENTITIES, row.entity)
            if entity is not None:
                name, there = entity.name, not entity.disabled
        except TamperedError as error:
            problem = str(error)
        return WorkloadFact(
            entity=row.entity,
            name=name,
            active=there and _lasts(row, now),
            owner=row.owner,
            owner_problem=await self._owner_problem(tx, row.owner, now),
            vendor=row.vendor,
            ends_at=row.ends_at,
            left_at=row.left_at,
            created_at=row.created_at,
            entry=row.entry,
            problem=problem,
        )

    async def _owner_problem(self, tx: Transaction, owner: str, now: datetime) -> str:
        if not owner:
            return "it has no owner"
        try:
            person = await active_person(tx, owner, now)
        except TamperedError as error:
            return f"its owner's row is not as it was written: {error}"
        return "" if person is not None else "its owner is no active person"

    # -- what they log in with

    async def factors(self) -> Sequence[FactorFact]:
        tx = self._tx()
        factors, broken = await tx.examine(FACTORS, order="id")
        methods, lost = await tx.examine(MFA_METHODS, order="id")
        return [
            *(_factor(row) for row in factors),
            *(FactorFact(id=m.id, entity="", kind=m.kind, entry=m.entry) for m in methods),
            *(_broken_factor(each) for each in (*broken, *lost)),
        ]

    async def factor_rules(self) -> Sequence[FactorRuleFact]:
        rules, broken = await self._tx().examine(FACTOR_RULES, order="name")
        found = [
            FactorRuleFact(
                name=r.name, policies=r.policies, groups=r.groups, kinds=r.kinds, entry=r.entry
            )
            for r in rules
        ]
        lost = [
            FactorRuleFact(name=b.name, policies=(), groups=(), kinds=(), problem=b.problem)
            for b in broken
        ]
        return [*found, *lost]

    async def ways_in(self) -> Sequence[WayIn]:
        mounts, broken = await self._tx().examine(MOUNTS, order="path")
        found: list[WayIn] = []
        for mount in mounts:
            if mount.path.startswith("auth/"):
                failures, forgets, lasts = lockout_rules(mount)
                found.append(
                    WayIn(
                        path=mount.path,
                        method=mount.kind,
                        locks=locks(mount),
                        failures=failures,
                        lasts=lasts,
                        forgets=forgets,
                        entry=mount.entry,
                    )
                )
        return [*found, *(_broken_way(b) for b in broken if b.name.startswith("auth/"))]

    async def secret_ids(self) -> AsyncIterator[SecretIdFact]:
        """Give them by the keys of their rows: one that ends has a row of its end."""
        tx = self._tx()
        for mount in (await tx.examine(MOUNTS, kind="approle"))[0]:
            ending = {
                tuple(key.split("/")[-2:]) async for key, _ in self._keys(tx, mount.uuid, "expiry/")
            }
            async for key, entry in self._keys(tx, mount.uuid, "secret/"):
                uid, digest = key.split("/")[-2:]
                yield SecretIdFact(
                    mount=mount.path, digest=digest, ends=(uid, digest) in ending, entry=entry
                )

    async def _keys(
        self, tx: Transaction, mount: str, prefix: str
    ) -> AsyncIterator[tuple[str, int | None]]:
        after, end = prefix, upper(prefix)
        while True:
            found = await tx.reader.rows(KEYS_OF, (mount, after, end, CHUNK))
            for key, entry in found:
                yield key, entry
            if len(found) < CHUNK:
                return
            after = found[-1][0]
            await asyncio.sleep(0)

    async def entrances(self) -> Sequence[EntranceFact]:
        tx = self._tx()
        merged = {row.id: row.entity for row in (await tx.examine(MERGED))[0]}
        paths = {row.uuid: row.path for row in (await tx.examine(MOUNTS))[0]}

        def now(ids: Sequence[str]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(merged.get(each, each) for each in ids))

        rows, broken = await tx.examine(ENTRANCES)
        found = [
            EntranceFact(
                name=entrance_name(paths.get(row.mount, row.mount), row.name),
                known_to=now(row.knowing),
                closed=now(row.refused_for),
                entry=row.entry,
            )
            for row in rows
        ]
        return [*found, *(EntranceFact(name=b.name, problem=b.problem) for b in broken)]

    # -- what asks for a fresh factor

    async def step_up(self, path: str, operation: str) -> Sequence[FreshFactor]:
        try:
            asked = Operation(operation)
        except ValueError:
            return ()
        tx = self._tx()
        guardrails = await self.server.views.guardrails(tx)
        rules = await self.server.views.step_up(tx)
        reached = [each.name for each in guardrails.environments_of(path, asked)]
        return [
            FreshFactor(name=rule.name, within=rule.within, kinds=rule.kinds)
            for rule in rules.asked(path, asked, reached)
        ]


def _lasts(row: Person | Workload, now: datetime) -> bool:
    end = end_of(row)
    return row.state == ACTIVE and (end is None or now < end)


def _factor(row: Factor) -> FactorFact:
    return FactorFact(
        id=row.id,
        entity=row.entity,
        kind=row.kind,
        shown=not row.method or row.used_at is not None,
        user_verified=row.user_verified,
        disabled=row.disabled,
        entry=row.entry,
    )


def _broken_factor(row: Broken) -> FactorFact:
    return FactorFact(id=row.name, entity="", kind="", problem=row.problem)


def _broken_way(row: Broken) -> WayIn:
    return WayIn(path=row.name, method="", locks=False, failures=0, lasts=NONE, problem=row.problem)
