"""Clocks, and the times that replies show."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.clock import MovableClock, SystemClock, parse_time, rfc3339
from strongroom.base.errors import InputError

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


class Ticks:
    """A monotonic clock that stands where it is put."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_the_system_clock_knows_its_zone() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_a_movable_clock_runs_on_with_real_time() -> None:
    ticks = Ticks()
    clock = MovableClock(NEW_YEAR, ticks)
    ticks.at += 2.5

    assert clock.now() == NEW_YEAR + timedelta(seconds=2.5)


def test_a_movable_clock_is_put_forward() -> None:
    ticks = Ticks()
    clock = MovableClock(NEW_YEAR, ticks)
    clock.advance(timedelta(days=30))
    ticks.at += 1

    assert clock.now() == NEW_YEAR + timedelta(days=30, seconds=1)


def test_a_movable_clock_is_put_forward_to_a_moment() -> None:
    clock = MovableClock(NEW_YEAR, Ticks())
    clock.advance_to(NEW_YEAR + timedelta(days=90))

    assert clock.now() == NEW_YEAR + timedelta(days=90)


def test_a_movable_clock_never_goes_back() -> None:
    clock = MovableClock(NEW_YEAR, Ticks())

    with pytest.raises(InputError, match="cannot be put back"):
        clock.advance(timedelta(seconds=-1))
    with pytest.raises(InputError, match="cannot be put back"):
        clock.advance_to(NEW_YEAR - timedelta(seconds=1))


def test_a_clock_without_a_zone_is_a_defect() -> None:
    with pytest.raises(TypeError):
        MovableClock(datetime(2026, 1, 1), Ticks())  # noqa: DTZ001


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (NEW_YEAR, "2026-01-01T00:00:00Z"),
        (NEW_YEAR + timedelta(milliseconds=250), "2026-01-01T00:00:00.25Z"),
        (NEW_YEAR + timedelta(microseconds=1), "2026-01-01T00:00:00.000001Z"),
        (NEW_YEAR + timedelta(seconds=10), "2026-01-01T00:00:10Z"),
        (
            datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-01T00:00:00Z",
        ),
    ],
)
def test_a_time_is_shown_in_utc_without_trailing_zeros(moment: datetime, shown: str) -> None:
    assert rfc3339(moment) == shown


def test_a_time_without_a_zone_is_never_shown() -> None:
    with pytest.raises(TypeError):
        rfc3339(datetime(2026, 1, 1))  # noqa: DTZ001


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_shown_reads_back(moment: datetime) -> None:
    assert parse_time(rfc3339(moment), "at") == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-01T02:00:00+02:00", NEW_YEAR),
        ("2025-12-31T23:30:00-00:30", NEW_YEAR),
        ("2026-01-01t00:00:00.123456789z", NEW_YEAR + timedelta(microseconds=123456)),
    ],
)
def test_offsets_and_nanoseconds_are_understood(text: str, moment: datetime) -> None:
    assert parse_time(text, "at") == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60",
        "0001-01-01T00:00:00+01:00",
        "٢٠٢٦-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
    ],
)
def test_what_is_no_time_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_time(text, "at")

    assert caught.value.field == "at"


@given(st.text(max_size=40))
def test_only_an_input_error_is_ever_raised(text: str) -> None:
    with suppress(InputError):
        assert parse_time(text, "at").tzinfo is UTC
