"""The HTTP server: listeners, signals, and an orderly end.

Order  Of a stop: no new connection; idle ones close; what is under way is answered, up to a
       deadline; then what is left is cut, and the number said.
Trust  A pre-bound socket is whoever's who passed it. A listener without TLS shows everything to
       everybody on the way: the configuration allows it on loopback, or where told so in words.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from strongroom.api.edge import Edge
from strongroom.api.forwarded import Network
from strongroom.api.limits import EdgeLimits
from strongroom.api.protocol import Connection
from strongroom.api.tls import ListenerTls
from strongroom.api.wire import Application
from strongroom.base.clock import Clock
from strongroom.base.errors import InputError

_log = logging.getLogger("strongroom.edge")

_RELOAD_SECONDS = 12 * 3600.0
_BACKLOG = 1024

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Where to listen. Port 0 is any; a `bound` socket is used as it is."""

    host: str = "127.0.0.1"
    port: int = 8200
    tls: ListenerTls | None = None
    trusted_proxies: tuple[Network, ...] = ()
    bound: socket.socket | None = None


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Where a listener has come to listen."""

    host: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        """The address as clients write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


class Server:
    """Serves one application on any number of listeners."""

    def __init__(
        self,
        application: Application,
        listeners: Sequence[Listener],
        *,
        clock: Clock,
        limits: EdgeLimits | None = None,
    ) -> None:
        self._application = application
        self._listeners = tuple(listeners)
        self._clock = clock
        self._limits = limits or EdgeLimits()
        self._edge: Edge | None = None
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._reload_due = 0.0
        self.bound: tuple[Bound, ...] = ()

    async def start(self) -> None:
        """Listen. Raises InputError, naming the address, where one cannot be bound."""
        loop = asyncio.get_running_loop()
        self._edge = Edge(self._application, limits=self._limits, clock=self._clock, loop=loop)
        self._reload_due = loop.time() + _RELOAD_SECONDS
        bound = []
        try:
            for listener in self._listeners:
                bound += await self._listen(listener, self._edge)
        except BaseException:
            await self.stop(within=0)
            raise
        self.bound = tuple(bound)
        self._sweep()

    async def stop(self, within: float = 30.0) -> int:
        """Stop in good order; return how many requests were cut after `within` seconds."""
        for server in self._servers:
            server.close()
        self._servers = []
        if self._edge is None:
            return 0
        self._edge.begin_stop()
        try:
            if not self._edge.drained.is_set():
                await asyncio.wait_for(self._edge.drained.wait(), within)
        except TimeoutError:
            _log.warning("stopped with %d requests unanswered", self._edge.under_way)
        unanswered = self._edge.under_way
        await self._cut(self._edge)
        if self._sweeper is not None:
            self._sweeper.cancel()
        return unanswered

    def reload(self) -> None:
        """Load all certificates again; one that cannot serve is logged, and the old one stays."""
        for listener in self._listeners:
            if listener.tls is None:
                continue
            try:
                expires = listener.tls.reload()
            except InputError as error:
                _log.error("certificate not reloaded: %s", error)
            else:
                _log.info("certificate reloaded; it expires on %s", f"{expires:%Y-%m-%d}")

    async def run(self, ready: Callable[[], None] = lambda: None, *, within: float = 30.0) -> int:
        """Serve until SIGTERM or SIGINT, reloading certificates at SIGHUP; then as `stop`."""
        await self.start()
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        main = threading.current_thread() is threading.main_thread()
        if main:
            loop.add_signal_handler(signal.SIGTERM, ended.set)
            loop.add_signal_handler(signal.SIGINT, ended.set)
            loop.add_signal_handler(signal.SIGHUP, self.reload)
        ready()
        try:
            await ended.wait()
        finally:
            unanswered = await self.stop(within)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) if main else ():
                loop.remove_signal_handler(number)
        return unanswered

    async def _listen(self, listener: Listener, edge: Edge) -> list[Bound]:
        loop = asyncio.get_running_loop()
        tls = listener.tls
        secure: dict[str, Any] = {}
        if tls is not None:
            secure = {
                "ssl": tls.context,
                "ssl_handshake_timeout": self._limits.header_seconds,
                "ssl_shutdown_timeout": self._limits.linger_seconds,
            }
        where: dict[str, Any] = {"host": listener.host, "port": listener.port}
        if listener.bound is not None:
            where = {"sock": listener.bound}
        try:
            server = await loop.create_server(
                lambda: Connection(edge, listener.trusted_proxies),
                backlog=_BACKLOG,
                **where,
                **secure,
            )
        except OSError as error:
            address = f"{listener.host}:{listener.port}"
            raise InputError(address, f"cannot listen: {error.strerror or error}") from None
        self._servers.append(server)
        names = [each.getsockname() for each in server.sockets]
        return [Bound(host=name[0], port=name[1], tls=tls is not None) for name in names]

    def _sweep(self) -> None:
        assert self._edge is not None
        loop, limits = self._edge.loop, self._limits
        shortest = min(
            limits.header_seconds, limits.body_seconds, limits.idle_seconds, limits.write_seconds
        )
        pause = min(1.0, max(0.01, min(shortest, limits.linger_seconds) / 4))
        self._sweeper = loop.call_later(pause, self._sweep)
        self._edge.sweep()
        if loop.time() >= self._reload_due:
            self._reload_due = loop.time() + _RELOAD_SECONDS
            self.reload()

    async def _cut(self, edge: Edge) -> None:
        """End what is left: give closing connections a moment to flush, then abort."""
        for task in tuple(edge.tasks):
            task.cancel()
        await asyncio.gather(*edge.tasks, return_exceptions=True)
        waited = 0.0
        while edge.connections and waited < self._limits.linger_seconds:
            await asyncio.sleep(0.01)
            waited += 0.01
        for connection in tuple(edge.connections):
            connection.abort()
        await asyncio.sleep(0)


def run_in_loop(main: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
    """Run a coroutine to its end, on uvloop where there is one."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if sys.platform != "win32":
        try:
            import uvloop  # noqa: PLC0415  it is optional, and costs start-up time
        except ImportError:
            _log.info("uvloop is not installed: serving on asyncio's own loop")
        else:
            factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())
