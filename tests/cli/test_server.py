"""The command line and our own server, from its start to the proof of its log."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import servers
from tests.cli.conftest import PROGRAM, Shell

ORIGIN = "strongroom.test/log"


@contextmanager
def running(shell: Shell, folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run `strongroom server` and wait until it answers."""
    config = folder / "strongroom.toml"
    config.write_text(
        f"""cluster_name = "test"
data_dir = "{folder}/data"
[storage]
url = "sqlite://{folder}/data/strongroom.db"
[[listener]]
address = "127.0.0.1:{port}"
names = ["127.0.0.1"]
[log]
origin = "{ORIGIN}"
checkpoint_interval = "100ms"
"""
    )
    (folder / "data").mkdir(exist_ok=True)
    command = servers.as_user(None, [*PROGRAM, "server", f"-config={config}"])
    with servers.running(command, folder / "log", shell.full_environment()) as process:
        authority = folder / "data" / "tls" / "ca.pem"
        await_answer(process, port, authority, folder / "log")
        shell.environment["STRONGROOM_ADDR"] = f"https://127.0.0.1:{port}"
        shell.environment["STRONGROOM_CACERT"] = str(authority)
        yield process


def await_answer(process: subprocess.Popen[bytes], port: int, authority: Path, log: Path) -> None:
    deadline = time.monotonic() + servers.START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            context = ssl.create_default_context(cafile=authority)
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
            connection.request("GET", "/v1/sys/seal-status")
            connection.getresponse().read()
            connection.close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise servers.StartError(log.read_text(errors="replace")[-2_000:])


@pytest.fixture
def opened(nowhere: Shell) -> Iterator[Shell]:
    """A shell of a server of ours, initialized and unsealed through the command line."""
    with (
        servers.scratch("strongroom-cli-") as folder,
        running(nowhere, folder, servers.free_port()),
    ):
        made = nowhere.ok("init", "-key-shares=3", "-key-threshold=2", "-format=json").data
        nowhere.environment["STRONGROOM_TOKEN"] = made["root_token"]
        for share in made["unseal_keys_b64"][1:]:
            nowhere.ok("unseal", "-", given=share)
        yield nowhere


def await_size(shell: Shell, size: int) -> None:
    """Wait until a checkpoint holds this many entries."""
    deadline = time.monotonic() + servers.START_SECONDS
    while time.monotonic() < deadline:
        done = shell("log", "checkpoint", "-format=json")
        if done.code == 0 and done.data["size"] >= size:
            return
        time.sleep(0.05)
    raise AssertionError(f"no checkpoint of {size}")


def test_what_was_done_is_in_a_log_that_verifies_at_the_server_and_in_a_copy(
    opened: Shell, tmp_path: Path
) -> None:
    await_size(opened, 4)
    key = opened.ok("read", "-field=key", "strongroom/log/status").out
    there = opened.ok("log", "verify", "-format=json", f"-vkey={key}", f"{opened_at(opened)}/log")
    opened.ok("log", "export", str(tmp_path / "copy"))
    copy = opened.ok("log", "verify", "-format=json", f"-vkey={key}", str(tmp_path / "copy"))
    entries = [
        json.loads(line)["entry"]["metadata"]["event_code"]
        for line in opened.ok("log", "tail", "-n=100", "-format=json").out.splitlines()
    ]

    assert there.data["sound"] is copy.data["sound"] is True
    assert copy.data["origin"] == ORIGIN
    assert entries[0] == "server.start"
    assert entries.count("seal.unseal") == 2


def opened_at(shell: Shell) -> str:
    return shell.environment["STRONGROOM_ADDR"]


def test_an_entry_is_proven_with_the_logs_own_key(opened: Shell) -> None:
    await_size(opened, 4)
    key = opened.ok("read", "-field=key", "strongroom/log/status").out

    shown = opened.ok("log", "show", "0", f"-vkey={key}")

    assert shown.data["metadata"]["event_code"] == "server.start"


def test_entries_need_a_token(opened: Shell) -> None:
    await_size(opened, 4)
    del opened.environment["STRONGROOM_TOKEN"]

    done = opened("log", "tail")

    assert done.code == 2
    assert "nobody is logged in: `strongroom login`" in done.err


def test_a_witness_watches_without_a_token(opened: Shell, tmp_path: Path) -> None:
    key = opened.ok("read", "-field=key", "strongroom/log/status").out
    del opened.environment["STRONGROOM_TOKEN"]
    files = (f"-key={tmp_path}/key", f"-state={tmp_path}/state")
    opened.ok("witness", "keygen", "w.example", files[0])
    opened.ok("witness", "add", f"-log-vkey={key}", files[1])
    authority = f"-ca-cert={opened.environment['STRONGROOM_CACERT']}"
    sizes = [1]
    for named in ([authority], []):  # or it is the one that the environment names
        opened("status")
        await_size(opened, sizes[-1] + 1)
        opened.ok("witness", "pull", *files, *named, f"{opened_at(opened)}/log")
        sizes.append(opened.ok("witness", "list", files[1], "-format=json").data[0]["size"])

    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "one of --config FILE and --dev is needed"),
        (("-dev", "-config=x"), "one of --config FILE and --dev is needed"),
        (("-config=x", "-dev-root-token-id=y"), "go with --dev"),
    ],
)
def test_a_server_needs_to_know_how_to_start(
    words: tuple[str, ...], said: str, nowhere: Shell
) -> None:
    done = nowhere("server", *words)

    assert done.code == 1
    assert said in done.err


def test_a_configuration_with_a_mistake_is_named(nowhere: Shell, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('cluster_nam = "x"\n')

    done = nowhere.process("server", f"-config={tmp_path}/s.toml")

    assert done.code == 1
    assert "cluster_name" in done.err
    assert done.err.count("\n") == 1
