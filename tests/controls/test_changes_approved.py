"""T80, each case a short history: `strongroom.controls.changes_approved`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.changes_approved import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.log import LogEntry
from tests.controls.changes import RULE, approved, proposed, write
from tests.controls.histories import FakeLog, entry, found

BY_ITSELF = replace(
    proposed(),
    ok=False,
    own={
        "change_proposed": "c-1",
        "requesters": ["ann"],
        "change_digest": "x",
        "change_difference": "d",
    },
)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param([RULE, proposed(), approved(), write()], Verdict.EFFECTIVE, id="in order"),
        pytest.param(
            [RULE, BY_ITSELF, approved(because_given=True), write()],
            Verdict.EFFECTIVE,
            id="proposed by itself, and the approver said why",
        ),
        pytest.param(
            [RULE, BY_ITSELF, approved(), write()], Verdict.EXCEPTIONS, id="nobody said why"
        ),
        pytest.param(
            [RULE, write(change=None, change_digest=None)], Verdict.EXCEPTIONS, id="no change"
        ),
        pytest.param([RULE, proposed(), write()], Verdict.EXCEPTIONS, id="not approved"),
        pytest.param(
            [RULE, proposed(), write(3), approved(4)], Verdict.EXCEPTIONS, id="approved too late"
        ),
        pytest.param(
            [RULE, proposed(), approved(actor="ann"), write()],
            Verdict.EXCEPTIONS,
            id="approved by who asked",
        ),
        pytest.param(
            [RULE, proposed(), approved(), write(change_digest="y")],
            Verdict.EXCEPTIONS,
            id="another write",
        ),
        pytest.param(
            [RULE, proposed(), approved(), proposed(4, "change.edit"), write(5)],
            Verdict.EXCEPTIONS,
            id="edited since",
        ),
        pytest.param(
            [RULE, proposed(), approved(state="pending"), write()],
            Verdict.EXCEPTIONS,
            id="approved by too few",
        ),
        pytest.param(
            [RULE, proposed(difference=""), approved(), write()],
            Verdict.EXCEPTIONS,
            id="nothing shown",
        ),
        pytest.param(
            [RULE, proposed(cut=["details"]), approved(), write()],
            Verdict.INCONCLUSIVE,
            id="cut",
        ),
        pytest.param(
            [replace(RULE, own={**RULE.own, "cut": ["details"]}), proposed()],
            Verdict.INCONCLUSIVE,
            id="a rule was cut",
        ),
        pytest.param(
            [RULE, write(change=None, change_digest=None, ok=False)],
            Verdict.NOT_EXERCISED,
            id="refused",
        ),
        pytest.param(
            [write(change=None, change_digest=None)], Verdict.NOT_EXERCISED, id="no rule yet"
        ),
        pytest.param(
            [replace(RULE, own={**RULE.own, "enabled": False}), write(change=None)],
            Verdict.NOT_EXERCISED,
            id="a rule that is off",
        ),
        pytest.param(
            [RULE, write(operation="read", change=None)], Verdict.NOT_EXERCISED, id="a read"
        ),
        pytest.param(
            [RULE, write(rules=[], change=None)], Verdict.NOT_EXERCISED, id="the server itself"
        ),
        pytest.param(
            [
                RULE,
                entry(
                    2,
                    "change_rule.delete",
                    operation="delete",
                    path="strongroom/change-rules/admin",
                    rule="admin",
                    rules=["root#*"],
                ),
            ],
            Verdict.EXCEPTIONS,
            id="the rules themselves",
        ),
        pytest.param(
            [RULE, proposed(code="change.emergency"), write()],
            Verdict.NOT_EXERCISED,
            id="an emergency",
        ),
    ],
)
async def test_what_is_covered_is_written_as_approved(
    log: list[LogEntry], expected: Verdict
) -> None:
    assert await found(CONTROL, log=FakeLog(log)) is expected
