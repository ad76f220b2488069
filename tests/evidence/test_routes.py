"""`strongroom/evidence/…` as a caller meets it, through the whole pipeline."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from strongroom.api.vault import response
from strongroom.audit.decoding import decoded
from strongroom.base.clock import rfc3339
from strongroom.controls import CONTROLS
from strongroom.core.request import Answer
from strongroom.evidence.verify import verify_pack
from tests.evidence.playing import DAY, START, Company, company

RUNS, PACK = "strongroom/evidence/runs", "strongroom/evidence/pack"


def data(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body or b"{}")["data"]
    return found


def over(lent: Company, *controls: str) -> dict[str, object]:
    body: dict[str, object] = {
        "period_start": rfc3339(START),
        "period_end": rfc3339(lent.clock.now()),
    }
    return body | ({"controls": list(controls)} if controls else {})


async def written(lent: Company, index: int) -> dict[str, Any]:
    [entry] = await lent.server.log.entries(index, index + 1)
    return dict(decoded(entry.index, entry.leaf).own)


class TestControls:
    async def test_all_are_listed_with_their_criteria(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            listed = data(await lent.ask("read", "strongroom/evidence/controls"))["controls"]

        assert len(listed) == len(CONTROLS)
        assert {c["id"]: c["criteria"] for c in listed}["T12"] == ["CC6.1", "CC6.8"]

    async def test_one_is_shown_as_it_is_defined(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            shown = data(await lent.ask("read", "strongroom/evidence/controls/T64"))

        assert shown["defined"]["id"] == "T64"
        assert "async def evaluate" in shown["defined"]["source"]

    async def test_one_that_is_not_there_is_not_found(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            answer = await lent.ask("read", "strongroom/evidence/controls/T99")

        assert answer.status == 404


class TestRuns:
    async def test_a_run_is_made_once_though_its_probes_overtake_it(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            lent.clock.advance(DAY)

            answer = await lent.ask("write", RUNS, over(lent, "T18", "T35"))

            listed = data(await lent.ask("read", RUNS))["runs"]
        assert answer.status == 200
        assert [run["id"] for run in listed] == [data(answer)["id"]]

    async def test_a_run_is_read_again_with_its_items(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            lent.clock.advance(DAY)
            made = data(await lent.ask("write", RUNS, over(lent, "T67")))

            [result] = data(await lent.ask("read", f"{RUNS}/{made['id']}"))["results"]

        assert result["verdict"] == made["results"][0]["verdict"] == "effective"
        assert result["result"]["items"][0]["subject"] == "first entry"

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({"period_start": "soon", "period_end": "2026-07-02T00:00:00Z"}, "period_start"),
            (
                {"period_start": "2026-07-01T00:00:00Z", "period_end": "2027-01-01T00:00:00Z"},
                "future",
            ),
            (
                {
                    "period_start": "2026-07-01T00:00:00Z",
                    "period_end": "2026-07-01T00:00:01Z",
                    "controls": ["T98"],
                },
                "T98",
            ),
        ],
    )
    async def test_what_cannot_be_run_is_the_callers_error(
        self, body: dict[str, object], named: str, tmp_path: Path
    ) -> None:
        async with company(tmp_path) as lent:
            lent.clock.advance(DAY)
            answer = await lent.ask("write", RUNS, body)

        assert answer.status == 400
        assert named in (answer.body or b"").decode()

    async def test_without_a_policy_nobody_runs_anything(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await lent.workload("app", "staging")
            lent.clock.advance(DAY)

            answer = await lent.ask("write", RUNS, over(lent), token=lent.tokens["app"])

            assert data(await lent.ask("read", RUNS)) == {"runs": []}
        assert answer.status == 403


class TestPacks:
    async def test_a_pack_comes_as_its_bytes_and_verifies(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            lent.clock.advance(DAY)

            answer = await lent.ask("write", PACK, over(lent, "T64", "T67"))

            vkey, own = lent.server.log.verifier_key, await written(lent, answer.index)
        wire = response(answer)
        assert (b"content-type", b"application/zip") in wire.headers
        assert own["bytes"] == len(wire.body)
        path = tmp_path / "taken.zip"
        path.write_bytes(wire.body)
        assert verify_pack(path, vkey, lambda _: None).ok

    async def test_a_pack_is_kept_and_given_again(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            lent.clock.advance(DAY)
            made = await lent.ask("write", PACK, over(lent, "T67"))

            [kept] = data(await lent.ask("read", "strongroom/evidence/packs"))["packs"]
            again = await lent.ask("read", f"strongroom/evidence/packs/{kept['name']}")

        assert again.body == made.body

    async def test_a_name_that_is_no_packs_is_refused(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            answer = await lent.ask("read", "strongroom/evidence/packs/strongroom.db")

        assert answer.status == 400

    async def test_the_results_of_the_period_are_taken_not_made_again(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            lent.clock.advance(DAY)
            body = over(lent, "T67")
            run = data(await lent.ask("write", RUNS, body))

            answer = await lent.ask("write", PACK, body)

        with ZipFile(BytesIO(answer.body or b"")) as archive:
            result = json.loads(archive.read("tests/T67/result.json"))
        assert result["run"] == run["id"]

    async def test_a_clock_that_is_the_machines_is_not_called_simulated(
        self, tmp_path: Path
    ) -> None:
        async with company(tmp_path, simulated=False) as lent:
            lent.clock.advance(DAY)
            answer = await lent.ask("write", PACK, over(lent, "T67"))
            vkey = lent.server.log.verifier_key

        with ZipFile(BytesIO(answer.body or b"")) as archive:
            assert json.loads(archive.read("about.json"))["clock"] == "system"
        path = tmp_path / "taken.zip"
        path.write_bytes(answer.body or b"")
        assert verify_pack(path, vkey, lambda _: None).ok
