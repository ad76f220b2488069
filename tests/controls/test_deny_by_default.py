"""T35, each case how the server answers a stranger: `strongroom.controls.deny_by_default`."""

from __future__ import annotations

import pytest

from strongroom.controls.deny_by_default import CONTROL, OPERATIONS
from strongroom.sdk.control import Verdict
from tests.controls.histories import FakeLog, FakeProbe, found, items


def parts(**changed: object) -> dict[str, object]:
    log = FakeLog()
    plain: dict[str, object] = {"knocked": ["secret/data/x", "sys/mounts"]}
    return {"log": log, "probe": FakeProbe(log, **(plain | changed))}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, Verdict.EFFECTIVE, id="refused and logged"),
        pytest.param({"status": 200}, Verdict.EXCEPTIONS, id="let in"),
        pytest.param({"status": 404}, Verdict.EXCEPTIONS, id="told what is not there"),
        pytest.param({"logged": False}, Verdict.EXCEPTIONS, id="not in the log"),
        pytest.param({"status": 503}, Verdict.INCONCLUSIVE, id="in trouble"),
        pytest.param({"knocked": []}, Verdict.NOT_EXERCISED, id="nowhere to knock"),
    ],
)
async def test_verdict(changed: dict[str, object], expected: Verdict) -> None:
    assert await found(CONTROL, **parts(**changed)) is expected


async def test_every_operation_is_tried_on_every_path() -> None:
    given = parts()

    await items(CONTROL, **given)
    asked = {(operation, path) for operation, path, _ in given["probe"].asked}  # type: ignore[attr-defined]

    assert asked == {(o, p) for o in OPERATIONS for p in ("secret/data/x", "sys/mounts")}
