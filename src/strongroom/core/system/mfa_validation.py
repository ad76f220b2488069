"""`sys/mfa/validate`: the second phase of a login.

Vault   The request id of the login, and what is shown by the id or name of a method.
Differs Words of a refusal, which are the same for all: see `core.second_factor`.
Order   Found → who waits may still log in, by what the first factor was judged by, and is still
        known by the alias that they came by → what is shown meets all that is demanded now → the
        token, and the waiting login ends, in one transaction. A challenge is answered once,
        rightly or not.
Trust   Open to whoever has a request id. Wrong codes count against the entity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hmac import compare_digest
from typing import Annotated

import msgspec

from strongroom.base.errors import DeniedError, InputError
from strongroom.base.ids import uuid_of
from strongroom.core.hands import hands_of
from strongroom.core.proven import proven
from strongroom.core.request import SystemCall
from strongroom.core.second_factor import (
    Answering,
    FirstFactor,
    Signing,
    actor_waiting,
    batch_details,
    enrolled_at,
    enrolled_by,
    is_workload,
    issued,
    kinds_of,
    limit_details,
    session_limits,
    shown_details,
)
from strongroom.core.server import Server
from strongroom.core.system.token import plugin_call
from strongroom.core.views import Live
from strongroom.identity.admission import Registering, registering
from strongroom.identity.factors.checking import FactorRefusedError
from strongroom.identity.factors.records import MFA_PENDING, Pending
from strongroom.identity.makers import all_there
from strongroom.identity.records import ALIASES
from strongroom.identity.standing import standing_of
from strongroom.sdk.auth import AuthMethod, Proof, TokenRules
from strongroom.sdk.engine import Endpoint, Help, Json, Reply, Route


@dataclass(frozen=True, kw_only=True)
class Validate:
    """What is shown for a login that waits."""

    mfa_request_id: Annotated[str, Help("Id that the login was answered with.", most=128)] = ""
    mfa_payload: Annotated[
        Json | None, Help("What is shown, by the id of a method: a list of one text.")
    ] = None


class MfaValidation:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the route below `sys/`."""
        return (
            Route(
                path="mfa/validate",
                summary="Show the second factor of a login that waits, and get its token.",
                write=Endpoint(Validate, self.validate, "auth.login.mfa"),
                open=True,
            ),
        )

    async def validate(self, call: SystemCall, given: Validate) -> Reply:
        """Give the token of a login that waits, if what is shown is all that it needs."""
        tx, second = call.transaction, self._server.factors
        if not given.mfa_request_id:
            raise InputError("", "missing request ID")
        payload = _payload(given.mfa_payload)
        pending = await second.find(tx, given.mfa_request_id, call.now)
        call.details |= {"login": pending.path, "factors": list(pending.shown)}
        live, first = await self._first(call, pending)
        standing = first.standing
        demands, verdict = await second.anew(tx, live, pending, first)
        answering = Answering(
            entity=standing.entity.id,
            demands=demands,
            given=payload,
            challenge=pending.challenge,
        )
        try:
            shown = await second.met(tx, answering, call.now)
        except FactorRefusedError as error:
            if pending.challenge is None or not _answers(payload):
                raise
            asked = ((MFA_PENDING, replace(pending, challenge=None)),)  # each challenge once
            raise FactorRefusedError(error.reason, (*error.rows, *asked), error.details) from None
        call.details |= shown_details(pending.shown, shown)
        call.details |= batch_details(verdict.wanted)
        tx.delete(MFA_PENDING, pending.lookup)
        signing = Signing(
            id=uuid_of(call.entropy(16)),
            factors=kinds_of(shown),
            address=call.address,
            provided=pending.provided or (),
            enrolled_at=enrolled_at(shown),
            enrolled_by=enrolled_by(shown),
            limits=await session_limits(tx, standing),
            hands=hands_of(live.row),
        )
        call.details |= limit_details(signing)
        reply, call.actor = issued(
            self._server.tokens,
            tx,
            verdict.wanted,
            standing,
            now=call.now,
            signing=None if is_workload(standing, first.proof.workload) else signing,
        )
        return reply

    async def _first(self, call: SystemCall, pending: Pending) -> tuple[Live, FirstFactor]:
        """Return the login that waits. Raises FactorRefusedError where it would fail by now."""
        tx, views = call.transaction, self._server.views
        standing = await standing_of(tx, pending.entity, await views.graph(tx))
        if standing is None:
            raise FactorRefusedError("the entity is gone")
        call.actor = actor_waiting(standing, pending.path)
        if standing.entity.disabled or standing.over(call.now):
            raise FactorRefusedError("the entity is disabled, or its end has come")
        if not standing.active(call.now) and await registering(tx) is Registering.REQUIRED:
            raise FactorRefusedError("neither a registered person nor a registered workload")
        if not await all_there(tx, pending.wanted.let_in_by or (), call.now):
            raise FactorRefusedError("who made what was logged in by has left")
        mounts = (await views.mounts(tx)).by_path.values()
        live = next((live for live in mounts if live.row.uuid == pending.mount), None)
        rules = None if live is None else await _still_holds(call, live, pending)
        if live is None or rules is None:
            raise FactorRefusedError("the auth method does not know the subject any more")
        accessor = live.row.accessor
        known = await tx.all(ALIASES, mount_accessor=accessor, name=pending.alias)
        if [alias.entity for alias in known] != [standing.entity.id]:
            raise FactorRefusedError("the alias that it came by is gone, or is another entity's")
        proof = Proof(
            alias=pending.alias,
            shown_by=pending.shown[0],
            rules=rules,
            role=pending.role,
            factors=pending.provided or (),
            workload=bool(pending.workload),
        )
        return live, FirstFactor(proof=proof, standing=standing, wanted=pending.wanted)


async def _still_holds(call: SystemCall, live: Live, pending: Pending) -> TokenRules | None:
    """Return the rules of the tokens; None where the subject is gone.

    Raises FactorRefusedError where anything was changed that the first factor was judged by.
    """
    method: AuthMethod = live.plugin  # type: ignore[assignment]  # what makes tokens is one
    asked, subject = plugin_call(call, live), (pending.role, pending.alias)
    try:
        rules = await method.still_holds(asked, *subject)
        now = await proven(call.transaction.barrier, live, asked, subject, rules)
    except DeniedError:
        return None
    if not compare_digest(now.encode(), (pending.proven or "").encode()):
        raise FactorRefusedError("what the first factor was judged by was changed since")
    return rules


def _payload(given: Json | None) -> dict[str, list[str]]:
    if given is None:
        return {}
    try:
        return msgspec.json.decode(given.raw, type=dict[str, list[str]])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise InputError("", "invalid mfa payload") from None


def _answers(payload: dict[str, list[str]]) -> bool:
    return any(text.lstrip().startswith("{") for texts in payload.values() for text in texts)
