"""What a login must show beside its first factor: by Vault's enforcements, and by our rules.

Vault   Every enforcement that names the mount, its type, the entity or one of its groups demands
        one of its methods. All that match must be met.
Order   Rules → enforcements → where nothing else demands any, one's own factors: of every
        registered person, whatever the mount, unless a trusted provider saw one; and on a mount for
        people, of anybody who has one. Who has no factor of a kind that is needed gets a token that
        can only enrol one, and shows before that what else is demanded and can be.
Trust   A factor that was disabled still counts as enrolled: its owner is not let in without, until
        somebody else deletes it. Rules are for people; the word of the auth method says which
        logins are of workloads; a registered person is one whatever the method says. A rule whose
        kind is `none` takes the built-in demand from whoever it names; who has a factor all the
        same is asked for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from strongroom.identity.factors.records import (
    FACTOR_RULES,
    KINDS,
    MFA_ENFORCEMENTS,
    MFA_METHODS,
    RECOVERY,
    TOTP,
    WEBAUTHN,
    Demand,
    Factor,
    FactorRule,
    MfaEnforcement,
    MfaMethod,
    Option,
)
from strongroom.identity.records import Group
from strongroom.storage.transaction import Transaction

ENOUGH: Final = (TOTP, WEBAUTHN)  # one of these makes a second factor; a recovery code replaces it
ENROL: Final = "enrol-factors"  # the policy of a token that can only enrol
ENROL_TEXT: Final = """\
# What somebody may do who must enrol a second factor first: enrol it, and look after the token.
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "strongroom/factors" { capabilities = ["list"] }
path "strongroom/factors/challenge" { capabilities = ["update"] }
path "strongroom/factors/totp/begin" { capabilities = ["update"] }
path "strongroom/factors/totp/confirm" { capabilities = ["update"] }
path "strongroom/factors/webauthn/begin" { capabilities = ["update"] }
path "strongroom/factors/webauthn/finish" { capabilities = ["update"] }
path "strongroom/factors/recovery" { capabilities = ["update"] }
"""
NOTHING: Final = "none"  # the kind of a rule by which a password alone lets in
OWN: Final = "second-factor"  # what the demand for a person's own factors is called
PROVIDED: Final[Mapping[str, frozenset[str]]] = {  # what a provider's words stand for
    TOTP: frozenset({"otp", TOTP, WEBAUTHN}),
    WEBAUTHN: frozenset({WEBAUTHN}),
    RECOVERY: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Book:
    """All that demands factors, as of one moment."""

    rules: tuple[FactorRule, ...] = ()
    enforcements: tuple[MfaEnforcement, ...] = ()
    methods: Mapping[str, MfaMethod] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comer:
    """Who logs in, and by which way. `provided` are factors that a trusted provider saw."""

    entity: str
    accessor: str = ""
    mount_type: str = ""
    groups: tuple[Group, ...] = ()
    policies: tuple[str, ...] = ()
    provided: tuple[str, ...] = ()
    workload: bool = False
    people: bool = False
    registered: bool = False  # as a person
    held: bool = False  # who enrols only by an approval: no rule lets them in without a factor


@dataclass(frozen=True, slots=True)
class Demanded:
    """What is to be shown; `missing` are kinds of which one must be enrolled before anything."""

    demands: tuple[Demand, ...] = ()
    missing: tuple[str, ...] = ()


async def read_book(tx: Transaction) -> Book:
    """Read all that demands factors. Raises TamperedError where a row of it was changed."""
    return Book(
        rules=tuple(await tx.all(FACTOR_RULES)),
        enforcements=tuple(await tx.all(MFA_ENFORCEMENTS)),
        methods={method.id: method for method in await tx.all(MFA_METHODS)},
    )


def rules_for(
    book: Book, policies: Sequence[str], groups: Sequence[Group]
) -> tuple[FactorRule, ...]:
    """Return the rules that somebody with these policies and groups is under."""
    return _holding(book.rules, policies, groups)


def asking(
    rules: Sequence[FactorRule], policies: Sequence[str], groups: Sequence[Group]
) -> tuple[FactorRule, ...]:
    """Return those of the rules that ask somebody for a factor, not those that ask for none."""
    found = _holding(rules, policies, groups)
    return tuple(rule for rule in found if NOTHING not in rule.kinds)


def unmet(rules: Sequence[FactorRule], shown: Collection[str]) -> str:
    """Return the name of a rule that what was shown does not do for; nothing if it does for all.

    `shown` are kinds of factors, and words of a trusted provider.
    """
    for rule in rules:
        words = {word for kind in rule.kinds for word in PROVIDED.get(kind, ())}
        by_provider = rule.provider_factors and not words.isdisjoint(shown)
        if not by_provider and set(rule.kinds).isdisjoint(shown):
            return rule.name
    return ""


def refused_rule(book: Book, comer: Comer) -> str:
    """Return the name of a rule that nobody but a person can be under, for who is none."""
    rules = asking(book.rules, comer.policies, comer.groups) if comer.workload else ()
    return next((rule.name for rule in rules), "")


def _holding(
    rules: Sequence[FactorRule], policies: Sequence[str], groups: Sequence[Group]
) -> tuple[FactorRule, ...]:
    held, among = set(policies), {each for group in groups for each in (group.name, group.id)}
    return tuple(
        rule
        for rule in rules
        if not held.isdisjoint(rule.policies) or not among.isdisjoint(rule.groups)
    )


def applies(book: Book, comer: Comer) -> bool:
    """Say whether anything may be demanded, so that the comer's factors must be looked up."""
    return bool(
        comer.people
        or comer.registered
        or _enforcements(book, comer)
        or (not comer.workload and rules_for(book, comer.policies, comer.groups))
    )


def demanded(book: Book, comer: Comer, factors: Sequence[Factor]) -> Demanded:
    """Return what this login must show."""
    enrolled = {factor.kind for factor in factors}
    found: list[Demand] = []
    missing: dict[str, None] = {}
    rules = () if comer.workload else rules_for(book, comer.policies, comer.groups)
    waived = not comer.held and any(NOTHING in rule.kinds for rule in rules)
    for rule in rules:
        if NOTHING in rule.kinds:
            continue
        if rule.provider_factors and any(_provided(kind, comer) for kind in rule.kinds):
            continue
        kinds = [kind for kind in rule.kinds if kind in enrolled]
        if kinds:
            found.append(Demand(f"rule:{rule.name}", tuple(map(own, kinds))))
        else:
            missing |= dict.fromkeys(rule.kinds)
    for each in _enforcements(book, comer):
        methods = [book.methods[id_] for id_ in each.methods if id_ in book.methods]
        if not any(m.provider_factors and _provided(m.kind, comer) for m in methods):
            found.append(Demand(each.name, tuple(map(option, methods))))
    if not found and enrolled - {RECOVERY} and _shows_own(comer):
        kinds = [kind for kind in KINDS if kind in enrolled]
        found.append(Demand(OWN, tuple(map(own, kinds))))
    has_none = not enrolled - {RECOVERY}
    if comer.registered and has_none and not (missing or waived or comer.provided):
        missing = dict.fromkeys(ENOUGH)
    if missing:
        found = [demand for demand in found if _can_be_met(demand, factors)]
    return Demanded(tuple(found), tuple(missing))


def _shows_own(comer: Comer) -> bool:
    """Say whether somebody is asked for a factor that they have, though nothing else demands it."""
    return comer.people or (comer.registered and not comer.provided)


def own(kind: str) -> Option:
    """Return one's own factors of a kind as a way to meet a demand."""
    return Option(id=kind, kind=kind, own=True)


def option(method: MfaMethod) -> Option:
    """Return a method of Vault's as a way to meet a demand."""
    return Option(method.id, method.kind, method.name, most_tries=method.most_tries)


def _enforcements(book: Book, comer: Comer) -> list[MfaEnforcement]:
    groups = {group.id for group in comer.groups}
    return [
        each
        for each in book.enforcements
        if comer.accessor in each.accessors
        or comer.mount_type in each.mount_types
        or comer.entity in each.entities
        or not groups.isdisjoint(each.groups)
    ]


def _provided(kind: str, comer: Comer) -> bool:
    return not PROVIDED[kind].isdisjoint(comer.provided)


def _can_be_met(demand: Demand, factors: Sequence[Factor]) -> bool:
    return any(way.takes(f.kind, f.method) for way in demand.any for f in factors)
