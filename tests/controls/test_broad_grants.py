"""T36, each case a rule: `strongroom.controls.broad_grants`."""

from __future__ import annotations

import pytest

from strongroom.controls.broad_grants import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import RuleFact
from tests.controls.histories import FakeAccess, found


def rule(pattern: str, *capabilities: str, within: tuple[str, ...] = ()) -> RuleFact:
    return RuleFact(
        policy="app", pattern=pattern, capabilities=capabilities, within=within, entry=3
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(rule("secret/data/app/*", "read"), Verdict.EFFECTIVE, id="narrow"),
        pytest.param(rule("*", "read"), Verdict.EXCEPTIONS, id="everything"),
        pytest.param(rule("+/*", "read"), Verdict.EXCEPTIONS, id="everything, in other words"),
        pytest.param(rule("*", "deny"), Verdict.EFFECTIVE, id="denies everything"),
        pytest.param(
            rule("secret/*", "read", within=("production",)),
            Verdict.EXCEPTIONS,
            id="an environment",
        ),
        pytest.param(rule("sys/*", "read", "sudo"), Verdict.EXCEPTIONS, id="sudo on a wildcard"),
        pytest.param(rule("sys/rotate", "update", "sudo"), Verdict.EFFECTIVE, id="sudo on a path"),
    ],
)
async def test_verdict(given: RuleFact, expected: Verdict) -> None:
    assert await found(CONTROL, access=FakeAccess(ruled=[given])) is expected


async def test_without_policies_nothing_is_judged() -> None:
    assert await found(CONTROL) is Verdict.NOT_EXERCISED
