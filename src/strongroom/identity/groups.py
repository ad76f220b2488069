"""Groups and how they are nested: which ones hold an entity, and whom a group holds.

Vault   An entity has the policies of every group that it is in, and of every group that one of
        those is in. Members of an external group come and go with their logins, by the groups
        that the auth mount names (`follow_login`).
Order   A change of a group says `group:…` (`Transaction.changed`), which concerns everybody; a
        change of one entity's membership says `entity:…`, which concerns that one.
Trust   Rows are guarded. Who can write to the database can delete a group or a membership, or bring
        back an older one. A group whose row was changed holds its members back: it may have given
        them a policy that denies, so nothing is decided without it (`Graph.above`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from strongroom.base.ids import uuid_of
from strongroom.identity.records import (
    GROUP_ALIASES,
    GROUP_MEMBERS,
    GROUPS,
    Group,
    GroupAlias,
    GroupMember,
)
from strongroom.storage.barrier import TamperedError
from strongroom.storage.guard import Broken
from strongroom.storage.transaction import Transaction


class CycleError(Exception):
    """Some groups would be in each other; `group_id` is one of them."""

    def __init__(self, group_id: str) -> None:
        super().__init__(group_id)
        self.group_id = group_id


class Graph:
    """All groups, as of one moment. Entities are not in it: there are too many."""

    def __init__(
        self,
        groups: Iterable[Group],
        aliases: Iterable[GroupAlias] = (),
        broken: Iterable[Broken] = (),
    ) -> None:
        self.groups: Mapping[str, Group] = {group.id: group for group in groups}
        self.alias_of: Mapping[str, GroupAlias] = {alias.group_id: alias for alias in aliases}
        self._problems = {str(each.key[0]): each.problem for each in broken}
        self._parents: dict[str, list[str]] = {}
        for group in self.groups.values():
            for member in group.members:
                self._parents.setdefault(member, []).append(group.id)

    def parents(self, group_id: str) -> tuple[str, ...]:
        """Return the groups that a group is a member of itself, by id."""
        return tuple(sorted(self._parents.get(group_id, ())))

    def above(self, group_ids: Iterable[str]) -> tuple[Group, ...]:
        """Return these groups and all that they are in, by id.

        One that is gone is none. Raises TamperedError for one that was changed in the database.
        """
        reached = _closure(group_ids, lambda each: self._parents.get(each, ()))
        for each in reached:
            if each in self._problems:
                raise TamperedError(self._problems[each])
        return tuple(self.groups[each] for each in sorted(reached) if each in self.groups)

    def below(self, group_id: str) -> frozenset[str]:
        """Return a group and all groups in it, by id."""
        return _closure((group_id,), self._members)

    def check_acyclic(self, group_id: str, members: Iterable[str]) -> None:
        """Raise CycleError if a group that had these members would be in itself."""
        for member in members:
            if group_id in self.below(member):
                raise CycleError(member)

    def at_mount(self, accessor: str) -> Mapping[str, str]:
        """Return the external groups that an auth mount knows: id by name there."""
        return {
            alias.name: alias.group_id
            for alias in self.alias_of.values()
            if alias.mount_accessor == accessor
        }

    def _members(self, group_id: str) -> Sequence[str]:
        group = self.groups.get(group_id)
        return group.members if group is not None else ()


def _closure(start: Iterable[str], more: Callable[[str], Iterable[str]]) -> frozenset[str]:
    found = set(start)
    edge = list(found)
    while edge:
        for each in more(edge.pop()):
            if each not in found:
                found.add(each)
                edge.append(each)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Belonging:
    """The groups that an entity is in: `direct` itself, `inherited` through others alone."""

    direct: tuple[Group, ...] = ()
    inherited: tuple[Group, ...] = ()

    @property
    def all(self) -> tuple[Group, ...]:
        """Every group, by id."""
        return tuple(sorted((*self.direct, *self.inherited), key=lambda group: group.id))

    @property
    def policies(self) -> tuple[str, ...]:
        """What the groups give, sorted."""
        return tuple(sorted({name for group in self.all for name in group.policies}))


NOWHERE = Belonging()


async def read_graph(tx: Transaction) -> Graph:
    """Read all groups; the commit checks that none has changed meanwhile."""
    groups, broken = await tx.examine(GROUPS)
    aliases, _ = await tx.examine(GROUP_ALIASES)
    return Graph(groups, aliases, broken)


async def belonging_of(tx: Transaction, entity: str, graph: Graph) -> Belonging:
    """Return the groups that an entity is in."""
    return belonging(graph, (row.group_id for row in await tx.all(GROUP_MEMBERS, entity=entity)))


def belonging(graph: Graph, group_ids: Iterable[str]) -> Belonging:
    """Return the groups of somebody who is in these itself."""
    own = set(group_ids)
    if not own:
        return NOWHERE
    reached = graph.above(own)
    return Belonging(
        direct=tuple(group for group in reached if group.id in own),
        inherited=tuple(group for group in reached if group.id not in own),
    )


async def entities_below(tx: Transaction, graph: Graph, group_id: str) -> frozenset[str]:
    """Return every entity that a group holds, itself or through a group in it."""
    found: set[str] = set()
    for each in graph.below(group_id):
        found |= {row.entity for row in await tx.all(GROUP_MEMBERS, group_id=each)}
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Named:
    """The groups that an auth mount names of somebody, by the names that it has for them."""

    accessor: str
    names: tuple[str, ...]


async def follow_login(
    tx: Transaction, graph: Graph, entity: str, said: Named, now: datetime
) -> tuple[list[str], list[str]]:
    """Put an entity into the external groups that its auth mount names now, and out of others.

    Groups that another mount knows are left as they are. Returns the ids of both.
    """
    known = graph.at_mount(said.accessor)
    if not known:
        return [], []
    named = {known[name] for name in said.names if name in known}
    held = {row.group_id for row in await tx.all(GROUP_MEMBERS, entity=entity)}
    joined, left = sorted(named - held), sorted((held & {*known.values()}) - named)
    for each in joined:
        tx.put(GROUP_MEMBERS, GroupMember(each, entity, now))
    for each in left:
        tx.delete(GROUP_MEMBERS, each, entity)
    if joined or left:
        tx.changed(f"entity:{entity}")
    return joined, left


async def forget_mount(tx: Transaction, accessor: str) -> None:
    """Empty the external groups that an auth mount knew: it says no more who is in them."""
    for alias in await tx.all(GROUP_ALIASES, mount_accessor=accessor):
        for row in await tx.all(GROUP_MEMBERS, group_id=alias.group_id):
            tx.delete(GROUP_MEMBERS, row.group_id, row.entity)
        tx.delete(GROUP_ALIASES, alias.id)
        tx.changed(f"group:{alias.group_id}")


def new_group(now: datetime, entropy: Callable[[int], bytes], *, external: bool) -> Group:
    """Return a group with nothing set; its name is made from its id."""
    id_ = uuid_of(entropy(16))
    return Group(
        id=id_,
        name=f"group_{id_[:8]}",
        external=external,
        metadata={},
        policies=(),
        members=(),
        version=0,
        created_at=now,
        updated_at=now,
    )
