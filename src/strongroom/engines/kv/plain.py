"""KV version 1: one value under each path; a write replaces it.

Vault  The paths of Vault's `kv` mount without `version=2`, and OpenBao's `scan`. `ttl` in the
       data, or else `lease`, is the reply's `lease_duration`, which asks clients to read again
       after that time; no lease stands behind it. One that is no duration counts for nothing.
Units  `lease_duration` is seconds.
Trust  What is overwritten or deleted is gone; only the log knows that it was there.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

from strongroom.base.duration import parse_duration
from strongroom.base.errors import InputError, NotFoundError
from strongroom.engines.kv import document
from strongroom.engines.kv.data import writable
from strongroom.engines.kv.inputs import AtPath, Folder
from strongroom.sdk.engine import Call, Endpoint, Json, Reply, Route, Touched, Whole

_VALUE = "value/"


@dataclass(frozen=True, kw_only=True)
class Body(AtPath):
    """The body is the value, whatever its names are."""

    body: Annotated[Json | None, Whole()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What is stored: the body's members, each as JSON, so that a read parses none.

    `ttl` is what the data says of itself; None is the mount's default.
    """

    members: dict[str, Json]
    ttl: timedelta | None = None


class PlainKv:
    """Keeps values."""

    kind: ClassVar[str] = "kv"
    version: ClassVar[str] = "1"
    heads: ClassVar[tuple[str, ...]] = ("",)

    def routes(self) -> tuple[Route, ...]:
        """Return the one path of a version 1 mount."""
        return (
            Route(
                path="{path...}",
                summary="A value.",
                read=Endpoint(AtPath, read, "secret.read"),
                list=Endpoint(Folder, list_names, "secret.list"),
                scan=Endpoint(Folder, scan_names, "secret.scan"),
                write=Endpoint(Body, write, "secret.write"),
                delete=Endpoint(AtPath, delete, "secret.delete"),
                exists=exists,
            ),
        )

    async def written_at(self, call: Call, path: str) -> int | None:
        """Return which entry wrote a value."""
        held = await call.store.find(_VALUE + path, Value) if path else None
        return None if held is None else held.entry

    async def secrets(self, call: Call, after: str, limit: int) -> list[str]:
        """Return the paths of all values."""
        return await call.store.keys(_VALUE, after=after, limit=limit)


async def exists(call: Call, given: AtPath) -> bool:
    """Return whether there is a value."""
    return await call.store.find(_VALUE + given.path, Value) is not None


async def read(call: Call, given: AtPath) -> Reply:
    """Give a value."""
    held = await call.store.find(_VALUE + given.path, Value)
    if held is None:
        raise NotFoundError
    ttl = call.mount.default_ttl if held.value.ttl is None else held.value.ttl
    return Reply(
        held.value.members,
        fields={"lease_duration": int(ttl.total_seconds())},
        touched=Touched(fingerprint=held.fingerprint),
    )


async def write(call: Call, given: Body) -> Reply:
    """Store a value in the place of what was there."""
    path = writable(given.path)
    body = None if given.body is None else document.parsed(given.body.raw, "body")
    if not isinstance(body, dict) or not body:
        raise InputError("", "missing data fields")
    fingerprint = document.fingerprint(document.written(body, "body"), call.fingerprint)
    members = {key: Json(document.written(value, "body")) for key, value in body.items()}
    value = Value(members=members, ttl=_ttl(body))
    held = await call.store.find(_VALUE + path, Value)
    before = {} if held is None else {key: each.raw for key, each in held.value.members.items()}
    same = document.unchanged_members(before, {key: each.raw for key, each in members.items()})
    await call.store.put(_VALUE + path, value, fingerprint=fingerprint)
    return Reply(touched=Touched(fingerprint=fingerprint, unchanged=same))


async def delete(call: Call, given: AtPath) -> None:
    """Remove a value, if there is one."""
    await call.store.delete(_VALUE + given.path)


async def list_names(call: Call, given: Folder) -> Reply:
    """Give the names directly beneath a path; those with more beneath end in a slash."""
    limit = given.limit if given.limit > 0 else -1
    names = await call.store.names(_prefix(given), after=given.after, limit=limit)
    if not names:
        raise NotFoundError
    return Reply({"keys": names})


async def scan_names(call: Call, given: Folder) -> Reply:
    """Give every path beneath a path, at whatever depth."""
    limit = given.limit if given.limit > 0 else -1
    names = await call.store.keys(_prefix(given), after=given.after, limit=limit)
    return Reply({"keys": names} if names else {})


def _prefix(given: Folder) -> str:
    folder = given.path.rstrip("/")
    return f"{_VALUE}{folder}/" if folder else _VALUE


def _ttl(body: Mapping[str, object]) -> timedelta | None:
    """Return how long the data says it is good for; whole seconds, 0 for null (Vault's rule)."""
    if "ttl" not in body and "lease" not in body:
        return None
    said = body["ttl"] if "ttl" in body else body["lease"]
    if said is None:
        return timedelta(0)
    if isinstance(said, str) or (isinstance(said, int) and not isinstance(said, bool)):
        with suppress(InputError):
            return parse_duration(said, "ttl", signed=True)
    return None
