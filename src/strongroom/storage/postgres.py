"""PostgreSQL, for those who run one: reads on a pool, one committing connection.

Specs   READ COMMITTED; the committer locks the head row, so commits come one after another and
        each carries all that waited. `synchronous_commit` is forced on for that connection.
Order   When the connection is lost during a COMMIT, nothing more is committed until the head of
        the log has told whether it was carried out.
Trust   Whoever administers the database can roll back or destroy; see `storage.barrier`, `audit`.
        It must not run with `fsync=off`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from strongroom.base.errors import UnavailableError
from strongroom.storage.commit import (
    NO_ENTRY,
    SELECT_HEAD,
    Changes,
    Committed,
    InDoubtError,
    Outcome,
    Recent,
    Request,
    commit_batch,
    in_order,
)
from strongroom.storage.database import (
    InUseError,
    Listener,
    OvertakenError,
    deliver,
    in_doubt,
    unavailable,
)
from strongroom.storage.point_reads import PointReads
from strongroom.storage.quiet import Quiet
from strongroom.storage.register import PointQuery, numbered
from strongroom.storage.transaction import Values

ADVISORY_LOCK = 0x5354524F4E47  # "STRONG"
BATCH = 512
RETRY_SECONDS = 1.0
SETTLE_SECONDS = 5.0  # how long those whose commit is in doubt wait to learn of it
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
COMMIT_SECONDS = 30.0  # for one statement of a commit, its COMMIT too
LOST: tuple[type[Exception], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
TROUBLE = ("08", "40", "53", "57", "58", "F0", "XX")  # SQLSTATE classes: about no one statement
ABORTED = "40"
FAILURE: tuple[type[Exception], ...] = (asyncpg.PostgresError, *LOST)
SETTINGS = {
    "application_name": "strongroom",
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    # So that the server notices soon when this machine is gone, and frees the lock.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "60000",
}
RAISE_HEAD = "UPDATE head SET generation = generation WHERE id = 1"
SELECT_LEAVES = "SELECT leaf FROM entry WHERE idx >= $1 ORDER BY idx"


def troubled(error: Exception) -> bool:
    """Say whether an error is about the database or the way to it, and not about one statement."""
    if isinstance(error, LOST):
        return True
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] in TROUBLE


class PostgresConnection:
    """The committing connection, in the shape that `commit_batch` wants.

    `left` is how it left the head: OvertakenError if it is found otherwise.
    """

    undoes_statements = False
    knows_of_others = False  # any session may write

    def __init__(
        self,
        db: Any,
        left: tuple[int, int] | None = None,
        changes: Changes | None = None,
        recent: Recent | None = None,
    ) -> None:
        self._db = db
        self.left = left
        self.changes = changes or Changes()
        self.recent = recent or Recent()

    async def begin(self) -> None:
        """Begin a transaction."""
        await self._db.execute("BEGIN")

    async def commit(self) -> None:
        """Commit; returns when PostgreSQL says that it is flushed."""
        if await self._db.execute("COMMIT") != "COMMIT":
            raise asyncpg.InFailedSQLTransactionError("the transaction had failed")

    async def rollback(self) -> None:
        """Undo the transaction, if the connection is still there."""
        if not self._db.is_closed():
            with contextlib.suppress(*FAILURE):
                await self._db.execute("ROLLBACK")

    async def rows(self, sql: str, values: Values) -> list[tuple[Any, ...]]:
        """Run a SELECT."""
        return [tuple(row) for row in await self._db.fetch(numbered(sql), *values)]

    async def run(self, sql: str, values: Values) -> None:
        """Run a statement that returns nothing."""
        await self._db.execute(numbered(sql), *values)

    async def run_many(self, sql: str, values: Sequence[Values]) -> None:
        """Run one statement for each of the values."""
        await self._db.executemany(numbered(sql), values)

    async def head(self) -> tuple[int, int]:
        """Lock the head, and return the log's next index and the generation."""
        row = await self._db.fetchrow(f"{SELECT_HEAD} FOR UPDATE")
        if self.left not in (None, tuple(row)):
            raise OvertakenError
        return row[0], row[1]

    def fatal(self, error: Exception) -> bool:
        """A refused statement spoils one request; a server or connection in trouble all."""
        return troubled(error)

    def doubtful(self, error: Exception) -> bool:
        """Say whether the server may have committed though it did not say so."""
        state = str(getattr(error, "sqlstate", None) or "")
        return troubled(error) and not state.startswith(ABORTED)

    async def probe(self) -> None:
        """Commit a change that changes nothing; raises what a request would meet."""
        try:
            await self.begin()
            await self.head()
            await self.run(RAISE_HEAD, ())
            await self.commit()
        except BaseException:
            await self.rollback()
            raise


@dataclass(slots=True)
class Doubt:
    """A batch whose COMMIT got no answer, and the head that it began with."""

    waiting: list[Request]
    committed: Committed
    before: tuple[int, int]
    leaves: list[bytes]

    @property
    def after(self) -> tuple[int, int]:
        """The head, if the batch was carried out."""
        return self.committed.first + len(self.committed.digests), self.committed.generation


class PostgresDatabase:
    """An open PostgreSQL database; made by `open_postgres`."""

    kind = "postgresql"

    def __init__(self, url: str, pool: Any, writer: Any, head: tuple[int, int]) -> None:
        self._url = url
        self._pool = pool
        self._writer = writer
        self._left = head
        self._changes = Changes()
        self._recent = Recent()
        self._points = PointReads(self._fetch)
        self._queue: list[Request] = []
        self._wake = asyncio.Event()
        self._over = asyncio.Event()  # a pause
        self._quiet = Quiet(self._over.set)
        self._closing = False
        self._down: str | None = None
        self._retry_at = 0.0
        self._doubt: Doubt | None = None
        self._listeners: list[Listener] = []
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._write_loop())

    # -- reading

    async def rows(self, sql: str, values: Values) -> list[tuple[Any, ...]]:
        """Run a SELECT on any connection; reads of single rows share queries."""
        try:
            if isinstance(sql, PointQuery):
                return await self._points.read(sql, values)
            return await self._fetch(numbered(sql), values)
        except FAILURE as error:
            if troubled(error):
                raise unavailable(error) from error
            raise

    async def _fetch(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self._pool.fetch(sql, *values)]

    async def connection_of_its_own(self, patience: float) -> Any:
        """Connect apart from readers and committer, waiting for nobody longer than `patience`."""
        milliseconds = str(round(patience * 1000))
        return await asyncpg.connect(
            self._url,
            timeout=CONNECT_SECONDS,
            command_timeout=2 * patience,
            server_settings={
                "application_name": "strongroom",
                "lock_timeout": milliseconds,
                "statement_timeout": milliseconds,
            },
        )

    # -- committing

    def submit(self, request: Request) -> None:
        """Queue a request for the next commit."""
        if self._closing:
            request.outcome = Outcome(NO_ENTRY, 0, UnavailableError("the server stops"))
            self._loop.call_soon(deliver, self._loop, None, (), [request])
            return
        if request.first:
            self._queue.insert(0, request)
        else:
            self._queue.append(request)
        self._wake.set()

    @asynccontextmanager
    async def quiet(self) -> AsyncIterator[None]:
        """Be in a pause between commits: see `storage.quiet`."""
        if self._closing:
            yield  # nothing is committed any more
            return
        self._wake.set()
        async with self._quiet.entered():
            yield

    @property
    def commits(self) -> int:
        """How many commits are known to be done."""
        return self._recent.commits

    def follow(self, listener: Listener) -> None:
        """Call `listener` after each commit."""
        self._listeners.append(listener)

    def trouble(self) -> str | None:
        """Say why commits fail."""
        return self._down

    async def close(self) -> None:
        """Commit what is queued, and disconnect."""
        again, self._closing = self._closing, True
        self._wake.set()
        await self._task
        if again:
            return
        for connected in (self._pool, self._writer):
            try:
                await asyncio.wait_for(connected.close(), CONNECT_SECONDS)
            except FAILURE:
                connected.terminate()

    async def _write_loop(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), RETRY_SECONDS if self._down else None)
            self._wake.clear()
            await self._pause()
            while self._queue:
                batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
                await self._commit(in_order(batch))
                await self._pause()
            if self._closing:
                return
            if self._down:
                await self._recover()

    async def _pause(self) -> None:
        self._over.clear()
        if self._quiet.begin():
            await self._over.wait()

    async def _commit(self, batch: list[Request]) -> None:
        if (self._down or self._writer.is_closed()) and not await self._recover():
            self._refuse(batch, UnavailableError("storage is unavailable; nothing was changed"))
            return
        connection = PostgresConnection(self._writer, self._left, self._changes, self._recent)
        try:
            done = await commit_batch(connection, batch)
        except InDoubtError as error:
            await self._settle(batch, error.committed)
        except Exception as error:  # noqa: BLE001 - each request is told; none is acknowledged
            if isinstance(error, LOST):
                self._writer.terminate()
            self._refuse(batch, self._fail(error))
        else:
            self._left = done.first + len(done.digests), done.generation
            deliver(self._loop, done, self._listeners, batch)

    def _refuse(self, batch: list[Request], failure: Exception) -> None:
        for request in batch:
            request.outcome = Outcome(NO_ENTRY, 0, failure)
        deliver(self._loop, None, (), batch)

    def _fail(self, error: Exception) -> Exception:
        """Remember why commits fail; return what a request is told."""
        known = isinstance(error, (*FAILURE, InUseError, OvertakenError))
        self._down = f"the database does not commit: {type(error).__name__}"
        return unavailable(error) if known else error

    # -- when the database was away

    async def _settle(self, batch: list[Request], committed: Committed) -> None:
        """Wait a while to learn what became of a batch; tell its requests that, or the doubt."""
        taken = [r for r in batch if r.outcome.problem is None]
        leaves = [r.leaf for r in taken if r.leaf is not None]
        self._doubt = Doubt(batch, committed, self._left, leaves)
        self._down = "the database was lost during a commit"
        self._writer.terminate()
        deadline = self._loop.time() + SETTLE_SECONDS
        while not await self._recover(at_once=True):
            if self._loop.time() >= deadline:
                self._leave_in_doubt(self._doubt)
                return
            await asyncio.sleep(RETRY_SECONDS / 10)

    def _leave_in_doubt(self, doubt: Doubt) -> None:
        """Tell the requests that nobody knows; the listeners are told when it is known."""
        waiting, doubt.waiting = doubt.waiting, []
        for request in waiting:
            if request.outcome.problem is None:
                request.outcome = Outcome(NO_ENTRY, 0, in_doubt())
        deliver(self._loop, None, (), waiting)

    async def _resolve(self, doubt: Doubt) -> None:
        """Find out from the log whether a batch was carried out. OvertakenError if neither."""
        row = await self._writer.fetchrow(SELECT_HEAD)
        found = (row[0], row[1])
        if found == doubt.before:
            self._doubt = None
            if doubt.after == doubt.before:  # it left no trace in the head
                self._leave_in_doubt(doubt)
            else:
                self._refuse(doubt.waiting, unavailable(ConnectionError()))
            return
        stored = await self._writer.fetch(SELECT_LEAVES, doubt.committed.first)
        if found != doubt.after or [row[0] for row in stored] != doubt.leaves:
            raise OvertakenError
        self._doubt = None
        self._left = found
        deliver(self._loop, doubt.committed, self._listeners, doubt.waiting)

    async def _recover(self, *, at_once: bool = False) -> bool:
        """Connect again if need be, clear up what is in doubt, and see that a commit works."""
        if not at_once and self._loop.time() < self._retry_at:
            return False
        self._retry_at = self._loop.time() + RETRY_SECONDS
        try:
            if self._writer.is_closed():
                self._writer = await committing_connection(self._url)
            if self._doubt is not None:
                await self._resolve(self._doubt)
            await PostgresConnection(self._writer, self._left).probe()
        except Exception as error:  # noqa: BLE001 - it stays as it was, and is tried again
            if isinstance(error, LOST):
                self._writer.terminate()
            self._fail(error)
            return False
        self._down = None
        return True


async def committing_connection(url: str) -> Any:
    """Connect and take the lock that only one server may hold; InUseError if it is taken."""
    db = await asyncpg.connect(
        url,
        server_settings=SETTINGS,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMIT_SECONDS,
    )
    try:
        if await db.fetchval("SELECT pg_try_advisory_lock($1)", ADVISORY_LOCK):
            return db
    except BaseException:
        db.terminate()
        raise
    await db.close()
    raise InUseError("another strongroom server has this PostgreSQL database open")


async def open_postgres(
    url: str, migrate: Callable[[], Awaitable[None]], readers: int = 8
) -> PostgresDatabase:
    """Connect, take the lock, bring the schema up to date, and start committing.

    Raises InUseError when another server holds the database, UnavailableError when it does not
    answer.
    """
    try:
        writer = await committing_connection(url)
        try:
            await migrate()
            head = await writer.fetchrow(SELECT_HEAD)
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=readers,
                command_timeout=READ_SECONDS,
                timeout=CONNECT_SECONDS,
                server_settings={"application_name": "strongroom"},
                reset=_as_it_is,
            )
        except BaseException:
            await writer.close()
            raise
    except FAILURE as error:
        raise UnavailableError(f"PostgreSQL cannot be used: {error}") from error
    return PostgresDatabase(url, pool, writer, (head[0], head[1]))


async def _as_it_is(connection: Any) -> None:
    """Leave a pooled connection as it is: it runs SELECTs only, and a reset is a round trip."""
