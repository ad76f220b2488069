"""T39, each case a short history: `strongroom.controls.revocations_proven`."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.controls.revocations_proven import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeLog, entry, found

REFUSED = entry(7, "request", on=2, ok=False)
SERVED = entry(7, "request", on=2)


def revoked(on: float = 2, code: str = "review.decide", **more: Any) -> LogEntry:
    own = {"campaign": "c", "line": 1, "holder": "cem", "verdict": "revoke"}
    return entry(5, code, on=on, **{**own, **more})


def probed(proof: str = "refused", on: float = 2, probe: int = 7, **more: Any) -> LogEntry:
    own = {"campaign": "c", "line": 1, "proof": proof, "proof_text": "…", "probe": probe}
    return entry(8, "review.probe", on=on, **{**own, **more})


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param([], Verdict.NOT_EXERCISED, id="nothing revoked"),
        pytest.param([revoked(verdict="keep")], Verdict.NOT_EXERCISED, id="kept"),
        pytest.param([revoked(ok=False)], Verdict.NOT_EXERCISED, id="not let"),
        pytest.param([revoked(-1), probed()], Verdict.NOT_EXERCISED, id="of another period"),
        pytest.param([revoked(), probed()], Verdict.EFFECTIVE, id="refused"),
        pytest.param(
            [revoked(code="review.defer_over"), probed()], Verdict.EFFECTIVE, id="put off before"
        ),
        pytest.param([revoked(), probed("covered", probe=-1)], Verdict.EFFECTIVE, id="kept by one"),
        pytest.param(
            [revoked(), probed("nothing", probe=-1)], Verdict.EFFECTIVE, id="nothing left"
        ),
        pytest.param([revoked(), probed("allowed")], Verdict.EXCEPTIONS, id="still there"),
        pytest.param([revoked(), probed("else")], Verdict.EXCEPTIONS, id="a word of its own"),
        pytest.param(
            [revoked(), probed("allowed"), probed(on=5)], Verdict.EFFECTIVE, id="ended elsewhere"
        ),
        pytest.param([revoked(), probed(on=9.1)], Verdict.EXCEPTIONS, id="too late"),
        pytest.param([revoked()], Verdict.EXCEPTIONS, id="never tried"),
        pytest.param([revoked(29)], Verdict.INCONCLUSIVE, id="not tried yet"),
        pytest.param([probed(), revoked()], Verdict.EFFECTIVE, id="by indexes, not by order"),
        pytest.param([revoked(), probed(cut=["proof"])], Verdict.INCONCLUSIVE, id="cut"),
    ],
)
async def test_a_revocation_is_proven(log: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, log=FakeLog(log, written={7: REFUSED})) is expected


@pytest.mark.parametrize("written", [{7: SERVED}, {}], ids=["served", "no such entry"])
async def test_the_entry_that_a_proof_names_is_of_a_refusal(written: dict[int, LogEntry]) -> None:
    log = FakeLog([revoked(), probed()], written=written)

    assert await found(CONTROL, log=log) is Verdict.EXCEPTIONS
