"""`people/{entity}/knowledge`, `rotation/due`: what leavers knew, and what is still to be rotated.

Trust   Paths of secrets and who read or wrote them, never a value. It is read from the log, so it
        says what happened, not what somebody was allowed to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from strongroom.base.clock import rfc3339
from strongroom.base.errors import NotFoundError
from strongroom.core.request import SystemCall
from strongroom.core.rotation_due import (
    DUE,
    ROTATED,
    ROTATIONS_DUE,
    Following,
    RotationDue,
    known_to,
    names_of,
)
from strongroom.core.server import Server
from strongroom.core.system.people import ById, moment
from strongroom.identity.records import ENTITIES, PEOPLE, WORKLOADS
from strongroom.sdk.engine import Endpoint, Help, Reply, Route
from strongroom.sdk.knowing import Value


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which rows."""

    state: Annotated[str, Help("due or rotated.", choices=("", DUE, ROTATED))] = DUE
    entity: Annotated[str, Help("Entity of the leaver.")] = ""


class KnowledgeRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._following = Following(server.log)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="people/{entity}/knowledge",
                summary="Each value of a static secret that a person read or wrote, from the log.",
                read=Endpoint(ById, self.knowledge, "person.knowledge"),
            ),
            Route(
                path="rotation/due",
                summary="Secrets that somebody knows who left, and nobody has written anew.",
                read=Endpoint(Filter, self.due, "rotation.list"),
            ),
        )

    async def knowledge(self, call: SystemCall, given: ById) -> Reply:
        if not await _is_known(call, given.entity):
            raise NotFoundError
        names = await names_of(call.transaction, given.entity)
        size = self._server.log.size
        values = await known_to(self._server.log, names)
        call.details |= {"entity": given.entity, "secrets": len(values)}
        found = [shown_value(value) for value in values]
        return Reply({"entity": given.entity, "secrets": found, "log_size": size})

    async def due(self, call: SystemCall, given: Filter) -> Reply:
        rows, _ = await call.transaction.examine(ROTATIONS_DUE)
        waiting = [row for row in rows if row.state == DUE]
        rows = [row for row in rows if row.state != DUE]
        rows += await self._following.resolved(call.transaction, waiting)
        kept = [
            {**shown(row), "unchanged": self._following.unchanged(row) if row.state == DUE else []}
            for row in sorted(rows, key=lambda row: (row.path, row.version, row.entity))
            if given.state in ("", row.state) and given.entity in ("", row.entity)
        ]
        return Reply({"rotations": kept})


async def _is_known(call: SystemCall, id_: str) -> bool:
    """Say whether there is such an entity, or was one that was registered."""
    tx = call.transaction
    if await tx.get(ENTITIES, id_) is not None or await tx.get(PEOPLE, id_) is not None:
        return True
    return await tx.get(WORKLOADS, id_) is not None


def shown_value(value: Value) -> dict[str, object]:
    """Return a value that somebody knows as replies show it; never the value."""
    over = value.replaced
    return {
        "path": value.path,
        "version": value.version or None,
        "index": value.last.index,
        "time": moment(value.last.time),
        "times": value.times,
        "wrote": value.wrote,
        "written_since": over is not None,
        "written_index": None if over is None else over.index,
        "written_time": None if over is None else moment(over.time),
    }


def shown(row: RotationDue) -> dict[str, object]:
    """Return a row as replies show it."""
    return {
        "path": row.path,
        "version": row.version or None,
        "entity": row.entity,
        "why": row.why,
        "read_time": rfc3339(row.read_at),
        "read_index": row.read_entry,
        "since": rfc3339(row.since),
        "state": row.state,
        "resolved_time": moment(row.resolved_at),
        "resolved_index": row.resolved_entry,
    }
