"""T41, each case a short history: `strongroom.controls.production_reads`."""

from __future__ import annotations

import pytest

from strongroom.controls.production_reads import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import EnvironmentFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.granting import ENDED, granting, read
from tests.controls.histories import FakeAccess, FakeIdentities, FakeLog, found

PRODUCTION = EnvironmentFact(name="production", paths=("secret/prod/*",), protected=True, open=True)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param([granting(), read()], Verdict.EFFECTIVE, id="covered"),
        pytest.param([granting()], Verdict.NOT_EXERCISED, id="no read"),
        pytest.param([read(path="secret/dev/db")], Verdict.NOT_EXERCISED, id="elsewhere"),
        pytest.param(
            [read(actor="job", kind="service", rules=["p#x"])],
            Verdict.NOT_EXERCISED,
            id="a workload",
        ),
        pytest.param([granting(), read(rules=["p#secret/*"])], Verdict.EXCEPTIONS, id="by policy"),
        pytest.param([read()], Verdict.EXCEPTIONS, id="made by nothing"),
        pytest.param([granting(granted_to="eve"), read()], Verdict.EXCEPTIONS, id="another's"),
        pytest.param([granting(), read(hours=1)], Verdict.EXCEPTIONS, id="over"),
        pytest.param([granting(), ENDED, read()], Verdict.EXCEPTIONS, id="ended"),
        pytest.param([granting(), read(cut={"rules": 9})], Verdict.INCONCLUSIVE, id="cut"),
        pytest.param(
            [read(actor="root", kind="admin", rules=["root#*"])], Verdict.EXCEPTIONS, id="root"
        ),
    ],
)
async def test_t41_wants_a_grant_behind_each_read(log: list[LogEntry], expected: Verdict) -> None:
    parts = {"access": FakeAccess([PRODUCTION]), "identities": FakeIdentities()}

    assert await found(CONTROL, log=FakeLog(log), **parts) is expected
