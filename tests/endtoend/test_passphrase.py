"""A server whose seal is a passphrase in a file: the real process, stopped, killed, misled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.cli.conftest import Run, Shell
from tests.servers import StartError, Strongroom

RIGHT, WRONG = "correct horse battery staple", "correct house battery staple"
UNSEAL = {"key": RIGHT}


@dataclass
class Kept:
    """A server and the file that it reads its passphrase from."""

    server: Strongroom
    file: Path

    def write(self, passphrase: str | bytes) -> None:
        self.file.write_bytes(
            passphrase if isinstance(passphrase, bytes) else passphrase.encode() + b"\n"
        )

    @property
    def sealed(self) -> bool:
        return bool(self.server.ask("GET", "sys/seal-status", token="").body["sealed"])

    def restarted(self) -> str:
        """Start it again, and return what it has written since."""
        self.server.stop()
        before = len(self.server.stderr.read_text())
        self.server.start()
        return self.server.stderr.read_text()[before:]

    def entries(self, code: str) -> list[dict[str, Any]]:
        """Return what the entries of an event say; the server must be open."""
        end = self.server.ask("GET", "strongroom/log/status").body["data"]["size"]
        path = f"strongroom/log/entries?start=0&end={end}"
        found = self.server.ask("GET", path).body["data"]["entries"]
        events = [each["event"] for each in found]
        return [e for e in events if e["metadata"]["event_code"] == code]

    def told(self, folder: Path, *words: str) -> Run:
        """Ask our own command line."""
        shell = Shell(folder)
        shell.environment |= {"STRONGROOM_ADDR": self.server.address}
        return shell(*words)


@contextmanager
def uninitialized(folder: Path) -> Iterator[Kept]:
    file = folder / "passphrase"
    file.write_text(RIGHT + "\n")
    told = f'[seal]\ntype = "passphrase"\npassphrase_file = "{file}"\n'
    with servers.strongroom(extra_tables=told, initialized=False) as server:
        yield Kept(server, file)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Kept]:
    with uninitialized(tmp_path) as kept:
        yield kept


@pytest.fixture
def kept(fresh: Kept) -> Kept:
    """One that was initialized, and has a secret."""
    made = fresh.server.ask("PUT", "sys/init", {}, token="")
    assert made.status == 200, made.raw
    fresh.server.root = made.body["root_token"]
    fresh.server.ask("POST", "cubbyhole/a", {"password": "kept"})
    return fresh


def test_it_is_open_from_its_initialization_on(fresh: Kept) -> None:
    before = fresh.server.ask("GET", "sys/seal-status", token="").body
    made = fresh.server.ask("PUT", "sys/init", {"secret_shares": 5, "secret_threshold": 3}).body
    fresh.server.root = made["root_token"]

    after = fresh.server.ask("GET", "sys/seal-status", token="").body
    [entry] = fresh.entries("seal.init")
    assert (before["type"], before["initialized"]) == ("passphrase", False)
    assert (made["keys"], made["keys_base64"]) == ([], [])
    assert (after["type"], after["initialized"], after["sealed"]) == ("passphrase", True, False)
    assert entry["unmapped"]["unsealed"] is True
    assert RIGHT not in json.dumps([entry, after, made])


@pytest.mark.parametrize("ends", ["stopped", "killed"])
def test_it_opens_by_itself_when_it_starts_again(kept: Kept, ends: str) -> None:
    for _ in range(2):
        if ends == "killed":
            kept.server.crash()
            kept.server.start()
        else:
            kept.restarted()

        assert not kept.sealed
        assert kept.server.ask("GET", "cubbyhole/a").body["data"] == {"password": "kept"}
    opened = kept.entries("seal.unseal")
    assert [each["status_id"] for each in opened] == [1, 1]
    assert {each["unmapped"]["actor"] for each in opened} == {"system"}


def test_another_passphrase_leaves_it_sealed_and_says_so(kept: Kept, tmp_path: Path) -> None:
    kept.write(WRONG)

    written = kept.restarted()

    status = kept.server.ask("GET", "sys/seal-status", token="").body
    health = kept.server.ask("GET", "sys/health", token="")
    refused = kept.server.ask("GET", "cubbyhole/a")
    told = kept.told(tmp_path, "status")
    assert "stays sealed, seal.passphrase_file was tried: key: does not open the seal\n" in written
    assert (status["initialized"], status["sealed"], status["progress"]) == (True, True, 0)
    assert health.status == 503
    assert (refused.status, refused.errors) == (503, ["Vault is sealed"])
    assert told.code == 2
    assert "○ sealed" in told.out
    assert "`strongroom unseal` takes a passphrase" in told.err
    assert WRONG not in written
    assert RIGHT not in written


def test_a_sealed_one_is_opened_by_whoever_knows_the_passphrase(kept: Kept) -> None:
    kept.write(WRONG)
    kept.restarted()

    wrong = kept.server.ask("PUT", "sys/unseal", {"key": WRONG}, token="")
    still = kept.sealed
    right = kept.server.ask("PUT", "sys/unseal", UNSEAL, token="")

    assert (wrong.status, wrong.errors) == (400, ["key: does not open the seal"])
    assert still
    assert (right.status, right.body["sealed"]) == (200, False)
    assert kept.server.ask("GET", "cubbyhole/a").body["data"] == {"password": "kept"}
    tried = [(e["status_id"], e["unmapped"].get("actor")) for e in kept.entries("seal.unseal")]
    assert tried == [(2, "system"), (2, "anonymous"), (1, "anonymous")]


def test_one_that_was_sealed_by_hand_opens_at_its_next_start(kept: Kept) -> None:
    kept.server.ask("POST", "sys/seal")
    sealed = kept.sealed

    kept.restarted()

    assert sealed
    assert not kept.sealed


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "seal.passphrase_file: No such file or directory"),
        (b"", "seal.passphrase_file: must hold 1 to 1024 characters"),
        (b"\r\n\n", "seal.passphrase_file: must hold 1 to 1024 characters"),
        (b"x" * 1025, "seal.passphrase_file: must hold 1 to 1024 characters"),
        (b"\xff\xfe secret", "seal.passphrase_file: is not UTF-8 text"),
    ],
)
def test_a_file_that_holds_no_passphrase_ends_it_with_one_line(
    kept: Kept, content: bytes | None, said: str
) -> None:
    kept.server.stop()
    if content is None:
        kept.file.unlink()
    else:
        kept.write(content)
    before = len(kept.server.stderr.read_text())

    with pytest.raises(StartError):
        kept.server.start()

    assert kept.server.stderr.read_text()[before:] == f"strongroom: {said}\n"
    assert kept.server.process is not None
    assert kept.server.process.returncode == 1


def test_a_file_without_a_passphrase_makes_no_seal(tmp_path: Path) -> None:
    (tmp_path / "passphrase").touch()
    told = f'[seal]\ntype = "passphrase"\npassphrase_file = "{tmp_path}/passphrase"\n'

    with (
        pytest.raises(StartError, match="must hold 1 to 1024 characters"),
        servers.strongroom(extra_tables=told, initialized=False),
    ):
        pass


def test_our_own_init_speaks_of_no_shares(fresh: Kept, tmp_path: Path) -> None:
    told = fresh.told(tmp_path, "init")

    assert told.code == 0, told.err
    assert told.out.startswith("root token")
    assert "share" not in told.out
    assert "There are no key shares" in told.err
    assert fresh.told(tmp_path, "status").out.startswith("● unsealed")


def test_shares_do_not_open_what_a_passphrase_seals(kept: Kept) -> None:
    kept.server.ask("POST", "sys/seal")

    for key in ("ab" * 33, "", "A" * 44, RIGHT + "\n", RIGHT.upper()):
        assert kept.server.ask("PUT", "sys/unseal", {"key": key}, token="").status == 400

    assert kept.sealed
