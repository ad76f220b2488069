"""What is PostgreSQL's own: its lock, and that the server goes on when it was away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest

from strongroom.base.errors import UnavailableError
from strongroom.storage import postgres as module
from strongroom.storage.commit import Committed
from strongroom.storage.database import InUseError
from strongroom.storage.opening import open_database
from strongroom.storage.point_reads import PointReads
from strongroom.storage.postgres import PostgresConnection, PostgresDatabase
from strongroom.storage.records import CELLS, CLEAR_SETTINGS, ClearSetting
from tests import servers
from tests.storage.registers import REGISTERS
from tests.storage.requests import MOUNT, Desk, fresh_barrier

SECONDS = 20
TERMINATE = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)


@pytest.fixture
def url(postgresql_database: servers.Database) -> str:
    return postgresql_database.url


@pytest.fixture
async def desk(url: str) -> AsyncIterator[Desk]:
    database = await open_database(url)
    yield Desk(database, fresh_barrier())
    await database.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 - what is watched knows of no event
            await asyncio.sleep(0.01)


async def terminate_all(url: str) -> None:
    """End every other connection to the database."""
    other = await asyncpg.connect(url)
    await other.fetch(TERMINATE)
    await other.close()


def inside(desk: Desk) -> PostgresDatabase:
    assert isinstance(desk.database, PostgresDatabase)
    return desk.database


class TestItsLock:
    async def test_a_second_server_is_told_that_it_is_in_use(self, desk: Desk, url: str) -> None:
        with pytest.raises(InUseError):
            await open_database(url)

    async def test_it_is_free_again_after_the_close(self, url: str) -> None:
        await (await open_database(url)).close()
        again = await open_database(url)

        assert again.trouble() is None
        await again.close()

    async def test_who_lost_it_to_another_server_commits_nothing(
        self, desk: Desk, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await desk.keep(a=1)
        monkeypatch.setattr(module, "RETRY_SECONDS", 60)
        await terminate_all(url)
        successor = Desk(await open_database(url), fresh_barrier())
        refused = await desk.keep(a=2)
        await successor.keep(a=3)
        await successor.database.close()
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
        inside(desk)._retry_at = 0.0

        still = await desk.keep(a=4)

        assert isinstance(refused.problem, UnavailableError)
        assert isinstance(still.problem, UnavailableError)
        assert "OvertakenError" in str(desk.database.trouble())
        assert await desk.find("a") == 3


class TestWhenTheConnectionIsLost:
    async def test_between_commits_nobody_notices(self, desk: Desk, url: str) -> None:
        await desk.keep(a=1)
        await terminate_all(url)
        await until(inside(desk)._writer.is_closed)

        assert (await desk.keep(a=2)).index == 1

    async def test_during_a_batch_its_requests_are_told_and_the_next_go_on(
        self, desk: Desk, url: str
    ) -> None:
        await desk.keep(a=1)
        slow = desk.transaction()
        slow.run("SELECT pg_sleep(30)", ())
        answers = [desk.submit(None), desk.submit(slow)]
        await asyncio.sleep(0.2)
        await terminate_all(url)
        lost = await asyncio.gather(*answers)

        await until(lambda: desk.database.trouble() is None)
        outcome = await desk.keep(a=2)

        assert all(isinstance(o.problem, UnavailableError) for o in lost)
        assert "nothing was changed" in str(lost[0].problem)
        assert outcome.index == 1

    async def test_a_server_that_does_not_answer_is_not_waited_for(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "COMMIT_SECONDS", 0.3)
        database = await open_database(url)
        desk = Desk(database, fresh_barrier())
        slow = desk.transaction()
        slow.run("SELECT pg_sleep(30)", ())

        stuck, other = await asyncio.gather(desk.submit(slow), desk.submit(None))
        await until(lambda: database.trouble() is None)
        outcome = await desk.keep(a=1)
        await database.close()

        assert isinstance(stuck.problem, UnavailableError)
        assert isinstance(other.problem, UnavailableError)
        assert outcome.index == 0

    async def test_reads_are_told_and_go_on(self, desk: Desk, url: str) -> None:
        await desk.keep(a=1)
        reading = asyncio.create_task(desk.database.rows("SELECT pg_sleep(30)", ()))
        await asyncio.sleep(0.2)
        await terminate_all(url)

        with pytest.raises(UnavailableError):
            await reading
        assert await desk.find("a") == 1

    async def test_an_address_where_nobody_listens_is_said(self) -> None:
        nowhere = f"postgresql://strongroom@127.0.0.1:{servers.free_port()}/x"

        with pytest.raises(UnavailableError):
            await open_database(nowhere)


class LosingConnection(PostgresConnection):
    """Loses the connection at COMMIT: before the server hears of it, or before its answer."""

    landed = True

    async def commit(self) -> None:
        if self.landed:
            await super().commit()
        self._db.terminate()
        raise ConnectionResetError("connection lost")


@pytest.fixture
def losing(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Make the next commit lose its connection; those after it do not."""

    def arm(landed: bool) -> None:
        def once(*given: Any) -> PostgresConnection:
            monkeypatch.setattr(module, "PostgresConnection", PostgresConnection)
            connection = LosingConnection(*given)
            connection.landed = landed
            return connection

        monkeypatch.setattr(module, "PostgresConnection", once)

    return arm


class TestWhenACommitGetsNoAnswer:
    async def test_one_that_was_carried_out_is_acknowledged(
        self, desk: Desk, losing: Callable[[bool], None]
    ) -> None:
        heard: list[Committed] = []
        desk.database.follow(heard.append)
        await desk.keep(a=1)
        losing(True)

        first, second = await asyncio.gather(desk.keep(a=2), desk.keep(b=1))
        third = await desk.keep(c=1)

        assert [o.index for o in (first, second, third)] == [1, 2, 3]
        assert {o.problem for o in (first, second, third)} == {None}
        assert [(c.first, len(c.digests)) for c in heard] == [(0, 1), (1, 2), (3, 1)]

    async def test_one_that_was_not_is_refused(
        self, desk: Desk, losing: Callable[[bool], None]
    ) -> None:
        heard: list[Committed] = []
        desk.database.follow(heard.append)
        losing(False)

        lost = await desk.keep(a=1)
        after = await desk.keep(b=1)

        assert "nothing was changed" in str(lost.problem)
        assert (after.index, await desk.find("a")) == (0, None)
        assert [c.first for c in heard] == [0]

    async def test_a_request_that_failed_in_it_keeps_its_own_answer(
        self, desk: Desk, losing: Callable[[bool], None]
    ) -> None:
        losing(True)

        stale, good = await asyncio.gather(desk.submit(None, generation=99), desk.keep(a=1))

        assert stale.problem is not None
        assert not isinstance(stale.problem, Exception)
        assert good.index == 0

    async def test_one_without_a_trace_is_told_as_unknown(
        self, desk: Desk, losing: Callable[[bool], None]
    ) -> None:
        losing(True)
        tx = desk.transaction()
        tx.put(CLEAR_SETTINGS, ClearSetting("a", "v"))

        outcome = await desk.commit(tx, leaf=None)

        assert "not known" in str(outcome.problem)

    @pytest.mark.parametrize("landed", [True, False])
    async def test_while_the_database_is_away_it_is_told_as_unknown_and_cleared_up_later(
        self,
        desk: Desk,
        losing: Callable[[bool], None],
        landed: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        heard: list[Committed] = []
        desk.database.follow(heard.append)
        monkeypatch.setattr(module, "SETTLE_SECONDS", 0.2)
        connect = module.committing_connection

        async def away(url: str) -> Any:
            raise ConnectionRefusedError

        monkeypatch.setattr(module, "committing_connection", away)
        losing(landed)
        unknown = await desk.keep(a=1)
        refused = await desk.keep(b=1)
        monkeypatch.setattr(module, "committing_connection", connect)
        await until(lambda: desk.database.trouble() is None)
        after = await desk.keep(c=1)

        assert "not known" in str(unknown.problem)
        assert "nothing was changed" in str(refused.problem)
        assert after.index == (1 if landed else 0)
        assert [c.first for c in heard] == ([0, 1] if landed else [0])
        assert await desk.find("a") == (1 if landed else None)

    async def test_a_transaction_that_the_server_gave_up_is_no_commit(self, url: str) -> None:
        db = await asyncpg.connect(url)
        connection = PostgresConnection(db)
        await connection.begin()
        with pytest.raises(asyncpg.PostgresError):
            await connection.run("SELECT 1 / 0", ())

        with pytest.raises(asyncpg.InFailedSQLTransactionError):
            await connection.commit()
        await db.close()

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (ConnectionResetError(), True),
            (TimeoutError(), True),
            (asyncpg.AdminShutdownError("x"), True),
            (asyncpg.ConnectionDoesNotExistError("x"), True),
            (asyncpg.SerializationError("x"), False),
            (asyncpg.UniqueViolationError("x"), False),
        ],
    )
    def test_doubt_is_about_the_connection(self, error: Exception, expected: bool) -> None:
        assert PostgresConnection(None).doubtful(error) is expected


@pytest.fixture
def stopping() -> Iterator[servers.PostgreSQL]:
    """An instance of the test's own, to be stopped and started."""
    try:
        with servers.postgresql() as instance:
            yield instance
    except servers.MissingError as missing:
        pytest.skip(str(missing))


@contextmanager
def started_again(instance: servers.PostgreSQL, log: Path) -> Iterator[None]:
    """Start a stopped instance on its data and port."""
    command = [str(part) for part in cast("list[str]", instance.process.args)]
    ready = [str(instance.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p"]
    with servers.running(command, log) as process:
        servers.await_ready(process, [*ready, str(instance.port)], log)
        yield


class TestWhenTheServerRestarts:
    async def test_requests_are_told_while_it_is_down_and_served_when_it_is_back(
        self, stopping: servers.PostgreSQL, tmp_path: Path
    ) -> None:
        stopping.sql("CREATE DATABASE strongroom TEMPLATE template0")
        database = await open_database(stopping.url("strongroom"))
        desk = Desk(database, fresh_barrier())
        await desk.keep(a=1)

        await asyncio.to_thread(servers.stop, stopping.process)
        refused = await desk.keep(a=2)
        with pytest.raises(UnavailableError):
            await desk.find("a")
        told = database.trouble()
        again = started_again(stopping, tmp_path / "log")
        await asyncio.to_thread(again.__enter__)
        try:
            await until(lambda: database.trouble() is None)
            outcome = await desk.keep(a=3)
            found = await desk.find("a")
            await database.close()
        finally:
            await asyncio.to_thread(again.__exit__, None, None, None)

        assert isinstance(refused.problem, UnavailableError)
        assert told is not None
        assert (outcome.index, found) == (1, 3)


class TestPointReads:
    async def test_reads_at_one_time_share_a_query(self, desk: Desk) -> None:
        await desk.keep(**{f"k{n}": n for n in range(50)})
        asked: list[tuple[str, Any]] = []
        fetch = inside(desk)._fetch

        async def watched(sql: str, values: Any) -> Any:
            asked.append((sql, values))
            return await fetch(sql, values)

        inside(desk)._points = PointReads(watched)
        wanted = [*range(60), 0, 0]
        found = await asyncio.gather(*(desk.find(f"k{n}") for n in wanted))

        assert found == [n if n < 50 else None for n in wanted]
        assert [sql for sql, _ in asked] == [CELLS.select_one.many]
        assert len(asked[0][1][0]) == 60

    async def test_a_lone_read_is_a_lone_query(self, desk: Desk) -> None:
        await desk.keep(a=1)

        rows = await desk.database.rows(CELLS.select_one, (MOUNT, "a"))

        assert [(row[0], row[1]) for row in rows] == [(MOUNT, "a")]

    async def test_a_cancelled_read_takes_none_with_it(self, desk: Desk) -> None:
        await desk.keep(a=1)
        one, other = (asyncio.create_task(desk.find("a")) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()

        assert await other == 1

    async def test_a_failure_is_everybodys_and_the_next_read_starts_anew(self) -> None:
        turns = iter([OSError("gone"), None])

        async def fetch(sql: str, values: Any) -> Any:
            if (error := next(turns)) is not None:
                raise error
            return [("m", "k", b"", None, 0)]

        points = PointReads(fetch)
        failed = await asyncio.gather(
            *(points.read(CELLS.select_one, ("m", k)) for k in "kl"), return_exceptions=True
        )

        assert [type(f) for f in failed] == [OSError, OSError]
        assert await points.read(CELLS.select_one, ("m", "k")) == [("m", "k", b"", None, 0)]

    async def test_every_register_finds_many_rows_at_once(self, desk: Desk) -> None:
        for register in REGISTERS.values():
            columns = {c.name: c for c in register.columns}
            sample = {"text": "x", "integer": 1, "bytes": b"x"}
            key = [[sample[columns[name].kind]] * 2 for name in register.key]

            assert await inside(desk)._fetch(register.select_one.many, key) == []
