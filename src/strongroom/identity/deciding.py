"""Whether somebody may decide on what another asked for: judged on entities, not on names.

Trust   The requester is every entity that wrote the request, what those were merged into, whoever
        answers for one that is a workload, and whoever is known by an alias that one of them had.
        A requester that is gone, or was never registered, cannot be told from anybody: then nobody
        may decide. Who decides
        has signed in as themselves: not by a token that was made, nor by a password that a
        requester set, or an alias that one wrote, nor with a factor that came after the request.
        Who knows somebody's password and keeps it until they have it changed cannot be told
        from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from strongroom.identity.people import active_person
from strongroom.identity.records import ALIASES, PEOPLE, WORKLOADS
from strongroom.identity.sessions import Session
from strongroom.identity.standing import living
from strongroom.storage.transaction import Transaction


class MayNotDecideError(Exception):
    """Refused; the text says why, and names nobody."""


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


async def _behind(tx: Transaction, requester: str) -> set[str]:
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


async def check_decider(  # noqa: PLR0913 - who asked, when and as whom, and who decides
    tx: Transaction,
    requesters: Iterable[str],
    aliases: Iterable[str],
    decider: Session,
    *,
    asked_at: datetime,
    now: datetime,
) -> str:
    """Return the entity that decides; MayNotDecideError unless it is another, active person.

    `aliases` are those that the requesters had when they asked, at `asked_at`.
    """
    if decider.token.makers is not None:
        raise MayNotDecideError("only who signed in decides, not a token that was made")
    sign_in = decider.sign_in
    if sign_in is not None and sign_in.enrolled_at is not None and sign_in.enrolled_at > asked_at:
        raise MayNotDecideError("the factor was enrolled after the request was made")
    helpers = (sign_in.helped_by or ()) if sign_in is not None else ()
    return await check_apart(tx, requesters, aliases, decider.token.entity, helpers, now=now)


async def check_apart(  # noqa: PLR0913 - who asked and as whom, who decides and by whose help
    tx: Transaction,
    requesters: Iterable[str],
    aliases: Iterable[str],
    decider: str,
    helpers: Iterable[str],
    *,
    now: datetime,
) -> str:
    """Return the entity that decides; MayNotDecideError unless it is another, active person.

    What can be asked again of a decision that was given before: whom its giver is now. `helpers`
    could have signed in as the decider.
    """
    person = await active_person(tx, decider, now)
    if person is None:
        raise MayNotDecideError("only an active person decides")
    behind: set[str] = set()
    for each in requesters:
        behind |= await _behind(tx, each)
    names = {*aliases, *await known_as(tx, behind)}
    if person.entity in behind or names & {*await known_as(tx, (person.entity,))}:
        raise MayNotDecideError("who asked for it does not decide on it")
    for helper in helpers:
        entity = await living(tx, helper)
        if helper in behind or (entity is not None and entity.id in behind):
            raise MayNotDecideError("who asked for it set the password, or wrote the alias")
    return person.entity
