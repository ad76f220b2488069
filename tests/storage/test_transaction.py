"""What a request sees of its own writes and of others', on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from strongroom.base.errors import InputError
from strongroom.identity.records import ENTITIES, LOCKOUTS, POLICY_VERSIONS, Entity, Lockout
from strongroom.storage.commit import Problem
from strongroom.storage.records import CLEAR_SETTINGS, CURSORS, ClearSetting, SinkCursor
from strongroom.storage.register import Register, moment
from strongroom.storage.transaction import Stamp
from tests.storage.requests import Desk

AT = moment(1_800_000_000_000_000)


def setting(name: str, value: str = "v") -> ClearSetting:
    return ClearSetting(name, value)


def lockout(subject: str, failures: int, *, locked: bool = False) -> Lockout:
    return Lockout("m", subject, subject, failures, AT, AT if locked else None)


def ada(number: str) -> Entity:
    return Entity(
        id=number,
        name="ada",
        metadata={"team": "x"},
        policies=("p", "q"),
        disabled=True,
        created_at=AT,
        updated_at=AT,
    )


class TestReading:
    async def test_what_is_not_there_is_none(self, desk: Desk) -> None:
        assert await desk.transaction().get(CLEAR_SETTINGS, "nothing") is None

    async def test_a_committed_row_names_the_entry_that_wrote_it(self, desk: Desk) -> None:
        await desk.commit(None)
        tx = desk.transaction()
        tx.put(CLEAR_SETTINGS, setting("a"))
        outcome = await desk.commit(tx)

        found = await desk.transaction().get(CLEAR_SETTINGS, "a")

        assert outcome.index == 1
        assert found == replace(setting("a"), entry=1)

    async def test_own_writes_are_seen_before_the_commit_and_by_nobody_else(
        self, desk: Desk
    ) -> None:
        mine, other = desk.transaction(), desk.transaction()
        mine.put(CLEAR_SETTINGS, setting("a"))

        assert await mine.get(CLEAR_SETTINGS, "a") == setting("a")
        assert await mine.all(CLEAR_SETTINGS) == [setting("a")]
        assert await other.get(CLEAR_SETTINGS, "a") is None

    async def test_own_deletes_hide_committed_rows(self, desk: Desk) -> None:
        tx = desk.transaction()
        tx.put(CLEAR_SETTINGS, setting("a"))
        tx.put(CLEAR_SETTINGS, setting("b"))
        await desk.commit(tx)

        tx = desk.transaction()
        tx.delete(CLEAR_SETTINGS, "a")

        assert await tx.get(CLEAR_SETTINGS, "a") is None
        assert [row.name for row in await tx.all(CLEAR_SETTINGS)] == ["b"]

    async def test_the_last_of_several_writes_to_a_row_counts(self, desk: Desk) -> None:
        tx = desk.transaction()
        tx.put(CLEAR_SETTINGS, setting("a", "1"))
        tx.delete(CLEAR_SETTINGS, "a")
        tx.put(CLEAR_SETTINGS, setting("a", "2"))
        tx.put(CLEAR_SETTINGS, setting("b"))
        tx.delete(CLEAR_SETTINGS, "b")
        await desk.commit(tx)

        rows = await desk.transaction().all(CLEAR_SETTINGS)

        assert [(row.name, row.value) for row in rows] == [("a", "2")]

    async def test_conditions_select_committed_and_own_rows_alike(self, desk: Desk) -> None:
        tx = desk.transaction()
        for subject, failures in (("a", 1), ("b", 2), ("c", 1)):
            tx.put(LOCKOUTS, lockout(subject, failures))
        await desk.commit(tx)

        tx = desk.transaction()
        tx.put(LOCKOUTS, lockout("a", 2))
        tx.put(LOCKOUTS, lockout("d", 1))
        rows = await tx.all(LOCKOUTS, failures=1)

        assert [row.subject for row in rows] == ["c", "d"]

    async def test_a_missing_value_is_selected_by_none(self, desk: Desk) -> None:
        tx = desk.transaction()
        tx.put(LOCKOUTS, lockout("a", 1))
        tx.put(LOCKOUTS, lockout("b", 1, locked=True))
        await desk.commit(tx)

        rows = await desk.transaction().all(LOCKOUTS, locked_until=None)

        assert [row.subject for row in rows] == ["a"]

    @pytest.mark.parametrize("own", [False, True], ids=["committed", "own"])
    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            ("", "abcd"),
            ("failures", "bdac"),
            ("failures DESC", "acbd"),
            ("failures desc, subject DESC", "cadb"),
            ("locked_until", "bcad"),
            ("locked_until DESC, subject", "adbc"),
        ],
    )
    async def test_rows_come_in_one_order_on_both_databases_own_or_not(
        self, desk: Desk, order: str, expected: str, own: bool
    ) -> None:
        tx = desk.transaction()
        rows = [
            lockout("a", 2, locked=True),
            lockout("b", 1),
            lockout("c", 2),
            lockout("d", 1, locked=True),
        ]
        for row in rows[1:] if own else rows:
            tx.put(LOCKOUTS, row)
        await desk.commit(tx)

        tx = desk.transaction()
        if own:
            tx.put(LOCKOUTS, rows[0])
        found = await tx.all(LOCKOUTS, order=order)

        assert "".join(row.subject for row in found) == expected

    async def test_a_limit_counts_what_is_seen(self, desk: Desk) -> None:
        tx = desk.transaction()
        for name in "bcde":
            tx.put(CLEAR_SETTINGS, setting(name))
        await desk.commit(tx)

        tx = desk.transaction()
        tx.delete(CLEAR_SETTINGS, "b")
        tx.put(CLEAR_SETTINGS, setting("a"))
        rows = await tx.all(CLEAR_SETTINGS, limit=2)

        assert [row.name for row in rows] == ["a", "c"]
        assert await tx.all(CLEAR_SETTINGS, limit=0) == []

    async def test_only_clear_columns_can_be_asked_for(self, desk: Desk) -> None:
        tx = desk.transaction()

        with pytest.raises(ValueError, match="no clear column"):
            await tx.all(CLEAR_SETTINGS, nonsense=1)
        with pytest.raises(ValueError, match="is not ordered by"):
            await tx.all(CLEAR_SETTINGS, order="name; DROP TABLE entry")

    @pytest.mark.parametrize("name", ["nul\0", "\ud800"], ids=["nul", "surrogate"])
    async def test_what_no_row_can_hold_is_not_there_and_cannot_be_put(
        self, desk: Desk, name: str
    ) -> None:
        tx = desk.transaction()
        one, other = await asyncio.gather(
            tx.get(CLEAR_SETTINGS, name), tx.get(POLICY_VERSIONS, "x", 2**70)
        )

        assert (one, other, tx.checks) == (None, None, [])
        with pytest.raises(InputError):
            await tx.all(CLEAR_SETTINGS, name=name)
        with pytest.raises(InputError):
            tx.put(CLEAR_SETTINGS, setting("a", name))


class TestWriting:
    async def test_a_rolled_back_part_leaves_nothing_however_often(self, desk: Desk) -> None:
        tx = desk.transaction()
        tx.put(CLEAR_SETTINGS, setting("a"))
        mark = tx.mark()
        for _ in range(2):
            tx.put(CLEAR_SETTINGS, setting("a", "changed"))
            tx.put(CLEAR_SETTINGS, setting("b"))
            tx.purge(CLEAR_SETTINGS)
            tx.changed("policy:x")
            tx.rollback(mark)
        await desk.commit(tx)

        rows = await desk.transaction().all(CLEAR_SETTINGS)

        assert [(row.name, row.value) for row in rows] == [("a", "v")]
        assert (tx.raw, tx.topics) == ([], [])

    async def test_purge_deletes_what_is_committed_and_spares_own_puts(self, desk: Desk) -> None:
        tx = desk.transaction()
        for subject in "abc":
            tx.put(LOCKOUTS, lockout(subject, 1 if subject == "c" else 2))
        await desk.commit(tx)

        tx = desk.transaction()
        tx.put(LOCKOUTS, lockout("d", 2))
        tx.purge(LOCKOUTS, failures=2)
        await desk.commit(tx)

        assert [row.subject for row in await desk.transaction().all(LOCKOUTS)] == ["c", "d"]

    async def test_a_statement_can_be_stamped_anywhere(self, desk: Desk) -> None:
        tx = desk.transaction()
        tx.put(CLEAR_SETTINGS, setting("a"))
        await desk.commit(tx)

        tx = desk.transaction()
        tx.run(
            "UPDATE clear_setting SET entry = ?, value = ? WHERE name = ?",
            (Stamp.ENTRY, "new", "a"),
            stamped=True,
        )
        await desk.commit(tx)

        assert await desk.transaction().get(CLEAR_SETTINGS, "a") == ClearSetting("a", "new", 1)

    async def test_a_row_written_without_an_entry_names_none(self, desk: Desk) -> None:
        tx = desk.transaction()
        tx.put(CURSORS, SinkCursor("file", 7))
        outcome = await desk.commit(tx, leaf=None)

        assert outcome.problem is None
        assert await desk.transaction().get(CURSORS, "file") == SinkCursor("file", 7, -1)

    async def test_a_unique_value_can_move_to_another_row(self, desk: Desk) -> None:
        tx = desk.transaction()
        tx.put(ENTITIES, ada("1"))
        await desk.commit(tx)

        tx = desk.transaction()
        tx.put(ENTITIES, ada("2"))
        tx.delete(ENTITIES, "1")
        outcome = await desk.commit(tx)

        assert outcome.problem is None
        assert await desk.transaction().get(ENTITIES, "2") == replace(ada("2"), entry=1)


class TestChecks:
    """Nobody holds a lock while thinking; what was read is read again at the commit."""

    async def test_a_row_that_changed_since_is_a_conflict(self, desk: Desk) -> None:
        await desk.keep(a=1)
        slow = desk.transaction()
        held = await desk.store(slow).fetch("a", int)
        await desk.store(slow).put("a", held + 1)
        await desk.keep(a=10)

        outcome = await desk.commit(slow)

        assert outcome.problem is Problem.CONFLICT
        assert await desk.find("a") == 10

    async def test_a_row_that_appeared_since_is_a_conflict(self, desk: Desk) -> None:
        slow = desk.transaction()
        assert await desk.store(slow).find("a", int) is None
        await desk.store(slow).put("a", 1)
        await desk.keep(a=10)

        assert (await desk.commit(slow)).problem is Problem.CONFLICT

    async def test_a_row_that_was_made_anew_is_a_conflict(self, desk: Desk) -> None:
        await desk.keep(a=1)
        slow = desk.transaction()
        await desk.store(slow).find("a", int)
        await desk.store(slow).put("b", 1)
        gone = desk.transaction()
        await desk.store(gone).delete("a")
        await desk.commit(gone)
        await desk.keep(a=1)

        assert (await desk.commit(slow)).problem is Problem.CONFLICT

    async def test_a_list_that_changed_since_is_a_conflict_for_a_writer(self, desk: Desk) -> None:
        slow = desk.transaction()
        await desk.store(slow).names("")
        await desk.store(slow).put("mine", 1)
        await desk.keep(other=1)

        assert (await desk.commit(slow)).problem is Problem.CONFLICT

    async def test_a_long_list_that_moves_on_while_it_is_read_is_none_for_a_reader(
        self, desk: Desk
    ) -> None:
        slow = desk.transaction()
        await desk.store(slow).names("")
        await desk.store(slow).names("")
        await desk.keep(other=1)

        assert (await desk.commit(slow)).problem is None

    async def test_a_row_that_was_read_must_still_be_so_when_the_log_says_it(
        self, desk: Desk
    ) -> None:
        await desk.keep(a=1)
        slow = desk.transaction()
        await desk.store(slow).find("a", int)
        await desk.keep(a=2)

        assert (await desk.commit(slow)).problem is Problem.CONFLICT

    async def test_two_rows_of_a_reader_must_fit_together(self, desk: Desk) -> None:
        await desk.keep(a=1, b=1)
        slow = desk.transaction()
        await desk.store(slow).find("a", int)
        await desk.keep(a=2, b=2)
        await desk.store(slow).find("b", int)

        assert (await desk.commit(slow)).problem is Problem.CONFLICT

    async def test_what_was_read_before_a_rollback_stays_checked(self, desk: Desk) -> None:
        slow = desk.transaction()
        mark = slow.mark()
        await desk.store(slow).find("a", int)
        slow.rollback(mark)
        await desk.store(slow).put("b", 1)
        await desk.keep(a=1)

        assert (await desk.commit(slow)).problem is Problem.CONFLICT


class TestRegisters:
    def test_a_row_type_without_an_entry_is_refused(self) -> None:
        @dataclass(frozen=True)
        class Bare:
            name: str

        with pytest.raises(TypeError, match="must end in"):
            Register("bare", Bare, key=("name",))

    def test_a_key_cannot_be_sealed(self) -> None:
        with pytest.raises(TypeError, match="seals"):
            Register("setting", ClearSetting, key=("name",), sealed=("name",))
