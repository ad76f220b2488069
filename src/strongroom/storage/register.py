"""Registers: tables with typed columns, described once.

A `Register` is derived from a frozen dataclass: its SQL for both databases, and the functions
between a row of the table and an instance. Every table has a last column `entry`: the index of
the log entry of the request that wrote the row, so that state can be reconciled with the log
row by row; it is also the row's version when a transaction is checked. A guarded table has `mac`
before it (`storage.guard`).

Units  Moments and durations are stored as integer microseconds (UTC, Unix epoch). Truth values
       are 0 and 1. Tuples and mappings are JSON text. Sealed columns are barrier blobs.
Order  Text compares by bytes in both databases (BINARY; COLLATE "C" in the migrations), and a
       missing value comes before every other.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from operator import attrgetter, itemgetter
from typing import Any, Final, Generic, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from strongroom.base.errors import InputError
from strongroom.storage import codec
from strongroom.storage.barrier import Barrier, TamperedError, place, place_below
from strongroom.storage.guard import Broken, Guard

Row = TypeVar("Row")
Scalar = str | int | bytes | None
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SMALLEST, LARGEST = -(2**63), 2**63 - 1
ARRAYS: Final = {"text": "text[]", "integer": "bigint[]", "bytes": "bytea[]"}
_SURROGATE = re.compile("[\ud800-\udfff]")


def micros(moment: datetime) -> int:
    """Return microseconds since the Unix epoch, exactly."""
    return (moment - EPOCH) // MICROSECOND


def moment(value: int) -> datetime:
    """Return the moment so many microseconds after the Unix epoch."""
    return EPOCH + timedelta(microseconds=value)


def fits(value: object) -> bool:
    """Say whether both databases can hold a value: text is UTF-8 without NUL, numbers 64 bit."""
    if isinstance(value, str):
        return "\0" not in value and (value.isascii() or not _SURROGATE.search(value))
    return not isinstance(value, int) or SMALLEST <= value <= LARGEST


def _fitting(value: Any) -> Any:
    if not fits(value):
        raise InputError("", "text must be UTF-8 without NUL, a number at most 64 bits long")
    return value


def _ticks(value: timedelta) -> int:
    return value // MICROSECOND


def _duration(value: int) -> timedelta:
    return timedelta(microseconds=value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its SQL kind, and the way in and out."""

    name: str
    kind: str  # "text", "integer", "bytes"
    nullable: bool
    sealed: bool
    dump: Callable[[Any], Scalar]
    load: Callable[[Any], Any]


# A SELECT, the way in of each value that it takes, and the order of its rows.
Listing = tuple[str, dict[str, Callable[[Any], Scalar]], list[tuple[Column, bool]]]
_CLEAR: Final[Mapping[Any, tuple[str, Callable[[Any], Scalar], Callable[[Any], Any]]]] = {
    str: ("text", _fitting, _same),
    bytes: ("bytes", _same, _same),
    bool: ("integer", int, bool),
    int: ("integer", _fitting, _same),
    datetime: ("integer", micros, moment),
    timedelta: ("integer", _ticks, _duration),
}


def _column(name: str, hint: Any, *, sealed: bool) -> Column:
    nullable = get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)
    if nullable:
        [hint] = [a for a in get_args(hint) if a is not type(None)]
    if sealed:
        dump, load = (_same, _same) if hint is bytes else (codec.encode, _stored_as(hint))
        return Column(name, "bytes", nullable, sealed, dump, load)
    as_json = ("text", _json, msgspec.json.Decoder(hint).decode)
    kind, dump, load = _CLEAR.get(hint, as_json)
    return Column(name, kind, nullable, sealed, dump, load)


def _stored_as(hint: Any) -> Callable[[bytes], Any]:
    return partial(codec.decode, kind=hint)


@lru_cache(maxsize=4096)
def numbered(sql: str) -> str:
    """Return `sql` with `?` as PostgreSQL's `$1`, `$2`, …; no statement holds a literal `?`."""
    head, *rest = sql.split("?")
    return head + "".join(f"${i}{part}" for i, part in enumerate(rest, 1))


class KeptQuery(str):  # noqa: SLOT000 - there are a few, for ever
    """A SELECT of one table. What it found lately may come from memory where that is `kept`.

    `of` and its values name what it found: the table's name where that is a row by its key.
    """

    table: str
    of: str
    kept: bool


class PointQuery(KeptQuery):
    """The SELECT of one row by its key.

    For PostgreSQL `one` is the same with its own marks, and `many` takes an array of each part of
    the key.
    """

    one: str
    many: str
    key_at: tuple[int, ...]


class Register(Generic[Row]):
    """One table and its row type. `key` names the columns of the primary key.

    Rows of a `guarded` table are authenticated. They cannot be read while sealed, but those that
    are `open_while_sealed`, which are taken as they are then. Rows of a `kept` table are worth
    keeping in memory as they are stored (`storage.kept`), and so are lists by the columns that
    `kept_by` names.
    """

    def __init__(  # noqa: PLR0913 - what there is to say of a table, each by its name
        self,
        name: str,
        row: type[Row],
        *,
        key: tuple[str, ...],
        sealed: tuple[str, ...] = (),
        indexes: tuple[tuple[str, ...], ...] = (),
        guarded: bool = False,
        open_while_sealed: bool = False,
        kept: bool = False,
        kept_by: tuple[str, ...] = (),
    ) -> None:
        hints = get_type_hints(row)
        names = [f.name for f in fields(cast("Any", row))]
        if names[-1] != "entry":
            raise TypeError(f"{row.__name__} must end in `entry: int | None = None`")
        if not set(sealed) <= set(names) - {"entry", *key}:
            raise TypeError(f"{row.__name__} seals what is no column, or its key")
        self.name = name
        self.row = row
        self.key = key
        self.indexes = indexes
        self._kept_by = kept_by
        self.columns = tuple(_column(n, hints[n], sealed=n in sealed) for n in names[:-1])
        self.has_sealed = bool(sealed)
        self.stored = (*names[:-1], *(("mac",) if guarded else ()), "entry")
        self._by_name = {c.name: c for c in self.columns}
        self._listings: dict[tuple[object, ...], Listing] = {}
        self._compile_sql(self.stored)
        self.select_one.table, self.select_one.of, self.select_one.kept = name, name, kept
        self._compile_rows(self.stored)
        self._open_while_sealed = open_while_sealed
        self._guard = Guard(name, tuple(names[:-1]), self.key_at) if guarded else None

    def _compile_sql(self, names: tuple[str, ...]) -> None:
        """Write the statements. All names are ours: they come from the code, never a request."""
        listed = ", ".join(names)
        given = " AND ".join(f"{k} = ?" for k in self.key)
        marks = ", ".join("?" * len(names))
        changed = ", ".join(f"{n} = excluded.{n}" for n in names if n not in self.key)
        self.select = f"SELECT {listed} FROM {self.name}"  # noqa: S608
        self.select_one = PointQuery(f"{self.select} WHERE {given}")
        self.select_one.one = numbered(self.select_one)
        arrays = ", ".join(f"?::{ARRAYS[self._by_name[k].kind]}" for k in self.key)
        self.select_one.key_at = tuple(names.index(k) for k in self.key)
        self.select_one.many = numbered(
            f"SELECT {', '.join(f't.{n}' for n in names)} FROM unnest({arrays}) "  # noqa: S608
            f"AS given({', '.join(self.key)}) JOIN {self.name} AS t USING ({', '.join(self.key)})"
        )
        self.check_one = f"SELECT entry FROM {self.name} WHERE {given}"  # noqa: S608
        self.upsert = (
            f"INSERT INTO {self.name} ({listed}) VALUES ({marks}) "  # noqa: S608
            f"ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {changed}"
        )
        self.remove = f"DELETE FROM {self.name} WHERE {given}"  # noqa: S608

    def _compile_rows(self, names: tuple[str, ...]) -> None:
        """Work out once which columns need more than being handed on."""
        self._make = cast("Callable[..., Row]", self.row)
        self.key_at = tuple(names.index(k) for k in self.key)
        self._key_of = _picker(self.key_at)
        at = list(enumerate(self.columns))
        self._opened = [
            (i, c.load, c.load is _same, place(self.name, c.name)) for i, c in at if c.sealed
        ]
        clear = [(i, c) for i, c in at if not c.sealed]
        self._loaded = [(i, c.load) for i, c in clear if c.load is not _same]
        self._dumped = [(i, c.dump) for i, c in at if c.dump is not _same]
        self._values = _getter([c.name for c in self.columns])

    def key_in(self, stored: Sequence[Scalar]) -> tuple[Scalar, ...]:
        """Return the primary key of a row from what is stored of it."""
        return self._key_of(stored)

    def dump(self, row: Row, barrier: Barrier) -> tuple[Scalar, ...]:
        """Return what is stored of the row in order, sealed values encrypted, without `entry`."""
        out: list[Scalar] = list(self._values(row))
        for at, dump in self._dumped:
            if out[at] is not None:
                out[at] = dump(out[at])
        if self._opened:
            below = place_below(self.key_in(out))
            for at, _, _, prefix in self._opened:
                plain = out[at]
                if plain is not None:
                    out[at] = barrier.encrypt(prefix + below, cast("bytes", plain))
        if self._guard is not None:
            out.append(self._guard.mac(out, barrier))
        return tuple(out)

    def load(self, raw: Sequence[Any], barrier: Barrier) -> Row:
        """Return the instance that a selected row holds.

        Raises TamperedError for a sealed cell or a guarded row that was not written as it is.
        """
        values = list(raw)
        if self._guard is not None:
            mac = values.pop(-2)
            if not (self._open_while_sealed and barrier.sealed):
                self._guard.check(values[:-1], mac, barrier)
        for at, load in self._loaded:
            if values[at] is not None:
                values[at] = load(values[at])
        if self._opened:
            below = place_below(self.key_in(raw))
            for at, load, as_it_is, prefix in self._opened:
                if values[at] is not None:
                    plain = barrier.decrypt(prefix + below, values[at])
                    values[at] = plain if as_it_is else load(plain)
        return self._make(*values)

    def examine(self, raw: Sequence[Any], barrier: Barrier) -> Row | Broken:
        """`load`, but that a row which was not written as it is comes back as `Broken`."""
        try:
            return self.load(raw, barrier)
        except TamperedError as error:
            stored = dict(zip(self.stored, raw, strict=True))
            return Broken(tuple(raw[at] for at in self.key_at), str(error), stored)

    def listing(
        self, conditions: Mapping[str, object], order: str
    ) -> tuple[str, list[Scalar], list[tuple[Column, bool]]]:
        """Return the SELECT of the rows that meet `conditions`, its values, and its ordering.

        The text is written once for each shape of conditions; all names in one are ours.
        """
        shape = (order, *[(name, value is None) for name, value in conditions.items()])
        known = self._listings.get(shape)
        if known is None:
            clause, _ = self.where(conditions)
            ordering = self.ordering(order)
            dumps = {n: self._clear(n).dump for n, v in conditions.items() if v is not None}
            query = KeptQuery(f"{self.select}{clause}{order_by(ordering)}")
            query.table, query.of = self.name, f"{self.name} by {', '.join(self._kept_by)}"
            query.kept = not order and tuple(dumps) == self._kept_by != ()
            known = self._listings[shape] = (query, dumps, ordering)
        sql, dumps, ordering = known
        return sql, [dump(conditions[name]) for name, dump in dumps.items()], ordering

    def where(self, conditions: Mapping[str, object]) -> tuple[str, list[Scalar]]:
        """Return ` WHERE …` and its values: equality of clear columns, None as IS NULL."""
        parts: list[str] = []
        values: list[Scalar] = []
        for name, value in conditions.items():
            column = self._clear(name)
            if value is None:
                parts.append(f"{name} IS NULL")
            else:
                parts.append(f"{name} = ?")
                values.append(column.dump(value))
        return (" WHERE " + " AND ".join(parts) if parts else ""), values

    def ordering(self, order: str) -> list[tuple[Column, bool]]:
        """Read `"name, other DESC"` as columns and whether each descends; the key comes last."""
        named = [part.split() for part in order.split(",") if part.strip()]
        for words in named:
            if len(words) > 2 or (len(words) == 2 and words[1].upper() not in ("ASC", "DESC")):
                raise ValueError(f"{self.name} is not ordered by {' '.join(words)!r}")
        wanted = [(self._clear(w[0]), w[-1].upper() == "DESC") for w in named]
        given = {column.name for column, _ in wanted}
        return wanted + [(self._by_name[k], False) for k in self.key if k not in given]

    def _clear(self, name: str) -> Column:
        column = self._by_name.get(name)
        if column is None or column.sealed:
            raise ValueError(f"{self.name} has no clear column {name!r}")
        return column


def _picker(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return what takes the values at these places, as a tuple also where it is one."""
    if len(places) == 1:
        return lambda row: (row[places[0]],)
    return itemgetter(*places)


def _getter(names: Sequence[str]) -> Callable[[object], tuple[Any, ...]]:
    """Return what takes these attributes of an object, as a tuple also where it is one."""
    if len(names) == 1:
        return lambda row: (getattr(row, names[0]),)
    return attrgetter(*names)


def order_by(ordering: Sequence[tuple[Column, bool]]) -> str:
    """Return ` ORDER BY …` which puts missing values first in both databases."""
    return " ORDER BY " + ", ".join(
        name + (" DESC" if down else "") + nulls
        for name, down, nulls in (
            (c.name, down, (" NULLS LAST" if down else " NULLS FIRST") if c.nullable else "")
            for c, down in ordering
        )
    )


def sort(rows: list[Row], ordering: Sequence[tuple[Column, bool]]) -> None:
    """Sort instances as the database would."""
    for column, down in reversed(ordering):
        rows.sort(key=partial(_rank, column=column), reverse=down)


def _rank(row: object, column: Column) -> tuple[bool, Any]:
    value = getattr(row, column.name)
    return (False, None) if value is None else (True, column.dump(value))
