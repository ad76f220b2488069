"""Rows that were read lately, kept in memory as they are stored: encrypted where they are.

Only for a database whose writer sees everything that is committed, ours and others' (SQLite): it
replaces what a commit of ours has changed in the step that makes the commit known, and forgets
all when somebody else has written. A request that was served from here is committed only after
the writer has looked, so it stands in the log as one that has read the file.

Units  Bytes count a row's text and bytes, and what Python needs around them, roughly.
Trust  A row is opened, and its MAC looked at, each time it is read. Whoever changes the file's
       bytes past SQLite while the server runs is noticed only when the row is read from the file
       again, as with SQLite's own cache of pages.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from strongroom.storage.commit import names_in
from strongroom.storage.transaction import RowKey, Write

Found = list[tuple[Any, ...]]
MIB: Final = 2**20
MOST: Final = 64 * MIB
LARGEST: Final = MIB // 4  # of one row: a few large ones must not push out thousands
AROUND: Final = 500


class Kept:
    """Rows of tables that are `kept` (`Register`), or that there is none; the latest read last.

    Lists are held under names that are no table's, and go once a row of their table is written.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held: OrderedDict[RowKey, tuple[Found, int, str]] = OrderedDict()
        self._lists: dict[str, set[RowKey]] = {}  # that are held, by table
        self._tables: set[str] = set()  # of which anything is held
        self.size = 0  # bytes

    def find(self, at: RowKey) -> Found | None:
        """Return what the database returned for this key; None if that is not known here."""
        held = self._held.get(at)
        if held is None:
            return None
        self._held.move_to_end(at)
        return held[0]

    def hold(self, at: RowKey, found: Found, table: str) -> None:
        """Keep what the database returned for this key, until there is no room for it."""
        self._drop(at)
        size = _size(at, found)
        if size > LARGEST:
            return
        self._held[at] = found, size, table
        self._tables.add(table)
        if at[0] != table:
            self._lists.setdefault(table, set()).add(at)
        self.size += size
        while self.size > self._most:
            self._drop(next(iter(self._held)))

    def replace(self, writes: Sequence[Write], index: int) -> None:
        """Take over what a request has committed, as far as it is of rows that are held."""
        for write in writes:
            if write.row is None:
                if not self._tables.isdisjoint(names_in(write.sql)):
                    self.forget()
                continue
            table = write.row[0]
            if write.row in self._held:
                now = [(*write.values, index)] if write.stamped else []
                self.hold(write.row, now, table)
            if lists := self._lists.get(table):
                for each in tuple(lists):
                    self._drop(each)

    def forget(self) -> None:
        """Hold nothing."""
        self._held.clear()
        self._lists.clear()
        self._tables.clear()
        self.size = 0

    def _drop(self, at: RowKey) -> None:
        held = self._held.pop(at, None)
        if held is not None:
            _, size, table = held
            self.size -= size
            if at[0] != table:
                self._lists[table].discard(at)


def _size(at: RowKey, found: Found) -> int:
    """Return roughly what a find takes."""
    size = AROUND
    for parts in (at[1], *found):
        for part in parts:
            if isinstance(part, (str, bytes)):
                size += len(part)
    return size
