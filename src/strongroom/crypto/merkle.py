"""The Merkle tree of the log: roots, proofs, and growing it a leaf at a time.

Specs  RFC 9162 section 2.1 (the tree of RFC 6962) over SHA-256. Two rules beyond it: a
       consistency proof from size 0 is refused, since it would show nothing, and every hash
       has 32 bytes and every proof at most 63 of them.
Terms  Level l, index i of a *complete* subtree: it covers leaves i * 2^l up to (i+1) * 2^l.
       A `HashReader` gives the hash of one. A tile is 256 hashes 8 levels apart; see
       `strongroom.crypto.tiles`.
Trust  The verifying functions trust the root they are given and nothing else, and raise
       `ProofError` with the reason. The others compute from hashes that the caller vouches for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from strongroom.crypto.errors import ProofError

HASH_BYTES: Final = 32
TILE_WIDTH: Final = 256
MAX_PROOF_HASHES: Final = 63
EMPTY_ROOT: Final = sha256(b"").digest()

HashReader = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry as the tree has it."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node from those of its children."""
    return sha256(b"\1" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over these leaf hashes, or over equally large complete subtrees."""
    if not hashes:
        return EMPTY_ROOT
    row = hashes
    while len(row) > 1:
        joined = b"".join(row)
        odd = row[-1:] if len(row) % 2 else ()
        row = [
            *(
                sha256(b"\1" + joined[at : at + 64]).digest()
                for at in range(0, len(row) // 2 * 64, 64)
            ),
            *odd,
        ]
    return row[0]


# ---------------------------------------------------------------------------- making proofs


def tree_root(size: int, read: HashReader) -> bytes:
    """Return the root at this size from the hashes of at most log2(size) subtrees."""
    return _range_root(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: HashReader) -> list[bytes]:
    """Return the hashes from leaf `index` up to the root at `size`, the leaf's sibling first.

    Raises `ProofError` where the tree of that size has no such leaf.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} has no leaf {index}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, read: HashReader) -> list[bytes]:
    """Return the hashes that show the tree of size `new` to begin with that of size `old`.

    Raises `ProofError` unless 1 <= old <= new.
    """
    if not 1 <= old <= new:
        raise ProofError(f"no consistency proof leads from size {old} to {new}")
    proof: list[bytes] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    if start:
        proof.append(_range_root(start, end, read))
    return proof[::-1]


def _split(width: int) -> int:
    """Return the largest power of two below `width`: how much of it goes to the left."""
    return 1 << (width - 1).bit_length() - 1


def _range_root(start: int, end: int, read: HashReader) -> bytes:
    """Return the root over a range that is a node of some tree: complete, or at the right edge."""
    level = (end - start).bit_length() - 1
    if end - start == 1 << level:
        return read(level, start >> level)
    middle = start + (1 << level)
    return node_hash(read(level, start >> level), _range_root(middle, end, read))


# ------------------------------------------------------------------------- verifying proofs


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Raise `ProofError` unless the tree of `size` and `root` has the leaf hash at `index`."""
    _check_hashes(leaf, root, *proof)
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} has no leaf {index}")
    node, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            node, last = _climb(node, last)
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("the inclusion proof is too short")
    if found != root:
        raise ProofError(f"the inclusion proof of leaf {index} leads to another root")


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise `ProofError` unless the tree of `new` with `new_root` begins with that of `old`."""
    _check_hashes(old_root, new_root, *proof)
    if not 1 <= old <= new:
        raise ProofError(f"no consistency proof leads from size {old} to {new}")
    if old == new:
        if proof:
            raise ProofError("a consistency proof between equal sizes is empty")
        if old_root != new_root:
            raise ProofError(f"two different roots at size {old}")
        return
    found_old, found_new = _climb_both(old, new, old_root, proof)
    if found_old != old_root:
        raise ProofError(f"the consistency proof leads to another root at size {old}")
    if found_new != new_root:
        raise ProofError(f"the consistency proof leads to another root at size {new}")


def _climb_both(old: int, new: int, old_root: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the two roots to which the proof leads."""
    hashes = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not hashes:
        raise ProofError("the consistency proof is empty")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    found_old = found_new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long")
        if node & 1 or node == last:
            found_old = node_hash(sibling, found_old)
            found_new = node_hash(sibling, found_new)
            node, last = _climb(node, last)
        else:
            found_new = node_hash(found_new, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("the consistency proof is too short")
    return found_old, found_new


def _climb(node: int, last: int) -> tuple[int, int]:
    """Skip the levels at which the right-edge node has no sibling."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _check_hashes(*hashes: bytes) -> None:
    if len(hashes) > MAX_PROOF_HASHES + 2:
        raise ProofError(f"a proof has at most {MAX_PROOF_HASHES} hashes")
    for one in hashes:
        if len(one) != HASH_BYTES:
            raise ProofError(f"a hash has {HASH_BYTES} bytes, not {len(one)}")


# ------------------------------------------------------------------------------- growing


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Hashes of up to 256 neighbours at one tile level, joined."""

    level: int
    index: int
    hashes: bytes

    @property
    def width(self) -> int:
        """How many hashes it has."""
        return len(self.hashes) // HASH_BYTES


class Tree:
    """A tree that grows to the right and keeps its right edge only: at most 255 hashes a level.

    Whoever grows one keeps the tiles that `append` gives back, and those of `edge` for each
    size it publishes; from the latter the tree is built again after a restart.
    """

    def __init__(self) -> None:
        self.size = 0
        self._rows: list[list[bytes]] = [[]]

    @classmethod
    def restore(cls, size: int, edge: Iterable[Tile]) -> Tree:
        """Return the tree of this size from its partial tiles, in any order.

        Raises `ProofError` where a tile is missing, unwanted, or of another width. That the
        hashes are the right ones only the root can tell: compare it with the checkpoint's.
        """
        tree, given = cls(), {tile.level: tile for tile in edge}
        tree.size = size
        tree._rows = [[] for _ in range(max(1, -(-size.bit_length() // 8)))]
        for level, row in enumerate(tree._rows):
            count = size >> 8 * level
            tile = given.pop(level, Tile(level=level, index=count >> 8, hashes=b""))
            if tile.index != count >> 8 or len(tile.hashes) != count % TILE_WIDTH * HASH_BYTES:
                raise ProofError(f"the tile of level {level} is not the edge of size {size}")
            row.extend(split_hashes(tile.hashes))
        if given:
            raise ProofError(f"size {size} has no edge at level {min(given)}")
        return tree

    def append(self, leaves: Iterable[bytes]) -> list[Tile]:
        """Add leaf hashes and return the tiles that they completed, lower levels first."""
        full: list[Tile] = []
        for leaf in leaves:
            self._rows[0].append(leaf)
            self.size += 1
            if len(self._rows[0]) == TILE_WIDTH:
                full.extend(self._carry())
        return full

    def root(self) -> bytes:
        """Return the root at the present size; costs at most 255 hashes a level."""
        rest: list[bytes] = []
        for row in self._rows:
            if units := [*row, *rest]:
                rest = [root_of(units)]
        return rest[0] if rest else EMPTY_ROOT

    def edge(self) -> list[Tile]:
        """Return the partial tiles of the present size, lower levels first."""
        return [
            Tile(level=level, index=self.size >> 8 * (level + 1), hashes=b"".join(row))
            for level, row in enumerate(self._rows)
            if row
        ]

    def copy(self) -> Tree:
        """Return a tree that grows on its own from here."""
        return Tree.restore(self.size, self.edge())

    def _carry(self) -> Iterator[Tile]:
        """Empty each full row into the one above."""
        level = 0
        while len(row := self._rows[level]) == TILE_WIDTH:
            index = (self.size >> 8 * (level + 1)) - 1
            yield Tile(level=level, index=index, hashes=b"".join(row))
            if level + 1 == len(self._rows):
                self._rows.append([])
            self._rows[level + 1].append(root_of(row))
            row.clear()
            level += 1


def split_hashes(joined: bytes) -> list[bytes]:
    """Return the hashes of a tile; the caller has checked that its length is a multiple of 32."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
