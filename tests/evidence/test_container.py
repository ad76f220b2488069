"""The pack as a file: each byte of it is content or has one value, and no file takes much memory.

The layout is ours, so the oracle is Python's own `zipfile`: what it writes of the same members
must be the same bytes.
"""

from __future__ import annotations

import io
import json
import random
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from strongroom.evidence import verify
from strongroom.evidence.verify import Archive, BrokenError
from tests.evidence.conftest import Taken
from tests.evidence.tampering import Files, packed, refitted, unpacked

SMALL = Files({"a.txt": b"one\n", "b/c.json": b"{}\n", "b/empty": b"", "d.bin": bytes(40)})
MEMORY = 1200 * 2**20  # bytes of address space that any pack may take
FIRST = b"PK\3\4"


def faults_of(data: bytes) -> list[str]:
    """Return what is wrong with an archive as a container."""
    try:
        return Archive(io.BytesIO(data)).problems
    except BrokenError as error:
        return [str(error)]


@pytest.fixture
def small(tmp_path: Path) -> bytes:
    return packed(SMALL, tmp_path / "small.zip").read_bytes()


def places(data: bytes) -> list[tuple[int, str]]:
    """Return where in an archive a header, a content or a record begins, and whose it is."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        at, infos = archive.start_dir, archive.infolist()
    found = [(info.header_offset, info.filename) for info in infos]
    for info in infos:
        found.append((at, info.filename))
        at += 46 + len(info.filename)
    return [*found, (at, "the end of the directory")]


def test_as_it_is_written_nothing_is_wrong(small: bytes) -> None:
    assert faults_of(small) == []
    assert [*Archive(io.BytesIO(small)).members] == sorted(SMALL)


def test_zipfile_writes_the_same_bytes(taken: Taken, tmp_path: Path) -> None:
    with zipfile.ZipFile(taken.path) as old, zipfile.ZipFile(tmp_path / "new.zip", "w") as new:
        assert old.testzip() is None
        for info in old.infolist():
            new.writestr(info, old.read(info))

    assert (tmp_path / "new.zip").read_bytes() == taken.path.read_bytes()


def test_any_bit_of_it_that_is_flipped_is_noticed_and_its_place_is_named(small: bytes) -> None:
    begins = places(small)
    for at in range(len(small)):
        region = max(index for index, (begin, _) in enumerate(begins) if begin <= at)
        begin, name = begins[region]
        end = begins[region + 1][0] if region + 1 < len(begins) else len(small)
        for bit in range(8):
            flipped = bytearray(small)
            flipped[at] ^= 1 << bit

            faults = faults_of(bytes(flipped))

            offsets = [int(n) for fault in faults for n in re.findall(r"offset (\d+)", fault)]
            assert any(begin <= offset <= end for offset in offsets), (at, name, faults)


def test_any_byte_of_a_pack_that_is_changed_is_named(whole: Taken, tmp_path: Path) -> None:
    data, path = whole.path.read_bytes(), tmp_path / "changed.zip"
    begins = places(data)
    chance = random.Random(1)
    headers = [begin + chance.randrange(30) for begin, _ in begins[:-1]]
    contents = range(0, len(data), len(data) // 60)
    for at in [*headers, *contents, *range(len(data) - 22, len(data))]:
        path.write_bytes(data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :])

        found = verify.verify_pack(path, whole.vkey)

        _, name = max((begin, name) for begin, name in begins if begin <= at)
        assert not found.ok, at
        assert any(name in fault or "offset" in fault for fault in found.faults), (at, found.faults)
        assert unjudged(found) == []


def unjudged(found: verify.Verification) -> list[str]:
    """Return the faults that no check has words for."""
    return [fault for fault in found.faults if "cannot be judged" in fault]


def rewritten(whole: bytes = b"", **changes: object) -> bytes:
    """Write the small archive with `zipfile`, one member other than it must be."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in sorted(SMALL.items()):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100644 << 16
            if name == "b/c.json":
                for field, value in changes.items():
                    setattr(info, field, value)
            archive.writestr(info, data)
        archive.comment = whole
    return out.getvalue()


def in_the_gap(data: bytes) -> bytes:
    """Put bytes between two members, and correct every offset: still a good ZIP."""
    at = data.index(FIRST, 1)
    moved = bytearray(data[:at] + b"hidden" + data[at:])
    for found in re.finditer(b"PK\1\2", bytes(moved)):
        (offset,) = struct.unpack_from("<I", moved, found.start() + 42)
        struct.pack_into("<I", moved, found.start() + 42, offset + 6 if offset >= at else offset)
    (offset,) = struct.unpack_from("<I", moved, len(moved) - 6)
    struct.pack_into("<I", moved, len(moved) - 6, offset + 6)
    assert zipfile.ZipFile(io.BytesIO(bytes(moved))).testzip() is None
    return bytes(moved)


def reordered(data: bytes) -> bytes:
    """Write the members in another order."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for info in reversed(old.infolist()):
            new.writestr(info, old.read(info))
    return out.getvalue()


def streamed() -> bytes:
    """Write a member whose sizes come behind it, as programs do that cannot seek."""

    class Pipe(io.RawIOBase):
        data = b""

        def writable(self) -> bool:
            return True

        def write(self, block: object) -> int:
            self.data += bytes(block)  # type: ignore[call-overload]
            return len(block)  # type: ignore[arg-type]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:  # type: ignore[call-overload]
        archive.writestr("a.txt", b"one\n")
    return pipe.data


def test_what_the_rewriting_starts_from_is_right(small: bytes) -> None:
    assert rewritten() == small


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data: b"#!/bin/sh\n" + data, "offset 0: at the beginning is neither"),
        (lambda data: data + b"\n", "1 bytes stand behind the end"),
        (lambda data: data + data, "bytes stand behind the end"),
        (lambda _: rewritten(whole=b"hi"), "length of the comment of the record of the end"),
        (lambda _: rewritten(comment=b"hi"), "length of the comment of the record of b/c.json"),
        (lambda _: rewritten(extra=b"\1\2\1\0x"), "length of the extra of the local header of b/c"),
        (lambda _: rewritten(date_time=(2026, 1, 1, 0, 0, 0)), "date of the local header of b/c"),
        (lambda _: rewritten(date_time=(1980, 1, 1, 0, 0, 2)), "time of the local header of b/c"),
        (lambda _: rewritten(compress_type=8), "offset 47: method of the local header of b/c.json"),
        (lambda _: rewritten(external_attr=0o777 << 16), "attributes of the record of b/c.json"),
        (lambda _: rewritten(create_system=0), "maker of the record of b/c.json"),
        (lambda _: rewritten(filename="../c.json"), "../c.json is no plain path"),
        (lambda _: rewritten(filename="b\nc"), "is no plain path"),
        (lambda _: rewritten(filename="b/ü"), "is no plain path"),
        (lambda _: rewritten(filename="a.txt"), "a.txt stands twice in the archive"),
        (in_the_gap, "offset 39: behind a.txt from offset 0 is neither a member nor the directory"),
        (reordered, "out of order"),
        (lambda _: streamed(), "flags of the local header of a.txt"),
        (lambda data: data[:50], "goes on beyond the end of the file"),
        (lambda data: data[:-1], "length of the comment of the record of the end"),
        (lambda data: data[:-22], "should begin the record of the end of the directory"),
        (lambda _: b"", "is neither a member nor the directory"),
        (lambda _: b"PK\5\6" + bytes(18), "is neither a member nor the directory"),
        (lambda _: FIRST, "goes on beyond the end of the file"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_no_content_and_not_as_it_must_be_is_named(
    change: Callable[[bytes], bytes], named: str, small: bytes
) -> None:
    faults = faults_of(change(small))

    assert any(named in fault for fault in faults), faults


def test_two_members_that_lie_about_their_sizes_alike_are_named(small: bytes) -> None:
    """Size and stored size agree with each other and with the directory, not with the next."""
    spoiled = small.replace(struct.pack("<2I", 4, 4), struct.pack("<2I", 3, 3))

    assert any("behind a.txt from offset 0 is neither" in fault for fault in faults_of(spoiled))


class TestLargeOnes:
    def test_more_members_than_16_bits_count_are_laid_out_as_zipfile_does(
        self, tmp_path: Path
    ) -> None:
        names = Files({f"n{number:06d}": b"" for number in range(65_536)})

        data = packed(names, tmp_path / "many.zip").read_bytes()

        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name in names:
                info = zipfile.ZipInfo(name)
                info.external_attr = 0o100644 << 16
                archive.writestr(info, b"")
        assert faults_of(data) == []
        with zipfile.ZipFile(io.BytesIO(data)) as read:
            assert read.namelist() == [*names]
        assert data[-22:] == out.getvalue()[-22:]
        assert faults_of(data[:-30] + b"\1" + data[-29:]) != []

    @pytest.mark.slow
    def test_a_member_of_more_than_4_gib_is_read_by_zipfile_and_by_us(self, tmp_path: Path) -> None:
        size, checksum = 2**32 + 5, 0
        for _ in range(2**12):
            checksum = zlib.crc32(bytes(2**20), checksum)
        checksum = zlib.crc32(bytes(5), checksum)
        small = (b"z", 3, zlib.crc32(b"end"))
        with (tmp_path / "large.zip").open("wb") as file:
            file.write(verify.local_header(b"a", size, checksum))
            file.seek(size, 1)
            at = file.tell()
            file.write(verify.local_header(*small) + b"end")
            begin = file.tell()
            file.write(verify.central_header(b"a", size, checksum, 0))
            file.write(verify.central_header(*small, at))
            for _, record in verify.end_records(2, file.tell() - begin, begin):
                file.write(record)

        with zipfile.ZipFile(tmp_path / "large.zip") as archive:
            assert [info.file_size for info in archive.infolist()] == [size, 3]
            assert archive.read("z") == b"end"
        with (tmp_path / "large.zip").open("rb") as file:
            assert Archive(file).problems == []


def hole(name: str) -> Callable[[Files, Path], None]:
    """Return what puts a gigabyte of zeros, which takes no room on the disk, in place of a file."""

    def write(files: Files, path: Path) -> None:
        size, checksum = 2**30, 0
        for _ in range(2**10):
            checksum = zlib.crc32(bytes(2**20), checksum)
        directory = b""
        with path.open("wb") as file:
            for each, data in sorted((files | {name: b""}).items()):
                facts = (
                    (each.encode(), size, checksum)
                    if each == name
                    else (each.encode(), len(data), zlib.crc32(data))
                )
                directory += verify.central_header(*facts, file.tell())
                file.write(verify.local_header(*facts) + data)
                file.seek(size if each == name else 0, 1)
            begin = file.tell()
            file.write(directory)
            for _, record in verify.end_records(len(files), len(directory), begin):
                file.write(record)

    return write


def said_to_be_huge(files: Files, path: Path) -> None:
    extra = struct.pack("<2H2Q", 1, 16, 2**62, 2**62)
    head = struct.pack("<4s5H3I2H", FIRST, 45, 0, 0, 0, 33, 0, 2**32 - 1, 2**32 - 1, 1, len(extra))
    path.write_bytes(head + b"a" + extra + packed(files, path).read_bytes())


def compressed(files: Files, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted((files | {"manifest.json": bytes(2**27)}).items()):
            archive.writestr(name, data)


def with_manifest(data: bytes) -> Callable[[Files, Path], None]:
    return lambda files, path: (packed(files | {"manifest.json": data}, path), None)[1]


def with_result(files: Files, path: Path) -> None:
    name = next(n for n in files if n.endswith("/result.json"))
    packed(refitted(files | {name: b'{"items":[' + b"{}," * 2**20 + b"{}]}"}), path)


def with_a_start_of_nothing(files: Files, path: Path) -> None:
    left = {"begin": 2**4000, "peaks": [[2**60, "AA=="]]}
    packed(refitted(files | {"log/left.json": verify.written(left)}), path)


LIMITED = f"""
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(hole("manifest.json"), id="a manifest of a gigabyte"),
        pytest.param(hole("log/leaf-hashes.bin"), id="hashes of a gigabyte"),
        pytest.param(hole("log/entries-000000000000.jsonl"), id="a line of a gigabyte"),
        pytest.param(said_to_be_huge, id="a size that is not there"),
        pytest.param(compressed, id="a compressed bomb"),
        pytest.param(with_manifest(b"[" * 2**24), id="a nest"),
        pytest.param(with_manifest(b"[" + b"{}," * 2**23 + b"{}]"), id="a crowd"),
        pytest.param(with_manifest(b'{"format":' + b"9" * 2**20 + b"}"), id="a long number"),
        pytest.param(with_result, id="a million items"),
        pytest.param(with_a_start_of_nothing, id="a beginning beyond numbers"),
    ],
)
def test_a_bomb_takes_little_memory_and_is_named(
    write: Callable[[Files, Path], None], whole: Taken, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.zip"
    write(unpacked(whole.path), path)

    ran = subprocess.run(
        [sys.executable, "-I", "-c", LIMITED, verify.__file__, str(path), "--vkey", whole.vkey],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ran.returncode == 1, ran.stderr
    assert ran.stderr == ""
    assert "FAILED" in ran.stdout
    assert "cannot be judged" not in ran.stdout
    assert "NOT VERIFIED" in ran.stdout


def test_a_name_that_would_steer_a_terminal_is_shown_as_text(whole: Taken, tmp_path: Path) -> None:
    files = unpacked(whole.path)
    manifest = json.loads(files["manifest.json"])
    manifest["files"].append({"path": "\x1b[2J\ud800\u202e", "sha256": "", "bytes": 0})
    data = json.dumps(manifest, indent=1).encode() + b"\n"
    said: list[str] = []

    verify.verify_pack(
        packed(files | {"manifest.json": data}, tmp_path / "p.zip"), None, said.append
    )

    assert said
    assert all(line.isascii() and line.isprintable() for line in said)
