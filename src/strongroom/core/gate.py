"""Who asks, and whether they may: authentication, policy, and the guardrails behind it.

Order   token → session → (create or update?) → policy → sudo → guardrails → control group → change
Trust   What is cached here is of one generation, and the commit is the fence: see `pipeline`.
        The reason of a refusal goes into the entry; the caller learns only that it was refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from strongroom.base.errors import DeniedError, InputError, LimitError
from strongroom.core.attempt import Attempt
from strongroom.core.fields import declared, members
from strongroom.core.governance.controlling import ChangeControl
from strongroom.core.guardrails import Guardrails, below
from strongroom.core.router import Operation
from strongroom.core.subjects import CHANGES, subject_refusal
from strongroom.core.views import Views
from strongroom.identity.policy.acl import Decision
from strongroom.identity.policy.capability import Capability
from strongroom.identity.policy.capability import Operation as Asked
from strongroom.identity.sessions import Session
from strongroom.identity.sign_ins import SIGN_INS, WRITTEN_AFTER, SignIn
from strongroom.identity.step_up import CUSTODY, FactorNeededError
from strongroom.identity.step_up import check as check_fresh
from strongroom.identity.tokens import Tokens
from strongroom.sdk.engine import Call
from strongroom.storage.barrier import TamperedError

ASKED = {
    Operation.READ: Asked.READ,
    Operation.LIST: Asked.LIST,
    Operation.SCAN: Asked.SCAN,
    Operation.WRITE: Asked.UPDATE,
    Operation.PATCH: Asked.PATCH,
    Operation.DELETE: Asked.DELETE,
    Operation.HELP: Asked.READ,
}
LOG_IN_AGAIN = (
    "log in again: what this token's owner may do now asks for a factor that its login did not show"
)
ASK_FOR_IT = (
    "permission denied: here people are served by a grant alone; ask for one: strongroom request"
)
LISTS = (Operation.LIST, Operation.SCAN)
_logger = logging.getLogger("strongroom")
_BOTH = Capability.CREATE | Capability.UPDATE


@dataclass(frozen=True, slots=True)
class Gate:
    """Stands before every handler. `call` builds what a handler gets, to ask what exists."""

    views: Views
    tokens: Tokens
    call: Callable[[Attempt], Call]
    changes: ChangeControl

    async def authenticate(self, attempt: Attempt, *, is_open: bool) -> None:
        """Find out who asks. On an open path nobody need be, and no use is counted.

        Where nobody is, for want of a token or of one that stands, the address is counted:
        LimitError if it has asked too often. While sealed no token can be judged.
        """
        incoming, sealed = attempt.incoming, attempt.transaction.barrier.sealed
        if incoming.actor is not None:
            attempt.actor, attempt.known = incoming.actor, True
            return
        session = None
        if incoming.token and not sealed:
            session = await self._session(attempt, is_open=is_open)
        if session is None:
            _bound_strangers(attempt)
            if is_open or sealed:
                return
            raise DeniedError
        here = session.from_here(incoming.address)
        if is_open and (not here or (session.limited and session.token.uses_left < 1)):
            return
        attempt.actor, attempt.known = session.actor, True
        if not here:
            attempt.reason = "from another address than its token or session is for"
            raise DeniedError
        if incoming.turn is not None and session.turn not in ("", incoming.turn):
            attempt.reason = "a cookie of before a factor was shown"
            raise DeniedError
        attempt.session = session
        if session.sign_in is not None:
            _note_use(attempt, session, session.sign_in)
        if not is_open:
            self._count(attempt, session)

    async def _session(self, attempt: Attempt, *, is_open: bool) -> Session | None:
        """Return who asks; nobody, and why, where a row behind the token was changed."""
        try:
            return await self.views.session(
                attempt.transaction, attempt.incoming.token, attempt.now
            )
        except TamperedError as error:
            _logger.error("not let in: %s", error)  # noqa: TRY400 - no trace helps here
            if not is_open:
                attempt.reason = f"tampered: {error}"
            return None

    def _count(self, attempt: Attempt, session: Session) -> None:
        if session.limited:
            session.token = self.tokens.use(attempt.transaction, session.token)

    async def authorize(self, attempt: Attempt) -> None:
        """Ask policy and guardrails; DeniedError, with the reason left in the attempt."""
        incoming, session = attempt.incoming, attempt.session
        if session is None or incoming.operation is Operation.HELP:
            return  # the server itself; or help, for which being somebody is enough
        asked = ASKED[incoming.operation]
        if incoming.operation is Operation.WRITE:
            asked = await self._create_or_update(attempt, session)
            attempt.operation = asked.value
        decision = session.acl.grants(incoming.path, asked)
        if decision.conditional:
            parameters = _parameters(attempt)
            decision = session.acl.decide(incoming.path, asked, parameters, incoming.wrap_ttl)
        attempt.rules = decision.rules
        if not decision.allowed:
            attempt.reason = session.refused or decision.reason
            if session.outgrown:
                attempt.reason = f"rule {session.outgrown} asks for a factor that was not shown"
                raise DeniedError(LOG_IN_AGAIN)
            guardrails = await self.views.guardrails(attempt.transaction)
            if session.person and guardrails.check_granted(session, incoming.path, asked):
                raise DeniedError(ASK_FOR_IT)
            raise DeniedError
        if attempt.match is not None and attempt.match.bound.route.sudo and not decision.sudo:
            attempt.reason = "sudo is needed"
            raise DeniedError
        await self._guard(attempt, session, asked, decision)
        if decision.control is not None and not incoming.released:
            attempt.held = decision.control
            return
        covered = await self._controlled(attempt, session)
        attempt.unconditional = not (covered or decision.conditional) and _by_path_alone(
            attempt, session
        )
        if incoming.operation in LISTS:
            _bound_page(attempt, decision)

    async def authorize_after_all(self, attempt: Attempt) -> None:
        """Ask on an open path what is asked on every other; for handlers that decide so."""
        if attempt.session is None:
            raise DeniedError
        self._count(attempt, attempt.session)
        await self.authorize(attempt)
        if attempt.held is not None:
            attempt.reason = "a control group holds no path that is open"
            raise DeniedError

    async def check_custodian(self, attempt: Attempt) -> None:
        """Ask for a fresh factor whoever brings a token of theirs to a rekey, or for a root token.

        Nobody need bring one there; but what is put down to a person has been shown by them.
        """
        session, incoming = attempt.session, attempt.incoming
        if session is None or not incoming.path.startswith(CUSTODY):
            return
        if incoming.operation in CHANGES and session.steps_up_at(incoming.path):
            guardrails = await self.views.guardrails(attempt.transaction)
            await self._step_up(attempt, session, ASKED[incoming.operation], guardrails)

    async def _guard(
        self, attempt: Attempt, session: Session, asked: Asked, decision: Decision
    ) -> None:
        guardrails = await self.views.guardrails(attempt.transaction)
        refused = guardrails.check(session, attempt.incoming.path, asked)
        refused = refused or self._refused_whole(attempt, session, guardrails)
        refused = refused or await self._refused_subject(attempt, session)
        if refused is not None:
            attempt.guardrail = attempt.reason = refused
            raise DeniedError
        self._check_granted(attempt, session, asked, decision, guardrails)
        if session.steps_up_at(attempt.incoming.path):
            await self._step_up(attempt, session, asked, guardrails)

    def _check_granted(
        self,
        attempt: Attempt,
        session: Session,
        asked: Asked,
        decision: Decision,
        guardrails: Guardrails,
    ) -> None:
        """Refuse what only policies allow, where people are served by grants alone."""
        inside = guardrails.check_granted(session, attempt.incoming.path, asked)
        if inside or not decision.standing:
            attempt.granted_until = decision.granted_until
        needs = None if decision.granted else inside
        if needs is None and _changes_whole(attempt):
            mount = attempt.serving[0].row.path
            needs = guardrails.check_granted_whole(session, mount, asked)
        if needs is not None:
            attempt.guardrail = attempt.reason = f"granted:{needs}"
            raise DeniedError(ASK_FOR_IT) if session.person else DeniedError()

    async def _controlled(self, attempt: Attempt, session: Session) -> bool:
        """Hold a write to an approved change where a rule covers it; say whether one does."""
        incoming = attempt.incoming
        if incoming.operation not in CHANGES or attempt.match is None:
            return False
        rules = await self.views.change_rules(attempt.transaction)
        covering = rules.covering(incoming.path, incoming.operation.value)
        if not (covering or incoming.chosen):
            return False
        await self.changes.hold(attempt, session, covering)
        return True

    async def _step_up(
        self, attempt: Attempt, session: Session, asked: Asked, guardrails: Guardrails
    ) -> None:
        """Ask a person for a fresh factor where a rule wants one."""
        rules, path = await self.views.step_up(attempt.transaction), attempt.incoming.path
        reached = [each.name for each in guardrails.environments_of(path, asked)]
        try:
            wrapped = attempt.incoming.wrap_ttl is not None
            needed = rules.asked(path, asked, reached, wrapped=wrapped)
            check_fresh(needed, session.sign_in, attempt.now)
        except FactorNeededError as error:
            attempt.guardrail = attempt.reason = f"step-up:{error.rule}"
            raise

    def _refused_whole(
        self, attempt: Attempt, session: Session, guardrails: Guardrails
    ) -> str | None:
        """Ask whether a change of a whole mount reaches where the caller may not go."""
        if not _changes_whole(attempt):
            return None
        live, _ = attempt.serving
        return guardrails.refusal_within(session.environments, below(live.row.path))

    async def _refused_subject(self, attempt: Attempt, session: Session) -> str | None:
        """Ask whose credentials a bound caller would change."""
        match, incoming = attempt.match, attempt.incoming
        subjects = None if match is None else match.bound.route.subjects
        if match is None or subjects is None or not session.environments:
            return None
        if incoming.operation not in CHANGES:
            return None
        live, _ = attempt.serving
        given = match.bound.decode(match.fields, incoming.query, incoming.body).given
        aliases = await subjects(self.call(attempt), given)
        return await subject_refusal(attempt.transaction, live, aliases, session.environments)

    async def _create_or_update(self, attempt: Attempt, session: Session) -> Asked:
        """Say whether a write creates; asks the engine only where the answer matters."""
        match, incoming = attempt.match, attempt.incoming
        if match is None or match.bound.route.exists is None:
            return Asked.UPDATE
        granted = session.acl.capabilities_for(incoming.path) & _BOTH
        if granted in (_BOTH, Capability.NONE) and incoming.wrap_ttl is None:
            return Asked.UPDATE
        given = match.bound.decode(match.fields, incoming.query, incoming.body).given
        there = await match.bound.route.exists(self.call(attempt), given)
        return Asked.UPDATE if there else Asked.CREATE


def _note_use(attempt: Attempt, session: Session, sign_in: SignIn) -> None:
    """Keep a session alive by its use; written down now and then, for the next start."""
    now, written = attempt.now, session.recorded_at
    session.sign_in = used = sign_in.used(max(now, sign_in.seen_at))
    if written is None or now - written >= WRITTEN_AFTER:
        session.recorded_at = now
        attempt.transaction.put(SIGN_INS, used)


def _bound_strangers(attempt: Attempt) -> None:
    """Count a request that nobody is behind, once however often it is served."""
    incoming = attempt.incoming
    count, incoming.bound = incoming.bound, None
    wait = count(incoming.address) if count else 0
    if wait:
        attempt.code = "request.limited"
        raise LimitError("too many requests without a valid token", wait)


def _changes_whole(attempt: Attempt) -> bool:
    """Say whether a request changes all of a mount."""
    whole = attempt.match is not None and attempt.match.bound.route.whole
    return whole and attempt.incoming.operation in CHANGES


def _by_path_alone(attempt: Attempt, session: Session) -> bool:
    """Say whether a write was allowed whatever is stored, and whatever its body says."""
    incoming, match = attempt.incoming, attempt.match
    if incoming.operation is not Operation.WRITE:
        return True
    if match is None or match.bound.route.subjects is not None:
        return False
    granted = session.acl.capabilities_for(incoming.path) & _BOTH
    return match.bound.route.exists is None or granted == _BOTH


def _bound_page(attempt: Attempt, decision: Decision) -> None:
    """Hold a list to the page that its rule allows, and remember what it must hide."""
    query = attempt.incoming.query
    if decision.pagination_limit and (query is None or query.get("limit", ["max"]) == ["max"]):
        attempt.incoming.query = {**(query or {}), "limit": [str(decision.pagination_limit)]}
    attempt.keys_filter = decision.keys_filter


def visible(attempt: Attempt, keys: list[str]) -> list[str]:
    """Return the keys of a list that its rule lets this token see."""
    if attempt.keys_filter is None or attempt.session is None:
        return keys
    acl, path = attempt.session.acl, attempt.incoming.path
    shown = attempt.keys_filter
    return [k for k in keys if acl.capabilities_for(shown.path_of(path, k)) & _wanted(k)]


def _wanted(key: str) -> Capability:
    return Capability.LIST if key.endswith("/") else Capability.READ


def _parameters(attempt: Attempt) -> dict[str, object]:
    """Return query and body as policy's parameter rules see them.

    A field that came under an older name counts under its present one too. InputError for a body
    that cannot be judged whole: what a rule has not seen must not be served.
    """
    incoming, match = attempt.incoming, attempt.match
    found: dict[str, object] = {
        k: v[0] if len(v) == 1 else v for k, v in (incoming.query or {}).items()
    }
    if incoming.body:
        for name, raw in members(incoming.body).items():
            try:
                found[name] = msgspec.json.decode(raw)
            except (msgspec.DecodeError, RecursionError, ValueError):
                raise InputError("", "the body holds a value that cannot be read") from None
    for field in declared(match.bound.endpoint.given) if match else ():
        for older in field.help.was if field.help else ():
            if older in found:
                found.setdefault(field.name, found[older])
    return found
