"""`strongroom/clock`: the movable clock, on a server that was configured to have one.

For demonstrations and tests. Every entry of such a server says `clock: simulated`, and its packs
say so on every page.

Order  heartbeat → checkpoint → each witness asked → `clock.advance` entry → the clock moves. So
       the time that is left is accounted for, and cosigned as if it had passed by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from strongroom.base.clock import MovableClock, rfc3339
from strongroom.base.errors import InputError, UnsupportedError
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route

MOST = timedelta(days=366)


@dataclass(frozen=True, kw_only=True)
class Advance:
    """How far."""

    advance: Annotated[timedelta, Help("How far to put the clock forward.")]


class ClockRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the route below `strongroom/`."""
        return (
            Route(
                path="clock",
                summary="The server's time; put it forward where it is simulated.",
                sudo=True,
                read=Endpoint(Nothing, self.show, "clock.read"),
                write=Endpoint(Advance, self.advance, "clock.advance"),
            ),
        )

    async def show(self, call: SystemCall, _given: Nothing) -> Reply:
        return Reply({"now": rfc3339(call.now), "simulated": self._server.settings.simulated})

    async def advance(self, call: SystemCall, given: Advance) -> Reply:
        """Put the clock forward, once the entry that says so is committed.

        What is done before it is done again if the request is; nothing of it is in the transaction.
        """
        clock = self._server.clock
        if not isinstance(clock, MovableClock):
            raise UnsupportedError("the clock is the machine's and cannot be moved")
        if not timedelta(0) < given.advance <= MOST:
            raise InputError("advance", "must be more than zero, and at most 366 days")
        for act in self._server.before_advance:
            await act()
        call.details |= {"from": rfc3339(call.now), "to": rfc3339(call.now + given.advance)}
        call.after_commit(lambda: clock.advance(given.advance))
        return Reply({"now": rfc3339(call.now + given.advance), "simulated": True})
