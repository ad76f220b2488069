"""Rows in memory, and checks that ask no database: what is accepted fits the log's order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pysqlite3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.storage import codec, commit, sqlite
from strongroom.storage.barrier import TamperedError
from strongroom.storage.commit import Outcome, Problem, Recent, names_in
from strongroom.storage.kept import AROUND, LARGEST, Kept
from strongroom.storage.opening import open_database
from strongroom.storage.records import CELLS, Cell
from strongroom.storage.register import Register, Scalar
from strongroom.storage.sqlite import SqliteDatabase
from strongroom.storage.store import MountStore
from strongroom.storage.transaction import RowKey, Transaction, Write
from tests.storage.requests import MOUNT, Desk, fresh_barrier

KEYS = "ab"
LISTED = Register(  # the same table, of which lists are kept as well
    "cell", Cell, key=("mount", "key"), sealed=("value",), kept=True, kept_by=("mount",)
)
GONE = "DELETE FROM cell WHERE mount = ? AND key = ?"


def at(key: str) -> RowKey:
    return ("cell", (MOUNT, key))


def row(key: str, value: bytes = b"", entry: int = 0) -> tuple[Scalar, ...]:
    return (MOUNT, key, value, None, entry)


def putting(key: str, value: bytes) -> Write:
    return Write(CELLS.upsert, row(key, value)[:-1], stamped=True, row=at(key))


def deleting(key: str) -> Write:
    return Write(CELLS.remove, (MOUNT, key), stamped=False, row=at(key))


class TestTheRows:
    def test_are_what_the_database_returned(self) -> None:
        kept = Kept()
        kept.hold(at("a"), [row("a")], "cell")
        kept.hold(at("b"), [], "cell")

        assert kept.find(at("a")) == [row("a")]
        assert kept.find(at("b")) == []
        assert kept.find(at("c")) is None

    def test_become_what_is_committed_and_no_others_come(self) -> None:
        kept = Kept()
        for key in "ab":
            kept.hold(at(key), [row(key)], "cell")

        kept.replace([deleting("a"), putting("b", b"new"), putting("c", b"unread")], 7)

        assert [kept.find(at(key)) for key in "abc"] == [[], [row("b", b"new", 7)], None]

    @pytest.mark.parametrize(
        ("statement", "stay"), [("DELETE FROM cell WHERE key = ?", False), ("DELETE FROM x", True)]
    )
    def test_go_where_nobody_knows_which_are_changed(self, statement: str, stay: bool) -> None:
        kept = Kept()
        kept.hold(at("a"), [row("a")], "cell")

        kept.replace([Write(statement, (), stamped=False)], 7)

        assert (kept.find(at("a")) is not None) is stay
        assert (kept.size > 0) is stay

    def test_lists_go_with_any_row_of_their_table(self) -> None:
        kept = Kept()
        lists = {table: (f"{table} by mount", (MOUNT,)) for table in ("cell", "alias")}
        for table, each in lists.items():
            kept.hold(each, [row("a"), row("b")], table)

        kept.replace([putting("c", b"")], 7)

        assert kept.find(lists["cell"]) is None
        assert kept.find(lists["alias"]) == [row("a"), row("b")]

    def test_lists_make_room_as_rows_do(self) -> None:
        kept = Kept(most=2 * AROUND)
        for key in "abc":
            kept.hold(("cell by key", (key,)), [], "cell")

        kept.replace([putting("c", b"")], 7)

        assert kept.size == 0

    def test_that_were_not_read_for_longest_make_room(self) -> None:
        kept = Kept(most=3 * (AROUND + 2 * len(MOUNT + "a")))
        for key in "abc":
            kept.hold(at(key), [row(key)], "cell")
        kept.find(at("a"))

        kept.hold(at("d"), [row("d")], "cell")

        assert [key for key in "abcd" if kept.find(at(key))] == ["a", "c", "d"]

    def test_that_are_large_are_not_kept(self) -> None:
        kept = Kept()
        kept.hold(at("a"), [row("a")], "cell")

        kept.replace([putting("a", b"x" * LARGEST)], 7)

        assert kept.find(at("a")) is None
        assert kept.size == 0

    @given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=900))))
    def test_never_take_more_than_their_room(self, held: list[tuple[str, bytes]]) -> None:
        kept = Kept(most=2000)

        for key, value in held:
            kept.hold(at(key), [row(key, value)] if value else [], "cell")

        assert kept.size <= 2000
        for key in "abcdef":
            kept.replace([Write(f"DELETE FROM {key}", (), stamped=False)], 0)
        kept.replace([Write("DELETE FROM cell", (), stamped=False)], 0)
        assert kept.size == 0


class TestWhatTheCommitterKnows:
    def test_a_statement_without_a_row_counts_for_its_whole_table(self) -> None:
        recent = Recent()
        recent.done()
        recent.note([Write("UPDATE lease SET entry = ?", (1,), stamped=False)])

        assert not recent.untouched(("lease", ("a",)), 1)
        assert recent.untouched(at("a"), 1)
        recent.done()
        assert recent.untouched(("lease", ("a",)), 2)

    def test_a_table_is_as_it_was_until_one_of_its_rows_is_written(self) -> None:
        recent = Recent()
        recent.note([putting("a", b"")])

        assert not recent.still("cell", 0)
        assert recent.still("alias", 0)
        recent.done()
        assert recent.still("cell", 1)

    def test_no_table_is_as_it_was_once_somebody_else_has_written(self) -> None:
        recent = Recent()
        recent.forget()

        assert not recent.still("alias", 0)
        assert recent.still("alias", 1)

    def test_nothing_is_known_of_what_nobody_says_when_it_was_read(self) -> None:
        assert not Recent().untouched(at("a"), -1)
        assert not Recent().still("cell", -1)

    def test_nothing_is_known_of_a_list_of_which_nobody_says_what_it_is_of(self) -> None:
        assert not Recent().still("", 0)

    @pytest.mark.parametrize("statement", [CELLS.upsert, CELLS.remove, "delete from CELL"])
    def test_the_table_is_among_the_names_in_a_statement(self, statement: str) -> None:
        assert "cell" in names_in(statement)


# -- against the log's order

keys = st.sampled_from(KEYS)
who = st.integers(0, 1)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("read"), who, keys),
        st.tuples(st.just("look"), who),
        st.tuples(st.just("put"), who, keys),
        st.tuples(st.just("delete"), who, keys),
        st.tuples(st.just("spoil"), who),
        st.tuples(st.just("submit"), who),
        st.tuples(st.just("settle")),
        st.tuples(st.just("purge")),
        st.tuples(st.just("foreign"), keys),
    ),
    min_size=8,
    max_size=50,
)


@dataclass
class Asked:
    """A transaction, what it has read, and what it leaves. `swept`: the mount was purged since."""

    transaction: Transaction
    reads: dict[str, int | None] = field(default_factory=dict)
    writes: dict[str, int | None] = field(default_factory=dict)
    listed: dict[str, int] | None = None
    swept: bool = False
    judged_alone: bool = False

    @property
    def is_checked(self) -> bool:
        return bool(self.writes) or len(self.reads) > 1

    def fits(self, held: dict[str, int]) -> bool:
        """Say whether it has read what is held; a list counts where anything is written."""
        points = all(held.get(key) == value for key, value in self.reads.items())
        return points and (not self.writes or self.listed in (None, held))


@dataclass
class Play:
    """Moves on one mount, and what it must hold if requests took effect in the log's order."""

    desk: Desk
    mount: str
    path: str
    held: dict[str, int] = field(default_factory=dict)
    open: dict[int, Asked] = field(default_factory=dict)
    waiting: list[tuple[Asked, asyncio.Future[Outcome]]] = field(default_factory=list)
    number: int = 0

    def store(self, asked: Asked) -> MountStore:
        return MountStore(asked.transaction, self.mount)

    def asked(self, who: int) -> Asked:
        return self.open.setdefault(who, Asked(self.desk.transaction()))

    async def move(self, what: str, *given: Any) -> None:
        await getattr(self, what)(*given)

    async def read(self, who: int, key: str) -> None:
        asked = self.asked(who)
        if key not in asked.reads and key not in asked.writes:
            found = await self.store(asked).find(key, int)
            asked.reads[key] = None if found is None else found.value

    async def look(self, who: int) -> None:
        asked = self.asked(who)
        if asked.listed is None and not asked.writes:
            asked.listed = await self.listed(asked.transaction)

    async def listed(self, tx: Transaction) -> dict[str, int]:
        rows = await tx.all(LISTED, mount=self.mount)
        return {row.key: codec.decode(row.value, int) for row in rows}

    async def put(self, who: int, key: str) -> None:
        self.number += 1
        asked = self.asked(who)
        asked.writes[key] = self.number
        await self.store(asked).put(key, self.number)

    async def delete(self, who: int, key: str) -> None:
        asked = self.asked(who)
        asked.writes[key] = None
        await self.store(asked).delete(key)

    async def spoil(self, who: int) -> None:
        self.asked(who).transaction.run("DELETE FROM cell", ())
        self.asked(who).transaction.run("DELETE FROM no_such_table", ())

    async def submit(self, who: int) -> None:
        asked = self.open.pop(who, None)
        if asked is not None:
            self.waiting.append((asked, self.desk.submit(asked.transaction)))

    async def settle(self) -> None:
        outcomes = [(await answer, asked) for asked, answer in self.waiting]
        alone = len(outcomes) == 1
        self.waiting.clear()
        for outcome, asked in sorted(outcomes, key=lambda each: each[0].index):
            fits = asked.fits(self.held)
            if outcome.problem is None:
                assert fits or (asked.swept and not asked.is_checked)
                for key, value in asked.writes.items():
                    if value is None:
                        self.held.pop(key, None)
                    else:
                        self.held[key] = value
            elif outcome.problem is Problem.CONFLICT:
                assert not (alone and fits and asked.is_checked) or asked.judged_alone
            else:
                assert "no_such_table" in str(outcome.problem)
        found = self.desk.transaction()
        for key in KEYS:
            held = await MountStore(found, self.mount).find(key, int)
            assert (None if held is None else held.value) == self.held.get(key)
        assert await self.listed(found) == self.held

    async def purge(self) -> None:
        await self.settle()
        tx = self.desk.transaction()
        tx.purge(CELLS, mount=self.mount)
        assert (await self.desk.commit(tx)).problem is None
        self.held.clear()
        for asked in self.open.values():
            asked.swept = True

    async def foreign(self, key: str) -> None:
        """Somebody else deletes a row; who has read anything may be asked to do so again."""
        await self.settle()
        other = pysqlite3.connect(self.path, isolation_level=None)
        changed = other.execute(GONE, (self.mount, key)).rowcount
        other.close()
        self.held.pop(key, None)
        for asked in self.open.values():
            asked.judged_alone = asked.judged_alone or bool(changed)
        await self.desk.commit(None)  # the writer looks; what is read from here on is so


async def play(path: str, mount: str, made: list[Any], most: int) -> None:
    database = await open_database(f"sqlite://{path}")
    try:
        assert isinstance(database, SqliteDatabase)
        database._kept._most = most
        game = Play(Desk(database, fresh_barrier()), mount, path)
        for move in made:
            await game.move(*move)
        for each in range(2):
            await game.submit(each)
        await game.settle()
    finally:
        await database.close()


@pytest.fixture(scope="module")
def path() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        yield str(Path(folder) / "strongroom.db")


numbers = iter(range(10**9))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(made=moves, remembered=st.sampled_from([1, 4096]), most=st.sampled_from([1200, 10**6]))
def test_what_is_accepted_has_read_what_the_log_says(
    path: str, made: list[Any], remembered: int, most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commit, "REMEMBERED", remembered)

        asyncio.run(play(path, f"m{next(numbers)}", made, most))


# -- against somebody else


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "strongroom.db"


async def test_a_row_that_was_changed_on_the_disk_is_not_given_out_of_memory(file: Path) -> None:
    database = await open_database(f"sqlite://{file}")
    desk = Desk(database, fresh_barrier())
    await desk.keep(a=1, b=1)
    for key in "ab":
        assert await desk.find(key) == 1
    other = pysqlite3.connect(str(file), isolation_level=None)
    other.execute("UPDATE cell SET value = zeroblob(60) WHERE key = 'a'")  # its entry stays
    other.close()

    lone, several = desk.transaction(), desk.transaction()
    for key in "ab":
        await desk.store(several).fetch(key, int)
    await desk.store(lone).fetch("a", int)
    outcomes = await asyncio.gather(desk.submit(lone), desk.submit(several))

    assert [o.problem for o in outcomes] == [Problem.CONFLICT] * 2
    with pytest.raises(TamperedError):
        await desk.find("a")
    assert await desk.find("b") == 1
    await database.close()


async def test_a_list_is_asked_for_again_only_where_its_table_was_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await open_database(f"sqlite://{file}")
    desk = Desk(database, fresh_barrier())
    await desk.keep(a=1)
    asked: list[str] = []
    rows = sqlite.SqliteConnection.rows

    async def noting(self: sqlite.SqliteConnection, sql: str, values: Any) -> Any:
        asked.append(sql)
        return await rows(self, sql, values)

    monkeypatch.setattr(sqlite.SqliteConnection, "rows", noting)
    problems = []
    for written in (False, True):
        tx = desk.transaction()
        await tx.all(CELLS, mount=MOUNT)
        tx.delete(CELLS, MOUNT, "c")
        if written:
            await desk.keep(b=1)
        problems.append((await desk.commit(tx)).problem)

    assert problems == [None, Problem.CONFLICT]
    assert len(asked) == 1
    await database.close()


async def test_who_has_read_before_a_sweep_is_served_again(file: Path) -> None:
    database = await open_database(f"sqlite://{file}")
    desk = Desk(database, fresh_barrier())
    await desk.keep(a=1)
    early, sweeping = desk.transaction(), desk.transaction()
    assert await desk.store(early).fetch("a", int) == 1
    await desk.store(early).put("b", 1)
    sweeping.purge(CELLS, mount=MOUNT)

    answers = [desk.submit(sweeping), desk.submit(early)]
    outcomes = await asyncio.gather(*answers)

    assert [o.problem for o in outcomes] == [None, Problem.CONFLICT]
    assert await desk.find("a") is None
    await database.close()


async def test_our_own_checkpoints_and_commits_are_nobody_elses(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_SECONDS", 0.001)
    forgotten: list[Recent] = []
    monkeypatch.setattr(Recent, "forget", forgotten.append)
    database = await open_database(f"sqlite://{file}")
    desk = Desk(database, fresh_barrier())

    for number in range(200):
        await desk.keep(**{f"k{number % 7}": "x" * 9000})

    await database.close()
    assert forgotten == []


async def test_a_commit_that_fails_leaves_nothing_in_memory(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await open_database(f"sqlite://{file}")
    desk = Desk(database, fresh_barrier())
    await desk.keep(a=1)
    assert await desk.find("a") == 1

    async def refuse(_: object) -> None:
        raise pysqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite.SqliteConnection, "commit", refuse)
        assert (await desk.keep(a=2)).problem is not None

    assert await desk.find("a") == 1
    await database.close()
