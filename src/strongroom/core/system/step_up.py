"""`strongroom/step-up…`: a fresh factor for what is sensitive, and the rules of what that is.

    403 "a fresh factor is needed here" → show one at `strongroom/step-up` → ask again

Vault   Not Vault's. The code of an app, a recovery code, or the answer of a security key to a
        challenge of `strongroom/factors/challenge`.
Trust   A factor that was enrolled after the login counts only if it took one that did: otherwise
        whoever stole a token could enrol what they then show. Who shows a factor makes the session
        that asks fresher, no other of the same person. Whoever may write rules decides what needs
        one: to loosen or delete a rule asks for sudo, nobody does it who is bound to an
        environment, and its entry is an alert. A person shows a security key for any change of
        them, which no rule switches off (`identity.step_up.FIXED`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Final

from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.bindings import check_unbound
from strongroom.core.system.factors import FactorRoutes, Proving, own
from strongroom.core.system.sign_ins import shown
from strongroom.identity.factors.records import KINDS
from strongroom.identity.policy.capability import Operation
from strongroom.identity.policy.pattern import problem
from strongroom.identity.sign_ins import API, SIGN_INS, SignIn
from strongroom.identity.step_up import (
    BUILT_IN,
    FIXED,
    STEP_UP_RULES,
    StepUpRule,
    read_step_up,
)
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent
from strongroom.sdk.rules import changed, valid_name

SHORTEST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(hours=8)
MOST: Final = 256
TOPIC: Final = "step-up"
TOO_NEW: Final = (
    "this factor was enrolled after you signed in, so it does not count yet: log in again, and then"
    " show it"
)
LOOSENED: Final = "step_up_loosened"
OPERATIONS: Final = tuple(each.value for each in Operation)


@dataclass(frozen=True, kw_only=True)
class RuleName:
    """Which rule."""

    name: Annotated[str, Help("Name of the rule.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class RuleGiven(RuleName):
    """A rule as written; what is not sent stays as it is."""

    paths: Annotated[tuple[str, ...], Help("Patterns of request paths that need a factor.")] = ()
    operations: Annotated[
        tuple[str, ...], Help("Operations that need it; none named: all.", choices=OPERATIONS)
    ] = ()
    environments: Annotated[
        tuple[str, ...], Help("Environments whose paths need it, beside `paths`.")
    ] = ()
    within: Annotated[timedelta, Help("How old the factor may be.")] = timedelta(minutes=10)
    kinds: Annotated[tuple[str, ...], Help("Kinds that count; none: any.", choices=KINDS)] = ()
    enabled: Annotated[bool, Help("Whether the rule holds.")] = True
    description: Annotated[str, Help("What it is for.", most=1024)] = ""
    apart: Annotated[
        tuple[str, ...], Help("Patterns of paths that need none by it, though `paths` cover them.")
    ] = ()
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


class StepUpRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._factors = FactorRoutes(server)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="step-up",
                summary="Show a factor again, for what needs a fresh one.",
                write=Endpoint(Proving, self.show, "session.step_up"),
            ),
            Route(
                path="step-up/rules",
                summary="What needs a fresh factor.",
                list=Endpoint(Page, self.names, "step_up.rule.list"),
            ),
            Route(
                path="step-up/rules/{name}",
                summary="A rule of what needs a fresh factor.",
                read=Endpoint(RuleName, self.read, "step_up.rule.read"),
                write=Endpoint(RuleGiven, self.write, "step_up.rule.write"),
                delete=Endpoint(RuleName, self.drop, "step_up.rule.delete"),
            ),
        )

    async def show(self, call: SystemCall, given: Proving) -> Reply:
        """Take a factor for the session that asks. Raises FactorRefusedError for none."""
        entity, session = own(call), call.session
        if session is None or not session.token.lookup:
            raise DeniedError
        proven = await self._factors.prove(call, entity.id, given)
        if not await self._factors.counts(call, proven.row):
            raise DeniedError(TOO_NEW)
        tx = call.transaction
        known = await tx.get(SIGN_INS, session.token.lookup) or SignIn(
            lookup=session.token.lookup,
            id=uuid_of(call.entropy(16)),
            entity=entity.id,
            surface=API,
            factors=(),
            factor_at=None,
            opened_at=call.now,
            seen_at=call.now,
            idle=timedelta(0),
            ends_at=None,
            until=None,
            address=call.address,
            agent="",
        )
        kinds = {proven.kind} | (set(known.factors) if known.factor_at == call.now else set())
        fresh = replace(known, factors=tuple(sorted(kinds)), factor_at=call.now).used(call.now)
        shown_so_far = {*(known.shown or known.factors), proven.kind}
        fresh = replace(fresh, shown=tuple(sorted(shown_so_far)))
        fresh = replace(fresh, enrolled_at=proven.row.created_at, enrolled_by=proven.row.helped_by)
        tx.put(SIGN_INS, fresh)
        tx.changed(f"token:{known.lookup.hex()}")
        call.details |= {"session": fresh.id}
        return Reply(shown(fresh))

    # -- rules

    async def names(self, call: SystemCall, page: Page) -> Reply:
        rules = {rule.name: rule for rule in (await read_step_up(call.transaction)).rules}
        keys = sorted(name for name in rules if name > page.after)
        keys = keys[: page.limit] if page.limit > 0 else keys
        return Reply({"keys": keys, "key_info": {name: _shown(rules[name]) for name in keys}})

    async def read(self, call: SystemCall, given: RuleName) -> Reply:
        found = await self._found(call, given.name)
        if found is None:
            raise NotFoundError
        return Reply(_shown(found))

    async def _found(self, call: SystemCall, name: str) -> StepUpRule | None:
        rules = (await read_step_up(call.transaction)).rules
        return next((rule for rule in rules if rule.name == name), None)

    async def write(self, call: SystemCall, given: RuleGiven) -> None:
        """Make a rule, or change what was sent of one."""
        check_unbound(call)
        _check_free(given.name)
        old = await self._found(call, valid_name(given.name, "name"))
        new = changed(old or StepUpRule(given.name, (), ()), given, given.sent)
        _check(new)
        if old is not None and not covers(new, old):
            _check_sudo(call)
            call.details |= {"loosened": True, "alert": LOOSENED}
        call.transaction.put(STEP_UP_RULES, replace(new, entry=None))
        call.transaction.changed(f"{TOPIC}:{new.name}")
        call.details |= {"rule": new.name, "enabled": new.enabled}
        call.details |= {"paths": new.paths, "environments": new.environments}
        call.details |= {"operations": new.operations, "kinds": new.kinds}
        call.details["apart"] = new.apart or ()
        call.details["within_seconds"] = int(new.within.total_seconds())

    async def drop(self, call: SystemCall, given: RuleName) -> None:
        """Delete a rule; of one that is built in, what was changed of it."""
        check_unbound(call)
        _check_free(given.name)
        if await call.transaction.find(STEP_UP_RULES, given.name) is None:
            return
        _check_sudo(call)
        call.transaction.delete(STEP_UP_RULES, given.name)
        call.transaction.changed(f"{TOPIC}:{given.name}")
        call.details |= {"rule": given.name, "loosened": True, "alert": LOOSENED}


def covers(new: StepUpRule, old: StepUpRule) -> bool:
    """Say whether a rule asks for a factor wherever the older one did, and for one as fresh."""
    if not old.enabled:
        return True

    def wider(after: tuple[str, ...], before: tuple[str, ...]) -> bool:
        return not after or (bool(before) and set(before) <= set(after))

    return (
        new.enabled
        and new.within <= old.within
        and set(old.paths) <= set(new.paths)
        and set(old.environments) <= set(new.environments)
        and set(new.apart or ()) <= set(old.apart or ())
        and wider(new.operations, old.operations)
        and (not old.kinds or (bool(new.kinds) and set(new.kinds) <= set(old.kinds)))
    )


def _check_free(name: str) -> None:
    if any(rule.name == name for rule in FIXED):
        raise InputError("name", "this rule is built in, and cannot be changed")


def _check(rule: StepUpRule) -> None:
    if not rule.paths and not rule.environments:
        raise InputError("paths", "name paths or environments")
    said = {"paths": rule.paths, "environments": rule.environments, "apart": rule.apart or ()}
    for name, values in said.items():
        if len(values) > MOST or any(not 0 < len(each) <= 512 for each in values):
            raise InputError(name, f"at most {MOST}, of 1 to 512 characters each")
    for name in ("paths", "apart"):
        if found := next(filter(None, map(problem, said[name])), None):
            raise InputError(name, found)
    if not SHORTEST <= rule.within <= LONGEST:
        raise InputError("within", "from 1 minute to 8 hours")


def _check_sudo(call: SystemCall) -> None:
    session = call.session
    if session is not None and not session.acl.sudo(call.request.path).allowed:
        raise DeniedError


def _shown(rule: StepUpRule) -> dict[str, object]:
    return {
        "name": rule.name,
        "paths": list(rule.paths),
        "operations": list(rule.operations),
        "environments": list(rule.environments),
        "within": rule.within,
        "kinds": list(rule.kinds),
        "enabled": rule.enabled,
        "description": rule.description,
        "apart": list(rule.apart or ()),
        "built_in": rule in BUILT_IN or rule in FIXED,
    }
