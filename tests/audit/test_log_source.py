"""Reading a log from a directory and over HTTP: what is there, what is not, and what is neither."""

from __future__ import annotations

import gzip
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.audit.log_source import (
    MAX_FILE_BYTES,
    DirectorySource,
    HttpSource,
    open_source,
)
from strongroom.audit.reader import verify_log
from strongroom.base.errors import InputError, UpstreamError
from tests.audit.published import LOG, entries, publish

KEYS = [LOG.verifier()]


class Answers(BaseHTTPRequestHandler):
    """Serves what its server holds: status, headers and body by path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked.append(self.path)
        status, headers, body = server.answers(self.path)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = server.hasty

    def log_message(self, *args: object) -> None:
        """Stay silent."""


class Server(ThreadingHTTPServer):
    """A web server on the loopback interface; `hasty` closes after each answer without a word."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.root = root
        self.asked: list[str] = []
        self.special: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.hasty = False

    def answers(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if path in self.special:
            return self.special[path]
        file = self.root / path.removeprefix("/log/")
        if not path.startswith("/log/") or not file.is_file():
            return 404, {}, b"not here"
        return 200, {}, file.read_bytes()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, or that trusts no such certificate, is no error here."""


@contextmanager
def serving(root: Path, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(root)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("served")
    publish(root, entries(600))
    return root


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    with serving(root) as server:
        yield server


@pytest.fixture
def source(server: Server) -> Iterator[HttpSource]:
    source = HttpSource(f"http://127.0.0.1:{server.server_port}/log/")
    yield source
    source.close()


class TestDirectories:
    def test_a_file_is_read_and_one_that_is_not_there_is_none(self, root: Path) -> None:
        source = DirectorySource(root)

        assert source.read("checkpoint") == (root / "checkpoint").read_bytes()
        assert source.read("tile/0/999") is None
        assert source.read("checkpoint/0") is None

    def test_what_cannot_be_read_is_not_missing(self, root: Path) -> None:
        with pytest.raises(UpstreamError, match="tile/0 cannot be read"):
            DirectorySource(root).read("tile/0")

    def test_no_more_is_read_than_the_largest_file_has(self, tmp_path: Path) -> None:
        with (tmp_path / "checkpoint").open("wb") as file:
            file.truncate(MAX_FILE_BYTES * 4)

        assert len(DirectorySource(tmp_path).read("checkpoint") or b"") == MAX_FILE_BYTES + 1


class TestServers:
    def test_a_log_verifies_over_http(self, source: HttpSource) -> None:
        assert verify_log(source, KEYS).entries == 600

    def test_one_connection_serves_all(self, server: Server, source: HttpSource) -> None:
        for _ in range(3):
            source.read("checkpoint")

        assert server.asked == ["/log/checkpoint"] * 3

    def test_a_server_that_closes_each_time_is_asked_again(
        self, server: Server, source: HttpSource
    ) -> None:
        server.hasty = True

        assert verify_log(source, KEYS).entries == 600

    def test_what_is_not_there_is_none(self, source: HttpSource) -> None:
        assert source.read("tile/0/999") is None

    @pytest.mark.parametrize("status", [204, 301, 302, 401, 403, 429, 500, 503])
    def test_any_other_status_is_no_answer(
        self, server: Server, source: HttpSource, status: int
    ) -> None:
        server.special["/log/checkpoint"] = (status, {"Location": "/log/tile/0/000"}, b"")

        with pytest.raises(UpstreamError, match=f"checkpoint: the server answered {status}"):
            source.read("checkpoint")

    def test_a_bundle_may_come_compressed(self, server: Server, source: HttpSource) -> None:
        body = gzip.compress(b"bundle")
        server.special["/log/tile/entries/000"] = (200, {"Content-Encoding": "gzip"}, body)

        assert source.read("tile/entries/000") == b"bundle"

    def test_a_compressed_bomb_is_cut(self, server: Server, source: HttpSource) -> None:
        body = gzip.compress(bytes(MAX_FILE_BYTES * 3))
        server.special["/log/tile/entries/000"] = (200, {"Content-Encoding": "gzip"}, body)

        assert len(source.read("tile/entries/000") or b"") == MAX_FILE_BYTES + 1

    @pytest.mark.parametrize("encoding", ["gzip", "br"])
    def test_what_cannot_be_decompressed_is_no_answer(
        self, server: Server, source: HttpSource, encoding: str
    ) -> None:
        server.special["/log/checkpoint"] = (200, {"Content-Encoding": encoding}, b"\x1f\x8bxx")

        with pytest.raises(UpstreamError, match="checkpoint"):
            source.read("checkpoint")

    def test_an_endless_body_is_cut_and_the_next_file_still_read(
        self, server: Server, source: HttpSource
    ) -> None:
        server.special["/log/tile/0/000"] = (200, {}, bytes(MAX_FILE_BYTES + 5_000))

        assert len(source.read("tile/0/000") or b"") == MAX_FILE_BYTES + 1
        assert source.read("checkpoint") is not None

    def test_a_server_that_is_not_there_is_no_answer(self, root: Path) -> None:
        with serving(root) as server:
            address = f"http://127.0.0.1:{server.server_port}/log"

        with pytest.raises(UpstreamError, match="did not answer"):
            HttpSource(address).read("checkpoint")


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return a certificate for the loopback address, and a context that serves with it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=True
        )
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


class TestTls:
    def test_a_log_verifies_with_the_servers_authority(self, root: Path, tmp_path: Path) -> None:
        public, context = certificate(tmp_path)
        with serving(root, context) as server:
            source = HttpSource(f"https://127.0.0.1:{server.server_port}/log", public)

            assert verify_log(source, KEYS).entries == 600
            source.close()

    def test_an_authority_that_nobody_trusts_is_no_answer(self, root: Path, tmp_path: Path) -> None:
        _, context = certificate(tmp_path)
        with (
            serving(root, context) as server,
            pytest.raises(UpstreamError, match="did not answer"),
        ):
            HttpSource(f"https://127.0.0.1:{server.server_port}/log").read("checkpoint")

    @pytest.mark.parametrize("text", [None, "no certificate"])
    def test_an_authority_file_without_a_certificate_is_refused(
        self, text: str | None, tmp_path: Path
    ) -> None:
        file = tmp_path / "ca.pem"
        if text is not None:
            file.write_text(text)

        with pytest.raises(InputError, match="no certificate"):
            HttpSource("https://127.0.0.1/log", file)


class TestAddresses:
    def test_a_place_is_a_directory_or_an_address(self, root: Path) -> None:
        assert isinstance(open_source(str(root)), DirectorySource)
        assert isinstance(open_source("http://127.0.0.1/log"), HttpSource)

    @pytest.mark.parametrize(
        "where",
        [
            "/no/such/directory",
            "ftp://127.0.0.1/log",
            "file:///log",
            "http://",
            "http://:80/log",
            "http://127.0.0.1:port/log",
            "http://127.0.0.1:70000/log",
            "http://user@127.0.0.1/log",
            "http://127.0.0.1/log?x=1",
            "http://127.0.0.1/log#x",
            "http://[::1/log",
        ],
    )
    def test_anything_else_is_refused(self, where: str) -> None:
        with pytest.raises(InputError):
            open_source(where)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "tile").mkdir()
    os.mkfifo(tmp_path / "checkpoint")
    source = DirectorySource(tmp_path)

    for path in ("checkpoint", "tile"):
        with pytest.raises(UpstreamError, match=path):
            source.read(path)


def test_a_server_that_takes_too_long_is_left(
    source: HttpSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.audit.log_source._WHOLE_SECONDS", -1.0)

    with pytest.raises(UpstreamError, match="it takes too long"):
        source.read("checkpoint")
