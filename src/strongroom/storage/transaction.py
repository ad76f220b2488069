"""One transaction: what a request reads and means to write, until the committer takes it.

A transaction reads from the database at once and keeps its writes to itself (it sees its own).
The committer applies them, together with the request's log entry, in a savepoint of a commit
that many requests share; before that it checks that no row which was read has changed since. A
request whose check fails is served again from the start. Nobody holds a lock while thinking.

Order  checks → raw statements → deletes → puts → entry → commit. A crash before the commit
       leaves nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeVar

from strongroom.storage.barrier import Barrier, TamperedError
from strongroom.storage.guard import Broken
from strongroom.storage.register import Register, Scalar, fits, sort

Row = TypeVar("Row")
Values = Sequence[Scalar]
RowKey = tuple[str, tuple[Scalar, ...]]  # a register's name, and a key of it


class Stamp(Enum):
    """Stands in the values of a statement for what only the committer knows."""

    ENTRY = "the index of this request's entry"


class Reader(Protocol):
    """Reads committed state. Each call is one statement, atomic in itself.

    `commits` is how many commits are known to be done; a read sees them all.
    """

    @property
    def commits(self) -> int: ...

    async def rows(self, sql: str, values: Values) -> list[tuple[Any, ...]]:
        """Run a SELECT with `?` marks."""
        ...


class Check(NamedTuple):
    """Something that was read: the committer sees to it that it is still so."""

    sql: str
    values: Values
    seen: object  # the row's entry (or None), or a list of tuples
    row: RowKey | None  # None: a list
    table: str = ""  # the one that a list is of; empty where nobody says


class Write(NamedTuple):
    """One statement. Where `stamped`, the entry's index goes to `Stamp.ENTRY`, or else to the end.

    A request without an entry of its own stamps -1: such a row has no version to check, so only
    one writer may own it. `row` is the one row that is put or deleted; of a statement without it
    nobody knows which rows it changes.
    """

    sql: str
    values: Sequence[Scalar | Stamp]
    stamped: bool
    row: RowKey | None = None


class Pending(NamedTuple):
    """A row as this transaction leaves it; `row` None means deleted."""

    register: Register[Any]
    row: Any
    write: Write


@dataclass(frozen=True, slots=True)
class Savepoint:
    """How far a transaction had got."""

    pending: Mapping[RowKey, Pending]
    raw: int
    topics: int


@dataclass(slots=True)
class Transaction:
    """See the module. `topics` name what changed for those who cache authorization."""

    reader: Reader
    barrier: Barrier
    checks: list[Check] = field(default_factory=list)
    pending: dict[RowKey, Pending] = field(default_factory=dict)
    raw: list[Write] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    seen: int = -1  # how many commits were known before the first read; -1: none yet

    # -- reading

    async def get(self, register: Register[Row], *key: Scalar) -> Row | None:
        """Return the row with this primary key, as this transaction sees it."""
        at = (register.name, key)
        if self.pending:
            mine = self.pending.get(at)
            if mine is not None:
                return mine.row  # type: ignore[no-any-return]
        if not all(map(fits, key)):
            return None  # no row can have it
        if self.seen < 0:
            self.seen = self.reader.commits
        found = await self.reader.rows(register.select_one, key)
        if not found:
            self.checks.append(Check(register.check_one, key, None, at))
            return None
        raw = found[0]
        self.checks.append(Check(register.check_one, key, raw[-1], at))
        return register.load(raw, self.barrier)

    async def all(
        self, register: Register[Row], *, order: str = "", limit: int = -1, **conditions: object
    ) -> list[Row]:
        """Return the rows whose clear columns equal `conditions`, by `order` or primary key.

        `order` is like "expires_at DESC, name"; missing values come first. A `limit` below zero
        means all. Raises TamperedError if one of them was not written as it is.
        """
        rows, broken = await self.examine(register, order=order, limit=limit, **conditions)
        if broken:
            raise TamperedError(broken[0].problem)
        return rows

    async def examine(
        self, register: Register[Row], *, order: str = "", limit: int = -1, **conditions: object
    ) -> tuple[list[Row], list[Broken]]:
        """`all`, for those who go on without the rows that were not written as they are.

        The conditions hold for what a broken row says now.
        """
        sql, values, ordering = register.listing(conditions, order)
        mine = {key: p for (name, key), p in self.pending.items() if name == register.name}
        if limit >= 0:
            # Each of our own writes can hide one row at most.
            sql, values = f"{sql} LIMIT ?", [*values, limit + len(mine)]
        found = await self._scan(sql, values, register.name)
        if mine:
            found = [raw for raw in found if tuple(raw[at] for at in register.key_at) not in mine]
        examined = [register.examine(raw, self.barrier) for raw in found]
        broken = [each for each in examined if isinstance(each, Broken)]
        rows = [each for each in examined if not isinstance(each, Broken)]
        if mine:
            rows += [p.row for p in mine.values() if _meets(p.row, conditions)]
            sort(rows, ordering)
        return (rows[:limit] if limit >= 0 else rows), broken

    async def find(self, register: Register[Row], *key: Scalar) -> Row | Broken | None:
        """`get`, for those who go on if the row was not written as it is."""
        try:
            return await self.get(register, *key)
        except TamperedError:
            found = await self.reader.rows(register.select_one, key)
            return register.examine(found[0], self.barrier) if found else None

    async def scan(self, sql: str, values: Values) -> list[tuple[Any, ...]]:
        """Run a SELECT whose result is checked again at commit, if this transaction writes."""
        return await self._scan(sql, values)

    async def _scan(self, sql: str, values: Values, table: str = "") -> list[tuple[Any, ...]]:
        if self.seen < 0:
            self.seen = self.reader.commits
        found = await self.reader.rows(sql, values)
        self.checks.append(Check(sql, values, found, None, table))
        return found

    # -- writing

    def put(self, register: Register[Row], row: Row) -> None:
        """Insert the row, or replace the one with its key."""
        stored = register.dump(row, self.barrier)
        at = (register.name, register.key_in(stored))
        self.pending[at] = Pending(register, row, Write(register.upsert, stored, True, at))

    def delete(self, register: Register[Any], *key: Scalar) -> None:
        """Delete the row with this key, if there is one."""
        at = (register.name, key)
        self.pending[at] = Pending(register, None, Write(register.remove, key, False, at))

    def purge(self, register: Register[Any], **conditions: object) -> None:
        """Delete every committed row whose clear columns equal `conditions`.

        This transaction's own reads still see them, and what it puts itself stays.
        """
        clause, values = register.where(conditions)
        self.run(f"DELETE FROM {register.name}{clause}", values)  # noqa: S608 - names are ours

    def run(self, sql: str, values: Sequence[Scalar | Stamp], *, stamped: bool = False) -> None:
        """Run a statement at commit, before the puts and deletes; own reads do not see it.

        An UPDATE of a register must set `entry` too (`Stamp.ENTRY` among the values, `stamped`),
        or a request that has read the row will not notice. Guarded rows are changed by `put` alone.
        """
        self.raw.append(Write(sql, values, stamped))

    def changed(self, topic: str) -> None:
        """Say that something which authorization depends on changes: `token:…`, `policy:…`."""
        self.topics.append(topic)

    # -- for the pipeline

    def mark(self) -> Savepoint:
        """Return a point to come back to."""
        return Savepoint(dict(self.pending), len(self.raw), len(self.topics))

    def rollback(self, to: Savepoint) -> None:
        """Forget what was written since `to`. What was read stays checked."""
        self.pending = dict(to.pending)
        del self.raw[to.raw :]
        del self.topics[to.topics :]

    def writes(self) -> list[Write]:
        """Return the statements in order; a value that a delete sets free can be put again."""
        if not self.pending:
            return list(self.raw)
        deletes = [p.write for p in self.pending.values() if p.row is None]
        return [*self.raw, *deletes, *(p.write for p in self.pending.values() if p.row is not None)]

    def due_checks(self) -> list[Check]:
        """Return what the committer must check: all if anything is written, else torn reads.

        One point read, or one scan, is atomic in itself. Two point reads of a request that
        writes nothing must fit together; a long list that moves on while it is read may.
        """
        if self.pending or self.raw:
            return self.checks
        if len(self.checks) < 2:
            return []
        points = [check for check in self.checks if check.row is not None]
        return points if len(points) > 1 else []

    def lone_read(self) -> RowKey | None:
        """Return the one row that was read, if `due_checks` leaves it out."""
        if self.pending or self.raw:
            return None
        if len(self.checks) == 1:
            return self.checks[0].row  # what nearly every read comes to
        points = [check.row for check in self.checks if check.row is not None]
        return points[0] if len(points) == 1 else None


def _meets(row: Any, conditions: Mapping[str, object]) -> bool:
    return row is not None and all(getattr(row, name) == v for name, v in conditions.items())
