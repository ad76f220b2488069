"""A pack while it is made: a folder of files, the manifest, and the ZIP that comes of them.

Form    The archive holds its files in the order of their paths, each with the time at which the
        pack was made, so that the same files give the same bytes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from strongroom.evidence.verify import UNBOUND, media_type

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
        """Return the digest of every file that no signature of the log covers."""
        bound = [name for name in self.names() if not name.startswith(UNBOUND)]
        text = "".join(f"{self.digest(name)}  {name}\n" for name in bound)
        return sha256(text.encode()).hexdigest()

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file."""
        return digest_of_file(self.folder / name)

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


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal; blocking."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def zip_folder(folder: Path, target: Path, made_at: datetime) -> None:
    """Write the archive of a folder; blocking. It is there under its name only when whole."""
    partial = target.with_suffix(".partial")
    when = (made_at.year, made_at.month, made_at.day, made_at.hour, made_at.minute, made_at.second)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    with zipfile.ZipFile(partial, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name, when)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            info.create_system = 3
            info.file_size = (folder / name).stat().st_size
            with archive.open(info, "w") as into, (folder / name).open("rb") as file:
                while block := file.read(BLOCK):
                    into.write(block)
    partial.replace(target)
