"""The snapshot of an access review: one line for each way in which somebody holds something.

    policy      a policy of the entity itself          directory   a membership that a login brings
    group       a membership, with the groups above    login       policies that a login adds
    grant       what was granted for a time            token       a token that somebody made

Order   The log is read first, in pieces; then all rows in the transaction of the start, whose
        commit checks that they are still so. Uses that come between are of the next campaign.
Limits  Uses are counted by rule: who holds a policy in two ways used both, or neither. Batch tokens
        are stored nowhere and so no lines; what they hold, their makers hold. The policy `default`
        is everybody's and no line.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from strongroom.audit.entry import Kind
from strongroom.audit.log import Log
from strongroom.core.governance.admins import duties_of
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.holders import CHUNK, Holders, Known
from strongroom.core.system.token import plugin_call
from strongroom.core.uses import requests
from strongroom.core.views import Live
from strongroom.crypto.merkle import leaf_hash
from strongroom.identity.governance.campaigns import Line
from strongroom.identity.governance.grants import PREFIX
from strongroom.identity.governance.records import GRANTS, Grant
from strongroom.identity.policy.capability import BY_NAME, EVERYTHING, Capability, names
from strongroom.identity.policy.pattern import Shape, shape
from strongroom.identity.records import (
    MERGED,
    TOKENS,
    Entity,
    Person,
    Registration,
    Token,
    Workload,
)
from strongroom.identity.sessions import KINDS
from strongroom.identity.standing import end_of
from strongroom.identity.tokens import kept
from strongroom.sdk.administration import administers
from strongroom.sdk.auth import Enumerable, Subject
from strongroom.sdk.reviews import (
    CONFLICT,
    DIRECTORY,
    DORMANT,
    ENDED,
    EXCESSIVE,
    FLAGS,
    GRANT,
    GROUP,
    LOGIN,
    NEW,
    ORPHANED,
    PEOPLE,
    POLICY,
    PRIVILEGED,
    SHARED,
    TOKEN,
    UNJUSTIFIED,
    UNREADABLE,
    UNUSED,
    WORKLOADS,
    line_bytes,
)
from strongroom.storage.barrier import TamperedError

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
OWN: Final = "control:"  # identities of probes
MOST_RIGHTS: Final = 24
EXCESS, FEWEST_RULES = 0.75, 4  # as T37 has them
_EVERYBODYS: Final = ("default",)
Rule = tuple[str, Capability]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Of whom lines are made. Environments by name, groups by id; none of either: everybody."""

    kind: str
    environments: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    since: datetime  # from when uses are counted


# -- uses


@dataclass(slots=True)
class Usage:
    """How often a rule was used in the period, and when last, ever."""

    times: int = 0
    index: int = -1
    time: str = ""


async def usage(log: Log, since: datetime) -> dict[tuple[str, str], Usage]:
    """Read the whole log once, and count by who asked and by which rule."""
    found: dict[tuple[str, str], Usage] = {}
    first = since.strftime("%Y-%m-%dT%H:%M:%S")
    async for entry in requests(log, BEGINNING):
        if not entry.served:
            continue
        own = entry.unmapped
        for rule in own.rules:
            used = found.get((entry.who, rule))
            if used is None:
                used = found[entry.who, rule] = Usage()
            used.times += own.time >= first
            used.index, used.time = entry.index, own.time
    return found


# -- lines


@dataclass(slots=True, kw_only=True)
class Draft:
    """A line as it is found, before all of them are known."""

    holder: str
    holder_name: str
    names: tuple[str, ...]  # under which the log knows the holder
    entity: Entity | None = None
    kind: str
    via: str
    name: str
    path: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    since: datetime | None = None
    approval: str = ""
    reason: str = ""
    flags: set[str] = field(default_factory=set)


async def take(
    server: Server, call: SystemCall, scope: Scope, used: Mapping[tuple[str, str], Usage], id_: str
) -> list[Line]:
    """Return the lines of a campaign, by holder, in the order of their numbers."""
    return await _Snapshot(server, call, scope, used).lines(id_)


class _Snapshot:
    def __init__(
        self,
        server: Server,
        call: SystemCall,
        scope: Scope,
        used: Mapping[tuple[str, str], Usage],
    ) -> None:
        self._server = server
        self._call = call
        self._scope = scope
        self._used = used
        self._holders = Holders(server, call)
        self._rules: dict[str, tuple[Rule, ...]] = {}
        self._unreadable: set[str] = set()
        self._grants: dict[str, Grant] = {}
        self._merged: dict[str, list[str]] = {}
        self._duties: dict[str, frozenset[str]] = {}

    @property
    def _known(self) -> Known:
        return self._holders.known

    async def lines(self, id_: str) -> list[Line]:
        await self._holders.open()
        for row in (await self._call.transaction.examine(MERGED))[0]:
            self._merged.setdefault(row.entity, []).append(row.id)
        drafts = [draft async for draft in self._drafts() if self._is_of_kind(draft)]
        for draft in drafts:
            for name in draft.policies:
                await self._learn(name)
        reached = await self._reached()
        drafts = [draft for draft in drafts if self._in_scope(draft, reached)]
        drafts.sort(key=lambda each: (each.holder_name, each.holder, each.kind, each.via))
        held = self._held(drafts)
        alike = Counter(self._cohort(each) for each in {d.holder: d for d in drafts}.values())
        same = Counter((self._cohort(d), d.kind, self._key(d)) for d in drafts)
        found = []
        for number, draft in enumerate(drafts, 1):
            cohort = self._cohort(draft)
            counts = same[cohort, draft.kind, self._key(draft)] - 1, alike[cohort] - 1
            line = self._line(id_, number, draft, counts, held[draft.holder])
            found.append(replace(line, digest=leaf_hash(line_bytes(line.frozen())).hex()))
            if number % CHUNK == 0:
                await asyncio.sleep(0)
        return found

    # -- who holds what

    async def _drafts(self) -> AsyncIterator[Draft]:
        by_entity = await self._active_grants()
        for entity in self._known.entities.values():
            if entity.id.startswith(OWN):
                continue
            for draft in self._of_entity(entity, by_entity.get(entity.id, ())):
                yield draft
        for live in self._known.mounts.values():
            async for draft in self._logins(live):
                yield draft
        for token in (await self._call.transaction.examine(TOKENS))[0]:
            made = self._of_token(token)
            if made is not None:
                yield made

    async def _active_grants(self) -> dict[str, list[Grant]]:
        rows, _ = await self._call.transaction.examine(GRANTS)
        self._grants = {row.id: row for row in rows if row.active(self._call.now)}
        found: dict[str, list[Grant]] = {}
        for grant in self._grants.values():
            found.setdefault(grant.entity, []).append(grant)
        return found

    def _draft(self, entity: Entity, kind: str, via: str, name: str) -> Draft:
        names = (entity.id, *self._merged.get(entity.id, ()))
        return Draft(
            holder=entity.id,
            holder_name=entity.name,
            names=names,
            entity=entity,
            kind=kind,
            via=via,
            name=name,
        )

    def _of_entity(self, entity: Entity, grants: Iterable[Grant]) -> Iterable[Draft]:
        asked = self._registration(entity)
        for policy in entity.policies:
            if policy not in _EVERYBODYS:
                draft = self._draft(entity, POLICY, policy, policy)
                draft.policies = (policy,)
                self._justify(draft, asked, wished=policy in _wish(asked)[0])
                yield draft
        for group_id in self._known.groups.get(entity.id, ()):
            draft = self._of_group(entity, group_id)
            self._justify(draft, asked, wished=group_id in _wish(asked)[1])
            yield draft
        for grant in grants:
            draft = self._draft(entity, GRANT, grant.id, ", ".join((*grant.paths, *grant.groups)))
            draft.policies = (f"{PREFIX}{grant.id}",)
            draft.since, draft.approval = grant.begins, grant.request
            draft.reason = f"granted until {grant.ends:%Y-%m-%d %H:%M} UTC"
            yield draft

    def _of_group(self, entity: Entity, group_id: str) -> Draft:
        graph = self._known.graph
        group = graph.groups.get(group_id)
        kind = DIRECTORY if group is not None and group.external else GROUP
        draft = self._draft(entity, kind, group_id, group.name if group else group_id)
        try:
            above = graph.above((group_id,))
        except TamperedError:
            draft.flags.add(UNREADABLE)
            return draft
        draft.path = tuple(each.name for each in above)
        draft.policies = kept(name for each in above for name in each.policies)
        draft.policies = tuple(p for p in draft.policies if p not in _EVERYBODYS)
        return draft

    async def _logins(self, live: Live) -> AsyncIterator[Draft]:
        method = live.plugin
        if not live.row.path.startswith("auth/") or not isinstance(method, Enumerable):
            return
        call, after = plugin_call(self._call, live), ""
        while True:
            chunk = await method.subjects(call, after, CHUNK)
            for subject in chunk:
                draft = self._of_login(live, subject)
                if draft is not None:
                    yield draft
            if len(chunk) < CHUNK:
                return
            after = chunk[-1].name

    def _of_login(self, live: Live, subject: Subject) -> Draft | None:
        policies = tuple(p for p in kept(subject.rules.token_policies) if p not in _EVERYBODYS)
        if not policies:
            return None
        at = f"{live.row.path}{subject.name}"
        entity = self._holders.known_as(live.row.accessor, subject.alias)
        if entity is not None:
            draft = self._draft(entity, LOGIN, at, at)
            asked = self._registration(entity)
            self._justify(draft, asked, wished=asked is not None)
        else:
            draft = Draft(
                holder=f"login:{at}", holder_name=at, names=(), kind=LOGIN, via=at, name=at
            )
        draft.policies = policies
        return draft

    def _of_token(self, token: Token) -> Draft | None:
        """Return the line of a token that was made, and not given by a login."""
        policies = tuple(p for p in token.policies if p not in _EVERYBODYS)
        over = token.expires_at is not None and token.expires_at <= self._call.now
        if over or not policies or not token.path.startswith("auth/token/"):
            return None
        entity = self._known.entities.get(token.entity)
        if entity is not None:
            if entity.id.startswith(OWN):
                return None
            draft = self._draft(entity, TOKEN, token.accessor, token.display)
        else:
            who = "root" if "root" in policies else f"token:{token.accessor}"
            draft = Draft(
                holder=f"token:{token.accessor}",
                holder_name=token.display or token.accessor,
                names=(who,),
                kind=TOKEN,
                via=token.accessor,
                name=token.display,
            )
        draft.policies, draft.since = policies, token.issued_at
        return draft

    # -- what is known of a holder

    def _person(self, draft: Draft) -> Person | None:
        return self._known.people.get(draft.holder)

    def _workload(self, draft: Draft) -> Workload | None:
        return self._known.workloads.get(draft.holder)

    def _registration(self, entity: Entity) -> Registration | None:
        row = self._known.people.get(entity.id) or self._known.workloads.get(entity.id)
        return self._known.registrations.get(row.registration) if row is not None else None

    def _justify(self, draft: Draft, asked: Registration | None, *, wished: bool) -> None:
        workload = self._workload(draft)
        if asked is not None and wished:
            draft.approval, draft.reason = asked.id, asked.reason
        elif workload is not None:
            draft.reason = workload.justification

    def _is_of_kind(self, draft: Draft) -> bool:
        return (self._scope.kind == PEOPLE) == self._is_person(draft)

    def _is_person(self, draft: Draft) -> bool:
        """Say whether a line is of people; of who is not registered, the way in says."""
        if self._person(draft) is not None:
            return True
        if self._workload(draft) is not None:
            return False
        if draft.entity is None:
            ways = [draft.via] if draft.kind == LOGIN else []
        else:
            by = {live.row.accessor: path for path, live in self._by_path().items()}
            own = self._known.aliases.get(draft.entity.id, ())
            ways = [by[a.mount_accessor] for a in own if a.mount_accessor in by]
        kinds = {path: live.row.kind for path, live in self._by_path().items()}
        return any(
            KINDS.get(f"auth/{kind}") is Kind.USER
            for way in ways
            for path, kind in kinds.items()
            if way.startswith(path)
        )

    def _by_path(self) -> Mapping[str, Live]:
        return {live.row.path: live for live in self._known.mounts.values()}

    def _cohort(self, draft: Draft) -> tuple[str, str]:
        """Return those who are alike: people of the same kind, workloads of one environment."""
        person, workload = self._person(draft), self._workload(draft)
        if person is not None:
            return PEOPLE, person.worker
        return WORKLOADS, workload.environment if workload is not None else ""

    def _key(self, draft: Draft) -> str:
        """Return what makes a line of one holder the same as that of another."""
        if draft.kind in (GRANT, TOKEN, LOGIN):
            return ",".join(p for p in draft.policies if not p.startswith(PREFIX)) or "granted"
        return draft.via

    # -- scope

    async def _reached(self) -> list[Shape]:
        guardrails = await self._server.views.guardrails(self._call.transaction)
        wanted = self._scope.environments
        return [
            each
            for boundary in guardrails.boundaries
            if boundary.environment.name in wanted
            for each in boundary.shapes
        ]

    def _in_scope(self, draft: Draft, reached: Sequence[Shape]) -> bool:
        scope = self._scope
        if scope.groups:
            held = self._holders.belonging(draft.holder) if draft.entity is not None else None
            if held is None or not {group.id for group in held.all} & {*scope.groups}:
                return False
        if not scope.environments:
            return True
        if "root" in draft.policies or UNREADABLE in draft.flags:
            return True
        shapes = (shape(path) for path, held in self._all_rules(draft) if held)
        return any(own.meet(there) is not None for own in shapes for there in reached)

    # -- rules

    async def _learn(self, name: str) -> None:
        if name in self._rules:
            return
        grant = self._grants.get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
        if grant is not None:
            self._rules[name] = await self._granted(grant)
            return
        try:
            policy = await self._server.views.policy(self._call.transaction, name, self._call.now)
        except TamperedError:
            self._unreadable.add(name)
            policy = None
        rules = policy.rules if policy is not None else ()
        self._rules[name] = tuple(
            (r.path, r.capabilities)
            for r in rules
            if r.capabilities and not r.capabilities & Capability.DENY
        )

    async def _granted(self, grant: Grant) -> tuple[Rule, ...]:
        held = Capability.NONE
        for each in grant.capabilities:
            held |= BY_NAME[each]
        found = [(path, held) for path in grant.paths]
        for group in self._known.graph.above(grant.groups) if grant.groups else ():
            for name in group.policies:
                await self._learn(name)
                found += self._rules[name]
        return tuple(found)

    def _all_rules(self, draft: Draft) -> list[Rule]:
        found = [rule for name in draft.policies for rule in self._rules.get(name, ())]
        return [("*", EVERYTHING), *found] if "root" in draft.policies else found

    def _held(self, drafts: Iterable[Draft]) -> dict[str, frozenset[str]]:
        """Return by holder which duties they have by all of their lines."""
        found: dict[str, frozenset[str]] = {}
        for draft in drafts:
            mine = duties_of(self._all_rules(draft))
            found[draft.holder] = found.get(draft.holder, frozenset()) | mine
        return found

    # -- one line

    def _line(
        self, id_: str, number: int, draft: Draft, peers: tuple[int, int], held: frozenset[str]
    ) -> Line:
        person, workload = self._person(draft), self._workload(draft)
        rules = self._all_rules(draft)
        times, last = self._uses(draft)
        rights = [f"{path}: {', '.join(names(each))}" for path, each in rules]
        if len(rights) > MOST_RIGHTS:
            rights = [*rights[:MOST_RIGHTS], f"and {len(rights) - MOST_RIGHTS} more"]
        flags = draft.flags | self._flags(draft, rules, times, last, held)
        return Line(
            campaign=id_,
            number=number,
            holder=draft.holder,
            holder_name=person.name if person is not None and person.name else draft.holder_name,
            held_as="person" if person else "workload" if workload else "",
            owner=workload.owner if workload is not None else "",
            kind=draft.kind,
            via=draft.via,
            name=draft.name,
            path=draft.path,
            policies=draft.policies,
            rights=tuple(rights),
            environment=self._environment(draft),
            reason=draft.reason,
            approval=draft.approval,
            since=draft.since,
            last_use=last.index,
            last_use_at=last.time,
            uses=times,
            peers=peers[0],
            alike=peers[1],
            flags=tuple(each for each in FLAGS if each in flags),
            digest="",
        )

    def _environment(self, draft: Draft) -> str:
        return self._holders.environment_of(draft.entity)

    def _uses(self, draft: Draft) -> tuple[int, Usage]:
        times, last = 0, Usage()
        for rule in self._references(draft):
            for name in draft.names:
                used = self._used.get((name, rule))
                if used is not None:
                    times += used.times
                    last = used if used.index > last.index else last
        return times, last

    def _references(self, draft: Draft) -> list[str]:
        """Return the rules of a line as entries name them."""
        found = [
            f"{name}#{path}"
            for name in draft.policies
            for path in dict.fromkeys(path for path, _ in self._rules.get(name, ()))
        ]
        return [*found, "root#*"] if "root" in draft.policies else found

    def _flags(
        self,
        draft: Draft,
        rules: Sequence[Rule],
        times: int,
        last: Usage,
        held: frozenset[str],
    ) -> set[str]:
        since = self._scope.since
        person, workload = self._person(draft), self._workload(draft)
        began = draft.since or (draft.entity.created_at if draft.entity is not None else None)
        row = person or workload
        end = end_of(row) if row is not None else None
        said = {
            ORPHANED: self._is_orphaned(person, workload),
            UNUSED: last.index < 0,
            DORMANT: not times and (began is None or began < since),
            NEW: began is not None and began >= since,
            EXCESSIVE: self._is_excessive(draft, times),
            PRIVILEGED: any(administers(path) or each & Capability.SUDO for path, each in rules),
            CONFLICT: len(held) > 1 and bool(duties_of(rules)),
            ENDED: end is not None and end <= self._call.now,
            SHARED: self._is_shared(draft),
            UNJUSTIFIED: not draft.reason and not draft.approval,
            UNREADABLE: bool(self._unreadable & {*draft.policies}),
        }
        return {flag for flag, holds in said.items() if holds}

    def _is_orphaned(self, person: Person | None, workload: Workload | None) -> bool:
        """Say whether nobody answers for a holder."""
        if person is not None:
            return False
        if workload is None:
            return True
        owner = self._known.people.get(workload.owner)
        end = end_of(owner) if owner is not None else None
        entity = self._known.entities.get(workload.owner)
        gone = entity is None or entity.disabled
        return owner is None or gone or (end is not None and end <= self._call.now)

    def _is_excessive(self, draft: Draft, times: int) -> bool:
        """Say whether most of what a line gives was not used, though some of it was."""
        rules = self._references(draft)
        if len(rules) < FEWEST_RULES or not times:
            return False
        idle = [
            rule
            for rule in rules
            if not any((u := self._used.get((n, rule))) and u.times for n in draft.names)
        ]
        return len(idle) > EXCESS * len(rules)

    def _is_shared(self, draft: Draft) -> bool:
        """Say whether several sign in as the holder at one mount."""
        if draft.entity is None:
            return False
        mounts = Counter(a.mount_accessor for a in self._known.aliases.get(draft.entity.id, ()))
        return any(number > 1 for number in mounts.values())


def _wish(asked: Registration | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return ((), ()) if asked is None else (asked.wish.policies, asked.wish.groups)
