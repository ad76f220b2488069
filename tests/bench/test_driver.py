"""Our load driver against the bare endpoint and against servers that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import driver, servers
from bench.load import Bounds, Request

READS = tuple(Request(method="GET", path=f"/v1/secret/data/{n}") for n in range(7))


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """A server that answers one connection once, and closes it."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join()


def test_a_load_stops_at_its_number_of_requests(tmp_path: Path) -> None:
    with servers.bare(tmp_path, b'{"data":{}}') as server:
        measured = driver.drive(server.address, READS, Bounds(seconds=30, requests=500))

    assert (measured.requests, measured.failed) == (500, 0)
    assert 0 < measured.p50 <= measured.p99


def test_a_load_stops_at_its_time(tmp_path: Path) -> None:
    with servers.bare(tmp_path, b"{}") as server:
        measured = driver.drive(server.address, READS, Bounds(seconds=0.2, connections=4))

    assert measured.requests > 0
    assert measured.seconds >= 0.19  # timers of the loop are whole milliseconds


def test_a_server_goes_with_its_with(tmp_path: Path) -> None:
    with servers.bare(tmp_path, b"{}") as server:
        assert server.resident_megabytes() > 1

    assert server.process.poll() is not None


def test_a_refusal_is_counted_as_failed() -> None:
    refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"

    with answering(refused) as address:
        measured = driver.drive(address, READS, Bounds(seconds=5, requests=1, connections=1))

    assert (measured.requests, measured.failed) == (1, 1)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", id="closed early"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", id="too much"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nab", id="without a length"),
    ],
)
def test_a_broken_reply_ends_the_load(reply: bytes) -> None:
    with answering(reply) as address, pytest.raises(driver.BrokenReplyError):
        driver.drive(address, READS, Bounds(seconds=5, connections=1))


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo no such option; exit 2"]

    with (
        pytest.raises(servers.StoppedError, match=r"ended with 2:\nno such option"),
        servers.started("odd", command, tmp_path, servers.free_port()),
    ):
        pass
