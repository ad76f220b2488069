"""Durations as Vault's clients write and read them.

Vault  A string such as `1h30m`, `90s` or `1.5h`; a number, or a string of digits, is seconds;
       `d` is a day of 24 hours. The empty string is zero, as Vault's own clients send it.
Units  ns, us (µs), ms, s, m, h, d. What is kept has whole microseconds.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

from strongroom.base.errors import InputError

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60 * 1_000_000_000,
    "h": 3_600 * 1_000_000_000,
    "d": 86_400 * 1_000_000_000,
}
_MOST_CHARACTERS = 128
_LONGEST = 2**63 - 1  # nanoseconds: the largest duration of Vault's own implementation
_NUMBER = r"(?:[0-9]{1,19}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})"
_TERM = re.compile(rf"({_NUMBER})(ns|us|µs|μs|ms|s|m|h|d)")
_WHOLE = re.compile(rf"(?:{_TERM.pattern})+")
_SECONDS = re.compile(r"[0-9]{1,19}")


def parse_duration(value: str | float, field: str, *, signed: bool = False) -> timedelta:
    """Read a duration; `field` names it in the error.

    Raises InputError when it is none, of more than 128 characters, finer than a microsecond,
    longer than 2⁶³ nanoseconds, or negative where `signed` does not allow that.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(field, "a duration is a string such as 1h30m, or a number of seconds")
    if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
        raise InputError(field, f"longer than {_MOST_CHARACTERS} characters")
    text = value.strip() if isinstance(value, str) else _decimal(value, field)
    negative = text.startswith("-")
    nanoseconds = _nanoseconds(text.removeprefix("-") if negative else text, field)
    if negative and nanoseconds and not signed:
        raise InputError(field, "must not be negative")
    if nanoseconds > _LONGEST:
        raise InputError(field, "longer than 292 years")
    microseconds, finer = divmod(nanoseconds, 1_000)
    if finer:
        raise InputError(field, "finer than a microsecond")
    return timedelta(microseconds=-microseconds if negative else microseconds)


def _decimal(number: float, field: str) -> str:
    """Return a number of seconds as a string of this module's grammar."""
    if isinstance(number, int):
        if abs(number) > _LONGEST:
            raise InputError(field, "longer than 292 years")
        return f"{number}s"
    exact = Decimal(repr(number))
    if not exact.is_finite() or abs(exact) > _LONGEST:
        raise InputError(field, "not a finite number of seconds")
    return f"{exact:f}s"


def _nanoseconds(text: str, field: str) -> int:
    if not text:
        return 0
    if _SECONDS.fullmatch(text):
        return int(text) * _NANOSECONDS["s"]
    if not _WHOLE.fullmatch(text):
        raise InputError(field, "not a duration; write 1h30m, 90s, or a number of seconds")
    total = sum(
        (Decimal(number) * _NANOSECONDS[unit] for number, unit in _TERM.findall(text)), Decimal()
    )
    if total != total.to_integral_value():
        raise InputError(field, "finer than a microsecond")
    return int(total)


def format_duration(duration: timedelta) -> str:
    """Write a duration as Vault does: `768h0m0s`, `1m30s`, `1.5s`, `300ms`, `0s`."""
    microseconds = duration // timedelta(microseconds=1)
    sign = "-" if microseconds < 0 else ""
    microseconds = abs(microseconds)
    if microseconds == 0:
        return "0s"
    if microseconds < 1_000:
        return f"{sign}{microseconds}µs"
    if microseconds < 1_000_000:
        return f"{sign}{_fraction(microseconds, 1_000)}ms"
    minutes, rest = divmod(microseconds, 60_000_000)
    seconds = f"{_fraction(rest, 1_000_000)}s"
    if minutes == 0:
        return f"{sign}{seconds}"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}h{minutes}m{seconds}" if hours else f"{sign}{minutes}m{seconds}"


def _fraction(amount: int, unit: int) -> str:
    whole, rest = divmod(amount, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0") if rest else f"{whole}"
