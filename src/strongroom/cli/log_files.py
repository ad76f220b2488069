"""The published log of the server that we speak to: its files, entries and proofs.

Specs  C2SP tlog-tiles, below `/log/`.
Trust  What is read here is checked against the checkpoint's root. The checkpoint itself is the
       server's word, until it is opened with a key that came another way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from strongroom.audit.log_source import HttpSource, LogSource, open_source
from strongroom.base.errors import UpstreamError
from strongroom.cli.client import NO_TOKEN, Client
from strongroom.cli.errors import CommandError, RefusedError
from strongroom.crypto.checkpoint import Checkpoint, LogProof, open_checkpoint
from strongroom.crypto.errors import ProofError
from strongroom.crypto.merkle import (
    HASH_BYTES,
    TILE_WIDTH,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_inclusion,
)
from strongroom.crypto.note import Note, VerifierKey
from strongroom.crypto.tiles import CHECKPOINT_PATH, TileHashes, TilePath, decode_bundle, width_at

EXPORTED_WITNESSED: Final = "checkpoint.witnessed"
SERVED_WITNESSED: Final = "witnessed"


@contextmanager
def reading(where: str, ca_file: Path | None) -> Iterator[LogSource]:
    """Give the log in a directory or at an address; `InputError` if it is neither."""
    source = open_source(where, ca_file)
    try:
        yield source
    finally:
        if isinstance(source, HttpSource):
            source.close()


class ServerLog:
    """Gives the files of the log of the server that we speak to; `reads` counts the bundles.

    A server puts each reading of a bundle on record, in the log that is read.
    """

    def __init__(self, client: Client, prefix: str = "/log") -> None:
        self._client = client
        self._prefix = prefix
        self.reads = 0

    def read(self, path: str) -> bytes | None:
        """Return a file, None if it is not there; `UpstreamError` for any other answer."""
        reply = self._client.fetch("GET", f"{self._prefix}/{path}")
        self.reads += path.startswith("tile/entries/")
        if reply.status == 404:
            return None
        if reply.status == 403:
            raise RefusedError(
                f"log/{path}: permission denied",
                NO_TOKEN
                if self._client.anonymous
                else "entries need a token that may read strongroom/log/tile/entries/*",
                status=403,
            )
        if reply.status != 200:
            raise UpstreamError(f"log/{path}: the server answered {reply.status}")
        return reply.raw


@dataclass(frozen=True, kw_only=True)
class Published:
    """A log at one checkpoint."""

    source: LogSource
    note: bytes
    checkpoint: Checkpoint

    @classmethod
    def at_present(cls, source: LogSource, keys: tuple[VerifierKey, ...] = ()) -> Published:
        """Return the log at its latest checkpoint, verified if keys are given."""
        note = source.read(CHECKPOINT_PATH)
        if note is None:
            raise CommandError(
                "there is no checkpoint yet",
                "a server signs its first within a second of being unsealed",
            )
        checkpoint = (
            open_checkpoint(note, keys).checkpoint
            if keys
            else Checkpoint.parse(Note.parse(note).text)
        )
        return cls(source=source, note=note, checkpoint=checkpoint)

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.checkpoint.size

    def fetch(self, path: TilePath) -> bytes:
        """Return a tile or a bundle, from the full one where the partial one is gone."""
        data = self.source.read(str(path))
        if data is None and path.width < TILE_WIDTH:
            full = self.source.read(str(replace(path, width=TILE_WIDTH)))
            data = full if full is None or path.level is None else full[: path.width * HASH_BYTES]
        if data is None:
            raise UpstreamError(f"log/{path} is missing")
        return data

    def entries(self, first: int) -> Iterator[tuple[int, bytes]]:
        """Yield the entries from an index on, with their indexes."""
        for number in range(first // TILE_WIDTH, -(-self.size // TILE_WIDTH)):
            path = TilePath(level=None, index=number, width=width_at(0, number, self.size))
            for at, entry in enumerate(decode_bundle(self.fetch(path)), start=number * TILE_WIDTH):
                if first <= at < self.size:
                    yield at, entry

    def proven(self, index: int) -> tuple[bytes, LogProof]:
        """Return an entry and the proof that it is in the log; `ProofError` where it is not."""
        if not 0 <= index < self.size:
            raise CommandError(f"there is no entry {index}", f"the log has {self.size}, from 0 on")
        _, entry = next(self.entries(index))
        hashes = inclusion_proof(index, self.size, self._reader())
        leaf, root = leaf_hash(entry), self.checkpoint.root
        verify_inclusion(leaf, index, self.size, hashes, root)
        return entry, LogProof(index=index, hashes=tuple(hashes), checkpoint=self.note)

    def consistency(self, old: int) -> tuple[bytes, ...]:
        """Return the proof that the log begins with what it was at size `old`."""
        if not 1 <= old <= self.size:
            raise ProofError(f"the log has {self.size} entries, fewer than the {old} of before")
        return tuple(consistency_proof(old, self.size, self._reader()))

    def files(self) -> Iterator[TilePath]:
        """Yield the path of each file that a log of this size has, but the checkpoint's."""
        for number in range(-(-self.size // TILE_WIDTH)):
            yield TilePath(level=None, index=number, width=width_at(0, number, self.size))
        level = 0
        while count := self.size >> 8 * level:
            for number in range(-(-count // TILE_WIDTH)):
                yield TilePath(level=level, index=number, width=width_at(level, number, self.size))
            level += 1

    def _reader(self) -> TileHashes:
        return TileHashes(self.size, self.fetch)
