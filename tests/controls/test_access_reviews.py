"""T38 and T33, each case a short history: `strongroom.controls.access_reviews`."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.base.clock import rfc3339
from strongroom.controls.access_reviews import CONTROL
from strongroom.controls.workload_reviews import CONTROL as OF_WORKLOADS
from strongroom.crypto.merkle import leaf_hash, root_of
from strongroom.sdk.control import ControlTest, Verdict, verdict
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.facts.reviews import HeldFact, LineFact
from strongroom.sdk.reviews import line_bytes, root_over
from tests.controls.histories import FakeLog, day, entry, evidence
from tests.controls.reviews import FakeReviews

QUARTER = Period(day(0), day(92))  # the third of 2026


async def judged(control: ControlTest, **parts: Any) -> Verdict:
    return verdict([item async for item in control.evaluate(QUARTER, evidence(**parts))])


def line(number: int, holder: str = "cem", **more: object) -> LineFact:
    own = {"number": number, "holder": holder, "owner": "", "kind": "policy", "via": "reader"}
    return LineFact(number=number, frozen={**own, **more})


LINES = (line(1), line(2, "dee"))


def started(on: float = 10, lines: tuple[LineFact, ...] = LINES, **more: Any) -> LogEntry:
    own: dict[str, Any] = {
        "campaign": "c",
        "campaign_kind": "people",
        "lines": len(lines),
        "root": root_over(each.frozen for each in lines),
        "deadline_at": rfc3339(day(on + 14)),
        "grace_seconds": 7 * 86400,
        **more,
    }
    return entry(10, "review.start", on=on, **own)


def said(number: int, by: str = "ann", verdict: str = "keep", **more: Any) -> LogEntry:
    own: dict[str, Any] = {"campaign": "c", "verdict": verdict, "decided_by": by, "final": True}
    return entry(20 + number, "review.decide", on=12, **{**own, "line": number, **more})


def signed(on: float = 13, **more: Any) -> LogEntry:
    own = {"campaign": "c", "campaign_kind": "people", "signed_by": "ann"}
    return entry(40, "review.sign_off", on=on, **{**own, **more})


def scheduled(enabled: bool) -> LogEntry:
    own = {"campaign_kind": "people", "enabled": enabled}
    return entry(1, "review_schedule.write", on=1, **own)


def before() -> LogEntry:
    return entry(1, "review.start", on=-80, campaign="b", campaign_kind="people")


DONE = (started(), said(1), said(2), signed())


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 8, 13])
def test_the_root_is_that_of_the_tree_of_the_log(size: int) -> None:
    lines = [line(number).frozen for number in range(size)]

    assert root_over(lines) == root_of([leaf_hash(line_bytes(each)) for each in lines]).hex()


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param([], Verdict.NOT_EXERCISED, id="never begun"),
        pytest.param(DONE, Verdict.EFFECTIVE, id="all of it"),
        pytest.param(
            [started(), said(1, line=None, decided_lines=[1, 2]), signed()],
            Verdict.EFFECTIVE,
            id="at once",
        ),
        pytest.param([started(), said(1), signed()], Verdict.EXCEPTIONS, id="one undecided"),
        pytest.param([started(), said(1), said(2)], Verdict.EXCEPTIONS, id="not signed"),
        pytest.param(
            [started(80), said(1), said(2)], Verdict.NOT_EXERCISED, id="not due, and not signed"
        ),
        pytest.param([*DONE[:3], signed(31)], Verdict.EFFECTIVE, id="signed in the grace"),
        pytest.param([*DONE[:3], signed(31.1)], Verdict.EXCEPTIONS, id="signed too late"),
        pytest.param(
            [started(), said(1, "cem"), said(2), signed()], Verdict.EXCEPTIONS, id="by themselves"
        ),
        pytest.param(
            [started(), said(1, verdict="escalate"), said(2), signed()],
            Verdict.EXCEPTIONS,
            id="passed on",
        ),
        pytest.param(
            [started(), said(1, verdict="defer", otherwise="revoke"), said(2), signed()],
            Verdict.EFFECTIVE,
            id="put off, and then revoked",
        ),
        pytest.param(
            [started(), said(1, verdict="defer", otherwise="escalate"), said(2), signed()],
            Verdict.EXCEPTIONS,
            id="put off",
        ),
        pytest.param(
            [started(), said(1), said(2), said(1, ok=False), signed()],
            Verdict.EFFECTIVE,
            id="a refused one counts for nothing",
        ),
        pytest.param([started(root="00"), *DONE[1:]], Verdict.EXCEPTIONS, id="another root"),
        pytest.param([started(lines=LINES[:1]), *DONE[1:]], Verdict.EXCEPTIONS, id="a line more"),
        pytest.param(
            [started(cut=["root"]), *DONE[1:]], Verdict.INCONCLUSIVE, id="its start was cut"
        ),
        pytest.param(
            [started(), said(1, cut=["decided_by"]), said(2), signed()],
            Verdict.INCONCLUSIVE,
            id="a decision was cut",
        ),
    ],
)
async def test_a_review_is_judged(log: list[LogEntry], expected: Verdict) -> None:
    reviews = FakeReviews({"c": LINES})

    assert await judged(CONTROL, log=FakeLog(log), reviews=reviews) is expected


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param(DONE, Verdict.EFFECTIVE, id="one in the quarter"),
        pytest.param([scheduled(True)], Verdict.EXCEPTIONS, id="scheduled, and none"),
        pytest.param([scheduled(False)], Verdict.NOT_EXERCISED, id="switched off"),
        pytest.param([started(scope_groups=["g"]), *DONE[1:]], Verdict.EXCEPTIONS, id="of some"),
        pytest.param([before()], Verdict.EXCEPTIONS, id="one of the quarter before"),
    ],
)
async def test_every_quarter_has_one(log: list[LogEntry], expected: Verdict) -> None:
    reviews = FakeReviews({"c": LINES})

    assert await judged(CONTROL, log=FakeLog(log), reviews=reviews) is expected


@pytest.mark.parametrize(
    ("entry_", "via", "person", "expected"),
    [
        (9, "reader", True, Verdict.EFFECTIVE),
        (9, "writer", True, Verdict.EXCEPTIONS),
        (11, "writer", True, Verdict.EFFECTIVE),
        (9, "writer", False, Verdict.EFFECTIVE),
    ],
    ids=["in it", "left out", "since then", "of a workload"],
)
async def test_what_was_held_has_a_line(
    entry_: int, via: str, person: bool, expected: Verdict
) -> None:
    held = HeldFact(entity="cem", name="Cem", person=person, kind="policy", via=via, entry=entry_)
    reviews = FakeReviews({"c": LINES}, [held])

    assert await judged(CONTROL, log=FakeLog(DONE), reviews=reviews) is expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ({"by": "bob"}, Verdict.EFFECTIVE),
        ({"by": "ann"}, Verdict.EXCEPTIONS),
        ({"by": "ann", "final": False}, Verdict.EXCEPTIONS),
        ({"by": "ann", "verdict": "revoke"}, Verdict.EFFECTIVE),
    ],
    ids=["another", "its owner alone", "its owner, and nobody else yet", "its owner revokes"],
)
async def test_what_an_owner_keeps_another_keeps_too(
    word: dict[str, Any], expected: Verdict
) -> None:
    lines = (line(1, "app", owner="ann"),)
    log = [started(lines=lines, campaign_kind="workloads"), said(1, **word), signed()]
    reviews = FakeReviews({"c": lines})

    assert await judged(OF_WORKLOADS, log=FakeLog(log), reviews=reviews) is expected


async def test_a_row_that_was_changed_breaks_it() -> None:
    reviews = FakeReviews({"c": (line(1), LineFact(number=2, problem="not as written"))})

    assert await judged(CONTROL, log=FakeLog(DONE), reviews=reviews) is Verdict.EXCEPTIONS
