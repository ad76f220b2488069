"""T08: whoever decides what others may do logs in by a factor that cannot be phished.

Population  Every active person with privileges: one under a rule that asks for a security key, or
            whose policies cover everything or a protected environment, or any name at the root
            of one, grant sudo on a wildcard, or change policies, ways in, mounts, people or rules.
Holds when  The last login of the period showed a security key that verified its user. Of who did
            not log in: such a key is enrolled.
Not judged  A row that is not as it was written; a login whose entry was cut; one that a provider
            saw a factor at, since it does not say of which kind.
Trust       Policies are those of entity and groups now, and those of the last login's token.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.identities import FactorFact, FactorRuleFact, PersonFact
from strongroom.sdk.facts.period import Period
from strongroom.sdk.logins import CODES, SERVICE, Login, login_of

KEY = "webauthn"


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each person with privileges."""
    policies = {"root": "may do everything"}
    async for rule in evidence.access.rules():
        if rule.privileged:
            policies.setdefault(rule.policy, rule.privileged)
    rules = await evidence.identities.factor_rules()
    for rule_ in rules:
        if rule_.problem:
            yield Item(f"rule {rule_.name}", None, f"not as it was written: {rule_.problem}")
    last: dict[str, Login] = {}
    async for entry in evidence.log.entries(period.start, period.end, CODES):
        login = login_of(entry)
        if login is not None and not login.only_enrols and login.kind != SERVICE:
            last[login.who] = login
    factors = await evidence.identities.factors()
    people = await evidence.identities.people()
    machines = {each.entity for each in await evidence.identities.workloads()}
    known = {person.entity for person in people} | machines
    strangers = [PersonFact(entity=who) for who in last if who and who not in known]
    for person in (*people, *strangers):
        if person.problem:
            because = f"not as it was written: {person.problem}"
            yield Item(f"person {person.entity}", None, because)
            continue
        login = last.get(person.entity)
        held = (*person.policies, *_policies(login))
        why = _privileged(replace(person, policies=held), policies, rules)
        if why and person.active:
            yield _judge(person, why, login, factors)


def _policies(login: Login | None) -> tuple[str, ...]:
    found = login.entry.own.get("policies") if login is not None else None
    return tuple(p for p in found if isinstance(p, str)) if isinstance(found, list | tuple) else ()


def _privileged(
    person: PersonFact, policies: dict[str, str], rules: Sequence[FactorRuleFact]
) -> str:
    for name in person.policies:
        if name in policies:
            return f"policy {name} {policies[name]}"
    for rule in rules:
        named = {*rule.policies} & {*person.policies} or {*rule.groups} & {*person.groups}
        if named and set(rule.kinds) == {KEY}:
            return f"rule {rule.name} asks for a security key"
    return ""


def _judge(person: PersonFact, why: str, last: Login | None, factors: Sequence[FactorFact]) -> Item:
    subject = f"{person.name} ({person.entity})" if person.name else f"person {person.entity}"
    if last is None:
        mine = [f for f in factors if f.entity == person.entity and f.kind == KEY]
        good = [f for f in mine if f.user_verified and not f.disabled and not f.problem]
        proof = tuple(f.entry for f in good if f.entry is not None)
        said = "has a security key" if good else "has no security key"
        return Item(subject, bool(good), f"{why}; did not log in; {said}", proof)
    proof = (last.entry.index,)
    if last.entry.lacks("factors", "user_verified", "policies"):
        return Item(subject, None, f"{why}; the entry of the last login was cut", proof)
    if KEY in last.second and last.user_verified:
        return Item(subject, True, f"{why}; last login by security key, user verified", proof)
    if last.provided:
        because = f"{why}; the provider saw {', '.join(last.provided)}, of an unknown kind"
        return Item(subject, None, because, proof)
    shown = ", ".join(last.proofs) or "nothing"
    return Item(subject, False, f"{why}; the last login showed {shown}", proof)


CONTROL = ControlTest(
    id="T08",
    title="Who decides for others logs in by a security key",
    kind=Kind.POP,
    population="Every active person with privileges, by their policies or by a rule of factors",
    procedure=(
        "Took the policies of every person, of their groups and of their last token; found those "
        "that grant much or change what others may. Read what each of these people showed at "
        "their last login of the period, and whether the key verified its user."
    ),
    holds_when="Each showed a security key with user verification, or has one and did not log in.",
    limits=(
        "It judges the last login, not each. Privileges are those of the run; policies with "
        "ordinary paths are not privileged whatever lies there."
    ),
    parameters={"factor": KEY},
    evaluate=evaluate,
)
