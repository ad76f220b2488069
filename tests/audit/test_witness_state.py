"""The witness's answers: each status of the specification, and what it then remembers."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.audit.witness_state import (
    Answer,
    Head,
    Refusal,
    Submission,
    answer,
    malformed,
)
from strongroom.base.secret import Secret
from strongroom.crypto.checkpoint import Checkpoint, add_signatures, sign_checkpoint
from strongroom.crypto.errors import NoteError
from strongroom.crypto.merkle import EMPTY_ROOT, consistency_proof, leaf_hash, root_of
from strongroom.crypto.note import Note, NoteSignature, SignatureType, SigningKey
from tests.crypto.golden import golden, leaves, reader

LOG = SigningKey("audit.example.com/log", Secret(b"l" * 32))
SUCCESSOR = SigningKey("audit.example.com/log", Secret(b"s" * 32))
WITNESS = SigningKey("witness.example.com/w1", Secret(b"w" * 32))
LOGS = {LOG.name: (LOG.verifier(), SUCCESSOR.verifier())}
NOW = 1_790_000_000


def head(size: int, root: bytes | None = None) -> Head:
    return Head(origin=LOG.name, size=size, root=root or root_of(leaves(size)))


def signed(size: int, root: bytes | None = None, key: SigningKey = LOG) -> bytes:
    root = root_of(leaves(size)) if root is None else root
    return sign_checkpoint(Checkpoint(origin=key.name, size=size, root=root), key)


def request(old: int, note: bytes, proof: list[bytes] | None = None) -> bytes:
    if proof is None:
        new = Checkpoint.parse(Note.parse(note).text).size
        proof = consistency_proof(old, new, reader(leaves(new))) if old else []
    lines = "".join(f"{b64encode(one).decode()}\n" for one in proof)
    return f"old {old}\n{lines}\n".encode() + note


def ask(body: bytes, held: Head | None) -> Answer:
    return answer(Submission.parse(body), held, logs=LOGS, key=WITNESS, now=NOW)


class TestCosigning:
    @pytest.mark.parametrize("new", [1, 2, 255, 256, 257, 70_000])
    def test_the_first_checkpoint_of_a_log_is_cosigned(self, new: int) -> None:
        given = ask(request(0, signed(new)), None)

        assert (given.status, given.refusal, given.head) == (200, None, head(new))

    @pytest.mark.parametrize(("old", "new"), [(1, 2), (3, 7), (6, 8), (8, 8), (256, 70_000)])
    def test_a_checkpoint_that_extends_the_last_is_cosigned(self, old: int, new: int) -> None:
        given = ask(request(old, signed(new)), head(old))

        assert (given.status, given.head) == (200, head(new))

    def test_the_line_verifies_when_put_behind_the_checkpoint(self) -> None:
        note = signed(8)
        verifier = WITNESS.verifier(SignatureType.COSIGNATURE)

        line = ask(request(0, note), None).body.decode()

        together = add_signatures(note, [NoteSignature.parse(line.removesuffix("\n"))])
        assert together == note + line.encode()
        assert [(s.key, s.time) for s in Note.parse(together).verify([verifier])] == [
            (verifier, NOW)
        ]

    def test_every_small_history_is_cosigned_step_by_step(self) -> None:
        for old in range(1, 20):
            for new in range(old, 20):
                assert ask(request(old, signed(new)), head(old)).head == head(new)

    def test_an_empty_log_is_cosigned(self) -> None:
        assert ask(request(0, signed(0)), None).head == head(0, EMPTY_ROOT)

    def test_a_new_key_of_the_log_is_as_good_as_the_old(self) -> None:
        assert ask(request(6, signed(8, key=SUCCESSOR)), head(6)).status == 200

    def test_signatures_by_strangers_are_ignored(self) -> None:
        stranger = SigningKey("stranger.example.com", Secret(b"x" * 32))
        note = signed(8)
        note = add_signatures(note, [stranger.sign("something else\n")])

        assert ask(request(6, note), head(6)).status == 200

    def test_the_golden_checkpoint_is_cosigned_as_in_the_vectors(self) -> None:
        seeds = [bytes.fromhex(golden()[f"{who}_ed25519_seed_hex"]) for who in ("log", "witness")]
        log = SigningKey(golden()["origin"], Secret(seeds[0]))
        witness = SigningKey(golden()["witness"], Secret(seeds[1]))
        note = golden()["checkpoints"]["70000"]

        given = answer(
            Submission.parse(request(0, note.encode())),
            None,
            logs={log.name: [log.verifier()]},
            key=witness,
            now=golden()["witness_time"],
        )

        assert note + given.body.decode() == golden()["cosigned"]["70000"]


class TestRefusing:
    def test_an_unknown_log_is_404(self) -> None:
        stranger = SigningKey("stranger.example.com", Secret(b"x" * 32))

        given = ask(request(0, signed(8, key=stranger)), None)

        assert (given.status, given.refusal) == (404, Refusal.UNKNOWN_ORIGIN)

    def test_a_checkpoint_that_the_log_has_not_signed_is_403(self) -> None:
        impostor = SigningKey(LOG.name, Secret(b"x" * 32))

        given = ask(request(0, signed(8, key=impostor)), None)

        assert (given.status, given.refusal) == (403, Refusal.UNTRUSTED)

    def test_a_good_signature_beside_one_of_the_log_that_fails_is_403(self) -> None:
        bad = replace(SUCCESSOR.sign("other\n"))
        note = add_signatures(signed(8), [bad])

        assert ask(request(0, note), None).refusal is Refusal.UNTRUSTED

    @pytest.mark.parametrize(("old", "held"), [(0, 6), (5, 6), (7, 6), (3, 0)])
    def test_another_old_size_is_409_and_tells_the_size(self, old: int, held: int) -> None:
        given = ask(request(old, signed(8)), head(held) if held else None)

        assert (given.status, given.refusal) == (409, Refusal.STALE)
        assert (given.content_type, given.body) == ("text/x.tlog.size", b"%d\n" % held)

    def test_a_rollback_is_409(self) -> None:
        assert ask(request(4, signed(6)), head(8)).body == b"8\n"

    def test_another_root_at_the_same_size_is_409_and_told_apart(self) -> None:
        fork = signed(8, leaf_hash(b"another history"))

        given = ask(request(8, fork, []), head(8))

        assert (given.status, given.refusal) == (409, Refusal.FORK)
        assert (given.content_type, given.body) == ("text/x.tlog.size", b"8\n")

    def test_an_empty_log_with_a_root_is_409(self) -> None:
        given = ask(request(0, signed(0, leaf_hash(b"something"))), None)

        assert (given.status, given.refusal) == (409, Refusal.FORK)

    @pytest.mark.parametrize(
        "proof",
        [
            pytest.param([], id="none"),
            pytest.param([leaf_hash(b"x")], id="made up"),
            pytest.param(consistency_proof(5, 8, reader(leaves(8))), id="from another size"),
            pytest.param(
                [*consistency_proof(6, 8, reader(leaves(8))), leaf_hash(b"x")], id="too long"
            ),
        ],
    )
    def test_a_proof_that_does_not_lead_there_is_422(self, proof: list[bytes]) -> None:
        given = ask(request(6, signed(8), proof), head(6))

        assert (given.status, given.refusal) == (422, Refusal.INCONSISTENT)

    def test_another_history_is_422(self) -> None:
        rewritten = (leaf_hash(b"rewritten"), *leaves(8)[1:])
        note = signed(8, root_of(rewritten))

        given = ask(request(6, note, consistency_proof(6, 8, reader(rewritten))), head(6))

        assert (given.status, given.refusal) == (422, Refusal.INCONSISTENT)

    @pytest.mark.parametrize(("old", "held"), [(0, None), (8, head(8))])
    def test_a_proof_where_none_is_due_is_422(self, old: int, held: Head | None) -> None:
        assert ask(request(old, signed(8), [leaf_hash(b"x")]), held).status == 422

    def test_no_refusal_changes_what_is_remembered(self) -> None:
        refusals = [
            ask(request(0, signed(8)), head(6)),
            ask(request(6, signed(8), []), head(6)),
            ask(request(8, signed(8, leaf_hash(b"x")), []), head(8)),
        ]

        assert [given.head for given in refusals] == [None, None, None]

    def test_the_state_of_another_log_is_a_defect_of_the_caller(self) -> None:
        with pytest.raises(ValueError, match="another"):
            ask(request(6, signed(8)), replace(head(6), origin="other.example.com"))


GOOD = request(6, signed(8))


class TestMalformed:
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"", id="empty"),
            pytest.param(GOOD.removeprefix(b"old "), id="no old"),
            pytest.param(GOOD.replace(b"old 6", b"old"), id="no size"),
            pytest.param(GOOD.replace(b"old 6", b"old  6"), id="two spaces"),
            pytest.param(GOOD.replace(b"old 6", b"old 06"), id="leading zero"),
            pytest.param(GOOD.replace(b"old 6", b"old -6"), id="negative"),
            pytest.param(GOOD.replace(b"old 6", b"old 9"), id="older than the checkpoint"),
            pytest.param(GOOD.replace(b"\n\n", b"\n", 1), id="no empty line"),
            pytest.param(GOOD.replace(b"\n", b"\r\n"), id="carriage returns"),
            pytest.param(GOOD.replace(b"old 6\n", b"old 6\nAAAA\n"), id="short hash"),
            pytest.param(GOOD.replace(b"old 6\n", b"old 6\n!\n"), id="not base64"),
            pytest.param(request(6, signed(8), [leaf_hash(b"")] * 64), id="64 hashes"),
            pytest.param(GOOD[: GOOD.index(b"\n\n") + 2], id="no checkpoint"),
            pytest.param(GOOD[:-1], id="checkpoint cut off"),
            pytest.param(b"\xff" + GOOD, id="not UTF-8"),
            pytest.param(GOOD + b"x" * 1_048_576, id="too large"),
        ],
    )
    def test_what_breaks_the_format_is_400(self, body: bytes) -> None:
        with pytest.raises(NoteError) as caught:
            Submission.parse(body)

        assert (malformed(caught.value).status, malformed(caught.value).head) == (400, None)

    @given(body=st.binary() | st.binary().map(lambda tail: b"old 0\n" + tail))
    def test_any_bytes_raise_the_one_error(self, body: bytes) -> None:
        with pytest.raises(NoteError):
            Submission.parse(body)
