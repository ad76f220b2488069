"""Published logs for tests: files in a directory, written with the floor below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from strongroom.base.secret import Secret
from strongroom.crypto.checkpoint import Checkpoint, sign_checkpoint
from strongroom.crypto.merkle import Tree, leaf_hash
from strongroom.crypto.note import SigningKey
from strongroom.crypto.tiles import bundle_path, encode_bundle, tile_path

LOG = SigningKey("audit.example.com/log", Secret(bytes(range(32))))


def entries(count: int) -> list[bytes]:
    return [b"entry-%d" % index for index in range(count)]


def checkpoint(logged: Sequence[bytes], key: SigningKey = LOG) -> bytes:
    """Return the signed checkpoint of these entries."""
    tree = Tree()
    tree.append(map(leaf_hash, logged))
    return sign_checkpoint(Checkpoint(origin=key.name, size=tree.size, root=tree.root()), key)


def publish(root: Path, logged: Sequence[bytes], key: SigningKey = LOG) -> None:
    """Write the files of the log, partial tiles included."""
    tree = Tree()
    tiles = [*tree.append(map(leaf_hash, logged)), *tree.edge()]
    for tile in tiles:
        write(root, tile_path(tile.level, tile.index, tile.width), tile.hashes)
    for first in range(0, len(logged), 256):
        part = logged[first : first + 256]
        write(root, bundle_path(first // 256, len(part)), encode_bundle(part))
    write(root, "checkpoint", checkpoint(logged, key))


def write(root: Path, path: str, data: bytes) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
