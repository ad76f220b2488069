"""Identifiers: random, and of no meaning."""

from __future__ import annotations


def uuid_of(raw: bytes) -> str:
    """Format 16 random bytes as a version 4 UUID (RFC 9562)."""
    number = bytearray(raw)
    number[6] = number[6] & 0x0F | 0x40
    number[8] = number[8] & 0x3F | 0x80
    text = number.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
