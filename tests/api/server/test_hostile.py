"""Clients that send too much, too slowly, or what is not HTTP."""

from __future__ import annotations

import asyncio

import pytest

from strongroom.api.wire import HttpResponse
from tests.api.server.conftest import Serve
from tests.api.server.running import Echo, Fixed, Gated, chunked, get, post, until

TOO_LARGE = {"errors": ["request body too large: the limit is 1000 bytes"]}


class TestMalformed:
    @pytest.mark.parametrize(
        "sent",
        [
            pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), id="TLS"),
            pytest.param(b"\x00\x00\x00\x00", id="NULs"),
            pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
            pytest.param(get("/a\0b"), id="NUL in the path"),
            pytest.param(get("/é"), id="raw UTF-8 in the path"),
            pytest.param(get("no-slash"), id="a target that is no path"),
            pytest.param(get("ftp://h/a"), id="another scheme"),
            pytest.param(get("*"), id="an asterisk"),
            pytest.param(get("/", "X: a\0b"), id="NUL in a header"),
            pytest.param(get("/", "X: a\r\n folded"), id="a folded header"),
            pytest.param(get("/", "X : a"), id="a space before the colon"),
            pytest.param(get("/", ": a"), id="a header without a name"),
            pytest.param(get("/", "X: a\nY: b"), id="a bare line feed"),
            pytest.param(get("/", version="3.7"), id="another version"),
            pytest.param(get("/", "Content-Length: x"), id="a length in letters"),
            pytest.param(get("/", "Content-Length: -1"), id="a negative length"),
            pytest.param(get("/", "Content-Length: +1"), id="a length with a sign"),
            pytest.param(get("/", f"Content-Length: {'9' * 40}"), id="a length past 64 bits"),
            pytest.param(post("/", b"a", "Content-Length: 1"), id="two lengths"),
            pytest.param(post("/", b"a", "Transfer-Encoding: chunked"), id="both kinds of length"),
            pytest.param(get("/", "Transfer-Encoding: gzip", method="POST"), id="never-ending"),
            pytest.param(
                get("/", "Transfer-Encoding: chunked", method="POST") + b"xyz\r\n", id="a bad chunk"
            ),
            pytest.param(
                post("/", b"a", "Connection: upgrade", "Upgrade: h2c"), id="an upgrade with a body"
            ),
            pytest.param(b"\r\nLIST  HTTP/1.1\r\n\r\n", id="a verb without a target"),
        ],
    )
    async def test_what_is_not_http_gets_400_and_no_more(self, serve: Serve, sent: bytes) -> None:
        echo = Echo()
        running = await serve(echo)
        wire = await running.connect()
        reply = await wire.ask(sent)

        assert reply.status == 400
        assert reply.json == {"errors": ["malformed HTTP request"]}
        assert reply.headers["connection"] == "close"
        assert await wire.rest() == b""
        assert echo.seen == []

    async def test_what_came_before_is_answered_first(self, serve: Serve) -> None:
        gated = Gated()
        running = await serve(gated)
        wire = await running.connect()
        await wire.send(get("/a") + get("/b") + b"rubbish\r\n\r\n" + get("/smuggled"))
        await until(lambda: gated.begun == ["/a"])
        gated.gate.set()

        assert [(await wire.reply()).status for _ in range(3)] == [200, 200, 400]
        assert await wire.rest() == b""
        assert gated.begun == ["/a", "/b"]

    async def test_an_unknown_expectation_is_refused(self, serve: Serve) -> None:
        running = await serve()

        assert (await running.ask(get("/", "Expect: the-impossible"))).status == 417

    async def test_connect_is_refused(self, serve: Serve) -> None:
        running = await serve()

        assert (await running.ask(b"CONNECT h:1 HTTP/1.1\r\n\r\nhello")).status == 405


class TestTooLarge:
    async def test_a_body_of_exactly_the_limit_is_taken(self, serve: Serve) -> None:
        running = await serve(body_bytes=1000)
        wire = await running.connect()

        assert (await wire.ask(post("/", bytes(1000)))).json["size"] == 1000
        assert (await wire.ask(chunked("/", [bytes(500)] * 2))).json["size"] == 1000

    async def test_a_longer_one_is_refused_by_its_length_alone(self, serve: Serve) -> None:
        running = await serve(body_bytes=1000)
        wire = await running.connect()
        reply = await wire.ask(get("/", "Content-Length: 1001", method="POST"))

        assert (reply.status, reply.json) == (413, TOO_LARGE)
        assert await wire.rest() == b""

    async def test_it_is_not_invited_either(self, serve: Serve) -> None:
        running = await serve(body_bytes=1000)
        asked = get("/", "Content-Length: 1001", "Expect: 100-continue", method="POST")

        assert (await running.ask(asked)).status == 413

    async def test_a_chunked_one_is_refused_when_it_passes_the_limit(self, serve: Serve) -> None:
        echo = Echo()
        running = await serve(echo, body_bytes=1000)
        wire = await running.connect()
        reply = await wire.ask(chunked("/", [bytes(400)] * 3))

        assert (reply.status, reply.json) == (413, TOO_LARGE)
        assert echo.seen == []
        await until(lambda: running.buffered == 0)

    async def test_the_refusal_is_read_by_a_client_that_goes_on_sending(self, serve: Serve) -> None:
        running = await serve(body_bytes=1000)
        wire = await running.connect()
        wire.writer.write(get("/", "Content-Length: 4000000", method="POST") + bytes(4_000_000))

        assert (await wire.reply()).status == 413

    @pytest.mark.parametrize(
        "asked",
        [
            pytest.param(get("/", f"X: {'a' * 70_000}"), id="one header"),
            pytest.param(get("/", *(f"X{n}: {'a' * 90}" for n in range(700))), id="many headers"),
            pytest.param(get("/" + "a" * 70_000), id="the path"),
            pytest.param(get("/", f"X: {'a' * 2_000_000}")[:-4], id="one that never ends"),
            pytest.param(
                get("/", "Transfer-Encoding: chunked", method="POST") + b"1;" + b"e" * 900_000,
                id="a chunk's extension",
            ),
            pytest.param(chunked("/", [b"a"])[:-2] + b"T: " + b"t" * 900_000, id="a trailer"),
        ],
    )
    async def test_a_header_block_past_its_cap_is_refused(self, serve: Serve, asked: bytes) -> None:
        echo = Echo()
        running = await serve(echo)
        wire = await running.connect()
        wire.writer.write(asked)

        assert (await wire.reply()).status == 431
        assert echo.seen == []

    async def test_a_header_block_within_it_is_taken(self, serve: Serve) -> None:
        running = await serve()
        wire = await running.connect()
        for _ in range(3):
            assert (await wire.ask(get("/", f"X: {'a' * 60_000}"))).status == 200

    async def test_many_small_requests_at_once_are_no_large_header(self, serve: Serve) -> None:
        running = await serve(header_bytes=1000)
        wire = await running.connect()
        asked = [get(f"/{n}", "X: " + "a" * 300) for n in range(100)]
        await wire.send(b"".join(asked)[:-100], b"".join(asked)[-100:])

        assert {(await wire.reply()).status for _ in asked} == {200}

    async def test_bodies_of_all_requests_together_are_bounded(self, serve: Serve) -> None:
        gated = Gated()
        running = await serve(gated, buffered_bytes=1500, spared_bytes=500)
        first, small = await running.connect(), await running.connect()
        await first.send(post("/a", bytes(1000)))
        await until(lambda: gated.begun == ["/a"])
        refused = await running.ask(post("/b", bytes(1000)))
        await small.send(post("/c", bytes(500)))
        gated.gate.set()

        assert refused.status == 503
        assert refused.headers["retry-after"] == "1"
        assert (await first.reply()).status == 200
        assert (await small.reply()).status == 200
        await until(lambda: running.buffered == 0)


class TestTooMany:
    async def test_requests_past_the_cap_are_told_to_come_back(self, serve: Serve) -> None:
        gated = Gated()
        running = await serve(gated, requests=1)
        first, second = await running.connect(), await running.connect()
        await first.send(get("/a"))
        await until(lambda: gated.begun == ["/a"])
        refused = await second.ask(post("/b", b"body"))
        gated.gate.set()

        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert (await first.reply()).status == 200
        assert (await second.ask(get("/c"))).status == 200
        assert running.buffered == 0

    async def test_connections_past_the_cap_are_told_to_come_back(self, serve: Serve) -> None:
        running = await serve(connections=1)
        first = await running.connect()
        await first.ask(get("/"))
        second = await running.connect()

        assert (await second.reply()).status == 503
        assert (await first.ask(get("/"))).status == 200


class TestTooSlow:
    @pytest.mark.parametrize(
        "begun",
        [
            pytest.param(b"LI", id="in the verb"),
            pytest.param(b"GET / HT", id="in the request line"),
            pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n", id="in the header"),
            pytest.param(get("/", "Content-Length: 9", method="POST") + b"a", id="in the body"),
        ],
    )
    async def test_a_request_that_does_not_arrive_is_given_up(
        self, serve: Serve, begun: bytes
    ) -> None:
        running = await serve(header_seconds=0.08, body_seconds=0.08)
        wire = await running.connect()

        assert (await wire.ask(begun)).status == 408
        assert await wire.rest() == b""
        await until(lambda: running.connections == 0)

    async def test_a_header_each_moment_buys_no_time(self, serve: Serve) -> None:
        running = await serve(header_seconds=0.1)
        wire = await running.connect()
        await wire.send(b"GET / HTTP/1.1\r\n")
        for n in range(8):
            await asyncio.sleep(0.03)
            wire.writer.write(b"X-%d: a\r\n" % n)

        assert (await wire.reply()).status == 408

    async def test_a_client_that_says_nothing_is_closed(self, serve: Serve) -> None:
        running = await serve(header_seconds=0.05)
        wire = await running.connect()

        assert await wire.rest() == b""

    async def test_an_idle_connection_is_closed(self, serve: Serve) -> None:
        running = await serve(idle_seconds=0.05)
        wire = await running.connect()
        await wire.ask(get("/"))

        assert await wire.rest() == b""

    async def test_a_request_that_takes_its_time_is_no_idle_connection(self, serve: Serve) -> None:
        gated = Gated()
        running = await serve(gated, idle_seconds=0.03, header_seconds=0.03, body_seconds=0.03)
        wire = await running.connect()
        await wire.send(get("/a"))
        await asyncio.sleep(0.15)
        gated.gate.set()

        assert (await wire.reply()).body == b"/a"

    async def test_a_client_that_does_not_read_is_cut(self, serve: Serve) -> None:
        running = await serve(Fixed(HttpResponse(200, [], bytes(20_000_000))), write_seconds=0.1)
        wire = await running.connect()
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wire.send(get("/") * 3)
        await until(lambda: running.connections == 1)

        await until(lambda: running.connections == 0)

    async def test_an_upload_after_its_refusal_ends(self, serve: Serve) -> None:
        running = await serve(body_bytes=10, linger_seconds=0.05)
        wire = await running.connect()
        assert (await wire.ask(get("/", "Content-Length: 99", method="POST"))).status == 413

        await until(lambda: running.connections == 0)
