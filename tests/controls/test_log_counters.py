"""T63, each case a few entries and heartbeats: `strongroom.controls.log_counters`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.log_counters import CONTROL
from strongroom.sdk.control import LogEntry, Verdict
from tests.controls.histories import FakeLog, entry, found, items

START = entry(0, "server.start", 0, after_crash=False)
READ = entry(1, "secret.read", 1)
REFUSED = entry(2, "secret.read", 1, ok=False)


def beat(index: int, through: int, on: float = 1, **counts: int) -> LogEntry:
    named = {name.replace("__", ":").replace("_", "."): count for name, count in counts.items()}
    return entry(index, "log.heartbeat", on, through=through, counts=named)


GOOD = beat(3, 2, server_start__ok=1, secret_read__ok=1, secret_read__failed=1)
STOP = entry(4, "server.stop", 1)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param([START, READ, REFUSED, GOOD], Verdict.EFFECTIVE, id="counts agree"),
        pytest.param([START, READ, GOOD], Verdict.EXCEPTIONS, id="an entry too few"),
        pytest.param(
            [START, READ, REFUSED, beat(3, 2, server_start__ok=1, secret_read__ok=2)],
            Verdict.EXCEPTIONS,
            id="counted under another outcome",
        ),
        pytest.param(
            [START, READ, REFUSED, GOOD, STOP, entry(5, "server.start", 2, after_crash=False)],
            Verdict.EFFECTIVE,
            id="a clean restart",
        ),
        pytest.param(
            [
                START,
                READ,
                REFUSED,
                GOOD,
                entry(4, "secret.read", 2),
                entry(5, "server.start", 2, after_crash=True),
            ],
            Verdict.INCONCLUSIVE,
            id="a crash loses its counts",
        ),
        pytest.param([START, READ], Verdict.INCONCLUSIVE, id="never a heartbeat"),
        pytest.param(
            [START, READ, REFUSED, replace(GOOD, own={**GOOD.own, "cut": {"counts": {}}})],
            Verdict.INCONCLUSIVE,
            id="a heartbeat whose counts were cut",
        ),
        pytest.param(
            [START, READ, REFUSED, entry(3, "log.heartbeat", 1)],
            Verdict.INCONCLUSIVE,
            id="a heartbeat without counts",
        ),
        pytest.param(
            [entry(40, "secret.read", 1), beat(41, 40, secret_read__ok=9)],
            Verdict.NOT_EXERCISED,
            id="the only interval began before the period",
        ),
        pytest.param([], Verdict.NOT_EXERCISED, id="nothing happened"),
    ],
)
async def test_verdict(history: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, log=FakeLog(history)) is expected


async def test_what_a_heartbeat_does_not_cover_waits_for_the_next() -> None:
    late = entry(3, "secret.read", 1)
    first = beat(4, 2, server_start__ok=1, secret_read__ok=1, secret_read__failed=1)
    second = beat(5, 4, secret_read__ok=1, log_heartbeat__ok=1)

    [item] = await items(CONTROL, log=FakeLog([START, READ, REFUSED, late, first, second]))

    assert (item.held, item.members) == (True, 2)


async def test_a_difference_is_named_with_both_numbers() -> None:
    [item] = await items(CONTROL, log=FakeLog([START, READ, GOOD]))

    assert item.because == "secret.read:failed: counted 1, in the log 0"
