"""T23, each case a workload: `strongroom.controls.workload_owners`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.workload_owners import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.identities import WorkloadFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeIdentities, FakeLog, found, items, login

SHOP = WorkloadFact(entity="e-1", name="shop", owner="e-ada", entry=4)
CAME = login(3, "jwt", kind="service")


@pytest.mark.parametrize(
    ("workloads", "log", "expected"),
    [
        pytest.param([SHOP], [CAME], Verdict.EFFECTIVE, id="owned"),
        pytest.param(
            [replace(SHOP, owner_problem="its owner is no active person")],
            [],
            Verdict.EXCEPTIONS,
            id="the owner left",
        ),
        pytest.param(
            [replace(SHOP, owner_problem="it has no owner", active=False)],
            [],
            Verdict.NOT_EXERCISED,
            id="decommissioned",
        ),
        pytest.param([replace(SHOP, problem="changed")], [], Verdict.INCONCLUSIVE, id="tampered"),
        pytest.param([], [CAME], Verdict.EXCEPTIONS, id="not registered"),
        pytest.param([], [login(3, "password")], Verdict.NOT_EXERCISED, id="a person"),
        pytest.param([], [], Verdict.NOT_EXERCISED, id="no workload"),
    ],
)
async def test_verdict(
    workloads: list[WorkloadFact], log: list[LogEntry], expected: Verdict
) -> None:
    given = FakeIdentities(machines=workloads)

    assert await found(CONTROL, identities=given, log=FakeLog(log)) is expected


async def test_an_exception_is_named() -> None:
    lost = replace(SHOP, owner_problem="its owner is no active person")
    [item] = await items(CONTROL, identities=FakeIdentities(machines=[lost]))

    assert (item.subject, item.because) == ("shop (e-1)", "its owner is no active person")
    assert item.proof == (4,)
