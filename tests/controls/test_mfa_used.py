"""T07, each case a login or two: `strongroom.controls.mfa_used`."""

from __future__ import annotations

import pytest

from strongroom.controls.mfa_used import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.identities import WorkloadFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeIdentities, FakeLog, entry, found, items, login

SECOND = {"login": "auth/userpass/login/ada", "path": "sys/mfa/validate"}


def by_mfa(*factors: str, **own: object) -> LogEntry:
    plain: dict[str, object] = {"kind": "user", "factors": list(factors), **SECOND}
    return entry(4, "auth.login.mfa", **(plain | own))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param([login(3, "password", "totp")], Verdict.EFFECTIVE, id="in one step"),
        pytest.param(
            [login(3, "password", complete=False), by_mfa("password", "webauthn")],
            Verdict.EFFECTIVE,
            id="in two steps",
        ),
        pytest.param([login(3, "password")], Verdict.EXCEPTIONS, id="a password alone"),
        pytest.param([login(3, "password", complete=False)], Verdict.NOT_EXERCISED, id="waits"),
        pytest.param([login(3, "password", ok=False)], Verdict.NOT_EXERCISED, id="refused"),
        pytest.param([by_mfa("password")], Verdict.EXCEPTIONS, id="two steps, one factor"),
        pytest.param(
            [login(3, "oidc", provider_factors=["acr:gold"])], Verdict.EFFECTIVE, id="a provider's"
        ),
        pytest.param(
            [login(3, "password", only_enrols=["totp"])], Verdict.EFFECTIVE, id="can only enrol"
        ),
        pytest.param([login(3, "secret-id", kind="service")], Verdict.NOT_EXERCISED, id="workload"),
        pytest.param([login(3, "jwt", kind="")], Verdict.NOT_EXERCISED, id="what workloads have"),
        pytest.param([login(3, "oidc", kind="")], Verdict.INCONCLUSIVE, id="who knows"),
        pytest.param([login(3, "jwt")], Verdict.EXCEPTIONS, id="a person by a token alone"),
        pytest.param(
            [login(3, cut={"factors": {"sha256": "x"}})], Verdict.INCONCLUSIVE, id="was cut"
        ),
        pytest.param([login(3, factors="totp")], Verdict.EXCEPTIONS, id="factors are no list"),
        pytest.param([login(3, factors=[["totp"], 7])], Verdict.EXCEPTIONS, id="nor texts"),
        pytest.param(
            [LogEntry(index=3, readable=False)], Verdict.INCONCLUSIVE, id="cannot be read"
        ),
        pytest.param([], Verdict.NOT_EXERCISED, id="nobody"),
    ],
)
async def test_verdict(log: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, log=FakeLog(log)) is expected


async def test_a_registered_workload_is_left_out() -> None:
    given = FakeIdentities(machines=[WorkloadFact(entity="e-1")])

    log = FakeLog([login(3, "password")])

    assert await found(CONTROL, log=log, identities=given) is Verdict.NOT_EXERCISED


async def test_logins_that_are_alike_are_counted_and_one_that_broke_is_named() -> None:
    log = [login(3, "password"), *(login(each, "password", "totp") for each in range(4, 14))]

    broke, alike = await items(CONTROL, log=FakeLog(log))

    assert (broke.held, broke.subject, broke.proof) == (False, "login of e-1 at entry 3", (3,))
    assert (alike.members, alike.proof) == (10, (4, 5, 6))
