"""T28, each case a contractor or a vendor: `strongroom.controls.third_parties`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.third_parties import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.identities import PersonFact, WorkloadFact
from strongroom.sdk.facts.log import Setback
from tests.controls.histories import FakeIdentities, FakeLog, day, entry, found, items

BO = PersonFact(entity="e-1", name="Bo", worker="contractor", contract="C-7", ends_at=day(9))
SCAN = WorkloadFact(entity="e-2", name="scan", vendor="Acme", ends_at=day(60))
BACK = Setback(before=1, was=day(8), index=2, time=day(7))


@pytest.mark.parametrize(
    ("people", "workloads", "log", "expected"),
    [
        pytest.param([BO], [SCAN], FakeLog([entry(1, "a", 8)]), Verdict.EFFECTIVE, id="both end"),
        pytest.param([replace(BO, ends_at=None)], [], FakeLog(), Verdict.EXCEPTIONS, id="no end"),
        pytest.param([replace(BO, contract=" ")], [], FakeLog(), Verdict.EXCEPTIONS, id="contract"),
        pytest.param([], [replace(SCAN, ends_at=None)], FakeLog(), Verdict.EXCEPTIONS, id="vendor"),
        pytest.param(
            [BO], [], FakeLog([entry(1, "a", 9.5)]), Verdict.EXCEPTIONS, id="served after"
        ),
        pytest.param(
            [BO], [], FakeLog([entry(1, "a", 9.5, ok=False)]), Verdict.EFFECTIVE, id="refused after"
        ),
        pytest.param(
            [BO], [], FakeLog([entry(1, "a", 9.5)], back=[BACK]), Verdict.INCONCLUSIVE, id="clock"
        ),
        pytest.param(
            [replace(BO, problem="x")], [], FakeLog(), Verdict.INCONCLUSIVE, id="tampered"
        ),
        pytest.param([], [replace(SCAN, problem="x")], FakeLog(), Verdict.INCONCLUSIVE, id="too"),
        pytest.param([replace(BO, worker="employee")], [], FakeLog(), Verdict.NOT_EXERCISED),
        pytest.param([], [replace(SCAN, vendor="")], FakeLog(), Verdict.NOT_EXERCISED, id="ours"),
        pytest.param([], [], FakeLog([entry(1, "a")]), Verdict.NOT_EXERCISED, id="nobody"),
    ],
)
async def test_verdict(
    people: list[PersonFact], workloads: list[WorkloadFact], log: FakeLog, expected: Verdict
) -> None:
    given = FakeIdentities(persons=people, machines=workloads)

    assert await found(CONTROL, identities=given, log=log) is expected


async def test_what_was_served_too_late_is_the_proof() -> None:
    log = FakeLog([entry(5, "secret.read", 9.5), entry(6, "secret.read", 9.6)])
    [item] = await items(CONTROL, identities=FakeIdentities(persons=[BO]), log=log)

    assert (item.subject, item.proof) == ("contractor Bo (e-1)", (5,))
