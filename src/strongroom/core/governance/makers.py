"""Who made the present value of what is asked for, where a path names one thing.

The engine says which entry of the log wrote it (`sdk.engine.Attributing`), and the log says whose
request that was.

Limits  Of a value whose entry is no longer kept, or that root wrote, nobody is known to have made
        it; nor of what patterns reach, which is no one thing.
"""

from __future__ import annotations

from collections.abc import Iterable

from strongroom.audit.decoding import decoded
from strongroom.core.offboarding import call_at
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.identity.governance.approving import people_behind
from strongroom.identity.policy.pattern import is_exact
from strongroom.sdk.engine import Attributing
from strongroom.sdk.knowing import actors

LEAF = "SELECT leaf FROM entry WHERE idx = ?"


async def makers_of(server: Server, call: SystemCall, paths: Iterable[str]) -> frozenset[str]:
    """Return who wrote what each exact path holds now, and who owns those that are workloads."""
    found: set[str] = set()
    for path in filter(is_exact, paths):
        index = await _written_at(server, call, path)
        if index is None:
            continue
        rows = await call.transaction.reader.rows(LEAF, (index,))
        if rows:
            found |= {each for each in actors(decoded(index, bytes(rows[0][0]))) if each}
    return await people_behind(call.transaction, sorted(found))


async def _written_at(server: Server, call: SystemCall, path: str) -> int | None:
    mounts = await server.views.mounts(call.transaction)
    at = mounts.find(path)
    if at is None or not isinstance(at[0].plugin, Attributing):
        return None
    live, rest = at
    engine: Attributing = at[0].plugin
    mine = call_at(server, call.transaction, live, call.now)
    return await engine.written_at(mine, rest.rstrip("/"))
