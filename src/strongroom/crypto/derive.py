"""Keys from keys, and keyed digests.

Specs  RFC 5869 (HKDF) and RFC 2104 (HMAC), both over SHA-256.
Trust  Whoever holds the key given to `derive` holds every key derived from it; a derived key
       tells nothing about its siblings. Each purpose has a label of its own, never reused.
"""

from __future__ import annotations

from typing import final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive(key: bytes, label: str, length: int = 32) -> bytes:
    """Return `length` bytes (at most 8,160) that belong to this key and this label."""
    return hkdf(key, salt=b"", info=label.encode(), length=length)


def hkdf(key: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """Extract and expand; an empty salt stands for 32 zero bytes."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt or None, info=info).derive(key)


@final
class DigestKey:
    """One key of keyed digests, set up once: setting up costs several times the digest of a row."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = HMAC(key, SHA256())

    def digest(self, data: bytes) -> bytes:
        """Return the 32-byte HMAC-SHA256 of `data`; compare two with `hmac.compare_digest`."""
        running = self._keyed.copy()
        running.update(data)
        return running.finalize()

    def __repr__(self) -> str:
        return "DigestKey(…)"
