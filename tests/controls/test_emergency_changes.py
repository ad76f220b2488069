"""T81, each case a short history: `strongroom.controls.emergency_changes`."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.controls.emergency_changes import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.log import LogEntry
from tests.controls.changes import approved, proposed
from tests.controls.histories import FakeLog, day, entry, found


def emergency(on: float = 1, **more: Any) -> LogEntry:
    return proposed(code="change.emergency", on=on, **more)


def denied(on: float, applied: int) -> LogEntry:
    own: dict[str, Any] = {"proposal": "c-1", "writes_applied": applied}
    return entry(3, "change.deny", on=on, actor="bob", **own)


# Day 1 is a Thursday: what begins then is due when day 6, the Tuesday after, ends.
@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param([emergency(), approved(on=6.9)], Verdict.EFFECTIVE, id="in time"),
        pytest.param([emergency(), approved(on=7)], Verdict.EXCEPTIONS, id="late"),
        pytest.param(
            [emergency(holidays=["2026-07-06"]), approved(on=7)], Verdict.EFFECTIVE, id="a holiday"
        ),
        pytest.param([emergency()], Verdict.EXCEPTIONS, id="never"),
        pytest.param([emergency(on=29)], Verdict.NOT_EXERCISED, id="not due yet"),
        pytest.param([emergency(), approved(actor="ann")], Verdict.EXCEPTIONS, id="by itself"),
        pytest.param([emergency(), denied(2, 0)], Verdict.EFFECTIVE, id="denied, not applied"),
        pytest.param([emergency(), denied(2, 1)], Verdict.EXCEPTIONS, id="denied, and applied"),
        pytest.param([emergency(cut=["details"])], Verdict.INCONCLUSIVE, id="cut"),
        pytest.param([proposed(), approved()], Verdict.NOT_EXERCISED, id="no emergency"),
        pytest.param(
            [emergency(on=-20), approved(on=-19)], Verdict.NOT_EXERCISED, id="of another period"
        ),
    ],
)
async def test_an_emergency_is_regularised(log: list[LogEntry], expected: Verdict) -> None:
    assert day(1).isoformat() == "2026-07-02T00:00:00+00:00"
    assert await found(CONTROL, log=FakeLog(log)) is expected
