"""Proofs of logging: files that anybody may hand to an auditor."""

from __future__ import annotations

from strongroom.crypto.checkpoint import LogProof
from strongroom.crypto.errors import NoteError

HASH = b"A" * 43 + b"=\n"
SEEDS = (
    b"c2sp.org/tlog-proof@v1\nindex 0\n\nlog.example/1\n",
    b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 7\n" + HASH * 3 + b"\nlog.example/1\n8\n" + HASH,
    b"c2sp.org/tlog-proof@v1\nindex 07\n" + HASH + b"\n",
)


def target(data: bytes) -> None:
    """Whatever is a proof is the only way to write it."""
    try:
        proof = LogProof.parse(data)
    except NoteError:
        return
    assert proof.encode() == data
