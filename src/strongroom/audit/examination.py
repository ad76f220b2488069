"""One pass over a published log: what each file says, compared with what it must say.

Specs  C2SP tlog-tiles; RFC 9162 section 2.1.
Order  Bundles and the tiles over them from left to right, in constant memory: a bundle, its
       tile, and the right edge of the tree. Then the partial tiles, then the root.
Blame  Where an entry and its hash differ, one of the two was changed. The level above, or the
       signed root at the right edge, tells which; where it agrees with neither, both are named.
Trust  The checkpoint, whose signatures the caller has verified, and nothing else.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from strongroom.audit.log_source import LogSource
from strongroom.crypto.checkpoint import SignedCheckpoint
from strongroom.crypto.errors import TileError
from strongroom.crypto.merkle import (
    HASH_BYTES,
    TILE_WIDTH,
    Tile,
    Tree,
    leaf_hash,
    root_of,
    split_hashes,
)
from strongroom.crypto.tiles import (
    CHECKPOINT_PATH,
    TilePath,
    decode_bundle,
    decode_tile,
    tile_path,
    width_at,
)

MAX_FAULTS: Final = 100
_MOST_NAMED: Final = 8

Progress = Callable[[int, int], None]


class FaultKind(StrEnum):
    """What sort of thing is wrong."""

    CHECKPOINT = "checkpoint"  # not a note, not signed by a trusted key, quorum not met
    MISSING = "missing"  # a file that a log of this size has
    MALFORMED = "malformed"  # a file that cannot be decoded, or has another number of members
    ENTRY = "entry"  # an entry that is not the one in the tree
    ORDER = "order"  # the right entries at the wrong indexes
    TILE = "tile"  # a hash tile that is not what the entries give
    ROOT = "root"  # everything together is not what the checkpoint signs
    ROLLBACK = "rollback"  # the log has shrunk since a checkpoint that was kept
    SPLIT_VIEW = "split view"  # two histories of one log, both signed


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong: in which file, from which entry on, and what.

    `evidence` holds the signed notes where the log's own signatures convict it.
    """

    kind: FaultKind
    path: str
    problem: str
    index: int | None = None
    evidence: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class Examination:
    """A pass over the log of one checkpoint; `run` it once, then read what it found."""

    def __init__(
        self,
        source: LogSource,
        opened: SignedCheckpoint,
        earlier: Sequence[SignedCheckpoint],
        on_progress: Progress,
    ) -> None:
        self.entries = 0
        self.faults: list[Fault] = []
        self.cut_short = False
        self._source = source
        self._opened = opened
        self._earlier = sorted(earlier, key=lambda one: one.checkpoint.size)
        self._on_progress = on_progress
        self._tree = Tree()
        self._fitting = 0
        self._misfits: list[tuple[SignedCheckpoint, bytes]] = []

    def run(self) -> None:
        """Read everything; `cut_short` says that it was not worth reading to the end."""
        try:
            self._compare_sizes()
            for index in range(-(-self._size // TILE_WIDTH)):
                self._take(index)
                self._on_progress(self._tree.size, self._size)
            for tile in self._tree.edge():
                self._check_tile(tile)
            self._check_root()
        except _CutShortError:
            self.cut_short = True

    @property
    def _size(self) -> int:
        return self._opened.checkpoint.size

    def _found(
        self,
        kind: FaultKind,
        path: TilePath | str,
        problem: str,
        *,
        index: int | None = None,
        evidence: tuple[bytes, ...] = (),
    ) -> None:
        self.faults.append(
            Fault(kind=kind, path=str(path), problem=problem, index=index, evidence=evidence)
        )
        if len(self.faults) == MAX_FAULTS:
            raise _CutShortError

    # ------------------------------------------------------------- a bundle and its tile

    def _take(self, index: int) -> None:
        path = TilePath(level=0, index=index, width=width_at(0, index, self._size))
        tile = self._tile(path)
        leaves = self._leaves(replace(path, level=None), tile)
        if leaves is not None and tile is not None and leaves != tile:
            self._grow(self._settled(path, leaves, tile))
        elif found := leaves or tile:
            self._grow(found)
        else:
            self._found(
                FaultKind.MISSING,
                path,
                f"{_span(path)} have no usable bundle and no usable tile;"
                " nothing behind them was read",
                index=index * TILE_WIDTH,
            )
            raise _CutShortError

    def _leaves(self, path: TilePath, tile: list[bytes] | None) -> list[bytes] | None:
        """Return the leaf hashes of a bundle, None where it is of no use."""
        first = path.index * TILE_WIDTH
        file = self._read(path)
        if file is None:
            self._found(FaultKind.MISSING, path, f"{_span(path)} are missing", index=first)
            return None
        data, width = file
        try:
            leaves = [leaf_hash(entry) for entry in decode_bundle(data)]
        except TileError as problem:
            self._found(FaultKind.MALFORMED, path, str(problem), index=first)
            return None
        self.entries += min(len(leaves), path.width)
        if len(leaves) == width:
            return leaves[: path.width]
        at = first + _differing(leaves, tile or leaves[:width])[0]
        self._found(
            FaultKind.MALFORMED,
            path,
            f"{len(leaves)} entries instead of {width}; they go wrong at index {at}",
            index=at,
        )
        return None

    def _tile(self, path: TilePath) -> list[bytes] | None:
        """Return the hashes of a tile of level 0, None where it is of no use."""
        first = path.index * TILE_WIDTH
        file = self._read(path)
        if file is None:
            problem = f"the hashes of {_span(path)} are missing"
            self._found(FaultKind.MISSING, path, problem, index=first)
            return None
        data, width = file
        try:
            return decode_tile(data, width)[: path.width]
        except TileError as problem:
            self._found(FaultKind.MALFORMED, path, str(problem), index=first)
            return None

    def _settled(self, path: TilePath, leaves: list[bytes], tile: list[bytes]) -> list[bytes]:
        """Say whether the entries or their hashes were changed, and return the right ones."""
        at = [path.index * TILE_WIDTH + position for position in _differing(leaves, tile)]
        bundle = replace(path, level=None)
        if self._fits(path, leaves):
            problem = f"the hashes of {_named(at)} are not those of the entries"
            self._found(FaultKind.TILE, path, problem, index=at[0])
            return leaves
        doubt = "" if self._fits(path, tile) else ", and the level above agrees with neither"
        if sorted(leaves) == sorted(tile):
            problem = f"{_named(at)} stand in another order than they were logged in{doubt}"
            self._found(FaultKind.ORDER, bundle, problem, index=at[0])
        else:
            problem = f"{_named(at)} not as logged: the hash in {path} is another{doubt}"
            self._found(FaultKind.ENTRY, bundle, problem, index=at[0])
        return tile

    def _fits(self, path: TilePath, hashes: list[bytes]) -> bool:
        """Say whether what is above has these hashes at this place."""
        if path.width < TILE_WIDTH:
            twin = self._tree.copy()
            twin.append(hashes)
            return twin.root() == self._opened.checkpoint.root
        above, at = divmod(path.index, TILE_WIDTH)
        parent = TilePath(level=1, index=above, width=width_at(1, above, self._size))
        data, _ = self._read(parent) or (b"", 0)
        return split_hashes(data)[at : at + 1] == [root_of(hashes)]

    def _read(self, path: TilePath) -> tuple[bytes, int] | None:
        """Return a file and how wide it has to be.

        A partial one may be gone once the full one is there, in a log that has grown since.
        """
        data = self._source.read(str(path))
        if data is not None:
            return data, path.width
        full = replace(path, width=TILE_WIDTH)
        data = None if path == full else self._source.read(str(full))
        return None if data is None else (data, TILE_WIDTH)

    # ------------------------------------------------------------------- the tree above

    def _grow(self, leaves: list[bytes]) -> None:
        """Add leaves, with a stop at each smaller size of which a checkpoint was kept."""
        start, done = self._tree.size, 0
        for one in self._earlier:
            upto = one.checkpoint.size - start
            if 0 < upto <= len(leaves) and one.checkpoint.size < self._size:
                self._append(leaves[done:upto])
                self._compare_roots(one)
                done = upto
        self._append(leaves[done:])

    def _append(self, leaves: list[bytes]) -> None:
        for tile in self._tree.append(leaves):
            self._check_tile(tile)

    def _check_tile(self, tile: Tile) -> None:
        """Compare a tile above level 0 with the one published."""
        if tile.level == 0:
            return
        path = TilePath(level=tile.level, index=tile.index, width=tile.width)
        file = self._read(path)
        if file is None:
            self._found(FaultKind.MISSING, path, "the tile is missing")
            return
        data, width = file
        if len(data) != width * HASH_BYTES:
            problem = f"{len(data)} bytes instead of {width * HASH_BYTES}"
            self._found(FaultKind.MALFORMED, path, problem)
        elif data[: len(tile.hashes)] != tile.hashes:
            [position, *more] = _differing(split_hashes(data), split_hashes(tile.hashes))
            below = tile_path(tile.level - 1, tile.index * TILE_WIDTH + position)
            others = f", nor {len(more)} others" if more else ""
            problem = f"hash {position} is not that of {below}{others}"
            index = (tile.index * TILE_WIDTH + position) * TILE_WIDTH**tile.level
            self._found(FaultKind.TILE, path, problem, index=index)

    def _check_root(self) -> None:
        """Compare the root, and say what the kept checkpoints mean in its light."""
        root, signed = self._tree.root(), self._opened.checkpoint.root
        if root == signed:
            for earlier, had in self._misfits:
                kept = earlier.checkpoint
                problem = (
                    f"at size {kept.size} it signed {_text(kept.root)}, and has {_text(had)} now"
                )
                self._convict(FaultKind.SPLIT_VIEW, earlier, problem)
            return
        problem = f"it signs the root {_text(signed)}; the log has {_text(root)}"
        if self._fitting:
            problem += f"; entries 0 to {self._fitting - 1} are as in a kept checkpoint"
        if self._misfits:
            problem += f"; entries 0 to {self._misfits[0][0].checkpoint.size - 1} are not"
        index = self._fitting if self._fitting or self._misfits else None
        self._found(FaultKind.ROOT, CHECKPOINT_PATH, problem, index=index)

    # ------------------------------------------------------- checkpoints from before

    def _compare_sizes(self) -> None:
        """Compare the kept checkpoints that need no entry to be read."""
        shown = self._opened.checkpoint
        for one in self._earlier:
            kept = one.checkpoint
            if kept.size > shown.size:
                gone = f"{kept.size - shown.size} are gone"
                problem = f"it once signed {kept.size} entries and now {shown.size}: {gone}"
                self._convict(FaultKind.ROLLBACK, one, problem, index=shown.size)
            elif kept.size == shown.size and kept.root != shown.root:
                problem = (
                    f"at size {kept.size} it signed {_text(kept.root)} and {_text(shown.root)}"
                )
                self._convict(FaultKind.SPLIT_VIEW, one, problem)
            elif kept.size == 0:
                self._compare_roots(one)

    def _compare_roots(self, earlier: SignedCheckpoint) -> None:
        """Compare a kept checkpoint with the tree, which is of its size just now."""
        root = self._tree.root()
        if root == earlier.checkpoint.root:
            self._fitting = earlier.checkpoint.size
        else:
            self._misfits.append((earlier, root))

    def _convict(
        self,
        kind: FaultKind,
        earlier: SignedCheckpoint,
        problem: str,
        index: int | None = None,
    ) -> None:
        evidence = (earlier.note.encode(), self._opened.note.encode())
        self._found(kind, CHECKPOINT_PATH, problem, index=index, evidence=evidence)


class _CutShortError(Exception):
    """There is no use in reading on."""


def _differing(some: Sequence[bytes], others: Sequence[bytes]) -> list[int]:
    """Return the positions at which the two differ, the end of the shorter one for want of any."""
    pairs = enumerate(zip(some, others, strict=False))
    return [at for at, (one, other) in pairs if one != other] or [min(len(some), len(others))]


def _span(path: TilePath) -> str:
    first = path.index * TILE_WIDTH
    return f"entries {first} to {first + path.width - 1}"


def _named(indexes: Sequence[int]) -> str:
    """Name a few indexes, and count the rest."""
    if len(indexes) == 1:
        return f"entry {indexes[0]}"
    rest = len(indexes) - _MOST_NAMED
    names = ", ".join(map(str, indexes[:_MOST_NAMED]))
    return f"entries {names}" + (f" and {rest} more" if rest > 0 else "")


def _text(root: bytes) -> str:
    return b64encode(root).decode()
