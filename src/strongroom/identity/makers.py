"""Who made a token by a token of their own, and whether they are still there.

What a login gives is of whoever signed in. What is made with it stems from them, and so does what
is made with that: an orphan, a token for another entity, a batch token, a wrapping token. It
lives as long as all whom it stems from are there, and speaks for none of them.

Trust   `makers` is in the row, under its MAC, and sealed in a batch token. Of a token from before
        there were makers nobody can say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from strongroom.base.errors import DeniedError, InputError
from strongroom.identity.records import PEOPLE, WORKLOADS, Token
from strongroom.identity.standing import end_of, living
from strongroom.storage.transaction import Transaction

MOST: Final = 8  # entities that a token stems from, one by another
NOT_SIGNED_IN: Final = "this token was made for somebody else's name: sign in as yourself"


@dataclass(frozen=True, slots=True)
class Made:
    """Those who made a token, as they are now. `foreign`: it is of another entity than theirs."""

    makers: tuple[str, ...] = ()
    foreign: bool = False
    person: bool = False  # one of them is
    ends_at: datetime | None = None


BY_NOBODY: Final = Made()


def stems_from(token: Token) -> tuple[str, ...]:
    """Return whom everything stems from that is made with a token: its makers, and its entity.

    Raises InputError where these are more than are kept.
    """
    found = dict.fromkeys((*(token.makers or ()), token.entity))
    found.pop("", None)
    if len(found) > MOST:
        raise InputError("", f"it would stem from more than {MOST} entities, one by another")
    return tuple(found)


async def made_by(tx: Transaction, token: Token, now: datetime) -> Made | None:
    """Return who made a token; None if one of them has left, is disabled, over or gone."""
    makers = token.makers
    if makers is None:
        return BY_NOBODY
    if makers == (token.entity,):  # who is judged as the token's entity anyhow
        return Made(makers)
    found: list[str] = []
    ends: list[datetime] = []
    person = False
    for each in makers:
        entity = await living(tx, each)
        if entity is None or entity.disabled:
            return None
        found.append(entity.id)
        of_person = await tx.get(PEOPLE, entity.id)
        of_workload = await tx.get(WORKLOADS, entity.id)
        person = person or of_person is not None
        ends += [e for row in (of_person, of_workload) if row and (e := end_of(row)) is not None]
    end = min(ends, default=None)
    if end is not None and end <= now:
        return None
    foreign = bool(token.entity) and any(each != token.entity for each in found)
    return Made(tuple(dict.fromkeys(found)), foreign=foreign, person=person, ends_at=end)


def check_own(made: Made) -> None:
    """Raise DeniedError for a token that somebody made for another entity than their own."""
    if made.foreign:
        raise DeniedError(NOT_SIGNED_IN)
