"""The cookie of a signed-in console: a sealed token, for one client alone.

Specs  RFC 6265bis: the prefix `__Host-`, `Secure`, `HttpOnly`, `SameSite=Strict`, `Path=/`.
Units  A cookie has no life of its own; the token and its session inside end it.
Trust  The browser holds ciphertext: a cookie that leaks is no token, and is refused from another
       address or another browser than it was given to. Who shares both with its owner can use
       it as long as the session lives. While sealed no cookie can be read.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec

from strongroom.storage.barrier import Barrier, TamperedError, place

NAME = "__Host-strongroom"
LONGEST = 4096  # bytes, as browsers keep
_WHERE = place("console", "cookie")
_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"


class Kept(msgspec.Struct, frozen=True):
    """What is inside: the token, whom it was given to, and what its forms are marked with."""

    token: str
    client: bytes
    form: str

    def __repr__(self) -> str:
        return "Kept(…)"


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
    """Return the header that gives a cookie."""
    blob = barrier.encrypt(_WHERE, msgspec.msgpack.encode(kept))
    return f"{NAME}={urlsafe_b64encode(blob).decode()}; {_ATTRIBUTES}"


def taken_back() -> str:
    """Return the header that takes the cookie back."""
    return f"{NAME}=; Max-Age=0; {_ATTRIBUTES}"


def read(barrier: Barrier, headers: Iterable[str], client: Client) -> Kept | None:
    """Return what this client's cookie holds; None if it has none that was given to it.

    A cookie that comes twice is none: somebody else may have planted one of them.
    """
    sent = [each.strip() for header in headers for each in header.split(";")]
    found = [each.removeprefix(f"{NAME}=") for each in sent if each.startswith(f"{NAME}=")]
    if len(found) != 1 or len(found[0]) > LONGEST or barrier.sealed:
        return None
    try:
        plain = barrier.decrypt(_WHERE, urlsafe_b64decode(found[0]))
        kept = msgspec.msgpack.decode(plain, type=Kept)
    except (TamperedError, ValueError):
        return None
    return kept if hmac.compare_digest(kept.client, client.digest) else None
