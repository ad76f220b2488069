"""A server that is killed, stopped, started twice, left by its clients, or out of room.

What was acknowledged is there afterwards, its entry at the index that was named; what was not is
there whole or not at all.
"""

from __future__ import annotations

import http.client
import os
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from tests import servers
from tests.endtoend.conftest import furnish
from tests.endtoend.taken import TakenLog, take_log
from tests.servers import Got, Strongroom

PASSWORD = "correct horse"
LOGIN = "auth/userpass/login/ada"


def reopen(server: Strongroom) -> None:
    server.start()
    server.unseal()


def runs_of(log: TakenLog) -> list[str]:
    return [code for code in log.codes() if code in ("server.start", "server.stop")]


def crashes_of(log: TakenLog) -> list[bool]:
    """Return, for each start, whether it says that the run before had crashed."""
    return [
        entry["unmapped"]["after_crash"]
        for entry in log.entries()
        if entry["metadata"]["event_code"] == "server.start"
    ]


# -- killed


@dataclass
class Load:
    """Writers that keep what was acknowledged: path, value, receipt; and any other answer."""

    server: Strongroom
    first: int
    writers: int = 6
    kept: list[tuple[str, int, tuple[int, bytes]]] = field(default_factory=list)
    strange: list[tuple[int, bytes]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.threads = [
            threading.Thread(target=self._write, args=(number,)) for number in range(self.writers)
        ]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _write(self, number: int) -> None:
        over = self.server.connection(timeout=5)
        value = self.first
        try:
            while not self.stop.is_set():
                value += 1
                path = f"secret/data/load/{number}/{value % 5}"
                got = self.server.ask("POST", path, {"data": {"n": value}}, over=over)
                if got.status == 200:
                    self.kept.append((path, value, got.receipt))
                else:
                    self.strange.append((got.status, got.raw))
        except (OSError, http.client.HTTPException):
            return  # it was killed
        finally:
            over.close()


def kill_under_load(server: Strongroom, rounds: int, folder: Path) -> None:
    chance = random.Random(20260921)
    kept: list[tuple[int, bytes]] = []
    for number in range(rounds):
        with Load(server, first=number * 1_000_000) as load:
            time.sleep(0.15 + chance.random() * 0.5)
            server.crash()
        assert load.kept, "it was killed before the load began"
        assert not load.strange, server.stderr.read_text()[-4_000:]
        kept += [receipt for _, _, receipt in load.kept]
        reopen(server)
        log = take_log(server, folder / str(number))
        for receipt in kept:
            log.holds(receipt)
        for receipt in kept[-20:]:
            log.proves(receipt)
        assert crashes_of(log)[-1] is True
        check_values(server, load)


def check_values(server: Strongroom, load: Load) -> None:
    """The newest acknowledged value of each path is there, or one written after it."""
    newest: dict[str, int] = {}
    for path, value, _ in load.kept:
        newest[path] = max(value, newest.get(path, 0))
    for path, value in newest.items():
        found = server.ask("GET", path).body["data"]["data"]["n"]

        assert found >= value, path


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(
    own_server: Strongroom, tmp_path: Path
) -> None:
    kill_under_load(own_server, 2, tmp_path)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_however_often_the_server_is_killed(
    own_server: Strongroom, tmp_path: Path
) -> None:
    kill_under_load(own_server, 10, tmp_path)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_on_postgresql(
    postgresql_durable: servers.PostgreSQL, tmp_path: Path
) -> None:
    with (
        postgresql_durable.database() as database,
        servers.strongroom(storage=database.url) as server,
    ):
        furnish(server)
        kill_under_load(server, 5, tmp_path)


def test_a_killed_server_starts_sealed_and_says_that_it_crashed(
    own_server: Strongroom, tmp_path: Path
) -> None:
    own_server.ask("POST", "secret/data/app", {"data": {"a": "b"}})
    own_server.crash()
    own_server.start()
    sealed = own_server.ask("GET", "secret/data/app").status
    own_server.unseal()

    log = take_log(own_server, tmp_path)

    assert sealed == 503
    assert own_server.ask("GET", "secret/data/app").body["data"]["data"] == {"a": "b"}
    assert runs_of(log) == ["server.start", "server.start"]
    assert crashes_of(log) == [False, True]


# -- stopped


def person(server: Strongroom) -> None:
    """Make somebody whose login takes its time: it hashes a password."""
    server.ask("POST", "sys/auth/userpass", {"type": "userpass"})
    server.ask("POST", "auth/userpass/users/ada", {"password": PASSWORD})


def send_login(server: Strongroom) -> socket.socket:
    """Send a whole request to log in; the answer is not awaited."""
    body = f'{{"password": "{PASSWORD}"}}'.encode()
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST /v1/{LOGIN} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def answer(connection: socket.socket) -> tuple[int, str]:
    with connection:
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        response.read()
        return response.status, response.headers["audit-receipt"]


def test_a_stop_answers_what_is_under_way_and_writes_its_end_down(
    own_server: Strongroom, tmp_path: Path
) -> None:
    person(own_server)
    first, *others = [send_login(own_server) for _ in range(12)]
    answers = [answer(first)]  # all have arrived; most of the passwords are still being hashed

    status = own_server.stop()
    answers += [answer(each) for each in others]

    reopen(own_server)
    log = take_log(own_server, tmp_path)
    assert status == 0
    assert {each for each, _ in answers} == {200}
    for _, receipt in answers:
        index, _, digest = receipt.partition(".")
        log.holds((int(index), bytes.fromhex(digest)))
    assert runs_of(log) == ["server.start", "server.stop", "server.start"]
    assert crashes_of(log) == [False, False]


def test_a_stop_publishes_the_last_entry(own_server: Strongroom, tmp_path: Path) -> None:
    own_server.stop()
    own_server.start()

    note = own_server.fetch("GET", "/log/checkpoint").raw
    own_server.unseal()

    stopped = take_log(own_server, tmp_path).codes().index("server.stop")
    assert int(note.split(b"\n")[1]) == stopped + 1


def test_a_second_signal_is_not_needed_and_no_more_is_answered(own_server: Strongroom) -> None:
    assert own_server.stop() == 0

    with pytest.raises(OSError, match="refused"):
        own_server.ask("GET", "sys/health")


# -- started twice


def second_start(server: Strongroom) -> tuple[int, str]:
    before = server.stderr.stat().st_size
    process = server.spawn()
    try:
        status = process.wait(20)
    finally:
        servers.stop(process)
    return status, server.stderr.read_bytes()[before:].decode()


def test_a_second_start_on_the_same_database_says_so_and_ends(own_server: Strongroom) -> None:
    status, said = second_start(own_server)

    assert status not in (0, None)
    assert "another strongroom server has" in said
    assert "Traceback" not in said
    assert own_server.ask("GET", "sys/health").status == 200


@pytest.mark.slow
def test_a_second_start_on_the_same_postgresql_database_says_so_and_ends(
    postgresql_database: servers.Database,
) -> None:
    with servers.strongroom(storage=postgresql_database.url) as server:
        status, said = second_start(server)

        assert status not in (0, None)
        assert "another strongroom server has" in said
        assert "Traceback" not in said
        assert server.ask("GET", "sys/health").status == 200


# -- left by a client


def test_a_client_that_goes_away_is_served_to_the_end(
    own_server: Strongroom, tmp_path: Path
) -> None:
    person(own_server)
    for _ in range(5):
        send_login(own_server).close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        log = take_log(own_server, tmp_path / str(time.monotonic_ns()))
        if log.codes().count("auth.login") == 5:
            break

    logins = [e for e in log.entries() if e["metadata"]["event_code"] == "auth.login"]
    assert [entry["status_id"] for entry in logins] == [1] * 5


def test_half_a_request_changes_nothing(own_server: Strongroom, tmp_path: Path) -> None:
    with socket.create_connection(("127.0.0.1", own_server.port)) as connection:
        connection.sendall(
            b"POST /v1/secret/data/half HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n"
            b"x-vault-token: " + own_server.root.encode() + b'\r\n\r\n{"data": {"a":'
        )

    assert own_server.ask("GET", "secret/data/half").status == 404


# -- too much


def test_a_body_beyond_the_limit_is_refused_on_record(
    own_server: Strongroom, tmp_path: Path
) -> None:
    """The client may still be sending when it is refused, so its answer is read from the socket."""
    size = 33 * 1024 * 1024
    with socket.create_connection(("127.0.0.1", own_server.port), timeout=20) as connection:
        connection.sendall(
            b"POST /v1/secret/data/big HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n"
            b"x-vault-token: %s\r\n\r\n" % (size, own_server.root.encode())
        )
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        body = response.read()

    refused = [
        entry
        for entry in take_log(own_server, tmp_path).entries()
        if entry["unmapped"]["path"] == "secret/data/big"
    ]
    assert response.status == 413
    assert b"too large" in body
    assert [entry["status_code"] for entry in refused] == ["413"]


def test_a_large_body_within_the_limit_is_served(own_server: Strongroom) -> None:
    value = "x" * (8 * 1024 * 1024)

    written = own_server.ask("POST", "secret/data/large", {"data": {"a": value}})

    assert written.status == 200
    assert own_server.ask("GET", "secret/data/large").body["data"]["data"]["a"] == value


# -- no room


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Give a file system of one's own, of this size; skips where none can be mounted."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    with servers.scratch("strongroom-small-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("no small file system can be mounted here")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def until(server: Strongroom, status: int) -> Got:
    deadline = time.monotonic() + 10
    while True:
        got = server.ask("POST", "secret/data/app", {"data": {"a": "b"}})
        if got.status == status or time.monotonic() > deadline:
            return got
        time.sleep(0.05)


def test_a_full_disk_is_503_with_the_reason_until_there_is_room_again(tmp_path: Path) -> None:
    with small_disk(160) as disk:
        storage = f"sqlite://{disk}/db/strongroom.db"
        with servers.strongroom(storage=storage) as server:
            furnish(server)
            until(server, 200)
            ballast = disk / "ballast"
            ballast.write_bytes(b"x" * (110 * 1024 * 1024))
            full = until(server, 503)
            reads = server.ask("GET", "secret/data/app")
            health = server.ask("GET", "sys/health")
            ballast.unlink()
            again = until(server, 200)
            log = take_log(server, tmp_path)

            assert full.status == 503
            assert "disk is nearly full" in full.errors[0]
            assert full.headers["retry-after"] == "1"
            assert reads.status == 503  # a read that could not be written down is not answered
            assert health.status == 503
            assert b"disk is nearly full" in health.raw
            assert again.status == 200
            log.holds(again.receipt)
