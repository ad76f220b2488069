"""`access/unused`, `policies/…`: granted minus used, a smaller policy, and what it would refuse.

    access/unused            which rules of an entity or a policy were used, when last, and for what
    policies/propose         a smaller policy, made of what one was used for
    policies/replay          what of the real requests another text of a policy would have refused
    policies/impact          who may more with another text of a policy, and who less

Exact   A proposal never allows what the policy does not, also beside what its holders hold
        (`identity.policy.narrowing`). A replay judges by the path, the operation and whether the
        route asks for sudo, with the other policies as they are now; what stood in a request's body
        is in no entry, so rules with conditions are taken as met, and counted.
Cost    The log is read once, in pieces, while requests go on; each kind of request is judged once.
Trust   Whoever may ask sees who asked for which paths. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final

from strongroom.audit.asked import Asked
from strongroom.base.errors import InputError, NotFoundError, StrongroomError
from strongroom.core.request import SystemCall
from strongroom.core.router import Operation as Served
from strongroom.core.server import Server
from strongroom.core.system.everybody import Everybody, Present
from strongroom.core.system.holders import Holder
from strongroom.core.system.policies import SWITCHES, decoded
from strongroom.core.uses import (
    Used,
    Uses,
    period,
    policy_mark,
    requests,
    rule_mark,
    uses_of,
)
from strongroom.core.views import Mounts, parsed
from strongroom.identity.groups import NOWHERE
from strongroom.identity.policy.acl import compile_acl
from strongroom.identity.policy.capability import Capability, Operation, names
from strongroom.identity.policy.classes import Classes
from strongroom.identity.policy.comparing import (
    Change,
    TooManyError,
    asks_otherwise,
    changes,
)
from strongroom.identity.policy.document import Policy, parse_policy
from strongroom.identity.policy.narrowing import FEW, Holding, Use, propose
from strongroom.identity.policy.rights import Class
from strongroom.identity.policy.template import Identity
from strongroom.identity.records import MERGED, POLICIES, StoredPolicy
from strongroom.identity.standing import identity
from strongroom.sdk.engine import Endpoint, Help, Reply, Route
from strongroom.storage.barrier import TamperedError
from strongroom.storage.guard import Broken

DAYS: Final = 90
MOST_DAYS: Final = 3660
MOST_SHOWN: Final = 1000
MOST_KNOWN: Final = 200_000  # judged requests that are remembered
MOST_USES: Final = 100_000  # distinct requests that a proposal is made of
FEWEST: Final = 20
_SERVED: Final[dict[str, Served]] = {
    **dict.fromkeys(("create", "update"), Served.WRITE),
    **{each: Served(each) for each in ("read", "list", "scan", "patch", "delete")},
}
Key = tuple[str, tuple[str, ...], str, str]


@dataclass(frozen=True, kw_only=True)
class Since:
    """How far back."""

    days: Annotated[int, Help("Days back from now.", least=1, most=MOST_DAYS)] = DAYS


@dataclass(frozen=True, kw_only=True)
class Unused(Since):
    """Whose rules."""

    entity: Annotated[str, Help("Id of an entity.")] = ""
    policy: Annotated[str, Help("Name of a policy, whoever holds it.")] = ""


@dataclass(frozen=True, kw_only=True)
class Proposing(Since):
    """Of which policy."""

    name: Annotated[str, Help("Name of the policy.", least=1, most=512)]
    few: Annotated[int, Help("Name paths of a rule if there are so few.", least=0, most=1000)] = FEW


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """A policy as it could be."""

    name: Annotated[str, Help("Name of the policy.", least=1, most=512)]
    policy: Annotated[str, Help("The other text, in HCL or JSON; or that in base64.")]


@dataclass(frozen=True, kw_only=True)
class Replaying(Replaced, Since):
    """Against which requests."""


@dataclass(slots=True)
class _Refused:
    """A kind of request that would have been refused."""

    reason: str
    already: bool  # the policies as they are refuse it too
    times: int = 0
    index: int = -1
    time: str = ""


@dataclass(slots=True)
class _Replay:
    """What came of a replay."""

    requests: int = 0
    unjudged: int = 0
    conditional: int = 0
    refused: dict[tuple[str, str, str], _Refused] = field(default_factory=dict)


class LeastPrivilegeRoutes:
    """See the module."""

    def __init__(self, server: Server, present: Present) -> None:
        self._server = server
        self._present = present

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="access/unused",
                summary="Which rules were used, when last, and for what.",
                read=Endpoint(Unused, self.unused, "access.unused"),
            ),
            Route(
                path="policies/propose",
                summary="A smaller policy, made of what one was used for.",
                read=Endpoint(Proposing, self.propose, "policy.propose"),
            ),
            Route(
                path="policies/replay",
                summary="What another text of a policy would have refused.",
                write=Endpoint(Replaying, self.replay, "policy.replay"),
            ),
            Route(
                path="policies/impact",
                summary="Who may more with another text of a policy, and who less.",
                write=Endpoint(Replaced, self.impact, "policy.impact"),
            ),
        )

    # -- granted minus used

    async def unused(self, call: SystemCall, given: Unused) -> Reply:
        """Say what was used of the rules of an entity, or of a policy."""
        if bool(given.entity) == bool(given.policy):
            raise InputError("", "one of entity and policy is needed")
        since = _since(call, given)
        if given.entity:
            everybody = await self._present.read(call)
            mine = [h for h in _all(everybody) if h.entity == given.entity]
            if not mine:
                raise NotFoundError("no such entity")
            policies = sorted({name for holder in mine for name in holder.policies})
            merged = await call.transaction.all(MERGED, entity=given.entity)
            who = {given.entity: given.entity, **{row.id: given.entity for row in merged}}
            uses = await uses_of(self._server.log, since, who)
        else:
            policies, uses = [given.policy.lower()], Uses()
            await self._stored(call, given.policy)
            async for entry in requests(self._server.log, since, [rule_mark(policies[0])]):
                if entry.granted:
                    uses.follow(entry, "")
        rules = [each for name in policies for each in await self._rules(call, name, uses)]
        unused = sum(1 for each in rules if each["unused"])
        call.details |= {"of": given.entity or given.policy, "rules": len(rules), "unused": unused}
        shown = {"rules": rules, "unused": unused, "uncounted": uses.uncounted}
        return Reply({**shown, **period(since, call.now)})

    async def _rules(self, call: SystemCall, name: str, uses: Uses) -> list[dict[str, object]]:
        try:
            policy = await self._server.views.policy(call.transaction, name, call.now)
        except TamperedError:
            return []
        if policy is None:
            return []
        if not policy.rules and name == "root":
            used = _joined(uses, "root#*")
            said = {"rule": "root#*", "granted": ["root"], **used.shown()}
            return [{**said, "unused": not used.times, "unused_capabilities": []}]
        found = []
        for path in dict.fromkeys(rule.path for rule in policy.rules):
            granted = Capability.NONE
            for rule in policy.rules:
                granted |= rule.capabilities if rule.path == path else Capability.NONE
            if granted & Capability.DENY or not granted:
                continue
            used = _joined(uses, f"{name}#{path}")
            left = [each for each in names(granted) if each not in {*used.operations, "sudo"}]
            shown = {"rule": f"{name}#{path}", "granted": list(names(granted)), **used.shown()}
            found.append({**shown, "unused": not used.times, "unused_capabilities": left})
        return found

    # -- proposing

    async def propose(self, call: SystemCall, given: Proposing) -> Reply:
        """Propose a smaller policy."""
        policy, since = await self._stored(call, given.name), _since(call, given)
        mounts = await self._server.views.mounts(call.transaction)
        kinds: dict[tuple[str, str, str], None] = {}
        prefix, counted, cut = f"{policy.name}#", 0, 0
        async for entry in requests(self._server.log, since, [rule_mark(policy.name)]):
            own = entry.unmapped
            mine = [rule.removeprefix(prefix) for rule in own.rules if rule.startswith(prefix)]
            if not entry.granted or not mine:
                continue
            counted += 1
            if entry.lacks("path", "rules") or own.operation not in _SERVED:
                cut += 1
                continue
            for pattern in mine:
                kinds[pattern, own.path, own.operation] = None
            if len(kinds) > MOST_USES:
                raise InputError("days", f"more than {MOST_USES} different requests: ask of fewer")
        uses = [
            Use(pattern, path, Operation(operation), _asks_sudo(mounts, path, operation))
            for pattern, path, operation in kinds
        ]
        everybody = await self._present.read(call)
        holdings = await self._holdings(call, everybody, policy.name)
        found = propose(policy, uses, holdings, call.now, given.few)
        call.details |= {"policy": policy.name, "requests": counted}
        return Reply(
            {
                "name": policy.name,
                "policy": found.text,
                "replaces": policy.source,
                "rules": [
                    {
                        "pattern": each.pattern,
                        "granted": list(names(each.before)),
                        "used": list(names(each.used)) if each.used else [],
                        "became": each.became,
                        "paths": list(each.paths),
                    }
                    for each in found.outcomes
                ],
                "requests": counted,
                "not_counted": cut,
                **period(since, call.now),
            }
        )

    async def _holdings(self, call: SystemCall, everybody: Everybody, name: str) -> list[Holding]:
        """Return what the holders of a policy hold beside it: one for each set of policies."""
        found: dict[tuple[str, ...], Holding] = {}
        for holder in _all(everybody):
            if name in holder.policies and holder.policies not in found:
                beside = [
                    policy
                    for each in holder.policies
                    if each != name and (policy := await self._text(call, each)) is not None
                ]
                found[holder.policies] = Holding(tuple(beside), _identity(everybody, holder.entity))
        return list(found.values())

    # -- replaying

    async def replay(self, call: SystemCall, given: Replaying) -> Reply:
        """Judge real requests by another text of a policy."""
        old = await self._stored(call, given.name)
        new, since = _other(old, given.policy), _since(call, given)
        everybody = await self._present.read(call)
        judging = _Judging(self, call, everybody, old, new)
        found = _Replay()
        async for entry in requests(self._server.log, since, [policy_mark(old.name)]):
            own = entry.unmapped
            if not entry.granted:
                continue
            if entry.lacks("policies") or own.operation not in _SERVED:
                found.unjudged += old.name in own.policies or entry.lacks("policies")
            elif old.name in own.policies:
                await judging.take(found, entry)
        ranked = sorted(found.refused.items(), key=lambda each: (-each[1].times, each[0]))
        refused = sum(each.times for _, each in ranked)
        call.details |= {"policy": old.name, "requests": found.requests, "refused": refused}
        return Reply(
            {
                "name": old.name,
                "requests": found.requests,
                "refused_requests": refused,
                "refused_kinds": len(ranked),
                "not_judged": found.unjudged,
                "conditional": found.conditional,
                "refused": [_shown(everybody, key, each) for key, each in ranked[:MOST_SHOWN]],
                **period(since, call.now),
            }
        )

    # -- impact

    async def impact(self, call: SystemCall, given: Replaced) -> Reply:
        """Say who may more with another text, and who less."""
        old = await self._stored(call, given.name)
        new = _other(old, given.policy)
        everybody = await self._present.read(call)
        judging = _Judging(self, call, everybody, old, new)
        groups: dict[tuple[Change, ...], list[Holder]] = {}
        known: dict[Class, tuple[Change, ...]] = {}
        for holder in _all(everybody):
            if old.name not in holder.policies:
                continue
            if holder.rules not in known:
                after = await judging.of(holder.policies, holder.entity, holder.environments)
                known[holder.rules] = _changes(holder.rules, after)
            groups.setdefault(known[holder.rules], []).append(holder)
        changed = [(found, held) for found, held in groups.items() if found]
        call.details |= {"policy": old.name, "changed": sum(len(held) for _, held in changed)}
        return Reply(
            {
                "name": old.name,
                "holders": sum(map(len, groups.values())),
                "unchanged": len(groups.get((), ())),
                "asks_otherwise": list(
                    asks_otherwise(
                        compile_acl([old], None, call.now), compile_acl([new], None, call.now)
                    )
                ),
                "changes": [
                    {
                        "holders": len(held),
                        "subjects": [holder.shown() for holder in held[:MOST_SHOWN]],
                        "gains": [_change(each, each.gained) for each in found if each.gained],
                        "loses": [_change(each, each.lost) for each in found if each.lost],
                    }
                    for found, held in sorted(changed, key=lambda each: each[1][0].subject)
                ],
            }
        )

    # -- parts

    async def _stored(self, call: SystemCall, name: str) -> Policy:
        row = await call.transaction.find(POLICIES, name.lower())
        if isinstance(row, Broken):
            raise TamperedError(row.problem)
        if not isinstance(row, StoredPolicy):
            raise NotFoundError("no such policy")
        return parsed(row)

    async def _text(self, call: SystemCall, name: str) -> Policy | None:
        try:
            return await self._server.views.policy(call.transaction, name, call.now)
        except TamperedError:
            return None

    async def texts(self, call: SystemCall, policies: Iterable[str], new: Policy) -> list[Policy]:
        """Return policies by their names, one of them in its other text."""
        found = [new if name == new.name else await self._text(call, name) for name in policies]
        return [policy for policy in found if policy is not None]

    async def mounts(self, call: SystemCall) -> Mounts:
        """Return what serves."""
        return await self._server.views.mounts(call.transaction)


class _Judging:
    """Judges kinds of requests by two texts of a policy, each kind once."""

    def __init__(
        self,
        routes: LeastPrivilegeRoutes,
        call: SystemCall,
        everybody: Everybody,
        old: Policy,
        new: Policy,
    ) -> None:
        self._routes, self._call, self._everybody = routes, call, everybody
        self._old, self._new = old, new
        self._before, self._after = Classes(call.now), Classes(call.now)
        self._known: dict[Key, tuple[str, bool, bool]] = {}
        self._identities: dict[str, Identity | None] = {}

    async def of(self, policies: tuple[str, ...], entity: str, bound: frozenset[str]) -> Class:
        """Return what holders of these policies may with the other text."""
        if not self._after.knows(policies):
            self._after.learn(policies, await self._routes.texts(self._call, policies, self._new))
        return self._after.of(policies, self._identity(entity), bound)

    async def take(self, found: _Replay, entry: Asked) -> None:
        """Judge one request."""
        own = entry.unmapped
        if entry.lacks("path"):
            found.unjudged += 1
            return
        key = (entry.who, own.policies, own.path, own.operation)
        if (judged := self._known.get(key)) is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            judged = self._known[key] = await self._judge(key)
        reason, already, conditional = judged
        found.requests += 1
        found.conditional += conditional
        if reason:
            kind = (entry.who, own.path, own.operation)
            refused = found.refused.setdefault(kind, _Refused(reason, already))
            refused.times += 1
            refused.index, refused.time = entry.index, own.time

    async def _judge(self, key: Key) -> tuple[str, bool, bool]:
        """Return why a request would be refused, whether it is now, and whether it depends."""
        who, policies, path, operation = key
        if not self._before.knows(policies):
            texts = await self._routes.texts(self._call, policies, self._old)
            self._before.learn(policies, texts)
        sudo = _asks_sudo(await self._routes.mounts(self._call), path, operation)
        after = (await self.of(policies, who, frozenset())).acl
        decision = after.grants(path, Operation(operation))
        if decision.allowed and (decision.sudo or not sudo):
            return "", False, decision.conditional
        before = self._before.of(policies, self._identity(who), frozenset()).acl
        now = before.grants(path, Operation(operation))
        already = not (now.allowed and (now.sudo or not sudo))
        return decision.reason or "sudo is needed", already, False

    def _identity(self, entity: str) -> Identity | None:
        if entity not in self._identities:
            self._identities[entity] = _identity(self._everybody, entity)
        return self._identities[entity]


def _since(call: SystemCall, given: Since) -> datetime:
    return call.now - timedelta(days=given.days)


def _all(everybody: Everybody) -> list[Holder]:
    return [*everybody.lasting.holders.values(), *everybody.live()]


def _joined(uses: Uses, rule: str) -> Used:
    """Return the uses of a rule by all who are counted."""
    found = Used()
    for (_, name), used in uses.by_rule.items():
        if name == rule:
            for operation, times in used.operations.items():
                found.operations[operation] = found.operations.get(operation, 0) + times
            if used.index > found.index:
                found.index, found.time = used.index, used.time
    return found


def _identity(everybody: Everybody, entity: str) -> Identity | None:
    known = everybody.known
    if known is None or entity not in known.entities:
        return None
    belonging = everybody.belonging(entity)
    return identity(known.entities[entity], known.aliases.get(entity, []), belonging or NOWHERE)


def _asks_sudo(mounts: Mounts, path: str, operation: str) -> bool:
    """Say whether the route of a request asks for sudo."""
    found = mounts.find(path)
    if found is None:
        return False
    live, rest = found
    try:
        return live.routes.match(rest, _SERVED[operation]).bound.route.sudo
    except StrongroomError:
        return False


def _other(old: Policy, text: str) -> Policy:
    switches = {name: bool(getattr(old, name)) for name in SWITCHES}
    try:
        return parse_policy(old.name, decoded(text), **switches)
    except InputError as error:
        raise InputError("policy", error.problem) from None


def _changes(before: Class, after: Class) -> tuple[Change, ...]:
    try:
        return changes(before.acl, after.acl)
    except TooManyError:
        raise InputError("policy", "its patterns meet others in too many ways") from None


def _change(each: Change, capabilities: Capability) -> dict[str, object]:
    return {
        "pattern": each.pattern,
        "capabilities": list(names(capabilities)),
        "sample": each.path,
        "why": list(each.rules),
    }


def _shown(everybody: Everybody, key: tuple[str, str, str], refused: _Refused) -> dict[str, object]:
    who, path, operation = key
    known = everybody.known.entities.get(who) if everybody.known is not None else None
    return {
        "entity": who,
        "name": known.name if known is not None else "",
        "path": path,
        "operation": operation,
        "times": refused.times,
        "reason": refused.reason,
        "refused_now": refused.already,
        "last_index": refused.index,
        "last_time": refused.time,
    }
