"""Verifying a log from its files: sound ones pass, and each thing that is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.audit.reader import (
    BrokenLogError,
    DirectorySource,
    FaultKind,
    examine_log,
    verify_log,
)
from strongroom.base.errors import InputError, UpstreamError
from strongroom.base.secret import Secret
from strongroom.crypto.checkpoint import Checkpoint, add_signatures, sign_checkpoint
from strongroom.crypto.errors import NoteError
from strongroom.crypto.log_policy import LogPolicy
from strongroom.crypto.merkle import leaf_hash
from strongroom.crypto.note import Note, SignatureType, SigningKey
from strongroom.crypto.tiles import decode_bundle, encode_bundle
from tests.audit.published import LOG, checkpoint, entries, publish, write

KEYS = [LOG.verifier()]
WITNESS = SigningKey("witness.example.com/w1", Secret(b"w" * 32))
LARGE, SIZE = 70_000, 3_000
PARTIAL_BUNDLE = "tile/entries/011.p/184"


class Memory:
    """A log whose files can be changed for one test; None removes one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.changed: dict[str, bytes | None] = {}

    def read(self, path: str) -> bytes | None:
        return self.changed[path] if path in self.changed else self.original(path)

    def original(self, path: str) -> bytes | None:
        return DirectorySource(self.root).read(path)

    def file(self, path: str) -> bytes:
        data = self.read(path)
        assert data is not None
        return data

    def flip(self, path: str, at: int) -> None:
        data = bytearray(self.file(path))
        data[at] ^= 1
        self.changed[path] = bytes(data)

    def entries(self, path: str) -> list[bytes]:
        return decode_bundle(self.file(path))


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("log")
    publish(root, entries(SIZE))
    return root


@pytest.fixture
def log(published: Path) -> Memory:
    return Memory(published)


@pytest.fixture(scope="session")
def large_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("large")
    publish(root, entries(LARGE))
    return root


@pytest.fixture
def large(large_files: Path) -> Memory:
    """Three levels of tiles, the full and the partial of each."""
    return Memory(large_files)


def found(log: Memory, *kept: bytes) -> list[tuple[FaultKind, str, int | None]]:
    """Examine a log that is not sound."""
    report = examine_log(log, KEYS, kept=kept)
    with pytest.raises(BrokenLogError):
        report.require_sound()
    return [(fault.kind, fault.path, fault.index) for fault in report.faults]


def problem(log: Memory, *kept: bytes) -> str:
    return "\n".join(str(fault) for fault in examine_log(log, KEYS, kept=kept).faults)


class TestSound:
    def test_a_log_of_70_000_entries_verifies_and_tells_what_it_was(self, large: Memory) -> None:
        report = verify_log(large, KEYS)

        assert report.checkpoint is not None
        assert report.checkpoint.checkpoint.size == LARGE
        assert (report.entries, report.faults, report.cut_short) == (LARGE, (), False)

    @pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 1_000])
    def test_every_size_verifies(self, size: int, tmp_path: Path) -> None:
        publish(tmp_path, entries(size))

        assert verify_log(DirectorySource(tmp_path), KEYS).entries == size

    def test_progress_is_told_up_to_the_end(self, log: Memory) -> None:
        told: list[tuple[int, int]] = []

        verify_log(log, KEYS, on_progress=lambda done, size: told.append((done, size)))

        assert told[0] == (256, SIZE)
        assert told[-1] == (SIZE, SIZE)
        assert len(told) == 12

    def test_every_checkpoint_kept_from_before_still_fits(self, log: Memory) -> None:
        kept = [checkpoint(entries(n)) for n in (0, 1, 2, 255, 256, 257, 2_999, SIZE)]

        assert verify_log(log, KEYS, kept=kept).faults == ()

    def test_a_log_that_has_grown_since_its_checkpoint_verifies(
        self, large_files: Path, tmp_path: Path
    ) -> None:
        """Its partial tiles are gone, replaced by the full ones."""
        publish(tmp_path, entries(600))
        write(tmp_path, "checkpoint", checkpoint(entries(300)))
        assert not (tmp_path / "tile/entries/001.p/44").exists()
        write(tmp_path, "tile/1/000", DirectorySource(large_files).read("tile/1/000") or b"")

        assert verify_log(DirectorySource(tmp_path), KEYS).entries == 300

    @given(logged=st.lists(st.binary(max_size=40), max_size=600))
    @settings(max_examples=20)
    def test_any_entries_verify(
        self, logged: list[bytes], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        root = tmp_path_factory.mktemp("any")
        publish(root, logged)

        assert verify_log(DirectorySource(root), KEYS).entries == len(logged)


class TestOneFlippedByte:
    def test_in_an_entry(self, log: Memory) -> None:
        log.flip("tile/entries/004", 2_600)

        [(kind, path, index)] = found(log)

        changed = [
            new != old
            for new, old in zip(
                log.entries("tile/entries/004"), entries(2_000)[1_024:], strict=False
            )
        ]
        assert (kind, path, index) == (
            FaultKind.ENTRY,
            "tile/entries/004",
            1_024 + changed.index(True),
        )

    def test_in_an_entry_of_the_partial_bundle(self, log: Memory) -> None:
        log.flip(PARTIAL_BUNDLE, 5)

        assert found(log) == [(FaultKind.ENTRY, PARTIAL_BUNDLE, 2_816)]
        assert "entry 2816 not as logged" in problem(log)

    def test_in_the_length_of_an_entry(self, log: Memory) -> None:
        log.flip("tile/entries/004", 0)

        [(kind, path, index)] = found(log)

        assert (kind, path, index) == (FaultKind.MALFORMED, "tile/entries/004", 1_024)

    @pytest.mark.parametrize(
        ("path", "at", "index"),
        [
            pytest.param("tile/0/004", 33, 1_025, id="full tile"),
            pytest.param("tile/0/273.p/112", 0, 69_888, id="partial tile"),
            pytest.param("tile/1/000", 32 * 7, 7 * 256, id="full tile above"),
            pytest.param("tile/1/001.p/17", 32 * 16, 272 * 256, id="partial tile above"),
            pytest.param("tile/2/000.p/1", 31, 0, id="top"),
        ],
    )
    def test_in_a_tile(self, large: Memory, path: str, at: int, index: int) -> None:
        large.flip(path, at)

        assert found(large) == [(FaultKind.TILE, path, index)]

    def test_in_a_tile_above_names_the_tile_below(self, log: Memory) -> None:
        log.flip("tile/1/000.p/11", 32 * 7)

        assert problem(log) == "tile/1/000.p/11: hash 7 is not that of tile/0/007"

    @pytest.mark.parametrize("at", [0, 25, 40, 100, -3])
    def test_in_the_checkpoint(self, log: Memory, at: int) -> None:
        log.flip("checkpoint", at)

        [(kind, path, _)] = found(log)

        assert (kind, path) == (FaultKind.CHECKPOINT, "checkpoint")

    def test_in_an_entry_and_in_its_hash(self, log: Memory) -> None:
        """The change was carried into the tile: the level above gives it away."""
        log.flip("tile/entries/004", 2)
        leaves = b"".join(map(leaf_hash, log.entries("tile/entries/004")))
        log.changed["tile/0/004"] = leaves

        kinds = found(log)

        assert kinds[0] == (FaultKind.TILE, "tile/1/000.p/11", 1_024)
        assert kinds[-1] == (FaultKind.ROOT, "checkpoint", None)

    def test_in_an_entry_and_elsewhere_in_its_tile(self, log: Memory) -> None:
        log.flip("tile/entries/004", 2)
        log.flip("tile/0/004", 32 * 9)

        assert "entries 1024, 1033 not as logged" in problem(log)
        assert "agrees with neither" in problem(log)

    @given(data=st.data())
    @settings(max_examples=60)
    def test_anywhere_in_any_file(self, data: st.DataObject, published: Path) -> None:
        log = Memory(published)
        files = sorted(str(p.relative_to(published)) for p in published.rglob("*") if p.is_file())
        path = data.draw(st.sampled_from(files))
        log.flip(path, data.draw(st.integers(0, len(log.file(path)) - 1)))

        assert {fault[1] for fault in found(log)} >= {path}


class TestRewritten:
    def test_a_log_rewritten_throughout_without_the_key_has_another_root(
        self, log: Memory, tmp_path: Path
    ) -> None:
        other = entries(1_000)
        other[700] = b"nothing happened"
        publish(tmp_path, other)
        write(tmp_path, "checkpoint", checkpoint(entries(1_000)))

        assert found(Memory(tmp_path)) == [(FaultKind.ROOT, "checkpoint", None)]

    def test_kept_checkpoints_say_between_which_entries_it_was_rewritten(
        self, tmp_path: Path
    ) -> None:
        other = entries(1_000)
        other[700] = b"nothing happened"
        publish(tmp_path, other)
        write(tmp_path, "checkpoint", checkpoint(entries(1_000)))
        log = Memory(tmp_path)
        kept = [checkpoint(entries(n)) for n in (400, 650, 800, 900)]

        assert found(log, *kept) == [(FaultKind.ROOT, "checkpoint", 650)]
        assert "entries 0 to 649 are as in a kept checkpoint; entries 0 to 799 are not" in (
            problem(log, *kept)
        )

    def test_a_log_rewritten_and_signed_again_is_convicted_by_a_kept_checkpoint(
        self, tmp_path: Path
    ) -> None:
        other = entries(1_000)
        other[700] = b"nothing happened"
        publish(tmp_path, other)
        kept = [checkpoint(entries(n)) for n in (650, 800)]

        report = examine_log(DirectorySource(tmp_path), KEYS, kept=kept)

        [fault] = report.faults
        assert fault.kind is FaultKind.SPLIT_VIEW
        assert "at size 800" in fault.problem
        assert fault.evidence == (kept[1], checkpoint(other))
        assert verify_log(DirectorySource(tmp_path), KEYS).faults == ()

    def test_two_checkpoints_of_one_size_are_a_split_view(self, log: Memory) -> None:
        other = checkpoint([*entries(SIZE - 1), b"for you alone"])

        report = examine_log(log, KEYS, kept=[other])

        [fault] = report.faults
        assert (fault.kind, fault.evidence) == (
            FaultKind.SPLIT_VIEW,
            (other, log.file("checkpoint")),
        )

    def test_an_empty_log_with_a_root_was_never_one(self, log: Memory) -> None:
        nonsense = sign_checkpoint(Checkpoint(origin=LOG.name, size=0, root=leaf_hash(b"")), LOG)

        assert found(log, nonsense) == [(FaultKind.SPLIT_VIEW, "checkpoint", None)]

    def test_a_log_that_shrank_is_a_rollback(self, tmp_path: Path) -> None:
        publish(tmp_path, entries(900))
        kept = checkpoint(entries(1_000))

        assert found(Memory(tmp_path), kept) == [(FaultKind.ROLLBACK, "checkpoint", 900)]
        assert "100 are gone" in problem(Memory(tmp_path), kept)


class TestMovedAndCut:
    def test_two_entries_swapped(self, log: Memory) -> None:
        logged = log.entries("tile/entries/004")
        logged[3], logged[9] = logged[9], logged[3]
        log.changed["tile/entries/004"] = encode_bundle(logged)

        assert found(log) == [(FaultKind.ORDER, "tile/entries/004", 1_027)]
        assert "entries 1027, 1033 stand in another order" in problem(log)

    def test_two_bundles_swapped(self, log: Memory) -> None:
        one, other = "tile/entries/004", "tile/entries/009"
        log.changed = {one: log.file(other), other: log.file(one)}

        assert found(log) == [(FaultKind.ENTRY, one, 1_024), (FaultKind.ENTRY, other, 2_304)]
        assert "1031 and 248 more" in problem(log)

    @pytest.mark.parametrize("kind", ["tile/entries", "tile/0"])
    def test_one_file_missing(self, log: Memory, kind: str) -> None:
        log.changed[f"{kind}/004"] = None

        assert found(log) == [(FaultKind.MISSING, f"{kind}/004", 1_024)]
        assert "entries 1024 to 1279" in problem(log)

    def test_a_gap_in_bundles_and_tiles_ends_the_reading(self, log: Memory) -> None:
        log.changed = {"tile/entries/004": None, "tile/0/004": None}

        report = examine_log(log, KEYS)

        assert [fault.index for fault in report.faults] == [1_024, 1_024, 1_024]
        assert report.cut_short
        assert report.entries == 1_024

    def test_a_tile_above_missing(self, log: Memory) -> None:
        log.changed["tile/1/000.p/11"] = None

        assert found(log) == [(FaultKind.MISSING, "tile/1/000.p/11", None)]

    def test_an_entry_taken_out(self, log: Memory) -> None:
        logged = log.entries("tile/entries/004")
        del logged[17]
        log.changed["tile/entries/004"] = encode_bundle(logged)

        assert found(log) == [(FaultKind.MALFORMED, "tile/entries/004", 1_041)]
        assert "255 entries instead of 256; they go wrong at index 1041" in problem(log)

    def test_an_entry_put_in(self, log: Memory) -> None:
        logged = log.entries(PARTIAL_BUNDLE)
        logged.insert(17, b"forged")
        log.changed[PARTIAL_BUNDLE] = encode_bundle(logged)

        assert found(log) == [(FaultKind.MALFORMED, PARTIAL_BUNDLE, 2_816 + 17)]

    @pytest.mark.parametrize(
        "path", ["tile/entries/004", "tile/0/004", "tile/1/000.p/11", PARTIAL_BUNDLE]
    )
    @pytest.mark.parametrize("cut", [1, 31, 10_000])
    def test_a_file_truncated(self, log: Memory, path: str, cut: int) -> None:
        log.changed[path] = log.file(path)[:-cut]

        [(kind, where, _)] = found(log)

        assert (kind, where) == (FaultKind.MALFORMED, path)

    def test_the_last_bundle_and_tile_missing(self, log: Memory) -> None:
        log.changed = {PARTIAL_BUNDLE: None, "tile/0/011.p/184": None}

        assert "entries 2816 to 2999" in problem(log)

    def test_no_checkpoint(self, log: Memory) -> None:
        log.changed["checkpoint"] = None

        assert found(log) == [(FaultKind.MISSING, "checkpoint", None)]

    def test_after_100_faults_there_is_no_use_in_going_on(self, large: Memory) -> None:
        for index in range(273):
            large.changed[f"tile/0/{index:03}"] = None

        report = examine_log(large, KEYS)

        assert (len(report.faults), report.cut_short) == (100, True)

    def test_the_error_names_the_first_and_counts_the_others(self, log: Memory) -> None:
        log.changed = {"tile/0/004": None, "tile/0/009": None, "tile/1/000.p/11": None}

        with pytest.raises(BrokenLogError, match=r"^tile/0/004: .* missing \(and 2 more\)$"):
            verify_log(log, KEYS)


class TestTrust:
    def test_without_a_key_nothing_is_verified(self, log: Memory) -> None:
        with pytest.raises(InputError, match="received from elsewhere"):
            verify_log(log, [])

    def test_the_source_is_never_asked_for_a_key(self, log: Memory) -> None:
        asked: list[str] = []

        class Watched(Memory):
            def read(self, path: str) -> bytes | None:
                asked.append(path)
                return super().read(path)

        verify_log(Watched(log.root), KEYS)

        assert {path for path in asked if not path.startswith("tile/")} == {"checkpoint"}

    def test_another_key_is_refused(self, log: Memory) -> None:
        other = SigningKey(LOG.name, Secret(b"x" * 32))

        report = examine_log(log, [other.verifier()])

        assert [fault.kind for fault in report.faults] == [FaultKind.CHECKPOINT]
        assert report.checkpoint is None

    def test_a_kept_checkpoint_that_nobody_signed_convicts_nobody(self, log: Memory) -> None:
        other = SigningKey(LOG.name, Secret(b"x" * 32))

        with pytest.raises(NoteError):
            verify_log(log, KEYS, kept=[checkpoint(entries(7), other)])

    def test_a_kept_checkpoint_of_another_log_is_the_callers_mistake(self, log: Memory) -> None:
        other = SigningKey("other.example.com", Secret(b"x" * 32))

        with pytest.raises(InputError, match="another log"):
            verify_log(log, [*KEYS, other.verifier()], kept=[checkpoint(entries(7), other)])

    def policy(self) -> LogPolicy:
        vkey = WITNESS.verifier(SignatureType.COSIGNATURE)
        return LogPolicy.parse(f"witness w {vkey}\nquorum w\n".encode())

    def test_the_quorum_of_a_policy_must_have_witnessed(self, log: Memory) -> None:
        report = examine_log(log, KEYS, self.policy())

        assert [str(fault) for fault in report.faults] == [
            "checkpoint: the quorum w has not witnessed the checkpoint"
        ]

    def test_a_witnessed_log_tells_by_whom_and_when(self, log: Memory) -> None:
        note = log.file("checkpoint")
        line = WITNESS.cosign(Note.parse(note).text, 1_790_000_000)
        log.changed["checkpoint"] = add_signatures(note, [line])

        report = verify_log(log, KEYS, self.policy())

        assert report.checkpoint is not None
        assert [(one.key.name, one.time) for one in report.checkpoint.signed_by] == [
            (LOG.name, None),
            (WITNESS.name, 1_790_000_000),
        ]

    def test_the_keys_of_a_policy_are_enough(self, log: Memory) -> None:
        policy = LogPolicy.parse(f"log {LOG.verifier()}\nquorum none\n".encode())

        assert verify_log(log, [], policy).entries == SIZE

    def test_what_cannot_be_read_is_no_verdict(self, log: Memory) -> None:
        class Failing(Memory):
            def read(self, path: str) -> bytes | None:
                if path == "tile/0/004":
                    raise UpstreamError("the disk is on fire")
                return super().read(path)

        with pytest.raises(UpstreamError):
            verify_log(Failing(log.root), KEYS)
