"""What is no HTTP request that can be taken: refused, and on record, however much of it comes."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from ipaddress import ip_address

import pytest

from strongroom.api.wire import HttpResponse
from strongroom.core.noise import ALLOWED, MOST, Noise
from strongroom.core.runtime import Runtime
from tests.api.server.conftest import Serve
from tests.api.server.recorded import Recording, entry_of, leaves
from tests.api.server.running import Echo, Gated, Running, get, post, until
from tests.api.serving import NOW, Served

TOKEN = "hvs.planted"
LIMIT = 1000


@pytest.fixture
async def running(serve: Serve, served: Served) -> Running:
    return await serve(served.application, body_bytes=LIMIT, header_bytes=4096)


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "an unknown method": (get("/v1/sys/mounts", method="PROPFIND"), 405, "sys/mounts"),
    "OPTIONS": (get("/v1/sys/mounts", method="OPTIONS"), 405, "sys/mounts"),
    "no method at all": (b"NOSUCH /v1/sys/mounts HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), 400, ""),
    "no host": (b"GET /v1/sys/mounts HTTP/1.1\r\n\r\n", 400, "sys/mounts"),
    "two hosts": (get("/v1/sys/mounts", "Host: b"), 400, "sys/mounts"),
    "the same host twice": (get("/v1/sys/mounts", "host: localhost"), 400, "sys/mounts"),
    "a header too large": (get("/v1/sys/mounts", "X: " + "a" * 9000), 431, "sys/mounts"),
    "a path too large": (get("/v1/" + "a" * 9000), 431, "a" * 252),
    "both kinds of length": (
        post("/v1/sys/mounts/x", b"a", "Transfer-Encoding: chunked"),
        400,
        "sys/mounts/x",
    ),
    "two lengths": (post("/v1/sys/mounts/x", b"a", "Content-Length: 1"), 400, "sys/mounts/x"),
    "a body too large": (post("/v1/sys/mounts/x", bytes(LIMIT + 1)), 413, "sys/mounts/x"),
    "an expectation": (get("/v1/sys/mounts", "Expect: wonders"), 417, "sys/mounts"),
    "another scheme": (get("ftp://h/v1/sys/mounts"), 400, "sys/mounts"),
    "another place": (get("/elsewhere", "Host: b"), 400, "/elsewhere"),
    "a target that is no path": (get("nowhere"), 400, ""),
}


@pytest.mark.parametrize(("sent", "status", "path"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_cannot_be_taken_is_answered_with_a_receipt(
    running: Running, served: Served, sent: bytes, status: int, path: str
) -> None:
    wire = await running.connect()

    reply = await wire.ask(sent)

    entry = await entry_of(served, reply)
    assert reply.status == status
    assert entry["metadata"]["event_code"] == "request.malformed"
    assert entry["status_code"] == str(status)
    assert entry["status_detail"] == reply.json["errors"][0]
    assert entry["unmapped"]["path"].removesuffix("…") == path
    assert entry["unmapped"]["operation"] == "refused"
    assert entry["src_endpoint"]["ip"] == "127.0.0.1"
    assert await wire.rest() == b""


async def test_a_request_of_http_1_0_may_come_without_a_host(running: Running) -> None:
    reply = await running.ask(b"GET /v1/sys/health HTTP/1.0\r\n\r\n")

    assert reply.status == 200


async def test_what_is_refused_says_nothing_of_what_came_with_it(
    running: Running, served: Served
) -> None:
    header = f"X-Vault-Token: {TOKEN}"
    for sent in (
        get("/v1/secret/data/x?token=hunter2", header, "Host: hunter2", method="PUT"),
        post("/v1/secret/data/x", b"hunter2" * LIMIT, header),
        get("/v1/secret/data/x", header, "X: hunter2" + "a" * 9000),
        b"hunter2 " + get("/v1/secret/data/x", header),
        post("/v1/auth/up/login/hunter2", b"a", header, "Content-Length: 1"),
        post("http://h/v1/auth/up/login/hunter2", b"a", header, "Content-Length: 1"),
        post("/proxied/v1/auth/up/login/hunter2", b"a", header, "Content-Length: 1"),
        post("ftp://h/auth/up/login/hunter2", b"a", header),
    ):
        reply = await running.ask(sent)
        await entry_of(served, reply)

    written = json.dumps(await leaves(served))
    assert TOKEN not in written
    assert "hunter2" not in written


async def test_nothing_of_an_earlier_request_is_taken_for_what_is_refused(
    running: Running, served: Served
) -> None:
    wire = await running.connect()
    await wire.ask(get("/v1/sys/health"))

    entry = await entry_of(served, await wire.ask(b"rubbish\r\n\r\n"))

    assert entry["unmapped"]["path"] == ""
    assert "http_request" not in entry


async def test_where_reads_of_the_database_wait_it_is_written_down_too(
    running: Running, served: Served
) -> None:
    served.application._vault._at_once = False  # as on PostgreSQL

    entry = await entry_of(served, await running.ask(get("/v1/x", "Host: b")))

    assert entry["status_code"] == "400"


async def test_who_sends_too_much_is_named(running: Running, served: Served) -> None:
    header = f"X-Vault-Token: {served.root}"

    entry = await entry_of(served, await running.ask(post("/v1/x", bytes(LIMIT + 1), header)))

    assert entry["actor"]["user"]["uid"] == "root"


async def test_what_came_before_is_answered_first_and_the_refusal_last(
    running: Running, served: Served
) -> None:
    wire = await running.connect()
    await wire.send(get("/v1/sys/health") + get("/v1/sys/leader") + get("/x", method="TRACE"))

    replies = [await wire.reply() for _ in range(3)]

    assert [reply.status for reply in replies] == [200, 200, 405]
    indexes = [int(reply.headers["audit-receipt"].split(".")[0]) for reply in replies]
    assert indexes == sorted(indexes)
    assert await wire.rest() == b""


async def test_a_flood_of_garbage_is_a_few_entries_and_one_count(
    running: Running, served: Served
) -> None:
    before = len(await leaves(served))

    replies = [await running.ask(b"\x00\x00\x00\x00") for _ in range(ALLOWED * 4)]

    assert {reply.status for reply in replies} == {400}
    receipts = ["audit-receipt" in reply.headers for reply in replies]
    assert receipts == [True] * ALLOWED + [False] * (ALLOWED * 3)
    assert len(await leaves(served)) == before + ALLOWED
    await Runtime(server=served.server)._heartbeat()
    [noise] = [e for e in await leaves(served) if e["metadata"]["event_code"] == "log.noise"]
    assert noise["unmapped"]["collapsed"] == ALLOWED * 3
    assert noise["unmapped"]["network"] == "127.0.0.0/24"


async def test_no_number_of_networks_fills_the_log() -> None:
    noise, first = Noise(), int(ip_address("2001:db8::"))
    addresses = [str(ip_address(first + (n << 80))) for n in range(MOST * 2)]

    admitted = [noise.admit("request.malformed", "x", each, NOW) for each in addresses]

    assert sum(admitted) == MOST + ALLOWED
    [over] = noise.over(NOW + timedelta(minutes=2))
    assert (over.network, over.count) == ("elsewhere", MOST - ALLOWED)


async def test_a_sealed_server_writes_it_down_too(running: Running, served: Served) -> None:
    await served.ask("PUT", "sys/seal")

    entry = await entry_of(served, await running.ask(get("/v1/x", "Host: b")))

    assert entry["status_code"] == "400"


async def test_what_cannot_be_committed_is_refused_all_the_same(
    running: Running, served: Served
) -> None:
    served.server.pipeline.trouble = "the disk is full"

    reply = await running.ask(post("/v1/x", bytes(LIMIT + 1)))

    assert reply.status == 413
    assert "audit-receipt" not in reply.headers


class TestWhileItIsWrittenDown:
    async def test_the_refusal_waits_and_what_follows_is_served_by_nobody(
        self, serve: Serve
    ) -> None:
        recording = Recording()
        wire = await (await serve(recording)).connect()
        await wire.send(get("/a", "Host: b") + get("/smuggled"))
        await until(lambda: len(recording.held) == 1)
        await wire.send(get("/later"))
        await asyncio.sleep(0.02)
        [(request, response, respond)] = recording.held

        respond(HttpResponse(response.status, [*response.headers, (b"x", b"y")], response.body))

        reply = await wire.reply()
        assert (reply.status, reply.headers["x"]) == (400, "y")
        assert (request.method, request.raw_path, request.body) == ("GET", b"/a", b"")
        assert await wire.rest() == b""
        assert recording.seen == []
        assert len(recording.held) == 1

    async def test_a_client_that_has_gone_harms_nobody(self, serve: Serve) -> None:
        recording = Recording()
        running = await serve(recording)
        wire = await running.connect()
        await wire.send(get("/a", "Host: b"))
        await until(lambda: len(recording.held) == 1)
        wire.cut()
        await until(lambda: running.connections == 0)
        [(_, response, respond)] = recording.held

        respond(response)

        assert (await running.ask(get("/b"))).status == 200

    async def test_a_client_that_says_no_more_is_still_answered(self, serve: Serve) -> None:
        recording = Recording()
        wire = await (await serve(recording)).connect()
        await wire.send(get("/a", "Host: b"))
        wire.writer.write_eof()
        await until(lambda: len(recording.held) == 1)
        await asyncio.sleep(0.02)
        [(_, response, respond)] = recording.held

        respond(response)

        assert (await wire.reply()).status == 400
        assert await wire.rest() == b""

    async def test_a_stop_waits_for_it(self, serve: Serve) -> None:
        recording = Recording()
        running = await serve(recording)
        wire = await running.connect()
        await wire.send(get("/a", "Host: b"))
        await until(lambda: len(recording.held) == 1)
        [(_, response, respond)] = recording.held
        stopping = asyncio.create_task(running.server.stop(within=5))
        await asyncio.sleep(0.02)

        respond(response)

        assert await stopping == 0
        assert (await wire.reply()).status == 400

    async def test_a_defect_of_the_record_keeps_no_refusal_back(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken(Echo):
            def refused(self, *_: object) -> None:
                raise RuntimeError(TOKEN)

        running = await serve(Broken())

        assert (await running.ask(get("/a", "Host: b"))).status == 400
        assert TOKEN not in caplog.text

    async def test_one_that_is_too_slow_is_written_down(self, serve: Serve) -> None:
        recording = Recording()
        wire = await (await serve(recording, header_seconds=0.05)).connect()
        await wire.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n")
        await until(lambda: len(recording.held) == 1)
        [(request, response, respond)] = recording.held

        respond(response)

        assert (await wire.reply()).status == 408
        assert request.raw_path == b"/slow"

    async def test_a_server_that_is_busy_writes_nothing_down(self, serve: Serve) -> None:
        class Busy(Recording, Gated):
            def __init__(self) -> None:
                Recording.__init__(self)
                Gated.__init__(self)

            __call__ = Gated.__call__

        busy = Busy()
        running = await serve(busy, requests=1)
        await (await running.connect()).send(get("/a"))
        await until(lambda: busy.begun == ["/a"])

        refused = await running.ask(get("/b", "Host: b"))
        busy.gate.set()

        assert refused.status == 400
        assert busy.held == []
