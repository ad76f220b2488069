"""T11, each case a few tokens: `strongroom.controls.token_lifetimes`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.controls.token_lifetimes import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import LiveToken
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeLog, FakeTokens, day, entry, found, items

ZERO = timedelta(0)


def token(**changed: object) -> LiveToken:
    plain: dict[str, object] = {
        "accessor": "a1",
        "path": "auth/approle/login",
        "policies": ("app",),
        "issued_at": day(20),
        "expires_at": day(21),
        "explicit_max_ttl": ZERO,
        "period": ZERO,
        "entry": 7,
    }
    return LiveToken(**(plain | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tokens", "log", "expected"),
    [
        pytest.param([token()], [], Verdict.EFFECTIVE, id="a day"),
        pytest.param([token(expires_at=None)], [], Verdict.EXCEPTIONS, id="no end"),
        pytest.param([token(expires_at=day(53))], [], Verdict.EXCEPTIONS, id="33 days"),
        pytest.param([token(expires_at=day(52))], [], Verdict.EFFECTIVE, id="32 days to the hour"),
        pytest.param(
            [token(explicit_max_ttl=timedelta(days=90))],
            [],
            Verdict.EXCEPTIONS,
            id="may be renewed",
        ),
        pytest.param(
            [token(period=timedelta(days=1), issued_at=day(-90))],
            [],
            Verdict.EFFECTIVE,
            id="periodic",
        ),
        pytest.param([token(period=timedelta(days=40))], [], Verdict.EXCEPTIONS, id="long period"),
        pytest.param(
            [],
            [entry(1, "secret.read", 1, token="a9"), entry(2, "secret.read", 20, token="a9")],
            Verdict.EFFECTIVE,
            id="gone, used for 19 days",
        ),
        pytest.param(
            [], [LogEntry(index=3, readable=False)], Verdict.INCONCLUSIVE, id="unreadable"
        ),
        pytest.param([], [], Verdict.NOT_EXERCISED, id="no token at all"),
    ],
)
async def test_verdict(tokens: list[LiveToken], log: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, tokens=FakeTokens(tokens), log=FakeLog(log)) is expected


async def test_an_exception_is_proven_by_the_entry_that_made_the_token() -> None:
    [item] = await items(CONTROL, tokens=FakeTokens([token(expires_at=None)]))

    assert (item.subject, item.proof) == ("token a1", (7,))
