"""An entity with all that comes with it: groups, kind, end, and what templates say of it.

Trust   Whoever is over their end, has left or is decommissioned may not log in, and none of their
        tokens works: judged by the clock at every request, since a session ends with them. To which
        environment somebody is bound is what the register says, for a workload its row, for a
        person the request that they were registered by; an entity's metadata binds only who is not
        registered for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from strongroom.audit.entry import Kind
from strongroom.base.errors import InputError
from strongroom.identity.entities import ENVIRONMENT
from strongroom.identity.groups import Belonging, Graph, belonging_of
from strongroom.identity.policy.template import Alias as AliasView
from strongroom.identity.policy.template import Group as GroupView
from strongroom.identity.policy.template import Identity
from strongroom.identity.records import (
    ALIASES,
    ENTITIES,
    MERGED,
    PEOPLE,
    REGISTRATIONS,
    WORKLOADS,
    Alias,
    Entity,
    Person,
    Workload,
)
from strongroom.storage.records import SETTINGS, Setting
from strongroom.storage.transaction import Transaction

ACTIVE = "active"
OWNERLESS: Final = "ownerless_after"
DAYS_OWNERLESS: Final = timedelta(days=7)
LONGEST_OWNERLESS: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """See the module. One that is neither a person nor a workload is not registered."""

    entity: Entity
    belonging: Belonging
    person: Person | None = None
    workload: Workload | None = None
    registered_in: str = ""  # environment for which it is registered; empty: none
    ownerless_at: datetime | None = None  # when a workload is over for want of a living owner

    @property
    def environment(self) -> str:
        """To which it is bound; empty for none."""
        return self.registered_in or self.entity.metadata.get(ENVIRONMENT, "")

    @property
    def policies(self) -> tuple[str, ...]:
        """What the entity and its groups give, sorted."""
        if not self.belonging.policies:
            return self.entity.policies
        return tuple(sorted({*self.entity.policies, *self.belonging.policies}))

    @property
    def kind(self) -> Kind | None:
        """What the log calls it; None for who is not registered."""
        if self.person is not None:
            return Kind.USER
        return Kind.SERVICE if self.workload is not None else None

    @property
    def registered_as(self) -> str:
        """What it is registered as: "person", "workload", or nothing."""
        if self.person is not None:
            return "person"
        return "workload" if self.workload is not None else ""

    @property
    def ends_at(self) -> datetime | None:
        """When it is over, or was; None for no end."""
        ends = (*map(end_of, self._rows), self.ownerless_at)
        return min(filter(None, ends), default=None)

    @property
    def _rows(self) -> tuple[Person | Workload, ...]:
        return tuple(row for row in (self.person, self.workload) if row is not None)

    def over(self, now: datetime) -> bool:
        """Say whether its end has come."""
        end = self.ends_at
        return end is not None and end <= now

    def active(self, now: datetime) -> bool:
        """Say whether it is registered, and not over."""
        return bool(self._rows) and not self.entity.disabled and not self.over(now)


def end_of(row: Person | Workload) -> datetime | None:
    """Return when somebody's registration ends, or ended."""
    if row.state != ACTIVE:
        return min(filter(None, (row.left_at, row.ends_at)), default=row.updated_at)
    return row.ends_at


async def standing_of(tx: Transaction, entity_id: str, graph: Graph) -> Standing | None:
    """Return what an entity stands for, or that which it was merged into; None if there is none."""
    entity = await living(tx, entity_id)
    return None if entity is None else await stand(tx, entity, graph)


async def stand(tx: Transaction, entity: Entity, graph: Graph) -> Standing:
    """Return what an entity stands for."""
    belonging = await belonging_of(tx, entity.id, graph)
    person = await tx.get(PEOPLE, entity.id)
    workload = await tx.get(WORKLOADS, entity.id)
    return Standing(
        entity=entity,
        belonging=belonging,
        person=person,
        workload=workload,
        registered_in=await _registered_in(tx, person, workload),
        ownerless_at=None if workload is None else await ownerless_at(tx, workload),
    )


async def ownerless_at(tx: Transaction, workload: Workload) -> datetime | None:
    """Return when a workload is over for want of a living owner; None while it has one.

    That is some days after its owner left, or came to their end. Of an owner who is gone without a
    trace nobody knows when: it is over since the workload was written.
    """
    owner = await living(tx, workload.owner) if workload.owner else None
    end: datetime | None = workload.updated_at
    if owner is not None and (person := await tx.get(PEOPLE, owner.id)) is not None:
        end = end_of(person)
    return None if end is None else end + await ownerless_after(tx)


async def ownerless_after(tx: Transaction) -> timedelta:
    """Return for how long a workload goes on whose owner is gone."""
    row = await tx.get(SETTINGS, OWNERLESS)
    return DAYS_OWNERLESS if row is None else msgspec.json.decode(row.value, type=timedelta)


def put_ownerless_after(tx: Transaction, chosen: timedelta) -> None:
    """Write it; InputError for more than `LONGEST_OWNERLESS`."""
    if not timedelta(0) <= chosen <= LONGEST_OWNERLESS:
        raise InputError("ownerless_after", "from none to 30 days")
    tx.put(SETTINGS, Setting(OWNERLESS, msgspec.json.encode(chosen)))
    tx.changed("tokens")


async def environment_of(tx: Transaction, entity: Entity | None) -> str:
    """Return the environment that an entity is bound to, or nothing."""
    if entity is None:
        return ""
    return await registered_in(tx, entity.id) or entity.metadata.get(ENVIRONMENT, "")


async def registered_in(tx: Transaction, entity_id: str) -> str:
    """Return the environment that an entity is registered for, or nothing."""
    person = await tx.get(PEOPLE, entity_id)
    workload = await tx.get(WORKLOADS, entity_id)
    return await _registered_in(tx, person, workload)


async def _registered_in(tx: Transaction, person: Person | None, workload: Workload | None) -> str:
    if workload is not None:
        return workload.environment
    if person is None or not person.registration:
        return ""
    request = await tx.get(REGISTRATIONS, person.registration)
    return request.wish.environment if request is not None else ""


async def living(tx: Transaction, entity_id: str) -> Entity | None:
    """Return the entity of this id, or the one that it was merged into; None if there is none."""
    entity = await tx.get(ENTITIES, entity_id)
    if entity is not None:
        return entity
    merged = await tx.get(MERGED, entity_id)
    if merged is None:
        return None
    target = await tx.get(ENTITIES, merged.entity)
    return target  # noqa: RET504 - the type of a register is its row's


async def identity_of(tx: Transaction, entity: Entity, belonging: Belonging) -> Identity:
    """Return what policy templates can name of an entity."""
    return identity(entity, await tx.all(ALIASES, entity=entity.id), belonging)


def identity(entity: Entity, aliases: list[Alias], belonging: Belonging) -> Identity:
    """Return what policy templates can name of an entity with these aliases."""
    return Identity(
        id=entity.id,
        name=entity.name,
        metadata=entity.metadata,
        aliases={
            a.mount_accessor: AliasView(
                id=a.id, name=a.name, metadata=a.metadata, custom_metadata=a.custom_metadata
            )
            for a in aliases
        },
        groups=tuple(GroupView(id=g.id, name=g.name, metadata=g.metadata) for g in belonging.all),
    )
