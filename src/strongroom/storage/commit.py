"""Group commit: whatever waits goes into one commit, and what fails of it spoils one request alone.

No timer: the batch is what queued up while the last commit was under way. The head row holds
the next index of the log and the generation of what authorization depends on. The commit is the
fence: a request that was authorized under an older generation is sent back, not committed,
unless all that has changed since is other people's tokens and entities.

Statements hardly ever fail, once what a request has read is known to be as it was. So none is
guarded at first; where one fails with another of its request behind it, the batch is undone and
made again with a savepoint for each request.

Order   begin → read the head (locked) → for each: fence, checks, writes → entries → head →
        commit (synced) → answers. A crash before the commit returns leaves none of the batch;
        after it all of it, whether or not the answers left.
Trust   Whoever can write to the database behind our back can roll state back, all of it or a row;
        the log goes back with all of it, which shows once it is witnessed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any, Protocol

from strongroom.storage.transaction import Check, RowKey, Stamp, Values, Write

MAX_LEAF = 16 * 1024
NO_ENTRY = -1
REMEMBERED = 4096  # changes that the fence can tell apart; older ones concern everybody
OWN = ("token:", "entity:")
INSERT_ENTRY = "INSERT INTO entry (idx, leaf) VALUES (?, ?)"
SELECT_HEAD = "SELECT next, generation FROM head WHERE id = 1"
UPDATE_HEAD = "UPDATE head SET next = ?, generation = ? WHERE id = 1"


class Problem(Enum):
    """Why a request was not committed though the database works."""

    STALE = "authorized under an older generation"
    CONFLICT = "a row that was read has changed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request. `index` is its entry's, -1 if it had none or failed."""

    index: int
    generation: int
    problem: Problem | Exception | None = None


class Changes:
    """The latest changes of what authorization depends on: what the fence looks at.

    A topic is `token:…` or `entity:…`, which concern whoever is that one, or anything else,
    which concerns everybody.
    """

    def __init__(self) -> None:
        self._latest: deque[tuple[int, str]] = deque(maxlen=REMEMBERED)
        self._known_from: int | None = None  # every change after this generation is remembered

    def start(self, generation: int) -> None:
        """Know of everything from here on, if nothing is known yet."""
        if self._known_from is None:
            self._known_from = generation

    def add(self, topics: Sequence[tuple[int, str]]) -> None:
        """Remember committed changes."""
        for each in topics:
            if len(self._latest) == REMEMBERED:
                self._known_from = self._latest[0][0]
            self._latest.append(each)

    def forget(self, generation: int) -> None:
        """Know nothing of what led up to a generation."""
        self._latest.clear()
        self._known_from = generation

    def concern(self, request: Request, fresh: Sequence[tuple[int, str]]) -> bool:
        """Say whether a change since a request was authorized may change its answer."""
        since = request.generation
        if since is None:
            return False
        if self._known_from is None or since < self._known_from:
            return True
        for latest in (reversed(fresh), reversed(self._latest)):
            for generation, topic in latest:
                if generation <= since:
                    return False
                if topic in request.about or not topic.startswith(OWN):
                    return True
        return False


@lru_cache(maxsize=256)
def names_in(sql: str) -> frozenset[str]:
    """Return every name in a statement, and words besides. What it changes is among them."""
    return frozenset(re.findall(r"\w+", sql.lower()))


class Recent:
    """What was written lately, by the number of the commit: rows, and tables as a whole.

    The entry of a read must not stand behind that of a write which it has not seen. Asking the
    database again for each read would cost as much as the read; whoever commits knows already.
    """

    def __init__(self) -> None:
        self.commits = 0  # whose outcome is known
        self._written: dict[RowKey, int] = {}
        self._swept: dict[str, int] = {}  # tables in which nobody knows which rows were written
        self._tables: dict[str, int] = {}  # those of the rows that were written
        self._floor = 0  # what was written up to this commit is forgotten
        self._foreign = 0  # the first commit that knows of what somebody else has written

    def note(self, writes: Sequence[Write]) -> None:
        """Remember what the commit under way writes."""
        for write in writes:
            if write.row is not None:
                self._written[write.row] = self._tables[write.row[0]] = self.commits + 1
            else:
                self._swept |= dict.fromkeys(names_in(write.sql), self.commits + 1)

    def done(self) -> None:
        """Count the commit under way."""
        self.commits += 1
        if len(self._written) > REMEMBERED:
            self._written.clear()
            self._floor = self.commits

    def overtaken(self, key: RowKey, seen: int) -> bool:
        """Say whether a row may have been put or deleted since `seen` commits were known."""
        return seen < self._floor or self._written.get(key, 0) > seen

    def untouched(self, key: RowKey, seen: int) -> bool:
        """Say whether a row is surely as it was when `seen` commits were known.

        So it is if nobody but us has written, or `forget` was told of it.
        """
        return not self.overtaken(key, seen) and self._swept.get(key[0], 0) <= seen

    def still(self, table: str, seen: int) -> bool:
        """Say whether a whole table is surely as it was then; of no name nobody knows."""
        if not table or seen < self._foreign:
            return False
        return max(self._tables.get(table, 0), self._swept.get(table, 0)) <= seen

    def forget(self) -> None:
        """Know nothing of what was read before: somebody else has written."""
        self._written.clear()
        self._floor = self._foreign = self.commits + 1

    def foreign_since(self, seen: int) -> bool:
        """Say whether somebody else has written since `seen` commits were known."""
        return 0 <= seen < self._foreign


@dataclass(slots=True)
class Request:
    """What one request wants committed. `generation` None means: needs no fence."""

    done: Callable[[Outcome], None]
    leaf: bytes | None = None
    digest: bytes = b""
    generation: int | None = None
    checks: Sequence[Check] = ()
    writes: Sequence[Write] = ()
    topics: Sequence[str] = ()
    about: frozenset[str] = frozenset()  # the `token:…` and `entity:…` topics that concern it
    read: RowKey | None = None  # the one row that was read, where nothing is checked otherwise
    first: bool = False  # comes before others that wait: it was served in a pause
    seen: int = -1  # how many commits were known before anything was read; -1: nobody says
    outcome: Outcome = field(default=Outcome(NO_ENTRY, 0), init=False)


class Connection(Protocol):
    """One database connection in a transaction. On SQLite each of these returns at once."""

    changes: Changes
    recent: Recent
    undoes_statements: bool  # one that fails leaves nothing behind, and the transaction intact
    knows_of_others: bool  # `begin` tells `recent` if somebody else has written

    async def begin(self) -> None:
        """Begin a transaction."""
        ...

    async def commit(self) -> None:
        """Commit; what was written is on the disk when this returns."""
        ...

    async def rollback(self) -> None:
        """Undo the transaction, if there is one. Never raises."""
        ...

    async def rows(self, sql: str, values: Values) -> list[tuple[Any, ...]]:
        """Run a SELECT."""
        ...

    async def run(self, sql: str, values: Values) -> None:
        """Run a statement that returns nothing."""
        ...

    async def run_many(self, sql: str, values: Sequence[Values]) -> None:
        """Run one statement for each of the values."""
        ...

    async def head(self) -> tuple[int, int]:
        """Lock the head, and return the log's next index and the generation."""
        ...

    def fatal(self, error: Exception) -> bool:
        """Say whether the whole transaction is lost (disk full, connection gone)."""
        ...

    def doubtful(self, error: Exception) -> bool:
        """Say whether a COMMIT that raised this may have been carried out all the same."""
        ...


@dataclass(slots=True)
class Committed:
    """What a commit added: for whoever follows the log in memory."""

    first: int
    digests: list[bytes]
    generation: int
    topics: list[tuple[int, str]]
    foreign: bool = False  # somebody else has written before it, nobody knows what


class SpoiltError(Exception):
    """A statement failed, and what went before it of its request cannot be undone alone."""

    def __init__(self, spoilt: Exception) -> None:
        super().__init__("a statement failed")
        self.spoilt = spoilt


class InDoubtError(Exception):
    """COMMIT was sent and never answered. `committed` is what it was to add."""

    def __init__(self, committed: Committed) -> None:
        super().__init__("the commit was not answered")
        self.committed = committed


def in_order(batch: Sequence[Request]) -> list[Request]:
    """Return reads first: they have seen nothing of what this batch writes, nor do they say so."""
    return sorted(batch, key=lambda request: bool(request.writes or request.topics))


async def commit_batch(db: Connection, batch: Sequence[Request]) -> Committed:
    """Commit what can be, and set each request's `outcome`.

    Raises if nothing was committed; InDoubtError if nobody knows.
    """
    done = await apply_batch(db, batch)
    try:
        await db.commit()
    except Exception as error:
        if db.doubtful(error):
            db.changes.forget(done.generation)
            raise InDoubtError(done) from error
        await db.rollback()
        raise
    db.changes.add(done.topics)
    db.recent.done()
    return done


async def apply_batch(db: Connection, batch: Sequence[Request]) -> Committed:
    """Do all of a commit but the commit itself; whoever calls does that, or a rollback.

    Raises, with nothing left under way, where the whole batch failed.
    """
    try:
        await db.begin()
        try:
            return await _apply(db, batch, guarded=False)
        except SpoiltError:
            await db.rollback()
        await db.begin()
        return await _apply(db, batch, guarded=True)
    except BaseException:
        await db.rollback()
        raise


async def _apply(db: Connection, batch: Sequence[Request], *, guarded: bool) -> Committed:
    first, generation = await db.head()
    found = generation
    db.changes.start(found)
    entries: list[tuple[int, bytes]] = []
    foreign = db.knows_of_others and db.recent.foreign_since(db.recent.commits)
    committed = Committed(first, [], generation, [], foreign)
    for request in batch:
        overtaken = request.generation not in (None, generation)
        ahead = overtaken and (request.generation or 0) > generation  # of a state rolled back
        if ahead or (overtaken and db.changes.concern(request, committed.topics)):
            request.outcome = Outcome(NO_ENTRY, generation, Problem.STALE)
            continue
        problem = await _take(db, request, first + len(entries), guarded=guarded)
        if problem is not None:
            request.outcome = Outcome(NO_ENTRY, generation, problem)
            continue
        index = NO_ENTRY
        if request.leaf is not None:
            index = first + len(entries)
            entries.append((index, request.leaf))
            committed.digests.append(request.digest)
        for topic in request.topics:
            generation += 1
            committed.topics.append((generation, topic))
        request.outcome = Outcome(index, generation)
    if entries:
        await db.run_many(INSERT_ENTRY, entries)
    if entries or generation != found:
        await db.run(UPDATE_HEAD, (first + len(entries), generation))
    committed.generation = generation
    return committed


async def _take(
    db: Connection, request: Request, index: int, *, guarded: bool
) -> Problem | Exception | None:
    """Check one request and apply its writes; say why not, with nothing of it applied."""
    if request.leaf is not None and len(request.leaf) > MAX_LEAF:
        return ValueError(f"an entry of {len(request.leaf)} bytes")
    if request.read is not None and db.recent.overtaken(request.read, request.seen):
        return Problem.CONFLICT
    if not (request.checks or request.writes):
        return None  # most reads
    if request.leaf is None:
        index = NO_ENTRY
    if not guarded:
        return await _write(db, request, index)
    await db.run("SAVEPOINT request", ())
    try:
        problem = await _write(db, request, index)
    except SpoiltError as error:
        problem = error.spoilt
    if problem is not None:
        await db.run("ROLLBACK TO SAVEPOINT request", ())
    await db.run("RELEASE SAVEPOINT request", ())
    return problem


async def _write(db: Connection, request: Request, index: int) -> Problem | Exception | None:
    """Raises SpoiltError where something of the request may be left."""
    sound = db.undoes_statements
    try:
        problem = await _check(db, request)
        if problem is not None:
            return problem
        db.recent.note(request.writes)
        for write in request.writes:
            await db.run(write.sql, _stamped(write, index))
            sound = False
    except Exception as error:
        if db.fatal(error):
            raise
        if sound:
            return error
        raise SpoiltError(error) from error
    return None


async def _check(db: Connection, request: Request) -> Problem | None:
    """Ask the database only where the committer does not know already."""
    known, since = db.recent if db.knows_of_others else None, request.seen
    if request.checks and known is not None and known.foreign_since(since):
        return Problem.CONFLICT
    for check in request.checks:
        if known is not None and (
            known.untouched(check.row, since)
            if check.row is not None
            else known.still(check.table, since)
        ):
            continue
        seen = await db.rows(check.sql, check.values)
        if check.row is None:
            if seen != check.seen:
                return Problem.CONFLICT
        elif (seen[0][0] if seen else None) != check.seen:
            return Problem.CONFLICT
    return None


def _stamped(write: Write, index: int) -> Values:
    if write.stamped and Stamp.ENTRY not in write.values:
        return [*write.values, index]  # type: ignore[list-item]  # no stamp among them
    return [index if value is Stamp.ENTRY else value for value in write.values]
