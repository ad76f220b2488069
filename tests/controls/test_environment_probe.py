"""T18, each case how the server answers: `strongroom.controls.environment_probe`."""

from __future__ import annotations

import pytest

from strongroom.controls.environment_probe import CONTROL, concrete
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import EnvironmentFact
from tests.controls.histories import FakeAccess, FakeLog, FakeProbe, found, items

PRODUCTION = EnvironmentFact(
    name="production", paths=("secret/data/production/*",), protected=True, open=False
)
ACCESS = FakeAccess([PRODUCTION])


def parts(**changed: object) -> dict[str, object]:
    log = FakeLog()
    return {"log": log, "access": ACCESS, "probe": FakeProbe(log, **changed)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, Verdict.EFFECTIVE, id="refused and logged"),
        pytest.param({"status": 200}, Verdict.EXCEPTIONS, id="it got through"),
        pytest.param({"status": 404}, Verdict.EXCEPTIONS, id="it was told that nothing is there"),
        pytest.param({"logged": False}, Verdict.EXCEPTIONS, id="refused, and not in the log"),
        pytest.param({"guardrail": ""}, Verdict.EXCEPTIONS, id="refused by policy alone"),
        pytest.param({"status": 503}, Verdict.INCONCLUSIVE, id="the server was in trouble"),
    ],
)
async def test_verdict(changed: dict[str, object], expected: Verdict) -> None:
    assert await found(CONTROL, **parts(**changed)) is expected


async def test_without_a_protected_environment_nothing_is_tried() -> None:
    assert await found(CONTROL) is Verdict.NOT_EXERCISED


async def test_it_only_reads_and_lists() -> None:
    given = parts()

    await items(CONTROL, **given)

    assert {operation for operation, _, _ in given["probe"].asked} == {"read", "list"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [("a/*", "a/NAME"), ("a/+/b", "a/NAME/b"), ("a/b", "a/b"), ("a/pre*", "a/preNAME")],
)
def test_a_pattern_is_tried_at_a_path_that_it_matches(pattern: str, path: str) -> None:
    assert concrete(pattern, "NAME") == path
