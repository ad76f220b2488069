"""What the edge does with the application's answers, defects and delays."""

from __future__ import annotations

import asyncio

import pytest

from strongroom.api.wire import HttpRequest, HttpResponse, ResponseError, encode
from tests.api.server.conftest import Serve
from tests.api.server.running import Echo, Fixed, Gated, Starting, get, post, until

PLANTED = "hvs.planted-secret"


class TestDefects:
    async def test_an_exception_is_a_bare_500_and_logged_without_its_text(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        running = await serve(Fixed(RuntimeError(PLANTED)))
        wire = await running.connect()
        reply = await wire.ask(get("/"))

        assert (reply.status, reply.json) == (500, {"errors": ["internal error"]})
        assert (await wire.ask(get("/"))).status == 500
        assert "unhandled RuntimeError at" in caplog.text
        assert PLANTED not in caplog.text

    @pytest.mark.parametrize(
        "response",
        [
            pytest.param(None, id="none at all"),
            pytest.param(HttpResponse(200, [(b"a", b"b\r\nc: d")]), id="a split header"),
            pytest.param(HttpResponse(200, [(b"a", b"b\nc: d")]), id="a line feed"),
            pytest.param(HttpResponse(200, [(b"a\r", b"b")]), id="a carriage return"),
            pytest.param(HttpResponse(200, [(b"a", b"\0")]), id="NUL"),
            pytest.param(HttpResponse(200, [(b"content-length", b"1")]), id="the edge's own"),
            pytest.param(HttpResponse(204, [], b"body"), id="a body without a place"),
            pytest.param(HttpResponse(99), id="a status out of range"),
        ],
    )
    async def test_a_response_that_cannot_be_written_is_a_bare_500(
        self, serve: Serve, response: HttpResponse | None
    ) -> None:
        running = await serve(Fixed(response))
        wire = await running.connect()
        reply = await wire.ask(get("/"))

        assert (reply.status, reply.json) == (500, {"errors": ["internal error"]})
        assert await wire.rest() == b""

    async def test_a_defect_in_start_is_a_bare_500(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken(Echo):
            def start(self, request: HttpRequest, respond: object) -> bool:
                raise RuntimeError(PLANTED)

        running = await serve(Broken())

        assert (await running.ask(get("/"))).status == 500
        assert PLANTED not in caplog.text

    async def test_204_has_no_length_and_no_body(self, serve: Serve) -> None:
        running = await serve(Fixed(HttpResponse(204)))
        wire = await running.connect()
        reply = await wire.ask(get("/"))

        assert "content-length" not in reply.headers
        assert (await wire.ask(get("/"))).status == 204

    async def test_a_status_of_vaults_own_is_written(self, serve: Serve) -> None:
        running = await serve(Fixed(HttpResponse(473)))

        assert (await running.ask(get("/v1/sys/health"))).status == 473


class TestDisconnects:
    async def test_what_was_begun_is_finished_though_nobody_listens(self, serve: Serve) -> None:
        gated = Gated()
        running = await serve(gated)
        wire = await running.connect()
        await wire.send(post("/a", b"x"))
        await until(lambda: gated.begun == ["/a"])
        wire.cut()
        await until(lambda: running.connections == 0)
        gated.gate.set()

        await until(lambda: gated.finished == ["/a"])
        assert running.buffered == 0

    async def test_what_had_not_arrived_is_forgotten(self, serve: Serve) -> None:
        gated = Gated()
        running = await serve(gated)
        wire = await running.connect()
        await wire.send(get("/a") + post("/b", b"whole")[:-1])
        await until(lambda: gated.begun == ["/a"])
        wire.cut()
        await until(lambda: running.connections == 0)
        gated.gate.set()
        await until(lambda: gated.finished == ["/a"])

        assert gated.begun == ["/a"]
        assert running.buffered == 0

    async def test_half_a_body_is_no_request(self, serve: Serve) -> None:
        echo = Echo()
        running = await serve(echo)
        wire = await running.connect()
        await wire.send(post("/a", b"whole")[:-1])
        wire.close()
        await until(lambda: running.connections == 0)

        assert echo.seen == []
        assert running.buffered == 0

    async def test_a_client_gone_amid_a_large_response_harms_nobody(self, serve: Serve) -> None:
        running = await serve(Fixed(HttpResponse(200, [], bytes(5_000_000))))
        wire = await running.connect()
        await wire.send(get("/"))
        await wire.reader.readexactly(1000)
        wire.cut()

        assert len((await running.ask(get("/"))).body) == 5_000_000


class TestStart:
    async def test_an_answer_at_once_needs_no_task(self, serve: Serve) -> None:
        starting = Starting(at_once=True)
        running = await serve(starting)
        wire = await running.connect()
        await wire.send(b"".join(get(f"/{n}") for n in range(2000)))

        assert [(await wire.reply()).body for _ in range(2000)] == [b"/%d" % n for n in range(2000)]
        assert starting.seen == []

    async def test_what_start_leaves_goes_to_the_coroutine(self, serve: Serve) -> None:
        running = await serve(Starting(at_once=True))

        assert (await running.ask(get("/a", method="LIST"))).json["method"] == "LIST"

    async def test_answers_on_one_connection_keep_their_order(self, serve: Serve) -> None:
        starting = Starting(at_once=False)
        running = await serve(starting)
        wire = await running.connect()
        await wire.send(get("/a") + get("/b", method="LIST") + get("/c"))
        await until(lambda: len(starting.held) == 1)
        await asyncio.sleep(0.02)

        assert len(starting.held) == 1
        starting.answer(0)
        assert (await wire.reply()).body == b"/a"
        assert (await wire.reply()).json["path"] == "/b"
        await until(lambda: len(starting.held) == 1)
        starting.answer(0)
        assert (await wire.reply()).body == b"/c"

    async def test_answers_on_several_connections_come_in_any_order(self, serve: Serve) -> None:
        starting = Starting(at_once=False)
        running = await serve(starting)
        wires = [await running.connect() for _ in range(3)]
        for n, wire in enumerate(wires):
            await wire.send(get(f"/{n}"))
            await until(lambda n=n: len(starting.held) == n + 1)
        for which in (2, 0, 0):
            starting.answer(which)

        assert [(await wire.reply()).body for wire in wires] == [b"/0", b"/1", b"/2"]

    async def test_a_late_answer_to_nobody_is_dropped(self, serve: Serve) -> None:
        starting = Starting(at_once=False)
        running = await serve(starting)
        wire = await running.connect()
        await wire.send(get("/a"))
        await until(lambda: len(starting.held) == 1)
        wire.cut()
        await until(lambda: running.connections == 0)
        starting.answer(0)
        starting.at_once = True

        assert (await running.ask(get("/b"))).body == b"/b"

    async def test_a_second_answer_never_reaches_the_next_request(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        starting = Starting(at_once=False)
        running = await serve(starting)
        wire = await running.connect()
        await wire.send(get("/a") + get("/b"))
        await until(lambda: len(starting.held) == 1)
        _, respond = starting.held[0]
        starting.answer(0)
        respond(HttpResponse(200, [], b"twice"))
        await until(lambda: len(starting.held) == 1)
        starting.answer(0)

        assert [(await wire.reply()).body for _ in range(2)] == [b"/a", b"/b"]
        assert "answered twice" in caplog.text


def test_requests_and_responses_print_nothing_that_they_hold() -> None:
    header = (b"x-vault-token", PLANTED.encode())
    request = HttpRequest(
        "GET", PLANTED.encode(), b"", [header], PLANTED.encode(), ("127.0.0.1", 1), None
    )

    assert PLANTED not in repr([request, HttpResponse(200, [header], PLANTED.encode())])


def test_a_response_is_written_as_rfc_9112_has_it() -> None:
    response = HttpResponse(404, [(b"x", b"y")], b"{}")

    assert encode(response, date=b"D", last=True, head=False) == (
        b"HTTP/1.1 404 Not Found\r\ndate: D\r\nx: y\r\ncontent-length: 2\r\n"
        b"connection: close\r\n\r\n{}"
    )


def test_a_forbidden_header_is_named_by_no_value() -> None:
    with pytest.raises(ResponseError) as caught:
        encode(HttpResponse(200, [(b"a", f"{PLANTED}\r\n".encode())]), date=b"", last=0, head=0)

    assert PLANTED not in str(caught.value)
