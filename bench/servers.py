"""The servers that are compared: each our own child, on free loopback ports, with its own folder.

OpenBao runs as its documentation has it for one node: integrated (raft) storage, an audit device
that writes a file, HTTP. strongroom runs on its embedded default, where every entry of the log is
committed and synced before its request is answered. Neither uses TLS here.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(sys.executable).parent
BARE_PROGRAM = Path(__file__).with_name("bare.py")
STOP_SECONDS = 20

OPENBAO = """
storage "raft" {{
  path    = "{folder}/raft"
  node_id = "bench"
}}
listener "tcp" {{
  address         = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_disable     = true
}}
audit "file" "file" {{
  options {{
    file_path = "{folder}/audit.log"
  }}
}}
api_addr      = "http://127.0.0.1:{port}"
cluster_addr  = "http://127.0.0.1:{cluster_port}"
log_level     = "error"
ui            = false
"""

STRONGROOM = """
[storage]
url = "sqlite:///{folder}/strongroom.db"

[[listener]]
address = "127.0.0.1:{port}"
tls = false

[seal]
type = "shamir"
"""


class StoppedError(Exception):
    """A server ended by itself; the text is the end of what it wrote."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that was started."""

    kind: str
    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise StoppedError if the server is gone."""
        if self.process.poll() is not None:
            said = self.log.read_text(errors="replace")[-2_000:]
            raise StoppedError(f"{self.kind} ended with {self.process.returncode}:\n{said}")

    def resident_megabytes(self) -> float:
        """Return the resident memory of the process and of those it started."""
        return sum(map(resident_kilobytes, family(self.process.pid))) / 1_024


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def resident_kilobytes(pid: int) -> int:
    """Return the resident memory of one process, 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def family(pid: int) -> Iterator[int]:
    """Give a process and all that descend from it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from family(int(child))


@contextmanager
def started(kind: str, command: Sequence[str], folder: Path, port: int) -> Iterator[Running]:
    """Run a server until the end of the `with`."""
    log = folder / f"{kind}.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "HOME": str(folder)},
            start_new_session=True,
        )
    running = Running(kind=kind, address=f"127.0.0.1:{port}", process=process, log=log)
    try:
        _await_port(running)
        yield running
    finally:
        _stop(process)


def _await_port(running: Running, seconds: float = 60) -> None:
    host, _, port = running.address.partition(":")
    deadline = time.monotonic() + seconds
    while True:
        running.check()
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.002)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def openbao(folder: Path) -> Iterator[Running]:
    """Start OpenBao on the data in `folder`, which may be empty."""
    folder.joinpath("raft").mkdir(exist_ok=True)
    port, cluster_port = free_port(), free_port()
    config = folder / "openbao.hcl"
    config.write_text(OPENBAO.format(folder=folder, port=port, cluster_port=cluster_port))
    command = [str(PROGRAMS / "bao"), "server", f"-config={config}"]
    with started("openbao", command, folder, port) as running:
        yield running


@contextmanager
def strongroom(folder: Path) -> Iterator[Running]:
    """Start strongroom on the data in `folder`, which may be empty."""
    port = free_port()
    config = folder / "strongroom.toml"
    config.write_text(STRONGROOM.format(folder=folder, port=port))
    command = [str(PROGRAMS / "strongroom"), "server", "--config", str(config)]
    with started("strongroom", command, folder, port) as running:
        yield running


@contextmanager
def bare(folder: Path, body: bytes) -> Iterator[Running]:
    """Start the endpoint that answers `body` to everything."""
    port, file = free_port(), folder / "body"
    file.write_bytes(body)
    command = [sys.executable, str(BARE_PROGRAM), str(port), str(file)]
    with started("bare", command, folder, port) as running:
        yield running
