"""T67, each case where the log begins: `strongroom.controls.log_retention`."""

from __future__ import annotations

import pytest

from strongroom.controls.log_retention import CONTROL
from strongroom.sdk.control import Verdict
from tests.controls.histories import FakeLog, FakeStorage, entry, found

KEPT = FakeStorage(tables={"entry": True, "tile": True})


@pytest.mark.parametrize(
    ("begins", "storage", "expected"),
    [
        pytest.param(-3, KEPT, Verdict.EFFECTIVE, id="before the period"),
        pytest.param(0, KEPT, Verdict.EFFECTIVE, id="with the period"),
        pytest.param(2, KEPT, Verdict.INCONCLUSIVE, id="in the period"),
        pytest.param(None, KEPT, Verdict.EXCEPTIONS, id="the first entry is gone"),
        pytest.param(
            -3, FakeStorage(tables={"entry": False}), Verdict.EXCEPTIONS, id="changes are possible"
        ),
        pytest.param(
            -3, FakeStorage(tables={"entry": None}), Verdict.INCONCLUSIVE, id="could not be tried"
        ),
    ],
)
async def test_verdict(begins: float | None, storage: FakeStorage, expected: Verdict) -> None:
    first = None if begins is None else entry(0, "server.start", begins)

    assert await found(CONTROL, log=FakeLog(first=first), storage=storage) is expected
