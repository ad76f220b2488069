"""Durations: what Vault's clients write, and what they are shown."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.duration import format_duration, parse_duration
from strongroom.base.errors import InputError

LONGEST = timedelta(microseconds=(2**63 - 1) // 1000)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("90s", timedelta(seconds=90)),
        ("90", timedelta(seconds=90)),
        (90, timedelta(seconds=90)),
        (1.5, timedelta(seconds=1.5)),
        (1e-06, timedelta(microseconds=1)),
        ("1d", timedelta(days=1)),
        ("1.5h", timedelta(minutes=90)),
        (".5s", timedelta(milliseconds=500)),
        ("300ms", timedelta(milliseconds=300)),
        ("2µs", timedelta(microseconds=2)),
        ("2us", timedelta(microseconds=2)),
        ("5000ns", timedelta(microseconds=5)),
        ("768h0m0s", timedelta(days=32)),
        ("", timedelta(0)),
        ("0", timedelta(0)),
        ("-0s", timedelta(0)),
        (" 5m ", timedelta(minutes=5)),
    ],
)
def test_a_duration_is_read_as_vault_reads_it(written: str | float, meant: timedelta) -> None:
    assert parse_duration(written, "ttl") == meant


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("1x", "not a duration"),
        ("h", "not a duration"),
        ("1h 30m", "not a duration"),
        ("1h30", "not a duration"),
        ("\uff11h", "not a duration"),
        ("+5s", "not a duration"),
        ("--5s", "not a duration"),
        ("1e3s", "not a duration"),
        ("-5s", "negative"),
        (-5, "negative"),
        ("1ns", "finer"),
        ("0.0000001s", "finer"),
        (1e-9, "finer"),
        ("9999999h", "292 years"),
        ("9" * 19, "292 years"),
        ("9" * 30, "not a duration"),
        ("1h" * 65, "longer than 128 characters"),
        ("1h" * 4_000_000, "longer than 128 characters"),
        (" " * 4_000_000, "longer than 128 characters"),
        (10**30, "292 years"),
        (1e300, "finite"),
        (float("nan"), "finite"),
        (float("inf"), "finite"),
        (True, "a duration is"),
        (None, "a duration is"),
        (["1h"], "a duration is"),
    ],
)
def test_anything_else_is_refused_by_name(written: object, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        parse_duration(written, "ttl")  # type: ignore[arg-type]

    assert caught.value.field == "ttl"


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (timedelta(hours=768), "768h0m0s"),
        (timedelta(minutes=1, seconds=30), "1m30s"),
        (timedelta(seconds=1.5), "1.5s"),
        (timedelta(milliseconds=300), "300ms"),
        (timedelta(microseconds=1500), "1.5ms"),
        (timedelta(microseconds=2), "2µs"),
        (timedelta(0), "0s"),
        (timedelta(hours=1, microseconds=10), "1h0m0.00001s"),
        (timedelta(seconds=-1), "-1s"),
    ],
)
def test_a_duration_is_shown_as_vault_shows_it(duration: timedelta, shown: str) -> None:
    assert format_duration(duration) == shown


@given(st.timedeltas(min_value=-LONGEST, max_value=LONGEST))
def test_what_is_shown_reads_back(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration), "ttl", signed=True) == duration


@given(st.text(max_size=40) | st.floats() | st.integers())
def test_only_an_input_error_is_ever_raised(written: str | float) -> None:
    with suppress(InputError):
        assert abs(parse_duration(written, "ttl", signed=True)) <= LONGEST
