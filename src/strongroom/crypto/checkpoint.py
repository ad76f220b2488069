"""Checkpoints: a log's origin, size and root, signed; and proofs of logging to take away.

Specs  C2SP tlog-checkpoint and tlog-proof (`c2sp.org/tlog-proof@v1`).
Trust  A checkpoint is the log's word only if a key named like its origin signed it. That the
       same log shows the same checkpoint to everybody, only witnesses tell; see
       `strongroom.crypto.log_policy`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from strongroom.crypto.errors import NoteError, ProofError
from strongroom.crypto.merkle import HASH_BYTES, MAX_PROOF_HASHES, verify_inclusion
from strongroom.crypto.note import (
    MAX_TIME,
    Note,
    NoteSignature,
    Signed,
    SigningKey,
    VerifierKey,
    decode_base64,
    decode_decimal,
    decode_text,
)

_PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a log says of itself. `extensions` are opaque lines; ours has none."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin:
            raise NoteError("a checkpoint names its origin in one line")
        if not 0 <= self.size <= MAX_TIME:
            raise NoteError("a checkpoint's size is a number from 0 below 2^63")
        if len(self.root) != HASH_BYTES:
            raise NoteError(f"a checkpoint's root has {HASH_BYTES} bytes, not {len(self.root)}")
        if any(not line or "\n" in line for line in self.extensions):
            raise NoteError("an extension of a checkpoint is one line, and not empty")

    def text(self) -> str:
        """Return the text that is signed."""
        root = b64encode(self.root).decode()
        return "".join(
            f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions)
        )

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a note as a checkpoint, or raise `NoteError`."""
        *lines, end = text.split("\n")
        if len(lines) < 3 or end:
            raise NoteError("a checkpoint has a line each for origin, size and root")
        origin, size, root, *extensions = lines
        return cls(
            origin=origin,
            size=decode_decimal(size),
            root=decode_base64(root),
            extensions=tuple(extensions),
        )


@dataclass(frozen=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint whose note was verified, and whose signatures those were."""

    checkpoint: Checkpoint
    note: Note
    signed_by: tuple[Signed, ...]


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> bytes:
    """Return the note of a checkpoint, signed by the log, whose key is named like its origin.

    Raises `NoteError` where the key has another name.
    """
    if key.name != checkpoint.origin:
        raise NoteError("a log signs with a key named like its origin")
    text = checkpoint.text()
    return Note(text=text, signatures=(key.sign(text),)).encode()


def add_signatures(note: bytes, lines: Sequence[NoteSignature]) -> bytes:
    """Return the note with these lines behind its own, those that it has already left out."""
    parsed = Note.parse(note)
    fresh = tuple(line for line in lines if line not in parsed.signatures)
    return replace(parsed, signatures=parsed.signatures + fresh).encode()


def open_checkpoint(
    data: bytes, logs: Sequence[VerifierKey], witnesses: Sequence[VerifierKey] = ()
) -> SignedCheckpoint:
    """Return the checkpoint in a note that one of the logs signed, and who of all signed it.

    Raises `NoteError` where the format is broken, where no log key named like the origin
    signed, and where the signature of any given key fails.
    """
    note = Note.parse(data)
    checkpoint = Checkpoint.parse(note.text)
    own = [key for key in logs if key.name == checkpoint.origin]
    if not own:
        raise NoteError(f"no trusted key is named like the origin {checkpoint.origin}")
    note.verify(own)
    return SignedCheckpoint(
        checkpoint=checkpoint, note=note, signed_by=note.verify([*own, *witnesses])
    )


@dataclass(frozen=True, kw_only=True)
class LogProof:
    """A file that shows an entry to be in a log. `extra` is authenticated by nothing."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        lines = [_PROOF_HEADER]
        if self.extra is not None:
            lines.append(f"extra {b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += (b64encode(one).decode() for one in self.hashes)
        return "\n".join([*lines, "", ""]).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> LogProof:
        """Read a file, verifying nothing; raises `NoteError` where the format is broken."""
        head, separator, checkpoint = data.partition(b"\n\n")
        lines = decode_text(head).split("\n")
        if not separator or lines.pop(0) != _PROOF_HEADER:
            raise NoteError(f"a proof begins with {_PROOF_HEADER}")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = decode_base64(lines.pop(0).removeprefix("extra "))
        if not lines or not lines[0].startswith("index "):
            raise NoteError("a proof names the index of its entry")
        return cls(
            index=decode_decimal(lines.pop(0).removeprefix("index ")),
            hashes=decode_hashes(lines),
            checkpoint=checkpoint,
            extra=extra,
        )

    def verify(self, leaf: bytes, opened: SignedCheckpoint) -> None:
        """Raise `ProofError` unless the leaf hash is at `index` of the log.

        `opened` is this proof's own checkpoint, as `open_checkpoint` or a policy accepted it.
        """
        if opened.note.encode() != self.checkpoint:
            raise ProofError("this is not the checkpoint of the proof")
        tree = opened.checkpoint
        verify_inclusion(leaf, self.index, tree.size, self.hashes, tree.root)


def decode_hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    """Read the lines of a Merkle proof, or raise `NoteError`."""
    if len(lines) > MAX_PROOF_HASHES:
        raise NoteError(f"a proof has at most {MAX_PROOF_HASHES} hashes")
    hashes = tuple(map(decode_base64, lines))
    if any(len(one) != HASH_BYTES for one in hashes):
        raise NoteError(f"each hash of a proof has {HASH_BYTES} bytes")
    return hashes
