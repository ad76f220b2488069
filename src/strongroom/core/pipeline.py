"""The one way of a request: authenticate, authorize, serve, write down, commit, answer.

Order   1 route  2 authenticate  3 authorize (policy, then guardrails)  4 serve in a transaction
        5 entry  6 commit, fenced on the generation of 2 and 3  7 act in memory  8 answer
        A crash before 6 leaves nothing; after it, everything: see docs/life-of-a-request.md.
        A request whose fence or checks fail starts again at 1 with what is true now.
Trust   Nothing leaves before its entry is committed. What cannot be written down is not answered
        but with 503. A defect is 500 without words, and is written down too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from strongroom.audit.entry import ANONYMOUS, SYSTEM, Event, digest_of, encode
from strongroom.base.clock import Clock
from strongroom.base.errors import (
    ConflictError,
    DeniedError,
    InputError,
    LimitError,
    NotFoundError,
    RefusedError,
    SealedError,
    StrongroomError,
    UnavailableError,
    UpstreamError,
    VisitRefusedError,
)
from strongroom.base.ids import uuid_of
from strongroom.core.attempt import Attempt
from strongroom.core.counters import Counters
from strongroom.core.entrances import note
from strongroom.core.envelope import envelope, errors, not_found
from strongroom.core.failures import Failure, failure_of
from strongroom.core.fields import decoder
from strongroom.core.gate import ASKED, LISTS, Gate, visible
from strongroom.core.governance.controlling import ChangeControl
from strongroom.core.governance.holding import hold
from strongroom.core.guardrails import GuardrailError
from strongroom.core.hands import note_hands
from strongroom.core.leases import Leases
from strongroom.core.login import Logins, shown_path
from strongroom.core.noise import Noise
from strongroom.core.request import Answer, Incoming, Instead, SystemCall
from strongroom.core.resumed import Resumed
from strongroom.core.router import Bound, Match, Operation
from strongroom.core.seal import Seal
from strongroom.core.subjects import CHANGES
from strongroom.core.views import Live, Views
from strongroom.core.ways import Way, Ways
from strongroom.core.wrapping import Wrapping
from strongroom.identity.factors.checking import FactorRefusedError
from strongroom.identity.records import TOKENS, Token
from strongroom.identity.sessions import Session
from strongroom.identity.tokens import CUBBYHOLE, Tokens
from strongroom.sdk.engine import Call, Endpoint, Nothing, Reply, Route
from strongroom.storage.barrier import Barrier, TamperedError
from strongroom.storage.commit import Outcome, Problem, Request
from strongroom.storage.database import Database
from strongroom.storage.store import MountStore
from strongroom.storage.transaction import Savepoint, Transaction

ATTEMPTS = 64
CONTENDED = 2  # attempts that others overtook; the next is served while nothing is committed
SLOW = 8  # the same for logins, which may wait for a password's hash
PATIENCE = 0.05  # seconds for which commits wait for one that is served so
POLLS = frozenset({"sys.health", "seal.status", "sys.leader", "sys.init.status"})
FINGERPRINT = "fingerprint"
UNTOUCHED = Savepoint({}, 0, 0)  # of a transaction that has nothing to write yet
OPEN_BODY = 64 * 1024  # bytes of a body, on paths that ask nobody for a token
_logger = logging.getLogger("strongroom")

Describe = Callable[[Live, Route | None, str], Mapping[str, object]]
Respond = Callable[[Answer], None]
Admit = Callable[[Attempt, Call], Awaitable[list[str]]]


def no_help(live: Live, route: Route | None, path: str) -> Mapping[str, object]:
    """Stand in for what writes help, which lies above this floor (`app.py` puts it in)."""
    summary = live.row.description if route is None else route.summary
    return {"help": summary or path, "see_also": None}


async def let_through(_attempt: Attempt, _call: Call) -> list[str]:
    """Stand in for what holds a change against controls (`core.governance.admission`)."""
    return []


@dataclass(slots=True, kw_only=True)
class Pipeline:
    """See the module. Everything that it uses is given to it."""

    database: Database
    barrier: Barrier
    views: Views
    tokens: Tokens
    seal: Seal
    leases: Leases
    logins: Logins
    wrapping: Wrapping
    clock: Clock
    entropy: Callable[[int], bytes]
    simulated: bool = False
    noise: Noise = field(default_factory=Noise)
    counters: Counters = field(default_factory=Counters)
    trouble: str | None = None  # why nothing can be committed now
    describe: Describe = no_help
    admit: Admit = let_through
    _gate: Gate = field(init=False)
    _ways: Ways = field(init=False)
    _contended: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        changes = ChangeControl(self.views, self.entropy, self._call)
        self._gate = Gate(self.views, self.tokens, self._call, changes)
        self._ways = Ways(self.views)

    def start(self, incoming: Incoming, respond: Respond) -> None:
        """Serve one request without a task, as long as nothing in it waits for anything.

        `respond` is called once, on the event loop. Only for databases whose reads return at
        once: what waits all the same (a password hash in a thread) goes on in a task.
        """
        if self.trouble is not None:
            respond(self._refuse(UnavailableError(self.trouble)))
            return
        serving = self._serve(incoming)
        try:
            waits_for = serving.send(None)
        except StopIteration as stop:
            self._finish(stop.value, respond)
            return
        self._spawn(self._resume(Resumed(serving, waits_for), respond))

    async def _resume(self, serving: Resumed[Attempt], respond: Respond) -> None:
        self._finish(await serving, respond)

    def _finish(self, attempt: Attempt, respond: Respond) -> None:
        """Commit one attempt, and answer; one that was overtaken is repeated in a task."""
        if self._collapsed(attempt):
            respond(_unrecorded(attempt))
            return

        def done(outcome: Outcome) -> None:
            if isinstance(outcome.problem, Problem):
                self.views.catch_up(outcome.generation)
                came = attempt.incoming.asked_as or attempt.incoming
                self._spawn(self._again(came, respond))
            else:
                respond(self._answer(attempt, outcome))

        self.database.submit(self._request(attempt, done))

    async def _again(self, incoming: Incoming, respond: Respond) -> None:
        respond(await self.handle(incoming, tried=1))

    def behind(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something behind an answer, for nobody who waits."""
        self._spawn(work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def handle(self, incoming: Incoming, tried: int = 0) -> Answer:
        """Serve one request to its end, whatever that is."""
        if self.trouble is not None:
            return self._refuse(UnavailableError(self.trouble))
        attempt: Attempt | None = None
        async with AsyncExitStack() as stack:
            for count in range(tried, ATTEMPTS):
                if count == CONTENDED and _writes(attempt):
                    await stack.enter_async_context(self._contended)  # in turn
                if count < (SLOW if _logs_in(attempt) else CONTENDED):
                    attempt = await self._serve(incoming)
                    committing = self._submit(attempt)
                else:
                    attempt, committing = await self._serve_first(incoming)
                if committing is None:
                    return _unrecorded(attempt)
                outcome = await committing
                if isinstance(outcome.problem, Problem):
                    self.views.catch_up(outcome.generation)
                    continue
                return self._answer(attempt, outcome)
        return await self._give_up(incoming, attempt)

    async def _serve_first(
        self, incoming: Incoming
    ) -> tuple[Attempt, asyncio.Future[Outcome] | None]:
        """Serve in a pause between commits: nothing that is read changes before it is committed.

        Nobody waits long for what takes longer (an answer from elsewhere): it goes on, and others
        may overtake it again.
        """
        async with self.database.quiet():
            serving = asyncio.ensure_future(self._serve(incoming))
            try:
                await asyncio.wait((serving,), timeout=PATIENCE)
            except asyncio.CancelledError:
                serving.cancel()
                raise
            if serving.done():
                return serving.result(), self._submit(serving.result(), first=True)
        attempt = await serving
        return attempt, self._submit(attempt)

    async def _give_up(self, incoming: Incoming, last: Attempt | None) -> Answer:
        """Refuse what others overtook each time; an entry says who was refused what."""
        error = UnavailableError("too many others write the same thing; try again")
        attempt = last or self._attempt(incoming)
        attempt.transaction = Transaction(self.database, self.barrier)
        attempt.reason, attempt.details, attempt.touched = "", {}, None
        self._failed(attempt, failure_of(error))
        outcome = await self._commit(attempt, fenced=False)
        return self._answer(attempt, outcome)

    def _attempt(self, incoming: Incoming) -> Attempt:
        tx = Transaction(self.database, self.barrier)
        return Attempt(incoming, tx, self.views.generation, self.clock.now())

    # -- 1 to 4

    async def _serve(self, incoming: Incoming) -> Attempt:
        attempt = self._attempt(incoming)
        try:
            try:
                way = None if self.barrier.sealed else self._ways.find(attempt)
                if way is not None:
                    await self._run(attempt, way)
                else:
                    await self._try(attempt)
                if attempt.instead is not None:
                    await self._serve_instead(attempt, attempt.instead)
            except StrongroomError as error:
                if isinstance(error, GuardrailError):
                    attempt.guardrail = attempt.reason = error.guardrail
                self._failed(attempt, failure_of(error))
            if attempt.session is not None and attempt.session.limited:
                await self._use_up(attempt, attempt.session)
        except TamperedError as error:  # refused; the entry names the row for whoever looks
            _logger.error("%s: %s", attempt.code, error)  # noqa: TRY400 - no trace helps here
            attempt.transaction = Transaction(self.database, self.barrier)
            attempt.reason = f"tampered: {error}"
            self._failed(attempt, failure_of(error))
        except Exception as error:  # a defect: nothing of it may leave
            _logger.exception("defect while serving %s", attempt.code)
            attempt.transaction = Transaction(self.database, self.barrier)
            self._failed(attempt, failure_of(error))
        return attempt

    async def _try(self, attempt: Attempt) -> None:
        incoming = attempt.incoming
        if isinstance(incoming.problem, VisitRefusedError):
            await self._note_visit(attempt, incoming.problem)
            raise incoming.problem
        if incoming.problem is not None:
            if not isinstance(incoming.problem, NotFoundError):  # a path that no surface serves
                attempt.code = "request.malformed"
            if isinstance(incoming.problem, RefusedError):
                attempt.operation = "refused"  # what was asked for may not be known
            await self._gate.authenticate(attempt, is_open=True)
            raise incoming.problem
        no_route = await self._route(attempt)
        is_open = attempt.is_open
        logs_in = attempt.match is not None and attempt.match.bound.login is not None
        await self._gate.authenticate(attempt, is_open=is_open)
        if self.barrier.sealed and (logs_in or not is_open):
            raise SealedError("Vault is sealed")
        if is_open and len(incoming.body or b"") > OPEN_BODY:
            raise LimitError(f"request body too large here: the limit is {OPEN_BODY} bytes")
        if not is_open:
            await self._gate.authorize(attempt)
        else:
            await self._gate.check_custodian(attempt)
        if no_route is not None:
            raise no_route
        if attempt.held is not None:
            await hold(self.views, self.wrapping, attempt, attempt.held)
            return
        await self._run(attempt)

    async def _serve_instead(self, attempt: Attempt, instead: Instead) -> None:
        """Serve another request in place of the one that came; nothing of that one is answered."""
        came, attempt.instead = attempt.incoming, None
        attempt.incoming = replace(instead.incoming, asked_as=came)
        attempt.live = attempt.match = None
        attempt.code, attempt.details, attempt.touched = "request.unrouted", {}, None
        attempt.about |= instead.about
        if instead.then is not None:
            attempt.then.append(instead.then)
        if instead.session is not None:
            if attempt.session is not None and attempt.session.limited:
                await self._use_up(attempt, attempt.session)
            attempt.session, attempt.actor = instead.session, instead.session.actor
            attempt.known = True
        no_route = await self._route(attempt)
        if attempt.is_open:
            raise DeniedError
        await self._gate.authorize(attempt)
        if no_route is not None:
            raise no_route
        if attempt.held is not None:
            raise DeniedError("permission denied: send it yourself, a control group holds it")
        await self._run(attempt)
        if attempt.instead is not None:
            raise DeniedError

    async def _note_visit(self, attempt: Attempt, problem: VisitRefusedError) -> None:
        """Say whose session a refused visit brought; whoever brought it is not taken for them."""
        attempt.code, attempt.operation = "console.refused", "refused"
        attempt.noise = problem.kind
        text = attempt.incoming.token
        token = await self.tokens.find(attempt.transaction, text) if text else None
        if token is not None:
            whose = {"session_accessor": token.accessor, "session_of": token.entity}
            attempt.details = {name: text for name, text in whose.items() if text}
            attempt.noise = f"{problem.kind}; session {token.accessor}"

    async def _route(self, attempt: Attempt) -> StrongroomError | None:
        """Route; what is wrong is answered only after the caller has been allowed to know."""
        incoming = attempt.incoming
        attempt.operation = ASKED[incoming.operation].value
        mounts = await self.views.mounts(attempt.transaction)
        found = mounts.find(incoming.path)
        if found is None:
            if changed := mounts.problem_at(incoming.path):
                return UnavailableError(f"tampered: {changed}")
            return no_such_route(incoming.path)
        attempt.live, rest = found
        try:
            if incoming.operation is Operation.HELP:
                attempt.match = self._help(attempt.live, rest)
            else:
                attempt.match = attempt.live.routes.match(rest, incoming.operation)
        except StrongroomError as error:
            return error
        bound = attempt.match.bound
        attempt.code = "auth.login" if bound.login else bound.event
        attempt.clear_path = not bound.login and incoming.operation is not Operation.HELP
        return None

    def _help(self, live: Live, rest: str) -> Match:
        """Return what tells about a path, or about the whole mount where there is no rest."""
        route = live.routes.find(rest) if rest else None

        async def serve(_call: Call, _given: Nothing) -> Reply:
            return Reply(self.describe(live, route, rest), bare=True)

        bound = Bound(
            route=Route(path=route.path if route else "", summary="Help."),
            operation=Operation.HELP,
            endpoint=Endpoint(Nothing, serve),
            decode=decoder(Nothing),
            event="path.help",
        )
        return Match(bound, {})

    async def _run(self, attempt: Attempt, way: Way | None = None) -> None:
        """Decode, serve, and fill in what came of it; a `way` says what need not be done again."""
        incoming, bound, fields = attempt.incoming, *attempt.serving[1]
        call, tx = self._call(attempt), attempt.transaction
        if incoming.certificates:
            call.certificates = incoming.certificates
        attempt.tried_login = bound.login is not None
        before = tx.mark() if tx.pending or tx.raw or tx.topics else UNTOUCHED
        try:
            if way is not None and way.decoded is not None:
                decoded = way.decoded
            else:
                decoded = bound.decode(fields, incoming.query, incoming.body)
                if way is None:
                    self._ways.remember(attempt, decoded)
            reply = await self._reply(attempt, call, decoded.given)
            if isinstance(call, SystemCall) and call.instead is not None:
                attempt.instead = call.instead
                return
            for act in attempt.then:
                await act()
            if tx.pending:
                call.warnings += await self.admit(attempt, call)
        except StrongroomError as error:
            tx.rollback(before)
            await self._refused(attempt, call, error)
            raise
        self._succeeded(attempt, call, reply, [*decoded.warnings(), *call.warnings])

    async def _reply(self, attempt: Attempt, call: Call, given: Any) -> Reply:
        """Let a login or a handler serve what was decoded."""
        bound, _ = attempt.serving[1]
        if bound.login is not None:
            reply, attempt.actor = await self.logins.login(attempt, call, given)
            attempt.known = attempt.clear_path = True
            return reply
        reply = await bound.endpoint.serve(call, given) or Reply()
        if bound.route.opens is not None:
            await note(attempt, call, bound, given)
        await note_hands(attempt, call, bound)
        return _listed(attempt, reply) if bound.operation in LISTS else reply

    async def _refused(self, attempt: Attempt, call: Call, error: StrongroomError) -> None:
        """Keep for the entry what the handler had found out, and count what is counted."""
        if isinstance(call, SystemCall):
            attempt.details = call.details
            if call.actor is not ANONYMOUS:
                attempt.actor, attempt.known = call.actor, True
        if isinstance(error, FactorRefusedError):
            error.write(attempt.transaction)
            attempt.reason = error.reason
            attempt.details = {**attempt.details, **error.details}
        elif isinstance(error, UpstreamError | UnavailableError):
            return  # nobody was judged: neither a directory that is down nor a queue that is full
        elif attempt.serving[1].bound.login is not None:
            await self.logins.failed(attempt, call)

    def _succeeded(self, attempt: Attempt, call: Call, reply: Reply, warnings: list[str]) -> None:
        if reply.lease is not None:
            reply = self.leases.grant(attempt, reply, self.entropy)
        incoming = attempt.incoming
        attempt.status = reply.status or (200 if _has_body(reply) or warnings else 204)
        attempt.body = envelope(incoming.id, reply, warnings) if attempt.status != 204 else None
        attempt.content_type = reply.content_type
        whole = reply.bare or reply.raw is not None
        if incoming.wrap_ttl is not None and attempt.body is not None and not whole:
            attempt.body = self.wrapping.wrap(attempt, attempt.body, reply)
            attempt.status = 200
        attempt.touched = reply.touched
        if reply.touched is not None and reply.touched.unchanged:
            attempt.details = {**attempt.details, "unchanged": reply.touched.unchanged}
        if isinstance(call, SystemCall):
            attempt.details |= call.details
            attempt.committed = call.committed
            if call.actor is not ANONYMOUS:
                attempt.actor = call.actor

    async def _use_up(self, attempt: Attempt, session: Session) -> None:
        """Revoke a limited token after its last use, whatever came of it."""
        if session.token.uses_left == 0:
            await self.tokens.revoke(attempt.transaction, session.token, attempt.now)

    def _call(self, attempt: Attempt) -> Call:
        """Build what the handler gets: its mount's store, and for the core's own paths more."""
        live, _ = attempt.serving
        tx, session = attempt.transaction, attempt.session
        prefix = ""
        if live.row.uuid == CUBBYHOLE:
            if session is None:
                raise DeniedError
            if not session.token.lookup:
                words = "cubbyhole operations are only supported by 'service' type tokens"
                raise InputError("", words)
            prefix = f"{session.token.lookup.hex()}/"
        store = MountStore(tx, live.row.uuid, prefix)
        entity = session.token.entity if session else ""
        incoming = attempt.incoming
        if not live.system:
            return Call(
                store=store,
                now=attempt.now,
                entropy=self.entropy,
                fingerprint=self.fingerprint,
                mount=live.mounted,
                entity=entity,
                makers=session.knowing if session else (),
                helped_by=session.helped_by if session else (),
                address=incoming.address,
            )
        return SystemCall(
            store=store,
            now=attempt.now,
            entropy=self.entropy,
            fingerprint=self.fingerprint,
            mount=live.mounted,
            entity=entity,
            makers=session.makers if session else (),
            helped_by=session.helped_by if session else (),
            address=incoming.address,
            transaction=tx,
            request=incoming,
            session=session,
            actor=attempt.actor,
            authorize=partial(self._gate.authorize_after_all, attempt),
        )

    def fingerprint(self, value: bytes) -> bytes:
        """Return the keyed fingerprint of a secret value: 16 bytes."""
        return self.barrier.digest(FINGERPRINT, value)[:16]

    # -- failure

    def _failed(self, attempt: Attempt, failure: Failure) -> None:
        attempt.status = failure.status
        attempt.reason = attempt.reason or failure.reason
        attempt.retry_after = failure.retry_after
        attempt.content_type = "application/json"
        attempt.committed = []
        if failure.data is not None:
            attempt.body = not_found(attempt.incoming.id, failure.data)
        else:
            attempt.body = errors(*failure.messages)

    def _refuse(self, error: StrongroomError) -> Answer:
        failure = failure_of(error)
        return Answer(failure.status, errors(*failure.messages), retry_after=1)

    def _collapsed(self, attempt: Attempt) -> bool:
        """Say whether this is noise that is counted instead of written down."""
        if attempt.known or attempt.transaction.pending or attempt.transaction.raw:
            return False
        ok = attempt.status < 400
        if (ok and attempt.code not in POLLS) or attempt.tried_login:
            return False
        reason, address = "" if ok else attempt.reason, attempt.incoming.address
        reason = f"{reason}; {attempt.noise}" if attempt.noise else reason
        return not self.noise.admit(attempt.code, reason, address, attempt.now)

    # -- 5 to 8

    def _submit(self, attempt: Attempt, *, first: bool = False) -> asyncio.Future[Outcome] | None:
        """Have an attempt committed; None for noise that is only counted."""
        if self._collapsed(attempt):
            return None
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        request = self._request(attempt, answer.set_result)
        request.first = first
        self.database.submit(request)
        return answer

    async def _commit(self, attempt: Attempt, *, fenced: bool = True) -> Outcome:
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        request = self._request(attempt, answer.set_result)
        if not fenced:
            request.generation = None
        self.database.submit(request)
        return await answer

    def _request(self, attempt: Attempt, done: Callable[[Outcome], None]) -> Request:
        """Write the attempt down as its entry, and put all that is to be committed together."""
        ok = attempt.status < 400
        attempt.leaf = encode(self._event(attempt, ok=ok))
        attempt.digest = digest_of(attempt.leaf)
        tx = attempt.transaction
        if attempt.committed:
            done = _acting(attempt.committed, done)
        return Request(
            done=self.counters.counting(attempt.code, done, ok=ok),
            leaf=attempt.leaf,
            digest=attempt.digest,
            generation=attempt.generation if attempt.known or tx.topics else None,
            checks=tx.due_checks(),
            writes=tx.writes(),
            topics=tx.topics,
            about=attempt.session.about if attempt.session else frozenset(),
            read=tx.lone_read(),
            seen=tx.seen,
        )

    def _event(self, attempt: Attempt, *, ok: bool) -> Event:
        incoming, touched = attempt.incoming, attempt.touched
        path = incoming.path
        if not attempt.clear_path:
            path = shown_path(path, self.barrier)
        return Event(
            code=attempt.code,
            operation=attempt.operation or incoming.operation.value,
            path=path,
            time=self.clock.now(),
            id=incoming.id,
            actor=attempt.actor,
            ok=ok,
            method=incoming.method,
            status=attempt.status,
            reason=attempt.reason,
            rules=attempt.rules,
            guardrail=attempt.guardrail,
            address=incoming.address,
            port=incoming.port,
            version=touched.version if touched else None,
            fingerprint=touched.fingerprint if touched else None,
            details={**attempt.details, **attempt.about},
            simulated=self.simulated,
        )

    def _answer(self, attempt: Attempt, outcome: Outcome) -> Answer:
        if isinstance(outcome.problem, Exception):
            if not isinstance(outcome.problem, StrongroomError):
                _logger.error("not committed: %s", type(outcome.problem).__name__)
                return self._refuse(UnavailableError("the request could not be stored"))
            return self._refuse(outcome.problem)
        return Answer(
            attempt.status,
            attempt.body,
            f"{outcome.index}.{attempt.digest.hex()}",
            attempt.retry_after,
            outcome.index,
            attempt.content_type,
        )

    # -- the server's own acts

    async def expire_tokens(self, tokens: Sequence[Token]) -> None:
        """Revoke tokens whose time is over, with all below them: one commit, one entry.

        One commit, since each revocation sends the requests under way round again.
        """

        async def work(attempt: Attempt) -> bool:
            tx, over = attempt.transaction, 0
            accessors: list[str] = []
            for token in tokens:
                current = await tx.get(TOKENS, token.lookup)
                if current is None or current.expires_at is None:
                    continue
                if current.expires_at <= attempt.now:
                    over += len(await self.tokens.revoke(tx, current, attempt.now))
                    accessors.append(current.accessor)
            attempt.details = {"accessors": accessors, "revoked": over}
            return bool(accessors)

        await self.act("token.expire", "auth/token/expire", work)

    async def act(
        self, code: str, path: str, work: Callable[[Attempt], Awaitable[bool]]
    ) -> Answer | None:
        """Do something as the server itself, with an entry of its own; None if `work` says no.

        What `work` wrote is kept unless it raised a StrongroomError: then the entry says why it
        failed. It is called again, from the start, when somebody else wrote the same meanwhile.
        """
        incoming = Incoming(
            id=uuid_of(self.entropy(16)), operation=Operation.WRITE, path=path, actor=SYSTEM
        )
        for _ in range(ATTEMPTS):
            attempt = self._attempt(incoming)
            attempt.code, attempt.operation, attempt.actor = code, code.rpartition(".")[2], SYSTEM
            try:
                if not await work(attempt):
                    return None
            except StrongroomError as error:
                attempt.transaction = Transaction(self.database, self.barrier)
                self._failed(attempt, failure_of(error))
            outcome = await self._commit(attempt)
            if not isinstance(outcome.problem, Problem):
                return self._answer(attempt, outcome)
            self.views.catch_up(outcome.generation)
        return self._refuse(UnavailableError("too many others write the same thing"))

    async def record(self, event: Event, tx: Transaction | None = None) -> int:
        """Write down an act of the server itself, with what it changes; returns the entry's index.

        Raises ConflictError, with nothing written, if what `tx` read has changed meanwhile.
        """
        leaf = encode(event)
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        done = self.counters.counting(event.code, answer.set_result, ok=event.ok)
        request = Request(done=done, leaf=leaf, digest=digest_of(leaf))
        if tx is not None:
            request.checks, request.writes = tx.due_checks(), tx.writes()
        self.database.submit(request)
        outcome = await answer
        if isinstance(outcome.problem, Problem):
            raise ConflictError(outcome.problem.value)
        if outcome.problem is not None:
            raise outcome.problem
        return outcome.index


def _acting(
    acts: Sequence[Callable[[], None]], done: Callable[[Outcome], None]
) -> Callable[[Outcome], None]:
    """Act in memory as soon as the commit is known: nobody is served between the two."""

    def then(outcome: Outcome) -> None:
        if outcome.problem is None:
            for act in acts:
                act()
        done(outcome)

    return then


def _writes(attempt: Attempt | None) -> bool:
    """Say whether a request wrote, or meant to: also a read that uses up a token."""
    if attempt is None or attempt.incoming.operation in CHANGES:
        return True
    return bool(attempt.transaction.pending or attempt.transaction.raw)


def _logs_in(attempt: Attempt | None) -> bool:
    match = None if attempt is None else attempt.match
    return match is not None and match.bound.login is not None


def no_such_route(path: str) -> NotFoundError:
    """Return what is said of a path under no mount."""
    said = f'no handler for route "{path}". route entry not found.'
    return NotFoundError(said, logged="no such route")


def _unrecorded(attempt: Attempt) -> Answer:
    return Answer(attempt.status, attempt.body, retry_after=attempt.retry_after)


def _has_body(reply: Reply) -> bool:
    return reply.data is not None or reply.fields is not None or reply.raw is not None


def _listed(attempt: Attempt, reply: Reply) -> Reply:
    """Leave out the keys that the rule hides; a list of nothing is not found (Vault's answer)."""
    keys = reply.data.get("keys") if reply.data is not None else None
    if not isinstance(keys, list):
        return reply
    shown = visible(attempt, keys)
    if not shown:
        raise NotFoundError
    if len(shown) == len(keys):
        return reply
    info = (reply.data or {}).get("key_info")
    data = {**(reply.data or {}), "keys": shown}
    if isinstance(info, dict):
        data["key_info"] = {k: v for k, v in info.items() if k in shown}
    return reply._replace(data=data)
