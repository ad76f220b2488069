"""A request that a control group holds is kept, and answered with a wrapping token.

Vault   The reply has `wrap_info` instead of data. The request is made when its token is unwrapped,
        after enough others authorized its accessor (`governance.control_groups`).
Differs Names of groups are taken for the groups that have them when the request is made: one that
        comes later by the same name is another. Only who has an entity and a service token is
        held so; anybody else is refused.
Trust   The request lies sealed in the wrapping token's cubbyhole, and goes with it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from strongroom.base.errors import DeniedError
from strongroom.core.attempt import Attempt
from strongroom.core.fields import members
from strongroom.core.views import Views
from strongroom.core.wrapping import Held, Stems, Wrapping, wrap_info
from strongroom.identity.deciding import known_as
from strongroom.identity.governance.records import PENDING, PROPOSALS, InForce, Need, Proposal
from strongroom.identity.groups import Graph
from strongroom.identity.makers import stems_from
from strongroom.identity.policy.control_group import ControlGroup, Factor
from strongroom.identity.records import NONE

HELD_BACK: Final = "control_group.request"
CONTROL_GROUP: Final = "control-group"  # kind of the proposals that end in one request
NOBODY: Final = "permission denied: a control group holds this, for service tokens of an entity"


async def hold(views: Views, wrapping: Wrapping, attempt: Attempt, group: ControlGroup) -> None:
    """Keep a request that policy allowed, and answer with the token that makes it."""
    session, incoming, tx, now = attempt.session, attempt.incoming, attempt.transaction, attempt.now
    if session is None or not session.token.entity or not session.token.lookup:
        raise DeniedError(NOBODY)
    _, match = attempt.serving
    match.bound.decode(match.fields, incoming.query, incoming.body)
    held = Held(
        token=session.token.lookup,
        operation=incoming.operation.value,
        path=incoming.path,
        method=incoming.method,
        query=None if incoming.query is None else {k: [*v] for k, v in incoming.query.items()},
        body=incoming.body,
        merge_patch=incoming.merge_patch,
        wrap_ttl=incoming.wrap_ttl,
        creation_time=now,
        creation_ttl=group.ttl,
    )
    of = Stems(tuple(stems_from(session.token)), session.token.let_in_by)
    issued = wrapping.hold(tx, held, of)
    who = tuple(dict.fromkeys(filter(None, (session.token.entity, *session.makers))))
    graph = await views.graph(tx)
    row = Proposal(
        id=issued.token.accessor,
        kind=CONTROL_GROUP,
        title=f"{attempt.operation} {incoming.path}"[:512],
        reason="",
        revision=1,
        body=msgspec.json.encode(
            {
                "path": incoming.path,
                "operation": attempt.operation,
                "fields": dict.fromkeys(members(incoming.body)) if incoming.body else None,
            }
        ).decode(),
        requesters=who,
        known_as=await known_as(tx, who),
        helpers=session.helped_by,
        rules=tuple(_in_force(each, group, graph) for each in group.factors),
        state=PENDING,
        created_at=now,
        edited_at=now,
        expires_at=now + group.ttl,
        due_at=None,
        decided_at=None,
        outcome="",
    )
    tx.put(PROPOSALS, row)
    attempt.code = HELD_BACK  # nothing of what was asked for has been done yet
    attempt.about |= {"control_group": row.id, "proposal": row.id, "requesters": list(who)}
    attempt.about["control_group_factors"] = [each.name for each in group.factors]
    info = wrap_info(issued, incoming.path, group.ttl, now, "")
    attempt.status = 200
    attempt.body = msgspec.json.encode(
        {
            "request_id": incoming.id,
            "lease_id": "",
            "renewable": False,
            "lease_duration": 0,
            "data": None,
            "wrap_info": info,
            "warnings": None,
            "auth": None,
        }
    )


def _in_force(factor: Factor, group: ControlGroup, graph: Graph) -> InForce:
    """Return what a factor needs, its groups by their ids; why nobody can meet it, if so."""
    by_name = {each.name: each.id for each in graph.groups.values()}
    ids = [each for each in factor.group_ids if each in graph.groups]
    ids += [by_name[each] for each in factor.group_names if each in by_name]
    gone = len(ids) < len(factor.group_ids) + len(factor.group_names)
    needs = (Need(factor.approvals, tuple(dict.fromkeys(ids))),) if ids else ()
    problem = f"factor {factor.name} names a group that is not there" if gone else ""
    return InForce(factor.name, needs, group.ttl, NONE, problem)
