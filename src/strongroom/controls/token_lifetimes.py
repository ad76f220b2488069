"""T11: no token lives for ever, nor longer than the limit.

Population  Every service token that lives at the run, and every other that was used in the period;
            every batch token whose life, as the entry of its making has it, reaches into the
            period or beyond the run.
Holds when  A live one has an end within the limit, or is periodic with a period within it; one
            from the log was not used over a longer stretch than the limit allows. A batch token
            was made for no longer than the limit, or has ended with what it hangs on.
Not judged  A batch token whose making does not say how long it lives, or of which nobody can say
            whether it has ended; who used one that no entry made; an entry that cannot be read.
Trust       What the log shows of service tokens is first and last use. Batch tokens are stored
            nowhere and have no accessor: what shows them is that each is made with an entry. Root
            tokens are T12's, and are exceptions here too as long as they live, since they have no
            end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from strongroom.sdk.batch_tokens import MAKING, BatchToken, batch_token_of
from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.access import Bearing, LiveToken
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.limits import TOKEN_LIFE

LIMIT = TOKEN_LIFE
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
PROVEN = 3  # entries that stand for all batch tokens that are alike


@dataclass
class Seen:
    """The first and the last use of a token in the period."""

    first: int
    last: int
    since: datetime
    until: datetime


@dataclass
class Uses:
    """Who was seen in the period: service tokens by accessor, users of batch tokens by who."""

    tokens: dict[str, Seen] = field(default_factory=dict)
    without: dict[str, Seen] = field(default_factory=dict)

    def see(self, entry: LogEntry, time: datetime) -> None:
        """Note the use of a token."""
        if entry.token:
            self._note(self.tokens, entry.token, entry, time)
        elif entry.ok and entry.own.get("policies") and not entry.code.startswith(MAKING):
            self._note(self.without, entry.actor or "", entry, time)

    @staticmethod
    def _note(seen: dict[str, Seen], who: str, entry: LogEntry, time: datetime) -> None:
        use = seen.setdefault(who, Seen(entry.index, entry.index, time, time))
        use.last, use.until = entry.index, time


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each live token, each other that was used, and for batch tokens."""
    live: set[str] = set()
    async for token in evidence.tokens.live():
        live.add(token.accessor)
        yield _judge(token)
    uses = Uses()
    async for entry in evidence.log.entries(period.start, period.end):
        if not entry.readable or entry.time is None:
            yield Item(f"entry {entry.index}", None, "cannot be read", (entry.index,))
        else:
            uses.see(entry, entry.time)
    for accessor, use in uses.tokens.items():
        if accessor not in live:
            yield _judge_use(accessor, use)
    async for item in _batch_tokens(period, evidence, uses.without):
        yield item


async def _batch_tokens(
    period: Period, evidence: Evidence, uses: dict[str, Seen]
) -> AsyncIterator[Item]:
    """Give an item for each batch token that is not as it should be, one for those alike."""
    alike: dict[tuple[str, timedelta], list[int]] = {}
    doubtful: list[BatchToken] = []
    strange = dict(uses)  # uses by whom no entry made a batch token
    odd = dict(uses)  # those that no batch token within the limit accounts for
    async for entry in evidence.log.entries(BEGINNING, None, MAKING):
        batch = batch_token_of(entry)
        if batch is None:
            continue
        strange.pop(batch.user, None)
        if batch.ends_at is not None and batch.ends_at <= period.start:
            continue
        if batch.ttl is None or batch.ttl > LIMIT:
            doubtful.append(batch)
            continue
        alike.setdefault((batch.path, batch.ttl), []).append(batch.entry)
        use = odd.get(batch.user)
        if use is not None and batch.made_at <= use.until <= batch.made_at + batch.ttl:
            del odd[batch.user]
    for batch in doubtful:
        yield _judge_batch(batch, await evidence.tokens.bearing(batch), odd.get(batch.user))
    for (path, ttl), made in alike.items():
        subject = f"batch tokens made at {path}"
        yield Item(subject, True, f"each for {ttl}", tuple(made[:PROVEN]), members=len(made))
    for who, use in strange.items():
        because = "was served without an accessor, and no entry made a batch token for it"
        yield Item(who or "somebody", None, because, tuple(dict.fromkeys((use.first, use.last))))


def _judge_batch(batch: BatchToken, bearing: Bearing, use: Seen | None) -> Item:
    """Judge a batch token that was made for longer than the limit, or for nobody knows how long.

    `use` is the last by whose it is, where no other batch token accounts for it.
    """
    proof = (batch.entry,)
    if bearing.stands is None:
        because = f"nobody can say whether it has ended: {bearing.because}"
        return Item(batch.subject, None, because, proof)
    if bearing.stands and batch.ttl is None:
        because = f"its making does not say how long it lives ({batch.path})"
        return Item(batch.subject, None, because, proof)
    if bearing.stands:
        return Item(batch.subject, False, f"was made for {batch.ttl} ({batch.path})", proof)
    because = f"has ended: {bearing.because}"
    if use is not None and use.until - batch.made_at > LIMIT:
        because += f"; but one was used as late as {use.until:%Y-%m-%d %H:%M}"
        return Item(batch.subject, None, because, (batch.entry, use.last))
    return Item(batch.subject, True, because, proof)


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
    population=(
        "Every service token that lives at the run or was used in the period, by accessor; every "
        "batch token whose life reaches into the period or beyond the run, by the entry that made "
        "it"
    ),
    procedure=(
        "Read the end and the limits of every live token. From the log took the first and the "
        "last use of every other token in the period, and compared the stretch with the limit. "
        "From the whole log took every entry that made a batch token, compared its life with the "
        "limit, and asked of each that was made for longer whether the token that made it, its "
        "entity, its mount and its makers still stand."
    ),
    holds_when=(
        "Each live token has an end within the limit; no other was used for longer; no batch "
        "token that could be used was made for longer."
    ),
    limits=(
        "A token that was gone before the run is judged by its use, not by the end it had. A "
        "periodic token goes on for as long as it is renewed. Uses of a batch token are known by "
        "whose it is, not by the token: one that has ended is judged by the last use of any. A "
        "batch token that was made after the run's checkpoint is the next run's."
    ),
    parameters={"limit_days": LIMIT.days},
    evaluate=evaluate,
)
