"""A pack while it is made: a folder of files, the manifest, and the ZIP that comes of them.

Form    The archive holds its files in the order of their paths, stored and not compressed, all of
        one time: the same files give the same bytes, and `verify` accepts no others for them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from strongroom.evidence.verify import (
    UNBOUND,
    central_header,
    end_records,
    left_out,
    local_header,
    media_type,
    without,
)

BLOCK = 1024 * 1024


@dataclass(slots=True)
class Staging:
    """Files on their way into a pack. `missing` names what could not be made, and why."""

    folder: Path
    missing: list[str] = field(default_factory=list)

    def path(self, name: str) -> Path:
        """Return where a file of the pack lies, its folder made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, data: bytes | str) -> None:
        """Write a file."""
        self.path(name).write_bytes(data.encode() if isinstance(data, str) else data)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Lend a file to write a long one piece by piece."""
        with self.path(name).open("wb") as file:
            yield file

    def names(self) -> list[str]:
        """Return the paths of all files, in order."""
        found = (p for p in self.folder.rglob("*") if p.is_file())
        return sorted(p.relative_to(self.folder).as_posix() for p in found)

    def contents(self) -> str:
        """List the digest of every file that no signature of the log covers; return the list's."""
        bound = [name for name in self.names() if not UNBOUND.fullmatch(name)]
        self.write("contents.sha256", "".join(f"{self.digest(n)}  {n}\n" for n in bound))
        return self.digest("contents.sha256")

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file."""
        return digest_of_file(self.folder / name)

    def lacks(self) -> str:
        """Say in words what is missing, as the verifier does; empty for a complete pack."""
        tests = [each for each in self.missing if each == left_out(_test(each))]
        others = [each for each in self.missing if each not in tests]
        return without([_test(each) for each in tests], others)

    def listed(self) -> list[dict[str, Any]]:
        """Return what the manifest says of each file."""
        return [
            {
                "path": name,
                "bytes": (self.folder / name).stat().st_size,
                "sha256": self.digest(name),
                "media_type": media_type(name),
            }
            for name in self.names()
            if name != "manifest.json"
        ]


def _test(missing: str) -> str:
    """Return the test that an item of `missing` is about, if it is about one."""
    return missing.removeprefix("tests/").partition(":")[0]


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal; blocking."""
    digest = sha256()
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest()


def zip_folder(folder: Path, target: Path) -> None:
    """Write the archive of a folder; blocking. It is there under its name only when whole."""
    partial = target.with_suffix(".partial")
    names = Staging(folder).names()
    with partial.open("wb") as archive:
        directory = [_add(archive, folder / name, name.encode()) for name in names]
        begin = archive.tell()
        archive.writelines(directory)
        ends = end_records(len(directory), archive.tell() - begin, begin)
        archive.writelines(record for _, record in ends)
    partial.replace(target)


def _add(archive: IO[bytes], path: Path, name: bytes) -> bytes:
    """Write a file into the archive; return its record for the directory."""
    size, checksum, offset = path.stat().st_size, 0, archive.tell()
    for block in _blocks(path):
        checksum = zlib.crc32(block, checksum)
    archive.write(local_header(name, size, checksum))
    archive.writelines(_blocks(path))
    return central_header(name, size, checksum, offset)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
