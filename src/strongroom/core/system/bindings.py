"""What a caller that is bound to an environment may not do to the boundary, or to its identities.

Trust   A bound caller keeps its binding whatever its policies say: it cannot move a boundary,
        bind an entity elsewhere, unbind or drop one, hang an alias on an entity that is not
        bound as it is, drop, rename or move an alias of a bound one, move a mount across, change
        a group that holds anybody who is not bound as it is, an external one at all, or merge
        entities but its own; or change the password, secret ids or rules of somebody who is not
        bound as it is (`core.subjects`). Whoever it is, bound or not: who is registered for an
        environment and has not left is not unbound by metadata, and loses no alias but to one that
        is registered for the same, as the next login by it would be of somebody new.
Limits  A bound caller can still make an identity from nothing where policy lets it, and change what
        somebody logs in by who has never logged in: do not grant that to whom the boundary is meant
        for. What an auth method calls by another name from now on (another role id, another claim)
        is somebody new, bound by the mount alone: an environment that is not `open` keeps it out.
"""

from __future__ import annotations

from collections.abc import Collection

from strongroom.base.errors import InputError
from strongroom.core.guardrails import GuardrailError, below
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.identity.entities import ENVIRONMENT
from strongroom.identity.policy.capability import Operation
from strongroom.identity.records import ENTITIES, PEOPLE, WORKLOADS, Entity
from strongroom.identity.standing import ACTIVE, environment_of, registered_in


def bound(call: SystemCall) -> frozenset[str]:
    """Return the environments that the caller is bound to."""
    return call.session.environments if call.session else frozenset()


def check_unbound(call: SystemCall) -> None:
    """Refuse a caller that is bound to any environment."""
    for name in bound(call):
        raise GuardrailError(f"environment:{name}")


async def check_entity(call: SystemCall, old: Entity | None, new: Entity | None) -> None:
    """Refuse a bound caller who would change a binding, or an entity that is bound elsewhere."""
    own = bound(call)
    if not own:
        return
    tx = call.transaction
    before, after = await environment_of(tx, old), await environment_of(tx, new)
    for name in (before, after):
        if name and own != {name}:
            raise GuardrailError(f"environment:{name}")
    if old is not None and before != after:  # a dropped one too: the next login would be unbound
        raise GuardrailError(f"environment:{before or after}")


async def check_alias(call: SystemCall, entity: Entity) -> None:
    """Refuse a bound caller an alias of an entity that is not bound as the caller is."""
    own = bound(call)
    if own and own != {theirs := await environment_of(call.transaction, entity)}:
        raise GuardrailError(f"environment:{theirs}")


async def check_known(call: SystemCall, entity: Entity, to: str = "") -> None:
    """Refuse to change how a bound entity is known, so that it would be known as nobody.

    A bound caller is refused it of any bound entity; everybody of one that is registered for an
    environment and has not left, unless the alias goes `to` one that is registered for the same.
    """
    theirs = await environment_of(call.transaction, entity)
    if not theirs:
        return
    if bound(call):
        raise GuardrailError(f"environment:{theirs}")
    if not await _is_registered(call, entity.id):
        return
    if not to or await registered_in(call.transaction, to) != theirs:
        raise GuardrailError(f"environment:{theirs}")


async def _is_registered(call: SystemCall, entity_id: str) -> bool:
    """Say whether an entity is registered for an environment, and has not left."""
    tx = call.transaction
    person, workload = await tx.get(PEOPLE, entity_id), await tx.get(WORKLOADS, entity_id)
    there = any(row is not None and row.state == ACTIVE for row in (person, workload))
    return there and bool(await registered_in(tx, entity_id))


async def check_registered(call: SystemCall, entity: Entity) -> None:
    """Refuse metadata that contradicts the environment which an entity is registered for."""
    environment = await registered_in(call.transaction, entity.id)
    if environment and entity.metadata.get(ENVIRONMENT, "") != environment:
        raise InputError(
            f"metadata.{ENVIRONMENT}",
            f"it is registered for {environment}, and metadata neither lifts nor changes that",
        )


async def check_members(call: SystemCall, before: Collection[str], after: Collection[str]) -> None:
    """Refuse a bound caller a group that holds, or held, anybody who is not bound as it is.

    One that holds nobody is refused too: whoever comes into it is somebody else's choice.
    """
    own = bound(call)
    if not own:
        return
    if not after:
        raise GuardrailError(f"environment:{min(own)}")
    for each in {*before, *after}:
        entity = await call.transaction.get(ENTITIES, each)
        theirs = await environment_of(call.transaction, entity)
        if own != {theirs}:
            raise GuardrailError(f"environment:{theirs or min(own)}")


async def check_mount(server: Server, call: SystemCall, path: str, target: str = "") -> None:
    """Refuse to touch a mount whose paths are out of reach, or to move one out of a boundary.

    For `sys/mounts`, `sys/auth` and `sys/remount`: `target` is where a mount is moved to.
    """
    guardrails = await server.views.guardrails(call.transaction)
    for prefix in filter(None, (path, target)):
        refused = guardrails.refusal_within(bound(call), below(prefix))
        if refused is not None:
            raise GuardrailError(refused)
    left = guardrails.left_behind(path, target) if target else None
    if left is not None:
        raise InputError("to", f"the environment {left} does not reach there; extend it first")


async def check_whole(server: Server, call: SystemCall, path: str, operation: Operation) -> None:
    """Refuse people to change a mount as a whole that holds what they are served by grants alone.

    For what disables, tunes or moves one. A grant counts only if it covers all of the mount.
    """
    if call.session is None:
        return
    guardrails = await server.views.guardrails(call.transaction)
    name = guardrails.check_granted_whole(call.session, path, operation)
    if name is not None:
        raise GuardrailError(f"granted:{name}")
