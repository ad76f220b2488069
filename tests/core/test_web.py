"""Asking other systems, against real ones on loopback that do what a bad one may do."""

from __future__ import annotations

import asyncio
import os
import socket
import socketserver
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strongroom.api.certificates import generated_certificate
from strongroom.base.errors import InputError, UpstreamError
from strongroom.core.web import THREADS_OF_ONE, HttpWeb
from strongroom.sdk.web import Question, Response

SECRET = "s3cret-of-the-question"
SOON = timedelta(milliseconds=400)
OK = b"HTTP/1.1 200 OK\r\n"
Serve = Callable[[socket.socket, bytes], None]


@contextmanager
def listening(serve: Serve, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Give the port of a server that does `serve` with each connection and what it was sent."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            sock = self.request
            try:
                if context is not None:
                    sock = context.wrap_socket(sock, server_side=True)
                head = b""
                while b"\r\n\r\n" not in head and (piece := sock.recv(65536)):
                    head += piece
                serve(sock, head)
            except OSError:
                pass
            finally:
                sock.close()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def said(*pieces: bytes) -> Serve:
    """Return what answers these bytes and closes."""
    return lambda sock, _head: [sock.sendall(piece) for piece in pieces] and None  # type: ignore[func-returns-value]


def ended(stop: threading.Event) -> bool:
    return stop.wait(0.02)


async def asked(port: int, path: str = "/", **more: object) -> Response:
    given = {"within": SOON, **more}
    return await HttpWeb().ask(Question(url=f"http://127.0.0.1:{port}{path}", **given))  # type: ignore[arg-type]


async def refused(port: int, **more: object) -> str:
    with pytest.raises(UpstreamError) as caught:
        await asked(port, headers={"Authorization": SECRET}, body=SECRET.encode(), **more)
    assert SECRET not in str(caught.value)
    assert str(caught.value).startswith("127.0.0.1 ")
    return str(caught.value)


class TestAnswers:
    async def test_the_whole_answer_comes_back_whatever_its_status(self) -> None:
        body = b"HTTP/1.1 403 No\r\nContent-Length: 4\r\nX-Told: Yes\r\n\r\nnope"
        with listening(said(body)) as port:
            answer = await asked(port)

        assert (answer.status, answer.body, answer.headers["x-told"]) == (403, b"nope", "Yes")

    async def test_a_question_is_sent_as_it_is_given(self) -> None:
        heads: list[bytes] = []

        def serve(sock: socket.socket, head: bytes) -> None:
            heads.append(head)
            sock.sendall(OK + b"Content-Length: 0\r\n\r\n")

        with listening(serve) as port:
            await asked(port, "/a%20b?c=d&e", method="POST", body=b"x=1", headers={"X-A": "b"})

        [head] = heads
        assert head.startswith(b"POST /a%20b?c=d&e HTTP/1.1\r\n")
        assert f"\r\nHost: 127.0.0.1:{port}\r\n".encode() in head
        assert b"\r\nX-A: b\r\n" in head
        assert b"\r\nContent-Length: 3\r\n" in head
        assert head.endswith(b"\r\n\r\nx=1")

    async def test_a_redirect_is_an_answer_and_is_not_followed(self) -> None:
        hits: list[bytes] = []

        def serve(sock: socket.socket, head: bytes) -> None:
            hits.append(head)
            to = b"http://127.0.0.1:%d/elsewhere" % sock.getsockname()[1]
            sock.sendall(
                b"HTTP/1.1 302 Found\r\nLocation: " + to + b"\r\nContent-Length: 0\r\n\r\n"
            )

        with listening(serve) as port:
            answer = await asked(port)

        assert answer.status == 302
        assert len(hits) == 1

    async def test_no_proxy_of_the_environment_is_asked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with (
            listening(said(OK + b"\r\nright")) as port,
            listening(said(OK + b"\r\nproxy")) as other,
        ):
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{other}")
            answer = await asked(port)

        assert answer.body == b"right"

    async def test_what_is_asked_at_once_is_answered_each_by_its_own(self) -> None:
        def serve(sock: socket.socket, head: bytes) -> None:
            sock.sendall(OK + b"\r\n" + head.split()[1])

        web = HttpWeb()
        with listening(serve) as port:
            questions = [Question(url=f"http://127.0.0.1:{port}/{n}") for n in range(60)]
            answers = await asyncio.gather(*(web.ask(each) for each in questions))

        assert [each.body for each in answers] == [f"/{n}".encode() for n in range(60)]


def _drips_body(stop: threading.Event) -> Serve:
    def serve(sock: socket.socket, _head: bytes) -> None:
        sock.sendall(OK + b"Content-Length: 100000\r\n\r\n")
        while not ended(stop):
            sock.sendall(b".")

    return serve


def _drips_headers(stop: threading.Event) -> Serve:
    def serve(sock: socket.socket, _head: bytes) -> None:
        sock.sendall(OK)
        while not ended(stop):
            sock.sendall(b"X")

    return serve


def _continues_for_ever(stop: threading.Event) -> Serve:
    def serve(sock: socket.socket, _head: bytes) -> None:
        while not ended(stop):
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    return serve


def _hangs(stop: threading.Event) -> Serve:
    return lambda _sock, _head: stop.wait(20) and None  # type: ignore[func-returns-value]


class TestBadServers:
    @pytest.mark.parametrize(
        "bad", [_hangs, _drips_body, _drips_headers, _continues_for_ever], ids=lambda f: f.__name__
    )
    async def test_the_deadline_holds_for_all_of_it(
        self, bad: Callable[[threading.Event], Serve]
    ) -> None:
        stop, started = threading.Event(), time.monotonic()
        with listening(bad(stop)) as port:
            why = await refused(port)
        stop.set()

        assert why == "127.0.0.1 did not answer in time"
        assert time.monotonic() - started < 3

    async def test_a_handshake_that_hangs_ends_in_time(self) -> None:
        stop = threading.Event()
        with (
            listening(_hangs(stop)) as port,
            pytest.raises(UpstreamError, match="did not answer in time"),
        ):
            await HttpWeb().ask(Question(url=f"https://127.0.0.1:{port}/", within=SOON))
        stop.set()

    @pytest.mark.parametrize(
        "head", [b"", b"Content-Length: 999999999\r\n", b"Transfer-Encoding: chunked\r\n"]
    )
    async def test_what_grows_without_bound_is_cut_off(self, head: bytes) -> None:
        def serve(sock: socket.socket, _head: bytes) -> None:
            sock.sendall(OK + head + b"\r\n")
            piece = b"x" * 4096
            while True:
                sock.sendall(b"1000\r\n%s\r\n" % piece if b"chunked" in head else piece)

        with listening(serve) as port:
            why = await refused(port, most=100_000, within=timedelta(seconds=10))

        assert why == "127.0.0.1 answered with more than 100000 bytes"

    async def test_a_body_of_just_the_most_is_taken(self) -> None:
        with listening(said(OK + b"Content-Length: 10\r\n\r\n0123456789")) as port:
            assert (await asked(port, most=10)).body == b"0123456789"

    async def test_headers_without_end_are_refused(self) -> None:
        def serve(sock: socket.socket, _head: bytes) -> None:
            sock.sendall(OK)
            while True:
                sock.sendall(b"X-More: " + b"y" * 1000 + b"\r\n")

        with listening(serve) as port:
            assert await refused(port) == "127.0.0.1 did not answer in HTTP"

    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            (b"SSH-2.0-OpenSSH\r\n", "did not answer in HTTP"),
            (b"", "closed the connection"),
            (b"HTTP/1.1 abc\r\n\r\n", "did not answer in HTTP"),
            (OK + b"Content-Length: 10\r\n\r\n123", "closed the connection"),
            (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "did not answer in HTTP"),
        ],
    )
    async def test_what_is_no_whole_answer_is_none(self, answer: bytes, why: str) -> None:
        with listening(said(answer)) as port:
            assert await refused(port) == f"127.0.0.1 {why}"

    async def test_a_reset_is_told(self) -> None:
        def serve(sock: socket.socket, _head: bytes) -> None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()

        with listening(serve) as port:
            assert await refused(port) == "127.0.0.1 closed the connection"

    async def test_nobody_there_is_told(self) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            assert await refused(held.getsockname()[1]) == "127.0.0.1 refused the connection"

    async def test_one_that_hangs_delays_only_who_asks_it(self) -> None:
        stop, web = threading.Event(), HttpWeb(threads=THREADS_OF_ONE + 1)
        with listening(_hangs(stop)) as hung, listening(said(OK + b"\r\nhere")) as well:
            late = [
                asyncio.ensure_future(
                    web.ask(Question(url=f"http://127.0.0.1:{hung}/", within=SOON * 3))
                )
                for _ in range(40)
            ]
            await asyncio.sleep(0.05)
            started = time.monotonic()
            answer = await web.ask(Question(url=f"http://127.0.0.1:{well}/", within=SOON))
            took = time.monotonic() - started
            failed = await asyncio.gather(*late, return_exceptions=True)
        stop.set()

        assert answer.body == b"here"
        assert took < 0.3
        assert {str(each) for each in failed} == {"127.0.0.1 did not answer in time"}
        assert threading.active_count() < 40


class TestTls:
    @pytest.fixture
    def served(self, tmp_path: Path) -> tuple[str, ssl.SSLContext]:
        now = datetime.now(UTC)
        made = generated_certificate(tmp_path, ("127.0.0.1",), now, os.urandom)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.certificate, made.key)
        return (tmp_path / "ca.pem").read_text(), context

    async def test_a_certificate_of_the_given_authority_is_trusted(
        self, served: tuple[str, ssl.SSLContext]
    ) -> None:
        authority, context = served
        with listening(said(OK + b"Content-Length: 4\r\n\r\nsafe"), context) as port:
            question = Question(url=f"https://127.0.0.1:{port}/", authorities=authority)
            answer = await HttpWeb().ask(question)

        assert answer.body == b"safe"

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    async def test_a_wrong_certificate_is_refused(
        self, served: tuple[str, ssl.SSLContext], host: str
    ) -> None:
        authority, context = served
        trusted = authority if host == "localhost" else ""  # of a name that it does not have
        with listening(said(OK + b"\r\n"), context) as port:
            question = Question(url=f"https://{host}:{port}/", authorities=trusted)
            with pytest.raises(UpstreamError, match="showed a certificate that is not trusted"):
                await HttpWeb().ask(question)

    async def test_old_tls_is_refused(self, served: tuple[str, ssl.SSLContext]) -> None:
        authority, context = served
        with warnings.catch_warnings(action="ignore"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with listening(said(OK + b"\r\n"), context) as port:
            question = Question(
                url=f"https://127.0.0.1:{port}/", authorities=authority, within=SOON
            )
            with pytest.raises(UpstreamError, match="spoke no TLS that is taken here"):
                await HttpWeb().ask(question)

    async def test_authorities_that_are_none_are_the_askers_mistake(self) -> None:
        with pytest.raises(InputError, match="not certificates in PEM"):
            await HttpWeb().ask(Question(url="https://127.0.0.1:1/", authorities="nonsense"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://idp.example/",
        "http://127.0.0.1.example/",
        "https://user:pass@idp.example/",
        "https://idp.example/#here",
        "https://idp.example/a b",
        "https://idp.example/\r\nX-Injected: 1",
        "https://idp.example:99999/",
        "https://[::1/",
        "https:///path",
        "https://idp.example/" + "a" * 9000,
        "https://münchen.example/",
    ],
)
async def test_a_url_that_cannot_be_asked_is_the_askers_mistake(url: str) -> None:
    with pytest.raises(InputError):
        await HttpWeb().ask(Question(url=url))


async def test_a_header_cannot_bring_another() -> None:
    with pytest.raises(InputError):
        await HttpWeb().ask(Question(url="http://127.0.0.1:1/", headers={"A": "b\r\nC: d"}))


def test_a_question_does_not_print_what_it_holds() -> None:
    question = Question(url="https://x/", headers={"A": SECRET}, body=SECRET.encode())

    assert SECRET not in repr(question)
