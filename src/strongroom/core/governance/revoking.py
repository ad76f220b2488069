"""What is done when a line of an access review is revoked: at once, in the decision's transaction.

Order   The grant is gone from the commit on: no later request is served by it. What stands
        elsewhere (a login's policies, a directory's group) cannot be ended here: what it gave is
        taken away as far as it can be, and a task says what is left to do.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from strongroom.core.server import Server
from strongroom.identity.governance.campaigns import Line
from strongroom.identity.governance.records import GRANTS
from strongroom.identity.records import ENTITIES, GROUP_MEMBERS, TOKENS
from strongroom.identity.standing import living
from strongroom.sdk.reviews import DIRECTORY, GRANT, GROUP, POLICY, TOKEN
from strongroom.storage.transaction import Transaction

GONE: Final = "nothing was left of it"


@dataclass(slots=True)
class Executed:
    """What was ended; `task` is what somebody has still to do, `details` go into the entry."""

    did: str
    task: str = ""
    details: dict[str, object] = field(default_factory=dict)


async def execute(
    server: Server, tx: Transaction, line: Line, *, by: str, now: datetime
) -> Executed:
    """End what a line is of, as far as the server can."""
    if line.kind == POLICY:
        return await _policy(tx, line, now)
    if line.kind in (GROUP, DIRECTORY):
        return await _membership(tx, line)
    if line.kind == GRANT:
        return await _grant(tx, line, by, now)
    if line.kind == TOKEN:
        return await _token(server, tx, line, now)
    return await _login(server, tx, line, now)


async def _policy(tx: Transaction, line: Line, now: datetime) -> Executed:
    entity = await living(tx, line.holder)
    if entity is None or line.via not in entity.policies:
        return Executed(GONE)
    left = tuple(each for each in entity.policies if each != line.via)
    tx.put(ENTITIES, replace(entity, policies=left, updated_at=now, entry=None))
    tx.changed(f"entity:{entity.id}")
    details: dict[str, object] = {"entity": entity.id, "entity_policies": list(left)}
    return Executed(f"took the policy {line.via} from the entity", details=details)


async def _membership(tx: Transaction, line: Line) -> Executed:
    entity = await living(tx, line.holder)
    task = ""
    if line.kind == DIRECTORY:
        task = f"take them out of {line.name} in the directory: their next login brings it back"
    if entity is None or await tx.get(GROUP_MEMBERS, line.via, entity.id) is None:
        return Executed(GONE, task)
    tx.delete(GROUP_MEMBERS, line.via, entity.id)
    tx.changed(f"entity:{entity.id}")
    details: dict[str, object] = {"group": line.via, "let_out": [entity.id]}
    return Executed(f"let them out of the group {line.name}", task, details)


async def _grant(tx: Transaction, line: Line, by: str, now: datetime) -> Executed:
    row = await tx.get(GRANTS, line.via)
    if row is None or row.over_at <= now:
        return Executed(GONE)
    why = f"revoked in review {line.campaign}"
    tx.put(GRANTS, replace(row, ended_at=now, ended_by=by, why=why, entry=None))
    tx.changed(f"entity:{row.entity}")
    details: dict[str, object] = {"grant": row.id, "granted_to": row.entity}
    return Executed("ended the grant", details=details)


async def _token(server: Server, tx: Transaction, line: Line, now: datetime) -> Executed:
    token = await server.tokens.by_accessor(tx, line.via)
    if token is None:
        return Executed(GONE)
    ended = await server.tokens.revoke(tx, token, now)
    below = len(ended) - 1
    more = f" and {below} made with it" if below > 0 else ""
    return Executed(f"revoked the token{more}", details={"accessor": line.via})


async def _login(server: Server, tx: Transaction, line: Line, now: datetime) -> Executed:
    """End the sessions of who logged in so; the login itself is changed at its mount."""
    at, held = line.via, ", ".join(line.policies)
    task = f"take {held} from {at}: only who sees to that login can"
    entity = await living(tx, line.holder)
    if entity is None:
        return Executed("there was no session of it", task)
    mounts = (await server.views.mounts(tx)).by_path
    uuids = {live.row.uuid for path, live in mounts.items() if at.startswith(path)}
    tokens = [t for t in (await tx.examine(TOKENS, entity=entity.id))[0] if t.mount in uuids]
    for token in tokens:
        await server.tokens.revoke(tx, token, now)
    details: dict[str, object] = {"sessions_ended": len(tokens)}
    return Executed(f"ended {len(tokens)} sessions of that login", task, details)
