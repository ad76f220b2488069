"""Clients that leave before they are served: what they had asked by then is on record."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from strongroom.api.certificates import generated_certificate
from strongroom.api.server import Listener
from strongroom.api.tls import ListenerTls
from strongroom.api.wire import HttpRequest, HttpResponse, Respond
from strongroom.base.clock import SystemClock
from strongroom.core.noise import ALLOWED
from tests.api.server.conftest import Serve
from tests.api.server.recorded import Recording, entry_of, leaves
from tests.api.server.running import Gated, Running, Wire, chunked, get, post, until
from tests.api.serving import Served

NOT_WHOLE = "the connection ended before the request was whole"
NOT_SERVED = "the connection ended before the request was served"
SECRET = "/v1/secret/data/a"

HALVES: dict[str, tuple[bytes, str, str]] = {
    "12 of 100 bytes": (get(SECRET, "Content-Length: 100", method="POST") + bytes(12), "POST", "a"),
    "no byte of 100": (get(SECRET, "Content-Length: 100", method="PUT"), "PUT", "a"),
    "a partial chunk": (chunked(SECRET, [b"whole"])[:-8], "POST", "a"),
    "no last chunk": (chunked(SECRET, [b"whole"])[:-2], "POST", "a"),
    "a partial header": (get(SECRET)[:-6], "GET", "a"),
    "no empty line": (get(SECRET, method="DELETE")[:-2], "DELETE", "a"),
    "a partial path": (b"GET " + SECRET.encode(), "GET", "a"),
    "a verb of ours": (get(SECRET, method="LIST")[:-2], "", "a"),
    "a partial verb": (b"PO", "", ""),
    "what may become a verb of ours": (b"LIS", "", ""),
}


def close(wire: Wire) -> None:
    wire.close()


def cut(wire: Wire) -> None:
    wire.cut()


def half_close(wire: Wire) -> None:
    wire.writer.write_eof()


@pytest.fixture
async def running(serve: Serve, served: Served) -> Running:
    return await serve(served.application)


async def left(served: Served, since: int, count: int = 1) -> list[dict[str, Any]]:
    """Return the entries from `since` on, once there are so many."""
    await until(lambda: served.server.log.size >= since + count)
    await asyncio.sleep(0.02)
    return (await leaves(served))[since:]


@pytest.mark.parametrize("leave", [close, cut, half_close])
@pytest.mark.parametrize(("sent", "method", "path"), HALVES.values(), ids=HALVES.keys())
async def test_half_a_request_is_one_entry_with_what_is_known_of_it(
    *,
    running: Running,
    served: Served,
    sent: bytes,
    method: str,
    path: str,
    leave: Callable[[Wire], None],
) -> None:
    before = served.server.log.size
    wire = await running.connect()
    await wire.send(sent)
    await asyncio.sleep(0.02)  # a reset would overtake it

    leave(wire)

    [entry] = await left(served, before)
    await until(lambda: running.connections == 0)
    assert entry["metadata"]["event_code"] == "request.malformed"
    assert (entry["status_code"], entry["status_detail"]) == ("400", NOT_WHOLE)
    assert entry["unmapped"]["path"] == (f"secret/data/{path}" if path else "")
    assert entry.get("http_request", {}).get("http_method", "") == method
    assert running.buffered == 0


@pytest.mark.parametrize("sent", [half[0] for half in HALVES.values()], ids=HALVES.keys())
async def test_one_that_says_no_more_is_told_so(
    running: Running, served: Served, sent: bytes
) -> None:
    wire = await running.connect()
    await wire.send(sent)

    half_close(wire)

    reply = await wire.reply()
    assert (reply.status, reply.json) == (400, {"errors": [NOT_WHOLE]})
    assert (await entry_of(served, reply))["status_detail"] == NOT_WHOLE
    assert await wire.rest() == b""


async def test_what_was_whole_is_answered_first(running: Running, served: Served) -> None:
    wire = await running.connect()
    await wire.send(get("/v1/sys/health") + get("/v1/sys/leader") + get(SECRET)[:-2])

    half_close(wire)

    assert [(await wire.reply()).status for _ in range(3)] == [200, 200, 400]
    assert await wire.rest() == b""


@pytest.mark.parametrize("leave", [close, cut, half_close])
@pytest.mark.parametrize("sent", [b"", get("/v1/sys/health"), get("/v1/x", "Connection: close")])
async def test_who_is_between_requests_leaves_nothing_behind(
    running: Running, served: Served, sent: bytes, leave: Callable[[Wire], None]
) -> None:
    wire = await running.connect()
    if sent:
        await wire.ask(sent)
    await until(lambda: running.connections <= 1)
    before = served.server.log.size

    leave(wire)

    await until(lambda: running.connections == 0)
    await asyncio.sleep(0.02)
    assert served.server.log.size == before


@pytest.mark.parametrize(
    "sent", [get("/v1/x", "Host: b"), b"\x16\x03\x01" + bytes(40), get("/v1/x", method="TRACE")]
)
async def test_what_was_refused_is_not_written_down_again(
    running: Running, served: Served, sent: bytes
) -> None:
    before = served.server.log.size
    wire = await running.connect()
    await wire.ask(sent)

    wire.cut()

    await until(lambda: running.connections == 0)
    assert len(await left(served, before)) == 1


async def test_it_says_nothing_of_what_came_with_it_but_who_asked(
    running: Running, served: Served
) -> None:
    token = f"X-Vault-Token: {served.root}"
    halves = (
        get("/v1/secret/data/x?token=hunter2", token, "Content-Length: 99", method="POST")
        + b"hunter2",
        get("/v1/auth/up/login/hunter2", token, "X: hunter2")[:-2],
        get("/v1/secret/data/x", token, "X: hunter2")[:-8],
    )
    before = served.server.log.size
    for half in halves:
        wire = await running.connect()
        await wire.send(half)
        wire.close()

    found = await left(served, before, len(halves))

    assert "hunter2" not in json.dumps(found)
    assert served.root not in json.dumps(found)
    assert [entry["actor"]["user"]["uid"] for entry in found] == ["root"] * len(halves)


async def test_part_of_a_token_is_nowhere(running: Running, served: Served) -> None:
    before = served.server.log.size
    wire = await running.connect()
    await wire.send(get("/v1/x", f"X-Vault-Token: {served.root}")[:-9])

    wire.close()

    [entry] = await left(served, before)
    assert served.root[:20] not in json.dumps(entry)
    assert entry["actor"]["user"]["uid"] != "root"


@pytest.mark.parametrize("half", [b"G", get(SECRET, "Content-Length: 9", method="POST") + b"x"])
async def test_a_flood_of_halves_is_a_few_entries_and_one_count(
    running: Running, served: Served, half: bytes
) -> None:
    before = served.server.log.size
    for _ in range(ALLOWED * 3):
        wire = await running.connect()
        await wire.send(half)
        wire.close()
    await until(lambda: running.connections == 0)

    assert len(await left(served, before, ALLOWED)) == ALLOWED
    [over] = served.server.pipeline.noise.over(served.clock.now(), all_of_them=True)
    assert (over.code, over.count) == ("request.malformed", ALLOWED * 2)


async def test_where_reads_of_the_database_wait_it_is_written_down_too(
    running: Running, served: Served
) -> None:
    served.application._vault._at_once = False  # as on PostgreSQL
    before = served.server.log.size
    wire = await running.connect()
    await wire.send(get(SECRET)[:-2])

    wire.close()

    [entry] = await left(served, before)
    assert entry["status_detail"] == NOT_WHOLE


class Slow(Gated, Recording):
    """Answers when its gate is opened; holds on to what it is to write down."""

    def __init__(self) -> None:
        Gated.__init__(self)
        Recording.__init__(self)

    __call__ = Gated.__call__

    @property
    def told(self) -> list[tuple[str, bytes, str]]:
        """What it was told: methods, paths and words."""
        return [
            (request.method, request.raw_path, json.loads(fault.body)["errors"][0])
            for request, fault, _ in self.held
        ]


@pytest.mark.parametrize("leave", [close, cut])
async def test_each_that_waited_is_either_served_or_on_record(
    serve: Serve, leave: Callable[[Wire], None]
) -> None:
    slow = Slow()
    running = await serve(slow)
    wire = await running.connect()
    paths = [f"/{n}" for n in range(50)]
    await wire.send(b"".join(map(get, paths)) + post("/half", b"x")[:-1])
    await until(lambda: slow.begun == ["/0"])

    leave(wire)
    await asyncio.sleep(0.02)
    slow.gate.set()

    await until(lambda: running.connections == 0)
    unserved = [("GET", path.encode(), NOT_SERVED) for path in paths[len(slow.begun) :]]
    assert slow.begun == paths[: len(slow.begun)]
    assert slow.told == [*unserved, ("POST", b"/half", NOT_WHOLE)]
    for _, fault, respond in slow.held:
        respond(fault)
    await until(lambda: slow.finished == slow.begun)
    assert running.buffered == 0
    assert running.server._edge is not None
    assert running.server._edge.under_way == 0


async def test_what_waited_has_an_entry_each_and_its_own_actor(
    serve: Serve, served: Served
) -> None:
    gate: list[Respond] = []

    class Held:
        """Holds on to what it is asked; what is refused is the application's."""

        refused = staticmethod(served.application.refused)
        __call__ = served.application.__call__

        def start(self, request: HttpRequest, respond: Respond) -> bool:
            gate.append(respond)
            return True

    running = await serve(Held())
    token = f"X-Vault-Token: {served.root}"
    before = served.server.log.size
    wire = await running.connect()
    waiting = get("/second") + post(SECRET, b"{}", token) + get("/v1/secret/data/b")
    await wire.send(get("/first") + waiting)
    await until(lambda: len(gate) == 1)

    wire.cut()
    await asyncio.sleep(0.02)
    gate[0](HttpResponse(200))  # which cannot be written: then the connection is known to be lost

    first, second = await left(served, before, 2)
    assert len(gate) == 2
    assert {first["status_detail"], second["status_detail"]} == {NOT_SERVED}
    assert [e["unmapped"]["path"] for e in (first, second)] == ["secret/data/a", "secret/data/b"]
    assert first["actor"]["user"]["uid"] == "root"
    assert second["actor"]["user"]["uid"] != "root"
    gate[1](HttpResponse(200))


async def test_one_that_says_no_more_is_served_what_waited(serve: Serve) -> None:
    slow = Slow()
    running = await serve(slow)
    wire = await running.connect()
    await wire.send(get("/a") + get("/b"))
    await until(lambda: slow.begun == ["/a"])

    half_close(wire)
    slow.gate.set()

    assert [(await wire.reply()).body for _ in range(2)] == [b"/a", b"/b"]
    assert slow.held == []


async def test_a_refusal_that_waited_is_not_lost(serve: Serve) -> None:
    slow = Slow()
    wire = await (await serve(slow)).connect()
    await wire.send(get("/a") + get("/b", "Host: b"))
    await until(lambda: slow.begun == ["/a"])

    wire.cut()
    slow.gate.set()

    await until(lambda: slow.told == [("GET", b"/b", "malformed HTTP request")])


async def test_a_client_that_never_reads_is_cut_and_on_record(serve: Serve) -> None:
    class Large(Recording):
        async def __call__(self, _: HttpRequest) -> HttpResponse:
            return HttpResponse(200, [], bytes(20_000_000))

    large = Large()
    running = await serve(large, write_seconds=0.05)
    wire = await running.connect()
    await wire.send(get("/a") + get("/b"))

    await until(lambda: len(large.held) == 1)

    [(request, _, _)] = large.held
    assert request.raw_path == b"/b"


async def test_a_stop_that_cuts_connections_has_it_written_down(serve: Serve) -> None:
    slow = Slow()
    running = await serve(slow)
    wire = await running.connect()
    await wire.send(get("/a") + get("/b") + get("/c")[:-2])
    await until(lambda: slow.begun == ["/a"])

    await running.server.stop(within=0.01)

    assert slow.told == [("GET", b"/b", NOT_SERVED), ("GET", b"/c", NOT_WHOLE)]


async def test_a_server_that_is_busy_writes_none_of_it_down(serve: Serve) -> None:
    slow = Slow()
    running = await serve(slow, requests=1)
    await (await running.connect()).send(get("/a"))
    await until(lambda: slow.begun == ["/a"])
    wire = await running.connect()
    await wire.send(get("/b")[:-2])
    await until(lambda: running.connections == 2)

    wire.cut()

    await until(lambda: running.connections == 1)
    assert slow.held == []


async def test_over_tls_it_is_written_down_too(serve: Serve, tmp_path: Path) -> None:
    files = generated_certificate(tmp_path, ("localhost",), datetime.now(UTC), os.urandom)
    tls = ListenerTls(lambda: files, clock=SystemClock(), entropy=os.urandom)
    slow = Slow()
    running = await serve(slow, listener=Listener(port=0, tls=tls))
    wire = await running.connect(ssl.create_default_context(cafile=tmp_path / "ca.pem"))
    await wire.send(post("/a", b"whole")[:-1])

    wire.close()

    await until(lambda: running.connections == 0)
    assert slow.told == [("POST", b"/a", NOT_WHOLE)]


async def test_a_defect_of_the_record_harms_nobody(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Gated):
        def refused(self, *_: object) -> None:
            raise RuntimeError("hunter2")

    running = await serve(Broken())
    wire = await running.connect()
    await wire.send(get("/a")[:-2])

    wire.cut()

    await until(lambda: running.connections == 0)
    assert "unhandled RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text
    assert running.server._edge is not None
    assert running.server._edge.under_way == 0
