"""Rows of control runs that somebody edited or removed: they are said, and not believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from strongroom.controls import CONTROLS
from strongroom.core.request import Answer
from strongroom.evidence.acting import act
from strongroom.evidence.pack import Packs
from strongroom.evidence.run import ControlRuns
from strongroom.evidence.verify import verify_pack
from strongroom.storage.transaction import Transaction
from tests.evidence.playing import DAY, Company, company

RUNS = "strongroom/evidence/runs"
WIDE = 'path "*" { capabilities = ["read"] }'


def runs_of(lent: Company) -> ControlRuns:
    return ControlRuns(server=lent.server, controls=CONTROLS, surroundings=lent.surroundings)


def data(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body or b"{}")["data"]
    return found


async def edited(lent: Company, statement: str, *values: str | bytes) -> None:
    async def change(tx: Transaction) -> None:
        tx.run(statement, values)

    await act(lent.server, "test.edit", "tests", {}, change)


async def shown(lent: Company, run: str) -> dict[str, Any]:
    [result] = data(await lent.ask("read", f"{RUNS}/{run}"))["results"]
    return dict(result)


async def listed(lent: Company) -> dict[str, dict[str, str]]:
    return {r["id"]: r["verdicts"] for r in data(await lent.ask("read", RUNS))["runs"]}


EDITS = (
    "UPDATE control_run SET verdict = 'effective', exceptions = 0",
    "UPDATE control_run SET control = 'T37'",
    "UPDATE control_run SET period_end = period_end - 1000000",
    "UPDATE control_run SET population = population + 1",
    "UPDATE control_run SET definition = 'another'",
    "UPDATE control_run SET entry = entry - 1",
    "UPDATE control_run SET period_end = 9000000000000000000",
    "DELETE FROM control_run",
)


async def test_an_edited_row_is_tampered_and_never_effective(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        lent.clock.advance(DAY)
        await lent.policy("wide", WIDE)
        runs = runs_of(lent)
        ran = [(await runs.run(lent.period(), ["T36"]))[0] for _ in EDITS]
        before = await listed(lent)

        for row, statement in zip(ran, EDITS, strict=True):
            await edited(lent, f"{statement} WHERE id = ?", row.id)
        one, every = [await shown(lent, row.run) for row in ran], await listed(lent)
        [kept] = await runs.run(lent.period(), ["T67"])

    assert before == {row.run: {"T36": "exceptions"} for row in ran}
    assert all((each["verdict"], each["result"]) == ("tampered", None) for each in one)
    assert all(each["problem"] and each["runs"]["verdict"] == "exceptions" for each in one)
    assert every == {row.run: {"T36": "tampered"} for row in ran}
    assert kept.exceptions == len(ran)
    assert all(f"run {row.id}" in kept.result.decode() for row in ran)


async def test_what_a_result_says_of_itself_is_compared_too(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        lent.clock.advance(DAY)
        runs = runs_of(lent)
        [first] = await runs.run(lent.period(), ["T12"])

        await edited(lent, "UPDATE control_run SET ran_at = ran_at + 1000000")
        one = await shown(lent, first.run)
        [walked] = await runs.run(lent.period(), ["T02"])

    assert one["verdict"] == "tampered"
    assert "ran_at" in one["problem"]
    assert walked.verdict == "exceptions"
    assert f"control_run {first.id}" in walked.result.decode()


async def test_a_sealed_result_that_was_moved_or_spoilt_is_tampered(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        lent.clock.advance(DAY)
        runs = runs_of(lent)
        [one, other] = await runs.run(lent.period(), ["T12", "T64"])

        moved = "(SELECT result FROM control_run WHERE id = ?)"
        await edited(lent, f"UPDATE control_run SET result = {moved}", other.id)
        verdicts = {each.control: each.verdict for each in await runs.read(one.run)}
        await edited(lent, "UPDATE control_run SET result = ?", b"\1" * 60)
        spoilt = {each.verdict for each in await runs.read(one.run)}

    assert verdicts == {"T12": "tampered", "T64": "effective"}
    assert spoilt == {"tampered"}


async def test_a_row_that_the_log_knows_nothing_of_is_tampered(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        lent.clock.advance(DAY)
        runs = runs_of(lent)
        [row] = await runs.run(lent.period(), ["T36"])
        columns = "control, definition, period_start, period_end, ran_at, verdict, population"
        columns += ", exceptions, checkpoint_size, result, entry"

        await edited(
            lent,
            f"INSERT INTO control_run (id, {columns}) SELECT ?, {columns} FROM control_run",
            "made-up.T36",
        )
        made_up, every = await shown(lent, "made-up"), await listed(lent)
        [kept] = await runs.run(lent.period(), ["T67"])

    assert made_up["verdict"] == "tampered"
    assert every == {row.run: {"T36": "effective"}, "made-up": {"T36": "tampered"}}
    assert "run made-up.T36" in kept.result.decode()


async def test_a_period_with_a_tampered_run_is_inconclusive(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        lent.clock.advance(DAY)
        runs = runs_of(lent)
        [good] = await runs.run(lent.period(), ["T36"])
        await edited(lent, "DELETE FROM control_run")

        [again] = await runs.run(lent.period(), ["T36"])
        one, gone = await shown(lent, again.run), await shown(lent, good.run)

    assert (one["verdict"], one["runs"]["verdict"]) == ("effective", "inconclusive")
    assert (gone["verdict"], gone["runs"]["count"]) == ("tampered", 2)


async def test_a_pack_takes_no_older_run_for_one_that_was_edited_away(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        lent.clock.advance(DAY)
        runs, period = runs_of(lent), lent.period()
        [before] = await runs.run(period, ["T36"])
        await lent.policy("wide", WIDE)
        [after] = await runs.run(period, ["T36"])
        await edited(lent, "UPDATE control_run SET ran_at = 0 WHERE id = ?", after.id)

        latest = await runs.latest(period, "T36")
        made = await Packs(server=lent.server, runs=runs).make(period, ["T36"])
        found = verify_pack(made.path, lent.server.log.verifier_key)

    assert (before.verdict, after.verdict, latest) == ("effective", "exceptions", None)
    assert found.ok, found.faults
    said = {check.name: check.detail for check in found}["test T36"]
    assert "runs: 3, of which 2 with exceptions; for the period: exceptions" in said
