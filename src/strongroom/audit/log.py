"""The transparency log of this server: merged into the tree behind the commits, and signed.

Requests append entries in their own transaction (`storage.commit`). Behind them, this module
grows the tree, stores full tiles, and signs a checkpoint each interval if the log has grown.

Specs  C2SP tlog-tiles, tlog-checkpoint, signed-note; RFC 6962 hashing.
Order  entries are committed → tree in memory → full tiles and checkpoint in one commit →
       published. A crash loses nothing but unpublished work, done again at start. Storing the
       same tiles and checkpoint twice is once: a commit in doubt is simply repeated.
Trust  Whoever controls the host and the signing key can rewrite what no witness has seen yet.
       Whoever can only write to the database cannot put a history of his own behind a
       checkpoint that is there: the newest must bear our signature, and what follows it must
       follow from it. That the newest was not deleted, a sealed mark shows at the unseal
       (`audit.mark`): he has to roll back both, which kept checkpoints, receipts and witnesses
       show, and nothing in the database does. At start the entries behind the last full tile are
       compared; `audit.reader` compares all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from strongroom.audit.mark import NOTHING, Mark, put_mark, read_mark
from strongroom.base.errors import NotFoundError, StrongroomError, UnavailableError
from strongroom.crypto.checkpoint import (
    Checkpoint,
    LogProof,
    add_signatures,
    open_checkpoint,
    sign_checkpoint,
)
from strongroom.crypto.errors import NoteError, ProofError, TileError
from strongroom.crypto.merkle import (
    TILE_WIDTH,
    Tile,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    split_hashes,
)
from strongroom.crypto.note import Note, NoteSignature, SigningKey
from strongroom.crypto.tiles import TileHashes, TilePath, encode_bundle, width_at
from strongroom.sdk.sink import Entry
from strongroom.storage.barrier import Barrier
from strongroom.storage.commit import Committed, Outcome, Request
from strongroom.storage.database import Database
from strongroom.storage.register import micros
from strongroom.storage.transaction import Transaction, Write

CHUNK = 1024  # leaves merged before other work gets a turn
SELECT_ENTRIES = "SELECT idx, leaf FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
SELECT_TILE = "SELECT hashes FROM tile WHERE level = ? AND n = ?"
SELECT_TILES = "SELECT hashes FROM tile WHERE level = ? AND n >= ? ORDER BY n"
COUNT_TILES = "SELECT COALESCE(MAX(n), -1) + 1 FROM tile WHERE level = ?"
INSERT_TILE = "INSERT INTO tile (level, n, hashes) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
INSERT_CHECKPOINT = (  # a second of the same size is left out here: a trigger refuses it
    "INSERT INTO checkpoint (size, at, note) SELECT ?, ?, ? "
    "WHERE NOT EXISTS (SELECT 1 FROM checkpoint WHERE size = ?)"
)
INSERT_COSIGNATURE = (  # nor one of the same witness
    "INSERT INTO cosignature (size, witness, at, line) SELECT ?, ?, ?, ? "
    "WHERE NOT EXISTS (SELECT 1 FROM cosignature WHERE size = ? AND witness = ?)"
)
LATEST_COSIGNED = (
    "SELECT c.note, s.line FROM checkpoint c JOIN cosignature s ON s.size = c.size "
    "WHERE c.size = (SELECT MAX(size) FROM cosignature) ORDER BY s.at, s.witness"
)
LATEST_CHECKPOINT = "SELECT size, at, note FROM checkpoint ORDER BY size DESC LIMIT 1"
SELECT_NEXT = "SELECT next FROM head WHERE id = 1"
COUNT_ENTRIES = "SELECT COALESCE(MAX(idx), -1) + 1 FROM entry"


class LogDamagedError(StrongroomError):
    """What is stored of the log contradicts itself: a defect, or somebody changed it."""


@dataclass(frozen=True, slots=True)
class Published:
    """A signed checkpoint: the note's exact bytes."""

    size: int
    at: int  # microseconds
    note: bytes


class Log:
    """See the module. One a server, which calls `publish` again and again.

    `problem` is why the last `check` refused, until one does not.
    """

    def __init__(self, database: Database, origin: str, barrier: Barrier) -> None:
        self.origin = origin
        self.problem: str | None = None
        self._database = database
        self._barrier = barrier
        self._tree = Tree()
        self._key: SigningKey | None = None
        self._waiting: deque[bytes] = deque()  # leaf hashes of committed entries, in order
        self._next = 0  # index after the last of them
        self._full: list[Tile] = []  # completed, not stored yet
        self._distrusted: str | None = None  # why nothing may be signed
        self._publishing = asyncio.Lock()
        self.published: Published | None = None
        self.witnessed: bytes | None = None  # the newest checkpoint with cosignatures
        self._database.follow(self._committed)

    @property
    def size(self) -> int:
        """How many entries are committed."""
        return self._next

    # -- start and keys

    async def open(self) -> None:
        """Rebuild the tree's edge from the stored tiles, and the rest from the entries.

        Raises LogDamagedError if the last checkpoint's root is not what they give, or if there
        are more or fewer entries, or tiles, than were committed.
        """
        whole = (await self._rows(COUNT_TILES, 0))[0][0]
        try:
            self._tree = Tree.restore(whole * TILE_WIDTH, await self._edge(whole * TILE_WIDTH))
        except ProofError as error:
            raise LogDamagedError(f"tiles are missing: {error}") from None
        [[self._next]] = await self._rows(SELECT_NEXT)
        [[stored]] = await self._rows(COUNT_ENTRIES)
        if stored != self._next:
            raise LogDamagedError(f"{stored} entries are stored, but {self._next} were committed")
        await self._open_published()
        await self._merge_stored(self._next)
        self._waiting.clear()

    async def _open_published(self) -> None:
        """Read the newest checkpoint, and compare its root with what tiles and entries give."""
        size = 0
        for size, at, note in await self._rows(LATEST_CHECKPOINT):
            self.published = Published(size, at, note.encode())
            if size > self._next:
                raise LogDamagedError(f"{size} entries were signed, but {self._next} are there")
            await self._merge_stored(size)
        if self._tree.size > size:
            raise LogDamagedError(f"there are tiles of entries beyond the signed {size}")
        if self.published is not None:
            self._compare(self.published)
        for note, line in await self._rows(LATEST_COSIGNED):
            self.witnessed = add_signatures(
                self.witnessed or note.encode(), [NoteSignature.parse(line.removesuffix("\n"))]
            )

    def _compare(self, published: Published) -> None:
        try:
            stored = Checkpoint.parse(Note.parse(published.note).text)
        except NoteError:
            raise LogDamagedError("the newest checkpoint cannot be read") from None
        if stored.origin != self.origin:
            raise LogDamagedError(f"this is the log of {stored.origin}, not of {self.origin}")
        if (stored.size, stored.root) != (self._tree.size, self._tree.root()):
            raise LogDamagedError(
                f"the first {published.size} entries do not give the root that was signed"
            )

    async def _edge(self, size: int) -> list[Tile]:
        """Return the partial tiles of a log that ends with a full tile at level 0."""
        edge: list[Tile] = []
        level = 1
        while size >> (8 * level):
            index = size >> (8 * (level + 1))
            below = await self._rows(SELECT_TILES, level - 1, index * TILE_WIDTH)
            width = (size >> (8 * level)) % TILE_WIDTH
            if width:
                roots = [root_of(split_hashes(row[0])) for row in below[:width]]
                edge.append(Tile(level=level, index=index, hashes=b"".join(roots)))
            level += 1
        return edge

    async def _merge_stored(self, end: int) -> None:
        while self._tree.size < end:
            start = self._tree.size
            rows = await self._rows(SELECT_ENTRIES, start, min(end, start + CHUNK))
            if [row[0] for row in rows] != list(range(start, start + len(rows))) or not rows:
                raise LogDamagedError(f"entries are missing after index {start}")
            self._full += self._tree.append([leaf_hash(bytes(row[1])) for row in rows])

    async def check(self, barrier: Barrier) -> None:
        """Compare what is stored with the mark of what was signed last; before `unlock`.

        `barrier` holds the keys that are about to be put in force. Raises LogDamagedError where
        the log does not carry what was signed, naming the table.
        """
        mark = await read_mark(Transaction(self._database, barrier))
        self.problem = mark if isinstance(mark, str) else await self._missing(mark)
        if self.problem is not None:
            raise LogDamagedError(self.problem)

    async def _missing(self, mark: Mark) -> str | None:
        """Say what of the log is not as the mark says, or return None."""
        [[entries]] = await self._rows(COUNT_ENTRIES)
        if entries < mark.size:
            return f"{mark.size} entries were signed, but {entries} are there: table entry"
        found = [row[2].encode() for row in await self._rows(LATEST_CHECKPOINT)]
        known = [] if self.published is None else [self.published.note]
        if _mark_of(found) == _mark_of(known) == mark:
            return None
        return (
            f"the newest checkpoint is not the one of {mark.size} entries that was signed last: "
            "table checkpoint"
        )

    def unlock(self, key: SigningKey) -> None:
        """Take the signing key: checkpoints are published from now on.

        Where the newest checkpoint is not signed with it, nothing is: `publish` says so.
        """
        self._key, self._distrusted = key, None
        if self.published is not None:
            try:
                open_checkpoint(self.published.note, [key.verifier()])
            except NoteError as error:
                self._distrusted = f"the newest checkpoint is not one of this log: {error}"

    def lock(self) -> None:
        """Forget the signing key."""
        self._key = None

    @property
    def verifier_key(self) -> str:
        """The log's public key as a vkey; empty while sealed."""
        return "" if self._key is None else str(self._key.verifier())

    @property
    def checkpoint(self) -> bytes | None:
        """The newest checkpoint as others see it: with the cosignatures that it has already."""
        if self.published is None:
            return None
        own, cosigned = self.published.note, self.witnessed or b""
        return cosigned if cosigned.startswith(own) else own

    # -- growing

    def _committed(self, done: Committed) -> None:
        self._waiting.extend(done.digests)
        self._next = done.first + len(done.digests)

    async def publish(self, now: datetime) -> Published | None:
        """Merge what is committed, and sign and store a checkpoint of it.

        Returns the newest checkpoint there is; None before the first. While sealed it merges
        only. Raises LogDamagedError where what is stored was not signed by us, UnavailableError
        where it cannot be stored now; calling again goes on from there.
        """
        async with self._publishing:
            await self._merge()
            size, last = self._tree.size, self.published
            if self._key is None or not size or (last is not None and last.size >= size):
                return last
            if self._distrusted is not None:
                raise LogDamagedError(self._distrusted)
            root = self._tree.root()
            note = sign_checkpoint(Checkpoint(origin=self.origin, size=size, root=root), self._key)
            mark = Mark(size=size, root=root.hex())
            await self._store_checkpoint(Published(size, micros(now), note), mark)
            return self.published

    async def _store_checkpoint(self, made: Published, mark: Mark) -> None:
        """Store it with its mark and full tiles; what is known changes in the commit's own step.

        So a publisher that is cancelled while it waits leaves nothing half-done: what was
        stored is known, and what was not is stored the next time.
        """
        tiles = tuple(self._full)
        writes = [
            Write(INSERT_TILE, (tile.level, tile.index, tile.hashes), stamped=False)
            for tile in tiles
        ]
        writes.append(
            Write(
                INSERT_CHECKPOINT,
                (made.size, made.at, made.note.decode(), made.size),
                stamped=False,
            )
        )
        tx = Transaction(self._database, self._barrier)
        put_mark(tx, mark)
        writes += tx.writes()

        def stored() -> None:
            self._full = [tile for tile in self._full if tile not in tiles]
            if self.published is None or self.published.size < made.size:
                self.published = made

        await self._store(writes, stored)

    async def cosigned(
        self, published: Published, witness: str, line: NoteSignature, now: datetime
    ) -> None:
        """Keep a witness's signature on a checkpoint of ours; the caller has verified it."""
        key = published.size, witness
        values = (*key, micros(now), line.line(), *key)
        await self._store([Write(INSERT_COSIGNATURE, values, stamped=False)], lambda: None)
        known = self.witnessed
        ours = Checkpoint.parse(Note.parse(published.note).text)
        theirs = None if known is None else Checkpoint.parse(Note.parse(known).text)
        if known is not None and ours == theirs:
            self.witnessed = add_signatures(known, [line])
        elif theirs is None or theirs.size < ours.size:
            self.witnessed = add_signatures(published.note, [line])

    async def _merge(self) -> None:
        while self._waiting:
            take = min(CHUNK, len(self._waiting))
            self._full += self._tree.append([self._waiting.popleft() for _ in range(take)])
            await asyncio.sleep(0)

    async def _store(self, writes: Sequence[Write], stored: Callable[[], None]) -> None:
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if outcome.problem is None:
                stored()
            if not answer.cancelled():
                answer.set_result(outcome)

        self._database.submit(Request(done=done, writes=writes))
        problem = (await answer).problem
        if isinstance(problem, StrongroomError):
            raise problem
        if problem is not None:
            raise UnavailableError("the checkpoint could not be stored")

    # -- reading

    async def _rows(self, sql: str, *values: int) -> list[tuple[Any, ...]]:
        return await self._database.rows(sql, values)

    async def entries(self, start: int, end: int) -> list[Entry]:
        """Return committed entries from `start` up to but not including `end`, in order."""
        rows = await self._rows(SELECT_ENTRIES, start, end)
        return [Entry(index, bytes(leaf), leaf_hash(bytes(leaf))) for index, leaf in rows]

    async def resource(self, path: str) -> bytes:
        """Return a published tile or bundle by its path below the log; NotFoundError if none.

        Raises LogDamagedError, naming what is missing, where the stored log does not give it.
        """
        try:
            wanted = TilePath.parse(path)
        except TileError:
            raise NotFoundError from None
        return await self._published(wanted)

    async def _published(self, wanted: TilePath) -> bytes:
        size = self.published.size if self.published else 0
        level = 0 if wanted.level is None else wanted.level
        if wanted.width > width_at(level, wanted.index, size):
            raise NotFoundError
        if wanted.level is None:
            start = wanted.index * TILE_WIDTH
            entries = await self.entries(start, start + wanted.width)
            if len(entries) != wanted.width:
                there = {entry.index for entry in entries}
                gone = next(n for n in range(start, start + wanted.width) if n not in there)
                raise LogDamagedError(f"the log is damaged: entry {gone} is missing")
            return encode_bundle(entry.leaf for entry in entries)
        return (await self._hashes(level, wanted.index))[: wanted.width * 32]

    async def _hashes(self, level: int, index: int) -> bytes:
        for tile in (*self._full, *self._tree.edge()):
            if tile.level == level and tile.index == index:
                return tile.hashes
        found = await self._rows(SELECT_TILE, level, index)
        if not found:
            where = f"tile {index} of level {level}"
            raise LogDamagedError(f"the log is damaged: {where} is missing")
        return bytes(found[0][0])

    async def inclusion(self, index: int) -> LogProof:
        """Prove the entry at `index` against the newest checkpoint.

        Raises NotFoundError if that holds no such entry yet.
        """
        published, note = self.published, self.checkpoint
        if published is None or note is None or not 0 <= index < published.size:
            raise NotFoundError
        size = published.size
        proof = await self._with_tiles(size, lambda read: inclusion_proof(index, size, read))
        return LogProof(index=index, hashes=tuple(proof), checkpoint=note)

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """Prove that the log at size `new` begins with the log at size `old`."""
        size = self.published.size if self.published else 0
        if not 0 < old <= new <= size:
            raise NotFoundError
        return await self._with_tiles(new, lambda read: consistency_proof(old, new, read))

    async def _with_tiles(
        self, size: int, prove: Callable[[TileHashes], list[bytes]]
    ) -> list[bytes]:
        """Run a proof again until it has every tile that it turns out to need."""
        have: dict[TilePath, bytes] = {}
        while True:
            try:
                return prove(TileHashes(size, have.__getitem__))
            except KeyError as error:
                [missing] = error.args
                have[missing] = await self._published(missing)


def _mark_of(newest: Sequence[bytes]) -> Mark | None:
    """Return what the mark of the newest note would be; None for one that cannot be read."""
    if not newest:
        return NOTHING
    try:
        signed = Checkpoint.parse(Note.parse(newest[0]).text)
    except NoteError:
        return None
    return Mark(size=signed.size, root=signed.root.hex())
