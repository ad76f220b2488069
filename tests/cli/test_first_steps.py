"""What somebody does on the first day, on a dev server; and what is said when it goes wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.cli.conftest import PATIENCE, PROGRAM, Shell

POLICY = 'path "secret/data/app" { capabilities = ["read"] }\n'


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address that `strongroom server --dev` tells on its terminal."""
    folder, port = tmp_path_factory.mktemp("dev"), servers.free_port()
    shell = Shell(folder)
    command = [*PROGRAM, "server", "--dev", f"--dev-listen-address=127.0.0.1:{port}"]
    log = folder / "log"
    with servers.running(servers.as_user(None, command), log, shell.full_environment()):
        deadline = time.monotonic() + servers.START_SECONDS
        while "strongroom login" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        told = next(line for line in log.read_text().splitlines() if "STRONGROOM_ADDR=" in line)
        yield told.partition("=")[2]


@pytest.fixture
def first(nowhere: Shell, dev: str) -> Shell:
    """A shell that knows the address and nothing else."""
    nowhere.environment["STRONGROOM_ADDR"] = dev
    return nowhere


@pytest.fixture
def inside(first: Shell) -> Shell:
    """A shell in which somebody has logged in."""
    first.ok("login", "root")
    return first


def test_a_secret_a_policy_and_a_token_that_holds_it(first: Shell) -> None:
    assert first.ok("status").out.startswith("● unsealed   http://127.0.0.1:")
    assert first.terminal("login", answers=[("Token: ", "root")]).code == 0
    first.ok("kv", "put", "secret/app", "password=s3cr3t")
    first.ok("policy", "write", "app", "-", given=POLICY)
    token = first.ok("token", "create", "-policy=app", "-field=token").out
    reader = Shell(first.home, **first.environment, STRONGROOM_TOKEN=token)

    assert reader.ok("kv", "get", "-field=password", "secret/app").out == "s3cr3t"
    assert reader.ok("token", "capabilities", "secret/data/app").out == "read\n"
    assert reader("kv", "put", "secret/app", "password=mine").code == 2


def test_the_log_is_followed_proven_taken_away_and_verified(inside: Shell, tmp_path: Path) -> None:
    inside.ok("kv", "put", "secret/logged", "a=b")
    deadline = time.monotonic() + PATIENCE
    while "secret/data/logged" not in inside("log", "tail").out:  # signed each second
        assert time.monotonic() < deadline
        time.sleep(0.2)
    key = inside.ok("read", "-field=key", "strongroom/log/status").out
    inside.ok("log", "proof", "3", "-o", str(tmp_path / "proof"), f"-vkey={key}")
    inside.ok("log", "export", str(tmp_path / "log"))

    done = Shell(tmp_path).ok("log", "verify", f"-vkey={key}", str(tmp_path / "log"))

    assert done.out.startswith("✓ every entry is as it was signed")
    assert (tmp_path / "proof").read_text().startswith("c2sp.org/tlog-proof@v1\nindex 3\n")


def test_the_evidence_is_run_taken_away_and_verified(inside: Shell, tmp_path: Path) -> None:
    key = inside.ok("read", "-field=key", "strongroom/log/status").out
    ran = inside("evidence", "run", "-start=2026-01-01", "-control=T12")
    pack = str(tmp_path / "pack.zip")
    inside.ok("evidence", "pack", "-start=2026-01-01", "-control=T12", "-o", pack)

    done = Shell(tmp_path).ok("verify", f"-vkey={key}", pack)

    assert ran.code == 3  # a dev server's root token never ends
    assert done.out.startswith("✓ the pack holds")


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("kv", "get", "secret/app"), "nobody is logged in: `strongroom login`"),
        (("log", "tail"), "nobody is logged in: `strongroom login`"),
        (("login", "hvs.nobody"), "`strongroom login` gets another"),
        (("status", "-address=http://127.0.0.1:1"), "is the server running, and is the address"),
        (("status", "-address=localhost:8200"), "not of the form https://HOST:PORT"),
        (("log", "verify", "."), "give --vkey KEY or --policy FILE"),
    ],
)
def test_who_is_not_inside_is_told_what_to_do(
    first: Shell, words: tuple[str, ...], advice: str
) -> None:
    done = first(*words)

    assert done.code in (1, 2)
    assert advice in done.err


def test_a_server_without_tls_is_said_to_have_none(first: Shell, dev: str) -> None:
    done = first("status", f"-address={dev.replace('http:', 'https:')}")

    assert "a development server may want http://" in done.err


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("kv", "get", "nowhere/app"), "`strongroom secrets list` names the mounts"),
        (("kv", "get", "secret/none"), "nothing is stored there"),
        (("read", "secret/none"), "`strongroom path-help PATH` says what a mount has"),
    ],
)
def test_a_wrong_path_is_told_where_to_look(
    inside: Shell, words: tuple[str, ...], advice: str
) -> None:
    done = inside(*words)

    assert done.code == 2
    assert advice in done.err


def test_a_server_that_is_sealed_or_new_says_how_it_is_opened(nowhere: Shell) -> None:
    with servers.strongroom(initialized=False) as server:
        nowhere.environment["STRONGROOM_ADDR"] = server.address
        new = nowhere("status")
        nowhere.ok("init", "-shares=1", "-threshold=1")
        sealed, refused = nowhere("status"), nowhere("kv", "get", "secret/app")

    assert (new.code, sealed.code, refused.code) == (2, 2, 2)
    assert "make its keys with `strongroom init`" in new.err
    assert "open it with `strongroom unseal`" in sealed.err
    assert "the server is sealed; open it with `strongroom unseal`" in refused.err
