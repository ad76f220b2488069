"""T43 and T44, each case an emergency or a drill: `strongroom.controls.break_glass_*`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.base.clock import rfc3339
from strongroom.controls.break_glass_cases import CONTROL
from strongroom.controls.break_glass_drill import CONTROL as DRILL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeLog, day, entry, found, items

ON = 1.0  # of July 2026, which is a Thursday: five business days end on the ninth
HOUR = 1 / 24
RULES = ["grant/g-1#secret/one"]


def opened(**own: object) -> LogEntry:
    told = {
        "case": "c-1",
        "holder": "e-1",
        "grant": "g-1",
        "drill": False,
        "reason_given": True,
        "factors": ["webauthn"],
        "factor_at": rfc3339(day(ON - HOUR / 10)),
        "notified": ["e-2"],
        "ends": rfc3339(day(ON + HOUR)),
        "close_due_at": rfc3339(day(ON + HOUR + 1)),
        **own,
    }
    return entry(2, "break_glass.open", ON, **told)


def read(on: float = ON + HOUR / 4, **own: object) -> LogEntry:
    return entry(3, "secret.read", on, rules=RULES, **own)


def closed(on: float = ON + HOUR / 2) -> LogEntry:
    ended = rfc3339(day(min(on, ON + HOUR)))
    return entry(5, "break_glass.close", on, case="c-1", case_ended_at=ended)


def reviewed(on: float = 3, by: str = "e-2") -> LogEntry:
    return entry(6, "break_glass.review", on, actor=by, case="c-1", reviewer=by)


def written(on: float = 4, actor: str = "e-2") -> LogEntry:
    return entry(7, "secret.write", on, actor=actor)


WHOLE = [opened(), read(), closed(), reviewed(), written()]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param(WHOLE, Verdict.EFFECTIVE, id="as it should be"),
        pytest.param([opened(), closed(), reviewed()], Verdict.EFFECTIVE, id="nothing read"),
        pytest.param([], Verdict.NOT_EXERCISED, id="none"),
        pytest.param([opened(drill=True)], Verdict.NOT_EXERCISED, id="a drill"),
        pytest.param([opened(reason_given=False), *WHOLE[1:]], Verdict.EXCEPTIONS, id="no reason"),
        pytest.param([opened(factors=["totp"]), *WHOLE[1:]], Verdict.EXCEPTIONS, id="a code"),
        pytest.param(
            [opened(factor_at=rfc3339(day(ON - HOUR))), *WHOLE[1:]],
            Verdict.EXCEPTIONS,
            id="old key",
        ),
        pytest.param([opened(notified=[]), *WHOLE[1:]], Verdict.EXCEPTIONS, id="nobody told"),
        pytest.param(
            [opened(), read(), reviewed(), written()], Verdict.EXCEPTIONS, id="not closed"
        ),
        pytest.param(
            [opened(), closed(ON + 2), reviewed(4)], Verdict.EXCEPTIONS, id="closed too late"
        ),
        pytest.param([opened(), read(), closed(), written()], Verdict.EXCEPTIONS, id="no review"),
        pytest.param([opened(), closed(), reviewed(by="e-1")], Verdict.EXCEPTIONS, id="own review"),
        pytest.param([opened(), closed(), reviewed(9.1)], Verdict.EXCEPTIONS, id="late review"),
        pytest.param([*WHOLE[:4]], Verdict.EXCEPTIONS, id="not rotated"),
        pytest.param([*WHOLE[:4], written(9)], Verdict.EXCEPTIONS, id="rotated too late"),
        pytest.param([*WHOLE[:4], written(actor="e-1")], Verdict.EXCEPTIONS, id="by the holder"),
        pytest.param(
            [opened(), written(ON + HOUR / 9), read(), closed(), reviewed()],
            Verdict.EXCEPTIONS,
            id="rotated before the read",
        ),
        pytest.param(
            [opened(), read(), closed(), replace(reviewed(), ok=False), written()],
            Verdict.EXCEPTIONS,
            id="review refused",
        ),
        pytest.param(
            [replace(opened(), ok=False), *WHOLE[1:]], Verdict.NOT_EXERCISED, id="refused"
        ),
        pytest.param([opened(cut=["notified"]), *WHOLE[1:]], Verdict.INCONCLUSIVE, id="cut"),
        pytest.param(
            [opened(), read(cut=["path"]), closed(), reviewed()],
            Verdict.INCONCLUSIVE,
            id="read cut",
        ),
    ],
)
async def test_cases(log: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, log=FakeLog(log)) is expected


async def test_a_case_that_still_has_time_is_not_judged() -> None:
    young = replace(opened(), time=day(29.9))
    ends = {"ends": rfc3339(day(29.95)), "close_due_at": rfc3339(day(30.9))}
    young = replace(young, own={**young.own, **ends, "factor_at": rfc3339(day(29.9))})

    [item] = await items(CONTROL, log=FakeLog([young, read(29.92)]))

    assert item.held is None
    assert item.because.count("still in time") == 3


def drilled(**own: object) -> LogEntry:
    return opened(drill=True, target_seconds=300, **own)


SOON, LATE = ON + 200 / 86400, ON + 400 / 86400
RULE = entry(1, "break_glass_rule.write", 0)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param([drilled(), read(SOON)], Verdict.EFFECTIVE, id="in time"),
        pytest.param([drilled(), read(LATE)], Verdict.EXCEPTIONS, id="too slow"),
        pytest.param([drilled()], Verdict.EXCEPTIONS, id="nothing read"),
        pytest.param([drilled(), replace(read(SOON), ok=False)], Verdict.EXCEPTIONS, id="refused"),
        pytest.param([opened(), read(SOON)], Verdict.NOT_EXERCISED, id="no drill"),
        pytest.param([], Verdict.NOT_EXERCISED, id="nobody can break it"),
        pytest.param([RULE], Verdict.INCONCLUSIVE, id="none yet"),
        pytest.param([replace(RULE, time=day(-400))], Verdict.EXCEPTIONS, id="none for long"),
        pytest.param(
            [drilled(), entry(3, "secret.read", SOON, rules=["grant/else#x"])],
            Verdict.EXCEPTIONS,
            id="by another grant",
        ),
    ],
)
async def test_drills(log: list[LogEntry], expected: Verdict) -> None:
    assert await found(DRILL, log=FakeLog(log)) is expected


async def test_the_last_drill_counts() -> None:
    again = replace(drilled(case="c-2", grant="g-2"), index=8, time=day(5))
    served = replace(entry(9, "secret.read", 5, rules=["grant/g-2#secret/one"]), time=day(5))

    [item] = await items(DRILL, log=FakeLog([drilled(), read(LATE), again, served]))

    assert (item.held, item.proof) == (True, (8, 9))
