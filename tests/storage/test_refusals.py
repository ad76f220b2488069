"""What the database refuses of the log, found by trying; and what only looks like a refusal."""

from __future__ import annotations

import asyncio

import pysqlite3
import pytest

from strongroom.storage import refusals
from strongroom.storage.refusals import TABLES, Tried, try_to_change
from tests.audit.keeping import change
from tests.storage.requests import Desk

FILL = (
    "INSERT INTO tile (level, n, hashes) VALUES (0, 0, ?)",
    "INSERT INTO checkpoint (size, at, note) VALUES (1, 0, 'x')",
    "INSERT INTO cosignature (size, witness, at, line) VALUES (1, 'w', 0, 'x')",
)
VERBS = {
    "sqlite": {"UPDATE", "DELETE", "INSERT OR REPLACE"},
    "postgresql": {"UPDATE", "DELETE", "TRUNCATE", "upsert"},
}


@pytest.fixture
async def filled(desk: Desk) -> Desk:
    """A database with a row in each table of the log."""
    tx = desk.transaction()
    for statement in FILL:
        tx.run(statement, (b"h",) if "?" in statement else ())
    assert (await desk.commit(tx)).problem is None
    return desk


async def stored(desk: Desk) -> list[object]:
    return [await desk.database.rows(f"SELECT * FROM {name}", ()) for name in (*TABLES, "head")]


def broken(found: list[Tried]) -> set[tuple[str, str]]:
    return {(each.table, each.verb) for each in found if each.refused is False}


async def test_every_change_of_every_table_is_tried_and_refused(filled: Desk) -> None:
    before = await stored(filled)

    found = await try_to_change(filled.database)

    assert {(each.table, each.verb) for each in found} == {
        (name, verb) for name in TABLES for verb in VERBS[filled.database.kind]
    }
    assert {(each.refused, each.because) for each in found} == {(True, "tried, and refused")}
    assert await stored(filled) == before
    assert (await filled.commit(filled.transaction())).problem is None


async def test_of_an_empty_table_only_the_triggers_are_judged(desk: Desk) -> None:
    found = await try_to_change(desk.database)

    assert {each.refused for each in found} == {True}
    assert {each.because for each in found if each.table == "tile"} == {refusals.EMPTY[1]}


SQLITE_HOLLOW = (
    "DROP TRIGGER {table}_refuses_{verb}",
    "CREATE TRIGGER {table}_refuses_{verb} BEFORE {on} ON {table} WHEN 0 BEGIN SELECT 1; END",
)


@pytest.mark.parametrize("table", [*TABLES])
@pytest.mark.parametrize("verb", ["update", "delete", "replace"])
async def test_a_hollow_trigger_of_the_same_name_is_noticed(
    filled: Desk, ready: str, table: str, verb: str
) -> None:
    if not ready.startswith("sqlite"):
        pytest.skip("triggers of SQLite")
    on = {"replace": "INSERT"}.get(verb, verb)
    await change(ready, *(s.format(table=table, verb=verb, on=on) for s in SQLITE_HOLLOW))
    before = await stored(filled)

    found = await try_to_change(filled.database)

    assert broken(found) == {(table, each) for each in VERBS["sqlite"]}
    done = {"replace": "INSERT OR REPLACE"}.get(verb, verb.upper())
    [tried] = [each for each in found if (each.table, each.verb) == (table, done)]
    assert tried.because == (
        f"not as the migration wrote it: {table}_refuses_{verb}; tried, and not refused"
    )
    assert await stored(filled) == before
    assert (await filled.commit(filled.transaction())).problem is None


HOLLOW = (
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN coalesce(NEW, OLD); END $$"
)
GRANTED = "GRANT UPDATE, DELETE, TRUNCATE ON {table} TO CURRENT_USER"


@pytest.mark.parametrize("granted", [False, True])
async def test_a_hollow_function_is_noticed(filled: Desk, ready: str, granted: bool) -> None:
    if ready.startswith("sqlite"):
        pytest.skip("a function of PostgreSQL")
    grants = [GRANTED.format(table=name) for name in TABLES] if granted else []
    await change(ready, HOLLOW, *grants)
    before = await stored(filled)

    found = await try_to_change(filled.database)

    assert broken(found) == {(name, verb) for name in TABLES for verb in VERBS["postgresql"]}
    assert any(each.because.endswith("not refused") for each in found) or not granted
    assert await stored(filled) == before
    assert (await filled.commit(filled.transaction())).problem is None


async def test_a_disabled_trigger_is_noticed(filled: Desk, ready: str) -> None:
    if ready.startswith("sqlite"):
        pytest.skip("SQLite cannot disable one")
    await change(ready, "ALTER TABLE entry DISABLE TRIGGER entry_refuses_truncate")

    found = await try_to_change(filled.database)

    assert broken(found) == {("entry", verb) for verb in VERBS["postgresql"]}


async def test_what_somebody_else_holds_is_said_not_to_be_tried(
    filled: Desk, ready: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not ready.startswith("sqlite"):
        pytest.skip("a writer keeps others out on SQLite")
    monkeypatch.setattr(refusals, "PATIENCE", 0.05)
    other = pysqlite3.connect(ready.removeprefix("sqlite://"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    found = await try_to_change(filled.database)

    other.close()
    assert {each.refused for each in found} == {None}
    assert len(found) == len(TABLES) * 3


async def test_commits_beside_it_are_carried_out(filled: Desk) -> None:
    done = await asyncio.gather(
        *(try_to_change(filled.database) for _ in range(3)),
        *(filled.commit(filled.transaction()) for _ in range(20)),
    )

    assert [outcome.problem for outcome in done[3:]] == [None] * 20  # type: ignore[union-attr]
    assert {each.refused for tried in done[:3] for each in tried} == {True}  # type: ignore[union-attr]
