"""Entities and their aliases: found, and made when an alias is seen for the first time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from strongroom.base.errors import InputError
from strongroom.base.ids import uuid_of
from strongroom.identity.records import ALIASES, ENTITIES, Alias, Entity
from strongroom.storage.transaction import Transaction

ENVIRONMENT = "environment"  # the metadata that binds an entity, or a token, to an environment


MOST, LONGEST_KEY, LONGEST_VALUE = 64, 128, 512  # of metadata


@dataclass(frozen=True, slots=True)
class Known:
    """How an auth mount knows somebody."""

    mount_accessor: str
    name: str
    metadata: Mapping[str, str]


async def entity_of(
    tx: Transaction, known: Known, now: datetime, entropy: Callable[[int], bytes]
) -> Entity:
    """Return the entity behind an alias; it is made now if there is none.

    Raises InputError if it is disabled. What the mount says of the alias is kept up to date.
    """
    found = await tx.all(ALIASES, mount_accessor=known.mount_accessor, name=known.name)
    if not found:
        entity = new_entity(now, entropy)
        tx.put(ENTITIES, entity)
        tx.put(ALIASES, new_alias(entity.id, known, now, entropy))
        return entity
    [alias] = found
    entity_found = await tx.get(ENTITIES, alias.entity)
    if entity_found is None or entity_found.disabled:
        raise InputError("", "the entity is disabled")
    if dict(known.metadata) != alias.metadata:
        tx.put(ALIASES, replace(alias, metadata=dict(known.metadata), updated_at=now))
        tx.changed(f"entity:{entity_found.id}")
    return entity_found


def new_entity(now: datetime, entropy: Callable[[int], bytes], name: str = "") -> Entity:
    """Return an entity with nothing set; left out, its name is made from its id."""
    id_ = uuid_of(entropy(16))
    return Entity(
        id=id_,
        name=name or f"entity_{id_[:8]}",
        metadata={},
        policies=(),
        disabled=False,
        created_at=now,
        updated_at=now,
    )


def new_alias(entity: str, known: Known, now: datetime, entropy: Callable[[int], bytes]) -> Alias:
    """Return an alias of an entity."""
    return Alias(
        id=uuid_of(entropy(16)),
        entity=entity,
        mount_accessor=known.mount_accessor,
        name=known.name,
        metadata=dict(known.metadata),
        custom_metadata={},
        created_at=now,
        updated_at=now,
    )


def check_metadata(metadata: Mapping[str, str], field: str) -> None:
    """Raise InputError for more, or longer, metadata than is kept."""
    if len(metadata) > MOST:
        raise InputError(field, f"more than {MOST} keys")
    if any(len(k) > LONGEST_KEY or len(v) > LONGEST_VALUE for k, v in metadata.items()):
        problem = f"a key has at most {LONGEST_KEY} characters, a value {LONGEST_VALUE}"
        raise InputError(field, problem)
