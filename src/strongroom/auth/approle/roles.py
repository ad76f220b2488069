"""Roles of an AppRole mount: found, written, moved to another role id, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from strongroom.auth.approle.records import Role, Settings, name_key, role_key
from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.network import few_enough, parse_network
from strongroom.sdk.engine import Call, Mounted
from strongroom.sdk.rules import settled, shown_rules, valid_name
from strongroom.sdk.workloads import warn_of_long_life

LONGEST_ROLE_ID: Final = 512

_OLDER: Final[Mapping[str, str]] = {"policies": "token_policies", "period": "token_period"}


def new_id(call: Call) -> str:
    """Return 128 random bits, written as Vault writes ids."""
    return str(UUID(bytes=call.entropy(16)))


async def find_role(call: Call, name: str) -> Role | None:
    """Return the role of this name, in any case of letters, or None."""
    role_id = await call.store.find(name_key(name.lower()), str)
    return await find_role_by_id(call, role_id.value) if role_id else None


async def fetch_role(call: Call, name: str) -> Role:
    """Return the role of this name; NotFoundError if there is none."""
    role = await find_role(call, name)
    if role is None:
        raise NotFoundError(f'role "{name.lower()}" does not exist')
    return role


async def find_role_by_id(call: Call, role_id: str) -> Role | None:
    """Return the role of this role id, or None; one row is read."""
    held = await call.store.find(role_key(role_id), Role) if _possible(role_id) else None
    return held.value if held else None


async def make_role(call: Call, name: str, role_id: str | None) -> Role:
    """Return a role with nothing set, not stored yet; a role id is made where none is given."""
    valid_name(name.lower(), "role_name")
    given = new_id(call) if role_id is None else await _free(call, role_id)
    return Role(name=name.lower(), uid=new_id(call), role_id=given)


async def store_role(call: Call, role: Role) -> None:
    """Store a role that hangs together; InputError otherwise."""
    settings = settled(role, call.warnings)
    _check(settings)
    warn_of_long_life(settings, call.mount, call.warnings)
    if settings.secret_id_ttl > call.mount.max_ttl:
        call.warnings.append(capped_by(call.mount, "secret_id_ttl"))
    await call.store.put(role_key(settings.role_id), settings)
    await call.store.put(name_key(settings.name), settings.role_id)


async def move_role(call: Call, role: Role, role_id: str) -> Role:
    """Give a role another role id; its secret ids stay good."""
    if role_id == role.role_id:
        return role
    moved = replace(role, role_id=await _free(call, role_id))
    await call.store.delete(role_key(role.role_id))
    await store_role(call, moved)
    return moved


def shown_role(role: Role) -> dict[str, Any]:
    """Return a role as a reply shows it; its role id has a path of its own."""
    return shown_rules(role, older=_OLDER) | shown_settings(role)


def shown_settings(role: Settings) -> dict[str, Any]:
    """Return what a role has besides the rules of its tokens."""
    return {
        "bind_secret_id": role.bind_secret_id,
        "local_secret_ids": role.local_secret_ids,
        "secret_id_bound_cidrs": list(role.secret_id_bound_cidrs) or None,
        "secret_id_num_uses": role.secret_id_num_uses,
        "secret_id_ttl": int(role.secret_id_ttl.total_seconds()),
    }


def capped_by(mount: Mounted, what: str) -> str:
    """Return the warning for a life of a secret id that the mount does not grant."""
    most = f"{mount.max_ttl / timedelta(hours=1):g}h"
    return f"{what}: a secret id lives at most {most} here, the max_lease_ttl; it is capped"


async def _free(call: Call, role_id: str) -> str:
    if not _possible(role_id):
        raise InputError("role_id", f"1 to {LONGEST_ROLE_ID} characters")
    if await find_role_by_id(call, role_id):
        raise InputError("role_id", "already in use")
    return role_id


def _possible(role_id: str) -> bool:
    return 0 < len(role_id) <= LONGEST_ROLE_ID


def _check(role: Settings) -> None:
    few_enough(role.secret_id_bound_cidrs, "secret_id_bound_cidrs")
    for each in role.secret_id_bound_cidrs:
        parse_network(each, "secret_id_bound_cidrs", bare=False)
    if not (role.bind_secret_id or role.secret_id_bound_cidrs or role.token_bound_cidrs):
        raise InputError("", "at least one constraint should be enabled on the role")
