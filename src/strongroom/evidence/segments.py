"""The part of the log that a pack carries: entries, hashes, and the proofs about them.

Form    `log/entries-<first>.jsonl`: a line each, `{"index":N,"entry":<the leaf, byte for byte>}`.
        `log/left.json` has the complete subtrees before the segment, so that segment and subtrees
        together give the signed root without the entries before.
        `checkpoint/cosigned/<size>.txt`: a checkpoint of a day with the cosignatures of witnesses.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from strongroom.audit.log import Log, Published
from strongroom.crypto.checkpoint import LogProof, add_signatures
from strongroom.crypto.merkle import HashReader, consistency_proof, inclusion_proof, leaf_hash
from strongroom.crypto.note import NoteSignature, VerifierKey
from strongroom.crypto.tiles import TileHashes, TilePath
from strongroom.evidence.log_reading import COSIGNATURES, WITNESSED, LogReading
from strongroom.evidence.staging import Staging
from strongroom.evidence.verify import ENTRIES_PER_FILE, written
from strongroom.sdk.facts.period import Period

Proof = TypeVar("Proof")
STARTS = "SELECT size, at, note FROM checkpoint WHERE size <= ? ORDER BY size DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Span:
    """From which checkpoint on a pack carries the log, and up to which."""

    start: Published | None
    end: Published

    @property
    def begin(self) -> int:
        """The index of the first entry."""
        return self.start.size if self.start else 0


async def start_of(reading: LogReading, first: int) -> Published | None:
    """Return the checkpoint that everything from `first` on lies behind; None if all does."""
    rows = await reading.database.rows(STARTS, (first,))
    if not rows or not rows[0][0]:
        return None
    size, at, note = rows[0]
    return Published(size, at, note.encode())


async def write_entries(staging: Staging, reading: LogReading, span: Span) -> None:
    """Write the entries, some thousands a file, and their hashes."""
    with staging.open("log/leaf-hashes.bin") as hashes:
        at = span.begin
        while at < span.end.size:
            upto = min(at + ENTRIES_PER_FILE, span.end.size)
            with staging.open(f"log/entries-{at:012d}.jsonl") as file:
                async for index, leaf in reading.leaves(at, upto):
                    file.write(b'{"index":%d,"entry":%b}\n' % (index, leaf))
                    hashes.write(leaf_hash(leaf))
            at = upto


async def write_cited(
    staging: Staging, reading: LogReading, span: Span, cited: Iterable[int]
) -> None:
    """Write the entries from before the segment that results cite."""
    with staging.open("log/cited.jsonl") as file:
        for wanted in sorted(index for index in cited if index < span.begin):
            async for index, leaf in reading.leaves(wanted, wanted + 1):
                file.write(b'{"index":%d,"entry":%b}\n' % (index, leaf))


async def witnessed_checkpoint(reading: LogReading) -> Published | None:
    """Return the newest checkpoint that a configured witness cosigned, with its cosignatures."""
    rows = await reading.database.rows(WITNESSED, (reading.published.size,))
    if not rows or not reading.witnesses:
        return None
    size, at, text = rows[0]
    note = await _with_cosignatures(reading, size, text.encode())
    return None if note is None else Published(size, at, note)


async def write_cosigned(staging: Staging, reading: LogReading, period: Period) -> None:
    """Write the last checkpoint of each day of the period that a configured witness cosigned."""
    for size, (_, own, _) in sorted((await reading.daily(period)).items()):
        note = await _with_cosignatures(reading, size, own)
        if note is not None:
            staging.write(f"checkpoint/cosigned/{size:012d}.txt", note)


async def _with_cosignatures(reading: LogReading, size: int, note: bytes) -> bytes | None:
    """Return a checkpoint with what configured witnesses signed of it; None if none did."""
    lines = await reading.database.rows(COSIGNATURES, (size,))
    known = [VerifierKey.parse(each) for each in reading.witnesses]
    parsed = [NoteSignature.parse(line.rstrip("\n")) for (line,) in lines]
    kept = [line for line in parsed if any(key.made(line) for key in known)]
    return add_signatures(note, kept) if kept else None


async def write_proofs(
    staging: Staging, log: Log, span: Span, witnessed: Published | None, cited: Iterable[int]
) -> None:
    """Write the subtrees before the segment, consistency, and one proof of each cited entry."""
    peaks = await with_tiles(log, span.end.size, lambda read: _peaks(span.begin, read))
    staging.write("log/left.json", written({"begin": span.begin, "peaks": peaks}))
    staging.write("proofs/consistency.txt", await _consistency(log, span.start, span.end))
    if witnessed is not None:
        staging.write("proofs/witnessed.txt", await _consistency(log, witnessed, span.end))
    for index in cited:
        if index < span.end.size:
            await _write_inclusion(staging, log, span, index)
            await asyncio.sleep(0)


async def _consistency(log: Log, start: Published | None, end: Published) -> str:
    """Return the proof that the log at the end begins with that at the start."""
    new = end.size
    if start is None:
        return f"old 0\nnew {new}\n"
    old = start.size
    proof = await with_tiles(log, new, lambda read: consistency_proof(old, new, read))
    return "\n".join([f"old {old}", f"new {new}", *(b64encode(h).decode() for h in proof), ""])


async def _write_inclusion(staging: Staging, log: Log, span: Span, index: int) -> None:
    size = span.end.size
    proof = await with_tiles(log, size, lambda read: inclusion_proof(index, size, read))
    made = LogProof(index=index, hashes=tuple(proof), checkpoint=span.end.note)
    staging.write(f"proofs/inclusion/{index}.tlog-proof", made.encode())


def _peaks(size: int, read: HashReader) -> list[tuple[int, str]]:
    """Return level and hash of the complete subtrees that make up the first `size` entries."""
    found: list[tuple[int, str]] = []
    at = 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            found.append((level, b64encode(read(level, at >> level)).decode()))
            at += 1 << level
    return found


async def with_tiles(log: Log, size: int, prove: Callable[[HashReader], Proof]) -> Proof:
    """Run a proof over the tree of one size, fetching the tiles that it turns out to need."""
    have: dict[TilePath, bytes] = {}
    while True:
        missing: list[TilePath] = []

        def fetch(path: TilePath, missing: list[TilePath] = missing) -> bytes:
            if path not in have:
                missing.append(path)
                raise _MissingTileError
            return have[path]

        try:
            return prove(TileHashes(size, fetch))
        except _MissingTileError:
            for path in missing:
                have[path] = await log.resource(str(path))


class _MissingTileError(Exception):
    """A tile has to be fetched first."""


HOW_OBTAINED = """\
The keys in this folder were written here by the server whose evidence this is. That says nothing
of where they come from. Compare log.vkey with the key that you have by another way: the papers of
the engagement, a colleague of another department, a witness of the log, an earlier pack.

A checkpoint that only the log has signed proves nothing against whoever controls its host and its
key. Cosignatures of witnesses, or checkpoints that you kept from earlier, do.
"""
