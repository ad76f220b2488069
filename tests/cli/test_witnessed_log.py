"""A server, a witness of its log, and somebody who trusts the witness: exported and verified."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import servers
from tests.cli.conftest import PATIENCE, PROGRAM, Run, Shell
from tests.endtoend.taken import verifier_key
from tests.servers import Strongroom

WITNESS = "witness.example/w"


@dataclass
class Watched:
    """A server with a witness that answers, and a policy that wants the witness's word."""

    server: Strongroom
    shell: Shell
    policy: Path
    folder: Path
    witness_command: list[str]

    def cosigned(self) -> int:
        """Return how many entries the witness has cosigned; 0 for none."""
        got = self.server.fetch("GET", "/log/witnessed", token="")
        return int(got.raw.split(b"\n")[1]) if got.status == 200 else 0

    def await_cosigned(self, size: int = 1) -> None:
        """Wait until the witness has cosigned so many."""
        deadline = time.monotonic() + PATIENCE
        while self.cosigned() < size:
            assert time.monotonic() < deadline, self.server.stderr.read_text()
            time.sleep(0.05)

    def grow(self, count: int) -> None:
        for number in range(count):
            index, _ = self.server.ask("POST", "cubbyhole/a", {"n": number}).receipt
        self.server.await_published(index)

    @contextmanager
    def witness(self) -> Iterator[None]:
        """Let the witness answer."""
        log, environment = self.folder / "witness.log", self.shell.full_environment()
        with servers.running(self.witness_command, log, environment):
            yield

    def export(self, name: str) -> Path:
        target = self.folder / name
        self.shell.ok("log", "export", str(target))
        return target

    def verify(self, source: str | Path, *more: str) -> Run:
        return self.shell("log", "verify", f"-policy={self.policy}", str(source), *more)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    shell, port = Shell(folder), servers.free_port()
    key, state = f"-key={folder}/key", f"-state={folder}/state"
    vkey = shell.ok("witness", "keygen", WITNESS, key).out.strip()
    told = f'witnesses = ["{vkey} http://127.0.0.1:{port}"]\nwitness_interval = "100ms"\n'
    with servers.strongroom(extra_tables=told) as server:
        own = str(verifier_key(server))
        shell.ok("witness", "add", f"-log-vkey={own}", state)
        policy = folder / "policy"
        policy.write_text(f"log {own}\nwitness w {vkey}\nquorum w\n")
        shell.environment |= {"STRONGROOM_ADDR": server.address, "STRONGROOM_TOKEN": server.root}
        listen = f"-listen=127.0.0.1:{port}"
        command = servers.as_user(None, [*PROGRAM, "witness", "serve", key, state, listen])
        yield Watched(server, shell, policy, folder, command)


@pytest.fixture(scope="module")
def exported(watched: Watched) -> Path:
    """An export of which the witness has cosigned all but the end."""
    with watched.witness():
        watched.await_cosigned()
        watched.grow(300)
        watched.await_cosigned(300)
    watched.grow(5)
    return watched.export("exported")


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """The export, to be tampered with."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def test_an_export_holds_what_the_witness_cosigned_and_verifies(
    watched: Watched, exported: Path
) -> None:
    done = watched.verify(exported)
    found = watched.verify(exported, "-format=json").data

    assert done.code == 0, done.out
    assert done.out.startswith("✓ every entry is as it was signed")
    shown = re.search(r"^  witnessed +the first (\d+), by (\S+)$", done.out, re.MULTILINE)
    assert shown is not None
    assert (int(shown[1]), shown[2]) == (found["witnessed"]["size"], WITNESS)
    assert 300 <= found["witnessed"]["size"] < found["size"] == found["entries"]
    assert f"\n{found['witnessed']['size']}\n" in (exported / "checkpoint.witnessed").read_text()


def test_a_log_verifies_on_its_server_too(watched: Watched, exported: Path) -> None:
    assert exported.is_dir()  # there is a cosignature by now

    done = watched.verify(f"{watched.server.address}/log")

    assert done.code == 0, done.out
    assert f"by {WITNESS}" in done.out


def test_the_newest_checkpoint_carries_the_cosignature_that_it_has(watched: Watched) -> None:
    watched.grow(1)
    with watched.witness():
        deadline = time.monotonic() + PATIENCE
        while True:  # each cosignature is an entry, so that this is so for a moment only
            newest = watched.server.fetch("GET", "/log/checkpoint", token="").raw
            if WITNESS.encode() in newest:
                break
            assert time.monotonic() < deadline

    assert newest.count("\N{EM DASH} ".encode()) == 2


def test_a_log_whose_witness_is_left_out_is_refused(watched: Watched, copy: Path) -> None:
    (copy / "checkpoint.witnessed").unlink()

    done = watched.verify(copy)

    assert done.code == 3
    assert "the quorum w has not witnessed the checkpoint" in done.out


def test_a_cosignature_that_was_changed_is_refused_and_named(watched: Watched, copy: Path) -> None:
    file = copy / "checkpoint.witnessed"
    *lines, last = file.read_text().splitlines()
    name, _, signature = last.rpartition(" ")
    changed = signature[:-6] + ("AAAAA=" if signature[-6:] != "AAAAA=" else "BBBBB=")
    file.write_text("\n".join([*lines, f"{name} {changed}"]) + "\n")

    done = watched.verify(copy)

    assert done.code == 3
    assert re.search(r"^checkpoint .*checkpoint\.witnessed ", done.out, re.MULTILINE)


def test_a_log_that_ends_before_what_was_cosigned_is_refused(
    watched: Watched, exported: Path, copy: Path
) -> None:
    with watched.witness():
        watched.grow(3)
        watched.await_cosigned(watched.server.await_published(0))
    later = watched.export("later")
    shutil.copy(later / "checkpoint.witnessed", copy / "checkpoint.witnessed")

    done = watched.verify(copy)

    assert done.code == 3
    assert re.search(r"^rollback .* are gone", done.out, re.MULTILINE)
    assert watched.verify(exported).code == 0


@pytest.mark.parametrize("part", [0, 1])
def test_an_entry_that_was_changed_is_refused(watched: Watched, copy: Path, part: int) -> None:
    bundle = sorted(file for file in (copy / "tile" / "entries").rglob("*") if file.is_file())[part]
    data = bytearray(bundle.read_bytes())
    data[40] ^= 1
    bundle.write_bytes(data)

    done = watched.verify(copy)

    assert done.code == 3
    assert f"tile/entries/{'000' if part == 0 else '001.p'}" in done.out


def test_another_witness_is_not_the_one_that_was_meant(
    watched: Watched, copy: Path, tmp_path: Path
) -> None:
    other = watched.shell.ok("witness", "keygen", WITNESS, f"-key={tmp_path}/key").out.strip()
    log = watched.policy.read_text().splitlines()[0]
    (tmp_path / "policy").write_text(f"{log}\nwitness w {other}\nquorum w\n")

    done = watched.shell("log", "verify", f"-policy={tmp_path}/policy", str(copy))

    assert done.code == 3


def test_a_server_that_starts_again_still_has_the_cosignatures(
    watched: Watched, exported: Path
) -> None:
    assert exported.is_dir()  # there is a cosignature by now
    before = watched.cosigned()

    watched.server.stop()
    watched.server.start()
    watched.server.unseal()

    assert watched.cosigned() == before
