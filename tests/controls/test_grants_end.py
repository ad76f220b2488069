"""T42, each case a short history: `strongroom.controls.grants_end`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.grants_end import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.governance import (
    GrantFact,
)
from strongroom.sdk.facts.log import LogEntry
from tests.controls.governance import FakeGovernance
from tests.controls.granting import ENDED, HOUR, granting, read
from tests.controls.histories import FakeLog, day, found

ROW = GrantFact(id="g", entity="ann", request="p", begins=day(2), ends=day(2) + HOUR, entry=2)


@pytest.mark.parametrize(
    ("log", "rows", "expected"),
    [
        pytest.param([granting()], [ROW], Verdict.EFFECTIVE, id="ends"),
        pytest.param([], [], Verdict.NOT_EXERCISED, id="none"),
        pytest.param(
            [granting(hours=9)],
            [replace(ROW, ends=day(2) + 9 * HOUR)],
            Verdict.EXCEPTIONS,
            id="too long",
        ),
        pytest.param([granting(longest_seconds=1800)], [ROW], Verdict.EXCEPTIONS, id="by its rule"),
        pytest.param([granting()], [replace(ROW, ends=day(9))], Verdict.EXCEPTIONS, id="prolonged"),
        pytest.param([granting(), ENDED], [ROW], Verdict.EXCEPTIONS, id="begun again"),
        pytest.param(
            [granting(), ENDED], [replace(ROW, ended_at=day(2))], Verdict.EFFECTIVE, id="ended"
        ),
        pytest.param([granting(), read(hours=1)], [ROW], Verdict.EXCEPTIONS, id="used when over"),
        pytest.param(
            [granting(), ENDED, read()],
            [replace(ROW, ended_at=day(2))],
            Verdict.EXCEPTIONS,
            id="used when ended",
        ),
        pytest.param([], [ROW], Verdict.EXCEPTIONS, id="from nowhere"),
        pytest.param(
            [granting()], [GrantFact(id="g", problem="x")], Verdict.INCONCLUSIVE, id="changed row"
        ),
        pytest.param([granting(cut={"ends": 9})], [ROW], Verdict.INCONCLUSIVE, id="cut"),
    ],
)
async def test_t42_wants_grants_to_end(
    log: list[LogEntry], rows: list[GrantFact], expected: Verdict
) -> None:
    governance = FakeGovernance(granted=rows)

    assert await found(CONTROL, log=FakeLog(log), governance=governance) is expected
