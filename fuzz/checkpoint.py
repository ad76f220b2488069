"""Signed notes and the checkpoints in them: what comes from a log or a witness."""

from __future__ import annotations

from strongroom.crypto.checkpoint import Checkpoint
from strongroom.crypto.errors import NoteError
from strongroom.crypto.note import Note

ROOT = b"A" * 43 + b"="
SIGNATURE = "— log.example/1 ".encode() + b"A" * 92 + b"\n"
SEEDS = (
    b"log.example/1\n5\n" + ROOT + b"\n\n" + SIGNATURE,
    b"log.example/1\n0\n" + ROOT + b"\nextension\n\n" + SIGNATURE + SIGNATURE,
    b"log.example/1\n05\n" + ROOT + b"\n\n" + SIGNATURE,
    b"text\n\nno signature\n",
)


def target(data: bytes) -> None:
    """Whatever is a note is the only way to write it, and so is the checkpoint in it."""
    try:
        note = Note.parse(data)
    except NoteError:
        return
    assert note.encode() == data
    try:
        checkpoint = Checkpoint.parse(note.text)
    except NoteError:
        return
    assert checkpoint.text() == note.text
