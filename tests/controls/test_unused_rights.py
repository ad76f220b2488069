"""T37, each case what somebody holds and what the log has of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.controls.unused_rights import CONTROL, WINDOW
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import HeldRules
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import MONTH, FakeAccess, FakeLog, found, items

RULES = tuple(f"app#secret/{n}" for n in range(8))
LONG = MONTH.end - WINDOW
ANN = HeldRules(entity="ann", name="Ann", since=LONG, rules=RULES, merged=("old",))


def use(
    index: int, rule: str, actor: str = "ann", *, ok: bool = True, cut: bool = False
) -> LogEntry:
    own = {"rules": [rule], **({"cut": {"rules": {"count": 9}}} if cut else {})}
    return LogEntry(index=index, time=MONTH.start, actor=actor, ok=ok, own=own)


@pytest.mark.parametrize(
    ("held", "written", "expected"),
    [
        pytest.param([ANN], [use(1, RULES[0]), use(2, RULES[1])], "effective", id="at threshold"),
        pytest.param([ANN], [use(1, RULES[0]), use(2, RULES[0])], "exceptions", id="one rule"),
        pytest.param([ANN], [], "exceptions", id="nothing used"),
        pytest.param(
            [ANN],
            [use(1, RULES[0]), use(2, RULES[1], actor="old")],
            "effective",
            id="used before a merge",
        ),
        pytest.param(
            [ANN], [use(1, RULES[0]), use(2, RULES[1], ok=False)], "exceptions", id="refused"
        ),
        pytest.param(
            [ANN], [use(1, RULES[0]), use(2, RULES[1], actor="bob")], "exceptions", id="another's"
        ),
        pytest.param([ANN], [use(1, RULES[0], cut=True)], "inconclusive", id="shortened"),
        pytest.param(
            [HeldRules(entity="ann", name="Ann", since=LONG, rules=RULES[:3])],
            [],
            "effective",
            id="few rules",
        ),
        pytest.param(
            [HeldRules(entity="ann", name="A", since=LONG + timedelta(days=1), rules=RULES)],
            [],
            "not exercised",
            id="new",
        ),
        pytest.param([], [], "not exercised", id="nobody"),
    ],
)
async def test_verdict(held: list[HeldRules], written: list[LogEntry], expected: str) -> None:
    log = FakeLog(history=written)

    assert await found(CONTROL, access=FakeAccess(holding=held), log=log) is Verdict(expected)


async def test_what_was_not_used_is_named_with_the_last_uses() -> None:
    log = FakeLog(history=[use(1, RULES[0]), use(2, RULES[0])])

    first, last = await items(CONTROL, access=FakeAccess(holding=[ANN]), log=log)

    assert first.because.startswith("7 of 8 rules not used in 90 days: app#secret/1, ")
    assert first.proof == (2,)
    assert last.because == "7 of 8 rules that 1 identities hold were not used"
