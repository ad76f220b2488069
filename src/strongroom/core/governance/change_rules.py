"""`strongroom/change-rules…`: which writes need an approved change, and the holidays.

Order   A rule is in force for every write that is committed after its entry. With the first one,
        the rules themselves and the approval rules are covered too: from then on they change as
        approved changes say.
Trust   Whoever may write here decides what may be changed alone: it takes a security key, and
        nobody does it who is bound to an environment. What covers less takes sudo, and its entry is
        an alert; so do more holidays, since they put off deadlines.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any, Final

from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_unbound
from strongroom.identity.governance.changes import (
    CHANGE_RULES,
    CHANGE_SETTINGS,
    SETTINGS,
    ChangeRule,
    ChangeSettings,
    holidays,
)
from strongroom.identity.policy.pattern import problem
from strongroom.sdk.changes import AREAS, ITSELF, OF_ITSELF, OPERATIONS
from strongroom.sdk.engine import Endpoint, Help, Nothing, Page, Reply, Route, Sent
from strongroom.sdk.rules import changed, valid_name
from strongroom.storage.guard import Broken

LOOSENED: Final = "change_rule_loosened"
MOST_PATHS, LONGEST_PATH, MOST_WRITTEN = 64, 512, 3000
MOST_HOLIDAYS: Final = 64


@dataclass(frozen=True, kw_only=True)
class RuleName:
    """Which rule."""

    name: Annotated[str, Help("Name of the rule.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class RuleGiven(RuleName):
    """A rule as written; what is not sent stays as it is."""

    areas: Annotated[tuple[str, ...], Help("What it covers as a whole.", choices=tuple(AREAS))] = ()
    paths: Annotated[tuple[str, ...], Help("Patterns of paths that it covers.")] = ()
    operations: Annotated[
        tuple[str, ...], Help("Which operations; none: all of them.", choices=OPERATIONS)
    ] = ()
    propose: Annotated[
        bool, Help("A write that is refused for want of a change is proposed as one.")
    ] = False
    enabled: Annotated[bool, Help("It is in force.")] = True
    description: Annotated[str, Help("What it is for.", most=1024)] = ""
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


@dataclass(frozen=True, kw_only=True)
class SettingsGiven:
    """What holds for all changes."""

    holidays: Annotated[
        tuple[str, ...], Help("Days that are no business days, as YYYY-MM-DD.")
    ] = ()


class ChangeRuleRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="change-rules",
                summary="Which writes need an approved change.",
                list=Endpoint(Page, self.names, "change_rule.list"),
            ),
            Route(
                path="change-rules/{name}",
                summary="A rule of which writes need an approved change.",
                read=Endpoint(RuleName, self.show, "change_rule.read"),
                write=Endpoint(RuleGiven, self.write, "change_rule.write"),
                delete=Endpoint(RuleName, self.drop, "change_rule.delete"),
                exists=self.exists,
            ),
            Route(
                path="change-settings",
                summary="What holds for all changes: the holidays.",
                read=Endpoint(Nothing, self.settings, "change_settings.read"),
                write=Endpoint(SettingsGiven, self.set, "change_settings.write"),
            ),
        )

    async def names(self, call: SystemCall, page: Page) -> Reply:
        stored, broken = await call.transaction.examine(CHANGE_RULES, order="name")
        info = {rule.name: _shown(rule) for rule in stored}
        if any(rule.enabled for rule in stored) or broken:
            info[ITSELF] = _shown(_itself())
        keys = sorted(name for name in info if name > page.after)
        keys = keys[: page.limit] if page.limit > 0 else keys
        told = {"keys": keys, "key_info": {name: info[name] for name in keys}}
        return Reply({**told, "lost": [each.problem for each in broken]})

    async def exists(self, call: SystemCall, given: RuleName) -> bool:
        return await call.transaction.find(CHANGE_RULES, given.name) is not None

    async def show(self, call: SystemCall, given: RuleName) -> Reply:
        rule = await call.transaction.get(CHANGE_RULES, given.name)
        if rule is None:
            raise NotFoundError
        return Reply(_shown(rule))

    async def write(self, call: SystemCall, given: RuleGiven) -> None:
        """Make a rule, or change what was sent of one."""
        check_unbound(call)
        tx = call.transaction
        if given.name == ITSELF:
            raise InputError("name", "this rule is built in, and cannot be changed")
        found = await tx.find(CHANGE_RULES, valid_name(given.name, "name"))
        old = None if isinstance(found, Broken) else found
        rule = _changed(old or _new(given.name), given)
        _check(rule)
        if isinstance(found, Broken):
            call.details["repaired"] = given.name
        if isinstance(found, Broken) or loosens(rule, old):
            _loosened(call)
        tx.put(CHANGE_RULES, replace(rule, entry=None))
        tx.changed("change-rules")
        call.details |= {"rule": rule.name, "areas": rule.areas, "paths": rule.paths}
        call.details |= {"operations": rule.operations, "propose": rule.propose}
        call.details["enabled"] = rule.enabled

    async def drop(self, call: SystemCall, given: RuleName) -> None:
        """Delete a rule; what it covered is written without a change, if no other covers it."""
        check_unbound(call)
        if await call.transaction.find(CHANGE_RULES, given.name) is None:
            return
        _loosened(call)
        call.transaction.delete(CHANGE_RULES, given.name)
        call.transaction.changed("change-rules")
        call.details["rule"] = given.name

    async def settings(self, call: SystemCall, _: Nothing) -> Reply:
        return Reply({"holidays": list(await holidays(call.transaction))})

    async def set(self, call: SystemCall, given: SettingsGiven) -> None:
        """Say which days are holidays."""
        check_unbound(call)
        days = tuple(sorted({_day(each) for each in given.holidays}))
        if len(days) > MOST_HOLIDAYS:
            raise InputError("holidays", f"at most {MOST_HOLIDAYS}")
        found = await call.transaction.find(CHANGE_SETTINGS, SETTINGS)
        old = () if found is None or isinstance(found, Broken) else found.holidays
        if set(days) - set(old):
            _loosened(call)
        call.transaction.put(CHANGE_SETTINGS, ChangeSettings(SETTINGS, days))
        call.details["holidays"] = days


def loosens(new: ChangeRule, old: ChangeRule | None) -> bool:
    """Say whether something may be written without a change that could not before."""
    if old is None or not old.enabled:
        return False
    if not new.enabled or set(old.areas) - set(new.areas) or set(old.paths) - set(new.paths):
        return True
    return bool(set(old.operations or OPERATIONS) - set(new.operations or OPERATIONS))


def _loosened(call: SystemCall) -> None:
    session = call.session
    if session is not None and not session.acl.sudo(call.request.path).allowed:
        raise DeniedError
    call.details |= {"loosened": True, "alert": LOOSENED}


def _new(name: str) -> ChangeRule:
    return ChangeRule(name, (), (), (), propose=False, enabled=True, description="")


def _itself() -> ChangeRule:
    said = "Built in while any rule is on: the rules themselves, and who approves."
    return replace(_new(ITSELF), paths=OF_ITSELF, description=said)


def _changed(old: ChangeRule, given: RuleGiven) -> ChangeRule:
    new = changed(old, given, given.sent)
    for name in ("areas", "paths", "operations"):
        distinct: dict[str, Any] = {name: tuple(dict.fromkeys(getattr(new, name)))}
        new = replace(new, **distinct)
    return replace(new, paths=tuple(each.removeprefix("/") for each in new.paths))


def _check(rule: ChangeRule) -> None:
    if not (rule.areas or rule.paths):
        raise InputError("areas", f"name areas, or paths; areas are {', '.join(AREAS)}")
    if len(rule.paths) > MOST_PATHS or sum(map(len, rule.paths)) > MOST_WRITTEN:
        raise InputError("paths", f"at most {MOST_PATHS}, of {MOST_WRITTEN} characters in all")
    for path in rule.paths:
        if not 0 < len(path) <= LONGEST_PATH or not path.isprintable():
            raise InputError("paths", f"a pattern is 1 to {LONGEST_PATH} printable characters")
        if "//" in path or "*" in path[:-1] or not {".", ".."}.isdisjoint(path.split("/")):
            raise InputError("paths", "no empty, '.' or '..' segment, and '*' at the end only")
        if found := problem(path):
            raise InputError("paths", found)


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise InputError("holidays", "a day is written YYYY-MM-DD") from None


def _shown(rule: ChangeRule) -> dict[str, object]:
    return {
        "name": rule.name,
        "areas": list(rule.areas),
        "paths": list(rule.paths),
        "operations": list(rule.operations or OPERATIONS),
        "propose": rule.propose,
        "enabled": rule.enabled,
        "description": rule.description,
        "built_in": rule.name == ITSELF,
        "entry": rule.entry,
    }
