"""Packs taken apart and put together again, by somebody who would rather have another one."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from strongroom.evidence.verify import (
    Verification,
    central_header,
    end_records,
    local_header,
    media_type,
    verify_pack,
)


class Files(dict[str, bytes]):
    """Files by their names; they print as a number, since they are many."""

    def __repr__(self) -> str:
        return f"<{len(self)} files>"

    def __or__(self, other: object) -> Files:
        return Files({**self, **other})  # type: ignore[dict-item]


def unpacked(path: Path) -> Files:
    """Return the files of a pack."""
    with zipfile.ZipFile(path) as archive:
        return Files({name: archive.read(name) for name in archive.namelist()})


def packed(files: Files, path: Path) -> Path:
    """Write files as a pack."""
    directory: list[bytes] = []
    with path.open("wb") as file:
        for name, data in sorted(files.items()):
            facts = (name.encode(), len(data), zlib.crc32(data))
            directory.append(central_header(*facts, file.tell()))
            file.write(local_header(*facts) + data)
        begin = file.tell()
        ends = end_records(len(files), sum(map(len, directory)), begin)
        file.writelines([*directory, *(record for _, record in ends)])
    return path


def refitted(files: Files) -> Files:
    """Return the files with a manifest that fits them, as somebody would who knows the format."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = [
        {
            "path": name,
            "bytes": len(files[name]),
            "sha256": sha256(files[name]).hexdigest(),
            "media_type": media_type(name),
        }
        for name in sorted(files)
        if name != "manifest.json"
    ]
    manifest["about"] = json.loads(files["about.json"])
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    return files | {"manifest.json": text.encode()}


def verified(files: Files, folder: Path, vkey: str | None) -> Verification:
    """Verify files as a pack, without a word."""
    return verify_pack(packed(files, folder / "tampered.zip"), vkey, _silent)


def changed(name: str, change: Callable[[bytes], bytes]) -> Callable[[Files], Files]:
    """Return what changes one file, and fits the manifest to it."""
    return lambda files: refitted(files | {name: change(files[name])})


def lines(data: bytes) -> list[bytes]:
    return data.split(b"\n")[:-1]


def joined(found: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in found)


def _silent(text: str) -> None:
    """Say nothing."""
