"""Everybody who holds access, or would after a login: what the three questions are asked of.

    entity:{id}              what an entity may by itself; its tokens add what they have
    login:{mount}{name}      what a login of this subject would give (user, role)
    token-role:{name}        all that a token of this role could have
    token:{accessor}         a live service token

Exact   As of one generation: the commit fences the answer, as it does every request. A batch
        token is stored nowhere and so not among them; the login that gives it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TypeVar

from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.token import plugin_call
from strongroom.core.system.token_creation import UNASSIGNABLE
from strongroom.core.system.token_roles import PREFIX, TokenRole
from strongroom.core.views import Live
from strongroom.identity.groups import NOWHERE, belonging
from strongroom.identity.policy.acl import Acl
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
    Token,
)
from strongroom.identity.sessions import Session
from strongroom.identity.standing import Standing, identity
from strongroom.identity.tokens import kept
from strongroom.sdk.auth import Enumerable, Subject
from strongroom.storage.barrier import TamperedError
from strongroom.storage.register import Register
from strongroom.storage.store import MountStore

CHUNK = 500
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody, what they may do, and the environments they are bound to."""

    subject: str
    name: str
    policies: tuple[str, ...]
    acl: Acl
    environments: frozenset[str]
    entity: str = ""
    groups: tuple[str, ...] = ()  # names of those that the entity is in

    def shown(self) -> dict[str, object]:
        """Return who it is, as replies show it."""
        return {
            "subject": self.subject,
            "name": self.name,
            "entity": self.entity,
            "groups": list(self.groups),
            "policies": list(self.policies),
            "environments": sorted(self.environments),
        }


class Holders:
    """Finds holders within one call. Rows are read once, whole."""

    def __init__(self, server: Server, call: SystemCall) -> None:
        self._server = server
        self._call = call
        self._acls: dict[tuple[str, ...], Acl] = {}
        self._entities: dict[str, Entity] = {}
        self._standings: dict[str, Standing] = {}
        self._aliases: dict[tuple[str, str], Alias] = {}
        self._mounts: dict[str, Live] = {}

    async def open(self) -> Holders:
        """Read what every holder is made of."""
        tx = self._call.transaction
        self._entities = {e.id: e for e in await self._all(ENTITIES)}
        await self._stand()
        aliases = await self._all(ALIASES)
        self._aliases = {(a.mount_accessor, a.name): a for a in aliases}
        mounts = await self._server.views.mounts(tx)
        self._mounts = {live.row.uuid: live for live in mounts.by_path.values()}
        return self

    async def _stand(self) -> None:
        """Work out who is in which groups and registered as what; the graph may be broken."""
        tx = self._call.transaction
        graph = await self._server.views.graph(tx)
        people = {row.entity: row for row in await self._all(PEOPLE)}
        workloads = {row.entity: row for row in await self._all(WORKLOADS)}
        asked = {row.id: row.wish for row in await self._all(REGISTRATIONS)}
        groups: dict[str, list[str]] = {}
        for row in await self._all(GROUP_MEMBERS):
            groups.setdefault(row.entity, []).append(row.group_id)
        for entity in self._entities.values():
            try:
                held = belonging(graph, groups.get(entity.id, ()))
            except TamperedError:  # its sessions are refused as well
                continue
            person, workload = people.get(entity.id), workloads.get(entity.id)
            wish = asked.get(person.registration) if person is not None else None
            known = workload or wish
            self._standings[entity.id] = Standing(
                entity=entity,
                belonging=held,
                person=person,
                workload=workload,
                registered_in=known.environment if known is not None else "",
            )

    def _standing(self, entity_id: str) -> Standing | None:
        """Return what an entity stands for, if it can act at all."""
        standing = self._standings.get(entity_id)
        if standing is None or standing.entity.disabled or standing.over(self._call.now):
            return None
        return standing

    async def _all(self, register: Register[Row]) -> list[Row]:
        """Return the rows that are as they were written; the others give nobody anything."""
        return (await self._call.transaction.examine(register))[0]

    # -- one

    async def of_policies(self, names: Iterable[str], environment: str = "") -> Holder:
        """Return who would hold these policies and nothing else."""
        policies = kept(names)
        bound = frozenset({environment} - {""})
        subject = "policies:" + ",".join(policies)
        return await self._holder(subject, subject, policies, None, bound)

    async def of_entity(self, entity: Entity) -> Holder:
        """Return what an entity may by itself; nothing if it is disabled."""
        standing = self._standing(entity.id)
        policies = () if standing is None else standing.policies
        bound = frozenset({self._bound_to(entity)} - {""})
        return await self._holder(f"entity:{entity.id}", entity.name, policies, entity, bound)

    async def of_token(self, token: Token) -> Holder | None:
        """Return what a token may; None where it does not work any more."""
        if token.expires_at is not None and token.expires_at <= self._call.now:
            return None
        standing = self._standing(token.entity)
        if token.entity and standing is None:
            return None
        entity = standing.entity if standing is not None else None
        of_mount = self._environment(self._mounts.get(token.mount))
        bound = {*token.environment.split(","), self._bound_to(entity), of_mount} - {""}
        policies = kept((*token.policies, *(standing.policies if standing else ())))
        subject = f"token:{token.accessor}"
        return await self._holder(subject, token.display, policies, entity, frozenset(bound))

    def of_session(self, session: Session) -> Holder:
        """Return the caller."""
        token = session.token
        return Holder(
            subject=f"token:{token.accessor}",
            name=token.display,
            policies=session.policies,
            acl=session.acl,
            environments=session.environments,
            entity=token.entity,
        )

    async def tokens_of(self, entity: Entity) -> list[Holder]:
        """Return an entity's live tokens."""
        rows, _ = await self._call.transaction.examine(TOKENS, entity=entity.id)
        return [holder for row in rows if (holder := await self.of_token(row)) is not None]

    # -- everybody

    async def everybody(self) -> list[Holder]:
        """Return all holders, by subject."""
        found = [await self.of_entity(entity) for entity in self._entities.values()]
        for token in await self._all(TOKENS):
            holder = await self.of_token(token)
            if holder is not None:
                found.append(holder)
        for live in self._mounts.values():
            found += [holder async for holder in self._logins(live)]
        found += [holder async for holder in self._token_roles()]
        return sorted(found, key=lambda holder: holder.subject)

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
        alias = self._aliases.get((live.row.accessor, subject.alias))
        entity = self._entities.get(alias.entity) if alias else None
        rules = subject.rules
        default = () if rules.token_no_default_policy else ("default",)
        standing = self._standing(entity.id) if entity is not None else None
        own = standing.policies if standing else ()
        policies = kept((*rules.token_policies, *default, *own))
        if entity is not None and standing is None:
            policies = ()
        bound = frozenset({self._bound_to(entity), self._environment(live)} - {""})
        key = f"login:{live.row.path}{subject.name}"
        return await self._holder(key, subject.name, policies, entity, bound)

    async def _token_roles(self) -> AsyncIterator[Holder]:
        """Yield the roles whose lists give more than a parent has; the others add nothing."""
        live = self._mounts.get("core/auth/token/")
        if live is None:
            return
        store = MountStore(self._call.transaction, live.row.uuid)
        written = [p.name for p in await self._all(POLICIES)]
        for name in await store.keys(PREFIX):
            role = await store.fetch(PREFIX + name, TokenRole)
            if role.judges_policies:
                policies = kept(_within(role, written))
                yield await self._holder(f"token-role:{name}", name, policies, None, frozenset())

    # -- parts

    async def _holder(
        self,
        subject: str,
        name: str,
        policies: tuple[str, ...],
        entity: Entity | None,
        bound: frozenset[str],
    ) -> Holder:
        return Holder(
            subject=subject,
            name=name,
            policies=policies,
            acl=await self._acl(policies, entity),
            environments=bound,
            entity=entity.id if entity else "",
            groups=self._groups(entity),
        )

    def _groups(self, entity: Entity | None) -> tuple[str, ...]:
        standing = self._standings.get(entity.id) if entity is not None else None
        return tuple(g.name for g in standing.belonging.all) if standing is not None else ()

    async def _acl(self, policies: tuple[str, ...], entity: Entity | None) -> Acl:
        """Compile policies for an entity; without one, once for each set of them."""
        if entity is None and policies in self._acls:
            return self._acls[policies]
        views, call = self._server.views, self._call
        who = None if entity is None else self._identity(entity)
        acl, _ = await views.acl(call.transaction, policies, who, call.now)
        if entity is None:
            self._acls[policies] = acl
        return acl

    def _identity(self, entity: Entity) -> Identity:
        own = [alias for alias in self._aliases.values() if alias.entity == entity.id]
        standing = self._standings.get(entity.id)
        return identity(entity, own, standing.belonging if standing is not None else NOWHERE)

    def _bound_to(self, entity: Entity | None) -> str:
        standing = self._standings.get(entity.id) if entity is not None else None
        return standing.environment if standing is not None else ""

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
