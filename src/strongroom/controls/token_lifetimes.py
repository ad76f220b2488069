"""T11: no token lives for ever, nor longer than the limit.

Population  Every token that lives at the run, and every token that was used in the period.
Holds when  A live one has an end within the limit, or is periodic with a period within it; one
            from the log was not used over a longer stretch than the limit allows.
Not judged  Batch tokens that were never used, which leave no trace; an entry that cannot be read.
Trust       What the log shows is first and last use. Root tokens are T12's, and are exceptions
            here too as long as they live, since they have no end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.access import LiveToken
from strongroom.sdk.facts.period import Period

LIMIT = timedelta(days=32)


@dataclass
class Seen:
    """The first and the last use of a token in the period."""

    first: int
    last: int
    since: datetime
    until: datetime


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each live token, and one for each other that was used in the period."""
    live: dict[str, LiveToken] = {}
    async for token in evidence.tokens.live():
        live[token.accessor] = token
        yield _judge(token)
    seen: dict[str, Seen] = {}
    async for entry in evidence.log.entries(period.start, period.end):
        if not entry.readable or entry.time is None:
            yield Item(f"entry {entry.index}", None, "cannot be read", (entry.index,))
        elif entry.token and entry.token not in live:
            use = seen.setdefault(
                entry.token, Seen(entry.index, entry.index, entry.time, entry.time)
            )
            use.last, use.until = entry.index, entry.time
    for accessor, use in seen.items():
        yield _judge_use(accessor, use)


def _judge(token: LiveToken) -> Item:
    subject = f"token {token.accessor}"
    proof = () if token.entry is None else (token.entry,)
    if token.expires_at is None:
        return Item(subject, False, f"lives, and has no end ({token.path})", proof)
    if token.explicit_max_ttl > LIMIT:
        return Item(subject, False, f"may live {token.explicit_max_ttl.days} days", proof)
    if token.period > LIMIT:
        return Item(subject, False, f"period of {token.period.days} days", proof)
    left = token.expires_at - token.issued_at
    if not token.period and left > LIMIT:
        return Item(subject, False, f"ends {left.days} days after it was issued", proof)
    kind = (
        f"periodic, {token.period}" if token.period else f"ends {token.expires_at:%Y-%m-%d %H:%M}"
    )
    return Item(subject, True, kind, proof)


def _judge_use(accessor: str, use: Seen) -> Item:
    stretch = use.until - use.since
    because = f"gone; used from {use.since:%Y-%m-%d %H:%M} to {use.until:%Y-%m-%d %H:%M}"
    proof = tuple(dict.fromkeys((use.first, use.last)))
    return Item(f"token {accessor}", stretch <= LIMIT, because, proof)


CONTROL = ControlTest(
    id="T11",
    title="No token is immortal",
    kind=Kind.POP,
    population="Every token that lives at the run or was used in the period, by accessor",
    procedure=(
        "Read the end and the limits of every live token. From the log took the first and the "
        "last use of every other token in the period, and compared the stretch with the limit."
    ),
    holds_when="Each live token has an end within the limit; no other was used for longer.",
    limits=(
        "A token that was gone before the run is judged by its use, not by the end it had. A "
        "periodic token goes on for as long as it is renewed."
    ),
    parameters={"limit_days": LIMIT.days},
    evaluate=evaluate,
)
