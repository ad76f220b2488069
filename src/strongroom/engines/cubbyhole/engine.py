"""Cubbyhole: values that belong to one token.

Vault  The paths of Vault's `cubbyhole` mount, and paging of lists.
Trust  The store it is given is one token's alone: the pipeline scopes it, and deletes it with
       the token. Nothing here knows the token, so nothing here can mix two of them up.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from strongroom.base.errors import InputError, NotFoundError
from strongroom.sdk.engine import Call, Endpoint, Help, Json, Page, Reply, Route, Whole

_VALUE = "value/"


@dataclass(frozen=True, kw_only=True)
class AtPath:
    """A value's path."""

    path: Annotated[str, Help("Where the value is.")]


@dataclass(frozen=True, kw_only=True)
class Folder(Page):
    """A folder's path, and the part of its names that is wanted."""

    path: Annotated[str, Help("The folder; empty is the whole cubbyhole.")] = ""


@dataclass(frozen=True, kw_only=True)
class Body(AtPath):
    """The body is the value, whatever its names are."""

    body: Annotated[Json | None, Whole()] = None


@dataclass(frozen=True, slots=True)
class Value:
    """What is stored: the body's members, each as JSON, so that a read parses none."""

    members: dict[str, Json]


class Cubbyhole:
    """Keeps values for one token."""

    kind: ClassVar[str] = "cubbyhole"

    def routes(self) -> tuple[Route, ...]:
        """Return the one path."""
        return (
            Route(
                path="{path...}",
                summary="A value of the calling token.",
                read=Endpoint(AtPath, self.read),
                list=Endpoint(Folder, self.list_names),
                write=Endpoint(Body, self.write),
                delete=Endpoint(AtPath, self.delete),
                exists=self.exists,
            ),
        )

    async def exists(self, call: Call, given: AtPath) -> bool:
        """Return whether there is a value."""
        return await call.store.find(_VALUE + given.path, Value) is not None

    async def read(self, call: Call, given: AtPath) -> Reply:
        """Give a value."""
        value = await call.store.fetch(_VALUE + given.path, Value)
        return Reply(value.members)

    async def write(self, call: Call, given: Body) -> None:
        """Store a value in the place of what was there."""
        if not given.path:
            raise InputError("", "missing path")
        if given.path.endswith("/"):
            raise InputError("", "cannot write to a path ending in '/'")
        body = None if given.body is None else _parsed(given.body.raw)
        if not isinstance(body, dict) or not body:
            raise InputError("", "missing data fields")
        members = {key: Json(_written(value)) for key, value in body.items()}
        await call.store.put(_VALUE + given.path, Value(members))

    async def delete(self, call: Call, given: AtPath) -> None:
        """Remove a value, if there is one."""
        await call.store.delete(_VALUE + given.path)

    async def list_names(self, call: Call, given: Folder) -> Reply:
        """Give the names directly beneath a path; those with more beneath end in a slash."""
        folder = given.path.rstrip("/")
        prefix = f"{_VALUE}{folder}/" if folder else _VALUE
        limit = given.limit if given.limit > 0 else -1
        names = await call.store.names(prefix, after=given.after, limit=limit)
        if not names:
            raise NotFoundError
        return Reply({"keys": names})


def _parsed(raw: bytes) -> Any:
    """Return what JSON holds; an error never has the value in it, nor in its context."""
    with suppress(ValueError, RecursionError):
        return json.loads(raw)
    raise InputError("body", "not JSON that can be kept")


def _written(value: object) -> bytes:
    with suppress(ValueError, RecursionError):
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    raise InputError("body", "a number in it is out of range, or text is not valid Unicode")
