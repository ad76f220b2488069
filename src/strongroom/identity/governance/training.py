"""Training: courses, and who completed which, when.

Trust   That somebody was there is what another person wrote down; of a course that is
        `self_attested` they may say it themselves. A completion is never changed: it is taken back
        by name, and stays on record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from strongroom.storage.register import Register

YEAR: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Course:
    """What people learn. Whoever can reach a secret takes those that are `required`.

    `validity` is how long a completion counts, whichever version it is of.
    """

    name: str
    title: str
    version: str
    validity: timedelta
    required: bool
    self_attested: bool
    description: str
    created_at: datetime
    updated_at: datetime
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """That `entity` completed a course. `reference` says where its evidence is kept."""

    id: str
    course: str
    version: str
    entity: str
    completed_at: datetime
    recorded_by: str
    recorded_at: datetime
    reference: str
    void_at: datetime | None
    void_by: str
    void_because: str
    entry: int | None = None


COURSES = Register("course", Course, key=("name",), guarded=True)
COMPLETIONS = Register(
    "completion", Completion, key=("id",), indexes=(("entity",), ("course",)), guarded=True
)


def new_course(name: str, now: datetime) -> Course:
    """Return a course that is required, and counts for a year."""
    return Course(
        name=name,
        title="",
        version="",
        validity=YEAR,
        required=True,
        self_attested=False,
        description="",
        created_at=now,
        updated_at=now,
    )


def valid_until(course: Course, completions: Iterable[Completion]) -> datetime | None:
    """Return until when somebody's completions of a course count; None without any."""
    mine = [c.completed_at for c in completions if c.course == course.name and c.void_at is None]
    return max(mine) + course.validity if mine else None
