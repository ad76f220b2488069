"""Tokens, identities, policies and environments as facts for control tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from strongroom.core.governance.admins import duties_by
from strongroom.core.governance.breadth import protected_areas, rules_of
from strongroom.core.guardrails import STANDING, Guardrails
from strongroom.core.records import MOUNTS, Mount
from strongroom.core.server import Server
from strongroom.core.views import parsed
from strongroom.evidence.shares import secrets_in, shares
from strongroom.identity.environments import read_environments
from strongroom.identity.governance.grants import grants_of, lent, of_own_sign_in, policy_of
from strongroom.identity.groups import Graph, read_graph
from strongroom.identity.policy.acl import Acl, compile_acl
from strongroom.identity.policy.capability import EVERYTHING, Capability, Operation, asks, names
from strongroom.identity.policy.document import Policy
from strongroom.identity.policy.lending import Lending
from strongroom.identity.policy.questions import may, reaches
from strongroom.identity.records import (
    ALIASES,
    ENTITIES,
    ENVIRONMENTS,
    MERGED,
    NONE,
    POLICIES,
    TOKENS,
    Entity,
    Environment,
    Token,
)
from strongroom.identity.sessions import Session
from strongroom.identity.sign_ins import login_behind
from strongroom.identity.standing import Standing, identity_of, stand
from strongroom.identity.tokens import kept
from strongroom.sdk.batch_tokens import BatchToken
from strongroom.sdk.facts.access import (
    Bearing,
    Cell,
    Crossing,
    DutiesFact,
    EnvironmentFact,
    HeldRules,
    LiveToken,
    MatrixRow,
    RuleFact,
    ShareFact,
)
from strongroom.storage.barrier import TamperedError
from strongroom.storage.guard import Broken
from strongroom.storage.transaction import Transaction

CHUNK = 500
OWN = "control:"  # entities of probes; they are gone when a probe is over
ROOT = Policy(name="root", rules=())
PAGE = f"{TOKENS.select} WHERE lookup > ? ORDER BY lookup LIMIT {CHUNK}"
SAMPLE = "any"  # stands for a wildcard where a path is needed


def concrete(pattern: str) -> str:
    """Return a path that a pattern matches."""
    parts = [SAMPLE if part == "+" else part for part in pattern.split("/")]
    return "/".join(parts).removesuffix("*") + (SAMPLE if pattern.endswith("*") else "")


@dataclass(frozen=True, slots=True)
class Facts:
    """See `sdk.facts.access`. Everything is as of now."""

    server: Server

    def _tx(self) -> Transaction:
        return Transaction(self.server.database, self.server.barrier)

    # -- tokens

    async def live(self) -> AsyncIterator[LiveToken]:
        merged = {row.id: row.entity for row in (await self._tx().examine(MERGED))[0]}
        async for token in self._tokens(self.server.clock.now()):
            yield LiveToken(
                accessor=token.accessor,
                path=token.path,
                policies=token.policies,
                issued_at=token.issued_at,
                expires_at=token.expires_at,
                explicit_max_ttl=token.explicit_max_ttl,
                period=token.period,
                entry=token.entry,
                entity=token.entity,
                makers=tuple(merged.get(each, each) for each in token.makers or ()),
                let_in_by=tuple(merged.get(each, each) for each in token.let_in_by or ()),
            )

    async def _tokens(self, now: datetime) -> AsyncIterator[Token]:
        after = b""
        while True:
            rows = await self.server.database.rows(PAGE, (after,))
            for row in rows:
                token = TOKENS.examine(row, self.server.barrier)
                if isinstance(token, Broken):  # T02 names it; it is nobody's
                    continue
                if token.expires_at is None or token.expires_at > now:
                    yield token
            if len(rows) < CHUNK:
                return
            after = bytes(rows[-1][0])
            await asyncio.sleep(0)

    async def bearing(self, batch: BatchToken) -> Bearing:
        tx, now = self._tx(), self.server.clock.now()
        parent = None
        if batch.parent:
            found, broken = await tx.examine(TOKENS, accessor=batch.parent)
            if broken:
                return Bearing(stands=None, because=broken[0].problem)
            if not found:
                return Bearing(stands=False, because="the token that made it is gone")
            parent = found[0].lookup
        try:
            session = await self.server.views.open(tx, _batch_token(batch, parent), now)
        except TamperedError as error:
            return Bearing(stands=None, because=str(error))
        if session is None:
            because = "its mount is gone, or whose it is or made it is gone, disabled or over"
            return Bearing(stands=False, because=because)
        if not session.live(now):
            return Bearing(
                stands=False, because="what it hangs on is over", ends_at=session.ends_at
            )
        return Bearing(stands=True, ends_at=session.ends_at)

    # -- who there is

    async def _holders(self, tx: Transaction) -> list[tuple[str, Session]]:
        """Return everybody who can act now: live tokens that differ, and entities without one."""
        now = self.server.clock.now()
        found: dict[tuple[object, ...], tuple[str, Session]] = {}
        seen: set[str] = set()
        async for token in self._tokens(now):
            session = await self._open(tx, token, now)
            if session is None or token.entity.startswith(OWN):
                continue
            seen.add(token.entity)
            who = token.entity or f"token:{token.accessor}"
            name = f"{session.entity.name} ({who})" if session.entity else who
            found.setdefault((who, *_same(session)), (name, session))
        for entity in (await tx.examine(ENTITIES))[0]:
            if entity.id not in seen and not entity.disabled and not entity.id.startswith(OWN):
                for session in await self._imagined(tx, entity, now):
                    key = (entity.id, *_same(session))
                    found.setdefault(key, (f"{entity.name} ({entity.id})", session))
        return sorted(found.values(), key=lambda each: each[0])

    async def sessions(self) -> list[Session]:
        """Return what everybody who can act now may do, under each set of policies they hold."""
        return [session for _, session in await self._holders(self._tx())]

    async def _open(self, tx: Transaction, token: Token, now: datetime) -> Session | None:
        """Return what a token may do; nothing where a row behind it was changed, as T02 says."""
        try:
            return await self.server.views.open(tx, token, now)
        except TamperedError:
            return None

    async def _imagined(self, tx: Transaction, entity: Entity, now: datetime) -> list[Session]:
        """Return what an entity could do with a token that has no policy of its own."""
        mounts = {row.accessor: row for row in (await tx.examine(MOUNTS))[0]}
        aliases, _ = await tx.examine(ALIASES, entity=entity.id)
        came: list[Mount | None] = [
            mounts[a.mount_accessor] for a in aliases if a.mount_accessor in mounts
        ]
        opened = [
            await self._open(tx, _token_of(entity, mount, now), now) for mount in came or [None]
        ]
        return [session for session in opened if session is not None]

    # -- what they may

    async def environments(self) -> Sequence[EnvironmentFact]:
        stored = await read_environments(self._tx())
        known = [(each, stored.problem) for each in stored.sound]
        return [
            EnvironmentFact(
                name=e.name,
                paths=e.paths,
                protected=e.protected,
                open=e.open,
                people=e.people or STANDING,
                entry=e.entry,
                problem=problem,
            )
            for e, problem in (*known, *((each.environment, each.problem) for each in stored.lost))
        ]

    async def crossings(self) -> AsyncIterator[Crossing]:
        tx = self._tx()
        stored = await read_environments(tx)
        rows = [*stored.sound, *(each.environment for each in stored.lost)]
        guardrails = Guardrails(stored.sound, stored.lost, stored.problem)
        for name, session in await self._holders(tx):
            await asyncio.sleep(0)
            for environment in rows:
                bound = session.environments
                if not bound or bound == {environment.name} or not environment.protected:
                    continue
                for pattern in environment.paths:
                    yield Crossing(
                        identity=name,
                        bound=tuple(sorted(bound)),
                        environment=environment.name,
                        pattern=pattern,
                        by_policy=reaches(session.acl, pattern),
                        guardrail=guardrails.refusal(bound, concrete(pattern)) or "",
                    )

    async def matrix(self) -> AsyncIterator[MatrixRow]:
        tx, now = self._tx(), self.server.clock.now()
        found, _ = await tx.examine(POLICIES)
        policies = {row.name: parsed(row) for row in found}
        graph = await read_graph(tx)
        over = {row.name for row in found if row.expires_at is not None and row.expires_at <= now}
        paths = _paths(
            policies.values(),
            (await tx.examine(ENVIRONMENTS))[0],
            (await tx.examine(MOUNTS))[0],
        )
        environments = await read_environments(tx)
        written = Fence(Guardrails(environments.sound, environments.lost, environments.problem))
        running = Fence(await self.server.views.guardrails(tx))
        for name, session in await self._holders(tx):
            await asyncio.sleep(0)
            own, identity, standing = session.token.policies, None, None
            if session.entity is not None:
                standing = await stand(tx, session.entity, graph)
                identity = await identity_of(tx, session.entity, standing.belonging)
                own = kept((*own, *standing.policies))
            held = [policies[p] for p in own if p in policies and p not in over]
            held += [ROOT] if "root" in own else []
            acl = compile_acl(held, identity, now)
            extra: list[Policy] = []
            if standing is not None and acl.everything is None:
                given = {name: each for name, each in policies.items() if name not in over}
                extra = await _granted(tx, session.token, standing, given, graph, now)
            granted = compile_acl(extra, identity, now)
            by_policies = await _is_served_by_policies(tx, session.token, standing, now)
            bound = session.environments
            cells: list[Cell] = []
            for path in paths:
                stored = _stored(acl, granted, path)
                engine = _engine(session.acl, path)
                cells.append(
                    Cell(
                        path=path,
                        stored=written.left(bound, path, stored, by_policies=by_policies),
                        engine=running.left(bound, path, engine, by_policies=session.workload),
                    )
                )
            yield MatrixRow(subject=name, cells=tuple(cells))

    async def held_rules(self, left_out: Sequence[str]) -> AsyncIterator[HeldRules]:
        tx = self._tx()
        held: dict[str, set[str]] = {}
        for _, session in await self._holders(tx):
            if session.entity is not None:
                held.setdefault(session.entity.id, set()).update(session.policies)
        merged: dict[str, list[str]] = {}
        for row in (await tx.examine(MERGED))[0]:
            merged.setdefault(row.entity, []).append(row.id)
        policies = {row.name: parsed(row) for row in (await tx.examine(POLICIES))[0]}
        for entity in (await tx.examine(ENTITIES))[0]:
            names = sorted(held.get(entity.id, set()) - {*left_out})
            rules = (
                f"{name}#{rule.path}"
                for name in names
                if name in policies
                for rule in policies[name].rules
                if rule.capabilities and not rule.capabilities & Capability.DENY
            )
            yield HeldRules(
                entity=entity.id,
                name=entity.name,
                since=entity.created_at,
                rules=tuple(dict.fromkeys(rules)),
                merged=tuple(merged.get(entity.id, ())),
            )

    async def duties(self) -> AsyncIterator[DutiesFact]:
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for name, session in await self._holders(self._tx()):
            await asyncio.sleep(0)
            mine = found.setdefault(name, {})
            for duty, paths in duties_by(_held(session.acl)).items():
                mine[duty] = tuple(dict.fromkeys((*mine.get(duty, ()), *paths)))
        for name, duties in found.items():
            yield DutiesFact(subject=name, duties=duties)

    async def shares(self) -> AsyncIterator[ShareFact]:
        tx = self._tx()
        stored = await read_environments(tx)
        rows = [*stored.sound, *(each.environment for each in stored.lost)]
        secrets = await secrets_in(tx, rows)
        if any(secrets.values()):
            async for share in shares(await self._holders(tx), secrets):
                yield share

    async def rules(self) -> AsyncIterator[RuleFact]:
        tx = self._tx()
        areas, now = await protected_areas(self.server, tx), self.server.clock.now()
        for row in (await tx.examine(POLICIES))[0]:
            if not row.name.startswith(OWN):
                for rule in rules_of(row, areas, now):
                    yield rule


def _held(acl: Acl) -> list[tuple[str, Capability]]:
    """Return the patterns that an ACL holds, less what is denied; a grant gives no duties."""
    own = acl.own if isinstance(acl, Lending) else acl
    if own.everything is not None:
        return [("*", EVERYTHING)] if own.everything.allowed else []
    return [
        (each.pattern, each.capabilities)
        for each in own.merged.values()
        if not each.capabilities & Capability.DENY
    ]


Judged = tuple[Capability, Capability]  # what may be done on a path, and what of it was granted


@dataclass(slots=True)
class Fence:
    """What some guardrails leave, each refusal remembered."""

    guardrails: Guardrails
    _refused: dict[tuple[frozenset[str], str, Operation], bool] = field(default_factory=dict)
    _by_grant: dict[tuple[str, Operation], bool] = field(default_factory=dict)

    def left(
        self, bound: frozenset[str], path: str, judged: Judged, *, by_policies: bool
    ) -> tuple[str, ...]:
        """Return the names of what is left of what policies and grants say of a path."""
        held, granted = judged
        rest = Capability.NONE
        for flag in EVERYTHING & held:
            inside = not (by_policies or flag & granted) and self._needs(path, asks(flag))
            if not inside and not self._refuses(bound, path, asks(flag)):
                rest |= flag
        alone = rest in (Capability.NONE, Capability.SUDO) and rest != held & EVERYTHING
        return names(Capability.NONE if alone else rest)

    def _refuses(self, bound: frozenset[str], path: str, operation: Operation) -> bool:
        if not (self.guardrails.boundaries or self.guardrails.problem or bound):
            return False
        key = (bound, path, operation)
        if key not in self._refused:
            self._refused[key] = self.guardrails.refusal(bound, path, operation) is not None
        return self._refused[key]

    def _needs(self, path: str, operation: Operation) -> bool:
        key = (path, operation)
        if key not in self._by_grant:
            self._by_grant[key] = self.guardrails.granted_only(path, operation) is not None
        return self._by_grant[key]


def _same(session: Session) -> tuple[object, ...]:
    """Return what two sessions of one entity have in common that may do the same."""
    granted = () if session.acl.granted is None else tuple(session.acl.granted.merged)
    return session.policies, session.environments, session.workload, granted


def _stored(own: Acl, granted: Acl, path: str) -> Judged:
    """Judge by the rows: a grant adds to policies, but for sudo and where these deny."""
    held = by_grant = Capability.NONE
    for flag in EVERYTHING:
        decision = may(own, flag, path)
        if decision.allowed:
            held |= flag
        if flag is Capability.SUDO or decision.capabilities & Capability.DENY:
            continue
        if may(granted, flag, path).allowed:
            by_grant |= flag
    return held | by_grant, by_grant


def _engine(acl: Acl, path: str) -> Judged:
    """Judge by what requests are judged by."""
    held = by_grant = Capability.NONE
    for flag in EVERYTHING:
        decision = may(acl, flag, path)
        if decision.allowed:
            held |= flag
            by_grant |= flag if decision.granted else Capability.NONE
    return held, by_grant


async def _granted(  # noqa: PLR0913, PLR0917 - whose, what they are of, and as of when
    tx: Transaction,
    token: Token,
    standing: Standing,
    policies: Mapping[str, Policy],
    graph: Graph,
    now: datetime,
) -> list[Policy]:
    """Return what the rows say was granted to who signed in for a token, and holds now."""
    if standing.person is None or not standing.active(now) or not of_own_sign_in(token):
        return []
    found: list[Policy] = []
    for row in await grants_of(tx, standing.entity.id):
        if not row.active(now):
            continue
        found.append(policy_of(row))
        given = {name for group in graph.above(row.groups) for name in group.policies}
        found += [lent(row, policies[name]) for name in sorted(given & policies.keys())]
    return found


async def _is_served_by_policies(
    tx: Transaction, token: Token, standing: Standing | None, now: datetime
) -> bool:
    """Say whether a token is of a registered workload that made it by nobody but itself."""
    if standing is None or standing.workload is None or not standing.active(now):
        return False
    if of_own_sign_in(token):
        return True
    if standing.person is not None or token.makers != (standing.entity.id,):
        return False
    login = await login_behind(tx, token)
    return login is not None and of_own_sign_in(login)


def _paths(
    policies: Iterable[Policy], environments: Iterable[Environment], mounts: Iterable[Mount]
) -> list[str]:
    """Return a path for each pattern that a policy, environment or mount names."""
    patterns = {rule.path for policy in policies for rule in policy.rules if not rule.templated}
    patterns |= {path for environment in environments for path in environment.paths}
    patterns |= {mount.path + "*" for mount in mounts}
    return sorted({concrete(pattern) for pattern in patterns})


def _token_of(entity: Entity, mount: Mount | None, now: datetime) -> Token:
    """Return the least that a log-in through a mount would give."""
    path = f"{mount.path}login" if mount is not None else ""
    token = _token(entity.id, path, mount.uuid if mount is not None else "", now)
    return replace(token, display=entity.name)


def _batch_token(batch: BatchToken, parent: bytes | None) -> Token:
    """Return what a batch token holds of what it hangs on; no end, and no policies of its own."""
    token = _token(batch.entity, batch.path, batch.mount, batch.made_at)
    makers, let_in_by = batch.makers or None, batch.let_in_by or None
    return replace(token, parent=parent, kind="batch", makers=makers, let_in_by=let_in_by)


def _token(entity: str, path: str, mount: str, now: datetime) -> Token:
    return Token(
        lookup=b"",
        accessor="",
        parent=None,
        entity=entity,
        kind="service",
        path=path,
        display="",
        policies=(),
        metadata={},
        issued_at=now,
        renewed_at=None,
        expires_at=None,
        ttl=NONE,
        max_ttl=NONE,
        explicit_max_ttl=NONE,
        period=NONE,
        renewable=False,
        uses=0,
        uses_left=0,
        cidrs=(),
        role="",
        alias="",
        environment="",
        mount=mount,
    )
