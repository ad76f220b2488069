"""Where a demo keeps its files: one directory, which it cleans itself and shares with nobody.

Trust  A directory is emptied only if it holds our marker, so that nothing of anybody else is
       ever removed. The marker is locked while a demo runs; processes that a killed demo left
       behind are ended by their id, and only if their command line still names this directory.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from strongroom.cli.errors import CommandError

MARKER: Final = ".strongroom-demo"
_TEXT: Final = "This directory belongs to `strongroom demo`, which empties it at each start.\n"


@contextmanager
def cleaned(directory: Path) -> Iterator[Path]:
    """Give the directory, empty but for the marker, to one demo.

    Raises `CommandError` where somebody else's files lie there, or another demo runs.
    """
    marker = directory / MARKER
    if directory.is_symlink() or (directory.exists() and not _ours(directory)):
        raise CommandError(
            f"{directory} was not made by this demo", "move it away, or start in another directory"
        )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(marker, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"a demo runs in {directory}", "end it with Ctrl-C first") from None
        _end_what_was_left(directory)
        _empty(directory)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, _TEXT.encode(), 0)
        yield directory
    finally:
        os.close(descriptor)


def process_file(directory: Path, name: str) -> Path:
    """Return the file that holds a process's id while it runs."""
    return directory / f"{name}.pid"


def _ours(directory: Path) -> bool:
    return directory.is_dir() and ((directory / MARKER).is_file() or not any(directory.iterdir()))


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MARKER:
            path.unlink()


def _end_what_was_left(directory: Path) -> None:
    """End processes of a demo that was killed and could not."""
    for file in directory.glob("*.pid"):
        text = file.read_text()
        if text.isdigit() and _is_of(int(text), directory):
            with suppress(ProcessLookupError):
                os.kill(int(text), signal.SIGTERM)


def _is_of(pid: int, directory: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(word.startswith(os.fsencode(directory) + b"/") for word in words)
