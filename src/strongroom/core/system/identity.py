"""`identity/entity…` and `identity/entity-alias…`: who there is, and how auth mounts know them.

Vault   Entities by id or name; writing one that exists changes what was sent. An alias is one
        name at one auth mount; an entity has at most one at each. One that is registered is shown
        with its `kind`. Groups and merging: `core.system.groups`, `core.system.merging`.
Differs Names of entities are case-sensitive. A request that OpenBao answers with 500 for what
        was sent (metadata beyond its limits) is 400. At most 100 entities are deleted at once, so
        that the log's entry names each. Who is registered as a person or a workload is deleted
        only once they have left: 400 until then. Their aliases stay, so that who can still prove
        who they were is refused; delete those too to let somebody new come by that name.
Trust   Whoever may write entities can give any of them any policy but root, and bind it to an
        environment by the metadata `environment`; a caller that is itself bound cannot bind one
        elsewhere, nor lift or change a binding. Of who is registered for an environment nobody's
        metadata says another: it is 400 and names `metadata.environment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.aliases import AliasRoutes, mounts_by_accessor, say_rewritten
from strongroom.core.system.bindings import check_entity, check_registered
from strongroom.core.system.groups import GroupRoutes
from strongroom.core.system.merging import MergeRoutes
from strongroom.identity.entities import ENVIRONMENT, check_metadata, new_entity
from strongroom.identity.factors.checking import forget_factors
from strongroom.identity.groups import read_graph
from strongroom.identity.records import (
    ALIASES,
    ENTITIES,
    GROUP_MEMBERS,
    MERGED,
    PEOPLE,
    WORKLOADS,
    Alias,
    Entity,
)
from strongroom.identity.shown import shown_entity
from strongroom.identity.standing import stand
from strongroom.identity.tokens import kept
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent
from strongroom.sdk.rules import check_policy_names
from strongroom.storage.transaction import Transaction

MOST_AT_ONCE = 100  # of whom one entry of the log can hold the ids

Metadata = Annotated[Mapping[str, str], Help("Metadata; `environment` binds to one.")]
Policies = Annotated[tuple[str, ...], Help("Policies, beside those of its tokens.")]
Disabled = Annotated[bool, Help("None of its tokens works, and no login.")]


@dataclass(frozen=True, kw_only=True)
class ById:
    """For paths that end in an id."""

    id: Annotated[str, Help("Id of the entity.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class ByName:
    """For paths that end in a name."""

    name: Annotated[str, Help("Name of the entity.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What may be set of an entity."""

    metadata: Metadata = field(default_factory=dict)
    policies: Policies = ()
    disabled: Disabled = False
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


@dataclass(frozen=True, kw_only=True)
class EntityGiven(Change):
    """An entity, new or by its id or name."""

    id: Annotated[str, Help("Id of an entity that is there.", most=512)] = ""
    name: Annotated[str, Help("Name; left out, one is made.", most=512)] = ""


@dataclass(frozen=True, kw_only=True)
class EntityById(Change, ById):
    """An entity by its id."""

    name: Annotated[str, Help("New name.", most=512)] = ""


@dataclass(frozen=True, kw_only=True)
class EntityByName(Change, ByName):
    """An entity by its name."""

    id: Annotated[str, Help("Id that the entity must have.", most=512)] = ""


@dataclass(frozen=True, kw_only=True)
class Ids:
    """Several entities."""

    entity_ids: Annotated[tuple[str, ...], Help("Ids of the entities.")] = ()


@dataclass(frozen=True, kw_only=True)
class Sought:
    """One way to find an entity; just one."""

    id: Annotated[str, Help("Id of the entity.")] = ""
    name: Annotated[str, Help("Name of the entity.")] = ""
    alias_id: Annotated[str, Help("Id of one of its aliases.")] = ""
    alias_name: Annotated[str, Help("Name of one of its aliases; with its mount.")] = ""
    alias_mount_accessor: Annotated[str, Help("Accessor of that alias's mount.")] = ""


class IdentityRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `identity/`."""
        return (
            *self._entities(),
            *AliasRoutes(self._server).routes(),
            *GroupRoutes(self._server).routes(),
            *MergeRoutes(self._server).routes(),
        )

    def _entities(self) -> tuple[Route, ...]:
        write = "entity.write"
        return (
            Route(
                path="entity",
                summary="Make an entity, or change one.",
                write=Endpoint(EntityGiven, self.write, write),
            ),
            Route(
                path="entity/id",
                summary="The ids of all entities.",
                list=Endpoint(Page, self.ids, "entity.list"),
            ),
            Route(
                path="entity/id/{id}",
                summary="An entity by its id.",
                read=Endpoint(ById, self.show, "entity.read"),
                write=Endpoint(EntityById, self.write_by_id, write),
                delete=Endpoint(ById, self.drop, "entity.delete"),
            ),
            Route(
                path="entity/name",
                summary="The names of all entities.",
                list=Endpoint(Page, self.names, "entity.list"),
            ),
            Route(
                path="entity/name/{name}",
                summary="An entity by its name.",
                read=Endpoint(ByName, self.show_by_name, "entity.read"),
                write=Endpoint(EntityByName, self.write_by_name, write),
                delete=Endpoint(ByName, self.drop_by_name, "entity.delete"),
            ),
            Route(
                path="entity/batch-delete",
                summary="Delete entities.",
                write=Endpoint(Ids, self.drop_all, "entity.delete"),
            ),
            Route(
                path="lookup/entity",
                summary="Find an entity.",
                write=Endpoint(Sought, self.look_up, "entity.lookup"),
            ),
        )

    # -- reading

    async def ids(self, call: SystemCall, page: Page) -> Reply:
        mounts = await mounts_by_accessor(self._server, call)
        aliases: dict[str, list[Alias]] = {}
        for alias in await call.transaction.all(ALIASES):
            aliases.setdefault(alias.entity, []).append(alias)
        found = _page(await call.transaction.all(ENTITIES, order="id"), page, "id")
        info = {e.id: _brief(e, aliases.get(e.id, []), mounts) for e in found}
        return Reply({"keys": [e.id for e in found], "key_info": info})

    async def names(self, call: SystemCall, page: Page) -> Reply:
        found = _page(await call.transaction.all(ENTITIES, order="name"), page, "name")
        return Reply({"keys": [entity.name for entity in found]})

    async def show(self, call: SystemCall, given: ById) -> Reply:
        return await self._shown(call, await by_id(call, given.id))

    async def show_by_name(self, call: SystemCall, given: ByName) -> Reply:
        return await self._shown(call, await by_name(call, given.name))

    async def _shown(self, call: SystemCall, entity: Entity | None) -> Reply:
        if entity is None:
            raise NotFoundError
        aliases = await call.transaction.all(ALIASES, entity=entity.id)
        call.details["entity"] = entity.id
        mounts = await mounts_by_accessor(self._server, call)
        standing = await stand(call.transaction, entity, await read_graph(call.transaction))
        merged = [row.id for row in await call.transaction.all(MERGED, entity=entity.id)]
        return Reply(shown_entity(standing, aliases, merged, mounts))

    async def look_up(self, call: SystemCall, given: Sought) -> Reply | None:
        """Return the entity, or nothing at all where there is none."""
        of_alias = bool(given.alias_name or given.alias_mount_accessor)
        ways = [bool(given.id), bool(given.name), bool(given.alias_id), of_alias]
        if not any(ways):
            raise InputError("", "query parameter not supplied")
        if sum(ways) > 1:
            raise InputError(
                "", "query parameter conflict; please supply distinct set of query parameters"
            )
        if of_alias and not (given.alias_name and given.alias_mount_accessor):
            raise InputError("", "both 'alias_name' and 'alias_mount_accessor' needs to be set")
        entity = await self._sought(call, given)
        return None if entity is None else await self._shown(call, entity)

    async def _sought(self, call: SystemCall, given: Sought) -> Entity | None:
        tx = call.transaction
        if given.name:
            return await by_name(call, given.name)
        if given.id:
            return await by_id(call, given.id)
        if given.alias_id:
            alias = await tx.get(ALIASES, given.alias_id)
            return await by_id(call, alias.entity) if alias else None
        aliases = await tx.all(
            ALIASES, mount_accessor=given.alias_mount_accessor, name=given.alias_name
        )
        return await by_id(call, aliases[0].entity) if aliases else None

    # -- writing

    async def write(self, call: SystemCall, given: EntityGiven) -> Reply | None:
        if given.id:
            old = await by_id(call, given.id)
            if old is None:
                raise InputError("", "entity not found from id")
        else:
            old = await by_name(call, given.name) if given.name else None
        return await self._write(call, old, given, given.name)

    async def write_by_id(self, call: SystemCall, given: EntityById) -> Reply | None:
        old = await by_id(call, given.id)
        if old is None:
            raise InputError("", "entity not found from id")
        return await self._write(call, old, given, given.name)

    async def write_by_name(self, call: SystemCall, given: EntityByName) -> Reply | None:
        old = await by_name(call, given.name)
        if given.id and (old is None or old.id != given.id):
            raise InputError("id", "not the id of the entity of this name")
        return await self._write(call, old, given, given.name)

    async def _write(
        self, call: SystemCall, old: Entity | None, given: Change, name: str
    ) -> Reply | None:
        """Store what was sent; a new entity is told its id, a changed one nothing."""
        base = old or new_entity(call.now, call.entropy)
        changes: dict[str, Any] = {
            each: getattr(given, each)
            for each in ("metadata", "policies", "disabled")
            if each in given.sent
        }
        check_policy_names(changes.get("policies", ()), "policies")
        changes["policies"] = kept(changes.get("policies", base.policies))
        changes["metadata"] = dict(changes.get("metadata", base.metadata))
        entity = replace(base, name=name or base.name, updated_at=call.now, **changes)
        _check(entity)
        if "metadata" in given.sent:
            await check_registered(call, entity)
        await check_entity(call, old, entity)
        taken = await by_name(call, entity.name)
        if taken is not None and taken.id != entity.id:
            raise InputError("", "entity name is already in use")
        call.transaction.put(ENTITIES, entity)
        call.transaction.changed(f"entity:{entity.id}")
        call.details |= {"entity": entity.id, "entity_policies": entity.policies}
        call.details |= {"disabled": entity.disabled}
        if old is not None and old.name != entity.name:
            await say_rewritten(call, entity.id, "entity_name")
        if entity.metadata.get(ENVIRONMENT):
            call.details["bound_to"] = entity.metadata[ENVIRONMENT]
        if old is not None:
            return None
        return Reply({"id": entity.id, "name": entity.name, "aliases": None})

    # -- deleting

    async def drop(self, call: SystemCall, given: ById) -> None:
        await self._drop(call, await by_id(call, given.id))

    async def drop_by_name(self, call: SystemCall, given: ByName) -> None:
        await self._drop(call, await by_name(call, given.name))

    async def drop_all(self, call: SystemCall, given: Ids) -> None:
        if not given.entity_ids:
            raise InputError("", "missing entity ids to delete")
        if len(given.entity_ids) > MOST_AT_ONCE:
            raise InputError("entity_ids", f"at most {MOST_AT_ONCE} at once")
        for each in dict.fromkeys(given.entity_ids):
            await self._drop(call, await by_id(call, each))

    async def _drop(self, call: SystemCall, entity: Entity | None) -> None:
        """Delete an entity, with its memberships and aliases. Its tokens do not work any more.

        Of one that has left its aliases stay, and who went into it: it is refused by the first,
        and what it knew is known by the others.
        """
        if entity is None:
            return
        await check_entity(call, entity, None)
        tx = call.transaction
        has_left = await _check_left(tx, entity.id)
        for row in await tx.all(GROUP_MEMBERS, entity=entity.id):
            tx.delete(GROUP_MEMBERS, row.group_id, entity.id)
        if not has_left:
            for alias in await tx.all(ALIASES, entity=entity.id):
                tx.delete(ALIASES, alias.id)
            for merged in await tx.all(MERGED, entity=entity.id):
                tx.delete(MERGED, merged.id)
        await forget_factors(tx, entity.id)
        tx.delete(ENTITIES, entity.id)
        tx.changed(f"entity:{entity.id}")
        dropped = call.details.setdefault("entities", [])
        if isinstance(dropped, list):
            dropped.append(entity.id)


async def _check_left(tx: Transaction, id_: str) -> bool:
    """Say whether an entity was registered, and has left; refuse one that has not."""
    person, workload = await tx.get(PEOPLE, id_), await tx.get(WORKLOADS, id_)
    if person is not None and person.left_at is None:
        at = f"strongroom/people/{id_}/leave"
        raise InputError("", f"a person is registered by {id_}: let them leave first, at {at}")
    if workload is not None and workload.left_at is None:
        at = f"strongroom/workloads/{id_}/decommission"
        raise InputError("", f"a workload is registered by {id_}: decommission it first, at {at}")
    return person is not None or workload is not None


async def by_id(call: SystemCall, id_: str) -> Entity | None:
    """Return the entity of this id, or None."""
    found = await call.transaction.get(ENTITIES, id_)
    return found  # noqa: RET504 - the type of a register is its row's


async def by_name(call: SystemCall, name: str) -> Entity | None:
    """Return the entity of this name, or None."""
    found = await call.transaction.all(ENTITIES, name=name)
    return found[0] if found else None


def _check(entity: Entity) -> None:
    if "root" in entity.policies:
        raise InputError("", "policies cannot contain root")
    if "/" in entity.name:
        raise InputError("name", "cannot hold a slash")
    check_metadata(entity.metadata, "metadata")


def _page(entities: list[Entity], page: Page, by: str) -> list[Entity]:
    found = [entity for entity in entities if getattr(entity, by) > page.after]
    return found[: page.limit] if page.limit > 0 else found


def _brief(
    entity: Entity, aliases: list[Alias], mounts: Mapping[str, tuple[str, str]]
) -> dict[str, object]:
    info: dict[str, object] = {"name": entity.name}
    if aliases:
        info["aliases"] = [
            {
                "id": alias.id,
                "name": alias.name,
                "mount_accessor": alias.mount_accessor,
                "mount_path": mounts.get(alias.mount_accessor, ("", ""))[0],
                "mount_type": mounts.get(alias.mount_accessor, ("", ""))[1],
            }
            for alias in aliases
        ]
    return info
