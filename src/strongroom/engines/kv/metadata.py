"""Version 2's metadata: a secret's rules and facts, what lies beneath a path, and its end.

Trust  Names and custom metadata are what somebody who may not read any value can see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from strongroom.base.errors import InputError, NotFoundError
from strongroom.engines.kv import replies
from strongroom.engines.kv.config import configured
from strongroom.engines.kv.custom_metadata import checked
from strongroom.engines.kv.data import find, writable
from strongroom.engines.kv.inputs import AtPath, Folder, NewMetadata
from strongroom.engines.kv.patch import merged
from strongroom.engines.kv.records import (
    CURRENT,
    Config,
    Current,
    current_key,
    settled,
    version_key,
)
from strongroom.sdk.engine import Call, Held, Reply

_NAMES = frozenset(
    {
        "max_versions",
        "cas_required",
        "metadata_cas_required",
        "delete_version_after",
        "custom_metadata",
    }
)


async def read(call: Call, given: AtPath) -> Reply:
    """Give a secret's rules, and the facts of its versions."""
    held = await find(call, given.path)
    if held is None:
        raise NotFoundError
    return Reply(replies.metadata(held.value))


async def write(call: Call, given: NewMetadata) -> None:
    """Change what was sent; null sets back. A secret without versions is made, if need be."""
    await _write(call, given, await find(call, writable(given.path)), given.custom_metadata)


async def patch(call: Call, given: NewMetadata) -> None:
    """Change what was sent, custom metadata key by key; null sets back."""
    held = await find(call, writable(given.path))
    custom = given.custom_metadata
    if custom is not None:
        custom = checked(merged(held.value.custom_metadata if held else {}, dict(custom)))
    if not given.sent & _NAMES:
        return
    if held is None:
        raise NotFoundError
    await _write(call, given, held, custom)


async def _write(
    call: Call,
    given: NewMetadata,
    held: Held[Current] | None,
    custom: Mapping[str, object] | None,
) -> None:
    names = given.sent & _NAMES
    if not names:
        return
    _check_and_set(given, await configured(call), held.value if held else None)
    before = settled(held) if held else Current(created=call.now, updated=call.now)
    changes: dict[str, Any] = {name: getattr(given, name) for name in names}
    if "custom_metadata" in names:
        changes["custom_metadata"] = checked(custom or {})
    after = replace(before, updated=call.now, revision=before.revision + 1, **changes)
    fingerprint = held.fingerprint if held else None
    await call.store.put(current_key(given.path), after, fingerprint=fingerprint)


def _check_and_set(given: NewMetadata, config: Config, current: Current | None) -> None:
    if "metadata_cas" not in given.sent:
        if config.metadata_cas_required or (current and current.metadata_cas_required):
            raise InputError("", "metadata check-and-set parameter required for this call")
    elif current is None:
        if given.metadata_cas != 0:
            raise InputError("", "metadata_cas must be 0 when creating new metadata")
    elif given.metadata_cas != current.revision:
        raise InputError("", "metadata check-and-set parameter does not match the current version")


async def delete(call: Call, given: AtPath) -> None:
    """Remove a secret: its metadata, and the data of all its versions, for good."""
    held = await find(call, writable(given.path))
    if held is None:
        return
    for version in held.value.versions:
        await call.store.delete(version_key(given.path, version.number))
    await call.store.delete(current_key(given.path))


# -- what lies beneath -------------------------------------------------------------------------


async def list_names(call: Call, given: Folder) -> Reply:
    """Give the names directly beneath a path; those with more beneath end in a slash."""
    return Reply({"keys": await _names(call, given)})


async def list_detailed(call: Call, given: Folder) -> Reply:
    """Give the names directly beneath a path, with each secret's metadata."""
    return await _detailed(call, given, await _names(call, given))


async def scan_names(call: Call, given: Folder) -> Reply:
    """Give the path of every secret beneath a path, at whatever depth."""
    names = await _paths(call, given)
    return Reply({"keys": names} if names else {})


async def scan_detailed(call: Call, given: Folder) -> Reply:
    """Give the path of every secret beneath a path, with each one's metadata."""
    names = await _paths(call, given)
    return await _detailed(call, given, names) if names else Reply({})


async def _names(call: Call, given: Folder) -> list[str]:
    names = await call.store.names(_prefix(given), after=given.after, limit=_limit(given))
    if not names:
        raise NotFoundError
    return names


async def _paths(call: Call, given: Folder) -> list[str]:
    return await call.store.keys(_prefix(given), after=given.after, limit=_limit(given))


async def _detailed(call: Call, given: Folder, names: list[str]) -> Reply:
    prefix = _prefix(given)
    shown = {}
    for name in names:
        held = await call.store.find(prefix + name, Current)
        if held is not None:
            shown[name] = replies.metadata(held.value)
    return Reply({"key_info": shown, "keys": names})


def _prefix(given: Folder) -> str:
    folder = given.path.rstrip("/")
    return f"{CURRENT}{folder}/" if folder else CURRENT


def _limit(given: Folder) -> int:
    return given.limit if given.limit > 0 else -1
