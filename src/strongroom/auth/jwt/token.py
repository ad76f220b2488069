"""A JSON Web Token taken apart, and its times judged. Nothing here says that it is genuine.

Specs   RFC 7515 (compact serialization) and RFC 7519; RFC 8725 for what is refused.
Vault   The leeways are those of Vault's roles: 150 seconds for an `exp` or `nbf` that is made up
        from the other times, 60 for the clocks' difference.
Units   Times are whole or broken seconds since 1970; leeways are `timedelta`.
Trust   The text is anybody's. Three parts in the alphabet of base64url, objects in which no name
        comes twice, and bounded in size and depth; whatever else it is, it is a TokenError, whose
        words hold nothing of it. A header that asks for an extension (`crit`, `b64`) or brings its
        own key (`jwk`) is refused; one that says where a key lies (`jku`, `x5u`) is not asked.
"""

from __future__ import annotations

import json
import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Never

LONGEST: Final = 32 * 1024
LONGEST_KID: Final = 512
MADE_UP: Final = timedelta(seconds=150)
SKEW: Final = timedelta(seconds=60)
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_REFUSED: Final = ("crit", "b64", "jwk")
_LAST: Final = 253_402_300_799  # of the year 9999


class TokenError(ValueError):
    """The token is refused; the words are for the log and hold nothing of it."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it says it is. `signed` is what `signature` is over."""

    algorithm: str
    kid: str | None
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def parsed(text: str) -> Token:
    """Take a token apart; TokenError for what is none."""
    found = _COMPACT.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise TokenError("not a signed token in three parts")
    header, claims = (_object(found[part]) for part in (1, 2))
    if not header.keys().isdisjoint(_REFUSED):
        raise TokenError("the token's header asks for what is not taken")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise TokenError("the token names no algorithm")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= LONGEST_KID):
        raise TokenError("the token's key id is none")
    signed = text[: found.end(2)].encode()
    return Token(algorithm, kid, claims, signed, _bytes(found[3]))


def _bytes(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise TokenError("not a signed token in three parts") from None


def _object(part: str) -> dict[str, Any]:
    try:
        return parse_object(_bytes(part))
    except JsonError:
        raise TokenError("a part of the token is no JSON object") from None


# -- JSON, strictly ------------------------------------------------------------------------------


class JsonError(ValueError):
    """Not one JSON object in UTF-8 whose every name comes once."""


def parse_object(raw: bytes) -> dict[str, Any]:
    """Read an object; JsonError for anything else, names that come twice included."""
    try:
        found = _DECODER.decode(raw.decode())
        if b"\\u" in raw:
            json.dumps(found, ensure_ascii=False).encode()  # halves of a pair are no text
    except (ValueError, RecursionError):
        raise JsonError from None
    if not isinstance(found, dict):
        raise JsonError
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise JsonError
    return found


def _no_constant(_name: str) -> Never:
    raise JsonError  # NaN and the infinities are no JSON


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_no_constant)


# -- times ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Leeways:
    """How far off times may be. `timedelta(0)` means the usual, a negative one none at all."""

    expiration: timedelta = timedelta(0)
    not_before: timedelta = timedelta(0)
    skew: timedelta = timedelta(0)


def check_times(claims: Mapping[str, Any], now: datetime, leeways: Leeways) -> None:
    """Raise TokenError unless the token is good now.

    Of `exp`, `nbf` and `iat` one must be there; the bounds that are missing are made up from it,
    so that no token is good for ever.
    """
    issued, starts, ends = (_time(claims, name) for name in ("iat", "nbf", "exp"))
    if issued is None and starts is None and ends is None:
        raise TokenError("the token has no time at all")
    if ends is None:
        ends = max(t for t in (issued, starts) if t is not None)
        ends += _usual(leeways.expiration, MADE_UP)
    if starts is None:
        starts = ends - _usual(leeways.not_before, MADE_UP) if issued is None else issued
    moment, skew = now.timestamp(), _usual(leeways.skew, SKEW)
    if moment + skew < starts:
        raise TokenError("the token is not good yet")
    if moment >= ends + skew:
        raise TokenError("the token has ended")
    if issued is not None and moment + skew < issued:
        raise TokenError("the token is from the future")


def seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a time of the claims, None where there is none; TokenError for what is no time."""
    return _time(claims, name)


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenError(f"the token's {name} is no time")
    if not math.isfinite(value) or not 0 <= value <= _LAST:
        raise TokenError(f"the token's {name} is no time")
    return float(value)


def _usual(given: timedelta, usual: timedelta) -> float:
    if given < timedelta(0):
        return 0.0
    return (given or usual).total_seconds()
