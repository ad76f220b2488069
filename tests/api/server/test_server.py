"""Listening, stopping, signals."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from ipaddress import ip_network

import pytest

from strongroom.api.server import Bound, Listener, Server, run_in_loop
from strongroom.base.clock import SystemClock
from strongroom.base.errors import InputError
from tests.api.server.conftest import Serve
from tests.api.server.running import Echo, Gated, Running, Starting, get, post, until


class TestListening:
    async def test_several_listeners_serve_one_application(self) -> None:
        server = Server(
            Echo(), [Listener(port=0), Listener(host="::1", port=0)], clock=SystemClock()
        )
        await server.start()
        four, six = server.bound
        reader, writer = await asyncio.open_connection("::1", six.port)
        writer.write(get("/"))
        status = await reader.readline()
        writer.close()
        await server.stop(within=0)

        assert four.port != six.port
        assert (four.url, six.url) == (f"http://127.0.0.1:{four.port}", f"http://[::1]:{six.port}")
        assert status == b"HTTP/1.1 200 OK\r\n"

    async def test_a_socket_may_be_bound_beforehand(self, serve: Serve) -> None:
        bound = socket.create_server(("127.0.0.1", 0))
        running = await serve(listener=Listener(bound=bound))

        assert running.server.bound == (
            Bound(host="127.0.0.1", port=bound.getsockname()[1], tls=False),
        )
        assert (await running.ask(get("/"))).status == 200

    async def test_an_address_in_use_is_named(self, serve: Serve) -> None:
        running = await serve()

        with pytest.raises(InputError, match="cannot listen") as caught:
            await serve(listener=Listener(port=running.port))
        assert caught.value.field == f"127.0.0.1:{running.port}"

    async def test_a_trusted_proxy_says_who_the_client_is(self, serve: Serve) -> None:
        listener = Listener(port=0, trusted_proxies=(ip_network("127.0.0.0/8"),))
        running = await serve(listener=listener)
        wire = await running.connect()
        asked = get("/", "X-Forwarded-For: 6.6.6.6, 10.1.2.3", "x-forwarded-for: 127.0.0.9")

        assert (await wire.ask(asked)).json["peer"] == ["10.1.2.3", 0]
        assert (await wire.ask(get("/"))).json["peer"][0] == "127.0.0.1"
        refused = await wire.ask(get("/", "X-Forwarded-For: unknown"))
        assert refused.status == 400
        assert refused.json == {"errors": ["X-Forwarded-For: not a list of addresses"]}

    async def test_nobody_else_does(self, serve: Serve) -> None:
        running = await serve()
        reply = await running.ask(get("/", "X-Forwarded-For: 10.1.2.3"))

        assert reply.json["peer"][0] == "127.0.0.1"


class TestStopping:
    async def test_what_is_under_way_is_answered_before_the_end(self, serve: Serve) -> None:
        gated = Gated()
        running = await serve(gated)
        busy, idle = await running.connect(), await running.connect()
        await busy.send(get("/a"))
        await until(lambda: gated.begun == ["/a"] and running.connections == 2)
        stopping = asyncio.create_task(running.server.stop(within=5))

        assert await idle.rest() == b""
        with pytest.raises(OSError):
            await running.connect()
        gated.gate.set()
        reply = await busy.reply()
        assert (reply.body, reply.headers["connection"]) == (b"/a", "close")
        assert await stopping == 0

    async def test_an_answer_without_a_task_is_waited_for_too(self, serve: Serve) -> None:
        starting = Starting(at_once=False)
        running = await serve(starting)
        wire = await running.connect()
        await wire.send(get("/a"))
        await until(lambda: len(starting.held) == 1)
        stopping = asyncio.create_task(running.server.stop(within=5))
        await asyncio.sleep(0.02)
        starting.answer(0)

        assert await stopping == 0
        assert (await wire.reply()).body == b"/a"

    async def test_what_takes_too_long_is_cut_and_counted(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        gated = Gated()
        running = await serve(gated)
        wire = await running.connect()
        await wire.send(get("/a"))
        await until(lambda: gated.begun == ["/a"])

        assert await running.server.stop(within=0.05) == 1
        assert (await wire.reply()).status == 500
        assert gated.finished == []
        assert "1 requests unanswered" in caplog.text

    async def test_half_a_request_does_not_hold_up_the_end(self, serve: Serve) -> None:
        running = await serve()
        wire = await running.connect()
        await wire.send(post("/a", b"abc")[:-1])
        await until(lambda: running.connections == 1)

        assert await running.server.stop(within=5) == 0
        assert await wire.rest() == b""

    async def test_stopping_twice_is_stopping_once(self, serve: Serve) -> None:
        running = await serve()

        assert await running.server.stop() == await running.server.stop() == 0


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_a_signal_ends_the_run(self, number: signal.Signals) -> None:
        server = Server(Echo(), [Listener(port=0)], clock=SystemClock())
        ready = asyncio.Event()
        run = asyncio.create_task(server.run(ready.set, within=1))
        await ready.wait()
        running = Running(server)
        reply = await running.ask(get("/"))
        os.kill(os.getpid(), number)

        assert await asyncio.wait_for(run, 5) == 0
        assert reply.status == 200
        await running.end()

    async def test_sighup_reloads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        server = Server(Echo(), [Listener(port=0)], clock=SystemClock())
        reloaded = asyncio.Event()
        monkeypatch.setattr(server, "reload", reloaded.set)
        ready = asyncio.Event()
        run = asyncio.create_task(server.run(ready.set, within=1))
        await ready.wait()
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait_for(reloaded.wait(), 5)
        os.kill(os.getpid(), signal.SIGTERM)

        assert await asyncio.wait_for(run, 5) == 0


def test_the_loop_is_uvloop_where_there_is_one() -> None:
    async def which() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run_in_loop(which) == "uvloop"
