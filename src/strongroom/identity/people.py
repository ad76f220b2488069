"""What a person's row must say."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from strongroom.base.errors import InputError
from strongroom.base.wording import check_says
from strongroom.identity.records import PEOPLE, Person
from strongroom.identity.standing import ACTIVE, end_of, living
from strongroom.storage.transaction import Transaction

EMPLOYEE: Final = "employee"
WORKERS: Final = (EMPLOYEE, "contractor", "vendor")
LEFT: Final = "left"
FOUNDERS: Final = 2  # people who are there before one can approve for another
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,255}")


def new_person(entity: str, now: datetime, registration: str = "") -> Person:
    """Return an employee of whom nothing is known yet."""
    return Person(
        entity=entity,
        name="",
        email="",
        worker=EMPLOYEE,
        contract="",
        external_id="",
        state=ACTIVE,
        ends_at=None,
        registration=registration,
        created_at=now,
        updated_at=now,
        left_at=None,
    )


def rewritten(old: Person | None, new: Person) -> list[str]:
    """Return what of who somebody is was changed: an approval was for the one of before."""
    if old is None:
        return []
    return [n for n in ("name", "email", "external_id") if getattr(old, n) != getattr(new, n)]


def is_email(text: str) -> bool:
    """Say whether a text has the form of an e-mail address."""
    return _EMAIL.fullmatch(text) is not None


def check_person(person: Person) -> None:
    """Raise InputError for a row that lacks what a person of this kind must have."""
    check_says("name", person.name, "a person has a name", least=1)
    if person.email and not is_email(person.email):
        raise InputError("email", "not an e-mail address")
    if person.worker not in WORKERS:
        raise InputError("worker", f"expected one of {', '.join(WORKERS)}")
    if person.worker == EMPLOYEE:
        return
    if person.ends_at is None:
        raise InputError("ends_at", f"a {person.worker} has an end date")
    check_says("contract", person.contract, f"a {person.worker} has a contract", least=1)


async def active_person(tx: Transaction, entity_id: str, now: datetime) -> Person | None:
    """Return the person behind an entity if they are registered, there, and not over."""
    entity = await living(tx, entity_id) if entity_id else None
    if entity is None or entity.disabled:
        return None
    person = await tx.get(PEOPLE, entity.id)
    if person is None:
        return None
    end = end_of(person)
    return person if end is None or now < end else None
