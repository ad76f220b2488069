"""Requests as clients write them, whole and in pieces, one and many on a connection."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.api.wire import HttpResponse
from tests.api.server.conftest import Serve
from tests.api.server.running import Echo, Fixed, chunked, get, post


class TestMethods:
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "LIST", "SCAN"])
    async def test_every_method_of_the_clients_is_understood(
        self, serve: Serve, method: str
    ) -> None:
        running = await serve()
        reply = await running.ask(get("/v1/a%2Fb?list=true&x", method=method))

        assert reply.status == 200
        assert reply.json["method"] == method
        assert (reply.json["path"], reply.json["query"]) == ("/v1/a%2Fb", "list=true&x")

    @pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "LINK", "LOCK", "PROPFIND"])
    async def test_every_other_method_is_refused(self, serve: Serve, method: str) -> None:
        echo = Echo()
        running = await serve(echo)
        reply = await running.ask(get("/v1/a", method=method))

        assert reply.status == 405
        assert "LIST" in reply.headers["allow"]
        assert echo.seen == []

    @pytest.mark.parametrize("method", ["BREW", "get", "LISTS", "LIS", "L"])
    async def test_a_word_that_is_no_method_is_malformed(self, serve: Serve, method: str) -> None:
        running = await serve()

        assert (await running.ask(get("/v1/a", method=method))).status == 400

    async def test_head_gets_the_length_and_no_body(self, serve: Serve) -> None:
        running = await serve(Fixed(HttpResponse(200, [], b"twelve bytes")))
        wire = await running.connect()
        await wire.send(get("/", method="HEAD"))
        reply = await wire.reply(head=True)

        assert reply.headers["content-length"] == "12"
        assert (await wire.ask(get("/"))).body == b"twelve bytes"


class TestPieces:
    @pytest.mark.parametrize("method", ["LIST", "SCAN", "GET"])
    async def test_a_request_may_arrive_a_byte_at_a_time(self, serve: Serve, method: str) -> None:
        running = await serve()
        wire = await running.connect()
        whole = get("/v1/secret/LIST SCAN".replace(" ", "%20"), "X: LIST ", method=method)
        for _ in range(2):
            for byte in whole:
                await wire.send(bytes([byte]))
            reply = await wire.reply()

            assert reply.json["method"] == method
            assert ["x", "LIST"] in reply.json["headers"]

    async def test_a_body_that_begins_like_a_verb_is_left_alone(self, serve: Serve) -> None:
        running = await serve()
        wire = await running.connect()
        for body in (b"LIST /v1/x HTTP/1.1\r\n\r\n", b"SCAN ", b"L", b"xLIST LIST SCAN S"):
            whole = post("/v1/a", body)

            assert (await wire.ask(whole)).json["body"] == body.decode()
            assert (await wire.ask(whole[: -len(body)], body)).json["body"] == body.decode()

    async def test_a_chunked_body_may_hold_a_verb_too(self, serve: Serve) -> None:
        running = await serve()
        reply = await running.ask(chunked("/", [b"LIST ", b"\r\nLIST /", b"SCA"]))

        assert reply.json["body"] == "LIST \r\nLIST /SCA"

    async def test_a_chunked_body_is_put_together(self, serve: Serve) -> None:
        running = await serve()
        wire = await running.connect()
        reply = await wire.ask(*[bytes([b]) for b in chunked("/", [b"a", b"bc", b"d" * 20])])

        assert reply.json["body"] == "abc" + "d" * 20

    async def test_a_trailer_is_no_header(self, serve: Serve) -> None:
        running = await serve()
        reply = await running.ask(chunked("/", [b"a"], trailer=b"X-Vault-Token: root\r\n"))

        assert "x-vault-token" not in dict(reply.json["headers"])

    async def test_a_body_is_invited_where_the_client_waits_for_that(self, serve: Serve) -> None:
        running = await serve()
        wire = await running.connect()
        await wire.send(get("/", "Content-Length: 3", "Expect: 100-Continue", method="PUT"))
        invited = await wire.reader.readuntil(b"\r\n\r\n")

        assert invited == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await wire.ask(b"abc")).json["body"] == "abc"

    async def test_header_names_are_lower_case_and_values_trimmed(self, serve: Serve) -> None:
        running = await serve()
        reply = await running.ask(get("/", "X-Vault-TOKEN:  hvs.a \t", "Empty:"))

        assert ["x-vault-token", "hvs.a"] in reply.json["headers"]
        assert ["empty", ""] in reply.json["headers"]

    async def test_an_absolute_target_is_reduced_to_its_path(self, serve: Serve) -> None:
        running = await serve()
        wire = await running.connect()

        assert (await wire.ask(get("http://h:1/v1/a?b"))).json["path"] == "/v1/a"
        assert (await wire.ask(get("http://h"))).json["path"] == "/"


class TestManyOnOneConnection:
    async def test_a_connection_is_used_again(self, serve: Serve) -> None:
        running = await serve()
        wire = await running.connect()
        for method in ("LIST", "GET", "SCAN", "LIST"):
            assert (await wire.ask(get("/", method=method))).json["method"] == method

    async def test_pipelined_requests_are_answered_in_order(self, serve: Serve) -> None:
        running = await serve()
        wire = await running.connect()
        verbs = ["GET", "LIST", "POST", "SCAN", "LIST"] * 40
        await wire.send(
            b"".join(
                post(f"/{n}", b"SCAN ", method=verb)
                if verb == "POST"
                else get(f"/{n}", method=verb)
                for n, verb in enumerate(verbs)
            )
        )
        told = [(await wire.reply()).json for _ in verbs]

        assert [each["method"] for each in told] == verbs
        assert [each["path"] for each in told] == [f"/{n}" for n in range(len(verbs))]

    async def test_a_client_that_asks_to_close_is_closed(self, serve: Serve) -> None:
        running = await serve()
        wire = await running.connect()
        await wire.send(get("/a", "Connection: close") + get("/never"))
        reply = await wire.reply()

        assert reply.headers["connection"] == "close"
        assert await wire.rest() == b""

    @pytest.mark.parametrize("header", ["X: y", "Connection: keep-alive"])
    async def test_http_1_0_gets_one_answer(self, serve: Serve, header: str) -> None:
        running = await serve()
        wire = await running.connect()
        reply = await wire.ask(get("/", header, version="1.0"))

        assert reply.headers["connection"] == "close"
        assert await wire.rest() == b""

    async def test_a_client_that_sends_no_more_is_still_answered(self, serve: Serve) -> None:
        running = await serve()
        wire = await running.connect()
        await wire.send(get("/a") + get("/b"))
        wire.writer.write_eof()

        assert (await wire.reply()).json["path"] == "/a"
        assert (await wire.reply()).json["path"] == "/b"
        assert await wire.rest() == b""

    async def test_an_upgrade_is_not_taken_up(self, serve: Serve) -> None:
        running = await serve()
        wire = await running.connect()
        reply = await wire.ask(get("/", "Connection: Upgrade", "Upgrade: h2c") + b"PRI * HTTP/2.0")

        assert reply.status == 200
        assert reply.headers["connection"] == "close"

    async def test_responses_are_dated(self, serve: Serve) -> None:
        running = await serve()

        assert (await running.ask(get("/"))).headers["date"].endswith(" GMT")


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    verbs=st.lists(st.sampled_from(["GET", "LIST", "SCAN", "POST"]), min_size=1, max_size=5),
    cuts=st.lists(st.integers(min_value=0, max_value=400), max_size=8),
    body=st.sampled_from([b"", b"LIST ", b"S", b"\nSCAN /x HTTP/1.1\r\n\r\n"]),
)
async def test_where_the_stream_is_cut_makes_no_difference(
    serve: Serve, verbs: list[str], cuts: list[int], body: bytes
) -> None:
    running = await serve()
    wire = await running.connect()
    whole = b"".join(
        post("/p", body, method=verb) if verb == "POST" else get("/p", method=verb)
        for verb in verbs
    )
    edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    await wire.send(*[whole[a:b] for a, b in pairwise(edges)])

    assert [(await wire.reply()).json["method"] for _ in verbs] == verbs
    await running.end()
