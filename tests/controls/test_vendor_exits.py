"""T92, each case a short history of a vendor that left: `strongroom.controls.vendor_exits`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.leavers import CONTROL as PEOPLE
from strongroom.controls.vendor_exits import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.compliance import VendorFact
from strongroom.sdk.facts.identities import PersonFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import (
    FakeCompliance,
    FakeIdentities,
    FakeLog,
    day,
    entry,
    found,
    items,
)

GONE = VendorFact(name="acme", active=False, left_at=day(5), entry=6)
ENDED = {"entity": "e-1", "kind": "person", "ended": {"tokens": {"count": 2, "ms": 0.5}}}
READ = entry(3, "secret.read", 2, actor="e-1")
LEFT = entry(6, "vendor.leave", 5, actor="e-boss", vendor="acme", leavers=[ENDED])
TOOK = entry(7, "vendor.measured", 5, actor="system", vendor="acme", took_ms=12.5)
ANEW = entry(9, "secret.write", 5.5, actor="e-ada", operation="update")
LATE = replace(ANEW, time=day(6.5))
BACK = entry(8, "vendor.return", 5.5, actor="e-boss", vendor="acme")


@pytest.mark.parametrize(
    ("vendor", "log", "expected"),
    [
        pytest.param(GONE, [LEFT, TOOK], Verdict.EFFECTIVE, id="at once"),
        pytest.param(GONE, [READ, LEFT, ANEW], Verdict.EFFECTIVE, id="written anew"),
        pytest.param(GONE, [READ, LEFT, LATE], Verdict.EXCEPTIONS, id="written anew too late"),
        pytest.param(GONE, [READ, LEFT], Verdict.EXCEPTIONS, id="never written anew"),
        pytest.param(
            GONE, [READ, replace(LEFT, time=day(29.5))], Verdict.INCONCLUSIVE, id="still in time"
        ),
        pytest.param(GONE, [READ, LEFT, replace(ANEW, time=None)], Verdict.INCONCLUSIVE, id="time"),
        pytest.param(replace(GONE, active=True), [LEFT], Verdict.EXCEPTIONS, id="brought back"),
        pytest.param(
            replace(GONE, active=True), [READ, LEFT, BACK], Verdict.EFFECTIVE, id="back in time"
        ),
        pytest.param(replace(GONE, people=("e-5",)), [LEFT], Verdict.EXCEPTIONS, id="one is there"),
        pytest.param(
            GONE,
            [replace(LEFT, own={**LEFT.own, "cut": {"leavers": "x"}})],
            Verdict.INCONCLUSIVE,
            id="cut",
        ),
        pytest.param(replace(GONE, problem="x"), [], Verdict.INCONCLUSIVE, id="tampered"),
        pytest.param(GONE, [replace(LEFT, ok=False)], Verdict.NOT_EXERCISED, id="refused"),
        pytest.param(GONE, [replace(LEFT, time=day(-3))], Verdict.NOT_EXERCISED, id="before"),
    ],
)
async def test_verdict(vendor: VendorFact, log: list[LogEntry], expected: Verdict) -> None:
    given = FakeCompliance([vendor])

    assert await found(CONTROL, compliance=given, log=FakeLog(log)) is expected


async def test_it_says_how_long_it_took() -> None:
    [item] = await items(CONTROL, compliance=FakeCompliance([GONE]), log=FakeLog([LEFT, TOOK]))

    assert item.because == ("1 people and workloads ended at once, 12.5 ms after it was asked for")
    assert item.proof == (6,)


async def test_its_people_are_leavers_like_others() -> None:
    mei = PersonFact(entity="e-1", name="Mei", active=False, left_at=day(5), entry=6)
    identities = FakeIdentities(persons=[mei])

    [item] = await items(PEOPLE, identities=identities, log=FakeLog([LEFT, TOOK]))

    assert (item.held, item.proof) == (True, (6,))
    assert item.because.startswith("ended at once: 2 tokens")
