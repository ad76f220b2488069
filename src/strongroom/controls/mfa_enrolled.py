"""T06: everybody who can log in as a person has a second factor.

Population  Every active person who is registered, and everybody else who logged in as a person in
            the period; and every rule that asks somebody for no factor.
Holds when  They have an authenticator app or a security key that is not disabled and that they
            have shown; or a trusted provider saw a further factor at their last login. A rule that
            asks for none never holds.
Not judged  A row that is not as it was written; an app of which only the operator who set it up
            is known to have the key; a last login whose entry was cut.
Trust       Recovery codes stand in for a lost factor and are none here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.identities import FactorFact, PersonFact
from strongroom.sdk.facts.period import Period
from strongroom.sdk.logins import CODES, PERSON, Login, login_of

KINDS = ("totp", "webauthn")
NOTHING = "none"  # the kind of a rule that asks for no factor


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each person."""
    last = await _last_logins(period, evidence)
    factors = await evidence.identities.factors()
    people = {person.entity: person for person in await evidence.identities.people()}
    machines = {workload.entity for workload in await evidence.identities.workloads()}
    for rule in await evidence.identities.factor_rules():
        if NOTHING in rule.kinds:
            proof = (rule.entry,) if rule.entry is not None else ()
            yield Item(f"rule {rule.name}", False, "a password alone is enough by it", proof)
    for factor in factors:
        if factor.problem:
            yield Item(f"factor {factor.id}", None, f"not as it was written: {factor.problem}")
    for person in people.values():
        if person.problem:
            because = f"not as it was written: {person.problem}"
            yield Item(f"person {person.entity}", None, because)
        elif person.active:
            yield _judge(person, factors, last.get(person.entity))
    for who, login in last.items():
        if who not in people and who not in machines:
            yield _judge(PersonFact(entity=who), factors, login)


async def _last_logins(period: Period, evidence: Evidence) -> dict[str, Login]:
    last: dict[str, Login] = {}
    async for entry in evidence.log.entries(period.start, period.end, CODES):
        login = login_of(entry)
        if login is not None and login.kind == PERSON and login.who:
            last[login.who] = login
    return last


def _judge(person: PersonFact, factors: Sequence[FactorFact], last: Login | None) -> Item:
    subject = f"{person.name} ({person.entity})" if person.name else f"person {person.entity}"
    seen = (last.entry.index,) if last is not None else ()
    mine = [f for f in factors if f.entity == person.entity and f.kind in KINDS and not f.problem]
    good = [f for f in mine if not f.disabled and f.shown]
    if good:
        proof = tuple(sorted({f.entry for f in good if f.entry is not None}))
        return Item(subject, True, ", ".join(sorted({f.kind for f in good})), proof)
    if last is not None and last.provided:
        return Item(subject, True, "its provider saw a further factor at the last login", seen)
    if any(not f.disabled for f in mine):
        return Item(subject, None, "an app was set up, and nothing was ever shown from it", seen)
    if last is not None and not last.whole:
        return Item(subject, None, "no factor here; the entry of the last login was cut", seen)
    because = "the only factor is disabled" if mine else "no second factor"
    return Item(subject, False, because, seen)


CONTROL = ControlTest(
    id="T06",
    title="Everybody has a second factor",
    kind=Kind.POP,
    population=(
        "Every active person who is registered, everybody else who logged in as a person in the "
        "period, and every rule that asks somebody for no factor"
    ),
    procedure=(
        "Read the factors of every active person as of the run. From the log took everybody who "
        "logged in as a person in the period, and what a trusted provider saw at the last login."
    ),
    holds_when=(
        "Each has an app or a security key that is in use, or a provider that is trusted for it "
        "saw a further factor; and no rule asks for none."
    ),
    limits=(
        "It shows who has a factor at the run; that it is asked for, T07 shows. Of the factors of "
        "a provider it has the provider's word."
    ),
    parameters={"kinds": list(KINDS)},
    evaluate=evaluate,
)
