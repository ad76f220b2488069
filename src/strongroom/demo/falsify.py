"""Ways in which somebody with access to the files could falsify a copy of the log, or of a pack.

Specs  C2SP tlog-tiles: an export holds entries in bundles of 256 below `tile/entries/`.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from strongroom.crypto.merkle import TILE_WIDTH
from strongroom.crypto.tiles import decode_bundle, encode_bundle

ChangeEntries = Callable[[list[bytes], int], None]
ChangeFile = Callable[[bytes], bytes]

# -- the log


def bundles(directory: Path) -> list[Path]:
    """Return the bundle files of an export in the order of their entries."""
    top = directory / "tile" / "entries"
    files = [path for path in top.rglob("*") if path.is_file()]
    return sorted(files, key=lambda path: str(path.relative_to(top)).replace("x", "").split(".")[0])


def refused_entry(directory: Path) -> int:
    """Return the index of an entry that somebody might want to hide: a guardrail's refusal.

    Raises LookupError where there is none.
    """
    index = 0
    for file in bundles(directory):
        for entry in decode_bundle(file.read_bytes()):
            if json.loads(entry)["unmapped"].get("guardrail"):
                return index
            index += 1
    raise LookupError("no entry tells of the guardrail")


def falsify_log(source: Path, copy: Path, index: int, change: ChangeEntries) -> None:
    """Copy an export and change the bundle that holds an entry."""
    shutil.copytree(source, copy)
    file = bundles(copy)[index // TILE_WIDTH]
    entries = decode_bundle(file.read_bytes())
    change(entries, index % TILE_WIDTH)
    file.write_bytes(encode_bundle(entries))


def flip_a_byte(entries: list[bytes], at: int) -> None:
    """Change one bit of an entry."""
    entries[at] = flipped(entries[at])


def remove_it(entries: list[bytes], at: int) -> None:
    """Take an entry out."""
    del entries[at]


def swap_with_the_next(entries: list[bytes], at: int) -> None:
    """Let two entries change places."""
    other = at + 1 if at + 1 < len(entries) else at - 1
    entries[at], entries[other] = entries[other], entries[at]


def what_names(faults: list[dict[str, Any]], index: int) -> str:
    """Return what a verifier says of the entry that was changed; empty if it names others only.

    Its own index is meant, that of its neighbour, or that at which its bundle begins.
    """
    near = {index - 1, index, index + 1, index // TILE_WIDTH * TILE_WIDTH}
    found = [fault for fault in faults if fault["index"] in near]
    return f"entry {found[0]['index']}: {found[0]['problem']}" if found else ""


# -- the pack


def falsify_pack(pack: Path, copy: Path, member: str, change: ChangeFile) -> str:
    """Write a copy in which the largest file of this pattern is changed; return its name.

    All else stays as it was, the times and attributes of the archive too: they would betray it.
    """
    with zipfile.ZipFile(pack) as old, zipfile.ZipFile(copy, "w") as new:
        fitting = [one for one in old.infolist() if re.search(member, one.filename)]
        changed = max(fitting, key=lambda one: one.file_size)
        for one in old.infolist():
            data = old.read(one)
            new.writestr(one, change(data) if one is changed else data)
    return changed.filename


def flipped(data: bytes) -> bytes:
    """Return the data with one bit in the middle changed."""
    at = len(data) // 2
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def without_a_row(data: bytes) -> bytes:
    """Return JSON lines without the one in the middle."""
    rows = data.splitlines(keepends=True)
    return b"".join(rows[: len(rows) // 2] + rows[len(rows) // 2 + 1 :])


def with_another_verdict(data: bytes) -> bytes:
    """Return a result that says something else."""
    return data.replace(b'"effective"', b'"exceptions"', 1)
