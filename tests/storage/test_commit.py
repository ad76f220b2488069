"""Group commit on both databases: the fence, savepoints, order, contiguity, the append-only log."""

from __future__ import annotations

import asyncio
import random

import pysqlite3
import pytest

from strongroom.base.errors import UnavailableError
from strongroom.storage import commit as module
from strongroom.storage.commit import MAX_LEAF, Committed, Problem, Request
from strongroom.storage.database import Database
from strongroom.storage.records import CLEAR_SETTINGS, ClearSetting
from tests.storage.requests import Desk

REPLACED = {
    "entry": "(idx, leaf) SELECT idx, ? FROM entry",
    "tile": "(level, n, hashes) SELECT level, n, ? FROM tile",
    "checkpoint": "(size, at, note) SELECT size, at, ? FROM checkpoint",
    "cosignature": "(size, witness, at, line) SELECT size, witness, at, ? FROM cosignature",
}
MOVED = {  # in time alone
    "checkpoint": "(size, at, note) SELECT size, at + 1, note FROM checkpoint",
    "cosignature": "(size, witness, at, line) SELECT size, witness, at + 1, line FROM cosignature",
}
UNBINDABLE = [2**70, "\ud800", object(), "nul\0and\ud800"]


async def generation(database: Database) -> int:
    [[found]] = await database.rows("SELECT generation FROM head WHERE id = 1", ())
    return int(found)


class TestTheFence:
    async def test_a_request_of_an_older_generation_is_sent_back(self, desk: Desk) -> None:
        old = await generation(desk.database)
        change = desk.transaction()
        change.changed("policy:x")
        await desk.commit(change)

        outcome = await desk.commit(None, generation=old)

        assert outcome.problem is Problem.STALE
        assert outcome.generation == old + 1
        assert await generation(desk.database) == old + 1

    async def test_a_change_in_the_same_batch_fences_those_behind_it(self, desk: Desk) -> None:
        told: list[Committed] = []
        desk.database.follow(told.append)
        now = await generation(desk.database)
        change = desk.transaction()
        change.changed("policy:x")
        change.changed("policy:y")

        write, unfenced_write = desk.transaction(), desk.transaction()
        write.put(CLEAR_SETTINGS, ClearSetting("a", "v"))
        unfenced_write.put(CLEAR_SETTINGS, ClearSetting("b", "v"))

        made = desk.submit(change, generation=now)
        behind = desk.submit(write, generation=now)
        unfenced = desk.submit(unfenced_write)
        read = desk.submit(None, generation=now)

        assert [(await o).problem for o in (made, behind, unfenced, read)] == [
            None,
            Problem.STALE,
            None,
            None,
        ]
        assert (await read).index < (await made).index  # it says that it came before
        assert (await made).generation == now + 2
        assert [topic for done in told for topic in done.topics] == [
            (now + 1, "policy:x"),
            (now + 2, "policy:y"),
        ]


class TestABatch:
    async def test_requests_are_applied_in_the_order_they_came(self, desk: Desk) -> None:
        answers = []
        for number in range(20):
            tx = desk.transaction()
            tx.put(CLEAR_SETTINGS, ClearSetting("a", str(number)))
            answers.append(desk.submit(tx, leaf=b"%d" % number))
        outcomes = await asyncio.gather(*answers)

        assert [o.index for o in outcomes] == list(range(20))
        assert await desk.entries() == [(n, b"%d" % n) for n in range(20)]
        assert await desk.transaction().get(CLEAR_SETTINGS, "a") == ClearSetting("a", "19", 19)

    async def test_a_request_sees_what_an_earlier_one_of_its_batch_wrote(self, desk: Desk) -> None:
        both = [desk.transaction(), desk.transaction()]
        for tx in both:
            assert await desk.store(tx).find("counter", int) is None
            await desk.store(tx).put("counter", 1)

        first, second = await asyncio.gather(*(desk.submit(tx) for tx in both))

        assert first.problem is None
        assert second.problem is Problem.CONFLICT

    async def test_a_read_stands_before_the_writes_of_its_batch(self, desk: Desk) -> None:
        await desk.keep(a=1)
        writer, reader = desk.transaction(), desk.transaction()
        await desk.store(writer).put("a", 2)
        assert await desk.store(reader).fetch("a", int) == 1

        written, read = await asyncio.gather(desk.submit(writer), desk.submit(reader))

        assert (read.index, written.index) == (1, 2)

    async def test_a_read_that_a_write_has_overtaken_is_made_again(self, desk: Desk) -> None:
        await desk.keep(a=1, b=1)
        late, other, nothing = (desk.transaction() for _ in range(3))
        assert await desk.store(late).fetch("a", int) == 1
        assert await desk.store(other).fetch("b", int) == 1
        assert await desk.store(nothing).find("c", int) is None
        removing = desk.transaction()
        await desk.store(removing).delete("a")
        assert (await desk.submit(removing)).problem is None

        assert (await desk.submit(late)).problem is Problem.CONFLICT
        assert (await desk.submit(other)).problem is None
        assert (await desk.submit(nothing)).problem is None

    async def test_a_list_before_a_read_makes_it_no_older(self, desk: Desk) -> None:
        await desk.keep(a=1)
        reader = desk.transaction()
        await desk.store(reader).names("")
        assert await desk.store(reader).fetch("a", int) == 1

        assert (await desk.submit(reader)).problem is None

    async def test_what_was_forgotten_counts_as_written(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "REMEMBERED", 2)
        await desk.keep(a=1)
        early = desk.transaction()
        assert await desk.store(early).fetch("a", int) == 1
        await desk.keep(b=1, c=1, d=1)
        now = desk.transaction()
        assert await desk.store(now).fetch("a", int) == 1

        assert (await desk.submit(early)).problem is Problem.CONFLICT
        assert (await desk.submit(now)).problem is None

    @pytest.mark.parametrize("poison", UNBINDABLE, ids=["number", "text", "object", "nul"])
    async def test_a_value_that_cannot_be_bound_spoils_its_request_alone(
        self, desk: Desk, poison: object
    ) -> None:
        bad = desk.transaction()
        bad.put(CLEAR_SETTINGS, ClearSetting("bad", "half"))
        bad.run("DELETE FROM clear_setting WHERE name = ?", (poison,))  # type: ignore[arg-type]
        good = desk.transaction()
        good.put(CLEAR_SETTINGS, ClearSetting("good", "v"))

        answers = [desk.submit(None), desk.submit(bad), desk.submit(good)]
        before, spoilt, after = await asyncio.gather(*answers)

        assert (before.index, spoilt.index, after.index) == (0, -1, 1)
        assert isinstance(spoilt.problem, Exception)
        assert not isinstance(spoilt.problem, UnavailableError)
        assert [row.name for row in await desk.transaction().all(CLEAR_SETTINGS)] == ["good"]
        assert desk.database.trouble() is None

    async def test_a_broken_rule_of_the_database_spoils_its_request_alone(self, desk: Desk) -> None:
        bad = desk.transaction()
        bad.run("INSERT INTO clear_setting (name, value, entry) VALUES (?, ?, ?)", ("x", "v", 0))
        bad.run("INSERT INTO clear_setting (name, value, entry) VALUES (?, ?, ?)", ("x", "v", 0))
        worse = desk.transaction()
        worse.run("INSERT INTO no_such_table (x) VALUES (?)", (1,))
        halfway = desk.transaction()
        twice = "INSERT INTO clear_setting (name, value, entry) VALUES (?, ?, ?), (?, ?, ?)"
        halfway.run(twice, ("y", "v", 0, "y", "v", 0))
        good = desk.transaction()
        good.put(CLEAR_SETTINGS, ClearSetting("good", "v"))

        answers = [desk.submit(each) for each in (bad, worse, halfway, good)]
        outcomes = await asyncio.gather(*answers)

        assert [o.index for o in outcomes] == [-1, -1, -1, 0]
        assert [row.name for row in await desk.transaction().all(CLEAR_SETTINGS)] == ["good"]

    async def test_nothing_of_a_request_that_fails_late_is_left_to_those_behind_it(
        self, desk: Desk
    ) -> None:
        await desk.keep(a=1)
        before, spoilt, after = (desk.transaction() for _ in range(3))
        assert await desk.store(before).fetch("a", int) == 1
        assert await desk.store(after).find("b", int) is None
        await desk.store(before).put("a", 2)
        spoilt.changed("policy:x")
        await desk.store(spoilt).put("b", 1)
        spoilt.run("DELETE FROM cell", ())
        spoilt.run("DELETE FROM no_such_table", ())
        await desk.store(after).put("b", 2)

        answers = [desk.submit(each) for each in (before, spoilt, after)]
        outcomes = await asyncio.gather(*answers)

        assert [o.index for o in outcomes] == [1, -1, 2]
        assert outcomes[0].generation == outcomes[2].generation
        assert isinstance(outcomes[1].problem, Exception)
        assert (await desk.find("a"), await desk.find("b")) == (2, 2)
        assert [index for index, _ in await desk.entries()] == [0, 1, 2]

    async def test_an_entry_beyond_the_limit_is_refused(self, desk: Desk) -> None:
        largest = b"x" * MAX_LEAF
        fits, too_large = desk.submit(None, leaf=largest), desk.submit(None, leaf=largest + b"x")

        assert (await fits).problem is None
        assert isinstance((await too_large).problem, ValueError)

    async def test_listeners_hear_of_a_commit_before_the_answers(self, desk: Desk) -> None:
        heard: list[object] = []
        desk.database.follow(heard.append)
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def done(outcome: object) -> None:
            heard.append(outcome)
            answer.set_result(outcome)

        desk.database.submit(Request(done=done, leaf=b"{}", digest=b"d", topics=["t"]))
        await answer

        committed, outcome = heard
        assert committed == Committed(0, [b"d"], 2, [(2, "t")])
        assert outcome == answer.result()

    async def test_an_answer_that_nobody_takes_keeps_none_from_the_others(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        desk.database.follow(lambda _: 1 // 0)  # type: ignore[arg-type, return-value]
        gone, waiting = desk.submit(None), desk.submit(None)
        gone.cancel()

        outcome = await asyncio.wait_for(waiting, 5)

        assert outcome.index == 1
        assert "ZeroDivisionError" in caplog.text

    async def test_what_is_queued_at_the_end_is_committed_and_what_comes_later_refused(
        self, desk: Desk
    ) -> None:
        queued = [desk.submit(None) for _ in range(600)]
        await desk.database.close()
        late = desk.submit(None)

        assert [o.result().index for o in queued] == list(range(600))
        assert isinstance((await late).problem, UnavailableError)
        await desk.database.close()


class TestManyAtOnce:
    @pytest.mark.parametrize("seed", range(3))
    async def test_indexes_have_no_gap_and_counters_lose_no_count(
        self, desk: Desk, seed: int
    ) -> None:
        dice = random.Random(seed)
        acknowledged: dict[int, bytes] = {}
        counted = dict.fromkeys("abc", 0)

        async def client(number: int) -> None:
            for turn in range(8):
                leaf = b"%d/%d" % (number, turn)
                kind = dice.choice(["read", "count", "spoil", "spoil halfway", "change"])
                while True:
                    tx = desk.transaction()
                    key = dice.choice("abc")
                    if kind == "count":
                        held = await desk.store(tx).find(key, int)
                        await desk.store(tx).put(key, 1 if held is None else held.value + 1)
                    elif kind.startswith("spoil"):
                        if kind == "spoil halfway":
                            tx.run("DELETE FROM cell", ())
                        tx.run("DELETE FROM cell WHERE mount = ?", (2**70,))
                    elif kind == "change":
                        tx.changed(f"policy:{number}")
                    outcome = await desk.submit(tx, leaf=leaf)
                    if outcome.problem is not Problem.CONFLICT:
                        break
                if outcome.problem is None:
                    acknowledged[outcome.index] = leaf
                    counted[key] += kind == "count"
                else:
                    assert kind.startswith("spoil")

        await asyncio.gather(*(client(number) for number in range(12)))

        assert dict(await desk.entries()) == acknowledged
        assert sorted(acknowledged) == list(range(len(acknowledged)))
        assert {key: await desk.find(key) or 0 for key in "abc"} == counted


class TestTheLogIsAppendOnly:
    """The database itself refuses, whatever a defect of ours would ask it."""

    FILL = (
        "INSERT INTO tile (level, n, hashes) VALUES (0, 0, ?)",
        "INSERT INTO checkpoint (size, at, note) VALUES (1, 0, 'x')",
        "INSERT INTO cosignature (size, witness, at, line) VALUES (1, 'w', 0, 'x')",
    )

    @pytest.mark.parametrize("table", ["entry", "tile", "checkpoint", "cosignature"])
    @pytest.mark.parametrize("verb", ["update", "delete", "truncate", "replace"])
    async def test_a_change_is_refused(self, desk: Desk, table: str, verb: str) -> None:
        tx = desk.transaction()
        for statement in self.FILL:
            tx.run(statement, (b"h",) if "?" in statement else ())
        assert (await desk.commit(tx)).problem is None
        before = await desk.database.rows(f"SELECT * FROM {table}", ())
        column = {"entry": "idx", "tile": "n"}.get(table, "size")
        statement = {
            "update": f"UPDATE {table} SET {column} = 7",
            "delete": f"DELETE FROM {table}",
            "truncate": f"TRUNCATE {table}",
            "replace": f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
        }[verb]

        tx = desk.transaction()
        tx.run(statement, ())
        outcome = await desk.commit(tx)

        assert isinstance(outcome.problem, Exception)
        if verb in ("update", "delete"):
            assert "append-only" in str(outcome.problem)
        assert await desk.database.rows(f"SELECT * FROM {table}", ()) == before

    @pytest.mark.parametrize("table", [*REPLACED])
    async def test_another_row_of_the_same_key_is_refused_whoever_asks(
        self, desk: Desk, ready: str, table: str
    ) -> None:
        """On SQLite a connection that leaves `recursive_triggers` off deletes unasked."""
        if not ready.startswith("sqlite"):
            pytest.skip("PostgreSQL has no REPLACE; its upsert is an UPDATE")
        tx = desk.transaction()
        for statement in self.FILL:
            tx.run(statement, (b"h",) if "?" in statement else ())
        assert (await desk.commit(tx)).problem is None
        before = await desk.database.rows(f"SELECT * FROM {table}", ())
        other = pysqlite3.connect(ready.removeprefix("sqlite://"), isolation_level=None)

        with pytest.raises(pysqlite3.IntegrityError, match="append-only"):
            other.execute(f"INSERT OR REPLACE INTO {table} {REPLACED[table]}", ("other",))
        if table in MOVED:
            with pytest.raises(pysqlite3.IntegrityError, match="append-only"):
                other.execute(f"INSERT OR REPLACE INTO {table} {MOVED[table]}")

        other.close()
        assert await desk.database.rows(f"SELECT * FROM {table}", ()) == before
