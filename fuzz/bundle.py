"""Entry bundles of the log: what a witness or an auditor is handed."""

from __future__ import annotations

from strongroom.crypto.errors import TileError
from strongroom.crypto.tiles import decode_bundle, encode_bundle

SEEDS = (
    b"\x00\x03one",
    b"\x00\x00",
    b"\x00\x01a\x00\x02bc",
    b"\x00\x05cut",
    b"\xff\xff" + b"x" * 99,
)


def target(data: bytes) -> None:
    """Whatever is a bundle is the only bundle of its entries."""
    try:
        entries = decode_bundle(data)
    except TileError:
        return
    assert encode_bundle(entries) == data
