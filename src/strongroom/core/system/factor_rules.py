"""`strongroom/factors/rules`: who needs factors of which kinds, whatever way they log in.

A rule names policies or groups, and kinds of which one must be shown. A login of somebody under it
is asked for one; who has none of them gets a token that can only enrol. Without any rule every
registered person needs an app or a key; a rule of the kind `none` takes that from whom it names.

Trust   Whoever may write here decides whom a password alone lets in. To delete a rule, or change
        one, asks for sudo, and nobody does it who is bound to an environment; one that then asks
        for less is an alert in the entry. A rule of a policy
        holds for whoever has it from the login, the entity or a group; a token that was made with
        the policy in another way has no login to ask. A rule of the kind `none` is an alert in its
        entry, and T06 and T07 hold it and what it lets in against whoever wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Final

from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_unbound
from strongroom.identity.factors.demands import NOTHING
from strongroom.identity.factors.records import FACTOR_RULES, KINDS, FactorRule
from strongroom.identity.tokens import kept
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent
from strongroom.sdk.rules import changed, check_policy_names, valid_name

MOST_NAMED = 256
LOOSENED: Final = "factor_rule_loosened"
ALERT = "second_factor_waived"


@dataclass(frozen=True, kw_only=True)
class RuleName:
    """Which rule."""

    name: Annotated[str, Help("Name of the rule.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class RuleGiven(RuleName):
    """A rule as written; what is not sent stays as it is."""

    policies: Annotated[tuple[str, ...], Help("Whoever holds one of these policies.")] = ()
    groups: Annotated[tuple[str, ...], Help("Whoever is in one of these groups.")] = ()
    kinds: Annotated[
        tuple[str, ...],
        Help(
            "Needs one of these: webauthn, totp, recovery. `none` alone: needs none.",
            choices=(*KINDS, NOTHING),
        ),
    ] = ()
    provider_factors: Annotated[
        bool, Help("The word of a provider that is trusted for it will do.")
    ] = False
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


class FactorRuleRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="factors/rules",
                summary="Who needs which factors.",
                list=Endpoint(Page, self.names, "factor.rule.list"),
            ),
            Route(
                path="factors/rules/{name}",
                summary="A rule: policies or groups, and the kinds of factors that they need.",
                read=Endpoint(RuleName, self.show, "factor.rule.read"),
                write=Endpoint(RuleGiven, self.write, "factor.rule.write"),
                delete=Endpoint(RuleName, self.drop, "factor.rule.delete"),
                exists=self.exists,
            ),
        )

    async def names(self, call: SystemCall, page: Page) -> Reply:
        found = [r for r in await call.transaction.all(FACTOR_RULES) if r.name > page.after]
        found = found[: page.limit] if page.limit > 0 else found
        info = {rule.name: _shown(rule) for rule in found}
        return Reply({"keys": list(info), "key_info": info})

    async def exists(self, call: SystemCall, given: RuleName) -> bool:
        return await call.transaction.get(FACTOR_RULES, given.name) is not None

    async def show(self, call: SystemCall, given: RuleName) -> Reply:
        rule = await call.transaction.get(FACTOR_RULES, given.name)
        if rule is None:
            raise NotFoundError
        return Reply(_shown(rule))

    async def write(self, call: SystemCall, given: RuleGiven) -> None:
        """Make a rule, or change what was sent of one."""
        check_unbound(call)
        old = await call.transaction.get(FACTOR_RULES, given.name)
        if old is not None:
            _check_sudo(call)
        base = old or FactorRule(valid_name(given.name, "name"), (), (), (), provider_factors=False)
        rule = changed(base, given, given.sent)
        check_policy_names(rule.policies, "policies")
        kinds = tuple(kind for kind in (*KINDS, NOTHING) if kind in rule.kinds)
        rule = replace(rule, policies=kept(rule.policies), kinds=kinds)
        _check(rule)
        if old is not None and not covers(rule, old):
            call.details |= {"loosened": True, "alert": LOOSENED}
        call.transaction.put(FACTOR_RULES, rule)
        call.transaction.changed(f"factor_rule:{rule.name}")
        call.details |= {"rule": rule.name, "for_policies": rule.policies, "kinds": rule.kinds}
        call.details |= {"for_groups": rule.groups, "by_provider": rule.provider_factors}
        if NOTHING in rule.kinds:
            call.details["alert"] = ALERT

    async def drop(self, call: SystemCall, given: RuleName) -> None:
        """Delete a rule; nobody is asked for its kinds from the next login on."""
        check_unbound(call)
        if await call.transaction.get(FACTOR_RULES, given.name) is None:
            return
        _check_sudo(call)
        call.transaction.delete(FACTOR_RULES, given.name)
        call.transaction.changed(f"factor_rule:{given.name}")
        call.details |= {"rule": given.name, "loosened": True, "alert": LOOSENED}


def covers(new: FactorRule, old: FactorRule) -> bool:
    """Say whether a rule is of all whom the older one was of, and asks for no less."""
    return (
        {*old.policies} <= {*new.policies}
        and {*old.groups} <= {*new.groups}
        and {*new.kinds} <= {*old.kinds}
        and (old.provider_factors or not new.provider_factors)
    )


def _shown(rule: FactorRule) -> dict[str, object]:
    return {
        "policies": list(rule.policies),
        "groups": list(rule.groups),
        "kinds": list(rule.kinds),
        "provider_factors": rule.provider_factors,
    }


def _check(rule: FactorRule) -> None:
    if rule.name == "delete":
        raise InputError("name", "is what the path of a deletion ends in")
    if not rule.kinds:
        raise InputError("kinds", "name at least one")
    if NOTHING in rule.kinds and len(rule.kinds) > 1:
        raise InputError("kinds", f"`{NOTHING}` stands alone")
    if not (rule.policies or rule.groups):
        raise InputError("", "name policies or groups")
    if len(rule.policies) + len(rule.groups) > MOST_NAMED:
        raise InputError("", f"at most {MOST_NAMED} policies and groups")


def _check_sudo(call: SystemCall) -> None:
    session = call.session
    if session is not None and not session.acl.sudo(call.request.path).allowed:
        raise DeniedError
