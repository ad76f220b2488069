"""The file sink: each entry once, whatever the disk, the operator or a crash does."""
# ruff: noqa: ASYNC240 - a test may block its own loop

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.errors import InputError, UpstreamError
from strongroom.sdk.sink import Entry
from strongroom.sinks.file import Disk, FileSink, decode_line, encode_line
from strongroom.sinks.file.sink import CHUNK

ORIGIN = "log.example/audit"


def entry(index: int, text: str = "x") -> Entry:
    leaf = json.dumps({"class_uid": 6003, "n": index, "text": text}).encode()
    return Entry(index, leaf, sha256(b"\0" + leaf).digest())


def entries(start: int, stop: int) -> list[Entry]:
    return [entry(index) for index in range(start, stop)]


def held(path: Path) -> list[int]:
    """Read a file as a consumer does: every line checked, none torn."""
    data = path.read_bytes()
    assert data == b"" or data.endswith(b"\n")
    return [decode_line(line)[1].index for line in data.splitlines()]


@dataclass
class FaultyDisk:
    """A disk whose n-th call of a kind fails; `room` is how many bytes a failing write takes."""

    fail: dict[str, tuple[int, int]] = field(default_factory=dict)  # kind -> (nth call, errno)
    room: int = 0
    calls: dict[str, int] = field(default_factory=lambda: {"write": 0, "sync": 0, "truncate": 0})

    def disk(self) -> Disk:
        return Disk(write=self.write, sync=self.sync, truncate=self.truncate)

    def write(self, file: int, data: bytes) -> int:
        if self._due("write"):
            os.write(file, data[: self.room])
            raise OSError(self.fail["write"][1], "no room")
        return os.write(file, data)

    def sync(self, file: int) -> None:
        if self._due("sync"):
            raise OSError(self.fail["sync"][1], "bad device")
        os.fsync(file)

    def truncate(self, file: int, size: int) -> None:
        if self._due("truncate"):
            raise OSError(self.fail["truncate"][1], "bad device")
        os.ftruncate(file, size)

    def _due(self, kind: str) -> bool:
        self.calls[kind] += 1
        return kind in self.fail and self.fail[kind][0] == self.calls[kind]


Opened = Callable[..., FileSink]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def opened(path: Path) -> Iterator[Opened]:
    """Make sinks on the path, one after the other: each lets go of the one before."""
    made: list[FileSink] = []

    def make(disk: Disk | None = None) -> FileSink:
        for sink in made:
            sink.close()
        made.append(FileSink(path, disk))
        return made[-1]

    yield make
    for sink in made:
        sink.close()


class TestLines:
    def test_a_line_is_the_leafs_object_with_its_place_in_front(self) -> None:
        one = entry(7)

        line = encode_line(ORIGIN, one)

        assert json.loads(line) == {
            "_tlog": {"index": 7, "leaf_hash": one.digest.hex(), "origin": ORIGIN},
            "class_uid": 6003,
            "n": 7,
            "text": "x",
        }
        assert b"{" + line.partition(b"},")[2].removesuffix(b"\n") == one.leaf

    @given(
        origin=st.text(st.characters(codec="utf-8"), max_size=40),
        index=st.integers(min_value=0, max_value=2**63 - 1),
        members=st.dictionaries(st.text(max_size=8), st.text(), min_size=1, max_size=4),
    )
    def test_the_exact_leaf_comes_back(
        self, origin: str, index: int, members: dict[str, str]
    ) -> None:
        leaf = json.dumps(members, separators=(",", ":"), ensure_ascii=False)
        encoded = leaf.encode(errors="surrogatepass")
        one = Entry(index, encoded, sha256(b"\0" + encoded).digest())

        line = encode_line(origin, one)

        assert line.count(b"\n") == 1
        assert decode_line(line) == (origin, one)

    @given(st.binary(max_size=200) | st.binary(max_size=80).map(lambda b: b'{"_tlog":{' + b))
    def test_what_is_no_line_is_refused_in_one_way(self, data: bytes) -> None:
        with pytest.raises(InputError):
            decode_line(data)

    def test_a_changed_byte_is_noticed(self) -> None:
        line = encode_line(ORIGIN, entry(7)).replace(b"6003", b"6004")

        with pytest.raises(InputError, match="hash"):
            decode_line(line)

    @pytest.mark.parametrize("leaf", [b"", b"{}", b"[1]", b'{"a":\n1}', b'{"a":1'])
    def test_a_leaf_that_would_break_the_line_is_refused(self, leaf: bytes) -> None:
        with pytest.raises(InputError):
            encode_line(ORIGIN, Entry(0, leaf, b""))


class TestDelivery:
    async def test_entries_are_appended_in_order(self, path: Path, opened: Opened) -> None:
        sink = opened()
        await sink.deliver(ORIGIN, entries(0, 3))
        await sink.deliver(ORIGIN, entries(3, 5))

        assert held(path) == [0, 1, 2, 3, 4]

    async def test_only_the_owner_may_read_the_file(self, path: Path, opened: Opened) -> None:
        await opened().deliver(ORIGIN, entries(0, 1))

        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    async def test_everything_is_synced_before_delivery_returns(
        self, path: Path, opened: Opened
    ) -> None:
        synced: list[int] = []
        disk = Disk(sync=lambda file: synced.append(os.fstat(file).st_size))
        await opened(disk).deliver(ORIGIN, entries(0, 3))

        assert synced[-1] == path.stat().st_size

    async def test_entries_delivered_again_are_written_once(
        self, path: Path, opened: Opened
    ) -> None:
        sink = opened()
        await sink.deliver(ORIGIN, entries(0, 4))
        await sink.deliver(ORIGIN, entries(2, 6))

        assert held(path) == list(range(6))

    async def test_entries_delivered_again_after_a_restart_are_written_once(
        self, path: Path, opened: Opened
    ) -> None:
        await opened().deliver(ORIGIN, entries(0, 4))
        await opened().deliver(ORIGIN, entries(0, 6))

        assert held(path) == list(range(6))

    async def test_a_large_delivery_is_synced_in_chunks(self, path: Path, opened: Opened) -> None:
        sizes: list[int] = []

        def write(file: int, data: bytes) -> int:
            sizes.append(len(data))
            return os.write(file, data)

        many = [entry(index, "y" * 10_000) for index in range(250)]
        await opened(Disk(write=write)).deliver(ORIGIN, many)

        assert held(path) == list(range(250))
        assert len(sizes) == 3
        assert max(sizes) <= CHUNK

    async def test_short_writes_are_continued(self, path: Path, opened: Opened) -> None:
        disk = Disk(write=lambda file, data: os.write(file, data[:7]))
        await opened(disk).deliver(ORIGIN, entries(0, 3))

        assert held(path) == [0, 1, 2]

    async def test_a_delivery_that_was_cancelled_is_not_mixed_with_the_next(
        self, path: Path, opened: Opened
    ) -> None:
        sink = opened(Disk(write=lambda file, data: os.write(file, data[:50])))
        first = asyncio.create_task(sink.deliver(ORIGIN, entries(0, 50)))
        await asyncio.sleep(0)
        first.cancel()
        await sink.deliver(ORIGIN, entries(0, 50))

        assert held(path) == list(range(50))

    async def test_an_entry_that_differs_from_the_one_kept_is_refused(
        self, path: Path, opened: Opened
    ) -> None:
        await opened().deliver(ORIGIN, entries(0, 3))

        with pytest.raises(UpstreamError, match="another entry 2"):
            await opened().deliver(ORIGIN, [entry(2, "rewritten"), entry(3)])
        assert held(path) == [0, 1, 2]

    async def test_another_log_may_continue_the_file(self, path: Path, opened: Opened) -> None:
        sink = opened()
        await sink.deliver(ORIGIN, entries(0, 3))
        await sink.deliver("second.example", entries(0, 2))

        assert held(path) == [0, 1, 2, 0, 1]


class TestFaults:
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
    @pytest.mark.parametrize("room", [0, 1, 60, 200])
    async def test_a_failed_write_leaves_nothing_half_written(
        self, path: Path, opened: Opened, code: int, room: int
    ) -> None:
        faulty = FaultyDisk({"write": (2, code)}, room)
        sink = opened(faulty.disk())
        await sink.deliver(ORIGIN, entries(0, 2))

        with pytest.raises(UpstreamError, match="no room"):
            await sink.deliver(ORIGIN, entries(2, 5))
        assert held(path) == [0, 1]

        await sink.deliver(ORIGIN, entries(2, 5))
        assert held(path) == [0, 1, 2, 3, 4]

    async def test_what_a_failed_sync_may_have_lost_is_written_again(
        self, path: Path, opened: Opened
    ) -> None:
        """Syncs: the folder, what opening found, the first delivery, the second, which fails."""
        faulty = FaultyDisk({"sync": (4, errno.EIO)})
        sink = opened(faulty.disk())
        await sink.deliver(ORIGIN, entries(0, 2))

        with pytest.raises(UpstreamError):
            await sink.deliver(ORIGIN, entries(2, 4))
        assert held(path) == [0, 1]

        await sink.deliver(ORIGIN, entries(2, 4))
        assert held(path) == [0, 1, 2, 3]
        assert faulty.calls["write"] == 3

    async def test_what_could_not_be_cut_off_is_cut_off_the_next_time(
        self, path: Path, opened: Opened
    ) -> None:
        faulty = FaultyDisk({"write": (2, errno.EIO), "truncate": (1, errno.EIO)}, room=70)
        sink = opened(faulty.disk())
        await sink.deliver(ORIGIN, entries(0, 2))
        size = path.stat().st_size
        with pytest.raises(UpstreamError):
            await sink.deliver(ORIGIN, entries(2, 4))
        assert path.stat().st_size == size + 70

        await sink.deliver(ORIGIN, entries(2, 4))

        assert held(path) == [0, 1, 2, 3]

    async def test_a_crash_with_a_torn_line_is_healed(self, path: Path, opened: Opened) -> None:
        faulty = FaultyDisk({"write": (2, errno.EIO), "truncate": (1, errno.EIO)}, room=70)
        sink = opened(faulty.disk())
        await sink.deliver(ORIGIN, entries(0, 2))
        with pytest.raises(UpstreamError):
            await sink.deliver(ORIGIN, entries(2, 4))

        await opened().deliver(ORIGIN, entries(0, 4))

        assert held(path) == [0, 1, 2, 3]

    @given(cut=st.integers(min_value=0, max_value=2_000), again=st.integers(0, 6))
    def test_a_file_cut_anywhere_is_continued_without_loss_or_repetition(
        self, tmp_path_factory: pytest.TempPathFactory, cut: int, again: int
    ) -> None:
        path = tmp_path_factory.mktemp("cut") / "audit.jsonl"
        whole = b"".join(encode_line(ORIGIN, each) for each in entries(0, 10))
        path.write_bytes(whole[:cut])
        sink = FileSink(path)

        first = max(0, whole[:cut].count(b"\n") - again)
        asyncio.run(sink.deliver(ORIGIN, entries(first, 12)))
        sink.close()

        assert held(path) == list(range(12))

    async def test_a_line_lost_to_zeros_is_written_again_and_nothing_is_removed(
        self, path: Path, opened: Opened
    ) -> None:
        """A power cut can keep a later page of an unsynced write and lose an earlier one."""
        lines = [encode_line(ORIGIN, each) for each in entries(0, 4)]
        lines[2] = b"\0" * (len(lines[2]) - 1) + b"\n"
        path.write_bytes(b"".join(lines))

        await opened().deliver(ORIGIN, entries(2, 5))

        added = path.read_bytes().removeprefix(b"".join(lines))
        assert [decode_line(line)[1].index for line in added.splitlines()] == [2, 3, 4]

    async def test_opening_a_long_file_reads_its_end_only(self, path: Path, opened: Opened) -> None:
        many = [entry(index, "z" * 20_000) for index in range(120)]
        await opened().deliver(ORIGIN, many)
        assert path.stat().st_size > 2 * CHUNK

        await opened().deliver(ORIGIN, [*many[100:], entry(120)])

        assert held(path) == list(range(121))

    async def test_opening_syncs_what_it_finds(self, path: Path, opened: Opened) -> None:
        """Whole lines may be in the page cache alone after a crash of the process."""
        path.write_bytes(encode_line(ORIGIN, entry(0)))
        faulty = FaultyDisk({"sync": (1, errno.EIO)})

        with pytest.raises(UpstreamError):
            await opened(faulty.disk()).deliver(ORIGIN, entries(0, 1))


class TestRotation:
    async def test_a_file_renamed_away_is_followed_by_a_new_one(
        self, path: Path, opened: Opened
    ) -> None:
        sink, old = opened(), path.with_suffix(".1")
        await sink.deliver(ORIGIN, entries(0, 3))
        path.rename(old)
        await sink.deliver(ORIGIN, entries(1, 5))

        assert held(old) == [0, 1, 2]
        assert held(path) == [3, 4]

    async def test_a_removed_file_is_made_anew(self, path: Path, opened: Opened) -> None:
        sink = opened()
        await sink.deliver(ORIGIN, entries(0, 3))
        path.unlink()
        await sink.deliver(ORIGIN, entries(3, 5))

        assert held(path) == [3, 4]

    async def test_a_file_shortened_in_place_is_continued(self, path: Path, opened: Opened) -> None:
        sink = opened()
        await sink.deliver(ORIGIN, entries(0, 3))
        os.truncate(path, 0)
        await sink.deliver(ORIGIN, entries(3, 5))

        assert held(path) == [3, 4]

    async def test_a_file_shortened_after_a_fault_gets_no_zeros(
        self, path: Path, opened: Opened
    ) -> None:
        faulty = FaultyDisk({"write": (2, errno.EIO)})
        sink = opened(faulty.disk())
        await sink.deliver(ORIGIN, entries(0, 3))
        with pytest.raises(UpstreamError):
            await sink.deliver(ORIGIN, entries(3, 5))
        os.truncate(path, 0)
        await sink.deliver(ORIGIN, entries(3, 5))

        assert held(path) == [3, 4]


class TestRefusals:
    @pytest.mark.parametrize("content", [b"kernel: hello\n", b"{}\n", b'{"_tlog":1}\n', b"x"])
    async def test_a_file_that_holds_something_else_is_left_alone(
        self, path: Path, opened: Opened, content: bytes
    ) -> None:
        path.write_bytes(content)

        with pytest.raises(UpstreamError, match="something else"):
            await opened().deliver(ORIGIN, entries(0, 1))
        assert path.read_bytes() == content

    async def test_a_symbolic_link_is_not_followed(self, path: Path, opened: Opened) -> None:
        path.symlink_to(path.with_name("elsewhere"))

        with pytest.raises(UpstreamError):
            await opened().deliver(ORIGIN, entries(0, 1))
        assert not path.with_name("elsewhere").exists()

    async def test_a_pipe_is_refused(self, path: Path, opened: Opened) -> None:
        os.mkfifo(path)

        with pytest.raises(UpstreamError, match="regular"):
            await opened().deliver(ORIGIN, entries(0, 1))

    async def test_a_file_that_another_process_writes_is_refused(
        self, path: Path, opened: Opened
    ) -> None:
        with path.open("ab") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(UpstreamError, match="another process"):
                await opened().deliver(ORIGIN, entries(0, 1))

        await opened().deliver(ORIGIN, entries(0, 1))
        assert held(path) == [0]

    async def test_a_folder_that_is_not_there_is_an_upstream_error(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "none" / "audit.jsonl")

        with pytest.raises(UpstreamError, match="No such file"):
            await sink.deliver(ORIGIN, entries(0, 1))
