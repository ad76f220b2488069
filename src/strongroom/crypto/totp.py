"""One-time codes from a shared key: by counter, and by time.

Specs  RFC 4226 section 5.3 (HOTP), RFC 6238 section 4 (TOTP) with SHA-1, SHA-256 and SHA-512.
       The otpauth URL is the one that authenticator apps read.
Units  A period is seconds; a step is the number of whole periods since the Unix epoch; skew is
       whole steps either side of now.
Trust  Whoever has the key makes every code. `check` compares each step of the window, whichever
       one fits, and takes none that is not later than the last step spent.
"""

from __future__ import annotations

import hmac
from base64 import b32encode
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote, urlencode

from strongroom.base.secret import Secret
from strongroom.crypto.errors import CodeError

NEVER: Final = -1  # the step spent of a key that no code was taken of
WIDEST_SKEW: Final = 10


class Algorithm(StrEnum):
    """The hash under the HMAC."""

    SHA1 = "SHA1"
    SHA256 = "SHA256"
    SHA512 = "SHA512"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a key's codes are made, and how far a clock may drift."""

    period: int = 30
    digits: int = 6
    algorithm: Algorithm = Algorithm.SHA1
    skew: int = 1


def hotp(counter: int, key: Secret, digits: int, algorithm: Algorithm = Algorithm.SHA1) -> str:
    """Return the code of one counter: `digits` decimal digits, leading zeros kept."""
    mac = hmac.digest(key.reveal(), counter.to_bytes(8, "big"), algorithm.lower())
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def step_at(seconds: float, period: int) -> int:
    """Return the step that a moment lies in, from its Unix time."""
    return int(seconds // period)


def check(code: Secret, key: Secret, rules: Rules, *, seconds: float, spent: int) -> int:
    """Return the step of a code that is good now; the caller stores it as the last one spent.

    Raises CodeError for any other code: one of a step outside the window, and one of a step that
    is not later than `spent`, so that each code is taken once (RFC 6238 section 5.2).
    """
    given = code.reveal()
    now, skew = step_at(seconds, rules.period), min(rules.skew, WIDEST_SKEW)
    found = NEVER
    for step in range(max(0, now - skew), now + skew + 1):
        own = hotp(step, key, rules.digits, rules.algorithm).encode()
        fits = hmac.compare_digest(own, given)
        if fits and step > spent and found == NEVER:
            found = step
    if found == NEVER:
        raise CodeError
    return found


def otpauth(key: Secret, rules: Rules, *, issuer: str, account: str) -> Secret:
    """Return the URL that an authenticator app takes, the key in it."""
    query = {
        "algorithm": rules.algorithm.value,
        "digits": rules.digits,
        "issuer": issuer,
        "period": rules.period,
        "secret": base32(key).text(),
    }
    label = f"{quote(issuer, safe='/')}:{quote(account, safe='')}"
    return Secret(f"otpauth://totp/{label}?{urlencode(query, quote_via=quote, safe='')}")


def base32(key: Secret) -> Secret:
    """Return a key as people type it into an app: base32 without padding (RFC 4648)."""
    return Secret(b32encode(key.reveal()).rstrip(b"="))
