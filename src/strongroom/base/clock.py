"""The clock, as an argument; and RFC 3339, as Vault writes it.

Specs  RFC 3339. Replies hold UTC with `Z`, fractions without trailing zeros.
Units  Times are aware datetimes in UTC, precise to the microsecond.
Trust  Whoever sets the clock decides when tokens and leases end, and what a log entry claims.
       A `MovableClock` is for demonstrations and tests, and its user must say so in the log.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

from strongroom.base.errors import InputError

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """Return an aware time in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time."""
        return datetime.now(UTC)


class MovableClock:
    """A clock that starts anywhere, runs on with `monotonic`, and can be put forward.

    It never goes back: what has been recorded stays in the past.
    """

    def __init__(self, start: datetime, monotonic: Callable[[], float] = time.monotonic) -> None:
        _must_be_aware(start)
        self._base = start.astimezone(UTC)
        self._monotonic = monotonic
        self._started = monotonic()

    def now(self) -> datetime:
        """Return the start, plus all that was advanced, plus the time that has really passed."""
        return self._base + timedelta(seconds=self._monotonic() - self._started)

    def advance(self, by: timedelta) -> None:
        """Put the clock forward. Raises InputError for a negative step."""
        if by < timedelta(0):
            raise InputError("clock", "cannot be put back")
        self._base += by

    def advance_to(self, moment: datetime) -> None:
        """Put the clock forward to a moment. Raises InputError for one that has passed."""
        _must_be_aware(moment)
        self.advance(moment - self.now())


def rfc3339(moment: datetime) -> str:
    """Write a time in UTC: `2026-01-31T09:30:00.25Z`."""
    if moment.tzinfo is not UTC:
        _must_be_aware(moment)
        moment = moment.astimezone(UTC)
    text = moment.isoformat()[:-6]
    return f"{text.rstrip('0')}Z" if moment.microsecond else f"{text}Z"


def parse_time(text: str, field: str) -> datetime:
    """Read an RFC 3339 time; what is finer than a microsecond is cut off.

    Raises InputError, naming `field`, when it is none.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise InputError(field, "not an RFC 3339 time such as 2026-01-31T09:30:00Z")
    *fields, fraction, zulu, sign, hours, minutes = match.groups()
    microsecond = int((fraction or "").ljust(6, "0")[:6])
    try:
        zone = UTC if zulu else _offset(sign, int(hours), int(minutes))
        year, month, day, hour, minute, second = (int(each) for each in fields)
        local = datetime(year, month, day, hour, minute, second, microsecond, zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(field, "no such time exists") from None


def _offset(sign: str, hours: int, minutes: int) -> timezone:
    if minutes > 59:
        raise ValueError("minutes")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if sign == "-" else offset)


def _must_be_aware(moment: datetime) -> None:
    if moment.tzinfo is None:
        raise TypeError("a time without a zone")
