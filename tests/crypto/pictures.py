"""What a camera reads in a picture of ours: by a decoder that is not ours."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence

import zxingcpp

Rows = Sequence[Sequence[bool]]  # of whether each square is dark
_RUN = re.compile(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z")
_CELLS = {"█": (False, False), "▀": (False, True), "▄": (True, False), " ": (True, True)}


def scanned(rows: Rows, scale: int = 4) -> str:
    """Return the text that a decoder finds, given squares; empty where it finds none."""
    side, height = len(rows[0]) * scale, len(rows) * scale
    pixels = bytes(
        0 if rows[y // scale][x // scale] else 255 for y in range(height) for x in range(side)
    )
    found = zxingcpp.read_barcode(memoryview(pixels).cast("B", (height, side)), try_invert=False)
    return "" if found is None else str(found.text)


def of_path(path: str, width: int) -> Rows:
    """Return the squares that an SVG path of ours fills."""
    assert _RUN.sub("", path) == ""
    rows = [[False] * width for _ in range(width)]
    for x, y, there, back in (map(int, run) for run in _RUN.findall(path)):
        assert there == back
        rows[y][x : x + there] = [True] * there
    return rows


def of_blocks(text: str) -> Rows:
    """Return the squares that lines of block characters draw, what is light being drawn."""
    rows: list[list[bool]] = []
    for line in text.split("\n"):
        cells = [_CELLS[each] for each in line]
        rows += [[upper for upper, _ in cells], [lower for _, lower in cells]]
    return rows


def of_png(png: bytes) -> Rows:
    """Return the pixels of a PNG of one bit each."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, data, width, height = 8, b"", 0, 0
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            assert (depth, colour) == (1, 0)
        data += body if kind == b"IDAT" else b""
        at += length + 12
    raw, line = zlib.decompress(data), (width + 7) // 8 + 1
    above, rows = bytes(line - 1), []
    for y in range(height):
        kept, here = raw[y * line], raw[y * line + 1 : (y + 1) * line]
        assert kept in (0, 2)  # as it is, or what changed of the line above
        above = bytes((b + a * (kept == 2)) % 256 for a, b in zip(above, here, strict=True))
        rows.append([not above[x // 8] >> (7 - x % 8) & 1 for x in range(width)])
    return rows
