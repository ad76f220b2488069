"""Unseal shares: what operators type. The first byte says how long each share is."""

from __future__ import annotations

from strongroom.crypto.errors import ShareError
from strongroom.crypto.shamir import combine

SEEDS = (
    b"\x03ab\x01cd\x02ef\x03",
    b"\x02a\x01a\x01",
    b"\x02a\x00b\x01",
    b"\x01\x01\x02",
    b"\x00",
)


def target(data: bytes) -> None:
    """Shares combine to a secret one byte shorter, in any order."""
    length, rest = (data[0] or 1, data[1:]) if data else (1, b"")
    shares = [rest[at : at + length] for at in range(0, len(rest), length)][:32]
    try:
        secret = combine(shares)
    except ShareError:
        return
    assert len(secret) == length - 1
    assert combine(shares[::-1]) == secret
