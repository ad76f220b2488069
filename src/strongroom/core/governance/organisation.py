"""Who there is to approve: the active people, and the groups that each is in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from strongroom.identity.groups import Graph, belonging
from strongroom.identity.people import active_person
from strongroom.identity.records import ENTITIES, GROUP_MEMBERS, GROUPS, PEOPLE, Group
from strongroom.identity.standing import end_of
from strongroom.storage.barrier import TamperedError
from strongroom.storage.transaction import Transaction

__all__ = ["active_people", "active_person", "group_of", "names_of"]


async def active_people(tx: Transaction, graph: Graph, now: datetime) -> dict[str, frozenset[str]]:
    """Return every active person's entity, with the ids of all groups that they are in.

    Rows that are not as they were written make nobody somebody.
    """
    people, _ = await tx.examine(PEOPLE)
    there = {row.entity for row in people if (end := end_of(row)) is None or now < end}
    entities, _ = await tx.examine(ENTITIES)
    there &= {each.id for each in entities if not each.disabled}
    held: dict[str, list[str]] = {each: [] for each in there}
    for row in (await tx.examine(GROUP_MEMBERS))[0]:
        if row.entity in held:
            held[row.entity].append(row.group_id)
    return {each: _groups(graph, direct) for each, direct in held.items()}


def _groups(graph: Graph, direct: list[str]) -> frozenset[str]:
    try:
        return frozenset(group.id for group in belonging(graph, direct).all)
    except TamperedError:  # whose sessions are refused, too
        return frozenset()


async def names_of(tx: Transaction, entities: Mapping[str, object]) -> dict[str, str]:
    """Return what people and entities are called, for replies that are read by people."""
    found: dict[str, str] = {}
    for each in entities:
        person = await tx.get(PEOPLE, each)
        entity = await tx.get(ENTITIES, each)
        found[each] = (person.name if person else "") or (entity.name if entity else "")
    return found


async def group_of(tx: Transaction, named: str) -> Group | None:
    """Return the group of this id, or else of this name."""
    group = await tx.get(GROUPS, named)
    if group is not None:
        return group
    rows = await tx.all(GROUPS, name=named)
    return rows[0] if rows else None
