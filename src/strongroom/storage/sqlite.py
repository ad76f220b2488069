"""SQLite, the embedded default: everything on the loop's thread but what waits for the disk.

A batch is written into its transaction on the loop's thread, and committed, which syncs, on one
of its own: of the whole only that call takes long, and in it the interpreter is free. Written
there too, each statement would have to wait for the interpreter again while requests keep it busy.

Specs   WAL, `synchronous=FULL`: a commit returns after its WAL frames are synced.
        SQLite 3.7.0 to 3.51.2 can lose committed writes of a WAL (the reset bug, mended in
        3.51.3, and in 3.50.7 and 3.44.6); the driver bundles its own SQLite and an affected one
        is refused.
Order   A failed commit is told as one: no later commit builds on it. If the machine dies at that
        very moment, the next start may find its frames in the WAL and carry it out after all.
Trust   Whoever can write to the file controls the database; see `storage.barrier`, `audit`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import pysqlite3 as sqlite

from strongroom.base.errors import UnavailableError
from strongroom.storage.commit import (
    NO_ENTRY,
    SELECT_HEAD,
    Changes,
    Committed,
    Outcome,
    Recent,
    Request,
    apply_batch,
    in_order,
)
from strongroom.storage.database import (
    InUseError,
    Listener,
    OvertakenError,
    UnsafeDatabaseError,
    deliver,
    unavailable,
)
from strongroom.storage.kept import Kept
from strongroom.storage.quiet import Quiet
from strongroom.storage.register import KeptQuery
from strongroom.storage.transaction import Values

Result = TypeVar("Result")
Job = tuple[Callable[[], None], Callable[[Exception | None], None]]  # what to do; who is told
WAL_RESET_FIXED = (3, 51, 3)
FIXED_BACKPORTS = ((3, 50, 7), (3, 44, 6))
FULL = 2  # of PRAGMA synchronous
MIB = 2**20
RESERVE = 64 * MIB  # stays free: the health endpoint says so before the disk is full
BATCH = 512  # requests in one commit at most, so that the first of them need not wait for the last
PROBE_SECONDS = 1.0
BUSY_MILLISECONDS = 5000
PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",  # where a plain sync stops at the drive's cache (macOS)
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # so that REPLACE cannot go around a DELETE trigger
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cache_size = -16000",
    f"PRAGMA journal_size_limit = {RESERVE}",
)
CHECKPOINT_SECONDS = 1.0
ROWS = (64, 32, 16, 8, 4, 2, 1)  # rows of one INSERT, so that few statements need preparing
READ_ONLY = "PRAGMA query_only = ON"
DATA_VERSION = "PRAGMA data_version"
# What SQLite says of one statement (ERROR, TOOBIG, CONSTRAINT, MISMATCH, MISUSE, RANGE), or the
# driver of its values (no code); anything else is about the database.
ONE_STATEMENT = (None, 1, 18, 19, 20, 21, 25)
DAMAGED = (11, 26)  # CORRUPT, NOTADB
BUSY = 5
RAISE_HEAD = "UPDATE head SET generation = generation + ? WHERE id = 1"


def refuse_unsafe_version(version: tuple[int, int, int]) -> None:
    """Raise UnsafeDatabaseError for a version with the WAL-reset bug, or without a WAL."""
    backport = any(version[:2] == fixed[:2] and version >= fixed for fixed in FIXED_BACKPORTS)
    if version < WAL_RESET_FIXED and not backport:
        found = ".".join(map(str, version))
        raise UnsafeDatabaseError(
            f"SQLite {found} can lose committed writes (WAL-reset bug); 3.51.3 or newer is needed"
        )


def immediate(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that never waits for anything."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    work.close()
    raise RuntimeError("a coroutine on the writer's thread waited")


def connect(path: Path) -> Any:
    """Open a connection that keeps what it commits, or raise UnsafeDatabaseError."""
    db = sqlite.connect(
        str(path), isolation_level=None, check_same_thread=False, cached_statements=512
    )
    try:
        for pragma in PRAGMAS:
            db.execute(pragma)
        _refuse_unsafe_mode(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _escaped(db: Any, sql: str, values: Values, error: Exception) -> list[tuple[Any, ...]]:
    """Run a SELECT again that met text which is no UTF-8, or raise what it raised.

    Only somebody else can have put it there. What is read of it is none of ours, so that a guarded
    row is refused by its MAC, and none beside it.
    """
    if not str(error).startswith("Could not decode to UTF-8"):
        raise error
    db.text_factory = lambda raw: raw.decode(errors="backslashreplace")
    try:
        return db.execute(sql, values).fetchall()  # type: ignore[no-any-return]
    finally:
        db.text_factory = str


@lru_cache(maxsize=64)
def _insert(sql: str, size: int) -> str:
    """Return an INSERT of one row as one of so many."""
    head, row = sql.split(" VALUES ")
    return f"{head} VALUES {', '.join([row] * size)}"


def _refuse_unsafe_mode(db: Any, path: Path) -> None:
    mode, level = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    )
    if mode != "wal" or level < FULL:
        raise UnsafeDatabaseError(f"{path.parent} does not support a write-ahead log")


class SqliteConnection:
    """The writer's connection, in the shape that `commit_batch` wants.

    `left` is how it left the head: OvertakenError if it is found otherwise.
    """

    undoes_statements = True
    knows_of_others = True

    def __init__(self, db: Any) -> None:
        self._db = db
        self._begun = False
        self.left: tuple[int, int] | None = None
        self.changes = Changes()
        self.recent = Recent()
        self.kept = Kept()
        db.execute("PRAGMA busy_timeout = 0")  # the loop's thread waits for nobody
        self._version = self._data_version()

    async def begin(self) -> None:
        """Begin as the only writer, or go on where `begin_patiently` did. Waits for nobody.

        Nobody else can write from here to the end.
        """
        if not self._begun:
            self._db.execute("BEGIN IMMEDIATE")
        self._begun = False
        version = self._data_version()
        if version != self._version:
            self._version = version
            self.recent.forget()
            self.kept.forget()

    def _data_version(self) -> int:
        """Return a number that changes when another connection has committed, and never else."""
        [[version]] = self._db.execute(DATA_VERSION).fetchall()
        return version  # type: ignore[no-any-return]

    def begin_patiently(self) -> None:
        """Begin, waiting for somebody else's transaction (a backup's, a person's) to end."""
        self._db.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._begun = True
        finally:
            self._db.execute("PRAGMA busy_timeout = 0")

    async def commit(self) -> None:
        """Commit and sync."""
        self._db.execute("COMMIT")

    async def rollback(self) -> None:
        """Undo the transaction, if SQLite has not done so itself."""
        with contextlib.suppress(sqlite.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    async def rows(self, sql: str, values: Values) -> list[tuple[Any, ...]]:
        """Run a SELECT."""
        try:
            return self._db.execute(sql, values).fetchall()  # type: ignore[no-any-return]
        except sqlite.OperationalError as error:
            return _escaped(self._db, sql, values, error)

    async def run(self, sql: str, values: Values) -> None:
        """Run a statement that returns nothing."""
        self._db.execute(sql, values)

    async def run_many(self, sql: str, values: Sequence[Values]) -> None:
        """Run one INSERT for each of the values, many of them as one statement.

        Each statement gives the interpreter away and waits to get it back: fewer are quicker.
        """
        at = 0
        for size in ROWS:
            while len(values) - at >= size:
                chunk = values[at : at + size]
                flat = [value for each in chunk for value in each]
                self._db.execute(_insert(sql, size), flat)
                at += size

    async def head(self) -> tuple[int, int]:
        """Return the log's next index and the generation."""
        [row] = self._db.execute(SELECT_HEAD).fetchall()
        if self.left not in (None, row):
            raise OvertakenError
        return row  # type: ignore[no-any-return]

    def fatal(self, error: Exception) -> bool:
        """Say whether an error is about the database, and not about one statement."""
        code = getattr(error, "sqlite_errorcode", None)
        return (code if code is None else code & 0xFF) not in ONE_STATEMENT

    def doubtful(self, error: Exception) -> bool:  # noqa: ARG002 - the contract's
        """Return False: what this process reads next decides, and it reads nothing of it."""
        return False

    async def probe(self) -> None:
        """Commit a page that changes nothing; raises what a request would meet."""
        try:
            self.begin_patiently()
            self._begun = False
            await self.head()
            await self.run(RAISE_HEAD, (1,))
            await self.run(RAISE_HEAD, (-1,))
            await self.commit()
        except BaseException:
            await self.rollback()
            raise


class SqliteDatabase:
    """An open SQLite database; made by `open_sqlite`."""

    kind = "sqlite"

    def __init__(self, path: Path, lock: int, loop: asyncio.AbstractEventLoop) -> None:
        self.path = path
        self._lock = lock
        self._loop = loop
        self._read = connect(path)
        self._read.execute(READ_ONLY)
        self._write = connect(path)
        self._write.execute("PRAGMA wal_autocheckpoint = 0")  # the checkpointer's work
        self._carry = connect(path)
        self._connection = SqliteConnection(self._write)
        self._kept = self._connection.kept
        self._queue: list[Request] = []
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._quiet = Quiet(self._write_queued)
        self._idle = asyncio.Event()  # nothing is queued, and nothing under way
        self._idle.set()
        self._written = threading.Event()
        self._pause = threading.Event()
        self._closing = False
        self._snapshot = False
        self._failed: str | None = None
        self._probing: asyncio.TimerHandle | None = None
        self._listeners: list[Listener] = []
        self._thread = threading.Thread(target=self._work, name="committer", daemon=True)
        self._checkpointer = threading.Thread(
            target=self._checkpoint_loop, name="checkpointer", daemon=True
        )
        self._thread.start()
        self._checkpointer.start()

    async def rows(self, sql: str, values: Values) -> list[tuple[Any, ...]]:
        """Run a SELECT on the loop's thread: quicker than any hop to another.

        All reads of one turn of the loop share a snapshot, which spares each its locks. It ends
        before any answer leaves, so whoever was answered reads what was committed.
        """
        if not isinstance(sql, KeptQuery) or not sql.kept:
            return self._select(sql, values)
        at = (sql.of, tuple(values))
        found = self._kept.find(at)
        if found is None:
            found = self._select(sql, values)
            self._kept.hold(at, found, sql.table)
        return found

    def _select(self, sql: str, values: Values) -> list[tuple[Any, ...]]:
        if not self._snapshot:
            self._read.execute("BEGIN")
            self._snapshot = True
            self._loop.call_soon(self._end_snapshot)
        try:
            return self._read.execute(sql, values).fetchall()  # type: ignore[no-any-return]
        except sqlite.Error as error:
            if self._connection.fatal(error):
                raise unavailable(error) from error
            return _escaped(self._read, sql, values, error)

    def _end_snapshot(self) -> None:
        if self._snapshot:
            self._snapshot = False
            self._read.execute("COMMIT")

    def submit(self, request: Request) -> None:
        """Queue a request for the next commit."""
        if self._closing:
            request.outcome = Outcome(NO_ENTRY, 0, UnavailableError("the server stops"))
            self._loop.call_soon(self._answer, None, [request])
            return
        if request.first:
            self._queue.insert(0, request)
        else:
            self._queue.append(request)
        self._go_on_soon()

    def _go_on_soon(self) -> None:
        if self._idle.is_set():
            self._idle.clear()
            # After what else is ready in this turn of the loop: one commit for all of it.
            self._loop.call_soon(self._next)

    @asynccontextmanager
    async def quiet(self) -> AsyncIterator[None]:
        """Be in a pause between commits: see `storage.quiet`."""
        self._go_on_soon()
        async with self._quiet.entered():
            yield

    @property
    def commits(self) -> int:
        """How many commits are known to be done."""
        return self._connection.recent.commits

    def follow(self, listener: Listener) -> None:
        """Call `listener` after each commit."""
        self._listeners.append(listener)

    def trouble(self) -> str | None:
        """Say why commits fail, or will soon."""
        try:
            disk = os.statvfs(self.path.parent)
        except OSError as error:
            return f"the data directory cannot be read: {error.strerror}"
        free = disk.f_bavail * disk.f_frsize
        if free < RESERVE:
            short = f"{free // MIB} MiB free, {RESERVE // MIB} are kept back"
            return f"the disk is nearly full: {short}"
        return self._failed

    async def close(self) -> None:
        """Commit what is queued, empty the WAL, and let go of the file."""
        again, self._closing = self._closing, True
        await self._idle.wait()
        if again:
            return
        if self._probing is not None:
            self._probing.cancel()
        self._jobs.put(None)
        self._pause.set()
        self._written.set()
        await asyncio.to_thread(self._checkpointer.join)
        await asyncio.to_thread(self._thread.join)
        self._end_snapshot()
        self._read.close()
        os.close(self._lock)

    # -- committing, on the loop's thread

    def _next(self) -> None:
        """Let in who waits for a pause, or go on with what is queued."""
        if not self._quiet.begin():
            self._write_queued()

    def _write_queued(self) -> None:
        """Write what is queued into a transaction, and have it committed."""
        batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
        if batch:
            self._write_batch(in_order(batch))
        else:
            self._idle.set()

    def _write_batch(self, batch: list[Request]) -> None:
        try:
            done = immediate(apply_batch(self._connection, batch))
        except Exception as error:  # noqa: BLE001 - each request is told; none is acknowledged
            if getattr(error, "sqlite_errorcode", None) == BUSY:
                waiting = partial(self._begun, batch)
                self._jobs.put((self._connection.begin_patiently, waiting))
            else:
                self._lost(batch, error)
        else:
            self._jobs.put((self._commit, partial(self._committed, batch, done)))

    def _begun(self, batch: list[Request], error: Exception | None) -> None:
        if error is None:
            self._write_batch(batch)
        else:
            self._lost(batch, error)

    def _committed(self, batch: list[Request], done: Committed, error: Exception | None) -> None:
        if error is not None:
            immediate(self._connection.rollback())
            self._lost(batch, error)
            return
        self._connection.changes.add(done.topics)
        self._connection.recent.done()
        self._connection.left = (done.first + len(done.digests), done.generation)
        for request in batch:
            if request.writes and request.outcome.problem is None:
                self._kept.replace(request.writes, request.outcome.index)
        self._failed = None
        self._answer(done, batch)
        self._next()

    def _lost(self, batch: list[Request], error: Exception) -> None:
        self._kept.forget()
        failure = self._fail(error)
        for request in batch:
            request.outcome = Outcome(NO_ENTRY, 0, failure)
        self._answer(None, batch)
        self._next()

    def _fail(self, error: Exception) -> Exception:
        """Remember why commits fail, and try again in a while; return what a request is told."""
        known = isinstance(error, (sqlite.Error, OvertakenError))
        failure = unavailable(error) if known else error
        self._failed = str(failure) if known else f"a defect: {type(error).__name__}"
        if self._probing is None:
            self._probing = self._loop.call_later(PROBE_SECONDS, self._probe)
        return failure

    def _probe(self) -> None:
        self._probing = None
        if not self._idle.is_set() or self._closing:  # the commits under way will tell
            return
        self._idle.clear()
        self._jobs.put((lambda: immediate(self._connection.probe()), self._probed))

    def _probed(self, error: Exception | None) -> None:
        if error is None:
            self._failed = None
        else:
            self._fail(error)
        self._next()

    def _answer(self, done: Committed | None, batch: list[Request]) -> None:
        self._end_snapshot()
        deliver(self._loop, done, self._listeners, batch)

    # -- the committer's thread

    def _work(self) -> None:
        """Do what may wait for the disk, one thing at a time, and tell the loop of each."""
        while (job := self._jobs.get()) is not None:
            act, then = job
            error: Exception | None = None
            try:
                act()
            except Exception as raised:  # noqa: BLE001 - whoever waits is told
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                self._loop.call_soon_threadsafe(then, error)
        with contextlib.suppress(sqlite.Error):
            self._write.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._write.close()

    def _commit(self) -> None:
        immediate(self._connection.commit())
        self._written.set()

    # -- the checkpointer's thread

    def _checkpoint_loop(self) -> None:
        """Carry the WAL into the file beside the commits, so that none of them waits for it."""
        while not self._closing:
            self._written.wait()
            self._written.clear()
            with contextlib.suppress(sqlite.Error):  # the writer meets what ails it, and says so
                self._carry.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if not self._closing:
                self._pause.wait(CHECKPOINT_SECONDS)
        self._carry.close()


def take_lock(path: Path) -> int:
    """Hold `<path>.lock` for this process; InUseError if another one does."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise InUseError(f"another strongroom server has {path} open") from None
    return descriptor


def open_sqlite(path: Path, migrate: Callable[[Path], None]) -> SqliteDatabase:
    """Open the file alone, bring its schema up to date, and start its writer.

    Raises InUseError when another process has it, UnsafeDatabaseError for a bad SQLite, file or
    file system, UnavailableError when it cannot be read or written now.
    """
    refuse_unsafe_version(sqlite.sqlite_version_info)
    try:
        path = path.resolve()  # else a symbolic link would have a lock of its own
        _make_folder(path.parent)
        lock = take_lock(path)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        _make_file(path)
        migrate(path)
        return SqliteDatabase(path, lock, asyncio.get_running_loop())
    except BaseException as error:
        os.close(lock)
        if getattr(error, "sqlite_errorcode", None) in DAMAGED:
            raise UnsafeDatabaseError(f"{path} is no sound database: {error}") from error
        if isinstance(error, (OSError, sqlite.Error)):
            raise UnavailableError(f"{path} cannot be opened: {error}") from error
        raise


def _make_folder(folder: Path) -> None:
    """Make the folder, for this user alone, so that it is still there after a power cut."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        _sync(each.parent)


def _make_file(path: Path) -> None:
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _sync(path.parent)
    if path.stat().st_nlink > 1:  # its WAL would be under one of its names only
        raise UnsafeDatabaseError(f"{path} has another name (a hard link)")


def _sync(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return  # one that we may pass but not read: its owner's business
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
