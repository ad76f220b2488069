"""Durations and times as clients write them."""

from __future__ import annotations

from strongroom.base.clock import parse_time, rfc3339
from strongroom.base.duration import format_duration, parse_duration
from strongroom.base.errors import InputError

SEEDS = (b"1h30m", b"90", b"1.5h", b"", b"-5m", b"0.000001s", b"2026-01-31T09:30:00.25Z")
SEEDS += (b"2026-01-31T09:30:00+14:00", b"9999-12-31T23:59:60-23:59", b"292y")


def target(data: bytes) -> None:
    """What was read once is read the same from how we write it."""
    text = data.decode(errors="replace")
    try:
        duration = parse_duration(text, "ttl", signed=True)
        assert parse_duration(format_duration(duration), "ttl", signed=True) == duration
    except InputError:
        pass
    try:
        moment = parse_time(text, "time")
        assert parse_time(rfc3339(moment), "time") == moment
    except InputError:
        pass
