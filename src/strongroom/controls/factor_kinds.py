"""T09: no factor goes over SMS or e-mail.

Population  The kinds of all factors that are enrolled and methods that are set up, and of the
            factors that providers saw in the period.
Holds when  Each is an app, a security key or a recovery code; and no provider's is SMS, a phone
            call or e-mail.
Not judged  A row that is not as it was written.
Trust       The rows are guarded: one that was changed in the database is named.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.identities import FactorFact
from strongroom.sdk.facts.period import Period
from strongroom.sdk.logins import CODES, login_of

ALLOWED = ("recovery", "totp", "webauthn")
REFUSED = ("sms", "tel", "phone", "email", "mail", "voice")  # of RFC 8176 and what is about


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each kind."""
    kinds: dict[tuple[str, str], list[FactorFact]] = {}
    for factor in await evidence.identities.factors():
        if factor.problem:
            yield Item(f"factor {factor.id}", None, f"not as it was written: {factor.problem}")
            continue
        what = "factors" if factor.entity else "methods"
        kinds.setdefault((what, factor.kind), []).append(factor)
    for (what, kind), found in sorted(kinds.items()):
        held = kind in ALLOWED
        proof = tuple(f.entry for f in found[:3] if f.entry is not None)
        because = "an app, a key or a code" if held else "is not a kind that is allowed"
        yield Item(f"{what} of kind {kind!r}", held, because, proof, members=len(found))
    provided: dict[str, list[int]] = {}
    async for entry in evidence.log.entries(period.start, period.end, CODES):
        login = login_of(entry)
        for each in login.provided if login is not None else ():
            provided.setdefault(each, []).append(entry.index)
    for each, indexes in sorted(provided.items()):
        weak = each.lower().rpartition(":")[2] in REFUSED
        because = "went over a telephone or e-mail" if weak else "seen by a trusted provider"
        count = len(indexes)
        yield Item(f"provider's factor {each!r}", not weak, because, (indexes[-1],), members=count)


CONTROL = ControlTest(
    id="T09",
    title="No factor goes over SMS or e-mail",
    kind=Kind.CFG,
    population="The kinds of factors that are enrolled, set up, or were seen by providers",
    procedure=(
        "Read the kind of every enrolled factor and of every method of login MFA, and from the "
        "log of the period what providers said that they had seen."
    ),
    holds_when="Each is an app, a security key or a recovery code; none is SMS, phone or e-mail.",
    limits="What a provider calls a factor is its own word: `mfa` may be anything.",
    parameters={"allowed": list(ALLOWED), "refused": list(REFUSED)},
    evaluate=evaluate,
)
