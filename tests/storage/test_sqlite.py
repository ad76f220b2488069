"""What is SQLite's own: its version, its lock, its file, a full disk."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pysqlite3
import pytest

import strongroom
from strongroom.base.errors import InputError, UnavailableError
from strongroom.base.sqlite_urls import sqlite_url
from strongroom.storage import sqlite as module
from strongroom.storage.database import InUseError, UnsafeDatabaseError
from strongroom.storage.opening import open_database
from strongroom.storage.sqlite import SqliteDatabase, connect, immediate, refuse_unsafe_version
from tests.storage.requests import Desk, fresh_barrier

SECONDS = 10
OPENER = (
    "import asyncio, sys\n"
    "from strongroom.storage.opening import open_database\n"
    "from strongroom.storage.database import InUseError\n"
    "async def main():\n"
    "    try:\n"
    "        database = await open_database(sys.argv[1])\n"
    "    except InUseError:\n"
    "        sys.exit(9)\n"
    "    await database.close()\n"
    "asyncio.run(main())\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "strongroom.db"


@pytest.fixture
async def desk(path: Path) -> AsyncIterator[Desk]:
    database = await open_database(f"sqlite://{path}")
    yield Desk(database, fresh_barrier())
    await database.close()


def open_elsewhere(path: Path) -> int:
    """Try to open in another process; 9 means that it was in use."""
    return subprocess.run(
        [sys.executable, "-c", OPENER, f"sqlite://{path}"],
        check=False,
        env={"PYTHONPATH": str(Path(strongroom.__file__).parents[1])},
    ).returncode


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 - what is watched knows of no event
            await asyncio.sleep(0.01)


def writer(desk: Desk) -> Any:
    assert isinstance(desk.database, SqliteDatabase)
    return desk.database._write


class TestItsVersion:
    @pytest.mark.parametrize(
        "version",
        [
            (3, 51, 2),
            (3, 51, 0),
            (3, 50, 6),
            (3, 49, 99),
            (3, 45, 1),
            (3, 44, 5),
            (3, 7, 0),
            (2, 8, 17),
        ],
    )
    def test_one_that_can_lose_commits_is_refused(self, version: tuple[int, int, int]) -> None:
        with pytest.raises(UnsafeDatabaseError, match=r"3\.51\.3 or newer"):
            refuse_unsafe_version(version)

    @pytest.mark.parametrize(
        "version", [(3, 51, 3), (3, 53, 4), (4, 0, 0), (3, 50, 7), (3, 50, 8), (3, 44, 6)]
    )
    def test_a_mended_one_is_taken(self, version: tuple[int, int, int]) -> None:
        refuse_unsafe_version(version)

    def test_the_driver_that_we_bundle_is_a_mended_one(self) -> None:
        refuse_unsafe_version(pysqlite3.sqlite_version_info)

    async def test_nothing_is_opened_with_an_unsafe_one(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pysqlite3, "sqlite_version_info", (3, 40, 1))

        with pytest.raises(UnsafeDatabaseError):
            await open_database(f"sqlite://{path}")
        assert not path.exists()  # noqa: ASYNC240 - a file of the test's own


class TestItsLock:
    async def test_a_second_opener_is_told_that_it_is_in_use(self, desk: Desk, path: Path) -> None:
        with pytest.raises(InUseError):
            await open_database(f"sqlite://{path}")
        assert await asyncio.to_thread(open_elsewhere, path) == 9
        assert (await desk.keep(a=1)).problem is None

    async def test_a_symbolic_link_does_not_go_around_it(
        self, desk: Desk, path: Path, tmp_path: Path
    ) -> None:
        file, folder = tmp_path / "link.db", tmp_path / "folder"
        file.symlink_to(path)
        folder.symlink_to(path.parent)

        for other in (file, folder / path.name, path.parent / ".." / "data" / path.name):
            with pytest.raises(InUseError):
                await open_database(f"sqlite://{other}")

    async def test_a_hard_link_is_refused(self, path: Path, tmp_path: Path) -> None:
        await (await open_database(f"sqlite://{path}")).close()
        os.link(path, tmp_path / "other.db")

        with pytest.raises(UnsafeDatabaseError, match="hard link"):
            await open_database(f"sqlite://{tmp_path / 'other.db'}")

    async def test_it_is_free_again_after_the_close(self, path: Path) -> None:
        await (await open_database(f"sqlite://{path}")).close()

        assert await asyncio.to_thread(open_elsewhere, path) == 0

    async def test_a_commit_by_somebody_else_stops_ours(self, desk: Desk, path: Path) -> None:
        await desk.keep(a=1)
        other = connect(path)
        other.execute("UPDATE head SET next = next + 1")
        other.close()

        outcome = await desk.keep(a=2)

        assert isinstance(outcome.problem, UnavailableError)
        assert desk.database.trouble() is not None
        assert await desk.find("a") == 1


class TestItsFile:
    async def test_is_for_its_owner_alone(self, desk: Desk, path: Path) -> None:
        await desk.keep(a=1)

        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert {f.name: f.stat().st_mode & 0o777 for f in path.parent.iterdir()} == {
            "strongroom.db": 0o600,
            "strongroom.db-wal": 0o600,
            "strongroom.db-shm": 0o600,
            "strongroom.db.lock": 0o600,
        }

    async def test_is_one_file_after_the_close(self, path: Path) -> None:
        database = await open_database(f"sqlite://{path}")
        await Desk(database, fresh_barrier()).keep(a=1)
        await database.close()

        assert sorted(f.name for f in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]

    async def test_a_name_with_a_question_mark_is_written_in_percents(self, tmp_path: Path) -> None:
        name = "what?mode=ro#%20 ü.db"

        await (await open_database(sqlite_url(tmp_path / name))).close()

        assert (tmp_path / name).stat().st_size > 0

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("x.db?mode=ro", "no options: of a file's name, write"),
            ("x.db#part", "no options: of a file's name, write"),
            ("x.db?", "no options"),
            ("100%.db", "write a % of a file's name as %25"),
            ("%FF.db", "not UTF-8"),
            ("%00.db", "NUL"),
            ("folder/", "absolute path of a file"),
        ],
    )
    def test_what_looks_like_an_option_is_none_and_makes_no_file(
        self, name: str, problem: str, tmp_path: Path
    ) -> None:
        with pytest.raises(InputError, match=problem):
            asyncio.run(open_database(f"sqlite://{tmp_path}/{name}"))

        assert list(tmp_path.iterdir()) == []

    async def test_what_is_no_database_is_left_as_it_is(self, tmp_path: Path) -> None:
        file = tmp_path / "notes.txt"
        file.write_bytes(b"not a database" * 100)

        with pytest.raises(UnsafeDatabaseError):
            await open_database(f"sqlite://{file}")
        assert file.read_bytes() == b"not a database" * 100

    async def test_a_folder_that_cannot_be_made_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(UnavailableError):
            await open_database(f"sqlite://{tmp_path / 'file' / 'strongroom.db'}")

    @pytest.mark.parametrize(
        "url", ["sqlite://", "sqlite:///", "sqlite://:memory:", "mysql://x", "x"]
    )
    async def test_another_address_is_refused(self, url: str) -> None:
        with pytest.raises(InputError):
            await open_database(url)

    async def test_each_connection_syncs_each_commit(self, desk: Desk) -> None:
        assert writer(desk).execute("PRAGMA synchronous").fetchone() == (2,)
        assert writer(desk).execute("PRAGMA journal_mode").fetchone() == ("wal",)

    async def test_the_reading_connection_cannot_write(self, desk: Desk) -> None:
        with pytest.raises(pysqlite3.Error, match="readonly"):
            desk.database._read.execute("DELETE FROM cell")  # type: ignore[attr-defined]

    async def test_a_mistake_in_a_select_is_a_defect_and_no_trouble(self, desk: Desk) -> None:
        with pytest.raises(pysqlite3.OperationalError, match="no such table"):
            await desk.database.rows("SELECT 1 FROM nowhere", ())


class TestBesideSomebodyElse:
    """A backup or a person with the sqlite3 program may hold the file for a while."""

    @pytest.fixture
    def other(self, desk: Desk, path: Path) -> Iterator[Any]:
        db = connect(path)
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.close()

    async def test_a_commit_waits_for_them_and_the_loop_does_not(
        self, desk: Desk, other: Any
    ) -> None:
        keeping = asyncio.ensure_future(desk.keep(a=1))
        for _ in range(5):
            await asyncio.sleep(0.02)
            assert await desk.find("a") is None  # reads go on

        assert not keeping.done()
        other.execute("ROLLBACK")
        assert (await keeping).problem is None
        assert await desk.find("a") == 1

    async def test_who_holds_it_too_long_is_trouble_until_they_let_go(
        self, desk: Desk, other: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "BUSY_MILLISECONDS", 20)

        outcome = await desk.keep(a=1)
        told = desk.database.trouble()
        other.execute("ROLLBACK")
        await until(lambda: desk.database.trouble() is None)

        assert isinstance(outcome.problem, UnavailableError)
        assert told is not None
        assert (await desk.keep(a=2)).problem is None
        assert await desk.find("a") == 2

    async def test_a_close_waits_for_what_waits_for_them(
        self, desk: Desk, path: Path, other: Any
    ) -> None:
        keeping = asyncio.ensure_future(desk.keep(a=1))
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(desk.database.close())
        await asyncio.sleep(0.05)
        other.execute("ROLLBACK")
        await closing

        assert (await keeping).problem is None
        database = await open_database(f"sqlite://{path}")
        assert await Desk(database, desk.barrier).find("a") == 1
        await database.close()


class TestWhenItIsFull:
    """A full database is told as such, half of nothing is kept, and it goes on by itself."""

    async def test_requests_are_told_and_nothing_is_half_done(self, desk: Desk) -> None:
        await desk.keep(a=1)
        limit_pages(desk, 0)

        first, *rest = await asyncio.gather(
            desk.keep(a=2, large="x" * 200_000), desk.keep(b=1, large="y" * 200_000)
        )
        told = desk.database.trouble()

        assert all(isinstance(o.problem, UnavailableError) for o in (first, *rest))
        assert "full" in str(first.problem)
        assert told is not None
        assert "full" in told
        assert (await desk.find("a"), await desk.find("large")) == (1, None)

        limit_pages(desk, 10**6)
        await until(lambda: desk.database.trouble() is None)

        assert (await desk.keep(a=3)).index == 1
        assert [index for index, _ in await desk.entries()] == [0, 1]

    async def test_trouble_is_told_before_the_disk_is_full(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = desk.database.trouble()
        monkeypatch.setattr(module, "RESERVE", 2**62)

        assert before is None
        assert "nearly full" in str(desk.database.trouble())
        assert (await desk.keep(a=1)).problem is None

    async def test_a_folder_that_is_gone_is_trouble(self, desk: Desk, path: Path) -> None:
        shutil.rmtree(path.parent)

        assert "cannot be read" in str(desk.database.trouble())


def limit_pages(desk: Desk, pages: int) -> None:
    """Let the file grow to so many pages; 0 means not at all."""
    writer(desk).execute(f"PRAGMA max_page_count = {pages or 1}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class TestOnASmallDisk:
    async def test_it_fills_up_and_goes_on_when_there_is_room(
        self, small_disk: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "RESERVE", 0)
        monkeypatch.setattr(module, "PROBE_SECONDS", 0.01)
        (small_disk / "ballast").write_bytes(b"x" * 500_000)
        database = await open_database(f"sqlite://{small_disk / 'strongroom.db'}")
        desk, kept = Desk(database, fresh_barrier()), 0
        while (
            outcome := await desk.keep(**{f"k{kept}": os.urandom(30_000).hex()})
        ).problem is None:
            kept += 1
            assert kept < 100
        assert isinstance(outcome.problem, UnavailableError)
        assert len(await desk.store(desk.transaction()).keys("")) == kept

        (small_disk / "ballast").unlink()
        await until(lambda: database.trouble() is None)
        outcome = await desk.keep(after="room")
        entries = await desk.entries()
        await database.close()

        assert outcome.index == kept
        assert [index for index, _ in entries] == list(range(kept + 1))


class TestTheWriter:
    def test_a_coroutine_that_waits_is_a_defect(self) -> None:
        async def waits() -> None:
            await asyncio.sleep(0)

        with pytest.raises(RuntimeError, match="waited"):
            immediate(waits())

    @pytest.mark.parametrize("count", [1, 2, 3, 31, 63, 64, 65, 127, 200])
    async def test_as_many_entries_as_come_are_written_in_their_order(
        self, desk: Desk, count: int
    ) -> None:
        leaves = [b'{"number":%d}' % number for number in range(count)]

        outcomes = await asyncio.gather(*[desk.submit(None, leaf=leaf) for leaf in leaves])

        assert [outcome.index for outcome in outcomes] == list(range(count))
        assert await desk.entries() == list(enumerate(leaves))
