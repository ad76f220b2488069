"""Paths below /log/: what anybody may ask for."""

from __future__ import annotations

from strongroom.crypto.errors import TileError
from strongroom.crypto.tiles import TilePath

SEEDS = (b"tile/0/000", b"tile/entries/x001/x234/067.p/5", b"tile/63/000", b"tile/0/x000/000")


def target(data: bytes) -> None:
    """A tile has one path."""
    text = data.decode(errors="replace")
    try:
        path = TilePath.parse(text)
    except TileError:
        return
    assert str(path) == text
