"""Periods: from a moment up to, and not with, another; both in the past, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from strongroom.base.clock import parse_time, rfc3339
from strongroom.base.errors import InputError
from strongroom.sdk.facts.period import Period


def parse_period(start: str, end: str, now: datetime) -> Period:
    """Read a period. InputError where it is empty, or not over yet."""
    period = Period(parse_time(start, "period_start"), parse_time(end, "period_end"))
    if period.start >= period.end:
        raise InputError("period_end", "must be after period_start")
    if period.end > now:
        raise InputError("period_end", f"lies in the future: it is {rfc3339(now)}")
    return period


def in_words(period: Period) -> str:
    """Say a period so that nobody can take it otherwise."""
    start, end = (f"{m.astimezone(UTC):%Y-%m-%d %H:%M:%S}" for m in (period.start, period.end))
    return f"from {start} UTC, inclusive, to {end} UTC, exclusive"
