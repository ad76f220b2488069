"""The files of a published log: hash tiles, entry bundles, and their paths.

Specs  C2SP tlog-tiles. `tile/<L>/<N>[.p/<W>]` holds the hashes N * 256 and following of tile
       level L, each over 256^L entries; `tile/entries/<N>[.p/<W>]` holds the entries, each
       behind its length in two bytes. W, 1 to 255, stands in partial ones only.
Trust  A path or bundle that decodes is canonical: encoding it gives the same bytes back. A
       tile that decodes is as yet believed by nobody; see `strongroom.crypto.merkle`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from strongroom.crypto.errors import TileError
from strongroom.crypto.merkle import HASH_BYTES, TILE_WIDTH, root_of, split_hashes

MAX_ENTRY_BYTES: Final = 65_535
MAX_LEVEL: Final = 63
MAX_INDEX: Final = 2**63 - 1
CHECKPOINT_PATH: Final = "checkpoint"

_PATH: Final = re.compile(
    r"tile/(entries|0|[1-9]\d?)/((?:x\d{3}/){0,6}\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII
)


@dataclass(frozen=True, kw_only=True)
class TilePath:
    """Which tile or bundle: `level` is None for a bundle of entries."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if self.level is not None and not 0 <= self.level <= MAX_LEVEL:
            raise TileError(f"there is no tile level {self.level}")
        if not 0 <= self.index <= MAX_INDEX:
            raise TileError(f"there is no tile {self.index}")
        if not 1 <= self.width <= TILE_WIDTH:
            raise TileError(f"a tile is 1 to {TILE_WIDTH} wide, not {self.width}")

    def __str__(self) -> str:
        level = "entries" if self.level is None else str(self.level)
        partial = f".p/{self.width}" if self.width < TILE_WIDTH else ""
        return f"tile/{level}/{_grouped(self.index)}{partial}"

    @classmethod
    def parse(cls, text: str) -> TilePath:
        """Return the path that prints as `text`, or raise `TileError`."""
        match = _PATH.fullmatch(text)
        if match is None:
            raise TileError("not the path of a tile")
        level, groups, width = match.groups()
        path = cls(
            level=None if level == "entries" else int(level),
            index=int(groups.replace("x", "").replace("/", "")),
            width=TILE_WIDTH if width is None else int(width),
        )
        if str(path) != text:
            raise TileError("the path of a tile, but not its canonical form")
        return path


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a hash tile below the log's prefix."""
    return str(TilePath(level=level, index=index, width=width))


def bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of an entry bundle below the log's prefix."""
    return str(TilePath(level=None, index=index, width=width))


def width_at(level: int, index: int, size: int) -> int:
    """Return how wide that tile is in a log of this size: 256 if full, 0 if there is none.

    Bundles are as wide as the tiles of level 0.
    """
    return max(0, min(TILE_WIDTH, (size >> 8 * level) - index * TILE_WIDTH))


def edge_of(size: int) -> Iterator[TilePath]:
    """Yield the partial hash tiles of a log of this size, lower levels first."""
    level = 0
    while count := size >> 8 * level:
        if width := count % TILE_WIDTH:
            yield TilePath(level=level, index=count >> 8, width=width)
        level += 1


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Join 1 to 256 entries; raises `TileError` for one beyond 65,535 bytes."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise TileError(f"an entry has at most {MAX_ENTRY_BYTES} bytes, not {len(entry)}")
        parts += (len(entry).to_bytes(2), entry)
    if not 0 < len(parts) <= TILE_WIDTH * 2:
        raise TileError(f"a bundle holds 1 to {TILE_WIDTH} entries, not {len(parts) // 2}")
    return b"".join(parts)


def decode_bundle(bundle: bytes) -> list[bytes]:
    """Return the 1 to 256 entries of a bundle, or raise `TileError` where it is cut or too long."""
    entries: list[bytes] = []
    at, end = 0, len(bundle)
    while at < end:
        start = at + 2
        at = start + int.from_bytes(bundle[at:start])
        if at > end:
            raise TileError(f"the bundle ends within entry {len(entries)}")
        entries.append(bundle[start:at])
        if len(entries) > TILE_WIDTH:
            raise TileError(f"a bundle holds at most {TILE_WIDTH} entries")
    if not entries:
        raise TileError("the bundle is empty")
    return entries


def decode_tile(tile: bytes, width: int) -> list[bytes]:
    """Return the hashes of a tile, or raise `TileError` unless there are `width`."""
    if len(tile) != width * HASH_BYTES:
        raise TileError(f"a tile of {width} hashes has {width * HASH_BYTES} bytes, not {len(tile)}")
    return split_hashes(tile)


class TileHashes:
    """The `HashReader` of a log of one size, served from its tiles.

    `fetch` returns the bytes of a tile and may raise what it likes. Each tile is fetched once,
    and kept: a proof needs one or two a level, so an instance lives for a few proofs, not long.
    """

    def __init__(self, size: int, fetch: Callable[[TilePath], bytes]) -> None:
        self._size = size
        self._fetch = fetch
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """Return the hash of one complete subtree, `TileError` where this size has none such."""
        tile_level, rest = divmod(level, 8)
        start = index << rest
        tile, at = divmod(start, TILE_WIDTH)
        hashes = self._tile(tile_level, tile)[at : at + (1 << rest)]
        if len(hashes) != 1 << rest:
            raise TileError(f"size {self._size} has no complete subtree {index} of level {level}")
        return root_of(hashes)

    def _tile(self, level: int, index: int) -> list[bytes]:
        if (level, index) not in self._tiles:
            width = width_at(level, index, self._size)
            path = TilePath(level=level, index=index, width=width)
            self._tiles[level, index] = decode_tile(self._fetch(path), width)
        return self._tiles[level, index]


def _grouped(index: int) -> str:
    """Write an index in groups of three digits, all but the last behind an x."""
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
