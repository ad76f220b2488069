"""A mount's store: the `sdk.engine.Store` of one mount over a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from strongroom.base.errors import InputError, NotFoundError
from strongroom.sdk.engine import Held
from strongroom.storage import codec
from strongroom.storage.records import CELLS, Cell
from strongroom.storage.register import Scalar, fits
from strongroom.storage.transaction import Transaction

Value = TypeVar("Value")
LONGEST_KEY = 2500  # bytes: with the mount it must fit in a third of a page of PostgreSQL's index
NO_KEY = f"at most {LONGEST_KEY} bytes of UTF-8, none of them NUL"
CHUNK = 1000
LAST = 0x10FFFF
BEFORE_SURROGATES, AFTER_SURROGATES = 0xD7FF, 0xE000
FROM = "SELECT key FROM cell WHERE mount = ? AND key >= ?"
BEYOND = "SELECT key FROM cell WHERE mount = ? AND key > ?"


def upper(prefix: str) -> str:
    """Return the least text that is greater than every key starting with `prefix`.

    Where there is none (no prefix, or nothing but U+10FFFF), one that is greater than every key
    of a mount.
    """
    return _following(prefix) or chr(LAST) * (2 * LONGEST_KEY)


def _following(prefix: str) -> str | None:
    """Return the least text greater than all that start with `prefix`, or None."""
    shortened = prefix.rstrip(chr(LAST))
    if not shortened:
        return None
    point = ord(shortened[-1])
    following = AFTER_SURROGATES if point == BEFORE_SURROGATES else point + 1
    return shortened[:-1] + chr(following)


def storable(key: str) -> bool:
    """Say whether a text can be a key at all: not too long, UTF-8, without NUL."""
    if len(key) > LONGEST_KEY or not fits(key):
        return False
    return key.isascii() or len(key.encode()) <= LONGEST_KEY


@dataclass(frozen=True, slots=True)
class MountStore:
    """See `sdk.engine.Store`. `prefix` narrows it to part of the mount (a token's cubbyhole)."""

    transaction: Transaction
    mount: str
    prefix: str = ""

    async def find(self, key: str, kind: type[Value]) -> Held[Value] | None:
        """Return what is stored under `key`, or None."""
        if not storable(key):
            return None
        cell = await self.transaction.get(CELLS, self.mount, self.prefix + key)
        if cell is None:
            return None
        return Held(codec.decode(cell.value, kind), cell.entry, cell.fingerprint)

    async def fetch(self, key: str, kind: type[Value]) -> Value:
        """Return the value stored under `key`; NotFoundError if there is none."""
        held = await self.find(key, kind)
        if held is None:
            raise NotFoundError
        return held.value

    async def put(self, key: str, value: object, *, fingerprint: bytes | None = None) -> None:
        """Store `value`. InputError for a key that cannot be one."""
        self.keep(key, value, fingerprint=fingerprint)

    def keep(self, key: str, value: object, *, fingerprint: bytes | None = None) -> None:
        """`put`, for callers that cannot wait."""
        if not storable(key):
            raise InputError("path", NO_KEY)
        cell = Cell(self.mount, self.prefix + key, codec.encode(value), fingerprint)
        self.transaction.put(CELLS, cell)

    async def delete(self, key: str) -> None:
        """Delete the row, if there is one."""
        if storable(key):
            self.transaction.delete(CELLS, self.mount, self.prefix + key)

    async def keys(self, prefix: str, *, after: str = "", limit: int = -1) -> list[str]:
        """Return every key that starts with `prefix`, the prefix left off, in byte order."""
        start = self._start(prefix, after)
        found = await self._range(start, start + after, limit, beyond=bool(after))
        return [key[len(start) :] for key in found]

    async def names(self, prefix: str, *, after: str = "", limit: int = -1) -> list[str]:
        """Return direct children; a folder with any number of keys costs one step."""
        start = self._start(prefix, after)
        size = CHUNK if limit < 1 else min(CHUNK, limit)
        out: list[str] = []
        # What begins with a folder comes before what follows it; a key that is the prefix is none.
        folder, within, _ = after.partition("/")
        at, beyond = (upper(f"{start}{folder}/"), False) if within else (start + after, True)
        while True:
            chunk = await self._range(start, at, size, beyond=beyond)
            for key in chunk:
                name, slash, _ = key[len(start) :].partition("/")
                if out[-1:] != [name + slash]:
                    out.append(name + slash)
                if 0 < limit == len(out):
                    return out
            if len(chunk) < size:
                return out
            last = start + out[-1]
            at, beyond = (upper(last), False) if last.endswith("/") else (last, True)

    def _start(self, prefix: str, after: str) -> str:
        if not storable(prefix) or not storable(after):
            raise InputError("after", NO_KEY)
        return self.prefix + prefix

    async def _range(self, start: str, at: str, limit: int, *, beyond: bool) -> list[str]:
        """Return the keys under `start` from `at` on (or beyond it), own writes included."""
        end = _following(start)
        mine = self._own(start, at, beyond=beyond)
        sql = BEYOND if beyond else FROM
        values: list[Scalar] = [self.mount, at]
        if end is not None:
            sql, values = f"{sql} AND key < ?", [*values, end]
        sql = f"{sql} ORDER BY key"
        if limit > 0:  # each of our own deletes can hide one key at most
            sql, values = f"{sql} LIMIT ?", [*values, limit + len(mine)]
        found = [row[0] for row in await self.transaction.scan(sql, values)]
        if mine:
            kept = {
                *(key for key in found if key not in mine),
                *(k for k, put in mine.items() if put),
            }
            found = sorted(kept)
        return found[:limit] if limit > 0 else found

    def _own(self, start: str, at: str, *, beyond: bool) -> dict[str, bool]:
        """Return what this transaction has put (True) and deleted in a range."""
        ours = [
            (str(parts[-1]), pending.row is not None)
            for (table, parts), pending in self.transaction.pending.items()
            if table == CELLS.name and parts[0] == self.mount
        ]
        return {
            key: put
            for key, put in ours
            if key.startswith(start) and (key > at or (key == at and not beyond))
        }
