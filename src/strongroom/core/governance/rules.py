"""`strongroom/approval-rules…`: who must approve what is asked for.

Order   A rule is in force for every decision that is committed after its entry; of what was asked
        before, both it and the rules of then must be met.
Trust   Whoever may write here decides who must be asked: it takes a security key, and nobody does
        it who is bound to an environment. What asks fewer people of anything, for longer grants or
        only afterwards, takes sudo, and its entry is an alert; so does deleting a rule. One that
        nobody could meet is not taken. The floor (`identity.governance.rules`) is no row, and
        cannot be changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Any, Final

from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.core.governance.organisation import active_people, group_of
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_unbound
from strongroom.identity.governance.changes import CHANGE
from strongroom.identity.governance.documents import DOCUMENT
from strongroom.identity.governance.exceptions import EXCEPTION
from strongroom.identity.governance.records import (
    ACCESS,
    APPROVAL_RULES,
    ApprovalRule,
    InForce,
    Need,
)
from strongroom.identity.governance.rules import FLOOR, could_be_met, problem_of, read_rules
from strongroom.identity.groups import Graph, read_graph
from strongroom.identity.policy.pattern import problem
from strongroom.identity.records import NONE
from strongroom.identity.workloads import check_environment
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent
from strongroom.sdk.rules import changed, valid_name
from strongroom.storage.guard import Broken

KINDS: Final = (ACCESS, CHANGE, DOCUMENT, EXCEPTION)
LOOSENED: Final = "approval_rule_loosened"
MOST_NAMED, MOST_NEEDS, MOST_PEOPLE = 64, 8, 16
MOST_WRITTEN: Final = 3000  # characters of all names together: an entry holds them whole
SHORTEST: Final = timedelta(minutes=1)
LATEST: Final = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class NeedGiven:
    """So many people, of these groups."""

    count: Annotated[int, Help("How many people.", least=1, most=MOST_PEOPLE)] = 1
    groups: Annotated[
        tuple[str, ...], Help("Groups, by id or name; none: any active person who may approve.")
    ] = ()


@dataclass(frozen=True, kw_only=True)
class RuleName:
    """Which rule."""

    name: Annotated[str, Help("Name of the rule.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class RuleGiven(RuleName):
    """A rule as written; what is not sent stays as it is."""

    paths: Annotated[tuple[str, ...], Help("Patterns of paths that it covers.")] = ()
    environments: Annotated[tuple[str, ...], Help("Environments that it covers.")] = ()
    groups: Annotated[
        tuple[str, ...], Help("Groups whose rights are asked for, by id or name.")
    ] = ()
    kinds: Annotated[tuple[str, ...], Help("Kinds of proposals; none: access.", choices=KINDS)] = ()
    needs: Annotated[
        tuple[NeedGiven, ...], Help("Who must approve; all of them, and nobody for two.")
    ] = ()
    longest: Annotated[timedelta, Help("The longest life of a grant.")] = FLOOR.longest
    afterwards: Annotated[
        timedelta, Help("A grant begins at once, and approval must follow in this time; 0: no.")
    ] = NONE
    description: Annotated[str, Help("What it is for.", most=1024)] = ""
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


class ApprovalRuleRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="approval-rules",
                summary="Who must approve what is asked for.",
                list=Endpoint(Page, self.names, "approval_rule.list"),
            ),
            Route(
                path="approval-rules/{name}",
                summary="A rule of who must approve what.",
                read=Endpoint(RuleName, self.show, "approval_rule.read"),
                write=Endpoint(RuleGiven, self.write, "approval_rule.write"),
                delete=Endpoint(RuleName, self.drop, "approval_rule.delete"),
                exists=self.exists,
            ),
        )

    # -- reading

    async def names(self, call: SystemCall, page: Page) -> Reply:
        graph = await read_graph(call.transaction)
        rules = await read_rules(call.transaction)
        info = {rule.name: shown_rule(rule, graph) for rule in (*rules.rules, _floor())}
        keys = sorted(name for name in info if name > page.after)
        keys = keys[: page.limit] if page.limit > 0 else keys
        told = {"keys": keys, "key_info": {name: info[name] for name in keys}}
        return Reply({**told, "lost": list(rules.lost)})

    async def exists(self, call: SystemCall, given: RuleName) -> bool:
        return await call.transaction.find(APPROVAL_RULES, given.name) is not None

    async def show(self, call: SystemCall, given: RuleName) -> Reply:
        graph = await read_graph(call.transaction)
        if given.name == FLOOR.name:
            return Reply(shown_rule(_floor(), graph))
        rule = await call.transaction.get(APPROVAL_RULES, given.name)
        if rule is None:
            raise NotFoundError
        return Reply(shown_rule(rule, graph))

    # -- writing

    async def write(self, call: SystemCall, given: RuleGiven) -> None:
        """Make a rule, or change what was sent of one."""
        check_unbound(call)
        _check_free(given.name)
        tx = call.transaction
        found = await tx.find(APPROVAL_RULES, valid_name(given.name, "name"))
        old = None if isinstance(found, Broken) else found
        rule = await _changed(call, old or _new(given.name), given)
        await _check(call, rule)
        if isinstance(found, Broken):
            call.details["repaired"] = given.name
        if isinstance(found, Broken) or loosens(rule, old):
            _check_sudo(call)
            call.details |= {"loosened": True, "alert": LOOSENED}
        tx.put(APPROVAL_RULES, replace(rule, entry=None))
        _note(call, rule)

    async def drop(self, call: SystemCall, given: RuleName) -> None:
        """Delete a rule; what it covered needs what the others say, or the floor."""
        check_unbound(call)
        _check_free(given.name)
        if await call.transaction.find(APPROVAL_RULES, given.name) is None:
            return
        _check_sudo(call)
        call.transaction.delete(APPROVAL_RULES, given.name)
        call.details |= {"rule": given.name, "loosened": True, "alert": LOOSENED}


def loosens(new: ApprovalRule, old: ApprovalRule | None) -> bool:
    """Say whether something may pass under a rule that could not before, or only later."""
    if old is None:
        return new.afterwards > NONE
    if new.longest > old.longest or new.afterwards > NONE >= old.afterwards:
        return True
    if old.afterwards > NONE and new.afterwards > old.afterwards:
        return True
    return _covers_less(new, old) or not _asks_as_much(new.needs, old.needs)


def _covers_less(new: ApprovalRule, old: ApprovalRule) -> bool:
    if set(old.kinds or KINDS[:1]) - set(new.kinds or KINDS[:1]):
        return True
    lists = [(getattr(new, n), getattr(old, n)) for n in ("paths", "environments", "groups")]
    if not any(after for after, _ in lists):
        return False  # it covers all
    return not any(before for _, before in lists) or any(
        set(before) - set(after) for after, before in lists
    )


def _asks_as_much(after: Iterable[Need], before: Iterable[Need]) -> bool:
    """Say whether each need of before has one of its own now that asks no less."""
    left = list(after)
    for need in before:
        found = next((each for each in left if _as_strict(each, need)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _as_strict(new: Need, old: Need) -> bool:
    within = not old.groups or (bool(new.groups) and set(new.groups) <= set(old.groups))
    return new.count >= old.count and within


def _new(name: str) -> ApprovalRule:
    return ApprovalRule(
        name=name,
        paths=(),
        environments=(),
        groups=(),
        kinds=(),
        needs=(),
        longest=FLOOR.longest,
        afterwards=NONE,
        description="",
    )


def _floor() -> ApprovalRule:
    said = "Built in, and beneath every other rule. Cannot be changed."
    rule = replace(_new(FLOOR.name), needs=FLOOR.needs, longest=FLOOR.longest)
    return replace(rule, description=said)


async def _changed(call: SystemCall, old: ApprovalRule, given: RuleGiven) -> ApprovalRule:
    """Return a rule with what was sent, its groups by their ids."""
    sent = given.sent
    new = changed(old, given, sent - {"groups", "needs"})
    for name in ("paths", "environments", "kinds"):
        distinct: dict[str, Any] = {name: tuple(dict.fromkeys(getattr(new, name)))}
        new = replace(new, **distinct)
    if "groups" in sent:
        new = replace(new, groups=await _ids(call, given.groups, "groups"))
    if "needs" in sent:
        needs = [Need(n.count, await _ids(call, n.groups, "needs")) for n in given.needs]
        new = replace(new, needs=tuple(needs))
    return new


async def _ids(call: SystemCall, named: Iterable[str], where: str) -> tuple[str, ...]:
    """Return the ids of groups, so that a name that another one gets means nothing."""
    found: list[str] = []
    for each in dict.fromkeys(named):
        group = await group_of(call.transaction, each)
        if group is None:
            raise InputError(where, "there is no such group")
        found.append(group.id)
    return tuple(dict.fromkeys(found))


def _check_free(name: str) -> None:
    if name == FLOOR.name:
        raise InputError("name", "this rule is built in, and cannot be changed")


async def _check(call: SystemCall, rule: ApprovalRule) -> None:
    _check_size(rule)
    if found := next(filter(None, map(problem, rule.paths)), None):
        raise InputError("paths", found)
    for each in rule.environments:
        await check_environment(call.transaction, each)
    if not SHORTEST <= rule.longest <= FLOOR.longest:
        raise InputError("longest", "from 1 minute to 8 hours, which is the floor")
    if not NONE <= rule.afterwards <= LATEST:
        raise InputError("afterwards", "at most 30 days")
    if not rule.needs or any(need.count < 1 for need in rule.needs):
        raise InputError("needs", "at least one person must approve")
    graph = await read_graph(call.transaction)
    if wrong := problem_of(rule, graph):
        raise InputError("needs", wrong)
    people = await active_people(call.transaction, graph, call.now)
    for need in rule.needs:
        if need.groups and all(groups.isdisjoint(need.groups) for groups in people.values()):
            raise InputError("needs", "no active person is in these groups")
    if not could_be_met(rule.needs, people):
        raise InputError("needs", "there are not as many active people who could approve")


def _check_size(rule: ApprovalRule) -> None:
    for name in ("paths", "environments", "groups", "kinds"):
        values = getattr(rule, name)
        if len(values) > MOST_NAMED or any(not 0 < len(each) <= 512 for each in values):
            raise InputError(name, f"at most {MOST_NAMED}, of 1 to 512 characters each")
    if len(rule.needs) > MOST_NEEDS or sum(need.count for need in rule.needs) > MOST_PEOPLE:
        raise InputError("needs", f"at most {MOST_NEEDS}, of {MOST_PEOPLE} people together")
    said = (
        *rule.paths,
        *rule.environments,
        *rule.groups,
        *(g for n in rule.needs for g in n.groups),
    )
    if sum(map(len, said)) > MOST_WRITTEN:
        raise InputError("paths", f"all names together have at most {MOST_WRITTEN} characters")


def _check_sudo(call: SystemCall) -> None:
    session = call.session
    if session is not None and not session.acl.sudo(call.request.path).allowed:
        raise DeniedError


def _note(call: SystemCall, rule: ApprovalRule) -> None:
    call.details |= {"rule": rule.name, "paths": rule.paths, "environments": rule.environments}
    call.details |= {"of_groups": rule.groups, "needs": plain_needs(rule.needs)}
    call.details["longest_seconds"] = int(rule.longest.total_seconds())
    call.details["afterwards_seconds"] = int(rule.afterwards.total_seconds())


def plain_needs(needs: Iterable[Need]) -> list[dict[str, object]]:
    """Return needs as plain data."""
    return [{"count": need.count, "groups": list(need.groups)} for need in needs]


def shown_rule(rule: ApprovalRule, graph: Graph) -> dict[str, object]:
    """Return a rule as replies show it."""
    named = {*rule.groups, *(each for need in rule.needs for each in need.groups)}
    return {
        "name": rule.name,
        "paths": list(rule.paths),
        "environments": list(rule.environments),
        "groups": list(rule.groups),
        "kinds": list(rule.kinds or (ACCESS,)),
        "needs": plain_needs(rule.needs),
        "longest": int(rule.longest.total_seconds()),
        "afterwards": int(rule.afterwards.total_seconds()),
        "description": rule.description,
        "built_in": rule.name == FLOOR.name,
        "group_names": {each: group_name(graph, each) for each in sorted(named)},
        "problem": problem_of(rule, graph),
        "entry": rule.entry,
    }


def group_name(graph: Graph, group_id: str) -> str:
    """Return what a group is called; nothing where there is none of this id."""
    group = graph.groups.get(group_id)
    return group.name if group is not None else ""


def plain_rules(rules: Iterable[InForce]) -> list[dict[str, object]]:
    """Return rules in force as plain data."""
    return [
        {
            "name": rule.name,
            "needs": plain_needs(rule.needs),
            "longest_seconds": int(rule.longest.total_seconds()),
            "afterwards_seconds": int(rule.afterwards.total_seconds()),
            "problem": rule.problem,
        }
        for rule in rules
    ]
