"""What authorization and routing need of the stored state, cached for one generation.

A commit that changes any of it names what it changed (`Transaction.changed`); after each commit
the view forgets just that. Because the commit fences every request on the generation it was
authorized under, a view that is behind can cost a second try, never a wrong answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256

from strongroom.core.guardrails import Guardrails
from strongroom.core.records import MOUNTS, Mount, hands_of
from strongroom.core.router import Routes
from strongroom.identity.behind import behind
from strongroom.identity.entrances import ENTRANCES, WHOLE
from strongroom.identity.environments import read_environments
from strongroom.identity.factors.demands import ENROL, ENROL_TEXT, asking, unmet
from strongroom.identity.factors.records import FACTOR_RULES, FactorRule
from strongroom.identity.governance.changes import ChangeRules, read_change_rules
from strongroom.identity.governance.grants import (
    PREFIX,
    grants_of,
    lent,
    of_own_sign_in,
    policy_of,
)
from strongroom.identity.governance.records import Grant
from strongroom.identity.groups import NOWHERE, Graph, read_graph
from strongroom.identity.leaving import ended_for
from strongroom.identity.makers import Made, made_by
from strongroom.identity.policy.acl import Acl, compile_acl
from strongroom.identity.policy.document import Policy, parse_policy
from strongroom.identity.policy.lending import Lending
from strongroom.identity.policy.template import Identity
from strongroom.identity.records import ALIASES, POLICIES, WORKLOADS, StoredPolicy, Token
from strongroom.identity.sessions import Session, about, actor_of, networks
from strongroom.identity.sign_ins import SignIn, helped_by, login_behind, shown_by, sign_in_of
from strongroom.identity.standing import Standing, identity_of, standing_of
from strongroom.identity.step_up import StepUp, read_step_up
from strongroom.identity.tokens import Tokens, kept
from strongroom.sdk.engine import Mounted
from strongroom.storage.barrier import TamperedError
from strongroom.storage.commit import Committed
from strongroom.storage.guard import Broken
from strongroom.storage.transaction import Transaction

MAX_SESSIONS = 50_000
_logger = logging.getLogger("strongroom")
ROOT = Policy(name="root", rules=())


@dataclass(frozen=True, slots=True)
class Live:
    """A mount that serves: its row, its compiled routes and what is behind them."""

    row: Mount
    routes: Routes
    plugin: object  # an Engine, an AuthMethod, or a part of the core
    mounted: Mounted
    system: bool = False  # its handlers get a `SystemCall`


class Mounts:
    """All mounts, found by the longest prefix of a path.

    A row that was changed serves nothing where it says that it is, and hides no other mount.
    """

    def __init__(self, live: Mapping[str, Live], broken: Sequence[Broken] = ()) -> None:
        self.by_path = dict(live)
        self.broken = tuple(broken)
        self._depths = sorted({path.count("/") for path in live}, reverse=True)

    def find(self, path: str) -> tuple[Live, str] | None:
        """Return the mount that a request path belongs to, and the rest of the path."""
        parts = path.split("/")
        for depth in self._depths:
            if depth > len(parts):
                continue
            prefix = "/".join(parts[:depth]) + "/"
            found = self.by_path.get(prefix)
            if found is not None:
                return found, path[len(prefix) :] if len(path) >= len(prefix) else ""
        return None

    def problem_at(self, path: str) -> str | None:
        """Say which row was changed that a path without a mount would have belonged to."""
        for each in self.broken:
            if f"{path}/".startswith(each.name):
                return each.problem
        return None

    def problem_of(self, uuid: str) -> str | None:
        """Say which row was changed that claims to be this mount."""
        return next((each.problem for each in self.broken if each.stored["uuid"] == uuid), None)


class Views:
    """See the module."""

    def __init__(
        self,
        tokens: Tokens,
        build: Callable[[Mount], Live],
        fixed: Callable[[], Mapping[str, Live]],
        salt: bytes,
    ) -> None:
        self.generation = 0
        self._latest = datetime.min.replace(tzinfo=UTC)  # that was asked of here
        self._tokens = tokens
        self._build = build
        self._fixed = fixed
        self._mounts: Mounts | None = None
        self._guardrails: Guardrails | None = None
        self._graph: Graph | None = None
        self._step_up: StepUp | None = None
        self._change_rules: ChangeRules | None = None
        self._factor_rules: tuple[FactorRule, ...] | None = None
        self._policies: dict[str, Policy | None] = {}
        self._expiring: dict[str, datetime] = {}
        # Found by a salted digest of the token's text, so that a hit needs no keyed one.
        self._salt = salt
        self._sessions: dict[bytes, Session] = {}
        self._handles: dict[bytes, bytes] = {}  # token lookup → handle
        self._built: dict[str, tuple[Mount, Live]] = {}

    # -- forgetting

    def committed(self, done: Committed) -> None:
        """Forget what a commit changed. Called on the event loop before its answers."""
        if done.foreign:
            self.clear()
        for _, topic in done.topics:
            self._forget(topic)
        self.generation = max(self.generation, done.generation)

    def catch_up(self, generation: int) -> None:
        """Forget everything: somebody else changed something that we were not told of."""
        if generation > self.generation:
            self.clear()
            self.generation = generation

    def clear(self) -> None:
        self._mounts = None
        self._guardrails = None
        self._graph = None
        self._step_up = None
        self._change_rules = None
        self._factor_rules = None
        self._policies.clear()
        self._expiring.clear()
        self._forget_sessions()

    def _forget(self, topic: str) -> None:
        kind, _, name = topic.partition(":")
        match kind:
            case "token":
                handle = self._handles.pop(bytes.fromhex(name), b"")
                self._sessions.pop(handle, None)
            case "policy":
                self._policies.pop(name, None)
                self._expiring.pop(name, None)
                self._forget_sessions()
            case "entity":
                gone = [k for k, s in self._sessions.items() if topic in s.about]
                for handle in gone:
                    session = self._sessions.pop(handle)
                    self._handles.pop(session.token.lookup, None)
            case "group":
                self._graph = None
                self._forget_sessions()
            case "step-up":
                self._step_up = None
            case "environment":
                self._guardrails = None
                self._forget_sessions()
            case _:
                self.clear()

    def _forget_sessions(self) -> None:
        self._sessions.clear()
        self._handles.clear()

    # -- mounts and guardrails

    def current(self) -> tuple[object, object]:
        """Return what stands for the mounts and the guardrails: other objects once they change."""
        return self._mounts, self._guardrails

    def are_current(self, mounts: object, guardrails: object) -> bool:
        """Say whether these are what `current` would return, and both are known."""
        known = mounts is not None and guardrails is not None
        return known and mounts is self._mounts and guardrails is self._guardrails

    async def mounts(self, tx: Transaction) -> Mounts:
        if self._mounts is not None:
            return self._mounts
        generation = self.generation
        found, broken = ([], []) if tx.barrier.sealed else await tx.examine(MOUNTS)
        for each in broken:
            _logger.error("mounts: %s", each.problem)
        rows = {row.path: row for row in found if not row.config.get("tainted")}
        fixed = {path: tuned(live, rows.pop(path, None)) for path, live in self._fixed().items()}
        live = {path: self.live(row) for path, row in rows.items()} | fixed
        mounts = Mounts(live, broken)
        if generation == self.generation:
            self._mounts = mounts
        return mounts

    def live(self, row: Mount) -> Live:
        """Build a mount, or take the one built before if its row is the same."""
        known = self._built.get(row.uuid)
        if known is None or known[0] != row:
            known = self._built[row.uuid] = (row, self._build(row))
        return known[1]

    async def guardrails(self, tx: Transaction) -> Guardrails:
        if self._guardrails is not None:
            return self._guardrails
        generation = self.generation
        stored = await read_environments(tx)
        for problem in filter(None, (stored.problem, *(each.problem for each in stored.lost))):
            _logger.error("environments: %s", problem)
        guardrails = Guardrails(stored.sound, stored.lost, stored.problem)
        if generation == self.generation:
            self._guardrails = guardrails
        return guardrails

    async def step_up(self, tx: Transaction) -> StepUp:
        """Return the rules that ask people for a fresh factor."""
        if self._step_up is not None:
            return self._step_up
        generation = self.generation
        rules = await read_step_up(tx)
        if generation == self.generation:
            self._step_up = rules
        return rules

    async def change_rules(self, tx: Transaction) -> ChangeRules:
        """Return the rules of which writes need an approved change."""
        if self._change_rules is not None:
            return self._change_rules
        generation = self.generation
        rules = await read_change_rules(tx)
        for problem in rules.lost:
            _logger.error("change rules: %s", problem)
        if generation == self.generation:
            self._change_rules = rules
        return rules

    async def factor_rules(self, tx: Transaction) -> tuple[FactorRule, ...]:
        """Return the rules of who needs which factors. Raises TamperedError for a changed one."""
        if self._factor_rules is not None:
            return self._factor_rules
        generation = self.generation
        rules = tuple(await tx.all(FACTOR_RULES))
        if generation == self.generation:
            self._factor_rules = rules
        return rules

    async def graph(self, tx: Transaction) -> Graph:
        """Return all groups and how they are nested."""
        if self._graph is not None:
            return self._graph
        generation = self.generation
        graph = await read_graph(tx)
        if generation == self.generation:
            self._graph = graph
        return graph

    # -- policies

    async def acl(
        self, tx: Transaction, names: Iterable[str], identity: Identity | None, now: datetime
    ) -> tuple[Acl, str]:
        """Compile policies. With one that was changed they grant nothing, and it says which.

        That one may have held a `deny`, so the others cannot stand without it. Root can.
        """
        found: list[Policy | None] = []
        problem = ""
        for name in names:
            try:
                found.append(await self.policy(tx, name, now))
            except TamperedError as error:
                problem = str(error)
        if problem and ROOT not in found:
            _logger.error("policies: %s", problem)
            return compile_acl((), identity, now), f"tampered: {problem}"
        return compile_acl([policy for policy in found if policy is not None], identity, now), ""

    async def policy(self, tx: Transaction, name: str, now: datetime) -> Policy | None:
        """Return a policy that is in force, parsed; None if there is none of this name.

        Raises TamperedError for one that was changed in the database.
        """
        if name == "root":
            return ROOT
        if name == ENROL:
            return _enrolling()
        end = self._expiring.get(name)
        if end is not None and now >= end:
            return None
        if name in self._policies:
            return self._policies[name]
        generation = self.generation
        row = await tx.get(POLICIES, name)
        policy = None if row is None else parsed(row)
        if generation == self.generation:
            self._policies[name] = policy
            self._expiring.pop(name, None)
            if row is not None and row.expires_at is not None:
                self._expiring[name] = row.expires_at
        if row is not None and row.expires_at is not None and now >= row.expires_at:
            return None
        return policy

    # -- sessions

    def known(self, text: str, now: datetime) -> Session | None:
        """Return who is behind a token text, if that is remembered and still so."""
        session = self._sessions.get(self._handle(text))
        self._latest = latest = max(self._latest, now)
        if session is None or not (session.live(now) and session.fresh(now, latest)):
            return None
        return session

    def _handle(self, text: str) -> bytes:
        return sha256(self._salt + text.encode("utf-8", "replace")).digest()

    async def session(self, tx: Transaction, text: str, now: datetime) -> Session | None:
        """Return who is behind a token text; None if nobody is, or no longer."""
        known = self.known(text, now)
        if known is not None:
            return known
        batch = text.startswith("hvb.")
        generation = self.generation
        token = await self._tokens.find(tx, text)
        if token is None:
            return None
        session = await self.open(tx, token, now)
        if session is None or not session.live(now):
            return None
        if not batch and generation == self.generation and not session.limited:
            if len(self._sessions) >= MAX_SESSIONS:
                self._forget_sessions()
            handle = self._handle(text)
            self._sessions[handle] = session
            self._handles[token.lookup] = handle
        return session

    async def open(self, tx: Transaction, token: Token, now: datetime) -> Session | None:
        """Compile what a token may do; None if its mount or entity is gone, disabled or over.

        So are they whom it stems from.

        Raises TamperedError if a row of these was changed in the database.
        """
        if token.mount and await self._mount_of(tx, token) is None:
            if problem := (await self.mounts(tx)).problem_of(token.mount):
                raise TamperedError(problem)
            return None
        standing = None
        if token.entity:
            standing = await standing_of(tx, token.entity, await self.graph(tx))
            if standing is None or standing.entity.disabled or standing.over(now):
                return None
            if standing.entity.id != token.entity:  # a batch token of one that was merged
                token = replace(token, entity=standing.entity.id)
        made = await made_by(tx, token, now)
        if made is None or (not token.lookup and await ended_for(tx, token, made)):
            return None
        sign_in = await sign_in_of(tx, token)
        entity = standing.entity if standing is not None else None
        belonging = standing.belonging if standing is not None else NOWHERE
        identity = None if entity is None else await identity_of(tx, entity, belonging)
        narrow = ENROL in token.policies  # it can enrol a factor, whatever its entity may
        outgrown = "" if narrow else await self._outgrown(tx, token, standing)
        own = standing.policies if standing is not None and not narrow else ()
        names = (ENROL,) if outgrown else kept((*token.policies, *own))
        acl, refused = await self.acl(tx, names, identity, now)
        if not (narrow or outgrown or refused):
            acl = await self._with_grants(tx, token, standing, identity, acl, now)
        ends = [acl.good_until, *(self._expiring.get(name) for name in names)]
        acl.good_until = min((end for end in ends if end is not None), default=None)
        environments = await self._environments(tx, token, standing)
        end = await self._tokens.end(tx, token)
        kind = standing.kind if standing else None
        over = (end, standing.ends_at if standing else None, made.ends_at)
        return Session(
            token=token,
            ends_at=min((end for end in over if end is not None), default=None),
            entity=entity,
            policies=names,
            identity_policies=own,
            acl=acl,
            identity=identity,
            environments=environments,
            networks=networks(token.cidrs),
            about=about(token, made) | await self._owners(tx, standing, made),
            made=made,
            makers=tuple(dict.fromkeys(filter(None, (*made.makers, token.entity)))),
            helped_by=await self._helped_by(tx, token, made, sign_in),
            actor=actor_of(token, environments, names, kind, made.makers),
            sign_in=sign_in,
            person=standing is not None and standing.person is not None,
            registered=_registered(standing, made, now),
            workload=await self._is_workload(tx, token, standing, made, now),
            recorded_at=sign_in.seen_at if sign_in is not None else None,
            refused=refused,
            outgrown=outgrown,
        )

    async def _owners(
        self, tx: Transaction, standing: Standing | None, made: Made
    ) -> frozenset[str]:
        """Return the topics of those whom workloads belong to: one is over some time after them."""
        whose = {*made.makers, *made.let_in_by, *([standing.entity.id] if standing else ())}
        rows = [row for each in whose if (row := await tx.get(WORKLOADS, each)) is not None]
        return frozenset(f"entity:{row.owner}" for row in rows)

    async def _helped_by(
        self, tx: Transaction, token: Token, made: Made, sign_in: SignIn | None
    ) -> tuple[str, ...]:
        """Return who else could be behind a session: by its login, or behind whom it stems from."""
        whose = tuple(dict.fromkeys(filter(None, (*made.makers, token.entity))))
        others = [*helped_by(sign_in), *made.let_in_by]
        for each in whose:
            if await tx.get(WORKLOADS, each) is not None:
                others += await self._could_log_in(tx, token, each)
        found = await behind(tx, (*whose, *others))
        return tuple(each for each in found if each not in whose)

    async def _could_log_in(self, tx: Transaction, token: Token, workload: str) -> tuple[str, ...]:
        """Return who wrote by what a workload logged in.

        Where no login is found any more, or its role is gone, that is who wrote to its mounts.
        """
        login = await login_behind(tx, token)
        if login is not None and login.entity == workload:
            role = await tx.get(ENTRANCES, login.mount, login.role)
            if role is not None:
                whole = await tx.get(ENTRANCES, login.mount, WHOLE)
                return (*role.knowing, *(whole.knowing if whole is not None else ()))
        mounts = {row.mount_accessor for row in await tx.all(ALIASES, entity=workload)}
        rows = [live.row for live in (await self.mounts(tx)).by_path.values()]
        return tuple(hand for row in rows if row.accessor in mounts for hand in hands_of(row))

    async def _outgrown(self, tx: Transaction, token: Token, standing: Standing | None) -> str:
        """Return the rule that asks for a factor which the login behind a token has not shown.

        Its entity has come to policies, or a rule to them, since the login; or no login gave it.
        A token that is nobody's has what it was made with.
        """
        if standing is None or not (rules := await self.factor_rules(tx)):
            return ""
        names = kept((*token.policies, *standing.policies))
        mine = asking(rules, names, standing.belonging.all)
        return unmet(mine, await shown_by(tx, token)) if mine else ""

    async def _with_grants(  # noqa: PLR0913, PLR0917 - whose they are, and what they add to
        self,
        tx: Transaction,
        token: Token,
        standing: Standing | None,
        identity: Identity | None,
        acl: Acl,
        now: datetime,
    ) -> Acl:
        """Return policies with what the person behind a token was granted for now.

        A grant that was changed in the database, or whose groups were, gives nothing; nor does one
        that was over at any moment that was asked of here, wherever the clock is now.
        """
        latest = self._latest = max(self._latest, now)
        if standing is None or standing.person is None or not of_own_sign_in(token):
            return acl
        if acl.everything is not None or not standing.active(now):
            return acl
        rows = [row for row in await grants_of(tx, standing.entity.id) if latest < row.over_at]
        if not rows:
            return acl
        active = [row for row in rows if row.active(now)]
        given = [policy for row in active for policy in await self._lent(tx, row, now)]
        granted = compile_acl(given, identity, now)
        since = max((row.begins for row in active), default=datetime.min.replace(tzinfo=UTC))
        ended = {f"{PREFIX}{row.id}": row.over_at for row in active}
        joined = Lending(acl, granted, since, ended)
        turns = [row.over_at if row.active(now) else row.begins for row in rows]
        ends = (acl.good_until, granted.good_until, *turns, *self._expiring.values())
        joined.good_until = min(end for end in ends if end is not None and now < end)
        return joined

    async def _lent(self, tx: Transaction, row: Grant, now: datetime) -> list[Policy]:
        """Return what a grant gives, as policies of its name: its own, and those of its groups."""
        if not row.groups:
            return [policy_of(row)]
        try:
            groups = (await self.graph(tx)).above(row.groups)
            names = sorted({name for group in groups for name in group.policies})
            given = [await self.policy(tx, name, now) for name in names]
        except TamperedError as error:
            _logger.error("%s%s: %s", PREFIX, row.id, error)  # noqa: TRY400 - no trace helps here
            return []
        return [policy_of(row), *(lent(row, policy) for policy in given if policy is not None)]

    async def _is_workload(
        self,
        tx: Transaction,
        token: Token,
        standing: Standing | None,
        made: Made,
        now: datetime,
    ) -> bool:
        """Say whether a token is of a registered, active workload, by a login of its own.

        What somebody made in its name is not: they could use it themselves.
        """
        if standing is None or standing.workload is None or not standing.active(now):
            return False
        if of_own_sign_in(token):
            return True
        if made.person or made.foreign or token.makers != (standing.entity.id,):
            return False
        if not (await self.guardrails(tx)).by_grant:
            return False  # nothing goes by it
        login = await login_behind(tx, token)
        return login is not None and of_own_sign_in(login)

    async def _environments(
        self, tx: Transaction, token: Token, standing: Standing | None
    ) -> frozenset[str]:
        """Return what the token, its entity and its auth mount are each bound to."""
        bound = set(token.environment.split(","))
        if standing is not None:
            bound.add(standing.environment)
        mount = await self._mount_of(tx, token)
        if mount is not None:
            bound.add(mount.row.options.get("environment", ""))
        return frozenset(bound - {""})

    async def _mount_of(self, tx: Transaction, token: Token) -> Live | None:
        """Return the auth mount that made a token; a disabled one is none."""
        live = (await self.mounts(tx)).by_path.values()
        return next((each for each in live if token.mount and each.row.uuid == token.mount), None)


def _registered(standing: Standing | None, made: Made, now: datetime) -> bool:
    """Say whether a token is a registered, active workload's, or was made by such ones alone."""
    if made.makers:
        return made.workloads
    return standing is not None and standing.workload is not None and standing.active(now)


def tuned(live: Live, row: Mount | None) -> Live:
    """Return a mount of the core's own as a stored row has tuned it."""
    if row is None:
        return live
    mounted = mounted_of(row, live.mounted.default_ttl, live.mounted.max_ttl)
    return replace(live, row=row, mounted=mounted)


@cache
def _enrolling() -> Policy:
    return parse_policy(ENROL, ENROL_TEXT)


def parsed(row: StoredPolicy) -> Policy:
    """Parse a stored policy; it was parsed when it was written, so it does."""
    switches = (
        "allow_slashes_in_identity_templates",
        "allow_wildcards_in_identity_templates",
    )
    return parse_policy(row.name, row.text, **{s: bool(row.options.get(s)) for s in switches})


def mounted_of(row: Mount, default_ttl: timedelta, max_ttl: timedelta) -> Mounted:
    """Return what a plugin sees of its mount; the system's limits where it has none of its own."""
    return Mounted(
        path=row.path.removeprefix("auth/"),
        kind=row.kind,
        accessor=row.accessor,
        options=row.options,
        default_ttl=row.default_ttl or default_ttl,
        max_ttl=row.max_ttl or max_ttl,
        own_ttl=row.default_ttl,
        own_max_ttl=row.max_ttl,
    )
