"""T07: no person logged in by one factor alone.

Population  Every login of the period that gave somebody a token who is not a workload.
Holds when  A second factor was shown in the login, or a trusted provider saw one; or the token can
            do nothing but enrol one.
Not judged  A login of somebody of whom nothing says whether it is a person; an entry that was cut
            or cannot be read.
Trust       The entry is of the same commit as the token. Root tokens have no login: T12.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period
from strongroom.sdk.logins import PERSON, SERVICE, Login, login_of

PROVEN = 3  # entries that stand for all logins that are alike


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each login that broke or cannot be judged; one for those that are alike."""
    machines = {each.entity for each in await evidence.identities.workloads() if not each.problem}
    alike: Counter[tuple[str, str]] = Counter()
    proofs: dict[tuple[str, str], list[int]] = {}
    async for entry in evidence.log.entries(period.start, period.end):
        if not entry.readable:
            yield Item(f"entry {entry.index}", None, "cannot be read", (entry.index,))
            continue
        login = login_of(entry)
        if login is None or login.kind == SERVICE or login.who in machines:
            continue
        held, because = _judge(login)
        if held:
            key = (login.who, because)
            alike[key] += 1
            proofs.setdefault(key, []).append(entry.index)
        else:
            subject = f"login of {login.who} at entry {entry.index}"
            yield Item(subject, held, f"{because} ({login.path})", (entry.index,))
    for key, count in alike.items():
        who, because = key
        proof = tuple(proofs[key][:PROVEN])
        yield Item(f"logins of {who}", True, because, proof, members=count)


def _judge(login: Login) -> tuple[bool | None, str]:
    shown = ", ".join(login.proofs) or "nothing"
    if login.second:
        return True, f"shown: {shown}"
    if login.provided:
        return True, f"shown: {shown}; the provider saw {', '.join(login.provided)}"
    if not login.whole:
        return None, "the entry was cut, and what was shown is not in it"
    if login.only_enrols:
        return True, "a token that can do nothing but enrol a factor"
    if login.kind != PERSON:
        return None, f"one factor, and nothing says whether it was a person; shown: {shown}"
    return False, f"one factor alone: {shown}"


CONTROL = ControlTest(
    id="T07",
    title="Every login of a person used a second factor",
    kind=Kind.POP,
    population="Every login of the period that gave a token to somebody who is no workload",
    procedure=(
        "Read every login of the period that gave a token, in one step or two, and what was shown "
        "in it. Left out those of registered workloads, and by what only workloads have."
    ),
    holds_when="A second factor was shown, or seen by a provider that is trusted for it.",
    limits=(
        "Who logs in by a method of workloads and is not registered counts as one. A token that "
        "was made by another token has no login. Break-glass accounts are not told apart yet."
    ),
    evaluate=evaluate,
)
