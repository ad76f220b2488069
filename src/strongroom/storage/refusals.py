"""Tries whether the database refuses to change the log, and compares what it refuses by.

Order   A connection of its own, which waits for nobody longer than `PATIENCE` → transaction → one
        row of each table, each verb in a savepoint → rolled back, whatever came of it. The
        committer waits for it no longer than for any other writer, and finds what it left.
Trust   Whoever owns the database can lift the refusal and put it back: this says what is so now.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pysqlite3 as sqlite

from strongroom.storage.database import Database
from strongroom.storage.sqlite import SqliteDatabase

PATIENCE: Final = 2.0  # seconds
RAISED: Final = "the log is append-only"  # what our triggers say
REFUSED: Final = ("P0001", "42501")  # raise_exception, insufficient_privilege


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the log: its key, what else a row needs, and what of it a second would change."""

    key: str
    rest: str
    value: str
    text: bool

    @property
    def columns(self) -> str:
        """The columns, the value last."""
        return f"{self.key}, {self.rest}{self.value}"


TABLES: Final[Mapping[str, Table]] = {
    "entry": Table("idx", "", "leaf", text=False),
    "tile": Table("level, n", "", "hashes", text=False),
    "checkpoint": Table("size", "at, ", "note", text=True),
    "cosignature": Table("size, witness", "at, ", "line", text=True),
}
# As the migrations wrote them; see there.
RAISE: Final = f"BEGIN SELECT RAISE(ABORT, '{RAISED}'); END"
REPLACED: Final = {
    "entry": "idx = NEW.idx AND leaf <> NEW.leaf",
    "tile": "level = NEW.level AND n = NEW.n AND hashes <> NEW.hashes",
    "checkpoint": "size = NEW.size AND (note <> NEW.note OR at <> NEW.at)",
    "cosignature": "size = NEW.size AND witness = NEW.witness "
    "AND (line <> NEW.line OR at <> NEW.at)",
}
FUNCTION: Final = f" BEGIN RAISE EXCEPTION '{RAISED}'; END "
SQLITE_DDL = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?"
POSTGRES_DDL = (
    "SELECT t.tgname::text, pg_get_triggerdef(t.oid, true), t.tgenabled::text, p.prosrc, "
    "l.lanname::text, p.proconfig::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
    "JOIN pg_language l ON l.oid = p.prolang WHERE t.tgrelid = to_regclass($1)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of one verb on one table. `refused` is None where it could not be tried."""

    table: str
    verb: str
    refused: bool | None
    because: str


async def try_to_change(database: Database) -> list[Tried]:
    """Try every change of the log that the database is to refuse. Nothing of it stays."""
    if isinstance(database, SqliteDatabase):
        return await asyncio.to_thread(_on_sqlite, database.path)
    from strongroom.storage.postgres import PostgresDatabase  # noqa: PLC0415 - only where used

    if isinstance(database, PostgresDatabase):
        return await _on_postgres(database)
    said = None, "could not be tried: a database of an unknown kind"
    return [_judged("entry", "UPDATE", "", said)]


def _judged(table: str, verb: str, differing: str, said: tuple[bool | None, str]) -> Tried:
    if differing:
        return Tried(table=table, verb=verb, refused=False, because=f"{differing}; {said[1]}")
    return Tried(table=table, verb=verb, refused=said[0], because=said[1])


def _differing(found: Mapping[str, object], wanted: Mapping[str, object]) -> str:
    """Say which triggers are not as they were written, or were not written by us."""
    names = sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))
    return f"not as the migration wrote it: {', '.join(names)}" if names else ""


EMPTY: Final = (True, "the table is empty, so it was not tried; its triggers are as written")


def statements(name: str, *, sqlite_: bool) -> dict[str, str]:
    """Return the changes to try on a table, each of one row that it has."""
    table = TABLES[name]
    random = {
        (True, True): "hex(randomblob(16))",
        (True, False): "randomblob(32)",
        (False, True): "gen_random_uuid()::text",
        (False, False): "decode(md5(random()::text), 'hex')",
    }[sqlite_, table.text]
    row = f"({table.key}) = (SELECT {table.key} FROM {name} LIMIT 1)"  # noqa: S608 - names are ours
    other = f"SELECT {table.key}, {table.rest}{random} FROM {name} LIMIT 1"  # noqa: S608 - ours
    into = f"INTO {name} ({table.columns}) {other}"
    tried = {
        "UPDATE": f"UPDATE {name} SET {table.value} = {random} WHERE {row}",  # noqa: S608 - ours
        "DELETE": f"DELETE FROM {name} WHERE {row}",  # noqa: S608 - ours
    }
    if sqlite_:
        return tried | {"INSERT OR REPLACE": f"INSERT OR REPLACE {into}"}
    upsert = f"ON CONFLICT ({table.key}) DO UPDATE SET {table.value} = EXCLUDED.{table.value}"
    return tried | {"upsert": f"INSERT {into} {upsert}", "TRUNCATE": f"TRUNCATE {name}"}


# -- SQLite


def sqlite_triggers(name: str) -> dict[str, str]:
    """Return the triggers of a table, as the migrations wrote them."""
    there = f"EXISTS (SELECT 1 FROM {name} WHERE {REPLACED[name]})"  # noqa: S608 - ours
    when = {"update": "UPDATE", "delete": "DELETE", "replace": "INSERT"}
    return {
        f"{name}_refuses_{verb}": f"CREATE TRIGGER {name}_refuses_{verb} BEFORE {on} ON {name} "
        + (f"WHEN {there} " if verb == "replace" else "")
        + RAISE
        for verb, on in when.items()
    }


def _on_sqlite(path: Path) -> list[Tried]:
    db = sqlite.connect(str(path), isolation_level=None, timeout=PATIENCE)
    try:
        db.execute("BEGIN IMMEDIATE")
        return [each for name in TABLES for each in _table_of_sqlite(db, name)]
    except sqlite.Error as error:
        said = None, f"could not be tried: {error}"
        verbs = ((name, verb) for name in TABLES for verb in statements(name, sqlite_=True))
        return [_judged(name, verb, "", said) for name, verb in verbs]
    finally:
        with contextlib.suppress(sqlite.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
        db.close()


def _table_of_sqlite(db: Any, name: str) -> list[Tried]:
    found = dict(db.execute(SQLITE_DDL, (name,)).fetchall())
    differing = _differing(found, sqlite_triggers(name))
    empty = db.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() is None  # noqa: S608 - ours
    return [
        _judged(name, verb, differing, EMPTY if empty else _try_on_sqlite(db, sql))
        for verb, sql in statements(name, sqlite_=True).items()
    ]


def _try_on_sqlite(db: Any, sql: str) -> tuple[bool | None, str]:
    db.execute("SAVEPOINT attempt")
    try:
        db.execute(sql)
    except sqlite.Error as error:
        if isinstance(error, sqlite.IntegrityError) and str(error) == RAISED:
            return True, "tried, and refused"
        return None, f"could not be tried: {error}"
    else:
        return False, "tried, and not refused"
    finally:
        db.execute("ROLLBACK TO attempt")
        db.execute("RELEASE attempt")


# -- PostgreSQL


def postgres_triggers(name: str) -> dict[str, object]:
    """Return the triggers of a table and what they run, as the migrations wrote them."""
    change = f"CREATE TRIGGER {name}_refuses_change BEFORE DELETE OR UPDATE ON {name} FOR EACH ROW"
    cut = f"CREATE TRIGGER {name}_refuses_truncate BEFORE TRUNCATE ON {name} FOR EACH STATEMENT"
    runs = "EXECUTE FUNCTION refuse_change()"
    kept = ("O", FUNCTION, "plpgsql", None)
    return {
        f"{name}_refuses_change": (f"{change} {runs}", *kept),
        f"{name}_refuses_truncate": (f"{cut} {runs}", *kept),
    }


async def _on_postgres(database: Any) -> list[Tried]:
    import asyncpg  # noqa: PLC0415 - only where used

    said: tuple[bool | None, str]
    try:
        db = await database.connection_of_its_own(PATIENCE)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        said = None, f"could not be tried: {type(error).__name__}"
        verbs = ((name, verb) for name in TABLES for verb in statements(name, sqlite_=False))
        return [_judged(name, verb, "", said) for name, verb in verbs]
    try:
        return [each for name in TABLES for each in await _table_of_postgres(db, name)]
    finally:
        db.terminate()  # nothing is committed: each attempt was rolled back


async def _table_of_postgres(db: Any, name: str) -> list[Tried]:
    found = {row[0]: tuple(row)[1:] for row in await db.fetch(POSTGRES_DDL, name)}
    differing = _differing(found, postgres_triggers(name))
    empty = await db.fetchrow(f"SELECT 1 FROM {name} LIMIT 1") is None  # noqa: S608 - ours
    tried = []
    for verb, sql in statements(name, sqlite_=False).items():
        said = EMPTY if empty else await _try_on_postgres(db, sql)
        tried.append(_judged(name, verb, differing, said))
    return tried


async def _try_on_postgres(db: Any, sql: str) -> tuple[bool | None, str]:
    import asyncpg  # noqa: PLC0415 - only where used

    transaction = db.transaction()
    await transaction.start()
    try:
        await db.execute(sql)
    except asyncpg.PostgresError as error:
        if error.sqlstate in REFUSED:
            return True, "tried, and refused"
        return None, f"could not be tried: {type(error).__name__}"
    else:
        return False, "tried, and not refused"
    finally:
        await transaction.rollback()
