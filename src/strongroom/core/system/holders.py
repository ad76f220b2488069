"""Everybody who holds access, or would after a login: what the three questions are asked of.

    entity:{id}              what an entity may by itself; its tokens add what they have
    login:{mount}{name}      what a login of this subject would give (user, role)
    token-role:{name}        all that a token of this role could have
    token:{accessor}         a live service token
    grant:{id}               what somebody was granted, until it ends

Exact   As of one generation: the commit fences the answer, as it does every request. A batch
        token is stored nowhere and so not among them; the login that gives it is. What the
        policies of an entity deny is taken off its grants; what a login adds may deny more.
Speed   Holders whose policies come out as the same rules share them (`identity.policy.classes`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar

from strongroom.base.clock import rfc3339
from strongroom.core.guardrails import Guardrails
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.token import plugin_call
from strongroom.core.system.token_creation import UNASSIGNABLE
from strongroom.core.system.token_roles import PREFIX, TokenRole
from strongroom.core.views import Live
from strongroom.identity.governance.grants import PREFIX as GRANT
from strongroom.identity.governance.grants import lent, of_own_sign_in, policy_of
from strongroom.identity.governance.records import GRANTS, Grant
from strongroom.identity.groups import NOWHERE, Belonging, Graph, belonging
from strongroom.identity.policy.acl import Acl
from strongroom.identity.policy.capability import Capability, Operation
from strongroom.identity.policy.classes import Classes
from strongroom.identity.policy.document import Policy
from strongroom.identity.policy.lending import Lent
from strongroom.identity.policy.rights import Class
from strongroom.identity.policy.template import Identity
from strongroom.identity.records import (
    ALIASES,
    ENTITIES,
    GROUP_MEMBERS,
    PEOPLE,
    POLICIES,
    REGISTRATIONS,
    TOKENS,
    WORKLOADS,
    Alias,
    Entity,
    Person,
    Registration,
    StoredPolicy,
    Token,
    Workload,
)
from strongroom.identity.sessions import Session
from strongroom.identity.sign_ins import login_behind
from strongroom.identity.standing import Standing, identity
from strongroom.identity.tokens import kept
from strongroom.sdk.auth import Enumerable, Subject
from strongroom.storage.barrier import TamperedError
from strongroom.storage.register import Register
from strongroom.storage.store import MountStore

CHUNK: Final = 500
ROOT: Final = Policy(name="root", rules=())
BY_GRANT: Final = "\0by-grant"  # among what people are bound to: policies alone let them in less
Row = TypeVar("Row")


def refusal(
    guardrails: Guardrails, bound: frozenset[str], path: str, operation: Operation
) -> str | None:
    """Say which guardrail refuses holders of a class, or None."""
    refused = guardrails.refusal(bound - {BY_GRANT}, path, operation)
    if refused is None and BY_GRANT in bound:
        name = guardrails.granted_only(path, operation)
        refused = None if name is None else f"environment:{name}: people need a grant"
    return refused


def left(guardrails: Guardrails, bound: frozenset[str], path: str, held: Capability) -> Capability:
    """Return what the guardrails leave holders of a class."""
    found = guardrails.left(bound - {BY_GRANT}, path, held)
    if BY_GRANT in bound:
        found = guardrails.left_to_people(path, found, Capability.NONE)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody, and the class of what they may do.

    `uncertain` says what of it could not be known, of a past moment.
    """

    subject: str
    name: str
    policies: tuple[str, ...]
    rules: Class
    entity: str = ""
    groups: tuple[str, ...] = ()  # names of those that the entity is in
    ends_at: datetime | None = None
    uncertain: str = ""

    @property
    def acl(self) -> Acl:
        """What the policies say."""
        return self.rules.acl

    @property
    def environments(self) -> frozenset[str]:
        """The environments that it is bound to."""
        return self.rules.bound - {BY_GRANT}

    def shown(self) -> dict[str, object]:
        """Return who it is, as replies show it."""
        found: dict[str, object] = {
            "subject": self.subject,
            "name": self.name,
            "entity": self.entity,
            "groups": list(self.groups),
            "policies": list(self.policies),
            "environments": sorted(self.environments),
        }
        if self.subject.startswith("grant:") and self.ends_at is not None:
            found["ends"] = rfc3339(self.ends_at)
        return {**found, "uncertain": self.uncertain} if self.uncertain else found


@dataclass(slots=True, kw_only=True)
class Known:
    """The rows that holders are made of, as of one moment. `policies` None: as they are now.

    Of a past moment, `uncertain` says by entity what could not be known of it.
    """

    now: datetime
    entities: dict[str, Entity] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    workloads: dict[str, Workload] = field(default_factory=dict)
    registrations: dict[str, Registration] = field(default_factory=dict)
    aliases: dict[str, list[Alias]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)  # by entity
    graph: Graph = field(default_factory=lambda: Graph(()))
    mounts: dict[str, Live] = field(default_factory=dict)
    written: list[StoredPolicy] = field(default_factory=list)
    policies: dict[str, Policy | None] | None = None
    uncertain: dict[str, str] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)


async def known_now(server: Server, call: SystemCall) -> Known:
    """Read the rows as they are; those that are not as they were written give nobody anything."""
    tx = call.transaction

    async def rows(register: Register[Row]) -> list[Row]:
        return (await tx.examine(register))[0]

    mounts = await server.views.mounts(tx)
    found = Known(
        now=call.now,
        entities={row.id: row for row in await rows(ENTITIES)},
        people={row.entity: row for row in await rows(PEOPLE)},
        workloads={row.entity: row for row in await rows(WORKLOADS)},
        registrations={row.id: row for row in await rows(REGISTRATIONS)},
        graph=await server.views.graph(tx),
        mounts={live.row.uuid: live for live in mounts.by_path.values()},
        written=await rows(POLICIES),
        grants=await rows(GRANTS),
    )
    for alias in await rows(ALIASES):
        found.aliases.setdefault(alias.entity, []).append(alias)
    for member in await rows(GROUP_MEMBERS):
        found.groups.setdefault(member.entity, []).append(member.group_id)
    return found


class Holders:
    """Finds holders within one call. Rows are read once, whole."""

    def __init__(self, server: Server, call: SystemCall, known: Known | None = None) -> None:
        self._server = server
        self._call = call
        self.known = known or Known(now=call.now)
        self._opened = known is not None
        self.classes = Classes(self.known.now)
        self._standings: dict[str, Standing] = {}
        self._by_name: dict[tuple[str, str], Alias] = {}

    async def open(self) -> Holders:
        """Read what every holder is made of."""
        if not self._opened:
            self.known = await known_now(self._server, self._call)
        known = self.known
        for aliases in known.aliases.values():
            self._by_name |= {(a.mount_accessor, a.name): a for a in aliases}
        for entity in known.entities.values():
            try:
                held = belonging(known.graph, known.groups.get(entity.id, ()))
            except TamperedError:  # its sessions are refused as well
                continue
            person, workload = known.people.get(entity.id), known.workloads.get(entity.id)
            asked = known.registrations.get(person.registration) if person is not None else None
            registered = workload or (asked.wish if asked is not None else None)
            self._standings[entity.id] = Standing(
                entity=entity,
                belonging=held,
                person=person,
                workload=workload,
                registered_in=registered.environment if registered is not None else "",
            )
        return self

    def _standing(self, entity_id: str) -> Standing | None:
        """Return what an entity stands for, if it can act at all."""
        standing = self._standings.get(entity_id)
        if standing is None or standing.entity.disabled or standing.over(self.known.now):
            return None
        return standing

    def belonging(self, entity_id: str) -> Belonging | None:
        """Return the groups that an entity is in; None for none that is known."""
        standing = self._standings.get(entity_id)
        return standing.belonging if standing is not None else None

    def known_as(self, mount_accessor: str, alias: str) -> Entity | None:
        """Return the entity of an alias; None for one that nobody is known by."""
        found = self._by_name.get((mount_accessor, alias))
        return self.known.entities.get(found.entity) if found is not None else None

    def environment_of(self, entity: Entity | None) -> str:
        """Return the environment that an entity is bound to, or nothing."""
        return self._bound_to(entity)

    def good_until(self) -> datetime | None:
        """Return when the first thing ends by the clock that any of it goes by; tokens apart."""
        now = self.known.now
        ends = [standing.ends_at for standing in self._standings.values()]
        ends += [row.expires_at for row in self.known.written]
        ends += [moment for row in self.known.grants for moment in (row.begins, row.over_at)]
        ends.append(self.classes.good_until())
        return min((end for end in ends if end is not None and end > now), default=None)

    # -- one

    async def of_policies(self, names: Iterable[str], environment: str = "") -> Holder:
        """Return who would hold these policies and nothing else."""
        policies = kept(names)
        bound = frozenset({environment, BY_GRANT} - {""})
        subject = "policies:" + ",".join(policies)
        return await self._holder(subject, subject, policies, None, bound)

    async def of_entity(self, entity: Entity) -> Holder:
        """Return what an entity may by itself; nothing if it is disabled."""
        standing = self._standing(entity.id)
        policies = () if standing is None else standing.policies
        bound = frozenset({self._bound_to(entity), self._mark(standing)} - {""})
        return await self._holder(f"entity:{entity.id}", entity.name, policies, entity, bound)

    async def of_token(self, token: Token) -> Holder | None:
        """Return what a token may; None where it does not work any more."""
        if token.expires_at is not None and token.expires_at <= self.known.now:
            return None
        standing = self._standing(token.entity)
        if token.entity and standing is None:
            return None
        entity = standing.entity if standing is not None else None
        of_mount = self._environment(self.known.mounts.get(token.mount))
        mark = await self._mark_of(token, standing)
        bound = {*token.environment.split(","), self._bound_to(entity), of_mount, mark} - {""}
        policies = kept((*token.policies, *(standing.policies if standing else ())))
        subject, end = f"token:{token.accessor}", token.expires_at
        return await self._holder(subject, token.display, policies, entity, frozenset(bound), end)

    def of_session(self, session: Session) -> Holder:
        """Return the caller."""
        token = session.token
        mark = frozenset() if session.workload else frozenset({BY_GRANT})
        return Holder(
            subject=f"token:{token.accessor}",
            name=token.display,
            policies=session.policies,
            rules=Class(session.acl, session.acl, session.environments | mark),
            entity=token.entity,
        )

    async def tokens_of(self, entity: Entity) -> list[Holder]:
        """Return an entity's live tokens."""
        rows, _ = await self._call.transaction.examine(TOKENS, entity=entity.id)
        return [holder for row in rows if (holder := await self.of_token(row)) is not None]

    # -- everybody

    async def everybody(self) -> list[Holder]:
        """Return all holders, by subject."""
        found = [holder async for holder in self.without_tokens()]
        for token in (await self._call.transaction.examine(TOKENS))[0]:
            holder = await self.of_token(token)
            if holder is not None:
                found.append(holder)
        return sorted(found, key=lambda holder: holder.subject)

    async def without_tokens(self) -> AsyncIterator[Holder]:
        """Give all holders that are no tokens."""
        for entity in self.known.entities.values():
            yield await self.of_entity(entity)
        for live in self.known.mounts.values():
            async for holder in self._logins(live):
                yield holder
        async for holder in self._token_roles():
            yield holder
        async for holder in self._granted():
            yield holder

    async def _logins(self, live: Live) -> AsyncIterator[Holder]:
        method = live.plugin
        if not live.row.path.startswith("auth/") or not isinstance(method, Enumerable):
            return
        call, after = plugin_call(self._call, live), ""
        while True:
            chunk = await method.subjects(call, after, CHUNK)
            for subject in chunk:
                yield await self._login(live, subject)
            if len(chunk) < CHUNK:
                return
            after = chunk[-1].name

    async def _login(self, live: Live, subject: Subject) -> Holder:
        alias = self._by_name.get((live.row.accessor, subject.alias))
        entity = self.known.entities.get(alias.entity) if alias else None
        rules = subject.rules
        default = () if rules.token_no_default_policy else ("default",)
        standing = self._standing(entity.id) if entity is not None else None
        own = standing.policies if standing else ()
        policies = kept((*rules.token_policies, *default, *own))
        if entity is not None and standing is None:
            policies = ()
        of_mount, mark = self._environment(live), self._mark(standing)
        bound = frozenset({self._bound_to(entity), of_mount, mark} - {""})
        key = f"login:{live.row.path}{subject.name}"
        return await self._holder(key, subject.name, policies, entity, bound)

    async def _token_roles(self) -> AsyncIterator[Holder]:
        """Yield the roles whose lists give more than a parent has; the others add nothing."""
        live = self.known.mounts.get("core/auth/token/")
        if live is None:
            return
        store = MountStore(self._call.transaction, live.row.uuid)
        written = [row.name for row in self.known.written]
        for name in await store.keys(PREFIX):
            role = await store.fetch(PREFIX + name, TokenRole)
            if role.judges_policies:
                policies = kept(_within(role, written))
                yield await self._holder(
                    f"token-role:{name}", name, policies, None, frozenset({BY_GRANT})
                )

    async def _granted(self) -> AsyncIterator[Holder]:
        """Yield what people were granted and what has not ended."""
        for row in self.known.grants:
            holder = await self._of_grant(row)
            if holder is not None:
                yield holder

    async def granted_to(self, entity: str) -> list[Holder]:
        """Return what somebody was granted and what has not ended."""
        rows = [row for row in self.known.grants if row.entity == entity]
        return [holder for row in rows if (holder := await self._of_grant(row)) is not None]

    async def _of_grant(self, row: Grant) -> Holder | None:
        standing = self._standing(row.entity)
        if standing is None or standing.person is None or not row.active(self.known.now):
            return None
        entity, key = standing.entity, (f"{GRANT}{row.id}",)
        own = (await self.of_entity(entity)).acl
        if own.everything is not None:  # it has all, or a template of it closes all
            return None
        if not self.classes.knows(key):
            self.classes.learn(key, await self._lent(row))
        bound = frozenset({self._bound_to(entity)} - {""})
        subject, end = f"grant:{row.id}", row.over_at
        found = await self._holder(subject, entity.name, key, entity, bound, end)
        if any(said.capabilities & Capability.DENY for said in own.merged.values()):
            granted = found.rules
            held = Lent(granted.acl, own)
            return replace(found, rules=Class(held, granted.base, bound, tuple(held.merged)))
        return found

    async def _lent(self, row: Grant) -> list[Policy]:
        """Return what a grant gives: of itself, and of its groups."""
        if not row.groups:
            return [policy_of(row)]
        try:
            groups = self.known.graph.above(row.groups)
        except TamperedError:
            return []
        given = await self._texts(sorted({name for group in groups for name in group.policies}))
        return [policy_of(row), *(lent(row, policy) for policy in given)]

    # -- parts

    async def _holder(  # noqa: PLR0913, PLR0917 - who, what, and until when
        self,
        subject: str,
        name: str,
        policies: tuple[str, ...],
        entity: Entity | None,
        bound: frozenset[str],
        ends_at: datetime | None = None,
    ) -> Holder:
        if not self.classes.knows(policies):
            self.classes.learn(policies, await self._texts(policies))
        who = None if entity is None else self._identity(entity)
        return Holder(
            subject=subject,
            name=name,
            policies=policies,
            rules=self.classes.of(policies, who, bound),
            entity=entity.id if entity else "",
            groups=self._groups(entity),
            ends_at=ends_at,
            uncertain=self.known.uncertain.get(entity.id, "") if entity else "",
        )

    async def _texts(self, names: Iterable[str]) -> list[Policy]:
        """Return policies that are in force; none of several where one was changed, but root."""
        found: list[Policy | None] = []
        whole = True
        for name in names:
            try:
                found.append(await self._policy(name))
            except TamperedError:
                whole = False
        if not whole and ROOT not in found:
            return []
        return [policy for policy in found if policy is not None]

    async def _policy(self, name: str) -> Policy | None:
        if self.known.policies is None or name == ROOT.name:
            views, tx = self._server.views, self._call.transaction
            return await views.policy(tx, name, self.known.now)
        return self.known.policies.get(name)

    def _groups(self, entity: Entity | None) -> tuple[str, ...]:
        standing = self._standings.get(entity.id) if entity is not None else None
        return tuple(g.name for g in standing.belonging.all) if standing is not None else ()

    def _identity(self, entity: Entity) -> Identity:
        own = self.known.aliases.get(entity.id, [])
        standing = self._standings.get(entity.id)
        return identity(entity, own, standing.belonging if standing is not None else NOWHERE)

    def _bound_to(self, entity: Entity | None) -> str:
        standing = self._standings.get(entity.id) if entity is not None else None
        return standing.environment if standing is not None else ""

    def _mark(self, standing: Standing | None) -> str:
        """Return what binds people to grants; nothing for a registered, active workload."""
        if standing is None or standing.workload is None:
            return BY_GRANT
        return "" if standing.active(self.known.now) else BY_GRANT

    async def _mark_of(self, token: Token, standing: Standing | None) -> str:
        """Return the mark of a token: what a workload makes by itself is served as it is."""
        if of_own_sign_in(token):
            return self._mark(standing)
        if standing is None or standing.person or token.makers != (standing.entity.id,):
            return BY_GRANT
        login = await login_behind(self._call.transaction, token)
        alone = login is not None and of_own_sign_in(login)
        return self._mark(standing) if alone else BY_GRANT

    def _environment(self, live: Live | None) -> str:
        return live.row.options.get("environment", "") if live is not None else ""


def _within(role: TokenRole, written: Iterable[str]) -> list[str]:
    """Return the policies that a token of a role could have; never root."""
    has_allowed = bool(role.allowed_policies or role.allowed_policies_glob)
    names = {*written, *role.allowed_policies, "default"} - {"root", *UNASSIGNABLE}
    default = not role.token_no_default_policy
    return [
        name
        for name in names
        if not role.forbids(name)
        and (not has_allowed or role.allows(name) or (default and name == "default"))
    ]
