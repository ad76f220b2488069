"""Runs of a test over a period: what was found stays found, though a later run finds nothing."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from pypdf import PdfReader

from strongroom.controls import CONTROLS
from strongroom.evidence import verify
from strongroom.evidence.canonical import canonical
from strongroom.evidence.pack import Packs
from strongroom.evidence.run import ControlRuns
from strongroom.evidence.verify import rolled_up
from strongroom.sdk.facts.period import Period
from tests.evidence.playing import DAY, START, company, quarter
from tests.evidence.tampering import Files, lines, refitted, unpacked, verified

WIDE = 'path "secret/*" { capabilities = ["read"] }'
NARROW = 'path "secret/data/staging/app/db" { capabilities = ["read"] }'
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Mended:
    path: Path
    vkey: str
    answered: Mapping[str, Mapping[str, Any]]


async def found_and_mended(folder: Path) -> Mended:
    """Play two weeks; T36 finds a grant over the second, it is mended, and T36 runs again."""
    async with company(folder) as lent:
        await quarter(lent)
        runs = ControlRuns(server=lent.server, controls=CONTROLS, surroundings=lent.surroundings)
        now = lent.clock.now()
        await lent.policy("wide", WIDE)
        await runs.run(Period(now - WEEK, now), ["T36"])
        await lent.policy("wide", NARROW)
        await runs.run(Period(now - WEEK, now), ["T36"])
        await runs.run(Period(START, START + DAY), ["T67"])
        lent.clock.advance(timedelta(hours=1))
        period = Period(START + DAY, lent.clock.now())
        rows = await runs.run(period, ["T36", "T67"])
        answered = await runs.rolled_up(await runs.read(rows[0].run))
        made = await Packs(server=lent.server, runs=runs).make(period, ["T36", "T67"])
        return Mended(made.path, lent.server.log.verifier_key, answered)


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Mended:
    return asyncio.run(found_and_mended(tmp_path_factory.mktemp("mended")))


@pytest.fixture(scope="module")
def files(mended: Mended) -> Files:
    return unpacked(mended.path)


def words(pdf: bytes) -> str:
    pages = PdfReader(io.BytesIO(pdf)).pages
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    return text.replace("\u200b", "")


class TestAPackOfWhatWasFoundAndMended:
    def test_the_last_run_is_effective_and_the_period_has_exceptions(self, files: Files) -> None:
        about = json.loads(files["about.json"])

        t36, t67 = about["tests"]
        assert (t36["verdict"], t67["verdict"]) == ("effective", "effective")
        assert t36["runs"] == {"count": 3, "with_exceptions": 1, "verdict": "exceptions"}
        assert t67["runs"] == {"count": 1, "with_exceptions": 0, "verdict": "effective"}

    def test_each_run_is_listed_with_its_period_and_its_entry(self, files: Files) -> None:
        listed = json.loads(files["tests/T36/runs.json"])["runs"]

        assert [each["verdict"] for each in listed] == ["exceptions", "effective", "effective"]
        assert [each["exceptions"] for each in listed] == [1, 0, 0]
        assert listed[0]["period_start"] == "2026-07-08T00:00:00Z"
        assert listed[0]["index"] < listed[1]["index"] < listed[2]["index"]
        assert listed[2]["run"] == json.loads(files["tests/T36/result.json"])["run"]

    def test_a_run_over_none_of_the_period_is_in_the_population_alone(self, files: Files) -> None:
        rows = [json.loads(line) for line in lines(files["populations/P22/rows.jsonl"])]
        listed = json.loads(files["tests/T67/runs.json"])["runs"]

        before = [each for each in rows if each["period_end"] == "2026-07-02T00:00:00Z"]
        assert [each["control"] for each in before] == ["T67"]
        assert before[0]["run"] not in {each["run"] for each in listed}

    def test_the_verifier_counts_them_again(self, mended: Mended) -> None:
        found = verify.verify_pack(mended.path, mended.vkey)

        assert found.ok, found.faults
        said = {check.name: check.detail for check in found}
        assert "runs: 3, of which 1 with exceptions; for the period: exceptions" in said["test T36"]
        assert "2 tests, for the period 1 effective, 1 exceptions" in said["summary"]

    def test_pages_and_workbooks_say_it(self, files: Files) -> None:
        book = openpyxl.load_workbook(io.BytesIO(files["tests/T36/exceptions.xlsx"]))
        rows = openpyxl.load_workbook(io.BytesIO(files["populations/P22/rows.xlsx"]))["Rows"]

        about = {row[0].value: row[1].value for row in book["About"].iter_rows()}
        said = "runs: 3, of which 1 with exceptions; for the period: exceptions"
        assert about["runs over the period"] == said
        assert {"run", "period_start", "period_end"} <= {cell.value for cell in rows[1]}
        assert said in words(files["tests/T36/result.pdf"])
        assert "3, of which 1 with exceptions" in words(files["summary.pdf"])
        assert "T36 exceptions (implementation)" in words(files["summary.pdf"])

    def test_a_run_that_the_server_answers_has_the_same_sum(
        self, mended: Mended, files: Files
    ) -> None:
        packed = json.loads(files["tests/T36/runs.json"])

        assert mended.answered["T36"] == packed

    def test_a_run_that_was_struck_from_the_list_is_missed(
        self, mended: Mended, files: Files, tmp_path: Path
    ) -> None:
        listed = json.loads(files["tests/T36/runs.json"])
        listed |= {"count": 2, "with_exceptions": 0, "verdict": "effective"}
        listed["runs"] = listed["runs"][1:]
        about = json.loads(files["about.json"])
        about["tests"][0]["runs"] = {name: listed[name] for name in verify.ROLLED}
        other = {"tests/T36/runs.json": canonical(listed), "about.json": verify.written(about)}

        found = verified(refitted(files | other), tmp_path, mended.vkey)

        wrong = "tests/T36/runs.json: not the runs that the log has over the period"
        assert wrong in found.faults

    def test_a_sum_that_was_made_better_is_named(
        self, mended: Mended, files: Files, tmp_path: Path
    ) -> None:
        about = json.loads(files["about.json"])
        about["tests"][0]["runs"]["verdict"] = "effective"

        changed = refitted(files | {"about.json": verify.written(about)})

        assert (
            "about.json: the runs of T36 are others"
            in verified(changed, tmp_path, mended.vkey).faults
        )


JULY = {"control": "T36", "period_start": "2026-07-01T00:00:00Z"}
JULY |= {"period_end": "2026-08-01T00:00:00Z", "verdict": "effective"}


def one(verdict: str, start: str, end: str, control: str = "T36") -> dict[str, Any]:
    told = {"run": "r", "control": control, "verdict": verdict, "definition": "d"}
    return told | {"index": 1, "exceptions": 0, "period_start": start, "period_end": end}


@pytest.mark.parametrize(
    ("verdicts", "right"),
    [
        ([], "effective"),
        (["effective", "not exercised"], "effective"),
        (["inconclusive", "effective"], "inconclusive"),
        (["inconclusive", "exceptions", "effective"], "exceptions"),
    ],
)
def test_the_worst_of_what_was_found_stays(verdicts: list[str], right: str) -> None:
    runs = [one(each, "2026-07-01T00:00:00Z", "2026-07-08T00:00:00Z") for each in verdicts]

    assert rolled_up(JULY, runs)["verdict"] == right


@pytest.mark.parametrize(
    ("start", "end", "counts"),
    [
        ("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z", 0),
        ("2026-06-01T00:00:00Z", "2026-07-01T00:00:00.5Z", 1),
        ("2026-08-01T00:00:00Z", "2026-09-01T00:00:00Z", 0),
        ("2026-07-31T23:59:59.999Z", "2026-09-01T00:00:00Z", 1),
        ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", 1),
        ("", "", 1),
        ("2026-06-01", "no time", 1),
    ],
)
def test_a_run_counts_if_its_period_overlaps_or_cannot_be_told(
    start: str, end: str, counts: int
) -> None:
    runs = [one("exceptions", start, end), one("exceptions", start, end, control="T35")]

    assert rolled_up(JULY, runs)["with_exceptions"] == counts
