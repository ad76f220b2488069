"""T06, each case a person or two: `strongroom.controls.mfa_enrolled`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.mfa_enrolled import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.identities import FactorFact, PersonFact, WorkloadFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeIdentities, FakeLog, found, items, login

ADA = PersonFact(entity="e-1", name="Ada")
APP = FactorFact(id="f-1", entity="e-1", kind="totp", entry=7)


def who(*factors: FactorFact, person: PersonFact = ADA) -> FakeIdentities:
    return FakeIdentities(persons=[person], enrolled=factors)


@pytest.mark.parametrize(
    ("given", "log", "expected"),
    [
        pytest.param(who(APP), [], Verdict.EFFECTIVE, id="an app"),
        pytest.param(who(replace(APP, kind="webauthn")), [], Verdict.EFFECTIVE, id="a key"),
        pytest.param(who(), [], Verdict.EXCEPTIONS, id="nothing"),
        pytest.param(who(replace(APP, kind="recovery")), [], Verdict.EXCEPTIONS, id="only codes"),
        pytest.param(who(replace(APP, disabled="cloned")), [], Verdict.EXCEPTIONS, id="disabled"),
        pytest.param(who(replace(APP, entity="e-2")), [], Verdict.EXCEPTIONS, id="another's"),
        pytest.param(who(replace(APP, shown=False)), [], Verdict.INCONCLUSIVE, id="never shown"),
        pytest.param(
            who(),
            [login(3, "oidc", provider_factors=["amr:hwk"])],
            Verdict.EFFECTIVE,
            id="provider",
        ),
        pytest.param(
            who(person=replace(ADA, active=False)), [], Verdict.NOT_EXERCISED, id="has left"
        ),
        pytest.param(
            who(APP, person=replace(ADA, problem="changed")),
            [],
            Verdict.INCONCLUSIVE,
            id="tampered",
        ),
        pytest.param(
            who(APP, FactorFact(id="f-2", entity="", kind="", problem="changed")),
            [],
            Verdict.INCONCLUSIVE,
            id="a factor that was tampered with",
        ),
        pytest.param(
            FakeIdentities(), [login(3, "password")], Verdict.EXCEPTIONS, id="not registered"
        ),
        pytest.param(
            FakeIdentities(machines=[WorkloadFact(entity="e-1")]),
            [login(3, "password")],
            Verdict.NOT_EXERCISED,
            id="a workload",
        ),
        pytest.param(
            who(), [login(3, cut={"details": 1})], Verdict.INCONCLUSIVE, id="the entry was cut"
        ),
        pytest.param(
            FakeIdentities(),
            [login(3, "password", factors={"totp": 1}, provider_factors="amr:hwk")],
            Verdict.EXCEPTIONS,
            id="fields of another shape",
        ),
        pytest.param(FakeIdentities(), [], Verdict.NOT_EXERCISED, id="nobody"),
    ],
)
async def test_verdict(given: FakeIdentities, log: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, identities=given, log=FakeLog(log)) is expected


async def test_an_exception_is_named() -> None:
    [item] = await items(CONTROL, identities=who(), log=FakeLog([login(3, "password")]))

    assert (item.subject, item.because, item.proof) == ("Ada (e-1)", "no second factor", (3,))
