"""What evidence does to the server by itself: changes of its own, each with an entry.

Order   read and change in a transaction → entry → commit. A change that somebody else got in the
        way of is made again from the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from strongroom.audit.entry import SYSTEM, Event, digest_of, encode
from strongroom.base.ids import uuid_of
from strongroom.core.server import Server
from strongroom.storage.commit import Outcome, Problem, Request
from strongroom.storage.transaction import Transaction

Result = TypeVar("Result")
Change = Callable[[Transaction], Awaitable[Result]]


def event_of(server: Server, code: str, path: str, details: dict[str, object]) -> Event:
    """Return the event of an act of the server itself."""
    return Event(
        code=code,
        operation=code.rpartition(".")[2],
        path=path,
        time=server.clock.now(),
        id=uuid_of(server.entropy(16)),
        actor=SYSTEM,
        ok=True,
        details=details,
        simulated=server.settings.simulated,
    )


async def act(
    server: Server, code: str, path: str, details: dict[str, object], change: Change[Result]
) -> tuple[Result, int]:
    """Make a change with its entry; return what the change returned, and the entry's index."""
    while True:
        tx = Transaction(server.database, server.barrier)
        result = await change(tx)
        event = event_of(server, code, path, details)
        leaf = encode(event)
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        done = server.pipeline.counters.counting(code, answer.set_result, ok=True)
        server.database.submit(
            Request(
                done=done,
                leaf=leaf,
                digest=digest_of(leaf),
                checks=tx.due_checks(),
                writes=tx.writes(),
                topics=tx.topics,
            )
        )
        outcome = await answer
        if outcome.problem is None:
            return result, outcome.index
        if not isinstance(outcome.problem, Problem):
            raise outcome.problem


async def heartbeat(server: Server) -> int:
    """Write the counters down now, so that what came before is accounted for."""
    details = server.pipeline.counters.beat(server.barrier)
    return await server.pipeline.record(event_of(server, "log.heartbeat", "log/heartbeat", details))
