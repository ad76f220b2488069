"""`strongroom log`: verifying from files, and reading a server's log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.base.secret import Secret
from strongroom.crypto.checkpoint import LogProof, open_checkpoint
from strongroom.crypto.merkle import leaf_hash
from strongroom.crypto.note import SigningKey
from tests.audit.published import LOG, checkpoint, publish
from tests.cli.conftest import Shell
from tests.cli.pretending import Pretender

VKEY = str(LOG.verifier())
OTHER = str(SigningKey(LOG.name, Secret(b"o" * 32)).verifier())
SIZE = 600


def entries(count: int) -> list[bytes]:
    """Return entries as a server writes them, at one second each."""
    return [
        json.dumps(
            {
                "status_id": 2 if index % 10 == 9 else 1,
                "status_code": "403" if index % 10 == 9 else "200",
                "metadata": {"event_code": "secret.read"},
                "actor": {"user": {"uid": f"e{index}"}},
                "unmapped": {
                    "time": f"2026-03-01T12:{index // 60:02}:{index % 60:02}.5Z",
                    "path": "secret/data/app",
                },
            }
        ).encode()
        for index in range(count)
    ]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of 600 entries in a directory."""
    publish(tmp_path / "log", entries(SIZE))
    return tmp_path / "log"


@pytest.fixture
def served(log: Path, nowhere: Shell) -> Iterator[Shell]:
    """A shell of a server that publishes it."""
    with Pretender(log) as pretender:
        nowhere.environment |= {"STRONGROOM_ADDR": pretender.address, "STRONGROOM_TOKEN": "t"}
        yield nowhere


class TestVerify:
    def test_a_sound_log_is_said_to_be_so(self, nowhere: Shell, log: Path) -> None:
        done = nowhere.ok("log", "verify", f"-vkey={VKEY}", str(log))

        assert done.out.startswith(f"✓ every entry is as it was signed   {log}\n")
        assert "  entries     600\n" in done.out

    def test_json_tells_a_program(self, nowhere: Shell, log: Path) -> None:
        found = nowhere.ok("log", "verify", "-format=json", f"-vkey={VKEY}", str(log)).data

        assert (found["sound"], found["size"], found["faults"]) == (True, SIZE, [])
        assert found["signed_by"] == [VKEY]

    def test_a_changed_byte_is_named_with_status_3(self, nowhere: Shell, log: Path) -> None:
        bundle = log / "tile/entries/001"
        bundle.write_bytes(bundle.read_bytes().replace(b'"e300"', b'"e301"'))

        done = nowhere("log", "verify", f"-vkey={VKEY}", str(log))

        assert done.code == 3
        assert done.out.startswith("✗ the log does not hold: one fault")
        assert "tile/entries/001" in done.out
        assert " 300 " in done.out

    def test_another_key_is_status_3(self, nowhere: Shell, log: Path) -> None:
        done = nowhere("log", "verify", f"-vkey={OTHER}", str(log))

        assert done.code == 3

    def test_without_a_key_nothing_is_verified(self, nowhere: Shell, log: Path) -> None:
        done = nowhere("log", "verify", str(log))

        assert done.code == 1
        assert "a key of the log is needed" in done.err

    def test_what_is_no_key_is_said_to_be_none(self, nowhere: Shell, log: Path) -> None:
        assert "--vkey: not a verifier key" in nowhere("log", "verify", "-vkey=x", str(log)).err

    def test_a_kept_checkpoint_must_be_part_of_it(
        self, nowhere: Shell, log: Path, tmp_path: Path
    ) -> None:
        kept, later = tmp_path / "kept", tmp_path / "later"
        kept.write_bytes(checkpoint(entries(300)))
        later.write_bytes(checkpoint(entries(601)))
        words = ("log", "verify", f"-vkey={VKEY}", str(log))

        assert nowhere(*words, f"-old-checkpoint={kept}").code == 0
        assert nowhere(*words, f"-old-checkpoint={later}").code == 3

    def test_a_policy_may_ask_for_witnesses(
        self, nowhere: Shell, log: Path, tmp_path: Path
    ) -> None:
        witness = nowhere.ok("witness", "keygen", "w.example", f"-key={tmp_path}/k").out.strip()
        policy = tmp_path / "policy"
        policy.write_text(f"log {VKEY}\nwitness w {witness}\nquorum w\n")

        done = nowhere("log", "verify", f"-policy={policy}", str(log))

        assert done.code == 3
        assert "the quorum w has not witnessed" in done.out

    def test_a_source_that_is_not_there_is_status_1(self, nowhere: Shell, tmp_path: Path) -> None:
        assert nowhere("log", "verify", f"-vkey={VKEY}", str(tmp_path / "none")).code == 1


class TestReading:
    def test_the_latest_entries_are_a_table(self, served: Shell) -> None:
        rows = served.ok("log", "tail", "-n", "2").out.splitlines()

        assert rows[0].split() == ["index", "time", "what", "who", "where"]
        assert rows[1:] == [
            "598    2026-03-01 12:09:58 UTC  secret.read  e598  secret/data/app  ✓ done",
            "599    2026-03-01 12:09:59 UTC  secret.read  e599  secret/data/app  ✗ refused",
        ]

    def test_entries_are_lines_of_json_for_a_program(self, served: Shell) -> None:
        lines = served.ok("log", "tail", "-n=300", "-format=json").out.splitlines()

        assert [json.loads(line)["index"] for line in lines] == list(range(300, 600))

    def test_an_entry_is_proven_before_it_is_shown(self, served: Shell) -> None:
        shown = served.ok("log", "show", "300", f"-vkey={VKEY}")
        unsigned = served.ok("log", "show", "300")

        assert shown.data["actor"]["user"]["uid"] == "e300"
        assert shown.err == ""
        assert "only --vkey tells" in unsigned.err

    def test_an_entry_that_was_changed_is_not_shown(self, served: Shell, log: Path) -> None:
        bundle = log / "tile/entries/001"
        bundle.write_bytes(bundle.read_bytes().replace(b'"e300"', b'"e301"'))

        done = served("log", "show", "300")

        assert (done.code, done.out) == (3, "")
        assert "the log does not hold" in done.err

    def test_a_checkpoint_by_another_key_is_refused(self, served: Shell) -> None:
        assert served("log", "checkpoint", f"-vkey={OTHER}").code == 3

    def test_an_index_beyond_the_end_is_said(self, served: Shell) -> None:
        assert (
            "there is no entry 600; the log has 600, from 0 on" in served("log", "show", "600").err
        )

    def test_a_proof_verifies_elsewhere(self, served: Shell, tmp_path: Path) -> None:
        served.ok("log", "proof", "300", "-o", str(tmp_path / "proof"))

        proof = LogProof.parse((tmp_path / "proof").read_bytes())
        opened = open_checkpoint(proof.checkpoint, [LOG.verifier()])
        proof.verify(leaf_hash(entries(SIZE)[300]), opened)
        assert proof.index == 300

    @pytest.mark.parametrize("words", [("show",), ("proof",)])
    def test_a_receipt_names_its_entry_and_its_hash_is_checked(
        self, served: Shell, words: tuple[str]
    ) -> None:
        digest = leaf_hash(entries(SIZE)[300]).hex()
        other = leaf_hash(entries(SIZE)[301]).hex()

        by_index = served.ok("log", *words, "300")
        by_receipt = served.ok("log", *words, f"300.{digest}", f"-vkey={VKEY}")
        in_capitals = served.ok("log", *words, f"300.{digest.upper()}")
        broken = served("log", *words, f"300.{other}")

        assert by_receipt.out == by_index.out == in_capitals.out
        assert (broken.code, broken.out) == (3, "")
        assert "entry 300 is not the one that this receipt promises" in broken.err

    def test_a_receipt_of_an_entry_that_is_not_there_is_not_proven(self, served: Shell) -> None:
        done = served("log", "proof", f"{SIZE}.{leaf_hash(b'lost').hex()}")

        assert (done.code, done.out) == (1, "")
        assert f"there is no entry {SIZE}" in done.err

    @pytest.mark.parametrize(
        "text",
        [
            *("", "-1", "x", "300.", ".", "300.00", "٣٠٠", "1e2", "300 ", " 300", "3_0"),
            *(f"300.{'0' * 63}", f"300.{'0' * 65}", f"300.{'g' * 64}", f"x.{'0' * 64}"),
            *(f"300.{'0' * 64}.1", f"300.{'0' * 64}\n", "9" * 19, f"{'9' * 5000}.{'0' * 64}"),
        ],
    )
    def test_what_is_no_receipt_is_wrong_use(self, served: Shell, text: str) -> None:
        done = served("log", "proof", "--", text)

        assert (done.code, done.out) == (1, "")
        assert "not an index, nor a receipt of the form INDEX.HASH" in done.err

    def test_the_checkpoint_is_printed_as_it_is(self, served: Shell, log: Path) -> None:
        assert served.ok("log", "checkpoint").out == (log / "checkpoint").read_text()
        assert served.ok("log", "checkpoint", "-format=json").data["size"] == SIZE

    def test_an_export_verifies_and_grows(
        self, served: Shell, nowhere: Shell, log: Path, tmp_path: Path
    ) -> None:
        copy = tmp_path / "copy"
        first = served.ok("log", "export", str(copy)).out
        publish(log, entries(SIZE + 1))
        served.ok("log", "export", str(copy))

        assert first == f"✓ 600 entries exported to {copy}\n"
        found = nowhere.ok("log", "verify", "-format=json", f"-vkey={VKEY}", str(copy)).data
        assert found["size"] == SIZE + 1

    def test_a_server_without_a_log_is_said_to_have_none(
        self, nowhere: Shell, tmp_path: Path
    ) -> None:
        with Pretender(tmp_path) as pretender:
            done = nowhere("log", "tail", f"-address={pretender.address}")

        assert "there is no checkpoint yet; a server signs its first" in done.err


def test_a_verification_on_a_terminal_shows_how_far_it_is(nowhere: Shell, log: Path) -> None:
    done = nowhere.terminal("log", "verify", f"-vkey={VKEY}", str(log))

    assert done.code == 0
    assert "verifying" in done.out
    assert "✓ every entry is as it was signed" in done.out
