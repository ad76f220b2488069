"""The file sink: appends entries to a local file, one line each (`strongroom.sinks.file.lines`).

Order   Look whether the file is still the one at the path; write what it lacks, at most `CHUNK`
        bytes; fsync; and again, until all is written; return. What a failed write or sync may
        have left is cut off before anything else is written, since a sync that failed once can
        succeed the next time without having synced.
Crash   An entry is in the file once, though it is delivered again after a crash: when the file
        is opened, a last line without its newline is cut off, the rest synced, and the lines
        that one unsynced chunk may have held are read and checked. Entries count as written up
        to the first line that is not sound; no whole line is ever removed. Only a crash between
        a rotation and the next entry can repeat entries, in the new file.
Rotate  Rename or remove the file; the next delivery makes a new one. `copytruncate` of logrotate
        works too, but may lose lines, as it does for everybody.
Trust   The file holds what the log holds. Mode 0600, symbolic links are not followed, a file
        that did not begin as this sink's is not touched, and one process at a time has it.
        An entry that differs from the one which the file has under its index is refused: a log
        whose past has changed does not continue the file.
"""

from __future__ import annotations

import asyncio
import fcntl
import hmac
import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from strongroom.base.errors import InputError, UpstreamError
from strongroom.sdk.sink import Entry
from strongroom.sinks.file.lines import START, decode_line, encode_line

CHUNK: Final = 1_048_576
LONGEST_LINE: Final = 131_072  # a leaf has at most 65,535 bytes
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, kw_only=True)
class Disk:
    """The calls that can fail for want of space or a sound device."""

    write: Callable[[int, bytes], int] = os.write
    sync: Callable[[int], None] = os.fsync
    truncate: Callable[[int, int], None] = os.ftruncate


class FileSink:
    """Appends entries to the file at `path`. Deliveries may come from one follower only."""

    kind: ClassVar[str] = "file"

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        self._path = path
        self._disk = disk or Disk()
        self._busy = threading.Lock()  # a cancelled delivery goes on in its thread
        self._file: int | None = None
        self._size = 0  # of what is synced
        self._spoilt = False  # a write or sync failed: more than `_size` bytes may be there
        self._last: tuple[str, Entry] | None = None

    async def deliver(self, origin: str, entries: Sequence[Entry]) -> None:
        """Return when the file has all entries, synced; UpstreamError if it cannot now."""
        await asyncio.to_thread(self._deliver, origin, entries)

    def close(self) -> None:
        """Let go of the file; a later delivery opens it again."""
        with self._busy:
            self._close()

    def _deliver(self, origin: str, entries: Sequence[Entry]) -> None:
        with self._busy:
            try:
                file = self._current()
                for last, lines in _chunks(origin, self._lacking(origin, entries)):
                    self._append(file, lines)
                    self._last = origin, last
            except OSError as error:
                raise UpstreamError(f"the audit file: {error.strerror}") from error

    # -- the open file -------------------------------------------------------------------------

    def _current(self) -> int:
        """Return the file at the path, opened anew if it is another than last time."""
        if self._file is not None and self._spoilt:
            self._cut(self._file)
            self._spoilt = False
        if self._file is not None:
            have = os.fstat(self._file)
            if have.st_size == self._size and _same(have, self._path):
                return self._file
            self._close()
        try:
            return self._open()
        except (OSError, UpstreamError):
            self._close()
            raise

    def _open(self) -> int:
        new = not self._path.exists()
        file = self._file = os.open(self._path, _FLAGS, 0o600)
        _claim(file)
        if new:
            self._sync_folder()
        self._size, last = self._heal(file)
        self._last = last or self._last
        return file

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._disk.sync(folder)
        finally:
            os.close(folder)

    def _heal(self, file: int) -> tuple[int, tuple[str, Entry] | None]:
        """Cut off a torn last line; return the size and the last entry known to be whole."""
        if not _ours(os.pread(file, len(START), 0)):
            raise UpstreamError("the audit file: holds something else; move it away")
        size = os.fstat(file).st_size
        start = max(0, size - CHUNK - LONGEST_LINE)
        *lines, torn = os.pread(file, size - start, start).split(b"\n")
        if torn:
            self._disk.truncate(file, size - len(torn))
        self._disk.sync(file)
        return size - len(torn), _last_sound(lines[1:] if start else lines)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file, self._spoilt = None, False

    # -- writing -------------------------------------------------------------------------------

    def _lacking(self, origin: str, entries: Sequence[Entry]) -> list[Entry]:
        """Return the entries that the file does not have yet."""
        if self._last is None or self._last[0] != origin:
            return list(entries)
        last = self._last[1]
        for entry in entries:
            if entry.index == last.index and not hmac.compare_digest(entry.digest, last.digest):
                raise UpstreamError(f"the audit file: has another entry {entry.index}")
        return [entry for entry in entries if entry.index > last.index]

    def _append(self, file: int, lines: bytes) -> None:
        """Write and sync; after a failure nothing of it is left, if the device allows that."""
        self._spoilt = True
        try:
            rest = lines
            while rest:
                rest = rest[self._disk.write(file, rest) :]
            self._disk.sync(file)
        except OSError:
            with suppress(OSError):  # tried again before the next write
                self._cut(file)
            raise
        self._size += len(lines)
        self._spoilt = False

    def _cut(self, file: int) -> None:
        """Cut off what is not synced; a file that somebody has shortened is left as it is."""
        if os.fstat(file).st_size > self._size:
            self._disk.truncate(file, self._size)


def _chunks(origin: str, entries: Sequence[Entry]) -> Iterator[tuple[Entry, bytes]]:
    """Give lines together, of one entry or of at most `CHUNK` bytes, and their last entry."""
    lines: list[bytes] = []
    last, size = None, 0
    for entry in entries:
        line = encode_line(origin, entry)
        if last and size + len(line) > CHUNK:
            yield last, b"".join(lines)
            lines, size = [], 0
        lines.append(line)
        last, size = entry, size + len(line)
    if last:
        yield last, b"".join(lines)


def _claim(file: int) -> None:
    """Have the file to ourselves; UpstreamError if that cannot be."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise UpstreamError("the audit file: not a regular file")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UpstreamError("the audit file: another process writes it") from None


def _same(have: os.stat_result, path: Path) -> bool:
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (have.st_dev, have.st_ino)


def _ours(head: bytes) -> bool:
    """Say whether a file begins as this sink's do: whole, torn, or lost to zeros in a crash."""
    return START.startswith(head) or not head.strip(b"\0")


def _last_sound(lines: Sequence[bytes]) -> tuple[str, Entry] | None:
    """Return origin and entry of the last line before the first that is not sound."""
    last = None
    for line in lines:
        try:
            origin, entry = decode_line(line)
        except InputError:
            break
        last = origin, entry
    return last
