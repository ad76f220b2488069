"""What all connections of a server share, and the right to answer one request.

Order  A request counts as under way from the moment the application is asked until it answers,
       whether or not its client still listens: a stop waits for it.
Trust  Errors of the application go to the log by type and place, never with their text.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from email.utils import formatdate
from typing import Final, Protocol

from strongroom.api.limits import EdgeLimits
from strongroom.api.wire import Application, HttpRequest, HttpResponse, refusal
from strongroom.base.clock import Clock

_log = logging.getLogger("strongroom.edge")

INTERNAL: Final = refusal(500, "internal error")


class Connected(Protocol):
    """A connection, as the edge sees it. `deadline` is a time of the event loop."""

    deadline: float

    def answer(self, exchange: Exchange, response: HttpResponse) -> None:
        """Write the response, and go on with the next request."""
        ...

    def expire(self) -> None:
        """End: the deadline has passed."""
        ...

    def retire(self) -> None:
        """Close if no request has begun."""
        ...

    def abort(self) -> None:
        """Cut the connection."""
        ...


class Edge:
    """The application, the limits, and the counts that they are held against."""

    def __init__(
        self,
        application: Application,
        *,
        limits: EdgeLimits,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.application = application
        self.start = getattr(application, "start", None)
        self.refused = getattr(application, "refused", None)
        self.limits = limits
        self.loop = loop
        self.connections: set[Connected] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.under_way = 0
        self.buffered = 0
        self.stopping = False
        self.drained = asyncio.Event()
        self.too_large = refusal(
            413, f"request body too large: the limit is {limits.body_bytes} bytes"
        )
        self._clock = clock
        self.date = b""
        self.sweep()

    def sweep(self) -> None:
        """Refresh the date header, and end what has outstayed its deadline."""
        self.date = formatdate(self._clock.now().timestamp(), usegmt=True).encode()
        now = self.loop.time()
        for connection in [each for each in self.connections if each.deadline <= now]:
            connection.expire()

    def begin_stop(self) -> None:
        """Take no new request; idle connections close now, the others after their answer."""
        self.stopping = True
        for connection in tuple(self.connections):
            connection.retire()
        self._note_drained()

    def spawn(self, request: HttpRequest, exchange: Exchange) -> None:
        """Run the application's coroutine, holding on to its task."""
        task = self.loop.create_task(self._run(request, exchange))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _run(self, request: HttpRequest, exchange: Exchange) -> None:
        try:
            exchange.respond(await self.application(request))
        except Exception as error:  # noqa: BLE001  what the application lets through is its defect
            report(error)
        finally:
            if not exchange.answered:
                exchange.respond(INTERNAL)

    def finish(self, held: int) -> None:
        """Count a request as answered."""
        self.under_way -= 1
        self.buffered -= held
        self._note_drained()

    def _note_drained(self) -> None:
        if self.stopping and self.under_way == 0:
            self.drained.set()


class Exchange:
    """The right to answer one request, once."""

    __slots__ = ("answered", "connection", "head", "held", "keep")

    def __init__(self, connection: Connected, head: bool, keep: bool, held: int) -> None:
        self.connection = connection
        self.head = head
        self.keep = keep
        self.held = held
        self.answered = False

    def respond(self, response: HttpResponse) -> None:
        """Answer; a second answer is a defect, and goes nowhere."""
        if self.answered:
            _log.error("a request was answered twice")
            return
        self.answered = True
        self.connection.answer(self, response)


def report(error: BaseException) -> None:
    """Log a defect by its type and place: its text may hold a secret."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    where = " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames))
    _log.error("unhandled %s at %s", type(error).__qualname__, where or "no place")
