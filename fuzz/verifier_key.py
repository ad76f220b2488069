"""Verifier keys: what an auditor pastes."""

from __future__ import annotations

from strongroom.crypto.errors import NoteError
from strongroom.crypto.note import VerifierKey

SEEDS = (
    b"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    b"witness.example.com/w1+8122a5ab+BOpKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
    b"audit.example.com/log+e3a410b3+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
    b"a+00000000+AgAA",
)


def target(data: bytes) -> None:
    """A key prints as what it was read from."""
    text = data.decode(errors="surrogateescape")
    try:
        key = VerifierKey.parse(text)
    except NoteError:
        return
    assert str(key) == text
