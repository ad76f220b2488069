"""Throw-away servers for tests: each on a free loopback port, gone when its `with` ends.

Trust  They accept any local user and hold nothing worth keeping. An instance that was there
       before the test is never looked for, and never touched.
Order  A server is its caller's child process and dies with it (`setpriv --pdeathsig`), so that
       an interrupted run leaves nothing behind.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

START_SECONDS = 30
STOP_SECONDS = 10
PORT_TRIES = 3


class MissingError(Exception):
    """A program that the tests would need is not here; the text says how to get it."""


class StartError(Exception):
    """A server did not come up; the text is the end of what it wrote."""


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def scratch(prefix: str, owner: str | None = None) -> Iterator[Path]:
    """Give an empty folder that `owner` can use too, and remove it afterwards.

    Not pytest's `tmp_path`: that lies beneath a folder which only the current user may enter.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        if owner is not None:
            shutil.chown(folder, owner)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_user(owner: str | None, command: Sequence[str]) -> list[str]:
    """Return the command that runs `command` as `owner`, and ends it when the caller dies."""
    if shutil.which("setpriv") is None:
        if owner is not None:
            raise MissingError("setpriv is not installed (Debian: util-linux)")
        return list(command)
    change = (
        () if owner is None else (f"--reuid={owner}", "--clear-groups", "--regid", group(owner))
    )
    return ["setpriv", "--pdeathsig", "INT", *change, *command]


def group(user: str) -> str:
    """Return the number of the main group of a user."""
    return str(pwd.getpwnam(user).pw_gid)


@contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in the foreground of its own session; interrupt it at the end."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=None if environment is None else {**os.environ, **environment},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started: ask first, then kill."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def await_ready(process: subprocess.Popen[bytes], probe: Sequence[str], log: Path) -> None:
    """Wait until `probe` succeeds; raises `StartError` when the server ends before, or hangs."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if subprocess.run(probe, check=False, capture_output=True).returncode == 0:
            return
        time.sleep(0.02)
    raise StartError(log.read_text(errors="replace")[-2_000:])


# PostgreSQL


@dataclass(frozen=True, kw_only=True)
class Database:
    """One database of a throw-away instance."""

    name: str
    url: str


@dataclass(frozen=True, kw_only=True)
class PostgreSQL:
    """A running instance; whoever reaches its port is its superuser."""

    programs: Path
    port: int
    process: subprocess.Popen[bytes]
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def url(self, name: str) -> str:
        """Return the address of a database as asyncpg and SQLAlchemy read it."""
        return f"postgresql://strongroom@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement outside of a transaction, and return what it printed."""
        done = subprocess.run(
            [
                *(self.programs / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1"),
                *("-d", self.url(database), "-c", statement),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[Database]:
        """Give a database of one's own, a copy of `template`."""
        name = f"test_{next(self.numbers)}"
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        try:
            yield Database(name=name, url=self.url(name))
        finally:
            self.sql(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def postgresql(*, durable: bool = False) -> Iterator[PostgreSQL]:
    """Start an instance; unless `durable`, one that forgets what a power cut would take.

    Raises `MissingError` where PostgreSQL is not installed and cannot be.
    """
    programs = postgresql_programs()
    owner = unprivileged()
    with scratch("strongroom-postgresql-", owner) as folder:
        data, log = folder / "data", folder / "log"
        initialise = [str(programs / "initdb"), "-D", str(data), "-U", "strongroom"]
        initialise += ["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
        subprocess.run(as_user(owner, initialise), check=True, capture_output=True, cwd=folder)
        for last in (False,) * (PORT_TRIES - 1) + (True,):
            port = free_port()
            settings = _postgresql_settings(port, durable=durable)
            command = [str(programs / "postgres"), "-D", str(data), *settings]
            with running(as_user(owner, command), log) as process:
                try:
                    ready = ["-q", "-h", "127.0.0.1", "-p", str(port)]
                    await_ready(process, [str(programs / "pg_isready"), *ready], log)
                except StartError:
                    if last:
                        raise
                    continue  # somebody took the port between our look and its start
                yield PostgreSQL(programs=programs, port=port, process=process)
                return


def _postgresql_settings(port: int, *, durable: bool) -> list[str]:
    chosen = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "100",
        "shared_buffers": "32MB",
        "timezone": "UTC",
    }
    if not durable:
        chosen |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    return [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]


def unprivileged() -> str | None:
    """Return whom to run PostgreSQL as: it refuses root. None means as we are."""
    if os.geteuid() != 0:
        return None
    known = {account.pw_name for account in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def postgresql_programs() -> Path:
    """Return the folder of PostgreSQL's programs; as root, install them where they are missing."""
    return obtained("PostgreSQL", "postgresql", _find_postgresql)


def obtained(name: str, package: str, find: Callable[[], Path | None]) -> Path:
    """Return what `find` finds; as root, install Debian's package where it finds nothing.

    Raises `MissingError` where it is not installed and cannot be.
    """
    with Path(tempfile.gettempdir(), f"strongroom-install-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes side by side install once
        if (found := find()) is None and os.geteuid() == 0 and shutil.which("apt-get"):
            _apt_install(package)
            found = find()
    if found is None:
        raise MissingError(f"{name} is not installed (Debian: apt-get install {package})")
    return found


def _find_postgresql() -> Path | None:
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    debian = sorted(versions, key=lambda folder: float(folder.parent.name), reverse=True)
    in_path = shutil.which("initdb")
    candidates = [Path(in_path).resolve().parent] if in_path else []
    return next((p for p in [*candidates, *debian] if (p / "postgres").exists()), None)


def _apt_install(package: str) -> None:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update"], ["install", "-y", "--no-install-recommends", package]):
        subprocess.run(["apt-get", "-q", *step], check=False, capture_output=True, env=quiet)


# strongroom itself

ORIGIN = "strongroom.test/log"
RUN = """
import os, sys
from pathlib import Path
from strongroom.app import serve
from strongroom.base.configuration import load_configuration
sys.exit(serve(load_configuration(Path(sys.argv[1]), os.environ)))
"""
Headers = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Got:
    """What a server answered. `body` is decoded where it is JSON; `raw` is what came."""

    status: int
    headers: Headers
    raw: bytes

    @property
    def body(self) -> Any:
        """The JSON that came; None for an empty body."""
        return json.loads(self.raw) if self.raw else None

    @property
    def errors(self) -> list[str]:
        """What the server says is wrong."""
        return list(self.body["errors"])

    @property
    def receipt(self) -> tuple[int, bytes]:
        """The index and the leaf hash of the `Audit-Receipt`."""
        index, _, digest = self.headers["audit-receipt"].partition(".")
        return int(index), bytes.fromhex(digest)


@dataclass(slots=True, kw_only=True)
class Strongroom:
    """A strongroom of its own in `folder`: may be stopped, killed and started again.

    Keys are those of `initialize`. Each `ask` opens a connection of its own, so that it may be
    used from any number of threads.
    """

    folder: Path
    port: int
    tls: bool
    storage: str
    extra_tables: str = ""
    process: subprocess.Popen[bytes] | None = None
    keys: list[str] = field(default_factory=list)
    root: str = ""

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def stderr(self) -> Path:
        """What the process has written."""
        return self.folder / "stderr"

    @property
    def data(self) -> Path:
        """The server's own folder: on SQLite, the database too."""
        return self.folder / "data"

    @property
    def ca_file(self) -> Path:
        """The authority of the generated certificate."""
        return self.data / "tls" / "ca.pem"

    def configuration(self) -> str:
        """Return the configuration that it runs with."""
        return f"""cluster_name = "test"
data_dir = "{self.data}"
[storage]
url = "{self.storage}"
[[listener]]
address = "127.0.0.1:{self.port}"
tls = {str(self.tls).lower()}
[log]
origin = "{ORIGIN}"
checkpoint_interval = "100ms"
{self.extra_tables}
"""

    def spawn(self, configuration: str | None = None) -> subprocess.Popen[bytes]:
        """Start a process on this configuration, or another, whether or not one runs."""
        self.data.mkdir(exist_ok=True)
        file = self.folder / "strongroom.toml"
        file.write_text(configuration or self.configuration())
        source = str(Path(__file__).resolve().parents[1] / "src")
        with self.stderr.open("ab") as sink:
            return subprocess.Popen(
                as_user(None, [sys.executable, "-c", RUN, str(file)]),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": source, "HOME": str(self.folder)},
                start_new_session=True,
            )

    def start(self) -> None:
        """Start it and wait until it answers; StartError if it does not come up."""
        self.process = self.spawn()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.ask("GET", "sys/seal-status")
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            else:
                return
        raise StartError(self.stderr.read_text(errors="replace")[-2_000:])

    def crash(self) -> None:
        """Kill it as a power cut would: no signal handler, no last words."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end in good order; return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)

    def close(self) -> None:
        """End whatever runs."""
        if self.process is not None:
            stop(self.process)

    # -- what a client does

    def connection(self, timeout: float = 30) -> http.client.HTTPConnection:
        """Return a connection that trusts the generated authority, and only that."""
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.ca_file)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Headers | None = None,
        over: http.client.HTTPConnection | None = None,
    ) -> Got:
        """Send one request to `/v1/{path}`, with the root token unless another is given."""
        text = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        return self.fetch(method, f"/v1/{path}", text, token=token, headers=headers, over=over)

    def fetch(
        self,
        method: str,
        target: str,
        body: bytes | str | None = None,
        *,
        token: str | None = None,
        headers: Headers | None = None,
        over: http.client.HTTPConnection | None = None,
    ) -> Got:
        """Send one request to any target."""
        chosen = self.root if token is None else token
        sent = {**({"X-Vault-Token": chosen} if chosen else {}), **(headers or {})}
        connection = over or self.connection()
        try:
            connection.request(method, target, body=body, headers=sent)
            response = connection.getresponse()
            raw = response.read()
        finally:
            if over is None:
                connection.close()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Got(status=response.status, headers=named, raw=raw)

    def initialize(self, shares: int = 1, threshold: int = 1) -> None:
        """Make the keys, and unseal with them."""
        given = {"secret_shares": shares, "secret_threshold": threshold}
        answer = self.ask("PUT", "sys/init", given)
        assert answer.status == http.HTTPStatus.OK, answer.raw
        self.keys, self.root = answer.body["keys"], answer.body["root_token"]
        self.unseal(threshold)

    def unseal(self, threshold: int = 1) -> None:
        """Give as many shares as it takes."""
        for key in self.keys[:threshold]:
            answer = self.ask("PUT", "sys/unseal", {"key": key})
            assert answer.status == http.HTTPStatus.OK, answer.raw
        assert answer.body["sealed"] is False

    def await_published(self, index: int) -> int:
        """Wait until a checkpoint holds the entry at `index`; return its size."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            got = self.fetch("GET", "/log/checkpoint", token="")
            if got.status == http.HTTPStatus.OK:
                size = int(got.raw.split(b"\n")[1])
                if size > index:
                    return size
            time.sleep(0.02)
        raise StartError(f"entry {index} is not published")

    def token(self, policy: str, name: str = "reader", **wanted: object) -> str:
        """Return a new token with one policy, whose text is given."""
        stored = self.ask("PUT", f"sys/policies/acl/{name}", {"policy": policy})
        assert stored.status == http.HTTPStatus.NO_CONTENT, stored.raw
        given = {"policies": [name], "no_default_policy": True, **wanted}
        made = self.ask("POST", "auth/token/create", given)
        assert made.status == http.HTTPStatus.OK, made.raw
        return str(made.body["auth"]["client_token"])


@contextmanager
def strongroom(
    *,
    tls: bool = False,
    storage: str = "",
    extra_tables: str = "",
    initialized: bool = True,
) -> Iterator[Strongroom]:
    """Give a running strongroom on a free port; unless `initialized` is False, unsealed."""
    with scratch("strongroom-server-") as folder:
        for last in (False,) * (PORT_TRIES - 1) + (True,):
            server = Strongroom(
                folder=folder,
                port=free_port(),
                tls=tls,
                storage=storage or f"sqlite://{folder}/data/strongroom.db",
                extra_tables=extra_tables,
            )
            try:
                server.start()
            except StartError:
                if last:
                    raise
                continue  # somebody took the port between our look and its start
            break
        try:
            if initialized:
                server.initialize()
            yield server
        finally:
            server.close()
