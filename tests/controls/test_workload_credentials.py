"""T10, each case a way in or a credential: `strongroom.controls.workload_credentials`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from strongroom.controls.workload_credentials import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import LiveToken
from strongroom.sdk.facts.identities import SecretIdFact, WayIn, WorkloadFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeIdentities, FakeLog, FakeTokens, day, found, items, login

ZERO = timedelta(0)
ENDS = SecretIdFact(mount="auth/approle/", digest="a" * 64, ends=True, entry=5)
STATIC = SecretIdFact(mount="auth/approle/", digest="b" * 64, ends=False, entry=6)
SHOP = WorkloadFact(entity="e-1", name="shop")


def token(**changed: Any) -> LiveToken:
    plain: dict[str, Any] = {
        "accessor": "a1",
        "path": "auth/approle/login",
        "policies": ("app",),
        "issued_at": day(20),
        "expires_at": day(20.5),
        "explicit_max_ttl": ZERO,
        "period": ZERO,
        "entry": 7,
    }
    return LiveToken(**(plain | changed))


def by(proof: str, kind: str = "service", path: str = "auth/jwt/login") -> LogEntry:
    return login(3, proof, kind=kind, path=path)


@pytest.mark.parametrize(
    ("given", "tokens", "log", "expected"),
    [
        pytest.param({}, [], [by("jwt")], Verdict.EFFECTIVE, id="a signed token"),
        pytest.param({}, [], [by("certificate")], Verdict.EFFECTIVE, id="a certificate"),
        pytest.param({}, [], [by("role-id")], Verdict.EXCEPTIONS, id="a role id alone"),
        pytest.param({}, [], [by("new-thing")], Verdict.INCONCLUSIVE, id="unknown here"),
        pytest.param(
            {"machines": [SHOP]},
            [],
            [by("password", "user")],
            Verdict.EXCEPTIONS,
            id="a workload with a password",
        ),
        pytest.param({}, [], [by("password", "user")], Verdict.NOT_EXERCISED, id="a person"),
        pytest.param({"secrets": [ENDS]}, [], [], Verdict.EFFECTIVE, id="a secret id that ends"),
        pytest.param({"secrets": [ENDS, STATIC]}, [], [], Verdict.EXCEPTIONS, id="one without"),
        pytest.param({}, [token()], [], Verdict.EFFECTIVE, id="hours"),
        pytest.param({}, [token(expires_at=day(22))], [], Verdict.EXCEPTIONS, id="days"),
        pytest.param({}, [token(expires_at=None)], [], Verdict.EXCEPTIONS, id="no end"),
        pytest.param({}, [token(period=timedelta(days=2))], [], Verdict.EXCEPTIONS, id="periodic"),
        pytest.param(
            {},
            [token(path="auth/userpass/login/ada", expires_at=day(22))],
            [],
            Verdict.NOT_EXERCISED,
            id="a person's",
        ),
        pytest.param(
            {"machines": [SHOP]},
            [token(path="auth/token/create", entity="e-1", expires_at=day(22))],
            [],
            Verdict.EXCEPTIONS,
            id="a workload's, made by hand",
        ),
        pytest.param(
            {
                "ways": [
                    WayIn(path="auth/apps/", method="approle", locks=True, failures=5, lasts=ZERO)
                ]
            },
            [token(path="auth/apps/login", expires_at=day(22))],
            [],
            Verdict.EXCEPTIONS,
            id="at a mount of another name",
        ),
        pytest.param(
            {}, [], [login(3, factors=7, kind="service")], Verdict.INCONCLUSIVE, id="shape"
        ),
        pytest.param({}, [], [], Verdict.NOT_EXERCISED, id="no workload"),
    ],
)
async def test_verdict(
    given: dict[str, Any], tokens: list[LiveToken], log: list[LogEntry], expected: Verdict
) -> None:
    parts = {"identities": FakeIdentities(**given), "tokens": FakeTokens(tokens)}

    assert await found(CONTROL, log=FakeLog(log), **parts) is expected


async def test_a_static_secret_id_is_named_by_its_digest_and_entry() -> None:
    [item] = await items(CONTROL, identities=FakeIdentities(secrets=[STATIC]))

    assert (item.subject, item.proof) == ("secret id bbbbbbbbbbbb at auth/approle/", (6,))
