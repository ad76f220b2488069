"""The whole story, as `make demo ARGS='--exit --format json'` plays it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from strongroom.demo.processes import PROGRAM

SOURCE = Path(__file__).parents[2] / "src"
SPINE = {
    *("T02", "T03", "T05", "T06", "T07", "T08", "T09", "T10", "T11", "T12", "T16", "T17", "T18"),
    *(
        "T20",
        "T21",
        "T22",
        "T23",
        "T25",
        "T26",
        "T27",
        "T28",
        "T34",
        "T35",
        "T36",
        "T37",
        "T40",
        "T41",
        "T42",
        "T43",
        "T44",
        "T50",
        "T62",
        "T63",
        "T64",
        "T67",
    ),
    *("T33", "T38", "T39", "T45", "T80", "T81", "T89", "T90", "T91", "T92"),
}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_step_holds_and_the_last_line_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "demo", "--exit", "--format", "json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )

    assert done.stdout, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert [step for step in found["steps"] if not step["held"]] == []
    assert done.returncode == 0
    assert found["pack_verified"]
    assert found["tamper_detected"]
    assert found["log_size"] > 1_000
    assert found["witness"]["key_given"]
    assert found["witness"]["checkpoints"] >= 90
    assert set(found["controls"]) >= SPINE
    periods = found["controls_for_the_period"]
    assert found["controls"]["T36"] == "effective"
    assert periods["T36"]["with_exceptions"] == 1
    assert {each for each in periods if periods[each]["verdict"] != "effective"} == {"T36"}
    assert Path(found["pack"]).is_file()
    assert not list((tmp_path / "demo").glob("*.pid"))
