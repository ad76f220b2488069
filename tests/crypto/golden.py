"""The golden vectors of the log: entries, the whole tree of a size, and a reader over leaves."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from strongroom.crypto.merkle import HashReader, Tile, Tree, leaf_hash, root_of

VECTORS = Path(__file__).parent.parent / "vectors" / "audit_golden_vectors.json"


@cache
def golden() -> Any:
    """Return the vectors; AUDIT_LOG.md section 2.4 says what they were checked with."""
    return json.loads(VECTORS.read_text())


def entry(index: int) -> bytes:
    return b"entry-%d" % index


@cache
def leaves(size: int) -> tuple[bytes, ...]:
    return tuple(leaf_hash(entry(index)) for index in range(size))


def reader(hashes: tuple[bytes, ...]) -> HashReader:
    """Return a reader that computes each subtree from its leaves, by the definition."""

    def read(level: int, index: int) -> bytes:
        part = hashes[index << level : (index + 1) << level]
        assert len(part) == 1 << level, "asked for a subtree that is not complete"
        return root_of(part)

    return read


@cache
def grown(size: int) -> tuple[Tree, tuple[Tile, ...]]:
    """Return the tree of golden entries, and every tile of it, the partial ones last."""
    tree = Tree()
    full = tree.append(leaves(size))
    return tree, (*full, *tree.edge())
