"""T12, each case a root token's life: `strongroom.controls.root_tokens`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from strongroom.controls.root_tokens import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import LiveToken
from strongroom.sdk.facts.log import LogEntry, Setback
from tests.controls.histories import FakeLog, FakeTokens, day, entry, found, items

ROOT = LiveToken(
    accessor="r1",
    path="auth/token/root",
    policies=("root",),
    issued_at=day(0),
    expires_at=None,
    explicit_max_ttl=timedelta(0),
    period=timedelta(0),
    entry=1,
)
INIT = entry(1, "seal.init", 0, root_accessor="r1")
CHILD = entry(5, "token.create", 2, accessor="r2", token_policies=["root"])

ENDS: list[tuple[str, dict[str, Any], Verdict]] = [
    ("in time", {"on": 0.5}, Verdict.EFFECTIVE),
    ("too late", {"on": 3}, Verdict.EXCEPTIONS),
    ("which that spared", {"on": 0.5, "path": "auth/token/revoke-orphan"}, Verdict.INCONCLUSIVE),
]


def _below(maker: str, accessor: str, *, orphan: bool = False) -> LogEntry:
    index = int(accessor[1:])
    return entry(
        index, "token.create", 0.1, accessor=accessor, root=True, token=maker, orphan=orphan
    )


def _end(*, on: float, path: str = "auth/token/revoke") -> LogEntry:
    return entry(9, "token.revoke", on, accessor="r1", path=path)


MANY = {"token_policies": {"count": 40, "sha256": "00" * 32}}
ALL = {"accessors": {"count": 900, "sha256": "00" * 32}}


@pytest.mark.parametrize(
    ("live", "log", "expected"),
    [
        pytest.param([ROOT], [INIT], Verdict.EXCEPTIONS, id="it lives"),
        pytest.param([ROOT], [], Verdict.EXCEPTIONS, id="it lives since before the period"),
        pytest.param(
            [],
            [INIT, entry(9, "token.revoke", 0.5, accessor="r1")],
            Verdict.EFFECTIVE,
            id="revoked after set-up",
        ),
        pytest.param(
            [],
            [INIT, entry(9, "token.revoke", 3, accessor="r1")],
            Verdict.EXCEPTIONS,
            id="kept for three days",
        ),
        pytest.param(
            [],
            [INIT, entry(8, "token.revoke", 0.1, accessor="r1", ok=False)],
            Verdict.INCONCLUSIVE,
            id="the revocation failed, and it is gone",
        ),
        pytest.param([], [INIT], Verdict.INCONCLUSIVE, id="gone, nobody knows when"),
        pytest.param(
            [],
            [CHILD, entry(6, "token.expire", 2.5, accessor="r2")],
            Verdict.EFFECTIVE,
            id="a child of a root token, expired",
        ),
        *(
            pytest.param(
                [],
                [INIT, _below("r1", "r2"), _below("r2", "r3"), _end(**how)],
                verdict,
                id=f"a root token and two below it, {name}",
            )
            for name, how, verdict in ENDS
        ),
        pytest.param(
            [],
            [INIT, _below("r1", "r2", orphan=True), entry(9, "token.revoke", 0.5, accessor="r1")],
            Verdict.INCONCLUSIVE,
            id="an orphan from before there were none, gone without an entry",
        ),
        pytest.param(
            [], [entry(2, "token.create", accessor="t1")], Verdict.NOT_EXERCISED, id="none"
        ),
        pytest.param(
            [],
            [entry(2, "token.create", cut=["details"])],
            Verdict.INCONCLUSIVE,
            id="an entry that lost its details",
        ),
        pytest.param(
            [],
            [entry(2, "seal.generate-root", cut={"details": {"count": 9}})],
            Verdict.INCONCLUSIVE,
            id="a ceremony that lost its details",
        ),
        pytest.param(
            [],
            [entry(2, "token.create", accessor="t1", token_policies=["a"], cut=MANY)],
            Verdict.INCONCLUSIVE,
            id="policies that were cut, and nothing else says whether root is one",
        ),
        pytest.param(
            [],
            [entry(2, "token.create", accessor="t1", root=False, token_policies=["a"], cut=MANY)],
            Verdict.NOT_EXERCISED,
            id="policies that were cut, of a token that is not root",
        ),
        pytest.param(
            [],
            [entry(2, "token.create", root=True, token_policies=["root"])],
            Verdict.INCONCLUSIVE,
            id="a root token without its accessor",
        ),
        pytest.param(
            [],
            [entry(2, "token.create", root=True, accessor="r3"), entry(9, "token.expire", cut=ALL)],
            Verdict.INCONCLUSIVE,
            id="its end is among those that were cut",
        ),
        pytest.param(
            [],
            [entry(2, "token.create", ok=False, cut=["details"])],
            Verdict.NOT_EXERCISED,
            id="a refusal, which made none",
        ),
    ],
)
async def test_verdict(live: list[LiveToken], log: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, tokens=FakeTokens(live), log=FakeLog(log)) is expected


async def test_a_handled_token_is_proven_by_its_beginning_and_its_end() -> None:
    log = FakeLog([INIT, entry(9, "token.revoke", 0.5, accessor="r1")])

    [item] = await items(CONTROL, log=log)

    assert item.proof == (1, 9)
    assert "revoked after 12:00:00" in item.because


BEFORE = entry(1, "seal.init", -9, root_accessor="r1")
USE = entry(7, "secret.read", 3, token="r1", policies=["root"])


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param(
            [BEFORE, USE, entry(9, "token.revoke", 5, accessor="r1")],
            Verdict.EXCEPTIONS,
            id="made before the period, used in it, revoked before the run",
        ),
        pytest.param(
            [BEFORE, entry(9, "token.revoke", 5, accessor="r1")],
            Verdict.EXCEPTIONS,
            id="made before the period, not used, revoked in it",
        ),
        pytest.param(
            [BEFORE, entry(2, "token.revoke", -8, accessor="r1"), entry(7, "secret.read", 3)],
            Verdict.NOT_EXERCISED,
            id="over before the period",
        ),
        pytest.param([BEFORE, USE], Verdict.INCONCLUSIVE, id="used, and gone without an entry"),
        pytest.param(
            [USE, entry(9, "token.revoke", 3.5, accessor="r1")],
            Verdict.INCONCLUSIVE,
            id="used, and no entry made it",
        ),
        pytest.param(
            [USE, entry(9, "token.revoke", 6, accessor="r1")],
            Verdict.EXCEPTIONS,
            id="used for days, and no entry made it",
        ),
        pytest.param(
            [
                entry(6, "token.create", -0.1, accessor="r1", token_policies=["root"]),
                USE,
                entry(9, "token.revoke", 0.5, accessor="r1"),
            ],
            Verdict.EFFECTIVE,
            id="made just before the period",
        ),
        pytest.param(
            [entry(7, "secret.read", 3, token="t1", policies=["default"])],
            Verdict.NOT_EXERCISED,
            id="another token is used",
        ),
    ],
)
async def test_a_root_token_that_was_used(log: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, log=FakeLog(log)) is expected


async def test_a_life_in_which_the_clock_went_back_is_not_judged() -> None:
    log = FakeLog([INIT, entry(9, "token.revoke", 0.5, accessor="r1")])
    log.back = [Setback(before=4, was=day(9), index=5, time=day(0))]

    [item] = await items(CONTROL, log=log)

    assert (item.held, "the clock went back" in item.because) == (None, True)
