"""Version 2's secrets: reading, writing and patching data, and versions that come and go.

Order   A write puts the old newest version's data in its own row, then the record with the new
        data in the old one's place, then deletes what fell beyond the limit. It is one
        transaction: nobody sees a part of it, and of two writers with one check-and-set the
        second is served again and refused.
Trust   A deleted version's data stays stored until it is destroyed or dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from strongroom.base.errors import InputError, NotFoundError
from strongroom.engines.kv import document, replies
from strongroom.engines.kv.config import configured
from strongroom.engines.kv.inputs import AtPath, OneVersion, Subkeys, Versions, Write
from strongroom.engines.kv.patch import merged
from strongroom.engines.kv.records import (
    Config,
    Current,
    Version,
    changed,
    current_key,
    expiry,
    grown,
    settled,
    version_key,
)
from strongroom.sdk.engine import Call, Held, Json, Reply, Touched

MISMATCH = "check-and-set parameter did not match the current version"


async def find(call: Call, path: str) -> Held[Current] | None:
    """Return a secret's record; one row."""
    return await call.store.find(current_key(path), Current)


async def exists(call: Call, given: AtPath) -> bool:
    """Return whether there is a record, whatever became of its versions (OpenBao's rule)."""
    return await find(call, given.path) is not None


def writable(path: str) -> str:
    """Return the path of a secret that may be changed; a folder's is refused, as in Vault."""
    if not path:
        raise InputError("path", "missing")
    if path.endswith("/"):
        raise InputError("", "cannot write to a path ending in '/'")
    return path


# -- reading -----------------------------------------------------------------------------------


async def read(call: Call, given: OneVersion) -> Reply:
    """Give a version's data: of the newest, without another row."""
    current, version, data, touched = await _chosen(call, given, "data")
    shown = replies.facts(version, current.custom_metadata)
    return Reply({"data": data, "metadata": shown}, touched=touched)


async def read_subkeys(call: Call, given: Subkeys) -> Reply:
    """Give the names inside a version's data, and no values."""
    current, version, data, touched = await _chosen(call, given, "subkeys")
    names = document.subkeys(document.parsed(data.raw, "data"), given.depth)
    shown = replies.facts(version, current.custom_metadata)
    return Reply({"metadata": shown, "subkeys": names}, touched=touched)


async def _chosen(
    call: Call, given: OneVersion, body: str
) -> tuple[Current, Version, Json, Touched]:
    """Find the version that is asked for; `body` names the null in a deleted one's reply."""
    held = await call.store.find(current_key(given.path), Current)
    if held is None:
        raise NotFoundError
    current, number = held.value, given.version
    version = current.newest if number <= 0 else current.version(number)
    if version is None:
        raise NotFoundError
    if not version.readable(call.now):
        shown = replies.facts(version, current.custom_metadata)
        raise NotFoundError(data={body: None, "metadata": shown})
    if version is current.newest and current.data is not None:
        return current, version, current.data, Touched(version.number, held.fingerprint)
    old = await call.store.find(version_key(given.path, version.number), Json)
    if old is None:
        raise NotFoundError
    return current, version, old.value, Touched(version.number, old.fingerprint)


# -- writing -----------------------------------------------------------------------------------


async def write(call: Call, given: Write) -> Reply:
    """Store a new version."""
    path = writable(given.path)
    data = _canonical_object(given.data)
    held = await find(call, path)
    config = await configured(call)
    _check_and_set(given.options, config, held.value if held else None)
    return await _add(call, path, held, config, data)


async def patch(call: Call, given: Write) -> Reply:
    """Store a new version: the newest, merged with the data."""
    path = writable(given.path)
    change = document.parsed(_canonical_object(given.data), "data")
    held = await find(call, path)
    if held is None or held.value.newest is None:
        raise NotFoundError
    config = await configured(call)
    current, newest = held.value, held.value.newest
    _check_and_set(given.options, config, current)
    if current.data is None or not newest.readable(call.now):
        raise NotFoundError(data=replies.facts(newest, current.custom_metadata))
    whole = merged(document.parsed(current.data.raw, "data"), change)
    return await _add(call, path, held, config, document.written(whole, "data"))


async def _add(
    call: Call, path: str, held: Held[Current] | None, config: Config, data: bytes
) -> Reply:
    now = call.now
    before = settled(held) if held else Current(created=now, updated=now)
    after = grown(before, config, Json(data), now)
    new = after.versions[-1]
    if held and before.data is not None and after.version(before.number):
        key = version_key(path, before.number)
        await call.store.put(key, before.data, fingerprint=held.fingerprint)
    fingerprint = document.fingerprint(data, call.fingerprint)
    same = () if before.data is None else document.unchanged(before.data.raw, data)
    await call.store.put(current_key(path), after, fingerprint=fingerprint)
    for dropped in before.versions:
        if dropped.number < after.versions[0].number:
            await call.store.delete(version_key(path, dropped.number))
    shown = replies.facts(new, after.custom_metadata)
    return Reply(shown, touched=Touched(new.number, fingerprint, same))


def _canonical_object(data: Json | None) -> bytes:
    """Return the data to store. Null counts as data, as in Vault: a version without content."""
    if data is None:
        raise InputError("", "no data provided")
    raw = document.canonical(data.raw, "data")
    if not raw.startswith(b"{") and raw != b"null":
        raise InputError("data", "expected an object")
    return raw


def _check_and_set(options: Mapping[str, object], config: Config, current: Current | None) -> None:
    if "cas" not in options:
        if config.cas_required or (current is not None and current.cas_required):
            raise InputError("", "check-and-set parameter required for this call")
        return
    if _number(options["cas"]) != (current.number if current else 0):
        raise InputError("", MISMATCH)


def _number(cas: object) -> int:
    """Return the version that a caller expects; null and empty text stand for 0, as in Vault."""
    if cas is None or cas == "":
        return 0
    if isinstance(cas, int):
        return int(cas)
    if isinstance(cas, str) and len(cas) <= 20 and cas.isascii() and cas.isdigit():
        return int(cas)
    raise InputError("", "error parsing check-and-set parameter")


# -- versions that come and go -----------------------------------------------------------------


async def delete_newest(call: Call, given: AtPath) -> Reply | None:
    """Delete the newest version, in a way that can be undone."""
    return await _change(call, given.path, None, lambda v: v.deleted_at(call.now))


async def delete(call: Call, given: Versions) -> Reply | None:
    """Delete versions, in a way that can be undone."""
    numbers = _numbers(given, "No version number provided")
    return await _change(call, given.path, numbers, lambda v: v.deleted_at(call.now))


async def undelete(call: Call, given: Versions) -> Reply | None:
    """Make deleted versions readable again; they expire as if they were made now."""
    numbers = _numbers(given, "No version number provided")
    held = await find(call, writable(given.path))
    if held is None:
        return None
    until = expiry(await configured(call), held.value, call.now)
    return await _change(call, given.path, numbers, lambda v: v.restored_until(until))


async def destroy(call: Call, given: Versions) -> Reply | None:
    """Remove versions' data for good; their facts stay."""
    numbers = _numbers(given, "no version number provided")
    return await _change(call, given.path, numbers, Version.without_data)


def _numbers(given: Versions, missing: str) -> frozenset[int]:
    if not given.versions:
        raise InputError("", missing)
    return frozenset(given.versions)


async def _change(
    call: Call,
    path: str,
    numbers: frozenset[int] | None,
    change: Callable[[Version], Version],
) -> Reply | None:
    """Store what becomes of some versions (None: of the newest), unless that is nothing."""
    held = await find(call, writable(path))
    if held is None:
        return None
    before = settled(held)
    chosen = frozenset({before.number}) if numbers is None else numbers
    after = changed(before, chosen, change)
    if after != before:
        kept = held.fingerprint if after.data is not None else None
        await call.store.put(current_key(path), after, fingerprint=kept)
    for version in after.versions:
        if version.destroyed and version.number in chosen:
            await call.store.delete(version_key(path, version.number))
    return Reply(touched=_touched(before, chosen, held.fingerprint))


def _touched(
    current: Current, numbers: frozenset[int], fingerprint: bytes | None
) -> Touched | None:
    """Return what the entry says of one version; of several, the request itself says which."""
    if len(numbers) != 1:
        return None
    [number] = numbers
    if current.version(number) is None:
        return None
    return Touched(number, fingerprint if number == current.number else None)
