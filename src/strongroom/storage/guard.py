"""Guarded rows: rows in clear that only a server with our keys can write.

A guarded table has a column `mac`: a digest over the table's name and every column of the row, the
key included. A row that was changed, made up, or moved to another key does not hold and is refused.
A migration may add a column that may be NULL; after any other change of a guarded table its rows
must be written anew, by a server that is unsealed.

Specs  HMAC-SHA256 (RFC 2104), under a key of its own, the same over rotation and rekeying. What
       is authenticated is a MessagePack array: the table's name, then name and value of each column
       that is not NULL.
Trust  Whoever can write to the storage can delete a row, and bring back an older one of the same
       key: one that was deleted too, such as a revoked token's. They can change `entry`, which is
       known only at the commit. They cannot change anything else, nor make a row, nor move one.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from strongroom.storage.barrier import Barrier, TamperedError

LABEL: Final = "row"


@dataclass(frozen=True, slots=True)
class Broken:
    """A guarded row that is not as it was written.

    `stored` is what it says now, by column: good for naming or deleting it, and for nothing else.
    """

    key: tuple[Any, ...]
    problem: str
    stored: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The key, for people."""
        return ", ".join(part if isinstance(part, str) else _shown(part) for part in self.key)


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard of one table: the names of its columns in order, and where its key is."""

    table: str
    names: tuple[str, ...]
    key_at: tuple[int, ...]

    def mac(self, values: Sequence[Any], barrier: Barrier) -> bytes:
        """Return the digest of a row as it is stored. SealedError while sealed."""
        said = [self.table]
        for name, value in zip(self.names, values, strict=True):
            if value is not None:
                said += (name, value)
        return barrier.digest(LABEL, msgspec.msgpack.encode(said))

    def check(self, values: Sequence[Any], mac: object, barrier: Barrier) -> None:
        """Raise TamperedError if `mac` was made for another row. SealedError while sealed."""
        wanted = self.mac(values, barrier)
        if not isinstance(mac, bytes) or not hmac.compare_digest(wanted, mac):
            key = ", ".join(_shown(values[at]) for at in self.key_at)
            raise TamperedError(f"a row of {self.table} is not as it was written: {key}")


def _shown(part: object) -> str:
    return part.hex() if isinstance(part, bytes) else repr(part)
