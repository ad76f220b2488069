"""Requests to a witness: what anybody may send."""

from __future__ import annotations

from strongroom.audit.witness_state import Submission
from strongroom.crypto.errors import NoteError

HASH = b"A" * 43 + b"=\n"
NOTE = b"log.example/1\n9\n" + HASH + b"\n" + "— log.example/1 ".encode() + b"A" * 92 + b"\n"
SEEDS = (
    b"old 0\n\n" + NOTE,
    b"old 6\n" + HASH * 3 + b"\n" + NOTE,
    b"old 10\n\n" + NOTE,
    b"old 06\n\n" + NOTE,
)


def target(data: bytes) -> None:
    """Whatever is a request ends in its checkpoint and does not shrink the log."""
    try:
        submission = Submission.parse(data)
    except NoteError:
        return
    assert data.endswith(b"\n\n" + submission.note)
    assert submission.old <= submission.checkpoint.size
