"""Who comes back after leaving: asked for by one, and in force once another person approves it.

    left, or over their end → a request of purpose `return` → approved → active, and held: enrols
                                                                         with the approval's code

Order   Until the approval nothing of the person's row changes: they have left, cannot log in and
        decide nothing. What was said of them when it was asked for (name, address, external id) is
        what is approved; a row that was written anew since is refused.
Trust   Root brings back by itself, which is an alert: it takes a quorum to make one. Factors of
        before the leaving are gone for good; so are groups, policies and whatever was theirs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from strongroom.base.errors import DeniedError, InputError
from strongroom.base.ids import uuid_of
from strongroom.core.request import SystemCall
from strongroom.core.system.people_factors import by_root
from strongroom.identity.deciding import known_as
from strongroom.identity.factors.checking import forget_factors
from strongroom.identity.leaving import LEAVERS
from strongroom.identity.people import rewritten
from strongroom.identity.records import (
    ENTITIES,
    PEOPLE,
    REGISTRATIONS,
    Entity,
    Person,
    Registration,
    Wish,
)
from strongroom.identity.standing import ACTIVE, end_of

LASTS: Final = timedelta(days=14)
PENDING, WITHDRAWN = "pending", "withdrawn"
RETURN, FACTORS = "return", "factors"
BY_ROOT: Final = "returned_by_root"
ASK: Final = (
    "they have left, or their end has come: ask for their return at strongroom/registrations, "
    "kind `return`, and let another person approve it"
)


def is_gone(person: Person, now: datetime) -> bool:
    """Say whether somebody has left, or is over their end: then they come back, or stay away."""
    end = end_of(person)
    return end is not None and end <= now


async def asked(call: SystemCall, entity_id: str) -> Registration | None:
    """Return the request for somebody's return that waits, if one does."""
    rows = await call.transaction.all(REGISTRATIONS, state=PENDING)
    mine = [r for r in rows if (r.entity, r.purpose) == (entity_id, RETURN)]
    return next((row for row in mine if row.expires_at > call.now), None)


async def ask(call: SystemCall, person: Person, reason: str) -> Registration:
    """Ask for somebody's return in the caller's name; one that waits is asked for already."""
    waiting = await asked(call, person.entity)
    if waiting is not None:
        return waiting
    if not call.makers:
        raise DeniedError("only an entity asks for a return")
    entity = await there(call, person.entity)
    row = await new_request(call, entity, RETURN, person, reason, call.makers)
    call.transaction.put(REGISTRATIONS, row)
    call.details |= {"registration": row.id, "returning": True, "requesters": row.requesters}
    return row


async def withdraw_return(call: SystemCall, entity_id: str) -> None:
    """Take back what was asked for: somebody who may say that they leave says so again."""
    waiting = await asked(call, entity_id)
    if waiting is not None:
        gone = replace(waiting, state=WITHDRAWN, decided_by=call.actor.id, decided_at=call.now)
        call.transaction.put(REGISTRATIONS, gone)
        call.details["return_withdrawn"] = waiting.id


async def there(call: SystemCall, entity_id: str) -> Entity:
    """Return an entity; InputError where it is gone."""
    entity: Entity | None = await call.transaction.get(ENTITIES, entity_id)
    if entity is None:
        raise InputError("entity", "there is no such entity: register them anew")
    return entity


async def new_request(  # noqa: PLR0913, PLR0917 - each is one column
    call: SystemCall,
    entity: Entity,
    purpose: str,
    person: Person,
    reason: str,
    requesters: tuple[str, ...],
) -> Registration:
    """Return a request about somebody who is registered, by the caller."""
    helped = helpers(call)
    return Registration(
        id=uuid_of(call.entropy(16)),
        state=PENDING,
        revision=1,
        wish=wish_for(entity, person),
        reason=reason,
        requesters=requesters,
        known_as=await known_as(call.transaction, (*requesters, *helped)),
        created_at=call.now,
        edited_at=call.now,
        expires_at=call.now + LASTS,
        decided_by="",
        decided_at=None,
        because="",
        entity=entity.id,
        purpose=purpose,
        helpers=helped or None,
    )


def wish_for(entity: Entity, person: Person) -> Wish:
    """Return what a request about somebody says of them: who they are now, and nothing new."""
    return Wish(
        name=entity.name,
        person=person,
        workload=None,
        environment="",
        policies=(),
        groups=(),
        mount_accessor="",
        alias="",
    )


def helpers(call: SystemCall) -> tuple[str, ...]:
    """Return who could have signed in as the caller: they may be who asks, so they do not decide.

    A factor changes nothing here: whoever sets the password of somebody without one enrols it.
    """
    sign_in = None if call.session is None else call.session.sign_in
    found = (sign_in.helped_by or ()) if sign_in is not None else ()
    return tuple(dict.fromkeys((*call.helped_by, *found)))


async def bring_back(call: SystemCall, wanted: Person, asked_at: datetime | None = None) -> Person:
    """Make somebody active again as who they were, without a factor.

    Raises InputError where they have come back already, or since it was asked for were written anew
    or said to leave again.
    """
    person = await call.transaction.get(PEOPLE, wanted.entity)
    if person is None or not is_gone(person, call.now):
        raise InputError("entity", "they have not left: there is nothing to come back from")
    await there(call, person.entity)
    leaver = await call.transaction.get(LEAVERS, person.entity)
    if asked_at is not None and leaver is not None and leaver.at > asked_at:
        raise InputError("entity", "they were said to leave since it was asked for: ask again")
    changed = rewritten(person, wanted) if asked_at is not None else []
    if changed:
        raise InputError(changed[0], "was written anew since it was asked for: ask again")
    if wanted.ends_at is not None and wanted.ends_at <= call.now:
        raise InputError("ends_at", "it has passed: say when their access ends now")
    base = wanted if asked_at is None else replace(person, ends_at=wanted.ends_at)
    back = replace(
        base,
        state=ACTIVE,
        left_at=None,
        updated_at=call.now,
        made_by=None,
    )
    await forget_factors(call.transaction, person.entity)
    call.details["returned"] = True
    return back


def check_root(call: SystemCall) -> bool:
    """Say whether root asks; the entry is an alert then."""
    if not by_root(call):
        return False
    call.details["alert"] = BY_ROOT
    return True
