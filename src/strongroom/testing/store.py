"""A mount's store in memory, with the promises of the real one.

What a request writes is kept apart until it commits, values go through the real codec, and each
commit takes the next entry index, so that an engine's tests need no database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from strongroom.base.errors import InputError, NotFoundError
from strongroom.sdk.engine import Held
from strongroom.storage import codec

Value = TypeVar("Value")
LONGEST_KEY = 4096


@dataclass(frozen=True, slots=True)
class Row:
    """A stored row; `value` is the object that was put, for a test to look at."""

    value: object
    data: bytes = field(repr=False)
    entry: int | None
    fingerprint: bytes | None


@dataclass
class Memory:
    """What has been committed. `entry` is the index of the last entry; no request has -1."""

    rows: dict[str, Row] = field(default_factory=dict)
    entry: int = -1

    @property
    def records(self) -> dict[str, object]:
        """The values as they were put, by key, in byte order."""
        return {key: self.rows[key].value for key in sorted(self.rows)}

    def commit(self, request: RequestStore | None) -> None:
        """Log one request, and keep what it wrote; None for one that was refused."""
        self.entry += 1
        for key, row in (request.written if request else {}).items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = Row(row.value, row.data, self.entry, row.fingerprint)


@dataclass
class RequestStore:
    """The `sdk.engine.Store` of one request: `memory` under what it has written itself."""

    memory: Memory
    written: dict[str, Row | None] = field(default_factory=dict)

    async def find(self, key: str, kind: type[Value]) -> Held[Value] | None:
        """Return the row, decoded anew; a request sees its own writes, which have no entry yet."""
        row = self.written.get(key) if key in self.written else self.memory.rows.get(key)
        if row is None:
            return None
        return Held(codec.decode(row.data, kind), row.entry, row.fingerprint)

    async def fetch(self, key: str, kind: type[Value]) -> Value:
        """Return the value; NotFoundError if there is none."""
        held = await self.find(key, kind)
        if held is None:
            raise NotFoundError
        return held.value

    async def put(self, key: str, value: object, *, fingerprint: bytes | None = None) -> None:
        """Write, for the case that the request commits."""
        if "\0" in key or len(key) > LONGEST_KEY:
            raise InputError("path", f"at most {LONGEST_KEY} characters, none of them NUL")
        self.written[key] = Row(value, codec.encode(value), None, fingerprint)

    async def delete(self, key: str) -> None:
        """Delete, for the case that the request commits."""
        self.written[key] = None

    async def names(self, prefix: str, *, after: str = "", limit: int = -1) -> list[str]:
        """Return the names directly under `prefix`; folders end in a slash."""
        below = (key.partition("/") for key in self._below(prefix))
        names = sorted({name + slash for name, slash, _ in below if name + slash > after})
        return names[:limit] if limit > 0 else names

    async def keys(self, prefix: str, *, after: str = "", limit: int = -1) -> list[str]:
        """Return all keys under `prefix`, which is left off."""
        found = sorted(key for key in self._below(prefix) if key > after or not after)
        return found[:limit] if limit > 0 else found

    def _below(self, prefix: str) -> list[str]:
        rows = {**self.memory.rows, **self.written}
        return [key[len(prefix) :] for key, row in rows.items() if row and key.startswith(prefix)]
