"""Tokens, entities and aliases as Vault's replies show them.

Units   Durations are whole seconds; moments RFC 3339, and in some fields Unix seconds.
Trust   No text of a token is here but the one that the caller hands in: none is stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from strongroom.base.clock import rfc3339
from strongroom.base.secret import Secret
from strongroom.identity.groups import Graph
from strongroom.identity.records import Alias, Group, GroupAlias, Token
from strongroom.identity.standing import Standing
from strongroom.identity.tokens import Issued


class Given(Protocol):
    """Who has policies beside those of a token: an entity with its groups."""

    @property
    def policies(self) -> tuple[str, ...]:
        """Return them, sorted."""
        ...


def auth_of(
    issued: Issued, given: Given | None = None, lasts: timedelta | None = None
) -> dict[str, object]:
    """Return the `auth` part of Vault's envelope; `lasts` is what is left, after a renewal."""
    token = issued.token
    identity = list(given.policies) if given is not None else []
    own = list(token.policies)
    return {
        "client_token": issued.text,
        "accessor": token.accessor,
        "policies": sorted({*own, *identity}),
        **({"token_policies": own} if own else {}),
        **({"identity_policies": identity} if identity else {}),
        "metadata": token.metadata or None,
        "lease_duration": seconds(token.ttl if lasts is None else lasts),
        "renewable": token.renewable,
        "entity_id": token.entity,
        "token_type": token.kind,
        "orphan": token.parent is None,
        "mfa_requirement": None,
        "num_uses": token.uses_left,
    }


def shown_token(
    token: Token, text: Secret, given: Given | None, now: datetime
) -> dict[str, object]:
    """Return what `auth/token/lookup` tells; `text` is empty where only the accessor is known."""
    ends = token.expires_at
    data: dict[str, object] = {
        "accessor": token.accessor,
        "creation_time": int(token.issued_at.timestamp()),
        "creation_ttl": seconds(token.ttl),
        "display_name": token.display,
        "entity_id": token.entity,
        "expire_time": None if ends is None else rfc3339(ends),
        "explicit_max_ttl": seconds(token.explicit_max_ttl),
        "id": text,
        "issue_time": rfc3339(token.issued_at),
        "meta": token.metadata or None,
        "num_uses": token.uses_left,
        "orphan": token.parent is None,
        "path": token.path,
        "policies": list(token.policies),
        "renewable": token.renewable,
        "ttl": 0 if ends is None else max(0, int((ends - now).total_seconds())),
        "type": token.kind,
    }
    if token.renewed_at is not None:
        data["last_renewal"] = rfc3339(token.renewed_at)
        data["last_renewal_time"] = int(token.renewed_at.timestamp())
    if token.cidrs:
        data["bound_cidrs"] = list(token.cidrs)
    if token.period:
        data["period"] = seconds(token.period)
    if token.role and not token.mount:
        data["role"] = token.role
    if token.environment:
        data["environment"] = token.environment
    if given is not None:
        data["identity_policies"] = list(given.policies)
        data["external_namespace_policies"] = {}
    return data


def shown_entity(
    standing: Standing,
    aliases: Iterable[Alias],
    merged: Sequence[str],
    mounts: Mapping[str, tuple[str, str]],
) -> dict[str, object]:
    """Return an entity; `mounts` gives path and type by accessor.

    Of one that is registered its `kind` is told too.
    """
    entity, belonging = standing.entity, standing.belonging
    return {
        **({"kind": standing.registered_as} if standing.registered_as else {}),
        "id": entity.id,
        "name": entity.name,
        "aliases": [shown_alias(alias, mounts) for alias in aliases],
        "creation_time": rfc3339(entity.created_at),
        "last_update_time": rfc3339(entity.updated_at),
        "disabled": entity.disabled,
        "metadata": entity.metadata or None,
        "policies": list(entity.policies),
        "direct_group_ids": [group.id for group in belonging.direct],
        "group_ids": [group.id for group in belonging.all],
        "inherited_group_ids": [group.id for group in belonging.inherited],
        "merged_entity_ids": list(merged) or None,
        "namespace_id": "root",
    }


def shown_alias(alias: Alias, mounts: Mapping[str, tuple[str, str]]) -> dict[str, object]:
    """Return an alias; a mount that is gone has neither path nor type."""
    path, kind = mounts.get(alias.mount_accessor, ("", ""))
    return {
        "id": alias.id,
        "canonical_id": alias.entity,
        "name": alias.name,
        "mount_accessor": alias.mount_accessor,
        "mount_path": path,
        "mount_type": kind,
        "metadata": alias.metadata or None,
        "custom_metadata": alias.custom_metadata,
        "creation_time": rfc3339(alias.created_at),
        "last_update_time": rfc3339(alias.updated_at),
        "local": False,
        "merged_from_canonical_ids": None,
    }


def shown_group(
    group: Group,
    entities: Iterable[str],
    graph: Graph,
    mounts: Mapping[str, tuple[str, str]],
) -> dict[str, object]:
    """Return a group; `entities` are in it themselves."""
    alias = graph.alias_of.get(group.id)
    return {
        "id": group.id,
        "name": group.name,
        "type": "external" if group.external else "internal",
        "policies": list(group.policies) or None,
        "metadata": group.metadata or None,
        "member_entity_ids": list(entities) or None,
        "member_group_ids": list(group.members) or None,
        "parent_group_ids": list(graph.parents(group.id)) or None,
        "alias": shown_group_alias(alias, mounts) if alias is not None else {},
        "modify_index": group.version,
        "creation_time": rfc3339(group.created_at),
        "last_update_time": rfc3339(group.updated_at),
        "namespace_id": "root",
    }


def shown_group_alias(
    alias: GroupAlias, mounts: Mapping[str, tuple[str, str]]
) -> dict[str, object]:
    """Return the alias of a group; a mount that is gone has neither path nor type."""
    path, kind = mounts.get(alias.mount_accessor, ("", ""))
    return {
        "id": alias.id,
        "canonical_id": alias.group_id,
        "name": alias.name,
        "mount_accessor": alias.mount_accessor,
        "mount_path": path,
        "mount_type": kind,
        "metadata": None,
        "merged_from_canonical_ids": None,
        "creation_time": rfc3339(alias.created_at),
        "last_update_time": rfc3339(alias.updated_at),
    }


def seconds(duration: timedelta) -> int:
    """Return whole seconds, a part of one counted as one."""
    return math.ceil(duration.total_seconds())
