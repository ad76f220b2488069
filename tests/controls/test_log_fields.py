"""T64, each case an entry that lacks something: `strongroom.controls.log_fields`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.log_fields import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeLog, entry, found, items

WHOLE = entry(1, "secret.read")


@pytest.mark.parametrize("field", ["actor", "operation", "path", "source", "ok"])
async def test_an_entry_without_a_field_is_an_exception(field: str) -> None:
    lacking = replace(WHOLE, **{field: None})

    broken = [i for i in await items(CONTROL, log=FakeLog([WHOLE, lacking])) if i.held is False]

    assert [i.proof for i in broken] == [(1,)]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param([WHOLE], Verdict.EFFECTIVE, id="complete"),
        pytest.param([replace(WHOLE, path="")], Verdict.EFFECTIVE, id="the root path is a path"),
        pytest.param([replace(WHOLE, code="")], Verdict.EXCEPTIONS, id="no event"),
        pytest.param([LogEntry(index=2, readable=False)], Verdict.INCONCLUSIVE, id="unreadable"),
        pytest.param([], Verdict.NOT_EXERCISED, id="no entries"),
    ],
)
async def test_verdict(history: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, log=FakeLog(history)) is expected


async def test_complete_entries_are_counted_by_event() -> None:
    history = [entry(1, "secret.read"), entry(2, "secret.write"), entry(3, "secret.read")]

    counted = {i.subject: i.members for i in await items(CONTROL, log=FakeLog(history))}

    assert counted == {"secret.read: 2 entries": 2, "secret.write: 1 entries": 1}
