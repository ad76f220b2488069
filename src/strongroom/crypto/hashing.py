"""One thread for what is slow by design: password hashes, and keys from passphrases.

Units   A hash of a password takes some 20 ms, a key of a passphrase about 200.
Order   First come, first served. Each purpose has a queue of its own length, so that a flood of
        logins refuses logins, and neither an unseal nor a new password.
Trust   However many ask, one core hashes, and the event loop runs on. Who finds a queue full is
        refused before anything is judged, alike whether the name is known or not.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from strongroom.base.errors import UnavailableError

Result = TypeVar("Result")

LOGIN: Final = "login"
PASSWORD: Final = "password"  # noqa: S105 - a purpose
PASSPHRASE: Final = "passphrase"  # noqa: S105 - likewise
MOST: Final = {LOGIN: 128, PASSWORD: 16, PASSPHRASE: 4}
NICE: Final = 5
FULL: Final = "too many wait for a password to be hashed; try again in a moment"


class Hashing:
    """See the module. The thread is started with the first piece of work."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "hashing", initializer=_yielding)
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    async def run(self, purpose: str, work: Callable[[], Result]) -> Result:
        """Do this in the thread, in turn. Raises UnavailableError where too many wait already."""
        with self._lock:
            if self._waiting[purpose] >= MOST[purpose]:
                raise UnavailableError(FULL)
            self._waiting[purpose] += 1

        def left(_done: Future[Result]) -> None:
            with self._lock:
                self._waiting[purpose] -= 1

        try:
            future = self._thread.submit(work)
        except RuntimeError:  # the process is ending
            with self._lock:
                self._waiting[purpose] -= 1
            raise UnavailableError("the server is stopping") from None
        future.add_done_callback(left)
        return await asyncio.wrap_future(future)


def _yielding() -> None:
    """Let whoever answers requests go first where cores are few; on Linux a thread has its own."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
