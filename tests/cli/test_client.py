"""HTTP: TLS that is always verified, and errors that say what to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from strongroom.base.secret import Secret
from strongroom.cli.client import Client, Target, printable
from strongroom.cli.errors import CommandError, RefusedError, UnreachableError
from tests import servers
from tests.cli.conftest import Shell
from tests.oracles.openbao import OpenBao


@contextmanager
def answering(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """Serve one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def dribbling() -> Iterator[str]:
    """Serve an answer a byte at a time, each soon enough."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer, suppress(OSError):
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while not done.wait(0.02):
                    peer.sendall(b"a")

        done = Event()
        Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        done.set()


def client(address: str) -> Client:
    return Client(Target(address=address, timeout=5), Secret("s.token"))


def ask(address: str, path: str = "x") -> Any:
    with closing(client(address)) as asked:
        return asked.get(path)


class TestStrangeAnswers:
    @pytest.mark.parametrize("status", [301, 302, 303])
    def test_a_redirect_that_is_not_followed_is_said(self, status: int) -> None:
        elsewhere = {"Location": "file:///etc/passwd"}

        with (
            answering(status, b"", **elsewhere) as address,
            pytest.raises(UnreachableError, match="redirects elsewhere"),
        ):
            ask(address)

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"<html>", "text/html"),
            (b"[1]", "application/json"),
            (b'"x"', "application/json"),
            (b"{", "application/json"),
        ],
    )
    def test_what_is_no_answer_of_such_a_server_is_said(self, body: bytes, kind: str) -> None:
        with (
            answering(200, body, **{"Content-Type": kind}) as address,
            pytest.raises(CommandError, match="does not answer as a Vault-compatible server"),
        ):
            ask(address)

    @pytest.mark.parametrize("command", [("status",), ("kv", "get", "secret/a")])
    def test_no_command_takes_it_for_a_defect(
        self, command: tuple[str, ...], nowhere: Shell
    ) -> None:
        for status, kind in ((302, "text/html"), (200, "text/html"), (200, "application/json")):
            with answering(status, b"[]", **{"Content-Type": kind}) as address:
                done = nowhere(*command, "--address", address)

            assert done.code != 0
            assert "defect" not in done.err
            assert address in done.err

    def test_an_answer_without_an_end_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("strongroom.cli.client._LARGEST", 1000)

        with (
            answering(200, b"a" * 2000) as address,
            pytest.raises(CommandError, match="does not end"),
        ):
            ask(address)

    def test_an_answer_that_dribbles_is_left(self) -> None:
        with (
            dribbling() as address,
            closing(Client(Target(address=address, timeout=0.2), None)) as asked,
            pytest.raises(UnreachableError, match="did not answer in time"),
        ):
            asked.get("x")

    def test_an_answer_that_is_cut_short_is_none(self) -> None:
        with (
            answering(200, b"a", **{"Content-Length": "2"}) as address,
            pytest.raises(UnreachableError, match="cannot be reached"),
        ):
            ask(address)


class TestTls:
    def test_a_server_is_trusted_through_the_authority_given(
        self, nowhere: Shell, tls_server: tuple[str, Path]
    ) -> None:
        address, authority = tls_server

        done = nowhere("status", "-address", address, "-ca-cert", str(authority))

        assert done.code == 0
        assert "unsealed" in done.out

    @pytest.mark.parametrize("variable", ["STRONGROOM_CACERT", "VAULT_CACERT"])
    def test_the_authority_may_come_from_the_environment(
        self, variable: str, nowhere: Shell, tls_server: tuple[str, Path]
    ) -> None:
        nowhere.environment[variable] = str(tls_server[1])

        assert nowhere("status", "-address", tls_server[0]).code == 0

    def test_a_server_that_nobody_vouches_for_is_refused_whatever_the_environment_says(
        self, nowhere: Shell, tls_server: tuple[str, Path]
    ) -> None:
        nowhere.environment |= {"VAULT_SKIP_VERIFY": "true", "BAO_SKIP_VERIFY": "true"}

        done = nowhere("status", "-address", tls_server[0])

        assert done.code == 2
        assert "is not trusted" in done.err
        assert "--ca-cert FILE" in done.err

    def test_plain_http_to_a_tls_port_says_so(
        self, nowhere: Shell, tls_server: tuple[str, Path]
    ) -> None:
        done = nowhere("status", "-address", tls_server[0].replace("https", "http"))

        assert done.code == 2
        assert "expects TLS; begin the address with https://" in done.err

    def test_tls_to_a_plain_port_says_so(self, shell: Shell, vault: OpenBao) -> None:
        done = shell("status", "-address", vault.address.replace("http", "https"))

        assert done.code == 2
        assert "does not answer with TLS" in done.err

    def test_an_authority_that_is_none_is_named(self, nowhere: Shell, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("no certificate")

        done = nowhere("status", "-ca-cert", str(tmp_path / "ca.pem"))

        assert done.code == 1
        assert "ca.pem cannot be used as a certificate" in done.err

    def test_nothing_is_sent_without_tls_but_to_this_machine(self, nowhere: Shell) -> None:
        nowhere.environment["STRONGROOM_TOKEN"] = "s.hunter2"

        done = nowhere("token", "lookup", "-address=http://vault.example:8200")

        assert done.code == 1
        assert "is not on this machine, and has no TLS" in done.err


class TestAddresses:
    @pytest.mark.parametrize(
        "address", ["127.0.0.1:8200", "ftp://host", "https://", "https://h:x", "https://h/?q=1"]
    )
    def test_an_address_of_another_form_is_refused(self, address: str) -> None:
        with pytest.raises(CommandError, match="not of the form https://HOST:PORT"):
            client(address)

    def test_nobody_there_is_said_with_what_to_do(self, nowhere: Shell) -> None:
        done = nowhere("status", "-address", f"http://127.0.0.1:{servers.free_port()}")

        assert done.code == 2
        assert "cannot be reached (connection refused); is the server running" in done.err


class TestAnswers:
    def test_a_refusal_carries_its_status_and_body(self) -> None:
        with (
            answering(400, b'{"errors": ["one", "two"]}') as address,
            pytest.raises(RefusedError, match=r"^some/path: one; two \(400\)$") as caught,
        ):
            ask(address, "some/path")

        assert caught.value.status == 400

    def test_what_a_server_says_cannot_move_the_cursor(self) -> None:
        with (
            answering(500, b'{"errors": ["a\\u001b[2Jb\\r\\nc"]}') as address,
            pytest.raises(RefusedError) as caught,
        ):
            ask(address)

        assert "\x1b" not in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_sealed_server_is_named_with_what_to_do(self) -> None:
        with (
            answering(503, b'{"errors": ["Vault is sealed"]}') as address,
            pytest.raises(RefusedError, match="is sealed; open it with `strongroom unseal`"),
        ):
            ask(address)

    def test_a_redirect_is_followed_once_and_to_the_same_scheme(self) -> None:
        with (
            answering(200, b'{"found": true}') as leader,
            answering(307, b"", Location=f"{leader}/v1/x") as standby,
        ):
            found = ask(standby)
        with (
            answering(307, b"", Location="ftp://127.0.0.1/") as elsewhere,
            pytest.raises(UnreachableError, match="redirects elsewhere"),
        ):
            ask(elsewhere)

        assert found == {"found": True}

    @pytest.mark.parametrize(("text", "shown"), [("a\tb\n c", "a b c"), ("a\x00b\x9bc", "a b c")])
    def test_shown_text_is_one_line(self, text: str, shown: str) -> None:
        assert printable(text) == shown
