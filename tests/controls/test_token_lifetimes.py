"""T11, each case a few tokens: `strongroom.controls.token_lifetimes`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from strongroom.controls.token_lifetimes import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import Bearing, LiveToken
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


class TestBatchTokens:
    """They are in no table, and no entry has an accessor of one."""

    @pytest.mark.parametrize(
        ("made", "expected"),
        [
            pytest.param({"ttl": 3600}, Verdict.EFFECTIVE, id="an hour"),
            pytest.param({"ttl": 32 * 86400}, Verdict.EFFECTIVE, id="32 days to the second"),
            pytest.param({"ttl": 32 * 86400 + 1}, Verdict.EXCEPTIONS, id="a second more"),
            pytest.param({"ttl": 2_880_000_000}, Verdict.EXCEPTIONS, id="91 years"),
            pytest.param({"ttl": 10**30}, Verdict.INCONCLUSIVE, id="no number of seconds"),
            pytest.param({"ttl": "3600"}, Verdict.INCONCLUSIVE, id="a text"),
            pytest.param({"ttl": True}, Verdict.INCONCLUSIVE, id="a truth value"),
            pytest.param({}, Verdict.INCONCLUSIVE, id="cut"),
            pytest.param({"ttl": 40 * 86400, "on": -50}, Verdict.NOT_EXERCISED, id="long over"),
            pytest.param({"ttl": 40 * 86400, "on": -30}, Verdict.EXCEPTIONS, id="over since"),
            pytest.param({"ttl": 2_880_000_000, "ok": False}, Verdict.NOT_EXERCISED, id="refused"),
        ],
    )
    @pytest.mark.parametrize("code", ["token.create", "auth.login", "auth.login.mfa"])
    async def test_each_is_judged_by_the_life_that_its_making_says(
        self, code: str, made: dict[str, Any], expected: Verdict
    ) -> None:
        log = [entry(3, code, **({"token_type": "batch"} | made))]

        assert await found(CONTROL, log=FakeLog(log)) is expected

    async def test_a_login_that_says_no_type_and_no_accessor_is_not_judged(self) -> None:
        [item] = await items(CONTROL, log=FakeLog([entry(3, "auth.login", kind="user")]))

        assert (item.held, item.proof) == (None, (3,))

    @pytest.mark.parametrize("said", [{"complete": False}, {"kind": "system"}, {"token": "a7"}])
    async def test_an_entry_of_no_batch_token_is_none(self, said: dict[str, Any]) -> None:
        found = await items(CONTROL, log=FakeLog([entry(3, "auth.login", **said)]))

        assert not [item for item in found if "batch" in item.subject]

    @pytest.mark.parametrize(
        ("bearing", "expected"),
        [
            (Bearing(stands=False, because="the token that made it is gone"), Verdict.EFFECTIVE),
            (Bearing(stands=None, because="a row was changed"), Verdict.INCONCLUSIVE),
            (Bearing(stands=True), Verdict.EXCEPTIONS),
        ],
    )
    async def test_one_that_ended_with_what_it_hangs_on_is_no_exception(
        self, bearing: Bearing, expected: Verdict
    ) -> None:
        log = FakeLog([entry(3, "token.create", token_type="batch", ttl=10**9)])

        assert await found(CONTROL, tokens=FakeTokens(bearings={3: bearing}), log=log) is expected

    @pytest.mark.parametrize(
        ("further", "expected"),
        [
            ([], Verdict.INCONCLUSIVE),
            ([entry(5, "auth.login", 20, token_type="batch", ttl=86400)], Verdict.EFFECTIVE),
            ([entry(5, "auth.login", 20, token_type="batch", ttl=60)], Verdict.INCONCLUSIVE),
        ],
    )
    async def test_a_late_use_that_nothing_else_accounts_for_leaves_it_open(
        self, further: list[LogEntry], expected: Verdict
    ) -> None:
        made = entry(3, "auth.login", -30, token_type="batch", ttl=10**9)
        used = entry(6, "secret.read", 20.5, policies=["app"])
        bearings = {3: Bearing(stands=False, because="its mount is gone")}
        log = FakeLog([made, *further, used])

        assert await found(CONTROL, tokens=FakeTokens(bearings=bearings), log=log) is expected

    async def test_a_use_without_an_accessor_that_no_entry_accounts_for_is_not_judged(self) -> None:
        log = FakeLog([entry(6, "secret.read", actor="e-9", policies=["app"])])

        [item] = await items(CONTROL, log=log)

        assert (item.subject, item.held, item.proof) == ("e-9", None, (6,))

    async def test_those_that_are_alike_are_one_item(self) -> None:
        made = {"path": "auth/approle/login", "token_type": "batch", "ttl": 3600}
        log = FakeLog([entry(i, "auth.login", **made) for i in range(9)])

        [item] = await items(CONTROL, log=log)

        assert (item.held, item.members, item.proof) == (True, 9, (0, 1, 2))
