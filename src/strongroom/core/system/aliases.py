"""`identity/entity-alias…`: the names under which auth mounts know entities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.bindings import check_alias, check_known
from strongroom.identity.entities import Known, check_metadata, new_alias, new_entity
from strongroom.identity.records import ALIASES, ENTITIES, PEOPLE, Alias
from strongroom.identity.shown import shown_alias
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent


@dataclass(frozen=True, kw_only=True)
class ById:
    """For paths that end in an id."""

    id: Annotated[str, Help("Id of the alias.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What may be set of an alias."""

    name: Annotated[str, Help("Name at the mount.", most=512)] = ""
    canonical_id: Annotated[str, Help("Id of its entity.", was=("entity_id",))] = ""
    mount_accessor: Annotated[str, Help("Accessor of the auth mount.")] = ""
    custom_metadata: Annotated[Mapping[str, str], Help("Metadata of your own.")] = field(
        default_factory=dict
    )
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


@dataclass(frozen=True, kw_only=True)
class AliasGiven(Change):
    """An alias, new or by its id."""

    id: Annotated[str, Help("Id of an alias that is there.")] = ""


@dataclass(frozen=True, kw_only=True)
class AliasById(Change, ById):
    """An alias by its id."""


class AliasRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `identity/`."""
        return (
            Route(
                path="entity-alias",
                summary="Make an alias, or change one.",
                write=Endpoint(AliasGiven, self.write, "entity.alias.write"),
            ),
            Route(
                path="entity-alias/id",
                summary="The ids of all aliases.",
                list=Endpoint(Page, self.ids, "entity.alias.list"),
            ),
            Route(
                path="entity-alias/id/{id}",
                summary="An alias.",
                read=Endpoint(ById, self.show, "entity.alias.read"),
                write=Endpoint(AliasById, self.write_by_id, "entity.alias.write"),
                delete=Endpoint(ById, self.drop, "entity.alias.delete"),
            ),
        )

    async def ids(self, call: SystemCall, page: Page) -> Reply:
        mounts = await mounts_by_accessor(self._server, call)
        found = [a for a in await call.transaction.all(ALIASES, order="id") if a.id > page.after]
        found = found[: page.limit] if page.limit > 0 else found
        told = (
            "canonical_id",
            "custom_metadata",
            "local",
            "metadata",
            "mount_accessor",
            "mount_path",
            "mount_type",
            "name",
        )
        info = {a.id: {k: shown_alias(a, mounts)[k] for k in told} for a in found}
        return Reply({"keys": [alias.id for alias in found], "key_info": info})

    async def show(self, call: SystemCall, given: ById) -> Reply:
        alias = await call.transaction.get(ALIASES, given.id)
        if alias is None:
            raise NotFoundError
        call.details["entity"] = alias.entity
        data = shown_alias(alias, await mounts_by_accessor(self._server, call))
        return Reply({**data, "namespace_id": "root"})

    async def write(self, call: SystemCall, given: AliasGiven) -> Reply:
        if given.id:
            return await self._change(call, given.id, given)
        if not (given.mount_accessor and given.name):
            raise InputError("", "'id' or 'mount_accessor' and 'name' must be provided")
        await self._check_mount(call, given.mount_accessor)
        found = await call.transaction.all(
            ALIASES, mount_accessor=given.mount_accessor, name=given.name
        )
        if found:
            return await self._change(call, found[0].id, given)
        return await self._make(call, given)

    async def write_by_id(self, call: SystemCall, given: AliasById) -> Reply:
        return await self._change(call, given.id, given)

    async def _make(self, call: SystemCall, given: Change) -> Reply:
        if given.canonical_id:
            await self._check_entity(call, given.canonical_id)
            entity = given.canonical_id
        else:
            made = new_entity(call.now, call.entropy)
            call.transaction.put(ENTITIES, made)
            entity = made.id
        known = Known(given.mount_accessor, given.name, {})
        alias = new_alias(entity, known, call.now, call.entropy)
        return await self._store(
            call,
            replace(alias, custom_metadata=dict(given.custom_metadata), made_by=_writing(call)),
            (),
        )

    async def _change(self, call: SystemCall, id_: str, given: Change) -> Reply:
        old = await call.transaction.get(ALIASES, id_)
        if old is None:
            raise InputError("", "invalid alias ID provided")
        entity = given.canonical_id or old.entity
        accessor = given.mount_accessor or old.mount_accessor
        same_name = (accessor, given.name or old.name) == (old.mount_accessor, old.name)
        if entity != old.entity or not same_name:
            await self._check_known(call, old.entity, entity if same_name else "")
        if entity != old.entity:
            await self._check_entity(call, entity)
        if accessor != old.mount_accessor:
            await self._check_mount(call, accessor)
        alias = replace(
            old,
            name=given.name or old.name,
            entity=entity,
            mount_accessor=accessor,
            custom_metadata=dict(given.custom_metadata),  # none sent: none, as in OpenBao
            updated_at=call.now,
            made_by=old.made_by if entity == old.entity and same_name else _writing(call),
        )
        return await self._store(call, alias, (old.entity,))

    async def _store(self, call: SystemCall, alias: Alias, before: tuple[str, ...]) -> Reply:
        tx = call.transaction
        check_metadata(alias.custom_metadata, "custom_metadata")
        others = [
            other
            for other in await tx.all(ALIASES, entity=alias.entity)
            if other.mount_accessor == alias.mount_accessor and other.id != alias.id
        ]
        if others:
            raise InputError("", "Alias already exists for requested entity and mount accessor")
        taken = await tx.all(ALIASES, mount_accessor=alias.mount_accessor, name=alias.name)
        if any(other.id != alias.id for other in taken):
            raise InputError("", "alias name is already in use at this mount")
        old = await tx.get(ALIASES, alias.id)
        tx.put(ALIASES, alias)
        known = (alias.entity, alias.mount_accessor, alias.name)
        if old is None or (old.entity, old.mount_accessor, old.name) != known:
            await say_rewritten(call, alias.entity, "alias")
        for entity in {alias.entity, *before}:
            await self._check_binding(call, entity)
            tx.changed(f"entity:{entity}")
        call.details |= {"entity": alias.entity, "alias": alias.id}
        return Reply({"canonical_id": alias.entity, "id": alias.id})

    async def drop(self, call: SystemCall, given: ById) -> None:
        alias = await call.transaction.get(ALIASES, given.id)
        if alias is not None:
            await self._check_binding(call, alias.entity)
            await self._check_known(call, alias.entity)
            call.transaction.delete(ALIASES, alias.id)
            call.transaction.changed(f"entity:{alias.entity}")
            call.details |= {"entity": alias.entity, "alias": alias.id}

    async def _check_binding(self, call: SystemCall, id_: str) -> None:
        entity = await call.transaction.get(ENTITIES, id_)
        if entity is not None:
            await check_alias(call, entity)

    async def _check_known(self, call: SystemCall, id_: str, to: str = "") -> None:
        entity = await call.transaction.get(ENTITIES, id_)
        if entity is not None:
            await check_known(call, entity, to)

    async def _check_mount(self, call: SystemCall, accessor: str) -> None:
        if accessor not in await mounts_by_accessor(self._server, call):
            raise InputError("", f'invalid mount accessor "{accessor}"')

    async def _check_entity(self, call: SystemCall, id_: str) -> None:
        if await call.transaction.get(ENTITIES, id_) is None:
            raise InputError("", "invalid canonical ID")


def _writing(call: SystemCall) -> tuple[str, ...] | None:
    """Return who decides who logs in so: they could have chosen a name of their own."""
    return call.behind or None


async def say_rewritten(call: SystemCall, entity_id: str, what: str) -> None:
    """Say in the entry that a registered person is known by something else from now on."""
    if await call.transaction.get(PEOPLE, entity_id) is not None:
        call.details["rewritten"] = [what]


async def mounts_by_accessor(server: Server, call: SystemCall) -> dict[str, tuple[str, str]]:
    """Return path and type of each auth mount, by accessor."""
    mounts = await server.views.mounts(call.transaction)
    return {
        live.row.accessor: (live.row.path, live.row.kind)
        for live in mounts.by_path.values()
        if live.row.path.startswith("auth/")
    }
