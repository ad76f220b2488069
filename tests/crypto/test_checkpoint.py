"""Checkpoints and proofs of logging: golden vectors, round trips, and refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.secret import Secret
from strongroom.crypto.checkpoint import (
    Checkpoint,
    LogProof,
    add_signatures,
    open_checkpoint,
    sign_checkpoint,
)
from strongroom.crypto.errors import NoteError, ProofError
from strongroom.crypto.merkle import EMPTY_ROOT, inclusion_proof, leaf_hash, root_of
from strongroom.crypto.note import Note, SignatureType, SigningKey, VerifierKey
from tests.crypto.golden import entry, golden, leaves, reader

LOG = SigningKey(golden()["origin"], Secret(bytes.fromhex(golden()["log_ed25519_seed_hex"])))
WITNESS = SigningKey(
    golden()["witness"], Secret(bytes.fromhex(golden()["witness_ed25519_seed_hex"]))
)
LOG_KEY = VerifierKey.parse(golden()["log_vkey"])
WITNESS_KEY = VerifierKey.parse(golden()["witness_vkey_type04"])

LINES = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1)
CHECKPOINTS = st.builds(
    Checkpoint,
    origin=LINES,
    size=st.integers(0, 2**63 - 1),
    root=st.binary(min_size=32, max_size=32),
    extensions=st.lists(LINES, max_size=3).map(tuple),
)


class TestGoldenCheckpoints:
    @pytest.mark.parametrize("size", [int(size) for size in golden()["checkpoints"]])
    def test_signing_gives_the_golden_bytes(self, size: int) -> None:
        root = root_of(leaves(size))

        note = sign_checkpoint(Checkpoint(origin=LOG.name, size=size, root=root), LOG)

        assert note.decode() == golden()["checkpoints"][str(size)]

    @pytest.mark.parametrize("size", list(golden()["cosigned"]))
    def test_cosigning_gives_the_golden_bytes(self, size: str) -> None:
        note = golden()["checkpoints"][size].encode()

        line = WITNESS.cosign(Note.parse(note).text, golden()["witness_time"])

        assert add_signatures(note, [line]).decode() == golden()["cosigned"][size]

    @pytest.mark.parametrize("size", list(golden()["cosigned"]))
    def test_a_golden_checkpoint_opens(self, size: str) -> None:
        opened = open_checkpoint(golden()["cosigned"][size].encode(), [LOG_KEY], [WITNESS_KEY])

        assert opened.checkpoint.size == int(size)
        assert opened.checkpoint.root.hex() == golden()["roots"][size]
        assert [(one.key, one.time) for one in opened.signed_by] == [
            (LOG_KEY, None),
            (WITNESS_KEY, golden()["witness_time"]),
        ]


class TestCheckpoints:
    @given(checkpoint=CHECKPOINTS)
    def test_a_checkpoint_parses_to_itself(self, checkpoint: Checkpoint) -> None:
        assert Checkpoint.parse(checkpoint.text()) == checkpoint

    def test_an_extension_line_is_signed_with_the_rest(self) -> None:
        checkpoint = Checkpoint(origin=LOG.name, size=0, root=EMPTY_ROOT, extensions=("more",))
        note = sign_checkpoint(checkpoint, LOG)

        assert open_checkpoint(note, [LOG_KEY]).checkpoint == checkpoint
        with pytest.raises(NoteError, match="does not verify"):
            open_checkpoint(note.replace(b"more", b"less"), [LOG_KEY])

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("", id="empty"),
            pytest.param("o\n1\n", id="no root"),
            pytest.param("\n1\n{root}\n", id="no origin"),
            pytest.param("o\n01\n{root}\n", id="leading zero"),
            pytest.param("o\n-1\n{root}\n", id="negative"),
            pytest.param("o\n \n{root}\n", id="no number"),
            pytest.param("o\n9223372036854775808\n{root}\n", id="too large"),
            pytest.param("o\n1\n{root}", id="no newline at the end"),
            pytest.param("o\n1\n{root}\n\n", id="empty extension"),
            pytest.param("o\n1\n{root}\nx\n\ny\n", id="empty extension between others"),
            pytest.param("o\n1\nAAAA\n", id="short root"),
            pytest.param("o\n1\n\n", id="empty root"),
            pytest.param("o\n1\n {root}\n", id="space before the root"),
        ],
    )
    def test_what_breaks_the_format_is_refused(self, text: str) -> None:
        with pytest.raises(NoteError):
            Checkpoint.parse(text.replace("{root}", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="))

    @given(text=st.text() | st.from_regex(r"\A[a-z]*\n\d*\n[A-Za-z0-9+/]{43}=\n([a-z]*\n)?\Z"))
    def test_any_text_parses_to_itself_or_raises_the_one_error(self, text: str) -> None:
        try:
            checkpoint = Checkpoint.parse(text)
        except NoteError:
            return

        assert checkpoint.text() == text

    @pytest.mark.parametrize(
        ("origin", "size", "root", "extensions"),
        [
            ("", 0, EMPTY_ROOT, ()),
            ("a\nb", 0, EMPTY_ROOT, ()),
            ("a", -1, EMPTY_ROOT, ()),
            ("a", 2**63, EMPTY_ROOT, ()),
            ("a", 0, EMPTY_ROOT[:31], ()),
            ("a", 0, EMPTY_ROOT, ("",)),
            ("a", 0, EMPTY_ROOT, ("b\nc",)),
        ],
    )
    def test_what_cannot_be_written_is_no_checkpoint(
        self, origin: str, size: int, root: bytes, extensions: tuple[str, ...]
    ) -> None:
        with pytest.raises(NoteError):
            Checkpoint(origin=origin, size=size, root=root, extensions=extensions)


class TestOpening:
    NOTE = golden()["cosigned"]["15"].encode()

    def test_a_log_does_not_sign_for_another_origin(self) -> None:
        with pytest.raises(NoteError, match="named like its origin"):
            sign_checkpoint(Checkpoint(origin="other", size=0, root=EMPTY_ROOT), LOG)

    def test_a_trusted_log_cannot_speak_for_another(self) -> None:
        """Both keys are trusted; each for the origin of its own name alone."""
        mallory = SigningKey("mallory.example.com", Secret(b"m" * 32))
        text = Note.parse(self.NOTE).text
        note = Note(text=text, signatures=(mallory.sign(text),)).encode()

        with pytest.raises(NoteError, match="no trusted key"):
            open_checkpoint(note, [LOG_KEY, mallory.verifier()])

    def test_an_unknown_origin_is_refused(self) -> None:
        with pytest.raises(NoteError, match=r"audit\.example\.com/log"):
            open_checkpoint(self.NOTE, [WITNESS.verifier()])

    def test_a_witness_alone_is_not_the_log(self) -> None:
        text = Note.parse(self.NOTE).text
        note = Note(text=text, signatures=(WITNESS.cosign(text, 1),)).encode()

        with pytest.raises(NoteError, match="no trusted key"):
            open_checkpoint(note, [LOG_KEY], [WITNESS_KEY])

    def test_the_logs_good_signature_does_not_save_a_bad_cosignature(self) -> None:
        note = Note.parse(self.NOTE)
        bad = replace(note.signatures[1], signature=note.signatures[1].signature[:-1] + b"\0")
        spoiled = replace(note, signatures=(note.signatures[0], bad)).encode()

        assert len(open_checkpoint(spoiled, [LOG_KEY]).signed_by) == 1
        with pytest.raises(NoteError, match="does not verify"):
            open_checkpoint(spoiled, [LOG_KEY], [WITNESS_KEY])

    @pytest.mark.parametrize("at", range(0, len(NOTE), 7))
    def test_one_changed_byte_anywhere_in_text_or_signatures_is_refused(self, at: int) -> None:
        """Ignored at most: the line of a witness whose name or key id was changed."""
        changed = bytearray(self.NOTE)
        changed[at] ^= 1

        try:
            opened = open_checkpoint(bytes(changed), [LOG_KEY], [WITNESS_KEY])
        except NoteError:
            return

        assert at > self.NOTE.index(b"witness") - 5
        assert [one.key for one in opened.signed_by] == [LOG_KEY]

    def test_a_line_that_is_there_is_not_added_again(self) -> None:
        lines = Note.parse(self.NOTE).signatures

        assert add_signatures(self.NOTE, lines) == self.NOTE

    def test_a_key_of_type_4_may_sign_for_the_log(self) -> None:
        text = Note.parse(self.NOTE).text
        note = Note(text=text, signatures=(LOG.cosign(text, 7),)).encode()

        opened = open_checkpoint(note, [LOG.verifier(SignatureType.COSIGNATURE)])

        assert opened.signed_by[0].time == 7


class TestProofs:
    GOLDEN = golden()["tlog_proof_12345_70000"].encode()

    def test_the_golden_proof_verifies(self) -> None:
        proof = LogProof.parse(self.GOLDEN)
        opened = open_checkpoint(proof.checkpoint, [LOG_KEY], [WITNESS_KEY])

        proof.verify(leaf_hash(entry(12_345)), opened)

        assert proof.index == 12_345
        assert opened.checkpoint.size == 70_000

    def test_the_golden_proof_is_made_again(self) -> None:
        hashes = leaves(70_000)
        proof = LogProof(
            index=12_345,
            hashes=tuple(inclusion_proof(12_345, 70_000, reader(hashes))),
            checkpoint=golden()["cosigned"]["70000"].encode(),
        )

        assert proof.encode() == self.GOLDEN

    def test_another_entry_is_refused(self) -> None:
        proof = LogProof.parse(self.GOLDEN)
        opened = open_checkpoint(proof.checkpoint, [LOG_KEY])

        with pytest.raises(ProofError, match="another root"):
            proof.verify(leaf_hash(entry(12_346)), opened)

    def test_the_checkpoint_of_another_proof_is_refused(self) -> None:
        proof = LogProof.parse(self.GOLDEN)
        opened = open_checkpoint(golden()["checkpoints"]["70000"].encode(), [LOG_KEY])

        with pytest.raises(ProofError, match="not the checkpoint"):
            proof.verify(leaf_hash(entry(12_345)), opened)

    @given(
        proof=st.builds(
            LogProof,
            index=st.integers(0, 2**63 - 1),
            hashes=st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
            checkpoint=st.binary(),
            extra=st.none() | st.binary(),
        )
    )
    def test_a_proof_parses_to_itself(self, proof: LogProof) -> None:
        assert LogProof.parse(proof.encode()) == proof

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            pytest.param(b"@v1\n", b"@v2\n", id="another version"),
            pytest.param(b"index 12345", b"index 012345", id="leading zero"),
            pytest.param(b"index 12345", b"index -1", id="negative"),
            pytest.param(b"index 12345\n", b"", id="no index"),
            pytest.param(b"index 12345", b"extra AA=\nindex 12345", id="extra not base64"),
            pytest.param(b"index", b"extra AAAA\nextra AAAA\nindex", id="extra twice"),
            pytest.param(b"VEJ8", b"VEJ", id="hash not base64"),
            pytest.param(b"VEJ8NnlxZSzlj2j3TzKz2xuSYXZSgFIKOhSYbLpx4Pc=", b"VEJ8", id="short hash"),
            pytest.param(b"index 12345\n", b"index 12345\n" + b"VEJ8" * 63, id="line too long"),
            pytest.param(b"index 12345\n", b"index 12345\r\n", id="carriage return"),
        ],
    )
    def test_what_breaks_the_format_is_refused(self, old: bytes, new: bytes) -> None:
        changed = self.GOLDEN.replace(old, new, 1)

        assert changed != self.GOLDEN
        with pytest.raises(NoteError):
            LogProof.parse(changed)

    def test_more_than_63_hashes_are_refused(self) -> None:
        line = b"VEJ8NnlxZSzlj2j3TzKz2xuSYXZSgFIKOhSYbLpx4Pc=\n"

        with pytest.raises(NoteError, match="63"):
            LogProof.parse(self.GOLDEN.replace(line, line * 64))

    @given(data=st.binary() | st.binary().map(lambda tail: b"c2sp.org/tlog-proof@v1\n" + tail))
    def test_any_bytes_parse_to_themselves_or_raise_the_one_error(self, data: bytes) -> None:
        try:
            proof = LogProof.parse(data)
        except NoteError:
            return

        assert proof.encode() == data
