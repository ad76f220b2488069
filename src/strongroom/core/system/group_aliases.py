"""`identity/group-alias…`: the names under which auth mounts know external groups.

Vault   An external group has one alias; a second one takes the place of the first. Without
        `canonical_id` a group is made for it.
Trust   Whoever may write one decides who of a mount is in the group. A caller that is bound to an
        environment may write none: it cannot know who will log in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.aliases import mounts_by_accessor
from strongroom.core.system.bindings import check_unbound
from strongroom.identity.groups import new_group
from strongroom.identity.records import GROUP_ALIASES, GROUP_MEMBERS, GROUPS, Group, GroupAlias
from strongroom.identity.shown import shown_group_alias
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route


@dataclass(frozen=True, kw_only=True)
class ById:
    """For paths that end in an id."""

    id: Annotated[str, Help("Id of the alias.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class Given:
    """An alias of a group."""

    name: Annotated[str, Help("Name of the group at the mount.", most=512)] = ""
    mount_accessor: Annotated[str, Help("Accessor of the auth mount.")] = ""
    canonical_id: Annotated[str, Help("Id of the external group; left out, one is made.")] = ""


@dataclass(frozen=True, kw_only=True)
class AliasGiven(Given):
    """An alias, new or by its id."""

    id: Annotated[str, Help("Id of an alias that is there.", most=512)] = ""


@dataclass(frozen=True, kw_only=True)
class AliasById(Given, ById):
    """An alias by its id."""


class GroupAliasRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `identity/`."""
        return (
            Route(
                path="group-alias",
                summary="Make an alias of a group, or change one.",
                write=Endpoint(AliasGiven, self.write, "group.alias.write"),
            ),
            Route(
                path="group-alias/id",
                summary="The ids of all aliases of groups.",
                list=Endpoint(Page, self.ids, "group.alias.list"),
            ),
            Route(
                path="group-alias/id/{id}",
                summary="An alias of a group.",
                read=Endpoint(ById, self.show, "group.alias.read"),
                write=Endpoint(AliasById, self.write_by_id, "group.alias.write"),
                delete=Endpoint(ById, self.drop, "group.alias.delete"),
            ),
        )

    async def ids(self, call: SystemCall, page: Page) -> Reply:
        mounts = await mounts_by_accessor(self._server, call)
        rows = await call.transaction.all(GROUP_ALIASES, order="id")
        found = [alias for alias in rows if alias.id > page.after]
        found = found[: page.limit] if page.limit > 0 else found
        told = ("canonical_id", "metadata", "mount_accessor", "mount_path", "mount_type", "name")
        none = {"custom_metadata": None, "local": False}
        info = {a.id: {k: shown_group_alias(a, mounts)[k] for k in told} | none for a in found}
        return Reply({"keys": [alias.id for alias in found], "key_info": info})

    async def show(self, call: SystemCall, given: ById) -> Reply:
        alias = await call.transaction.get(GROUP_ALIASES, given.id)
        if alias is None:
            raise NotFoundError
        call.details["group"] = alias.group_id
        data = shown_group_alias(alias, await mounts_by_accessor(self._server, call))
        more = {"namespace_id": "root", "custom_metadata": None, "local": False}
        return Reply({**data, **more})

    # -- writing

    async def write(self, call: SystemCall, given: AliasGiven) -> Reply:
        return await self._write(call, given.id, given)

    async def write_by_id(self, call: SystemCall, given: AliasById) -> Reply:
        return await self._write(call, given.id, given)

    async def _write(self, call: SystemCall, id_: str, given: Given) -> Reply:
        check_unbound(call)
        tx = call.transaction
        old = await tx.get(GROUP_ALIASES, id_)
        if id_ and old is None:
            raise InputError("", "invalid group alias ID")
        if not given.name:
            raise InputError("", "missing alias name")
        if not given.mount_accessor:
            raise InputError("", "missing mount_accessor")
        if given.mount_accessor not in await mounts_by_accessor(self._server, call):
            said = f'invalid mount accessor "{given.mount_accessor}"'
            raise InputError("", said, logged="no such mount")
        group = await self._group(call, given, old)
        taken = await tx.all(GROUP_ALIASES, mount_accessor=given.mount_accessor, name=given.name)
        if any(each.id != id_ for each in taken):
            raise InputError("", "combination of mount and group alias name is already in use")
        return await self._store(call, given, group, old)

    async def _group(self, call: SystemCall, given: Given, old: GroupAlias | None) -> Group:
        wanted = given.canonical_id or (old.group_id if old is not None else "")
        if not wanted:
            made = new_group(call.now, call.entropy, external=True)
            call.transaction.put(GROUPS, made)
            return made
        group = await call.transaction.get(GROUPS, wanted)
        if group is None:
            raise InputError("", "invalid group ID given in 'canonical_id'")
        if not group.external:
            raise InputError("", "alias can't be set on an internal group")
        return group

    async def _store(
        self, call: SystemCall, given: Given, group: Group, old: GroupAlias | None
    ) -> Reply:
        """Store it in the place of the one that the group had."""
        tx = call.transaction
        alias = GroupAlias(
            id=old.id if old is not None else uuid_of(call.entropy(16)),
            group_id=group.id,
            mount_accessor=given.mount_accessor,
            name=given.name,
            created_at=old.created_at if old is not None else call.now,
            updated_at=call.now,
        )
        if old is not None and old.group_id != group.id:
            await _let_out(call, old.group_id)
        for other in await tx.all(GROUP_ALIASES, group_id=group.id):
            if other.id != alias.id:
                tx.delete(GROUP_ALIASES, other.id)
            if (other.mount_accessor, other.name) != (alias.mount_accessor, alias.name):
                await _let_out(call, group.id)
        tx.put(GROUP_ALIASES, alias)
        tx.changed(f"group:{group.id}")
        call.details |= {"group": group.id, "alias": alias.id}
        return Reply({"canonical_id": group.id, "id": alias.id})

    async def drop(self, call: SystemCall, given: ById) -> None:
        """Delete an alias: nobody is known to be in its group any more."""
        alias = await call.transaction.get(GROUP_ALIASES, given.id)
        if alias is None:
            return
        check_unbound(call)
        await _let_out(call, alias.group_id)
        call.transaction.delete(GROUP_ALIASES, alias.id)
        call.transaction.changed(f"group:{alias.group_id}")
        call.details |= {"group": alias.group_id, "alias": alias.id}


async def _let_out(call: SystemCall, group_id: str) -> None:
    rows = await call.transaction.all(GROUP_MEMBERS, group_id=group_id)
    for row in rows:
        call.transaction.delete(GROUP_MEMBERS, group_id, row.entity)
    call.details["let_out"] = [row.entity for row in rows]
