"""The migrated schema is what the registers say, on both databases; a migration is all or none."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pysqlite3
import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

import strongroom
from strongroom.storage import migrations
from strongroom.storage.database import UnsafeDatabaseError
from strongroom.storage.opening import open_database
from strongroom.storage.sqlite import connect
from tests.storage.registers import REGISTERS

SOURCE = Path(strongroom.__file__).parent
LOG = {"head", "entry", "tile", "checkpoint", "cosignature"}
UNUSED_YET = {"control_run"}  # its register comes with the evidence
KINDS = {"text": sa.Text, "integer": (sa.Integer, sa.BigInteger), "bytes": sa.LargeBinary}


async def on(url: str, act: Any) -> Any:
    """Run `act` on a synchronous connection to either database."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite://"))
        engine = sa.create_engine("sqlite://", module=pysqlite3, creator=lambda: connect(path))
        with engine.connect() as connection:
            return act(connection)
    remote = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url)
    )
    async with remote.connect() as connection:
        found = await connection.run_sync(act)
    await remote.dispose()
    return found


def described(connection: sa.Connection) -> dict[str, Any]:
    inspector = sa.inspect(connection)
    return {
        table: {
            "columns": inspector.get_columns(table),
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "indexes": {tuple(i["column_names"]) for i in inspector.get_indexes(table)},
        }
        for table in inspector.get_table_names()
    }


@pytest.fixture
async def schema(url: str) -> Any:
    await (await open_database(url)).close()
    return await on(url, described)


class TestTheSchema:
    async def test_is_what_the_registers_say(self, schema: dict[str, Any]) -> None:
        for name, register in REGISTERS.items():
            columns = {column["name"]: column for column in schema[name]["columns"]}
            assert sorted(columns) == sorted(register.stored), name  # a later one comes last
            for column in register.columns:
                found = columns[column.name]
                assert isinstance(found["type"], KINDS[column.kind]), (name, column.name)
                assert found["nullable"] == column.nullable, (name, column.name)
            for always in {"mac", "entry"} & {*columns}:
                assert not columns[always]["nullable"], (name, always)
            assert tuple(schema[name]["key"]) == register.key, name
            assert schema[name]["indexes"] == set(register.indexes), name

    async def test_has_no_table_that_nobody_describes(self, schema: dict[str, Any]) -> None:
        assert set(schema) - {"alembic_version"} == {*REGISTERS, *LOG, *(UNUSED_YET & set(schema))}

    async def test_compares_text_by_bytes(self, url: str) -> None:
        database = await open_database(url)
        words = ["a", "B", "á", "a-b", "a/", "\ue000", "\U0010ffff", "Z", "\uff41"]
        rows = " UNION ALL ".join("SELECT ? AS value" for _ in words)
        try:
            collate = "" if database.kind == "sqlite" else 'COLLATE "C"'
            found = await database.rows(
                f"SELECT value {collate} AS v FROM ({rows}) w ORDER BY v", words
            )
            if database.kind == "postgresql":
                collations = await database.rows(
                    "SELECT DISTINCT collation_name FROM information_schema.columns WHERE "
                    "table_schema = 'public' AND data_type = 'text'",
                    (),
                )
                assert collations == [("C",)]
        finally:
            await database.close()

        assert [row[0] for row in found] == sorted(words)


class TestMigrating:
    def test_the_newest_step_is_the_one_that_the_server_expects(self) -> None:
        config = Config()
        config.set_main_option("script_location", "strongroom:storage/migrations")
        scripts = ScriptDirectory.from_config(config)

        steps = [script.revision for script in scripts.walk_revisions()]

        assert scripts.get_heads() == [migrations.HEAD]
        assert list(migrations.STEPS) == steps[::-1]

    async def test_a_failure_half_way_leaves_nothing_and_can_be_repeated(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = migrations.upgrade

        def half(connection: sa.Connection) -> None:
            whole(connection)
            raise ConnectionAbortedError("the machine fails here")

        monkeypatch.setattr(migrations, "upgrade", half)
        with pytest.raises(Exception, match="the machine fails here"):
            await open_database(url)
        left = await on(url, described)
        monkeypatch.undo()
        await (await open_database(url)).close()

        assert left == {}
        assert "entry" in await on(url, described)

    async def test_a_database_that_a_newer_version_made_is_refused(self, url: str) -> None:
        await (await open_database(url)).close()
        await on(url, newer)

        with pytest.raises(UnsafeDatabaseError, match="9999"):
            await open_database(url)

    async def test_opening_what_is_up_to_date_imports_no_migrations(self, url: str) -> None:
        await (await open_database(url)).close()
        program = (
            "import asyncio, sys\n"
            "from strongroom.storage.opening import open_database\n"
            "async def main():\n"
            f"    await (await open_database({url!r})).close()\n"
            "asyncio.run(main())\n"
            "print([n for n in ('alembic', 'sqlalchemy', 'asyncpg') if n in sys.modules])\n"
        )

        done = await asyncio.to_thread(in_a_process_of_its_own, program)

        assert done == ("[]" if url.startswith("sqlite") else "['asyncpg']")


def in_a_process_of_its_own(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(SOURCE.parent)},
    )
    return done.stdout.strip()


def newer(connection: sa.Connection) -> None:
    connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
