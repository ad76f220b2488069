"""A process that dies at any boundary of a commit leaves all of a batch, or nothing of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strongroom.storage import postgres, sqlite
from strongroom.storage.commit import UPDATE_HEAD
from strongroom.storage.opening import open_database
from tests.storage.requests import Desk, fresh_barrier

ROOT = Path(__file__).parents[2]
DIED = 77

# Where it dies, and whether what was asked is there afterwards.
BOUNDARIES = {
    "before begin": False,
    "after begin": False,
    "after head": False,
    "after first write": False,
    "after it is undone": False,
    "after release": False,
    "after entries": False,
    "after head is moved": False,
    "before commit": False,
    "after commit": True,
}
MADE_AGAIN = ("after it is undone", "after release")  # reached if a statement has failed


def die(at: str) -> None:
    """End the process here and now, if this is where it is to die."""
    if os.environ.get("DIE_AT") == at:
        os._exit(DIED)


def dying(kind: type[Any]) -> type[Any]:
    """Return a connection that may end the process at each boundary."""

    class Dying(kind):  # type: ignore[misc]  # either of the two
        async def begin(self) -> None:
            die("before begin")
            await super().begin()
            die("after begin")

        async def rollback(self) -> None:
            await super().rollback()
            die("after it is undone")

        async def head(self) -> tuple[int, int]:
            found: tuple[int, int] = await super().head()
            die("after head")
            return found

        async def run(self, sql: str, values: Any) -> None:
            await super().run(sql, values)
            if "INTO cell" in sql:
                die("after first write")
            if sql.startswith("RELEASE"):
                die("after release")
            if sql == UPDATE_HEAD:
                die("after head is moved")

        async def run_many(self, sql: str, values: Any) -> None:
            await super().run_many(sql, values)
            die("after entries")

        async def commit(self) -> None:
            die("before commit")
            await super().commit()
            die("after commit")

    return Dying


async def work(url: str, boundary: str) -> None:
    """Commit once; then two requests in one batch, during which the process dies."""
    sqlite.SqliteConnection = dying(sqlite.SqliteConnection)  # type: ignore[misc]
    postgres.PostgresConnection = dying(postgres.PostgresConnection)  # type: ignore[misc]
    desk = Desk(await open_database(url), fresh_barrier())
    await desk.keep(before=1)
    os.environ["DIE_AT"] = boundary
    one, other = desk.transaction(), desk.transaction()
    await desk.store(one).put("one", 1)
    await desk.store(one).put("one more", 1)
    one.changed("policy:x")
    await desk.store(other).put("other", 1)
    answers = [desk.submit(one, leaf=b"one"), desk.submit(other, leaf=b"other")]
    if boundary in MADE_AGAIN:
        spoilt = desk.transaction()
        spoilt.run("DELETE FROM cell", ())
        spoilt.run("DELETE FROM no_such_table", ())
        answers.append(desk.submit(spoilt, leaf=b"spoilt"))
    await asyncio.gather(*answers)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'strongroom.db'}"
    else:
        with request.getfixturevalue("postgresql_durable").database() as database:
            yield database.url


async def left(url: str) -> tuple[list[bytes], list[str], int, int]:
    """Return what is there: entries, keys, generation, and the entry that a next request gets."""
    database = await opened_soon(url)
    desk = Desk(database, fresh_barrier())
    entries = [leaf for _, leaf in await desk.entries()]
    keys = await desk.store(desk.transaction()).keys("")
    [[generation]] = await database.rows("SELECT generation FROM head WHERE id = 1", ())
    following = await desk.commit(None)
    await database.close()
    return entries, keys, generation, following.index


async def opened_soon(url: str) -> Any:
    """Open; PostgreSQL may need a moment to see that the one before is dead."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await open_database(url)
            except postgres.InUseError:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_batch_is_there_whole_or_not_at_all(url: str, boundary: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from tests.durability.test_crash import work\n"
        "asyncio.run(work(*sys.argv[1:]))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, url, boundary],
        check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )
    found = asyncio.run(left(url))

    assert done.returncode == DIED
    if BOUNDARIES[boundary]:
        keys = ["before", "one", "one more", "other"]
        assert found == ([b"{}", b"one", b"other"], keys, 2, 3)
    else:
        assert found == ([b"{}"], ["before"], 1, 1)
