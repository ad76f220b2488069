"""Feeds the log to a sink, in order, from a durable cursor.

Order   entries → sink confirms → cursor committed. A crash between the last two gives the sink
        the same entries again; none is ever left out. The cursor is the index of the next entry,
        so a gap at the sink is a missing integer.
Trust   A sink that fails or hangs delays only itself; its lag is in every heartbeat.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from strongroom.audit.log import Log
from strongroom.base.errors import UpstreamError
from strongroom.sdk.sink import Sink
from strongroom.storage.commit import Outcome, Request
from strongroom.storage.database import Database
from strongroom.storage.records import CURSORS, SinkCursor
from strongroom.storage.transaction import Write

CHUNK = 512
IDLE_SECONDS = 0.5
RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)
_logger = logging.getLogger("strongroom.follower")


class Follower:
    """One sink's follower. `run` goes on until it is cancelled."""

    def __init__(self, name: str, sink: Sink, log: Log, database: Database) -> None:
        self.name = name
        self.next = 0
        self._sink = sink
        self._log = log
        self._database = database
        self._failures = 0

    @property
    def lag(self) -> int:
        """How many committed entries the sink has not confirmed."""
        return self._log.size - self.next

    async def open(self) -> None:
        """Read the cursor."""
        found = await self._database.rows(CURSORS.select_one, (self.name,))
        self.next = found[0][1] if found else 0

    async def run(self) -> None:
        """Follow the log; failures are retried, later and later, for ever."""
        while True:
            try:
                moved = await self.step()
            except UpstreamError as error:
                wait = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
                self._failures += 1
                _logger.warning("sink %s: %s; again in %.0f s", self.name, error, wait)
                await asyncio.sleep(wait)
                continue
            self._failures = 0
            if not moved:
                await asyncio.sleep(IDLE_SECONDS)

    async def step(self) -> int:
        """Deliver the next entries, if there are any; returns how many."""
        entries = await self._log.entries(self.next, min(self._log.size, self.next + CHUNK))
        if not entries:
            return 0
        await self._sink.deliver(self._log.origin, entries)
        await self._keep(entries[-1].index + 1)
        return len(entries)

    async def _keep(self, following: int) -> None:
        cursor = SinkCursor(self.name, following)
        values: tuple[Any, ...] = (cursor.name, cursor.next)
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        write = Write(CURSORS.upsert, values, stamped=True)
        self._database.submit(Request(done=answer.set_result, writes=[write]))
        outcome = await answer
        if isinstance(outcome.problem, Exception):
            raise UpstreamError(f"cursor not stored: {outcome.problem}")
        self.next = following
