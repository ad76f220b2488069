"""What people leave behind as a way in: roles, users and configurations of auth mounts.

Whoever wrote one knows how to get in by it: they chose its id, its key, its password, or whose
subject it is bound to. So it is kept who has written it since it was made, and who read all that a
login by it takes. Once one of them has left it lets nobody in but who is registered, and has
somebody else to answer for them, until another person writes it again or says that it is right.

    a login of                          by what a leaver wrote      its token ends with
    who is not registered               refused                     whoever wrote it
    a workload whose owner has left     refused                     whoever wrote it
    another registered workload         goes on; to be looked at    who made its secret id; its
                                                                    owner, where that one wrote it
    a registered person                 goes on; to be looked at    nobody else
    one by a password that a leaver     refused                     nobody else
    set, without a factor of their own

A factor is somebody's own where nobody who has left could have enrolled it. A password is another's
once another person set it: to confirm its user does not do.

Vault   There is nothing of this: what a role lets in does not end with who wrote it.
Order   A write is noted in its own commit, before the answer. A leaving marks what is theirs in the
        commit that ends the rest (`identity.leaving`). Tokens are refused besides, as soon as one
        whom they were let in by has left (`identity.makers`).
Trust   Guarded: who can write to the database can delete such a row, and then nobody is known to
        have made it; or bring back an older one. One that was changed lets nobody in.
Limits  What root wrote, and what is from before this was kept, is nobody's. Who wrote the alias
        of a workload, or read a role's id before it asked for no secret id, is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from strongroom.identity.factors.records import FACTORS
from strongroom.identity.makers import all_there
from strongroom.identity.people import active_person
from strongroom.identity.records import PEOPLE, WORKLOADS
from strongroom.identity.sign_ins import ANYBODY
from strongroom.identity.standing import Standing, end_of
from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction

WHOLE: Final = ""  # the name of what concerns each login at a mount: its configuration
MADE_BY_LEAVER: Final = "who made this way in has left, and nobody else answers for it"
SET_BY_LEAVER: Final = "who set this password has left, and they have no factor of their own"


@dataclass(frozen=True, slots=True)
class Entrance:
    """Something to log in by at an auth mount. `makers` have written it, `readers` seen all of it.

    `refused_for` are those of them who have left, since nobody else has written it; with the ids
    of who was merged into them.
    """

    mount: str  # its uuid
    name: str
    makers: tuple[str, ...]
    readers: tuple[str, ...]
    refused_for: tuple[str, ...]
    refused_at: datetime | None
    entry: int | None = None

    @property
    def knowing(self) -> tuple[str, ...]:
        """Everybody who can get in by it."""
        return tuple(dict.fromkeys((*self.makers, *self.readers)))


ENTRANCES = Register("entrance", Entrance, key=("mount", "name"), guarded=True, kept=True)
NAMES: Final = "SELECT mount, name FROM entrance WHERE {which} ORDER BY mount, name"


def entrance_name(mount: str, name: str) -> str:
    """Return what replies and entries call one: the mount's path, and the name."""
    return f"{mount}{name or '(configuration)'}"


class ClosedError(Exception):
    """Nobody like this is let in; the text is for the entry alone."""


# -- kept


async def written(tx: Transaction, mount: str, name: str, by: Sequence[str], now: datetime) -> bool:
    """Keep who wrote something; say whether they took it over from somebody who has left."""
    row = await tx.get(ENTRANCES, mount, name)
    if row is None:
        if by:
            tx.put(ENTRANCES, Entrance(mount, name, tuple(by), (), (), None))
        return False
    if await may_take_over(tx, row, by, now):
        take_over(tx, row, by)
        return True
    _grow(tx, row, replace(row, makers=_with(row.makers, by)))
    return False


async def seen(tx: Transaction, mount: str, name: str, by: Sequence[str]) -> None:
    """Keep who read all that a login by something takes."""
    row = await tx.get(ENTRANCES, mount, name) or Entrance(mount, name, (), (), (), None)
    new = [each for each in by if each not in row.makers]
    _grow(tx, row, replace(row, readers=_with(row.readers, new)))


def dropped(tx: Transaction, mount: str, name: str) -> None:
    """Forget what is gone."""
    tx.delete(ENTRANCES, mount, name)


async def may_take_over(tx: Transaction, row: Entrance, by: Sequence[str], now: datetime) -> bool:
    """Say whether these can answer for what somebody left: none of those, and all registered.

    Root, whom nobody is behind, can.
    """
    if not row.refused_for or not set(by).isdisjoint(row.refused_for):
        return False
    return all([await _registered(tx, each, now) for each in by])


def take_over(tx: Transaction, row: Entrance, by: Sequence[str]) -> None:
    """Let others answer for what somebody left."""
    gone = set(row.refused_for)
    tx.put(
        ENTRANCES,
        replace(
            row,
            makers=_with([each for each in row.makers if each not in gone], by),
            readers=tuple(each for each in row.readers if each not in gone),
            refused_for=(),
            refused_at=None,
        ),
    )


def _grow(tx: Transaction, row: Entrance, new: Entrance) -> None:
    if new != row:
        tx.put(ENTRANCES, new)


def _with(those: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*those, *others)))


async def _registered(tx: Transaction, entity: str, now: datetime) -> bool:
    rows = (await tx.get(PEOPLE, entity), await tx.get(WORKLOADS, entity))
    there = [row for row in rows if row is not None]
    return bool(there) and all((end := end_of(row)) is None or now < end for row in there)


# -- at a login


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """A login: at which mount, by what, and who set what was shown. `alone`: no secret was."""

    mount: str
    entrance: str
    set_by: tuple[str, ...]
    alone: bool


async def let_in_by(
    tx: Transaction, coming: Coming, standing: Standing, now: datetime
) -> tuple[str, ...]:
    """Return with whom else the token of a login ends; ClosedError where it gets none."""
    if standing.active(now) and standing.person is not None:
        if await set_by_leavers(tx, coming.set_by, standing.entity.id, now):
            raise ClosedError(SET_BY_LEAVER)
        return ()
    names = dict.fromkeys((coming.entrance, WHOLE))
    rows = [row for name in names if (row := await tx.get(ENTRANCES, coming.mount, name))]
    knowing = _with((), (e for r in rows for e in (r.knowing if coming.alone else r.makers)))
    gone = {each for row in rows for each in row.refused_for}
    if standing.active(now):
        workload = standing.workload
        owner = await active_person(tx, workload.owner, now) if workload and knowing else None
        if not knowing or (owner is not None and owner.entity not in gone):
            mine = [each for each in knowing if owner is not None and each == owner.entity]
            return _but(standing.entity.id, (*coming.set_by, *mine))
    if gone:
        raise ClosedError(MADE_BY_LEAVER)
    return _but(standing.entity.id, (*knowing, *coming.set_by))


async def set_by_leavers(
    tx: Transaction, set_by: Sequence[str], person: str, now: datetime
) -> tuple[str, ...]:
    """Return who has left of those who set a password, where a person has no factor of their own.

    A factor that one of them, or somebody else who has left, could have enrolled is none.
    """
    others = [each for each in set_by if each not in (person, ANYBODY)]
    gone = [each for each in others if not await all_there(tx, (each,), now)]
    if not gone:
        return ()
    factors, _ = await tx.examine(FACTORS, entity=person)
    for factor in factors:
        helped = tuple(each for each in factor.helped_by or () if each != person)
        if not factor.disabled and ANYBODY not in helped and await all_there(tx, helped, now):
            return ()
    return tuple(gone)


def _but(own: str, found: Iterable[str]) -> tuple[str, ...]:
    return tuple(each for each in dict.fromkeys(found) if each != own)


# -- when somebody leaves


async def close(tx: Transaction, ids: Sequence[str], now: datetime) -> list[tuple[str, str]]:
    """Mark what these made, or know all of; return what it is: mount and name.

    One whose row was changed in the database lets nobody in as it is.
    """
    which = " OR ".join(["makers LIKE ? OR readers LIKE ?"] * len(ids))
    asked = [f'%"{each}"%' for each in ids for _ in range(2)]
    found = await tx.scan(NAMES.format(which=which), asked)
    names = {(str(mount), str(name)) for mount, name in found}
    closed: list[tuple[str, str]] = []
    for mount, name in sorted(names):
        row = await tx.find(ENTRANCES, mount, name)
        if isinstance(row, Entrance):
            theirs = [each for each in ids if each in row.knowing and each not in row.refused_for]
            if theirs:
                gone = _with(row.refused_for, ids)
                tx.put(ENTRANCES, replace(row, refused_for=gone, refused_at=now))
                closed.append((mount, name))
    return closed
