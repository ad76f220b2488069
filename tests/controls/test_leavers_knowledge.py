"""T26, each case a secret that a leaver had read: `strongroom.controls.leavers_knowledge`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.leavers_knowledge import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeLog, day, entry, found, items

READ = entry(2, "secret.read", 3)
LEFT = replace(
    entry(4, "person.leave", 5, actor="e-boss"),
    own={"entity": "e-1", "kind": "person", "ended": {}},
)


def written(index: int, on: float, **own: object) -> LogEntry:
    return entry(index, "secret.write", on, actor="e-boss", **own)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param([READ, LEFT, written(6, 6)], Verdict.EFFECTIVE, id="a day after"),
        pytest.param([READ, written(3, 4), LEFT], Verdict.EFFECTIVE, id="before they left"),
        pytest.param([written(1, 2), READ, LEFT], Verdict.EXCEPTIONS, id="before they read it"),
        pytest.param([READ, LEFT], Verdict.EXCEPTIONS, id="never"),
        pytest.param([READ, LEFT, written(6, 13)], Verdict.EXCEPTIONS, id="too late"),
        pytest.param([READ, LEFT, written(6, 6, path="else")], Verdict.EXCEPTIONS, id="another"),
        pytest.param([READ, LEFT, written(6, 6, ok=False)], Verdict.EXCEPTIONS, id="refused"),
        pytest.param([READ, replace(LEFT, time=day(28))], Verdict.INCONCLUSIVE, id="in time yet"),
        pytest.param([replace(READ, ok=False), LEFT], Verdict.NOT_EXERCISED, id="read nothing"),
        pytest.param([READ], Verdict.NOT_EXERCISED, id="nobody left"),
        pytest.param(
            [entry(2, "secret.read", 3, actor="e-2", let_in_by=["e-1"]), LEFT],
            Verdict.EXCEPTIONS,
            id="read by what was let in by something of theirs",
        ),
        pytest.param(
            [replace(READ, own={"cut": ["path"]}), LEFT], Verdict.INCONCLUSIVE, id="read was cut"
        ),
        pytest.param(
            [READ, replace(LEFT, own={"cut": ["details"]})], Verdict.INCONCLUSIVE, id="ending was"
        ),
    ],
)
async def test_verdict(log: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, log=FakeLog(log)) is expected


async def test_an_exception_names_the_secret_and_its_reader() -> None:
    [item] = await items(CONTROL, log=FakeLog([READ, LEFT]))

    assert (item.subject, item.proof) == ("secret/one, read by e-1", (2, 4))
