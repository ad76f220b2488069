"""A whole log, taken away over HTTP as an auditor does, and verified from its files alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom.audit.reader import DirectorySource, verify_log
from strongroom.crypto.checkpoint import open_checkpoint
from strongroom.crypto.merkle import inclusion_proof, leaf_hash, verify_inclusion
from strongroom.crypto.note import VerifierKey
from strongroom.crypto.tiles import (
    TileHashes,
    bundle_path,
    decode_bundle,
    edge_of,
    tile_path,
)
from tests.servers import Strongroom


@dataclass(frozen=True, kw_only=True)
class TakenLog:
    """The files in `folder`, of a log of this size and root."""

    folder: Path
    size: int
    root: bytes
    leaves: list[bytes]

    def entries(self) -> list[dict[str, Any]]:
        """Return the events, by index."""
        return [json.loads(leaf) for leaf in self.leaves]

    def codes(self) -> list[str]:
        """Return what happened, by index."""
        return [entry["metadata"]["event_code"] for entry in self.entries()]

    def holds(self, receipt: tuple[int, bytes]) -> None:
        """Raise unless the log has the entry that a receipt names."""
        index, digest = receipt
        assert leaf_hash(self.leaves[index]) == digest

    def proves(self, receipt: tuple[int, bytes]) -> None:
        """Raise unless the files prove the entry that a receipt names."""
        index, digest = receipt
        read = TileHashes(self.size, lambda path: (self.folder / str(path)).read_bytes())
        proof = inclusion_proof(index, self.size, read)
        verify_inclusion(digest, index, self.size, proof, self.root)


def verifier_key(server: Strongroom) -> VerifierKey:
    """Return the log's key; here, and only in a test, from the server itself."""
    status = server.ask("GET", "strongroom/log/status")
    assert status.status == 200, status.raw
    return VerifierKey.parse(status.body["data"]["key"])


def take_log(server: Strongroom, folder: Path) -> TakenLog:
    """Fetch every file of the log; raises if anything in it does not hold."""
    key = verifier_key(server)
    last, _ = server.ask("GET", "sys/mounts").receipt
    server.await_published(last)
    note = server.fetch("GET", "/log/checkpoint").raw
    checkpoint = open_checkpoint(note, [key]).checkpoint
    size = checkpoint.size
    bundles = [bundle_path(n // 256, min(256, size - n)) for n in range(0, size, 256)]
    tiles = [*(tile_path(0, n) for n in range(size // 256)), *map(str, edge_of(size))]
    leaves: list[bytes] = []
    over = server.connection()
    for path in (*bundles, *tiles):
        got = server.fetch("GET", f"/log/{path}", over=over)
        assert got.status == 200, (path, got.status)
        write(folder / path, got.raw)
        if path in bundles:
            leaves += decode_bundle(got.raw)
    over.close()
    write(folder / "checkpoint", note)
    verify_log(DirectorySource(folder), [key])
    return TakenLog(folder=folder, size=size, root=checkpoint.root, leaves=leaves)


def write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
