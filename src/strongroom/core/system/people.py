"""`strongroom/people…`: who of the entities is a person, and until when.

Order   A change is in force for every request that is committed after its entry.
Trust   Whoever may write here says who is a person: whom approvals and owners may be, and how long
        their tokens work. A caller that is bound to an environment writes only of entities that are
        bound as it is. Where registration is required, nobody new is written here once two people
        are there (`identity.admission`); where it is not, who writes one never decides by them.
        Nobody but root brings back who has left, or is over their end (`core.system.returns`).
        E-mail and name are in clear in the database; no entry of
        the log has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.wording import check_says
from strongroom.core.request import SystemCall
from strongroom.core.rotation_due import withdraw
from strongroom.core.system.bindings import check_alias
from strongroom.core.system.people_factors import by_root
from strongroom.core.system.returns import ASK, ask, bring_back, check_root, is_gone
from strongroom.identity.admission import check_direct
from strongroom.identity.factors.holds import hold
from strongroom.identity.people import FOUNDERS, LEFT, WORKERS, check_person, new_person, rewritten
from strongroom.identity.records import ENTITIES, PEOPLE, WORKLOADS, Entity, Person, Workload
from strongroom.identity.standing import ACTIVE, end_of
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent

MOST_LISTED = 1000


@dataclass(frozen=True, kw_only=True)
class ById:
    """For paths that name an entity."""

    entity: Annotated[str, Help("Id of the entity.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class PersonFields:
    """What is known of a person."""

    name: Annotated[str, Help("Name, for people to read.", most=256)] = ""
    email: Annotated[str, Help("E-mail address.", most=320)] = ""
    worker: Annotated[str, Help("employee, contractor or vendor.", choices=WORKERS)] = "employee"
    contract: Annotated[str, Help("Contract; contractors and vendors have one.", most=256)] = ""
    external_id: Annotated[str, Help("Id in the directory of people.", most=256)] = ""
    ends_at: Annotated[datetime | None, Help("When all access ends; employees may have none.")] = (
        None
    )
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


@dataclass(frozen=True, kw_only=True)
class Given(PersonFields, ById):
    """A person as written; what is not sent stays as it is."""


@dataclass(frozen=True, kw_only=True)
class Back(ById):
    """Who comes back."""

    reason: Annotated[str, Help("Why they do.", least=1, most=4096)] = "they are back"


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which people."""

    state: Annotated[str, Help("active, ended or left.", choices=("", ACTIVE, "ended", LEFT))] = ""
    worker: Annotated[str, Help("Kind of worker.", choices=("", *WORKERS))] = ""
    email: Annotated[str, Help("E-mail address.")] = ""
    external_id: Annotated[str, Help("Id in the directory of people.")] = ""


class PeopleRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="people",
                summary="The people, by the id of their entity.",
                list=Endpoint(Filter, self.ids, "person.list"),
            ),
            Route(
                path="people/{entity}",
                summary="A person.",
                read=Endpoint(ById, self.show, "person.read"),
                write=Endpoint(Given, self.write, "person.write"),
                exists=self.exists,
            ),
            Route(
                path="people/{entity}/return",
                summary="Ask for the return of a person who left; another person approves it.",
                write=Endpoint(Back, self.back, "person.return"),
            ),
        )

    async def ids(self, call: SystemCall, given: Filter) -> Reply:
        asked: dict[str, Any] = {
            "email": given.email,
            "external_id": given.external_id,
            "worker": given.worker,
        }
        rows = await call.transaction.all(PEOPLE, **{k: v for k, v in asked.items() if v})
        found = [row for row in rows if given.state in ("", state_of(row, call.now))]
        return Reply(listed(found, given, lambda row: shown_person(row, call.now)))

    async def exists(self, call: SystemCall, given: Given) -> bool:
        return await call.transaction.get(PEOPLE, given.entity) is not None

    async def show(self, call: SystemCall, given: ById) -> Reply:
        person = await _there(call, given.entity)
        call.details["entity"] = person.entity
        return Reply(shown_person(person, call.now))

    async def write(self, call: SystemCall, given: Given) -> None:
        """Make an entity a person, or change what was sent."""
        entity = await writable(call, given.entity)
        if await call.transaction.get(WORKLOADS, entity.id) is not None:
            raise InputError("entity", "it is a workload")
        old = await call.transaction.get(PEOPLE, entity.id)
        if old is None:
            await check_direct(call.transaction)
        person = changed_person(old or new_person(entity.id, call.now), given, call.now)
        if old is None or by_root(call):
            person = replace(person, made_by=await made_by(call))
        if old is not None and back_by_writing(old, person, call.now):
            if not check_root(call):
                raise InputError("ends_at", ASK)
            person = await bring_back(call, person)
            await hold(call.transaction, person.entity, (), call.now)
        put_person(call, person)
        if changed := rewritten(old, person):
            call.details["rewritten"] = changed
        await withdraw_if_back(call, person)

    async def back(self, call: SystemCall, given: Back) -> Reply | None:
        """Ask for the return of somebody who has left; root brings them back at once."""
        person = await _there(call, given.entity)
        await writable(call, person.entity)
        if person.state != LEFT:
            return None
        call.details["entity"] = person.entity
        if not check_root(call):
            check_says("reason", given.reason, "say why they come back")
            row = await ask(call, person, given.reason)
            told = {"registration": row.id, "revision": row.revision}
            return Reply({**told, "expires_at": rfc3339(row.expires_at)})
        person = await bring_back(call, person)
        await hold(call.transaction, person.entity, (), call.now)
        put_person(call, person)
        await withdraw_if_back(call, person)
        return None


async def made_by(call: SystemCall) -> tuple[str, ...] | None:
    """Return who makes a person by writing them: the first two are there for the others."""
    if len(await call.transaction.all(PEOPLE, limit=FOUNDERS)) < FOUNDERS:
        return None
    return call.behind or None


def back_by_writing(old: Person, new: Person, now: datetime) -> bool:
    """Say whether a row brings somebody back whose end had come."""
    return old.state != LEFT and is_gone(old, now) and not is_gone(new, now)


def changed_person(old: Person, given: PersonFields, now: datetime) -> Person:
    """Return a person with what was sent; InputError for one that lacks something."""
    names = ("name", "email", "worker", "contract", "external_id", "ends_at")
    changes: dict[str, Any] = {n: getattr(given, n) for n in names if n in given.sent}
    person = replace(old, updated_at=now, **changes)
    check_person(person)
    return person


def put_person(call: SystemCall, person: Person) -> None:
    """Store a person; their sessions are judged anew."""
    call.transaction.put(PEOPLE, person)
    call.transaction.changed(f"entity:{person.entity}")
    call.details |= {"entity": person.entity, "worker": person.worker, "state": person.state}
    if person.ends_at is not None:
        call.details["ends_at"] = rfc3339(person.ends_at)


async def withdraw_if_back(call: SystemCall, person: Person) -> None:
    """Forget what was due because they had left; when they leave again it is due again."""
    if state_of(person, call.now) == ACTIVE and (
        gone := await withdraw(call.transaction, person.entity)
    ):
        call.details["no_longer_due"] = gone


async def writable(call: SystemCall, entity_id: str) -> Entity:
    """Return an entity that the caller may register; InputError where there is none."""
    entity = await call.transaction.get(ENTITIES, entity_id)
    if entity is None:
        raise InputError("entity", "there is no such entity")
    await check_alias(call, entity)
    return entity


def state_of(row: Person | Workload, now: datetime) -> str:
    """Return the state of a row by the clock: one whose end has come is "ended"."""
    end = end_of(row)
    return "ended" if row.state == ACTIVE and end is not None and end <= now else row.state


def listed(rows: list[Any], page: Page, shown: Any) -> Mapping[str, object]:
    """Return a page of rows that are keyed by entity, and what comes after it."""
    found = sorted((row for row in rows if row.entity > page.after), key=lambda row: row.entity)
    limit = page.limit if 0 < page.limit < MOST_LISTED else MOST_LISTED
    there = found[:limit]
    return {
        "keys": [row.entity for row in there],
        "key_info": {row.entity: shown(row) for row in there},
        "next": there[-1].entity if len(found) > limit else "",
    }


def shown_person(person: Person, now: datetime) -> dict[str, object]:
    """Return a person as replies show them."""
    return {
        "entity": person.entity,
        "name": person.name,
        "email": person.email,
        "worker": person.worker,
        "contract": person.contract,
        "external_id": person.external_id,
        "state": state_of(person, now),
        "ends_at": moment(person.ends_at),
        "left_at": moment(person.left_at),
        "registration": person.registration,
        "created_at": rfc3339(person.created_at),
        "updated_at": rfc3339(person.updated_at),
        "entry": person.entry,
    }


def moment(at: datetime | None) -> str | None:
    """Return a moment as replies show it."""
    return None if at is None else rfc3339(at)


async def _there(call: SystemCall, entity_id: str) -> Person:
    person = await call.transaction.get(PEOPLE, entity_id)
    if person is None:
        raise NotFoundError
    return person
