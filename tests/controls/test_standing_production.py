"""T40, each case a short history: `strongroom.controls.standing_production`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.standing_production import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.governance import (
    StandingFact,
)
from tests.controls.governance import FakeGovernance
from tests.controls.histories import found

STANDS = StandingFact(
    entity="ann", name="Ann", environment="production", by_policy=True, by_grant=False
)


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (STANDS, Verdict.EXCEPTIONS),
        (replace(STANDS, by_grant=True), Verdict.EFFECTIVE),
        (replace(STANDS, by_policy=False), Verdict.EFFECTIVE),
        (replace(STANDS, isolated=True), Verdict.EFFECTIVE),
        (replace(STANDS, problem="x"), Verdict.INCONCLUSIVE),
        (replace(STANDS, environment="staging"), Verdict.NOT_EXERCISED),
    ],
)
async def test_t40_wants_nobody_to_read_production_for_good(
    fact: StandingFact, expected: Verdict
) -> None:
    governance = FakeGovernance(stands=[fact])

    assert await found(CONTROL, governance=governance) is expected
