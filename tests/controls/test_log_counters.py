"""T63, each case a few entries and heartbeats: `strongroom.controls.log_counters`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.log_counters import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeLog, entry, found, items

START = entry(0, "server.start", 1, after_crash=False)
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
                entry(4, "secret.read", 1),
                entry(5, "server.start", 1, after_crash=True),
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


SECOND = 1 / 86_400  # in days


def beats(*at: float, stop: float | None = None) -> list[LogEntry]:
    """A start at day 1, then heartbeats so many seconds after it; a stop in its place."""
    history = [START]
    for seconds in at:
        through = len(history) - 1
        if stop is not None and seconds > stop:
            history.append(entry(through + 1, "server.stop", 1 + stop * SECOND))
            start = 1 + (seconds - 1) * SECOND
            history.append(entry(through + 2, "server.start", start, after_crash=False))
            stop, through = None, through + 2
        index, own = len(history), {"through": through, "counts": {}}
        since = max((e.index for e in history if e.code == "log.heartbeat"), default=-1)
        known = [e for e in history if e.index > since or e.index == since]
        first = max((e.index for e in known if e.code == "server.start"), default=0)
        own["counts"] = {f"{e.code}:ok": 1 for e in known if e.index >= first}
        history.append(entry(index, "log.heartbeat", 1 + seconds * SECOND, **own))
    return history


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param(beats(60, 120, 180), Verdict.EFFECTIVE, id="each minute"),
        pytest.param(beats(60, 240), Verdict.EFFECTIVE, id="two were left out"),
        pytest.param(beats(60, 250), Verdict.EXCEPTIONS, id="held for 190 seconds"),
        pytest.param(beats(190), Verdict.EXCEPTIONS, id="none after the start"),
        pytest.param(beats(60, 9 * 86_400), Verdict.EXCEPTIONS, id="nine days"),
        pytest.param(beats(60, 9 * 86_400, stop=61), Verdict.EFFECTIVE, id="stopped for nine days"),
    ],
)
async def test_a_gap_between_heartbeats(history: list[LogEntry], expected: Verdict) -> None:
    assert await found(CONTROL, log=FakeLog(history)) is expected


async def test_a_gap_is_named_with_indexes_and_times() -> None:
    [gap] = [i for i in await items(CONTROL, log=FakeLog(beats(60, 250))) if i.held is False]

    assert gap.because == (
        "190 s without a heartbeat and without a stop before: "
        "entry 1 at 2026-07-02 00:01:00, entry 2 at 2026-07-02 00:04:10 UTC"
    )
    assert gap.proof == (1, 2)


@pytest.mark.parametrize(
    ("simulated", "ok", "to", "expected"),
    [
        (True, True, "2026-07-05T00:00:00Z", Verdict.EFFECTIVE),
        (True, True, "2026-07-04T23:00:00Z", Verdict.EXCEPTIONS),
        (True, False, "2026-07-05T00:00:00Z", Verdict.EXCEPTIONS),
        (False, True, "2026-07-05T00:00:00Z", Verdict.EXCEPTIONS),
        (True, True, "soon", Verdict.EXCEPTIONS),
    ],
    ids=["as far", "not so far", "refused", "not a simulated clock", "no time"],
)
async def test_a_clock_that_was_put_forward_explains_as_much(
    simulated: bool, ok: bool, to: str, expected: Verdict
) -> None:
    own = {"from": "2026-07-02T00:00:00Z", "to": to}
    advance = replace(entry(1, "clock.advance", 1, ok=ok, **own), simulated=simulated)
    counts = {"server_start__ok": 1, f"clock_advance__{'ok' if ok else 'failed'}": 1}

    verdict = await found(CONTROL, log=FakeLog([START, advance, beat(2, 1, 4, **counts)]))

    assert verdict is expected


async def test_a_crash_for_longer_than_three_heartbeats_is_a_gap() -> None:
    crashed = entry(2, "server.start", 1 + 400 * SECOND, after_crash=True)

    assert await found(CONTROL, log=FakeLog([*beats(60), crashed])) is Verdict.EXCEPTIONS
