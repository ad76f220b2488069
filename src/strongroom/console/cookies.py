"""The cookies of the console, sealed, for one client alone: a session's, and a short one's.

Who is sent to a provider to sign in carries the short one, so that only they can come back.

Specs  RFC 6265bis: the prefix `__Host-`, `Secure`, `HttpOnly`, `SameSite`, `Path=/`.
Units  A session's cookie has no life of its own; the token and its session inside end it. The
       short one lives five minutes, as the login does that it belongs to.
Trust  The browser holds ciphertext: a cookie that leaks is no token, and is refused from another
       address or another browser than it was given to. Who shares both with its owner can use
       it as long as the session lives, or until a factor is shown again, which gives
       another cookie and ends this one. While sealed no cookie can be read. The short one comes
       with a visit from another site (`Lax`), as the provider's is; it holds no token.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

import msgspec

from strongroom.storage.barrier import Barrier, TamperedError, place

NAME = "__Host-strongroom"
AWAY = "__Host-strongroom-away"
AWAY_SECONDS = 300
LONGEST = 4096  # bytes, as browsers keep
NO_COOKIE = "a session's cookie that is none, or came twice"
OF_ANOTHER = "a session's cookie that was given to another client"
_HOST = "Path=/; Secure; HttpOnly"
Kind = TypeVar("Kind", bound=msgspec.Struct)


class Kept(msgspec.Struct, frozen=True):
    """A session: the token, whom it was given to, and what its forms are marked with.

    `enrols`: the token can do nothing but enrol a factor. `turn` is another once a factor was shown
    (`SignIn.turn`): then the browser gets another cookie, and this one is no good any more.
    """

    token: str
    client: bytes
    form: str
    enrols: bool = False
    turn: str = ""

    def __repr__(self) -> str:
        return "Kept(…)"


class Away(msgspec.Struct, frozen=True):
    """Somebody who is at a provider: of which mount, and with what they come back."""

    mount: str
    nonce: str
    to: str
    client: bytes
    until: datetime

    def __repr__(self) -> str:
        return "Away(…)"


@dataclass(frozen=True, kw_only=True)
class Client:
    """Where a request comes from."""

    address: str
    agent: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """What a cookie is bound to."""
        return sha256(f"{self.address}\n{self.agent}".encode("utf-8", "surrogatepass")).digest()


def given(barrier: Barrier, kept: Kept) -> str:
    """Return the header that gives a session's cookie."""
    return f"{NAME}={sealed(barrier, 'cookie', kept)}; {_HOST}; SameSite=Strict"


def taken_back() -> str:
    """Return the header that takes it back."""
    return f"{NAME}=; Max-Age=0; {_HOST}; SameSite=Strict"


def sent_away(barrier: Barrier, away: Away) -> str:
    """Return the header that gives the cookie of somebody who is sent to a provider."""
    text = sealed(barrier, "away", away)
    return f"{AWAY}={text}; Max-Age={AWAY_SECONDS}; {_HOST}; SameSite=Lax"


def come_back() -> str:
    """Return the header that takes that one back."""
    return f"{AWAY}=; Max-Age=0; {_HOST}; SameSite=Lax"


def read(barrier: Barrier, headers: Iterable[str], client: Client) -> Kept | None:
    """Return what this client's session cookie holds; None if it has none that was given to it.

    A cookie that comes twice is none: somebody else may have planted one of them.
    """
    text = _only(headers, NAME)
    kept = None if text is None else opened(barrier, "cookie", text, Kept)
    return kept if kept and hmac.compare_digest(kept.client, client.digest) else None


def misused(barrier: Barrier, headers: Iterable[str]) -> tuple[str, Kept | None]:
    """Say what is wrong with a cookie that `read` refuses, and what it holds; "" if none came."""
    headers = list(headers)
    if not any(f"{NAME}=" in each for each in headers):
        return "", None
    text = _only(headers, NAME)
    if text == "":
        return "", None
    kept = None if text is None else opened(barrier, "cookie", text, Kept)
    return (NO_COOKIE if kept is None else OF_ANOTHER), kept


def read_away(
    barrier: Barrier, headers: Iterable[str], client: Client, now: datetime
) -> Away | None:
    """Return where this client was sent, if that is not too long ago."""
    text = _only(headers, AWAY)
    away = None if text is None else opened(barrier, "away", text, Away)
    own = away is not None and hmac.compare_digest(away.client, client.digest)
    return away if away is not None and own and now < away.until else None


def _only(headers: Iterable[str], name: str) -> str | None:
    sent = [each.strip() for header in headers for each in header.split(";")]
    found = [each.removeprefix(f"{name}=") for each in sent if each.startswith(f"{name}=")]
    return found[0] if len(found) == 1 and len(found[0]) <= LONGEST else None


def sealed(barrier: Barrier, purpose: str, what: msgspec.Struct) -> str:
    """Return something as text that a browser can keep, and neither read nor change."""
    blob = barrier.encrypt(place("console", purpose), msgspec.msgpack.encode(what))
    return urlsafe_b64encode(blob).decode()


def opened(barrier: Barrier, purpose: str, text: str, type_: type[Kind]) -> Kind | None:
    """Return what was sealed for this purpose; None for anything else, and while sealed."""
    if barrier.sealed:
        return None
    try:
        plain = barrier.decrypt(place("console", purpose), urlsafe_b64decode(text))
        return msgspec.msgpack.decode(plain, type=type_)
    except (TamperedError, ValueError):
        return None
