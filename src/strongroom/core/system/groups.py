"""`identity/group…`: sets of entities, and of other groups, that share policies.

Vault   Groups by id or name; writing one that exists changes what was sent. An internal group
        holds entities and groups, and no group is in itself, through others neither. An external
        one has an alias at an auth mount: who is in it follows what the mount says at logins.
Differs Names of groups are case-sensitive and hold no slash. A member that is none, and metadata
        beyond its limits, is 400 where OpenBao answers 500. An external group whose alias is
        changed or removed is empty until the next logins; in OpenBao who was in it stays.
        `modify_index` counts our changes of a group, and is not OpenBao's number.
Trust   Whoever may write groups can give any entity any policy but root. A group's metadata binds
        nobody to an environment. A caller that is itself bound changes only groups that hold
        somebody, and nobody who is not bound as it is; external ones it cannot change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.aliases import mounts_by_accessor
from strongroom.core.system.bindings import check_members, check_unbound
from strongroom.core.system.group_aliases import GroupAliasRoutes
from strongroom.identity.entities import check_metadata
from strongroom.identity.groups import (
    CycleError,
    Graph,
    entities_below,
    new_group,
    read_graph,
)
from strongroom.identity.records import (
    ENTITIES,
    GROUP_ALIASES,
    GROUP_MEMBERS,
    GROUPS,
    Group,
    GroupMember,
)
from strongroom.identity.shown import shown_group
from strongroom.identity.tokens import kept
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent
from strongroom.sdk.rules import check_policy_names

KINDS = ("internal", "external")
COUNTS = "SELECT group_id, count(*) FROM group_member GROUP BY group_id ORDER BY group_id"
MOST_WRITTEN = 5000  # members that one request may name

Metadata = Annotated[Mapping[str, str], Help("Metadata, for templates; it binds nobody.")]


@dataclass(frozen=True, kw_only=True)
class ById:
    """For paths that end in an id."""

    id: Annotated[str, Help("Id of the group.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class ByName:
    """For paths that end in a name."""

    name: Annotated[str, Help("Name of the group.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What may be set of a group."""

    type: Annotated[str, Help("internal or external; it stays what it is.")] = ""
    metadata: Metadata = field(default_factory=dict)
    policies: Annotated[tuple[str, ...], Help("Policies of its members.")] = ()
    member_entity_ids: Annotated[tuple[str, ...], Help("Ids of the entities in it.")] = ()
    member_group_ids: Annotated[tuple[str, ...], Help("Ids of the groups in it.")] = ()
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


@dataclass(frozen=True, kw_only=True)
class GroupGiven(Change):
    """A group, new or by its id or name."""

    id: Annotated[str, Help("Id of a group that is there.", most=512)] = ""
    name: Annotated[str, Help("Name; left out, one is made.", most=512)] = ""


@dataclass(frozen=True, kw_only=True)
class GroupById(Change, ById):
    """A group by its id."""

    name: Annotated[str, Help("New name.", most=512)] = ""


@dataclass(frozen=True, kw_only=True)
class GroupByName(Change, ByName):
    """A group by its name."""


@dataclass(frozen=True, kw_only=True)
class Sought:
    """One way to find a group; just one."""

    id: Annotated[str, Help("Id of the group.")] = ""
    name: Annotated[str, Help("Name of the group.")] = ""
    alias_id: Annotated[str, Help("Id of its alias.")] = ""
    alias_name: Annotated[str, Help("Name of its alias; with the mount.")] = ""
    alias_mount_accessor: Annotated[str, Help("Accessor of that alias's mount.")] = ""


class GroupRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `identity/`."""
        write = "group.write"
        return (
            Route(
                path="group",
                summary="Make a group, or change one.",
                write=Endpoint(GroupGiven, self.write, write),
            ),
            Route(
                path="group/id",
                summary="The ids of all groups.",
                list=Endpoint(Page, self.ids, "group.list"),
            ),
            Route(
                path="group/id/{id}",
                summary="A group by its id.",
                read=Endpoint(ById, self.show, "group.read"),
                write=Endpoint(GroupById, self.write_by_id, write),
                delete=Endpoint(ById, self.drop, "group.delete"),
            ),
            Route(
                path="group/name",
                summary="The names of all groups.",
                list=Endpoint(Page, self.names, "group.list"),
            ),
            Route(
                path="group/name/{name}",
                summary="A group by its name.",
                read=Endpoint(ByName, self.show_by_name, "group.read"),
                write=Endpoint(GroupByName, self.write_by_name, write),
                delete=Endpoint(ByName, self.drop_by_name, "group.delete"),
            ),
            Route(
                path="lookup/group",
                summary="Find a group.",
                write=Endpoint(Sought, self.look_up, "group.lookup"),
            ),
            *GroupAliasRoutes(self._server).routes(),
        )

    # -- reading

    async def ids(self, call: SystemCall, page: Page) -> Reply:
        graph = await read_graph(call.transaction)
        mounts = await mounts_by_accessor(self._server, call)
        counts = {row[0]: row[1] for row in await call.transaction.scan(COUNTS, ())}
        found = [each for each in sorted(graph.groups) if each > page.after]
        found = found[: page.limit] if page.limit > 0 else found
        info = {each: _brief(graph, each, counts.get(each, 0), mounts) for each in found}
        return Reply({"keys": found, "key_info": info})

    async def names(self, call: SystemCall, page: Page) -> Reply:
        groups = await call.transaction.all(GROUPS, order="name")
        found = [group.name for group in groups if group.name > page.after]
        return Reply({"keys": found[: page.limit] if page.limit > 0 else found})

    async def show(self, call: SystemCall, given: ById) -> Reply:
        group = await call.transaction.get(GROUPS, given.id)
        return await self._shown(call, group)

    async def show_by_name(self, call: SystemCall, given: ByName) -> Reply:
        return await self._shown(call, await group_by_name(call, given.name))

    async def _shown(self, call: SystemCall, group: Group | None) -> Reply:
        if group is None:
            raise NotFoundError
        graph = await read_graph(call.transaction)
        mounts = await mounts_by_accessor(self._server, call)
        call.details["group"] = group.id
        entities = await _entities(call, group)
        return Reply(shown_group(group, entities, graph, mounts))

    async def look_up(self, call: SystemCall, given: Sought) -> Reply | None:
        """Return the group, or nothing at all where there is none."""
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
        group = await self._sought(call, given)
        return None if group is None else await self._shown(call, group)

    async def _sought(self, call: SystemCall, given: Sought) -> Group | None:
        tx = call.transaction
        if given.name:
            return await group_by_name(call, given.name)
        sought = given.id
        if given.alias_id:
            alias = await tx.get(GROUP_ALIASES, given.alias_id)
            sought = alias.group_id if alias is not None else ""
        if given.alias_name:
            accessor, name = given.alias_mount_accessor, given.alias_name
            found = await tx.all(GROUP_ALIASES, mount_accessor=accessor, name=name)
            sought = found[0].group_id if found else ""
        group = await tx.get(GROUPS, sought)
        return group  # noqa: RET504 - the type of a register is its row's

    # -- writing

    async def write(self, call: SystemCall, given: GroupGiven) -> Reply | None:
        if given.id:
            return await self._write(call, await _there(call, given.id), given, given.name)
        old = await group_by_name(call, given.name) if given.name else None
        return await self._write(call, old, given, given.name)

    async def write_by_id(self, call: SystemCall, given: GroupById) -> Reply | None:
        return await self._write(call, await _there(call, given.id), given, given.name)

    async def write_by_name(self, call: SystemCall, given: GroupByName) -> Reply | None:
        return await self._write(call, await group_by_name(call, given.name), given, given.name)

    async def _write(
        self, call: SystemCall, old: Group | None, given: Change, name: str
    ) -> Reply | None:
        """Store what was sent; a new group is told its id, a changed one nothing."""
        tx = call.transaction
        external = _external(old, given)
        base = old or new_group(call.now, call.entropy, external=external)
        group = _changed(base, given, name, call)
        await _check(call, group, given)
        graph = await read_graph(tx)
        before = await entities_below(tx, graph, group.id)
        _check_nesting(graph, group)
        tx.put(GROUPS, group)
        await _set_entities(call, group, given)
        after = await entities_below(tx, await read_graph(tx), group.id)
        await check_change(call, group, before, after)
        tx.changed(f"group:{group.id}")
        call.details |= {"group": group.id, "group_policies": group.policies}
        call.details |= {"members": len(after), "groups_in_it": len(group.members)}
        return None if old is not None else Reply({"id": group.id, "name": group.name})

    # -- deleting

    async def drop(self, call: SystemCall, given: ById) -> None:
        group = await call.transaction.get(GROUPS, given.id)
        await self._drop(call, group)

    async def drop_by_name(self, call: SystemCall, given: ByName) -> None:
        await self._drop(call, await group_by_name(call, given.name))

    async def _drop(self, call: SystemCall, group: Group | None) -> None:
        """Delete a group; its members keep nothing of it, and no group holds it any more."""
        if group is None:
            return
        tx = call.transaction
        graph = await read_graph(tx)
        held = await entities_below(tx, graph, group.id)
        await check_change(call, group, held, held)
        for parent in graph.parents(group.id):
            row = graph.groups[parent]
            members = tuple(each for each in row.members if each != group.id)
            tx.put(GROUPS, replace(row, members=members, version=row.version + 1))
        await empty(call, group.id)
        for alias in await tx.all(GROUP_ALIASES, group_id=group.id):
            tx.delete(GROUP_ALIASES, alias.id)
        tx.delete(GROUPS, group.id)
        tx.changed(f"group:{group.id}")
        call.details |= {"group": group.id, "members": len(held)}


async def group_by_name(call: SystemCall, name: str) -> Group | None:
    """Return the group of this name, or None."""
    found = await call.transaction.all(GROUPS, name=name)
    return found[0] if found else None


async def check_change(
    call: SystemCall, group: Group, before: frozenset[str], after: frozenset[str]
) -> None:
    """Refuse a bound caller who would give to, or take from, anybody bound elsewhere."""
    if group.external:
        check_unbound(call)
    await check_members(call, before, after)


async def join(call: SystemCall, group_id: str, entity: str) -> Group:
    """Put an entity into an internal group; InputError where there is none of this id."""
    tx = call.transaction
    group = await tx.get(GROUPS, group_id)
    if group is None or group.external:
        raise InputError("groups", f"no internal group of this id: {group_id}")
    graph = await read_graph(tx)
    before = await entities_below(tx, graph, group_id)
    tx.put(GROUP_MEMBERS, GroupMember(group_id, entity, call.now))
    await check_change(call, group, before, before | {entity})
    tx.changed(f"entity:{entity}")
    return group


async def empty(call: SystemCall, group_id: str) -> None:
    """Let all entities out of a group."""
    for row in await call.transaction.all(GROUP_MEMBERS, group_id=group_id):
        call.transaction.delete(GROUP_MEMBERS, group_id, row.entity)


async def _there(call: SystemCall, id_: str) -> Group:
    group = await call.transaction.get(GROUPS, id_)
    if group is None:
        raise InputError("", "invalid group ID")
    return group


def _external(old: Group | None, given: Change) -> bool:
    if old is None:
        if given.type and given.type not in KINDS:
            raise InputError("", f'invalid group type "{given.type}"', logged="no such type")
        return given.type == "external"
    if given.type and given.type != ("external" if old.external else "internal"):
        raise InputError("", "group type cannot be changed")
    return old.external


def _changed(base: Group, given: Change, name: str, call: SystemCall) -> Group:
    changes: dict[str, Any] = {"name": name or base.name, "updated_at": call.now}
    if "metadata" in given.sent:
        changes["metadata"] = dict(given.metadata)
    if "policies" in given.sent:
        check_policy_names(given.policies, "policies")
        changes["policies"] = kept(given.policies)
    if "member_group_ids" in given.sent:
        changes["members"] = tuple(dict.fromkeys(given.member_group_ids))
    return replace(base, version=base.version + 1, **changes)


async def _check(call: SystemCall, group: Group, given: Change) -> None:
    if "root" in group.policies:
        raise InputError("", "policies cannot contain root")
    if "/" in group.name:
        raise InputError("name", "cannot hold a slash")
    check_metadata(group.metadata, "metadata")
    if group.external and given.member_entity_ids:
        raise InputError("", "member entities can't be set manually for external groups")
    if group.external and given.member_group_ids:
        raise InputError("", "member groups can't be set for external groups")
    if max(len(given.member_entity_ids), len(given.member_group_ids)) > MOST_WRITTEN:
        raise InputError("member_entity_ids", f"at most {MOST_WRITTEN} in one request")
    taken = await group_by_name(call, group.name)
    if taken is not None and taken.id != group.id:
        raise InputError("", "group name is already in use")


def _check_nesting(graph: Graph, group: Group) -> None:
    for member in group.members:
        if member == group.id:
            raise InputError("", f'member group ID "{member}" is same as the ID of the group')
        if member not in graph.groups:
            raise InputError("", f'invalid member group ID "{member}"', logged="no such group")
    try:
        graph.check_acyclic(group.id, group.members)
    except CycleError as cycle:
        said = f'cyclic relationship detected for member group ID "{cycle.group_id}"'
        raise InputError("", said) from None


async def _set_entities(call: SystemCall, group: Group, given: Change) -> None:
    """Let in who was named, and out who was not."""
    if "member_entity_ids" not in given.sent or group.external:
        return
    tx, wanted = call.transaction, set(given.member_entity_ids)
    held = {row.entity for row in await tx.all(GROUP_MEMBERS, group_id=group.id)}
    for each in sorted(wanted - held):
        if await tx.get(ENTITIES, each) is None:
            raise InputError("", f'invalid entity ID "{each}"', logged="no such entity")
        tx.put(GROUP_MEMBERS, GroupMember(group.id, each, call.now))
    for each in sorted(held - wanted):
        tx.delete(GROUP_MEMBERS, group.id, each)
    call.details |= {"let_in": sorted(wanted - held), "let_out": sorted(held - wanted)}


async def _entities(call: SystemCall, group: Group) -> Sequence[str]:
    return [row.entity for row in await call.transaction.all(GROUP_MEMBERS, group_id=group.id)]


def _brief(
    graph: Graph, group_id: str, entities: int, mounts: Mapping[str, tuple[str, str]]
) -> dict[str, object]:
    info: dict[str, object] = {
        "name": graph.groups[group_id].name,
        "num_member_entities": entities,
        "num_parent_groups": len(graph.parents(group_id)),
    }
    alias = graph.alias_of.get(group_id)
    if alias is not None:
        path, kind = mounts.get(alias.mount_accessor, ("", ""))
        info["alias"] = {
            "id": alias.id,
            "name": alias.name,
            "mount_accessor": alias.mount_accessor,
            "mount_path": path,
            "mount_type": kind,
        }
    return info
