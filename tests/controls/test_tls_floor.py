"""T05, each case a listener and what it accepted: `strongroom.controls.tls_floor`."""

from __future__ import annotations

import pytest

from strongroom.controls.tls_floor import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.probes import Handshake, ListenerFact
from tests.controls.histories import FakeListeners, found

GOOD = "TLS_AES_256_GCM_SHA384"


def shake(version: str, *suites: str, conclusive: bool = True) -> Handshake:
    return Handshake(version=version, suites=suites, ended="alert", conclusive=conclusive)


def listener(*shakes: Handshake, **changed: object) -> ListenerFact:
    plain: dict[str, object] = {
        "address": "127.0.0.1:8200",
        "tls": True,
        "handshakes": (shake("TLS 1.1"), *shakes),
        "days_left": 90.0,
    }
    return ListenerFact(**(plain | changed))  # type: ignore[arg-type]


MODERN = shake("TLS 1.3", GOOD)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([listener(MODERN)], Verdict.EFFECTIVE, id="modern"),
        pytest.param(
            [listener(MODERN, shake("TLS 1.0", GOOD))], Verdict.EXCEPTIONS, id="an old version"
        ),
        pytest.param(
            [listener(shake("TLS 1.2", "TLS_RSA_WITH_AES_128_CBC_SHA"))],
            Verdict.EXCEPTIONS,
            id="an unlisted suite",
        ),
        pytest.param([listener(MODERN, days_left=12.0)], Verdict.EXCEPTIONS, id="ends soon"),
        pytest.param([listener(MODERN, days_left=30.0)], Verdict.EXCEPTIONS, id="30 days left"),
        pytest.param(
            [listener(MODERN, certificate_problem="self-signed")],
            Verdict.EXCEPTIONS,
            id="nobody vouches",
        ),
        pytest.param(
            [listener(MODERN), ListenerFact(address="127.0.0.1:8201", tls=False)],
            Verdict.EXCEPTIONS,
            id="one in clear",
        ),
        pytest.param(
            [listener(MODERN, shake("TLS 1.0", conclusive=False))],
            Verdict.INCONCLUSIVE,
            id="no answer",
        ),
        pytest.param([listener()], Verdict.INCONCLUSIVE, id="nothing accepted at all"),
        pytest.param([listener(MODERN, days_left=None)], Verdict.INCONCLUSIVE, id="no end"),
        pytest.param(
            [ListenerFact(address="x", tls=True, problem="refused")],
            Verdict.INCONCLUSIVE,
            id="nobody there",
        ),
        pytest.param([], Verdict.NOT_EXERCISED, id="no listener"),
    ],
)
async def test_verdict(facts: list[ListenerFact], expected: Verdict) -> None:
    assert await found(CONTROL, listeners=FakeListeners(facts)) is expected
