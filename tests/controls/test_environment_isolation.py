"""T17, each case who could reach what: `strongroom.controls.environment_isolation`."""

from __future__ import annotations

import pytest

from strongroom.controls.environment_isolation import CONTROL
from strongroom.sdk.control import Crossing, EnvironmentFact, Verdict
from tests.controls.histories import FakeAccess, found


def crossing(*, by_policy: bool, guardrail: str) -> Crossing:
    return Crossing(
        identity="app",
        bound=("staging",),
        environment="production",
        pattern="secret/data/production/*",
        by_policy=by_policy,
        guardrail=guardrail,
    )


def production(*, protected: bool) -> EnvironmentFact:
    return EnvironmentFact(name="production", paths=("p/*",), protected=protected, open=False)


REFUSED = "environment:production"


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        pytest.param(
            FakeAccess(crossed=[crossing(by_policy=False, guardrail=REFUSED)]),
            Verdict.EFFECTIVE,
            id="no policy grants it",
        ),
        pytest.param(
            FakeAccess(crossed=[crossing(by_policy=True, guardrail=REFUSED)]),
            Verdict.EFFECTIVE,
            id="the guardrail refuses it",
        ),
        pytest.param(
            FakeAccess(crossed=[crossing(by_policy=True, guardrail="")]),
            Verdict.EXCEPTIONS,
            id="nothing refuses it",
        ),
        pytest.param(
            FakeAccess([production(protected=False)]), Verdict.EXCEPTIONS, id="left unprotected"
        ),
        pytest.param(
            FakeAccess([production(protected=True)]), Verdict.NOT_EXERCISED, id="nobody is bound"
        ),
    ],
)
async def test_verdict(access: FakeAccess, expected: Verdict) -> None:
    assert await found(CONTROL, access=access) is expected
