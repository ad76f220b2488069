"""`strongroom/break-glass-rules…`: who may open a case of break-glass, of what, and for how long.

Without a rule nobody can. What a rule lets somebody have, they have without anybody's approval, for
an hour or as long as it says: whoever may write here decides who can.

Trust   To write takes a security key, and nobody does it who is bound to an environment. A rule
        that is new, or that lets more people do it, more of it, for longer, or lets them open a
        second case while a review is overdue, takes sudo, and its entry is an alert.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Final

from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.core.governance.organisation import group_of
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_unbound
from strongroom.identity.governance.break_glass import (
    CLOSE_WITHIN,
    IN_ALL,
    LONGEST,
    RULES,
    TARGET,
    USUAL,
    BreakGlassRule,
)
from strongroom.identity.governance.grants import administers
from strongroom.identity.policy.pattern import is_exact, problem
from strongroom.identity.workloads import check_environment
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent
from strongroom.sdk.rules import changed, valid_name
from strongroom.storage.guard import Broken

LOOSENED: Final = "break_glass_rule_loosened"
MOST_NAMED, MOST_WRITTEN = 64, 3000
SHORTEST: Final = timedelta(minutes=1)
LATEST: Final = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class RuleName:
    """Which rule."""

    name: Annotated[str, Help("Name of the rule.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class RuleGiven(RuleName):
    """A rule as written; what is not sent stays as it is."""

    groups: Annotated[
        tuple[str, ...], Help("Groups who may, by id or name; none: any person whom policy lets.")
    ] = ()
    paths: Annotated[tuple[str, ...], Help("Patterns of paths that may be asked for.")] = ()
    environments: Annotated[
        tuple[str, ...], Help("Environments whose paths may be asked for.")
    ] = ()
    longest: Annotated[timedelta, Help("The life of a case as it is opened; 4 hours at most.")] = (
        USUAL
    )
    in_all: Annotated[timedelta, Help("Its life with all extensions; 8 hours at most.")] = LONGEST
    close_within: Annotated[timedelta, Help("When what was done must be said, from its end.")] = (
        CLOSE_WITHIN
    )
    blocks: Annotated[bool, Help("Whoever has a review that is overdue opens no other case.")] = (
        True
    )
    drill_path: Annotated[str, Help("A path that holds no secret, for drills.", most=512)] = ""
    drill_target: Annotated[timedelta, Help("In what time a drill's first read is served.")] = (
        TARGET
    )
    description: Annotated[str, Help("What it is for.", most=1024)] = ""
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


class BreakGlassRuleRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="break-glass-rules",
                summary="Who may break the glass, of what, and for how long.",
                list=Endpoint(Page, self.names, "break_glass_rule.list"),
            ),
            Route(
                path="break-glass-rules/{name}",
                summary="A rule of who may break the glass.",
                read=Endpoint(RuleName, self.show, "break_glass_rule.read"),
                write=Endpoint(RuleGiven, self.write, "break_glass_rule.write"),
                delete=Endpoint(RuleName, self.drop, "break_glass_rule.delete"),
                exists=self.exists,
            ),
        )

    async def names(self, call: SystemCall, page: Page) -> Reply:
        rows, _ = await call.transaction.examine(RULES, order="name")
        rows = [row for row in rows if row.name > page.after]
        rows = rows[: page.limit] if page.limit > 0 else rows
        info = {row.name: shown_rule(row) for row in rows}
        return Reply({"keys": list(info), "key_info": info})

    async def exists(self, call: SystemCall, given: RuleName) -> bool:
        return await call.transaction.find(RULES, given.name) is not None

    async def show(self, call: SystemCall, given: RuleName) -> Reply:
        row = await call.transaction.get(RULES, given.name)
        if row is None:
            raise NotFoundError
        return Reply(shown_rule(row))

    async def write(self, call: SystemCall, given: RuleGiven) -> None:
        """Make a rule, or change what was sent of one."""
        check_unbound(call)
        tx = call.transaction
        found = await tx.find(RULES, valid_name(given.name, "name"))
        old = None if isinstance(found, Broken) else found
        rule = await _changed(call, old or _new(given.name), given)
        await _check(call, rule)
        if loosens(rule, old):
            _check_sudo(call)
            call.details |= {"loosened": True, "alert": LOOSENED}
        tx.put(RULES, replace(rule, entry=None))
        call.details |= {"rule": rule.name, "of_groups": rule.groups, "paths": rule.paths}
        call.details |= {"environments": rule.environments, "blocks": rule.blocks}
        call.details["longest_seconds"] = int(rule.longest.total_seconds())
        call.details["in_all_seconds"] = int(rule.in_all.total_seconds())
        call.details["drill_path"] = rule.drill_path

    async def drop(self, call: SystemCall, given: RuleName) -> None:
        """Delete a rule; cases that are open go on to their end."""
        check_unbound(call)
        if await call.transaction.find(RULES, given.name) is not None:
            call.transaction.delete(RULES, given.name)
            call.details["rule"] = given.name


def loosens(new: BreakGlassRule, old: BreakGlassRule | None) -> bool:
    """Say whether a rule lets anybody have what they could not before."""
    if old is None:
        return True
    if set(new.paths) - set(old.paths) or set(new.environments) - set(old.environments):
        return True
    if old.groups and (not new.groups or set(new.groups) - set(old.groups)):
        return True
    longer = new.longest > old.longest or new.in_all > old.in_all
    later = new.close_within > old.close_within
    return longer or later or (old.blocks and not new.blocks) or new.drill_path != old.drill_path


def _new(name: str) -> BreakGlassRule:
    return BreakGlassRule(
        name=name,
        groups=(),
        paths=(),
        environments=(),
        longest=USUAL,
        in_all=LONGEST,
        close_within=CLOSE_WITHIN,
        blocks=True,
        drill_path="",
        drill_target=TARGET,
        description="",
    )


async def _changed(call: SystemCall, old: BreakGlassRule, given: RuleGiven) -> BreakGlassRule:
    new = changed(old, given, given.sent - {"groups"})
    new = replace(
        new,
        paths=tuple(dict.fromkeys(new.paths)),
        environments=tuple(dict.fromkeys(new.environments)),
    )
    if "groups" not in given.sent:
        return new
    found: list[str] = []
    for each in dict.fromkeys(given.groups):
        group = await group_of(call.transaction, each)
        if group is None:
            raise InputError("groups", "there is no such group")
        found.append(group.id)
    return replace(new, groups=tuple(dict.fromkeys(found)))


async def _check(call: SystemCall, rule: BreakGlassRule) -> None:
    for name in ("groups", "paths", "environments"):
        values = getattr(rule, name)
        if len(values) > MOST_NAMED or any(not 0 < len(each) <= 512 for each in values):
            raise InputError(name, f"at most {MOST_NAMED}, of 1 to 512 characters each")
    if sum(map(len, (*rule.groups, *rule.paths, *rule.environments))) > MOST_WRITTEN:
        raise InputError("paths", f"all names together have at most {MOST_WRITTEN} characters")
    if not (rule.paths or rule.environments or rule.drill_path):
        raise InputError("paths", "name paths or environments that it is for")
    for path in rule.paths:
        if found := problem(path):
            raise InputError("paths", found)
    for each in rule.environments:
        await check_environment(call.transaction, each)
    _check_drill(rule)
    _check_times(rule)


def _check_times(rule: BreakGlassRule) -> None:
    if not SHORTEST <= rule.longest <= LONGEST:
        raise InputError("longest", "from 1 minute to 4 hours")
    if not rule.longest <= rule.in_all <= IN_ALL:
        raise InputError("in_all", "from `longest` to 8 hours")
    if not SHORTEST <= rule.close_within <= LATEST:
        raise InputError("close_within", "from 1 minute to 7 days")
    if not timedelta(seconds=1) <= rule.drill_target <= LONGEST:
        raise InputError("drill_target", "from 1 second to 4 hours")


def _check_drill(rule: BreakGlassRule) -> None:
    path = rule.drill_path
    if not path:
        return
    if problem(path) or not is_exact(path) or "{{" in path or administers(path):
        raise InputError("drill_path", "one path, which holds no secret")


def _check_sudo(call: SystemCall) -> None:
    session = call.session
    if session is not None and not session.acl.sudo(call.request.path).allowed:
        raise DeniedError


def shown_rule(rule: BreakGlassRule) -> dict[str, object]:
    """Return a rule as replies show it."""
    return {
        "name": rule.name,
        "groups": list(rule.groups),
        "paths": list(rule.paths),
        "environments": list(rule.environments),
        "longest": rule.longest,
        "in_all": rule.in_all,
        "close_within": rule.close_within,
        "blocks": rule.blocks,
        "drill_path": rule.drill_path,
        "drill_target": rule.drill_target,
        "description": rule.description,
        "entry": rule.entry,
    }
