"""`strongroom/log/…`: the log as replies: its state, its entries, a proof for one of them.

The same log is served as tiles below `/log/`; an entry bundle there asks policy for
`strongroom/log/tile/entries/…` here, so that reading the log is itself on record.

Trust  Entries say who did what. The key shown by `status` is for convenience: whoever verifies
       takes the log's key from somewhere that the server does not control.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.sdk.engine import Endpoint, Help, Json, Nothing, Reply, Route

MOST = 1000


@dataclass(frozen=True, kw_only=True)
class Range:
    """Which entries; `end` is exclusive."""

    start: Annotated[int, Help("First index.", least=0)] = 0
    end: Annotated[int, Help("Index after the last; at most 1000 later.", least=0)] = MOST


@dataclass(frozen=True, kw_only=True)
class Index:
    """Which entry."""

    index: Annotated[int, Help("Index of the entry.", least=0)]


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Which bundle, as C2SP names it."""

    path: Annotated[str, Help("Path of the bundle below `tile/entries/`.")]


class LogRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="log/status",
                summary="Origin, size, newest checkpoint, witnesses.",
                read=Endpoint(Nothing, self.status, "log.status"),
            ),
            Route(
                path="log/entries",
                summary="Entries by index.",
                read=Endpoint(Range, self.entries, "log.read"),
            ),
            Route(
                path="log/proof/{index}",
                summary="A proof that an entry is in the log.",
                read=Endpoint(Index, self.proof, "log.proof"),
            ),
            Route(
                path="log/tile/entries/{path...}",
                summary="Permission to read an entry bundle below /log/.",
                read=Endpoint(Bundle, self.bundle, "log.read"),
            ),
        )

    async def status(self, _call: SystemCall, _given: Nothing) -> Reply:
        log = self._server.log
        published = log.published
        return Reply(
            {
                "origin": log.origin,
                "key": log.verifier_key,
                "size": log.size,
                "checkpoint": published.note.decode() if published else None,
                "witnessed": log.witnessed.decode() if log.witnessed else None,
                "simulated_clock": self._server.settings.simulated,
            }
        )

    async def entries(self, _call: SystemCall, given: Range) -> Reply:
        if not 0 <= given.end - given.start <= MOST:
            raise InputError("end", f"must be from start to start + {MOST}")
        found = await self._server.log.entries(given.start, given.end)
        return Reply(
            {
                "entries": [
                    {"index": e.index, "leaf_hash": e.digest.hex(), "event": Json(e.leaf)}
                    for e in found
                ],
                "size": self._server.log.size,
            }
        )

    async def proof(self, call: SystemCall, given: Index) -> Reply:
        """Give a `tlog-proof` file; 404 until a checkpoint holds the entry."""
        log = self._server.log
        await log.publish(call.now)
        proof = await log.inclusion(given.index)
        found = await log.entries(given.index, given.index + 1)
        if not found:
            raise NotFoundError
        return Reply(
            {
                "index": given.index,
                "proof": proof.encode().decode(),
                "leaf_hash": found[0].digest.hex(),
                "event": Json(found[0].leaf),
            }
        )

    async def bundle(self, _call: SystemCall, given: Bundle) -> Reply:
        return Reply({"path": given.path})
