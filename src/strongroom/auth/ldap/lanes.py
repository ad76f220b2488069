"""Threads that wait for directories, so many at a time for each mount.

Trust   A directory that hangs holds the threads of its own mount, and nobody else's: not those
        that hash passwords, not those of another mount. Who waits for a thread is let go when the
        time is over, and so is who waits for an answer; the thread's own end is its deadline's.
        A thread is a daemon: a server that stops does not wait for a directory.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from strongroom.auth.ldap.connection import LATE
from strongroom.base.errors import UpstreamError

Answer = TypeVar("Answer")

MOST_AT_ONCE: Final = 16
MOST_WAITING: Final = 256
FULL: Final = "too many logins wait for the directory"


@dataclass(slots=True)
class _Lane:
    """One mount's threads. Counted under `lock`: threads end whatever loop is running."""

    busy: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Lanes:
    """See the module."""

    def __init__(self, most: int = MOST_AT_ONCE, waiting: int = MOST_WAITING) -> None:
        self._most, self._waiting = most, waiting
        self._lanes: dict[str, _Lane] = {}
        self._lock = threading.Lock()

    async def run(self, mount: str, within: float, work: Callable[[float], Answer]) -> Answer:
        """Run `work` in a thread of this mount's; it is given the moment by which it must end.

        Raises what `work` raises, and UpstreamError when the time is over, or when too many wait.
        """
        until = time.monotonic() + within
        await self._turn(mount, within)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()

        def tell(result: Answer | None, problem: BaseException | None) -> None:
            if answered.done():
                return
            if problem is not None:
                answered.set_exception(problem)
            else:
                answered.set_result(result)  # type: ignore[arg-type]  # there is one, or a problem

        def run() -> None:
            result, problem = None, None
            try:
                result = work(until)
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                problem = error
            finally:
                self._leave(mount)
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
                loop.call_soon_threadsafe(tell, result, problem)

        try:
            threading.Thread(target=run, name=f"ldap-{mount}", daemon=True).start()
        except RuntimeError:
            self._leave(mount)
            raise UpstreamError(FULL) from None
        return await _in_time(answered, until)

    async def _turn(self, mount: str, within: float) -> None:
        """Wait until one of the mount's threads is free, and take it."""
        with self._lock:
            lane = self._lanes.setdefault(mount, _Lane())
            if lane.busy < self._most:
                lane.busy += 1
                return
            if len(lane.waiting) >= self._waiting:
                raise UpstreamError(FULL)
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            lane.waiting.append(turn)
        try:
            await _in_time(turn, time.monotonic() + within)
        except BaseException:
            self._give_up(mount, turn)
            raise

    def _give_up(self, mount: str, turn: asyncio.Future[None]) -> None:
        """Wait no longer; a turn that was given meanwhile goes to the next."""
        with self._lock:
            lane = self._lanes[mount]
            if turn in lane.waiting:
                lane.waiting.remove(turn)
                return
        self._leave(mount)

    def _leave(self, mount: str) -> None:
        """Give this thread's place to whoever waits first, or free it."""
        with self._lock:
            lane = self._lanes[mount]
            while lane.waiting:
                turn = lane.waiting.popleft()
                with suppress(RuntimeError):  # its loop has ended
                    turn.get_loop().call_soon_threadsafe(_begin, turn)
                    return
            lane.busy -= 1
            if not lane.busy:
                del self._lanes[mount]


def _begin(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


async def _in_time(future: asyncio.Future[Answer], until: float) -> Answer:
    """Wait for a future until then. No `asyncio.timeout`: a request may run outside of a task."""

    def give_up() -> None:
        if not future.done():
            future.set_exception(UpstreamError(LATE))

    timer = asyncio.get_running_loop().call_later(max(0, until - time.monotonic()), give_up)
    try:
        return await future
    finally:
        timer.cancel()
