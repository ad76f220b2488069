"""The command line in this process, in one of its own, and on a terminal; and servers for it."""

from __future__ import annotations

import http.client
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from strongroom.cli.main import root
from tests import servers
from tests.oracles.openbao import OpenBao, _program

PROGRAM = [sys.executable, "-c", "from strongroom.cli.main import main; main()"]
OURS = ("STRONGROOM_", "VAULT_", "BAO_")
PATIENCE = 20


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The output, read as JSON."""
        return json.loads(self.out)


class Shell:
    """Runs command lines with a home directory and an environment of their own."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.environment = {"HOME": str(home), "NO_COLOR": "1", **environment}

    def __call__(self, *arguments: str, given: str = "") -> Run:
        """Run in this process."""
        cleared = dict.fromkeys((n for n in os.environ if n.startswith(OURS)), None)
        result = CliRunner().invoke(
            root, list(arguments), input=given, env={**cleared, **self.environment}
        )
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return Run(code=result.exit_code, out=result.stdout, err=result.stderr)

    def ok(self, *arguments: str, given: str = "") -> Run:
        """Run something that must work."""
        done = self(*arguments, given=given)
        assert done.code == 0, done.err
        return done

    def full_environment(self) -> dict[str, str]:
        """Return the environment of a process."""
        kept = {name: v for name, v in os.environ.items() if not name.startswith(OURS)}
        source = str(Path(__file__).parents[2] / "src")
        return {**kept, "PYTHONPATH": source, "TERM": "xterm", **self.environment}

    def process(self, *arguments: str, given: str = "") -> Run:
        """Run in a process of its own."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            input=given,
            capture_output=True,
            text=True,
            env=self.full_environment(),
            check=False,
            timeout=PATIENCE,
        )
        return Run(code=done.returncode, out=done.stdout, err=done.stderr)

    def terminal(
        self, *arguments: str, answers: Sequence[tuple[str, str | Callable[[str], str]]] = ()
    ) -> Run:
        """Run on a terminal; each answer is typed when its question stands there.

        One that is a function is given what was shown before.
        """
        pid, screen = pty.fork()
        if pid == 0:
            os.execve(sys.executable, [*PROGRAM, *arguments], self.full_environment())
        shown = b""
        try:
            for question, reply in answers:
                shown += _until(screen, question.encode(), shown)
                time.sleep(0.2)  # the echo is switched off behind the question
                typed = reply if isinstance(reply, str) else reply(shown.decode())
                os.write(screen, typed.encode() + b"\n")
            shown += _until(screen, None, b"")
        finally:
            os.close(screen)
        _, status = os.waitpid(pid, 0)
        text = shown.decode().replace("\r\n", "\n")
        return Run(code=os.waitstatus_to_exitcode(status), out=text, err="")


def _until(screen: int, awaited: bytes | None, before: bytes) -> bytes:
    """Return what appears up to a question, or to the end."""
    seen, deadline = b"", time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if awaited is not None and awaited in before + seen:
            return seen
        if not select.select([screen], [], [], 0.5)[0]:
            continue
        try:
            more = os.read(screen, 65_536)
        except OSError:  # how Linux says that the other side is closed
            return seen
        if not more:
            return seen
        seen += more
    raise AssertionError(f"{awaited!r} did not appear in {seen!r}")


@pytest.fixture(scope="session", params=["openbao", "strongroom"])
def vault(request: pytest.FixtureRequest) -> Iterator[OpenBao]:
    """A server with KV version 2 at `secret/`: OpenBao, then ours."""
    if request.param == "openbao":
        yield request.getfixturevalue("openbao")
        return
    with (
        servers.strongroom() as server,
        closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection,
    ):
        ours = OpenBao(address=server.address, root_token=server.root, connection=connection)
        made = ours.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        assert made.status == http.HTTPStatus.NO_CONTENT, made.body
        yield ours


@pytest.fixture
def nowhere(tmp_path: Path) -> Shell:
    """A shell without a server."""
    home = tmp_path / "home"
    home.mkdir()
    return Shell(home)


@pytest.fixture
def shell(nowhere: Shell, vault: OpenBao) -> Shell:
    """A shell of a server's root."""
    nowhere.environment["STRONGROOM_ADDR"] = vault.address
    nowhere.environment["STRONGROOM_TOKEN"] = vault.root_token
    return nowhere


@pytest.fixture
def secret(shell: Shell, vault: OpenBao, request: pytest.FixtureRequest) -> str:
    """The path of a secret that no other test has, with one version."""
    name = request.node.name.replace("[", "-").replace("]", "")
    vault.ask("POST", f"secret/data/cli/{name}", {"data": {"user": "ada", "password": "s3cr3t"}})
    return f"secret/cli/{name}"


@pytest.fixture
def kv1(shell: Shell) -> Iterator[str]:
    """A mount of KV version 1."""
    shell.ok("secrets", "enable", "-path=old", "-version=1", "kv")
    yield "old"
    shell.ok("secrets", "disable", "--yes", "old")


Ready = Callable[[http.client.HTTPConnection], bool]


@pytest.fixture
def new_server(nowhere: Shell) -> Iterator[Shell]:
    """A shell of a server that nobody has initialized."""
    try:
        program = _program()
    except servers.MissingError as missing:
        pytest.skip(str(missing))
    with servers.scratch("strongroom-openbao-") as folder:
        port = servers.free_port()
        config = folder / "config.hcl"
        config.write_text(
            'storage "inmem" {}\n'
            f'listener "tcp" {{ address = "127.0.0.1:{port}"  tls_disable = true }}\n'
        )
        command = servers.as_user(None, [program, "server", f"-config={config}"])
        with servers.running(command, folder / "log", {"HOME": str(folder)}) as process:
            _await(process, port, folder / "log")
            nowhere.environment["STRONGROOM_ADDR"] = f"http://127.0.0.1:{port}"
            yield nowhere


@pytest.fixture(scope="module")
def tls_server() -> Iterator[tuple[str, Path]]:
    """The address of a server with TLS, and the file of its authority."""
    try:
        program = _program()
    except servers.MissingError as missing:
        pytest.skip(str(missing))
    with servers.scratch("strongroom-openbao-") as folder:
        port = servers.free_port()
        command = [program, "server", "-dev-tls", f"-dev-tls-cert-dir={folder}"]
        command += [f"-dev-listen-address=127.0.0.1:{port}", "-dev-root-token-id=root"]
        command += ["-dev-no-store-token"]
        started = servers.as_user(None, command)
        with servers.running(started, folder / "log", {"HOME": str(folder)}) as process:
            _await(process, port, folder / "log")
            authority = next(path for path in folder.glob("*-ca.pem"))
            yield f"https://127.0.0.1:{port}", authority


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until a server answers at all."""
    deadline = time.monotonic() + servers.START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/v1/sys/seal-status")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise servers.StartError(log.read_text(errors="replace")[-2_000:])
