"""How long a token lives: what was asked for, within what the limits leave.

Vault   The limits of the mount (or the system) cap everything; an explicit maximum caps a periodic
        token too, which otherwise has no last day. What is capped is said, in OpenBao's words.
Units   `timedelta`; zero means "not set".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from strongroom.base.duration import format_duration
from strongroom.base.errors import InputError
from strongroom.identity.records import NONE, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a mount allows, or the system."""

    default_ttl: timedelta
    max_ttl: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What is asked of a token's life, by a role or a request."""

    ttl: timedelta = NONE
    max_ttl: timedelta = NONE
    explicit_max_ttl: timedelta = NONE
    period: timedelta = NONE


def at_issue(asked: Life, limits: Limits, warnings: list[str]) -> timedelta:
    """Return how long the token lives at first."""
    most = longest(asked, limits)
    if asked.period:
        return _capped(asked.period, most, "period", warnings)
    if asked.ttl or asked.explicit_max_ttl:
        return _capped(asked.ttl or limits.default_ttl, most, "TTL", warnings)
    return min(limits.default_ttl, most)


def bounded(
    asked: Life, limits: Limits, most: timedelta, warnings: list[str]
) -> tuple[Life, Limits]:
    """Return them for a token that is over after so long, whatever its period and renewals."""
    explicit = _capped(asked.explicit_max_ttl or most, most, "explicit max TTL", warnings)
    closer = Limits(default_ttl=min(limits.default_ttl, most), max_ttl=min(limits.max_ttl, most))
    return replace(asked, explicit_max_ttl=explicit), closer


def longest(asked: Life, limits: Limits) -> timedelta:
    """Return the most that one issue or renewal can give."""
    own = NONE if asked.period else asked.max_ttl
    return min(t for t in (own, asked.explicit_max_ttl, limits.max_ttl) if t > NONE)


def at_renewal(
    token: Token, life: Life, increment: timedelta, limits: Limits, now: datetime
) -> tuple[datetime, list[str]]:
    """Return when a token ends that is renewed now, and what to warn of.

    Raises InputError for one that is not renewable.
    """
    if not token.renewable or token.expires_at is None:
        raise InputError("", "lease is not renewable")
    warnings: list[str] = []
    wanted = life.period or increment or life.ttl or token.ttl or limits.default_ttl
    ends = [now + limits.max_ttl]
    if not life.period:
        ends = [token.issued_at + min(t for t in (life.max_ttl, limits.max_ttl) if t > NONE)]
    if token.explicit_max_ttl:
        ends.append(token.issued_at + token.explicit_max_ttl)
    left = max(min(ends) - now, NONE)
    return now + _capped(wanted, left, "period" if life.period else "TTL", warnings), warnings


def _capped(wanted: timedelta, most: timedelta, what: str, warnings: list[str]) -> timedelta:
    if wanted <= most:
        return wanted
    asked, effective = short(wanted), short(timedelta(seconds=round(most.total_seconds())))
    if asked != effective:
        warnings.append(
            f'{what} of "{asked}" exceeded the effective max_ttl of "{effective}"; '
            f"{what} value is capped accordingly"
        )
    return most


def short(duration: timedelta) -> str:
    """Write a duration without zero parts: `768h`, `1h30m`, `10m`."""
    text = format_duration(duration)
    if text.endswith("m0s"):
        text = text[:-2]
        if text.endswith("h0m"):
            text = text[:-2]
    return text
