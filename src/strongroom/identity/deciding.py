"""Whether somebody may decide on what another asked for: judged on entities, not on names.

Trust   The requester is every entity that wrote the request, what those were merged into, whoever
        answers for one that is a workload, and whoever is known by an alias that one of them had.
        A requester that is gone, or was never registered, cannot be told from anybody: then nobody
        may decide. Who decides has signed in as themselves: not by a token that was made, nor by a
        password that a requester set, an alias that one wrote or a mount that one configured, nor
        with a factor that came after the request, or that a requester could have enrolled; and a
        requester did not make them a person. Each who did any of that is judged with whoever could
        be behind them, owners of workloads above all, as of then and as of now (`identity.behind`).
        Whose factors somebody else removed decides with one of before, or once another approved a
        new one (`factors.holds`). Who could have signed in as the requester does not decide, nor
        does one whom the same third could have been, alone.
        Who learns somebody's password, or controls a provider outside, and has their key too,
        cannot be told from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from strongroom.identity.behind import behind
from strongroom.identity.factors.holds import FACTOR_HOLDS
from strongroom.identity.people import active_person
from strongroom.identity.records import ALIASES, PEOPLE, WORKLOADS
from strongroom.identity.sessions import Session
from strongroom.identity.sign_ins import ANYBODY, SignIn
from strongroom.identity.standing import living
from strongroom.storage.transaction import Transaction


class MayNotDecideError(Exception):
    """Refused; the text says why, and names nobody."""


@dataclass(frozen=True, slots=True)
class Vouching:
    """Who else could be behind a decision: by its sign-in, its factor, or in any other way.

    `policies` are the token's own, and `path` is where they let it decide.
    """

    helped_by: tuple[str, ...] = ()
    enrolled_by: tuple[str, ...] = ()
    could_be: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    path: str = ""


NOBODY_ELSE = Vouching()


async def is_registered(tx: Transaction, entity_id: str) -> bool:
    """Say whether somebody is, or was, a person or a workload, so that one knows who they are."""
    person, workload = await tx.get(PEOPLE, entity_id), await tx.get(WORKLOADS, entity_id)
    return person is not None or workload is not None


async def known_as(tx: Transaction, entity_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the aliases of some entities, as "accessor/name", sorted."""
    found: set[str] = set()
    for each in entity_ids:
        found |= {f"{a.mount_accessor}/{a.name}" for a in await tx.all(ALIASES, entity=each)}
    return tuple(sorted(found))


async def _asking(tx: Transaction, requester: str) -> set[str]:
    """Return who a requester is now, and the owner of one that is a workload."""
    entity = await living(tx, requester)
    if entity is None:
        raise MayNotDecideError("who asked for it is gone")
    if not await is_registered(tx, entity.id):
        raise MayNotDecideError("who asked for it is not registered: anybody may be behind it")
    workload = await tx.get(WORKLOADS, entity.id)
    if workload is None:
        return {entity.id}
    owner = await living(tx, workload.owner)
    return {entity.id, owner.id if owner is not None else workload.owner}


async def check_decider(  # noqa: PLR0913 - who asked, as whom, who decides
    tx: Transaction,
    requesters: Iterable[str],
    aliases: Iterable[str],
    decider: Session,
    *,
    asked_at: datetime,
    now: datetime,
    helpers: Iterable[str] = (),
) -> str:
    """Return the entity that decides; MayNotDecideError unless it is another, active person.

    `aliases` are those that the requesters had when they asked, at `asked_at`; `helpers` are who
    else could have signed in as one of them.
    """
    if decider.token.makers is not None:
        raise MayNotDecideError("only who signed in decides, not a token that was made")
    person = await active_person(tx, decider.token.entity, now)
    if person is None:
        raise MayNotDecideError("only an active person decides")
    sign_in = decider.sign_in
    if sign_in is not None and sign_in.enrolled_at is not None and sign_in.enrolled_at > asked_at:
        raise MayNotDecideError("the factor was enrolled after the request was made")
    await _check_not_held(tx, person.entity, sign_in)
    told = vouching(decider)
    return await check_apart(tx, requesters, aliases, person.entity, told, now=now, helpers=helpers)


def vouching(decider: Session) -> Vouching:
    """Return who else could be behind a session, as far as it tells."""
    sign_in = decider.sign_in
    return Vouching(
        helped_by=(sign_in.helped_by or ()) if sign_in is not None else (),
        enrolled_by=(sign_in.enrolled_by or ()) if sign_in is not None else (),
        could_be=decider.helped_by,
    )


async def check_apart(  # noqa: PLR0913 - who asked, as whom, who decides
    tx: Transaction,
    requesters: Iterable[str],
    aliases: Iterable[str],
    decider: str,
    told: Vouching,
    *,
    now: datetime,
    helpers: Iterable[str] = (),
) -> str:
    """Return the entity that decides; MayNotDecideError unless it is another, active person.

    What can be asked again of a decision that was given before: whom its giver is now, by what
    their session `told` then.
    """
    person = await active_person(tx, decider, now)
    if person is None:
        raise MayNotDecideError("only an active person decides")
    helpers, asking = tuple(helpers), set[str]()
    for each in requesters:
        asking |= await _asking(tx, each)
    names = {*aliases, *await known_as(tx, asking)}
    if person.entity in asking or names & {*await known_as(tx, (person.entity,))}:
        raise MayNotDecideError("who asked for it does not decide on it")
    helped = {*await behind(tx, helpers)}
    if person.entity in helped:
        raise MayNotDecideError("who could have signed in as who asked does not decide on it")
    if ANYBODY in (*told.helped_by, *helpers, *(person.made_by or ())):
        raise MayNotDecideError("more people configured the mount than are kept")
    if not asking.isdisjoint(await behind(tx, told.helped_by)):
        words = "who asked for it set the password, wrote the alias or configured the mount"
        raise MayNotDecideError(words)
    if not asking.isdisjoint(await behind(tx, told.enrolled_by)):
        raise MayNotDecideError("who asked for it could have enrolled the factor")
    if not asking.isdisjoint(await behind(tx, person.made_by or ())):
        raise MayNotDecideError("who asked for it made the decider a person")
    if not helped.isdisjoint(await behind(tx, told.could_be)):
        raise MayNotDecideError("somebody could have signed in both as who asked and so")
    return person.entity


async def _check_not_held(tx: Transaction, entity: str, sign_in: SignIn | None) -> None:
    """Refuse somebody whose factors another removed, unless they show one of before."""
    held = await tx.get(FACTOR_HOLDS, entity)
    if held is None:
        return
    enrolled_at = None if sign_in is None else sign_in.enrolled_at
    if enrolled_at is None or enrolled_at >= held.since:
        words = "the decider's factors wait for an approval: registered, brought back, or removed"
        raise MayNotDecideError(words)
