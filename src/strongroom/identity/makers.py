"""Who made a token by a token of their own, and whether they are still there.

What a login gives is of whoever signed in. What is made with it stems from them, and so does what
is made with that: an orphan, a token for another entity, a batch token, a wrapping token. It
lives as long as all whom it stems from are there, and speaks for none of them.

A login is let in by a role, a user or a secret id, and who made that could have logged in so too
(`identity.entrances`): its token, and what is made with it, ends with them as well.

Trust   `makers` and `let_in_by` are in the row, under its MAC, and sealed in a batch token. Of a
        token from before they were kept nobody can say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from strongroom.base.errors import DeniedError, InputError
from strongroom.identity.records import PEOPLE, WORKLOADS, Token
from strongroom.identity.standing import end_of, living, ownerless_at
from strongroom.storage.transaction import Transaction

MOST: Final = 8  # entities that a token stems from, one by another
NOT_SIGNED_IN: Final = "this token was made for somebody else's name: sign in as yourself"


@dataclass(frozen=True, slots=True)
class Made:
    """Those who made a token, as they are now. `foreign`: it is of another entity than theirs.

    `let_in_by` made what was logged in by: it ends with them, and is none of theirs otherwise.
    """

    makers: tuple[str, ...] = ()
    foreign: bool = False
    person: bool = False  # one of them is
    ends_at: datetime | None = None
    let_in_by: tuple[str, ...] = ()
    by_person: bool = False  # of whom it was let in by, one is a person
    workloads: bool = False  # those who made it are all registered workloads


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


@dataclass(frozen=True, slots=True)
class _There:
    """Who they are now, whether one is a person, and when the first of them is over."""

    ids: tuple[str, ...] = ()
    person: bool = False
    workloads: bool = False
    ends_at: datetime | None = None


async def made_by(tx: Transaction, token: Token, now: datetime) -> Made | None:
    """Return who made a token, or what it was logged in by.

    None if one of them has left, is disabled, over or gone.
    """
    makers, let_in_by = token.makers or (), token.let_in_by or ()
    if makers == (token.entity,):  # who is judged as the token's entity anyhow
        registered = bool(let_in_by) and await tx.get(WORKLOADS, token.entity) is not None
        by = _There(makers, workloads=registered)
    else:
        judged = await _there(tx, makers, now)
        if judged is None:
            return None
        by = judged
    others = await _there(tx, let_in_by, now)
    if others is None:
        return None
    return Made(
        makers=by.ids,
        foreign=bool(token.entity) and any(each != token.entity for each in by.ids),
        person=by.person,
        ends_at=min(filter(None, (by.ends_at, others.ends_at)), default=None),
        let_in_by=others.ids,
        by_person=others.person,
        workloads=by.workloads,
    )


async def all_there(tx: Transaction, entities: tuple[str, ...], now: datetime) -> bool:
    """Say whether none of these has left, is disabled, over or gone."""
    return await _there(tx, entities, now) is not None


async def _there(tx: Transaction, entities: tuple[str, ...], now: datetime) -> _There | None:
    found: list[str] = []
    ends: list[datetime] = []
    person, workloads = False, bool(entities)
    for each in entities:
        entity = await living(tx, each)
        if entity is None or entity.disabled:
            return None
        found.append(entity.id)
        of_person = await tx.get(PEOPLE, entity.id)
        of_workload = await tx.get(WORKLOADS, entity.id)
        person = person or of_person is not None
        workloads = workloads and of_workload is not None
        ends += [e for row in (of_person, of_workload) if row and (e := end_of(row)) is not None]
        if of_workload is not None and (lost := await ownerless_at(tx, of_workload)) is not None:
            ends.append(lost)
    end = min(ends, default=None)
    if end is not None and end <= now:
        return None
    return _There(tuple(dict.fromkeys(found)), person, workloads, end)


def check_own(made: Made) -> None:
    """Raise DeniedError for a token that somebody made for another entity than their own."""
    if made.foreign:
        raise DeniedError(NOT_SIGNED_IN)
