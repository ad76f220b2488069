"""What a witness answers to `add-checkpoint`, and what it remembers after that: pure logic.

Specs  C2SP tlog-witness, with cosignatures of type 0x04.
Order  The caller reads the state of `Submission.origin`, calls `answer`, stores `Answer.head`
       if there is one, commits, and only then responds; all of it while no other request can
       change that origin's state. A cosignature that left before its head was stored could be
       followed, after a crash, by one on another history.
Trust  The witness believes a log about what it logs, and nobody about what it logged before.
       Whoever controls the witness's key and state can vouch for two histories of one log;
       its operator must not be the log's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from strongroom.crypto.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    decode_hashes,
    open_checkpoint,
)
from strongroom.crypto.errors import NoteError, ProofError
from strongroom.crypto.merkle import EMPTY_ROOT, verify_consistency
from strongroom.crypto.note import Note, SigningKey, VerifierKey, decode_decimal, decode_text

MAX_REQUEST_BYTES: Final = 1_048_576
SIZE_TYPE: Final = "text/x.tlog.size"
TEXT_TYPE: Final = "text/plain; charset=utf-8"


class Refusal(StrEnum):
    """Why a witness does not cosign."""

    MALFORMED = "malformed"  # 400
    UNKNOWN_ORIGIN = "unknown origin"  # 404
    UNTRUSTED = "untrusted"  # 403: no trusted key of the origin signed
    STALE = "stale"  # 409: the witness has another size than the request begins at
    FORK = "fork"  # 409: one size, two roots; both signed by the log
    INCONSISTENT = "inconsistent"  # 422: the proof does not show one history


_STATUS: Final = {
    Refusal.MALFORMED: 400,
    Refusal.UNKNOWN_ORIGIN: 404,
    Refusal.UNTRUSTED: 403,
    Refusal.STALE: 409,
    Refusal.FORK: 409,
    Refusal.INCONSISTENT: 422,
}


@dataclass(frozen=True, kw_only=True)
class Head:
    """The checkpoint that the witness cosigned last: all that it remembers of a log."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The response; `head` is what to store before it leaves, None where nothing changes.

    A refusal that is a `FORK` or `INCONSISTENT` was signed by the log: the request is proof of
    what the log did, and worth keeping.
    """

    status: int
    content_type: str
    body: bytes
    head: Head | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A request as it reads: nothing in it is verified yet."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: bytes

    @property
    def origin(self) -> str:
        """The log that the checkpoint claims to be of."""
        return self.checkpoint.origin

    @classmethod
    def parse(cls, body: bytes) -> Submission:
        """Read the body of a request; raises `NoteError`, for which `malformed` is the answer."""
        if len(body) > MAX_REQUEST_BYTES:
            raise NoteError(f"a request has at most {MAX_REQUEST_BYTES} bytes")
        head, separator, note = body.partition(b"\n\n")
        old, *hashes = decode_text(head).split("\n")
        if not separator or not old.startswith("old "):
            raise NoteError("a request is an old size, a proof, an empty line and a checkpoint")
        submission = cls(
            old=decode_decimal(old.removeprefix("old ")),
            proof=decode_hashes(hashes),
            checkpoint=Checkpoint.parse(Note.parse(note).text),
            note=note,
        )
        if submission.old > submission.checkpoint.size:
            raise NoteError("the old size is larger than the checkpoint's")
        return submission


def malformed(problem: NoteError) -> Answer:
    """Return the answer to a body that `Submission.parse` refused."""
    return _refused(Refusal.MALFORMED, str(problem))


def answer(
    submission: Submission,
    held: Head | None,
    *,
    logs: Mapping[str, Sequence[VerifierKey]],
    key: SigningKey,
    now: int,
) -> Answer:
    """Cosign the checkpoint if it extends what the witness has seen, or say why not.

    `held` is what is stored for the submission's origin, None if it was never cosigned; `logs`
    gives the keys trusted for each origin; `now` is in seconds since the Unix epoch.
    """
    if submission.origin not in logs:
        return _refused(Refusal.UNKNOWN_ORIGIN, "this witness does not know the log")
    try:
        opened = open_checkpoint(submission.note, logs[submission.origin])
    except NoteError as problem:
        return _refused(Refusal.UNTRUSTED, str(problem))
    held = held or Head(origin=submission.origin, size=0, root=EMPTY_ROOT)
    if held.origin != submission.origin:
        raise ValueError("the state of one log was given for another")
    return (
        _conflict(submission, held)
        or _inconsistency(submission, held)
        or _cosigned(opened, key, now)
    )


def _conflict(submission: Submission, held: Head) -> Answer | None:
    new = submission.checkpoint
    if submission.old != held.size:
        return _at_size(Refusal.STALE, held.size)
    if new.size == held.size and new.root != held.root:
        return _at_size(Refusal.FORK, held.size)
    return None


def _inconsistency(submission: Submission, held: Head) -> Answer | None:
    """Check the proof. From size 0, which begins every history, it has to be empty."""
    new = submission.checkpoint
    if held.size == 0:
        empty = "the proof from size 0 is empty"
        return _refused(Refusal.INCONSISTENT, empty) if submission.proof else None
    try:
        verify_consistency(held.size, new.size, held.root, new.root, submission.proof)
    except ProofError as problem:
        return _refused(Refusal.INCONSISTENT, str(problem))
    return None


def _cosigned(opened: SignedCheckpoint, key: SigningKey, now: int) -> Answer:
    line = key.cosign(opened.note.text, now).line()
    new = opened.checkpoint
    head = Head(origin=new.origin, size=new.size, root=new.root)
    return Answer(status=200, content_type=TEXT_TYPE, body=line.encode(), head=head)


def _at_size(refusal: Refusal, size: int) -> Answer:
    return Answer(
        status=_STATUS[refusal],
        content_type=SIZE_TYPE,
        body=b"%d\n" % size,
        refusal=refusal,
    )


def _refused(refusal: Refusal, why: str) -> Answer:
    return Answer(
        status=_STATUS[refusal],
        content_type=TEXT_TYPE,
        body=f"{why}\n".encode(),
        refusal=refusal,
    )
