"""What a run and a pack make of a clock that goes back, and of a period before the log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.audit.decoding import decoded
from strongroom.controls import CONTROLS
from strongroom.core.runtime import Runtime
from strongroom.evidence.gathering import reading
from strongroom.evidence.log_reading import LogReading
from strongroom.evidence.pack import Packs
from strongroom.evidence.run import ControlRuns, checkpoint
from strongroom.evidence.times import Times, days_uncovered, setbacks_in
from strongroom.evidence.verify import verify_pack
from strongroom.sdk.facts.log import Setback
from strongroom.sdk.facts.period import Period
from tests.evidence.playing import DAY, START, Company, company, quarter
from tests.evidence.tampering import unpacked


def at(month: int, day: float) -> datetime:
    return datetime(2026, month, 1, tzinfo=UTC) + timedelta(days=day - 1)


OCTOBER = Period(at(10, 1), at(11, 1))


def set_clock(lent: Company, moment: datetime) -> None:
    """Set the machine's clock, back too, as an operator of the machine can."""
    lent.clock._base = moment


def runs_of(lent: Company) -> ControlRuns:
    return ControlRuns(server=lent.server, controls=CONTROLS, surroundings=lent.surroundings)


async def set_back(lent: Company) -> int:
    """Play an October whose clock is set back to September in between; return the root's entry."""
    set_clock(lent, at(10, 5))
    for n in range(40):
        await lent.ask("write", f"secret/data/development/{n}", {"data": {"password": "x"}})
    set_clock(lent, at(9, 1))
    for n in range(60):
        await lent.ask("read", f"secret/data/development/{n % 40}")
    await lent.ask("write", "auth/token/create", {"policies": ["root"]})
    made = lent.server.log.size - 1
    set_clock(lent, at(10, 20))
    await lent.revoke_root()
    await lent.runtime._heartbeat()
    await lent.server.log.publish(lent.clock.now())
    set_clock(lent, at(11, 2))
    return made


class TestAClockThatWentBack:
    async def test_nothing_of_the_period_is_left_out_and_it_is_said(self, tmp_path: Path) -> None:
        async with company(tmp_path, simulated=False) as lent:
            before = lent.server.log.size
            made = await set_back(lent)

            pack = await Packs(server=lent.server, runs=runs_of(lent)).make(OCTOBER)
            vkey = lent.server.log.verifier_key

        files = unpacked(pack.path)
        frozen = json.loads(files["populations/P08/frozen-root.json"])
        assert (frozen["first"], frozen["rows"]) == (before, 100)
        result = json.loads(files["tests/T62/result.json"])
        broken = [item for item in result["items"] if item["held"] is False]
        assert [item["proof"] for item in broken] == [[before + 39, before + 40]]
        assert "2026-10-05 00:00:00" in broken[0]["because"]
        assert "2026-09-01 00:00:00" in broken[0]["because"]
        about = json.loads(files["about.json"])
        assert about["clock_went_back"] == 1
        assert any(note.startswith("the clock went back once") for note in about["notes"])
        roots = json.loads(files["tests/T12/result.json"])
        assert any(made in item["proof"] for item in roots["items"])
        said: list[str] = []
        assert verify_pack(pack.path, vkey, said.append).ok, said
        assert "it went back once, first from 2026-10-05" in said[-1]

    async def test_a_small_correction_is_none(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)
            set_clock(lent, lent.clock.now() - timedelta(seconds=2))
            await lent.runtime._heartbeat()
            lent.clock.advance(DAY)

            [row] = await runs_of(lent).run(lent.period(), ["T62"])

        assert row.verdict == "effective"

    async def test_the_server_writes_it_down_itself(self, tmp_path: Path) -> None:
        async with company(tmp_path, simulated=False) as lent:
            await lent.runtime._heartbeat()
            set_clock(lent, START - timedelta(seconds=90))
            await lent.runtime._heartbeat()
            set_clock(lent, START)
            await lent.runtime._heartbeat()
            again = Runtime(server=lent.server)
            set_clock(lent, START - timedelta(seconds=30))
            await again.start(3600)
            for task in again.tasks:
                task.cancel()
            entries = await lent.server.log.entries(0, lent.server.log.size)

        found = [decoded(each.index, each.leaf) for each in entries]
        beats = [e.own.get("clock_behind_s") for e in found if e.code == "log.heartbeat"]
        assert beats == [None, 90, None]
        starts = [e.own.get("clock_behind_s") for e in found if e.code == "server.start"]
        assert starts == [None, 30]


class TestAPeriodBeforeTheLog:
    async def test_is_no_pass_for_any_test(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)

            rows = await runs_of(lent).run(Period(START - 900 * DAY, START - 800 * DAY))

        assert {row.verdict for row in rows} == {"not exercised"}
        assert "the log begins on 2026-07-01" in json.loads(rows[0].result)["notes"][0]

    async def test_in_part_is_told_and_not_effective(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)
            period = Period(START - 10 * DAY, lent.clock.now())

            rows = await runs_of(lent).run(period, ["T62", "T63", "T64", "T67"])

        assert {row.verdict for row in rows} == {"inconclusive"}, [r.result for r in rows]
        result = json.loads(rows[0].result)
        assert "10 of 24 days are not covered" in result["notes"][0]
        assert result["items"][0]["because"] == result["notes"][0]

    async def test_the_server_was_down_in_is_not_exercised(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)
            empty = Period(lent.clock.now() + DAY, lent.clock.now() + 2 * DAY)
            lent.clock.advance(3 * DAY)
            await lent.runtime._heartbeat()

            rows = await runs_of(lent).run(empty, ["T62", "T63", "T64"])

        assert {row.verdict for row in rows} == {"not exercised"}
        assert "the log has no entry of the period" in json.loads(rows[0].result)["notes"]


def leaf(seconds: float | None) -> bytes:
    if seconds is None:
        return b"{"
    moment = START + timedelta(seconds=seconds)
    return json.dumps({"unmapped": {"time": moment.isoformat().replace("+00:00", "Z")}}).encode()


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ([0, 1, 2], []),
        ([0, 10, 8, 8.5], []),
        ([0, 10, 7.9, 8, 9], [(1, 2)]),
        ([0, 10, 8.5, 7, 6], [(1, 3)]),
        ([100, 50, 0], [(0, 1), (1, 2)]),
        ([None, 100, None, 0], [(1, 3)]),
    ],
)
async def test_setbacks(times: list[float | None], found: list[tuple[int, int]]) -> None:
    async def leaves() -> AsyncIterator[tuple[int, bytes]]:
        for index, each in enumerate(times):
            yield index, leaf(each)

    assert [(each.before, each.index) for each in await setbacks_in(leaves())] == found


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (0, 100, 0, 4),
        (5, 6, 0, 1),
        (25, 40, 2, 3),
        (60, 100, None, 4),
        (-9, -3, 0, None),
    ],
)
def test_blocks(start: float, end: float, first: int | None, last: int | None) -> None:
    times = Times()
    blocks: list[list[float | None]] = [[10, 20], [5, None], [30, 50], [35, 36], [50]]
    for index, block in enumerate(blocks):
        times.add([(index, leaf(each)) for each in block])

    assert times.first_block(START + timedelta(seconds=start)) == first
    assert times.last_block(START + timedelta(seconds=end)) == last


@pytest.mark.parametrize(
    ("begins", "expected"),
    [(at(10, 1.5), (1, 31)), (at(10, 2), (1, 31)), (at(10, 11), (10, 31)), (at(12, 1), (31, 31))],
)
def test_days_uncovered(begins: datetime, expected: tuple[int, int]) -> None:
    assert days_uncovered(OCTOBER, begins) == expected


async def test_a_stretch_is_the_one_that_a_reader_of_all_entries_finds(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        await set_back(lent)
        log = await reading(lent.server, await checkpoint(lent.server), lent.surroundings)
        entries = [entry async for entry in log.entries(START - DAY, None)]
        for start, end in ((at(7, 1), at(8, 1)), (at(8, 1), at(9, 3)), (at(10, 6), at(10, 30))):
            got = await log.stretch(start, end)

            first = next(e.index for e in entries if e.time is not None and e.time >= start)
            last = max(e.index for e in entries if e.time is not None and e.time < end) + 1
            assert got == (first, max(first, last))


def test_a_setback_says_both_entries_and_times() -> None:
    setback = Setback(before=3, was=at(10, 5), index=4, time=at(9, 1))

    assert str(setback) == (
        "entry 3 is of 2026-10-05 00:00:00 UTC, entry 4 after it of 2026-09-01 00:00:00 UTC"
    )


class TestAServerThatLies:
    """Its packs fit together, and say of the period what its entries do not."""

    async def made(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Any], Any]
    ) -> list[str]:
        right = getattr(LogReading, name)

        async def wrong(self: LogReading, *given: Any) -> Any:
            return change(await right(self, *given))

        async with company(folder, simulated=False) as lent:
            await set_back(lent)
            monkeypatch.setattr(LogReading, name, wrong)
            pack = await Packs(server=lent.server, runs=runs_of(lent)).make(OCTOBER, ["T62"])
            return list(verify_pack(pack.path, lent.server.log.verifier_key).faults)

    async def test_entries_left_out_at_the_start_are_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        faults = await self.made(
            tmp_path, monkeypatch, "stretch", lambda found: (found[0] + 40, found[1])
        )

        assert any("its first entry is 47, and 7 is the period's" in each for each in faults)

    async def test_entries_left_out_at_the_end_are_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        faults = await self.made(
            tmp_path, monkeypatch, "stretch", lambda found: (found[0], found[1] - 1)
        )

        assert any("is the last of the period by its time" in each for each in faults)

    async def test_a_clock_that_went_back_and_is_not_told_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        faults = await self.made(tmp_path, monkeypatch, "setbacks", lambda _: [])

        assert [each for each in faults if "went back" in each] == faults != []
