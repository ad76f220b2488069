"""A pause between commits: who is in it reads what nobody is about to change.

A request that lost to others twice is served in one, and is first in the commit after it. Without
that a read of what others write all the time would never come to its entry: each time it was
served, the next commit has changed what it read.

Order   commit → pause (all who wait come in; who comes later waits for the next) → the last one
        leaves → commit of what is queued.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Quiet:
    """Lets in who waits, and goes on when all have left. `go_on` begins the next commit."""

    def __init__(self, go_on: Callable[[], None]) -> None:
        self._go_on = go_on
        self._waiting: list[asyncio.Future[None]] = []
        self._inside = 0

    def begin(self) -> bool:
        """Let in whoever waits; say whether anybody came, so that nothing may be committed yet."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():  # else it was cancelled
                self._inside += 1
                each.set_result(None)
        return self._inside > 0

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Wait for the next pause, and be in it."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():  # let in, even if cancelled just then
                self._inside -= 1
                if self._inside == 0:
                    self._go_on()
