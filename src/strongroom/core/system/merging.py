"""`identity/entity/merge`: several entities become one.

Vault   The aliases and memberships of those merged go to the one that stays; their policies and
        metadata do not. Where two have an alias at the same mount, `conflicting_alias_ids_to_keep`
        names the one that stays, and just one entity is merged. Tokens go on, as those of the one
        that stays. `force` is for login MFA secrets, which are of no entity here.
Differs Entities that are not bound to the same environment are never merged, whoever asks; nor who
        is registered for one into an entity that only its metadata binds there. A token
        of one that was merged is shown with the entity that it is now. Who is registered is merged
        only with who is registered alike; the row of the one that goes says that it has left.
Trust   Whoever may merge makes one actor out of two: the one that stays acts for both from then on,
        in the log and in every decision that another must make (`core.system.registrations`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from strongroom.base.errors import InputError
from strongroom.core.guardrails import GuardrailError
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.aliases import say_rewritten
from strongroom.core.system.bindings import check_alias
from strongroom.identity.factors.checking import forget_factors
from strongroom.identity.factors.holds import FACTOR_HOLDS, hold
from strongroom.identity.records import (
    ALIASES,
    ENTITIES,
    GROUP_MEMBERS,
    MERGED,
    PEOPLE,
    TOKENS,
    WORKLOADS,
    Alias,
    Entity,
    GroupMember,
    Merged,
)
from strongroom.identity.standing import Standing, stand
from strongroom.sdk.engine import Endpoint, Help, Route

MOST_AT_ONCE = 100
LEFT = {"person": "left", "workload": "decommissioned"}


@dataclass(frozen=True, kw_only=True)
class Given:
    """Who goes into whom."""

    from_entity_ids: Annotated[tuple[str, ...], Help("Ids of the entities that go.")] = ()
    to_entity_id: Annotated[str, Help("Id of the entity that stays.")] = ""
    force: Annotated[bool, Help("Taken, and without effect: no entity holds MFA secrets.")] = False
    conflicting_alias_ids_to_keep: Annotated[
        tuple[str, ...], Help("Of two aliases at one mount, those that stay.")
    ] = ()


class MergeRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `identity/`."""
        return (
            Route(
                path="entity/merge",
                summary="Make one entity of several.",
                write=Endpoint(Given, self.merge, "entity.merge"),
            ),
        )

    async def merge(self, call: SystemCall, given: Given) -> None:
        """Merge; all of it, or nothing."""
        going, staying = await self._meant(call, given)
        graph = await self._server.views.graph(call.transaction)
        stays = await stand(call.transaction, staying, graph)
        for entity in going:
            goes = await stand(call.transaction, entity, graph)
            await _check_bindings(call, goes, stays)
            _check_alike(call, goes, stays)
        await _check_clashes(call, given, going, staying)
        for entity in going:
            await _merge(call, entity, staying, given.conflicting_alias_ids_to_keep)
        call.details |= {"entity": staying.id, "entities": [entity.id for entity in going]}
        await say_rewritten(call, staying.id, "aliases")

    async def _meant(self, call: SystemCall, given: Given) -> tuple[list[Entity], Entity]:
        if not given.to_entity_id:
            raise InputError("", "missing entity id to merge to")
        if not given.from_entity_ids:
            raise InputError("", "missing entity ids to merge from")
        if given.to_entity_id in given.from_entity_ids:
            raise InputError("", "to_entity_id should not be present in from_entity_ids")
        if len(given.from_entity_ids) > MOST_AT_ONCE:
            raise InputError("from_entity_ids", f"at most {MOST_AT_ONCE} at once")
        staying = await call.transaction.get(ENTITIES, given.to_entity_id)
        if staying is None:
            raise InputError("", "entity id to merge to is invalid")
        going: list[Entity] = []
        for each in dict.fromkeys(given.from_entity_ids):
            entity = await call.transaction.get(ENTITIES, each)
            if entity is None:
                raise InputError("", "entity id to merge from is invalid")
            going.append(entity)
        return going, staying


async def _check_bindings(call: SystemCall, goes: Standing, stays: Standing) -> None:
    """Refuse two that are not bound alike; a bound caller also who is not bound as it is."""
    await check_alias(call, goes.entity)
    await check_alias(call, stays.entity)
    if goes.environment != stays.environment:
        raise GuardrailError(f"environment:{goes.environment or stays.environment}")
    if goes.registered_in not in ("", stays.registered_in):  # metadata could lift it from then on
        raise InputError("", "they are not registered for the same environment")


def _check_alike(call: SystemCall, goes: Standing, stays: Standing) -> None:
    """Refuse to lose a registration, an end or a disabling by a merge."""
    if goes.entity.disabled != stays.entity.disabled:
        raise InputError("", "one of them is disabled, and the other is not")
    if not goes.registered_as:
        return
    if goes.registered_as != stays.registered_as:
        raise InputError("", "a registered entity is merged only into one registered alike")
    if goes.over(call.now) or stays.over(call.now):
        raise InputError("", "the end of a registration has come")
    ours, theirs = goes.workload, stays.workload
    if ours is not None and theirs is not None and ours.environment != theirs.environment:
        raise InputError("", "they are workloads of different environments")


async def _check_clashes(
    call: SystemCall, given: Given, going: Sequence[Entity], staying: Entity
) -> None:
    """Refuse two aliases at one mount, unless it is said which of them stays."""
    keep, held = given.conflicting_alias_ids_to_keep, dict[str, Alias]()
    for alias in await call.transaction.all(ALIASES, entity=staying.id):
        held[alias.mount_accessor] = alias
    for entity in going:
        for alias in await call.transaction.all(ALIASES, entity=entity.id):
            other = held.get(alias.mount_accessor)
            if other is not None and (other.entity != staying.id or len(keep) == 0):
                raise InputError(
                    "",
                    "toEntity and at least one fromEntity have aliases with the same mount "
                    "accessor, repeat the merge request specifying exactly one fromEntity, "
                    f"clashes: {other.id}, {alias.id}",
                )
            if other is not None and (other.id in keep) == (alias.id in keep):
                raise InputError(
                    "conflicting_alias_ids_to_keep", f"name one of {other.id} and {alias.id}"
                )
            held[alias.mount_accessor] = alias


async def _merge(call: SystemCall, entity: Entity, staying: Entity, keep: Sequence[str]) -> None:
    """Move what one entity has, and its tokens; nothing of it is left but where it went."""
    tx = call.transaction
    await _move_aliases(call, entity, staying, keep)
    for row in await tx.all(GROUP_MEMBERS, entity=entity.id):
        tx.delete(GROUP_MEMBERS, row.group_id, entity.id)
        if await tx.get(GROUP_MEMBERS, row.group_id, staying.id) is None:
            tx.put(GROUP_MEMBERS, GroupMember(row.group_id, staying.id, row.since))
    for token in await tx.all(TOKENS, entity=entity.id):
        tx.put(TOKENS, replace(token, entity=staying.id))
        tx.changed(f"token:{token.lookup.hex()}")
    for workload in await tx.all(WORKLOADS, owner=entity.id):
        tx.put(WORKLOADS, replace(workload, owner=staying.id, updated_at=call.now))
    await retire(call, entity.id)
    await forget_factors(tx, entity.id)  # they know their owner by its id
    held = await tx.get(FACTOR_HOLDS, entity.id)
    if held is not None:
        tx.delete(FACTOR_HOLDS, entity.id)
        await hold(tx, staying.id, (*held.removed_by, *call.behind), call.now)
    for before in await tx.all(MERGED, entity=entity.id):
        tx.put(MERGED, replace(before, entity=staying.id))
    tx.put(MERGED, Merged(entity.id, staying.id, call.now))
    tx.delete(ENTITIES, entity.id)
    for each in (entity, staying):
        tx.changed(f"entity:{each.id}")


async def _move_aliases(
    call: SystemCall, entity: Entity, staying: Entity, keep: Sequence[str]
) -> None:
    tx = call.transaction
    held = {each.mount_accessor: each for each in await tx.all(ALIASES, entity=staying.id)}
    for alias in await tx.all(ALIASES, entity=entity.id):
        other = held.get(alias.mount_accessor)
        if other is not None and alias.id not in keep:
            tx.delete(ALIASES, alias.id)
            continue
        if other is not None:
            tx.delete(ALIASES, other.id)
        wrote = tuple(dict.fromkeys((*(alias.made_by or ()), *call.behind)))
        moved = replace(alias, entity=staying.id, updated_at=call.now, made_by=wrote or None)
        tx.put(ALIASES, moved)


async def retire(call: SystemCall, entity_id: str) -> None:
    """Say in the rows of an entity that goes that it has left; they stay as its history."""
    tx = call.transaction
    person = await tx.get(PEOPLE, entity_id)
    if person is not None and person.left_at is None:
        row = replace(person, state=LEFT["person"], left_at=call.now, updated_at=call.now)
        tx.put(PEOPLE, row)
    workload = await tx.get(WORKLOADS, entity_id)
    if workload is not None and workload.left_at is None:
        gone = replace(workload, state=LEFT["workload"], left_at=call.now, updated_at=call.now)
        tx.put(WORKLOADS, gone)
