"""T16, each case a morning: `strongroom.controls.fresh_factors`. Times are minutes of day 1."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom.controls.fresh_factors import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.identities import FreshFactor, PersonFact
from strongroom.sdk.facts.log import LogEntry, Setback
from tests.controls.histories import FakeIdentities, FakeLog, day, entry, found, items, login

RULE = FreshFactor(name="policies", within=timedelta(minutes=10))
ADA = PersonFact(entity="e-1", name="Ada")
PEOPLE = FakeIdentities(persons=[ADA], fresh={"sys/policies/": RULE})
KEYS = FakeIdentities(persons=[ADA], fresh={"sys/policies/": replace(RULE, kinds=("webauthn",))})
BACK = Setback(before=0, was=day(1.5), index=1, time=day(1))


def at(minutes: float) -> float:
    return 1 + minutes / 1440


def came(*factors: str, **own: object) -> LogEntry:
    return login(1, *factors, on=at(0), token="t", **own)


def change(index: int, minutes: float, code: str = "policy.write", **own: object) -> LogEntry:
    plain: dict[str, object] = {"path": "sys/policies/acl/x", "operation": "update", "kind": "user"}
    return entry(index, code, at(minutes), token="t", **(plain | own))


def used(index: int, minutes: float) -> LogEntry:
    return entry(index, "secret.read", at(minutes), token="t", kind="user")


STEPPED = entry(2, "session.step_up", at(30), token="t", shown="totp", kind="user")
OPENED = entry(2, "session.open", at(1), token="t", kind="user")
BY_APP = came("password", "totp")


@pytest.mark.parametrize(
    ("given", "log", "expected"),
    [
        pytest.param(PEOPLE, [BY_APP, change(5, 9)], Verdict.EFFECTIVE, id="just come"),
        pytest.param(PEOPLE, [BY_APP, change(5, 11)], Verdict.EXCEPTIONS, id="too long ago"),
        pytest.param(PEOPLE, [came("password"), change(5, 1)], Verdict.EXCEPTIONS, id="none shown"),
        pytest.param(PEOPLE, [change(5, 1)], Verdict.EXCEPTIONS, id="no login at all"),
        pytest.param(PEOPLE, [BY_APP, STEPPED, change(5, 39)], Verdict.EFFECTIVE, id="stepped up"),
        pytest.param(
            PEOPLE,
            [BY_APP, replace(STEPPED, ok=False), change(5, 39)],
            Verdict.EXCEPTIONS,
            id="tried to",
        ),
        pytest.param(
            PEOPLE,
            [BY_APP, replace(STEPPED, token="other"), change(5, 39)],
            Verdict.EXCEPTIONS,
            id="with another token",
        ),
        pytest.param(KEYS, [BY_APP, change(5, 1)], Verdict.EXCEPTIONS, id="not of the kind"),
        pytest.param(
            KEYS, [came("password", "webauthn"), change(5, 1)], Verdict.EFFECTIVE, id="of the kind"
        ),
        pytest.param(
            PEOPLE, [BY_APP, change(5, 11, ok=False)], Verdict.NOT_EXERCISED, id="refused"
        ),
        pytest.param(
            FakeIdentities(persons=[ADA], fresh={"auth/": RULE}),
            [change(1, 0, code="auth.login", path="auth/people/login/ada", complete=False)],
            Verdict.NOT_EXERCISED,
            id="a login that waits",
        ),
        pytest.param(
            PEOPLE, [BY_APP, used(5, 60)], Verdict.NOT_EXERCISED, id="no rule is about it"
        ),
        pytest.param(
            PEOPLE, [BY_APP, change(5, 11, actor="e-9")], Verdict.NOT_EXERCISED, id="no person"
        ),
        pytest.param(
            PEOPLE, [BY_APP, change(5, 11, kind="admin")], Verdict.NOT_EXERCISED, id="a root token"
        ),
        pytest.param(
            PEOPLE,
            [BY_APP, change(5, 11), entry(6, "step_up.rule.write", at(12))],
            Verdict.INCONCLUSIVE,
            id="the rule was changed since",
        ),
        pytest.param(PEOPLE, [BY_APP, OPENED, used(5, 15)], Verdict.EFFECTIVE, id="in use"),
        pytest.param(PEOPLE, [BY_APP, OPENED, used(5, 17)], Verdict.EXCEPTIONS, id="was idle"),
        pytest.param(
            PEOPLE,
            [
                entry(0, "session.limits.write", at(-1), idle=1200, longest=1800),
                BY_APP,
                OPENED,
                used(5, 17),
                used(6, 29),
            ],
            Verdict.EFFECTIVE,
            id="other limits",
        ),
        pytest.param(
            PEOPLE,
            [BY_APP, OPENED, *(used(i + 5, 14 * (i + 1)) for i in range(52))],
            Verdict.EXCEPTIONS,
            id="longer than twelve hours",
        ),
        pytest.param(
            PEOPLE, [LogEntry(index=3, readable=False)], Verdict.INCONCLUSIVE, id="unread"
        ),
        pytest.param(PEOPLE, [], Verdict.NOT_EXERCISED, id="nothing"),
    ],
)
async def test_verdict(given: FakeIdentities, log: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, identities=given, log=FakeLog(log)) is expected


async def test_where_the_clock_went_back_nothing_is_an_exception() -> None:
    log = FakeLog([BY_APP, change(5, 11)], back=[BACK])

    assert await found(CONTROL, identities=PEOPLE, log=log) is Verdict.INCONCLUSIVE


async def test_an_exception_is_named_with_its_rule() -> None:
    [item] = await items(CONTROL, identities=PEOPLE, log=FakeLog([BY_APP, change(5, 11)]))

    assert item.subject == "policy.write by e-1 at entry 5"
    assert item.because.startswith("policies: the factor of entry 1 was 0:11:00 old")
    assert item.proof == (5,)
