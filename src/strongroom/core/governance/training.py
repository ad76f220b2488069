"""`strongroom/training…`: courses, and who has completed which.

    training/courses/{name} · training/completions · training/completions/{id} (delete: take back)

Trust   Nobody writes down, or takes back, what concerns themselves, but of a course that says that
        people attest for themselves: judged on entities, so that a workload or a token that they
        made does not do it for them either. A caller that is bound to an environment does neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.base.wording import check_says
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_unbound
from strongroom.core.system.people import moment
from strongroom.identity.deciding import MayNotDecideError, check_decider, known_as
from strongroom.identity.governance.training import (
    COMPLETIONS,
    COURSES,
    YEAR,
    Completion,
    Course,
    new_course,
    valid_until,
)
from strongroom.identity.people import active_person
from strongroom.identity.standing import living
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent
from strongroom.sdk.rules import changed, valid_name

MOST_LISTED: Final = 1000
SHORTEST, LONGEST = timedelta(days=1), 5 * YEAR
NOT_YOUR_OWN: Final = "permission denied: another person records it"


@dataclass(frozen=True, kw_only=True)
class CourseName:
    """For paths that name a course."""

    name: Annotated[str, Help("Name: letters, digits, '_', '-', '.'.", least=1, most=128)]


@dataclass(frozen=True, kw_only=True)
class CourseGiven(CourseName):
    """A course as written; what is not sent stays as it is."""

    title: Annotated[str, Help("Title.", most=256)] = ""
    version: Annotated[str, Help("Version of its content.", most=64)] = ""
    validity: Annotated[timedelta, Help("For how long a completion counts.")] = YEAR
    required: Annotated[bool, Help("Whoever can reach a secret takes it.")] = True
    self_attested: Annotated[bool, Help("People may say themselves that they took it.")] = False
    description: Annotated[str, Help("What it teaches.", most=4096)] = ""
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Who completed what, and when."""

    course: Annotated[str, Help("Name of the course.", least=1, most=128)]
    entity: Annotated[str, Help("Entity of who completed it; left out, the caller's.")] = ""
    completed_at: Annotated[datetime | None, Help("When; left out, now.")] = None
    version: Annotated[str, Help("Version that they took; left out, the present one.", most=64)] = (
        ""
    )
    reference: Annotated[str, Help("Where the evidence of it is kept.", most=1024)] = ""


@dataclass(frozen=True, kw_only=True)
class ById:
    """For paths that name a completion."""

    id: Annotated[str, Help("Id of the completion.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class TakenBack(ById):
    """Why a completion counts no more."""

    because: Annotated[str, Help("Why.", most=1024)] = ""


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which completions."""

    course: Annotated[str, Help("Name of the course.")] = ""
    entity: Annotated[str, Help("Entity of who completed it.")] = ""


class TrainingRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="training/courses",
                summary="The courses.",
                list=Endpoint(Page, self.names, "training.course.list"),
            ),
            Route(
                path="training/courses/{name}",
                summary="A course, and for how long a completion of it counts.",
                read=Endpoint(CourseName, self.show, "training.course.read"),
                write=Endpoint(CourseGiven, self.write, "training.course.write"),
                delete=Endpoint(CourseName, self.drop, "training.course.delete"),
                exists=self.exists,
            ),
            Route(
                path="training/completions",
                summary="Who completed which course; write one down.",
                list=Endpoint(Filter, self.ids, "training.list"),
                write=Endpoint(Recorded, self.record, "training.record"),
            ),
            Route(
                path="training/completions/{id}",
                summary="A completion; deleted, it is on record as taken back.",
                read=Endpoint(ById, self.one, "training.read"),
                delete=Endpoint(TakenBack, self.take_back, "training.void"),
            ),
        )

    # -- courses

    async def names(self, call: SystemCall, page: Page) -> Reply:
        rows = [r for r in await call.transaction.all(COURSES, order="name") if r.name > page.after]
        rows = rows[: page.limit] if page.limit > 0 else rows
        return Reply(
            {"keys": [r.name for r in rows], "key_info": {r.name: shown_course(r) for r in rows}}
        )

    async def exists(self, call: SystemCall, given: CourseName) -> bool:
        return await call.transaction.get(COURSES, given.name) is not None

    async def show(self, call: SystemCall, given: CourseName) -> Reply:
        return Reply(shown_course(await _course(call, given.name)))

    async def write(self, call: SystemCall, given: CourseGiven) -> None:
        """Make a course, or change what was sent of one."""
        check_unbound(call)
        old = await call.transaction.get(COURSES, given.name)
        base = old or new_course(valid_name(given.name, "name"), call.now)
        course = replace(changed(base, given, given.sent - {"name"}), updated_at=call.now)
        check_says("title", course.title, "a course has a title")
        check_says("version", course.version, "a course has a version", least=1)
        if not SHORTEST <= course.validity <= LONGEST:
            raise InputError("validity", "from a day to five years")
        call.transaction.put(COURSES, course)
        call.details |= {"course": course.name, "course_version": course.version}
        call.details |= {"required": course.required, "self_attested": course.self_attested}
        call.details["validity_s"] = int(course.validity.total_seconds())

    async def drop(self, call: SystemCall, given: CourseName) -> None:
        """Delete a course that nobody has completed; others stay on record, not required."""
        check_unbound(call)
        if await call.transaction.get(COURSES, given.name) is None:
            return
        if await call.transaction.all(COMPLETIONS, course=given.name, limit=1):
            raise InputError("name", "somebody has completed it: write required=false instead")
        call.transaction.delete(COURSES, given.name)
        call.details["course"] = given.name

    # -- completions

    async def ids(self, call: SystemCall, given: Filter) -> Reply:
        asked = {k: v for k in ("course", "entity") if (v := getattr(given, k))}
        rows = await call.transaction.all(COMPLETIONS, **asked)
        rows = sorted((r for r in rows if r.id > given.after), key=lambda r: r.id)
        limit = given.limit if 0 < given.limit < MOST_LISTED else MOST_LISTED
        there = rows[:limit]
        courses = {c.name: c for c in await call.transaction.all(COURSES)}
        info = {r.id: shown(r, courses.get(r.course), call.now) for r in there}
        after = there[-1].id if len(rows) > limit else ""
        return Reply({"keys": list(info), "key_info": info, "next": after})

    async def one(self, call: SystemCall, given: ById) -> Reply:
        row = await _there(call, given.id)
        course = await call.transaction.get(COURSES, row.course)
        return Reply(shown(row, course, call.now))

    async def record(self, call: SystemCall, given: Recorded) -> Reply:
        """Write down that somebody completed a course."""
        check_unbound(call)
        tx = call.transaction
        course = await _course(call, given.course, field="course")
        person = await active_person(tx, given.entity or call.entity, call.now)
        if person is None:
            raise InputError("entity", "not the entity of an active person")
        by = await _who_records(call, person.entity, own=course.self_attested)
        at = given.completed_at or call.now
        if at > call.now:
            raise InputError("completed_at", "has not come yet")
        row = Completion(
            id=uuid_of(call.entropy(16)),
            course=course.name,
            version=given.version or course.version,
            entity=person.entity,
            completed_at=at,
            recorded_by=by,
            recorded_at=call.now,
            reference=given.reference,
            void_at=None,
            void_by="",
            void_because="",
        )
        tx.put(COMPLETIONS, row)
        call.details |= {"completion": row.id, "course": row.course, "entity": row.entity}
        call.details |= {"course_version": row.version, "completed_at": rfc3339(at)}
        call.details["self_attested"] = by == row.entity
        return Reply({"id": row.id, "valid_until": rfc3339(at + course.validity)})

    async def take_back(self, call: SystemCall, given: TakenBack) -> None:
        """Say that a completion does not count; it stays on record."""
        check_unbound(call)
        row = await call.transaction.get(COMPLETIONS, given.id)
        if row is None or row.void_at is not None:
            return
        check_says("because", given.because, "say why it does not count")
        by = await _who_records(call, row.entity, own=True)
        void = replace(row, void_at=call.now, void_by=by, void_because=given.because)
        call.transaction.put(COMPLETIONS, void)
        call.details |= {"completion": row.id, "course": row.course, "entity": row.entity}
        call.details["void"] = True


async def _who_records(call: SystemCall, entity: str, *, own: bool) -> str:
    """Return who writes something down of a person: another, or where they may, themselves."""
    session, tx = call.session, call.transaction
    if session is None or session.entity is None or session.token.makers is not None:
        raise DeniedError("permission denied: a person records it, signed in as themselves")
    who = await living(tx, session.entity.id)
    if own and who is not None and who.id == entity:
        return entity
    names = await known_as(tx, (entity,))
    try:
        return await check_decider(tx, (entity,), names, session, asked_at=call.now, now=call.now)
    except MayNotDecideError as refused:
        raise DeniedError(NOT_YOUR_OWN, logged=str(refused)) from None


async def _course(call: SystemCall, name: str, field: str = "") -> Course:
    course = await call.transaction.get(COURSES, name)
    if course is None and field:
        raise InputError(field, "there is no such course")
    if course is None:
        raise NotFoundError
    return course


async def _there(call: SystemCall, id_: str) -> Completion:
    row = await call.transaction.get(COMPLETIONS, id_)
    if row is None:
        raise NotFoundError
    return row


def shown_course(course: Course) -> dict[str, object]:
    """Return a course as replies show it."""
    return {
        "name": course.name,
        "title": course.title,
        "version": course.version,
        "validity": int(course.validity.total_seconds()),
        "required": course.required,
        "self_attested": course.self_attested,
        "description": course.description,
        "created_at": rfc3339(course.created_at),
        "updated_at": rfc3339(course.updated_at),
        "entry": course.entry,
    }


def shown(row: Completion, course: Course | None, now: datetime) -> dict[str, object]:
    """Return a completion as replies show it; its state is by the clock."""
    until = None if course is None else valid_until(course, (row,))
    state = "current" if until is not None and now < until else "over"
    return {
        "id": row.id,
        "course": row.course,
        "version": row.version,
        "entity": row.entity,
        "state": "void" if row.void_at is not None else state,
        "completed_at": rfc3339(row.completed_at),
        "valid_until": moment(until),
        "recorded_by": row.recorded_by,
        "recorded_at": rfc3339(row.recorded_at),
        "reference": row.reference,
        "void_at": moment(row.void_at),
        "void_by": row.void_by,
        "void_because": row.void_because,
        "entry": row.entry,
    }
