"""Templates in patterns: who asks, put into the path.

Vault  `identity.entity.{id,name,metadata.K}`, `identity.entity.aliases.MOUNT.{id,name,
       metadata.K,custom_metadata.K}`, `identity.groups.ids.ID.{id,name,metadata.K}` and
       `identity.groups.names.NAME.{id,name,metadata.K}`, in double braces.
       A rule whose template finds nothing matches nothing. A value that holds `/`, `*` or `+`
       is refused unless the policy says otherwise, and then, as in OpenBao, its holder can do
       nothing at all until that is mended: a rule left out might have been the one that denies.
Differs  An empty value finds nothing: OpenBao puts it in, and `team-{{…}}*` becomes `team-*`.
Trust  Metadata and names may be chosen by those whom the rule is to confine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from strongroom.identity.policy import pattern
from strongroom.identity.policy.document import Policy

_TEMPLATE = re.compile(r"\{\{([^{}]*+)\}\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Alias:
    """How an auth mount knows the entity."""

    id: str
    name: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    custom_metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A group that the entity is in, itself or through another."""

    id: str
    name: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What templates may say of the one who asks. `aliases` goes by mount accessor."""

    id: str
    name: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()


class ForbiddenValueError(ValueError):
    """A value would change what the pattern means."""


def render(path: str, identity: Identity | None, policy: Policy) -> str | None:
    """Return the pattern for this identity, or None where a template finds nothing.

    Raises ForbiddenValueError when a value holds what the policy does not permit in one.
    """
    forbidden = "" if policy.allow_slashes_in_identity_templates else "/"
    forbidden += "" if policy.allow_wildcards_in_identity_templates else "*+"
    parts: list[str] = []
    at = 0
    for found in _TEMPLATE.finditer(path):
        value = _find(found[1].strip(), identity) if identity else None
        if not value:
            return None
        if any(character in value for character in forbidden):
            raise ForbiddenValueError("the value of a template holds '/', '*' or '+'")
        parts += (path[at : found.start()], value)
        at = found.end()
    rendered = "".join((*parts, path[at:])).removeprefix("/")
    if found_problem := pattern.problem(rendered):
        raise ForbiddenValueError(found_problem)
    return rendered


def _find(name: str, identity: Identity) -> str | None:
    if name.startswith("identity.entity."):
        return _of_entity(name.removeprefix("identity.entity."), identity)
    if name.startswith("identity.groups.ids."):
        rest = name.removeprefix("identity.groups.ids.")
        return _of_group(rest, {group.id: group for group in identity.groups})
    if name.startswith("identity.groups.names."):
        rest = name.removeprefix("identity.groups.names.")
        return _of_group(rest, {group.name: group for group in identity.groups})
    return None


def _of_entity(rest: str, identity: Identity) -> str | None:
    if rest.startswith("aliases."):
        accessor, _, wanted = rest.removeprefix("aliases.").partition(".")
        alias = identity.aliases.get(accessor)
        if alias is None:
            return None
        if wanted.startswith("custom_metadata."):
            return alias.custom_metadata.get(wanted.removeprefix("custom_metadata."))
        return _of(alias, wanted)
    return _of(identity, rest)


def _of_group(rest: str, groups: Mapping[str, Group]) -> str | None:
    """Find a group's part; its name may hold dots, so the longest that fits is taken."""
    known = [key for key in groups if rest.startswith(f"{key}.")]
    if not known:
        return None
    key = max(known, key=len)
    return _of(groups[key], rest[len(key) + 1 :])


def _of(holder: Identity | Alias | Group, wanted: str) -> str | None:
    if wanted.startswith("metadata."):
        return holder.metadata.get(wanted.removeprefix("metadata."))
    return {"id": holder.id, "name": holder.name}.get(wanted)
