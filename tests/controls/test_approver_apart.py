"""T21, each case a short history: `strongroom.controls.approver_apart`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.approver_apart import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.log import LogEntry
from tests.controls.granting import ASKED, approval
from tests.controls.histories import FakeLog, entry, found


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param([ASKED, approval()], Verdict.EFFECTIVE, id="another"),
        pytest.param([ASKED], Verdict.NOT_EXERCISED, id="nobody approved"),
        pytest.param([ASKED, approval(actor="ann")], Verdict.EXCEPTIONS, id="who asked"),
        pytest.param([ASKED, approval(makers=["eve"])], Verdict.EXCEPTIONS, id="made token"),
        pytest.param([approval()], Verdict.INCONCLUSIVE, id="nobody asked"),
        pytest.param([ASKED, approval(cut={"proposal": 1})], Verdict.INCONCLUSIVE, id="cut"),
        pytest.param(
            [ASKED, approval(), entry(3, "entity.merge", on=3, entity="ann", entities=["bob"])],
            Verdict.EXCEPTIONS,
            id="merged since",
        ),
        pytest.param(
            [
                replace(ASKED, code="registration.request", own={**ASKED.own, "registration": "q"}),
                entry(2, "registration.approve", on=2, actor="ann", registration="p"),
            ],
            Verdict.EXCEPTIONS,
            id="registrations too",
        ),
    ],
)
async def test_t21_joins_approvals_with_requests(log: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, log=FakeLog(log)) is expected
