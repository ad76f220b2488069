"""Identifiers: random, and of no meaning."""

from __future__ import annotations

# The two highest bits of the ninth byte are 10.
_VARIANT = {f"{digit:x}": f"{digit & 0x3 | 0x8:x}" for digit in range(16)}


def uuid_of(raw: bytes) -> str:
    """Format 16 random bytes as a version 4 UUID (RFC 9562)."""
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"
