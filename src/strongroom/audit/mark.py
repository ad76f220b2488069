"""The mark: the size and the root that were signed last, where only our keys can write them.

It is a sealed setting, written in the commit of each checkpoint, and at `sys/init` for a log of
nothing. At the unseal the newest checkpoint must be the one that it names.

Trust  Whoever can write to the database can delete the mark, which is refused, and bring back an
       older one together with the checkpoints, tiles and entries of that time: to roll back the
       log so, or all of the database, is what witnesses, receipts and kept checkpoints show.
"""

from __future__ import annotations

from typing import Final

import msgspec

from strongroom.crypto.merkle import Tree
from strongroom.storage.barrier import TamperedError
from strongroom.storage.records import SETTINGS, Setting
from strongroom.storage.transaction import Transaction

NAME: Final = "log.signed"
PLACE: Final = f"table setting, row {NAME!r}"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What was signed last. `root` is hexadecimal."""

    size: int
    root: str


NOTHING: Final = Mark(size=0, root=Tree().root().hex())


def put_mark(tx: Transaction, mark: Mark) -> None:
    """Write the mark in the transaction of what it is about."""
    tx.put(SETTINGS, Setting(NAME, msgspec.json.encode(mark)))


async def read_mark(tx: Transaction) -> Mark | str:
    """Return the mark, or say why there is none to go by."""
    try:
        row = await tx.get(SETTINGS, NAME)
    except TamperedError:
        return f"the mark of what was signed last is not as it was written: {PLACE}"
    if row is None:
        return f"the mark of what was signed last is missing: {PLACE}"
    return msgspec.json.decode(row.value, type=Mark)
