"""`sys/control-group/…`: others look at a request that waits for them, and say yes to it.

    held → authorize, as often as its factors need → unwrap: made as it would be now, once

Vault   `authorize` and `request` take the accessor of the wrapping token. `unwrap` before enough
        have authorized says that the request needs further approval.
Differs Approvers are judged like those of any request (`governance.approving`): at least one, never
        who asked, nor who could have signed in as them; members of a factor's groups as of their
        decision, by id, and nobody for two places. `request_data` names fields, and no value.
Order   What is unwrapped is judged again for its requester: their token, policy and guardrails as
        they are then. It is spent in the same transaction.
Trust   To authorize takes a fresh security key of people, like any approval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final

import msgspec

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError
from strongroom.core.governance.holding import CONTROL_GROUP
from strongroom.core.governance.organisation import names_of
from strongroom.core.governance.proposals import Decision, Ground, say_yes, store
from strongroom.core.request import Instead, SystemCall
from strongroom.core.router import Operation
from strongroom.core.server import Server
from strongroom.core.wrapping import Held
from strongroom.identity.governance.approving import approvals_of
from strongroom.identity.governance.changes import APPLIED
from strongroom.identity.governance.records import APPROVE, APPROVED, PROPOSALS, Proposal, state_of
from strongroom.identity.records import TOKENS, Token
from strongroom.sdk.engine import Endpoint, Help, Reply, Route

NEEDS_MORE: Final = "Request needs further approval"
UNKNOWN: Final = "invalid accessor"
DONE: Final = (APPROVED, APPLIED)


@dataclass(frozen=True, kw_only=True)
class ByAccessor:
    """Which request."""

    accessor: Annotated[str, Help("Accessor of the wrapping token.", least=1, most=128)]


class ControlGroupRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        return (
            Route(
                path="control-group/request",
                summary="A request that waits for others, and who said yes to it.",
                write=Endpoint(ByAccessor, self.show, "control_group.read"),
            ),
            Route(
                path="control-group/authorize",
                summary="Say yes to a request that waits for others.",
                write=Endpoint(ByAccessor, self.authorize, "control_group.approve"),
            ),
        )

    async def show(self, call: SystemCall, given: ByAccessor) -> Reply:
        row = await _there(call, given.accessor)
        said = await approvals_of(call.transaction, row)
        names = await names_of(
            call.transaction, dict.fromkeys((row.requesters[0], *(s.approver for s in said)))
        )
        about = msgspec.json.decode(row.body)
        given_by = [
            {"entity_id": each.approver, "entity_name": names[each.approver]}
            for each in said
            if each.verdict == APPROVE
        ]
        return Reply(
            {
                "approved": row.state in DONE,
                "request_path": about["path"],
                "request_operation": about["operation"],
                "request_data": about.get("fields"),
                "request_entity": {
                    "id": row.requesters[0],
                    "name": names[row.requesters[0]],
                },
                "authorizations": given_by or None,
                "state": state_of(row, call.now),
                "factors": [
                    {"name": rule.name, "approvals": need.count, "groups": list(need.groups)}
                    for rule in row.rules
                    for need in rule.needs
                ],
                "expires_at": rfc3339(row.expires_at),
            }
        )

    async def authorize(self, call: SystemCall, given: ByAccessor) -> Reply:
        """Say yes; the reply says whether enough have."""
        row = await _there(call, given.accessor)
        if row.state in DONE:
            return Reply({"approved": True})
        ground = Ground(rules=row.rules, makers=frozenset())
        call.details |= {"control_group": row.id, "requesters": row.requesters}
        decision = Decision(id=row.id, revision=row.revision)
        judged = await say_yes(self._server, call, row, decision, ground)
        if judged.met:
            row = replace(row, state=APPROVED, decided_at=call.now, entry=None)
            store(call, row)
        return Reply({"approved": judged.met})


async def release(server: Server, call: SystemCall, token: Token, held: Held) -> None:
    """Have a request that others said yes to made in place of its unwrapping."""
    tx = call.transaction
    row = await tx.get(PROPOSALS, token.accessor)
    call.details["control_group"] = token.accessor
    if row is None or row.kind != CONTROL_GROUP or row.state != APPROVED:
        raise InputError("", NEEDS_MORE)
    asking = await tx.get(TOKENS, held.token)
    session = None if asking is None else await server.views.open(tx, asking, call.now)
    if session is None or not session.live(call.now) or not session.from_here(call.address):
        raise DeniedError("permission denied", logged="the token that asked no longer stands")
    incoming = replace(
        call.request,
        operation=Operation(held.operation),
        path=held.path,
        method=held.method,
        query=held.query,
        body=held.body,
        merge_patch=held.merge_patch,
        wrap_ttl=call.request.wrap_ttl or held.wrap_ttl,
        token="",
        released=True,
    )

    async def spend() -> None:
        await server.wrapping.spend(tx, token, held, call.now)
        tx.put(PROPOSALS, replace(row, state=APPLIED, outcome=APPLIED, entry=None))

    said = [each.approver for each in await approvals_of(tx, row) if each.verdict == APPROVE]
    about = {"control_group": row.id, "approvers": said, "unwrapped": True}
    call.instead = Instead(incoming=incoming, session=session, about=about, then=spend)


async def _there(call: SystemCall, accessor: str) -> Proposal:
    row = await call.transaction.get(PROPOSALS, accessor)
    if row is None or row.kind != CONTROL_GROUP:
        raise InputError("", UNKNOWN)
    return row
