"""T09, each case a factor or two: `strongroom.controls.factor_kinds`."""

from __future__ import annotations

import pytest

from strongroom.controls.factor_kinds import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.identities import FactorFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeIdentities, FakeLog, found, items, login

APP = FactorFact(id="f-1", entity="e-1", kind="totp", entry=7)
SMS = FactorFact(id="f-2", entity="e-1", kind="sms", entry=8)


@pytest.mark.parametrize(
    ("factors", "log", "expected"),
    [
        pytest.param([APP], [], Verdict.EFFECTIVE, id="an app"),
        pytest.param([APP, SMS], [], Verdict.EXCEPTIONS, id="one by SMS"),
        pytest.param(
            [FactorFact(id="m", entity="", kind="duo")], [], Verdict.EXCEPTIONS, id="a method"
        ),
        pytest.param(
            [FactorFact(id="f", entity="", kind="", problem="changed")],
            [],
            Verdict.INCONCLUSIVE,
            id="tampered",
        ),
        pytest.param(
            [], [login(3, "oidc", provider_factors=["amr:hwk"])], Verdict.EFFECTIVE, id="a provider"
        ),
        pytest.param(
            [APP],
            [login(3, "oidc", provider_factors=["amr:SMS"])],
            Verdict.EXCEPTIONS,
            id="its SMS",
        ),
        pytest.param(
            [APP],
            [login(3, "oidc", provider_factors={"amr": "sms"})],
            Verdict.EFFECTIVE,
            id="shape",
        ),
        pytest.param([], [], Verdict.NOT_EXERCISED, id="no factor at all"),
    ],
)
async def test_verdict(factors: list[FactorFact], log: list[LogEntry], expected: Verdict) -> None:
    given = FakeIdentities(enrolled=factors)

    assert await found(CONTROL, identities=given, log=FakeLog(log)) is expected


async def test_an_exception_is_named() -> None:
    app, sms = sorted(
        await items(CONTROL, identities=FakeIdentities(enrolled=[SMS, APP])),
        key=lambda item: item.held is False,
    )

    assert (app.held, sms.held) == (True, False)
    assert (sms.subject, sms.proof) == ("factors of kind 'sms'", (8,))
