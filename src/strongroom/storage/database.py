"""What the rest of the server knows of the database: reads, commits, and whether it works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from strongroom.base.errors import UnavailableError
from strongroom.storage.commit import Committed, Request
from strongroom.storage.transaction import Reader

Listener = Callable[[Committed], None]


class InUseError(Exception):
    """Another server has this database open."""


class UnsafeDatabaseError(Exception):
    """This database, or its driver, cannot keep what it acknowledges."""


class OvertakenError(Exception):
    """Somebody else has committed to this database: what this server knows of it is no longer so.

    It must not go on; a restart reads the log anew.
    """


class Database(Reader, Protocol):
    """One database, opened by this process alone."""

    kind: str

    def submit(self, request: Request) -> None:
        """Queue a request for the next commit; `request.done` is called on the event loop."""
        ...

    def quiet(self) -> AbstractAsyncContextManager[None]:
        """Be in a pause between commits; what others submit meanwhile waits. Leave it soon."""
        ...

    def follow(self, listener: Listener) -> None:
        """Call `listener` on the event loop after each commit, before the answers."""
        ...

    def trouble(self) -> str | None:
        """Say why commits are refused now (disk nearly full, database away), or None.

        It goes away by itself: while there is trouble, the database tries to commit nothing.
        """
        ...

    async def close(self) -> None:
        """Commit what is queued, then close. A second time is no error."""
        ...


def unavailable(error: Exception) -> UnavailableError:
    """Turn a driver's failure into the caller's error; the driver's text stays inside."""
    text = str(error).lower()
    if "is full" in text or "no space" in text:
        return UnavailableError("storage is full; nothing was changed")
    return UnavailableError("storage is unavailable; nothing was changed")


def in_doubt() -> UnavailableError:
    """Return the error for a commit of which nobody knows whether it was carried out."""
    return UnavailableError(
        "storage was lost during the commit; whether the request was carried out is not known"
    )


def deliver(
    loop: asyncio.AbstractEventLoop,
    done: Committed | None,
    listeners: Iterable[Listener],
    batch: Iterable[Request],
) -> None:
    """Tell the listeners of a commit, then each request. One that fails keeps none from theirs."""
    if done is not None:
        for listener in listeners:
            _tell(loop, listener, done)
    for request in batch:
        _tell(loop, request.done, request.outcome)


def _tell(loop: asyncio.AbstractEventLoop, told: Callable[..., None], what: object) -> None:
    try:
        told(what)
    except asyncio.InvalidStateError:
        return  # a future whose request was cancelled: nobody waits any more
    except Exception as error:  # noqa: BLE001 - the others must get theirs
        loop.call_exception_handler({"message": "after a commit", "exception": error})
