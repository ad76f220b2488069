"""Break-glass: who may help themselves in an emergency, and each case of it to its review.

A case is open while its grant is; then it is ended, until somebody says what was done, which closes
it, and another person reviews it. A drill is a case on a path that holds no secret.

Units   `longest` is the life of a case as it is opened, `in_all` with all extensions. What was done
        is said `close_within` its end, and reviewed `REVIEW_DAYS` business days after it.
Trust   Guarded: who can write to the database can delete such a row, or bring back an older one.
        The log knows every case.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from strongroom.base.business_days import after_business_days
from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction

OPEN, ENDED, CLOSED, REVIEWED = "open", "ended", "closed", "reviewed"
STATES: Final = (OPEN, ENDED, CLOSED, REVIEWED)
JUSTIFIED, NOT_JUSTIFIED = "justified", "not justified"
VERDICTS: Final = (JUSTIFIED, NOT_JUSTIFIED)
USUAL: Final = timedelta(hours=1)
LONGEST: Final = timedelta(hours=4)
IN_ALL: Final = timedelta(hours=8)  # the floor of grants, too
CLOSE_WITHIN: Final = timedelta(hours=24)
REVIEW_DAYS: Final = 5  # business days
TARGET: Final = timedelta(minutes=5)  # of a drill, from the call to the first read that was served


@dataclass(frozen=True, slots=True)
class BreakGlassRule:
    """Who may open a case, and of what: all that it asks for lies in `paths` and `environments`.

    `groups` are ids, empty: any registered person whom policy lets. `blocks`: whoever has a review
    that is overdue opens no other case. `drill_path` holds no secret; empty: there are no drills.
    """

    name: str
    groups: tuple[str, ...]
    paths: tuple[str, ...]
    environments: tuple[str, ...]
    longest: timedelta
    in_all: timedelta
    close_within: timedelta
    blocks: bool
    drill_path: str
    drill_target: timedelta
    description: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Extension:
    """More time, by another person."""

    by: str
    at: datetime
    until: datetime
    because: str


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `known_as` and `helpers` are of its holder then, as of who asks for anything.

    `notified` are who could have approved. The log is read for what it touched from `looked_from`
    on, and once that was written down and queued, at `accounted_at`, up to `looked_to`.
    `first_read_at` is of the first request that its grant was served.
    """

    id: str
    holder: str
    known_as: tuple[str, ...]
    helpers: tuple[str, ...]
    reason: str
    rule: str
    in_all: timedelta
    close_within: timedelta
    paths: tuple[str, ...]
    capabilities: tuple[str, ...]
    groups: tuple[str, ...]
    grant_id: str
    drill: bool
    target: timedelta
    notified: tuple[str, ...]
    opened_at: datetime
    ends_at: datetime
    close_due_at: datetime
    review_due_at: datetime
    looked_from: int
    extensions: tuple[Extension, ...] = ()
    closed_at: datetime | None = None
    closed_by: str = ""
    done: str = ""
    reviewed_at: datetime | None = None
    reviewer: str = ""
    verdict: str = ""
    words: str = ""
    findings: tuple[str, ...] = ()
    waived_at: datetime | None = None
    waived_by: str = ""
    reminded_at: datetime | None = None
    close_late_at: datetime | None = None
    review_late_at: datetime | None = None
    accounted_at: datetime | None = None
    touched: int = 0
    first_read_at: datetime | None = None
    first_read: int | None = None
    looked_to: int | None = None
    entry: int | None = None

    @property
    def requesters(self) -> tuple[str, ...]:
        """Who asks, as of anything that somebody else decides on."""
        return (self.holder,)


RULES = Register("break_glass_rule", BreakGlassRule, key=("name",), guarded=True)
CASES = Register(
    "break_glass_case",
    Case,
    key=("id",),
    indexes=(("holder",), ("reviewed_at",), ("accounted_at",)),
    guarded=True,
)


def state_of(case: Case, now: datetime) -> str:
    """Return the state of a case by the clock."""
    if case.reviewed_at is not None:
        return REVIEWED
    if case.closed_at is not None:
        return CLOSED
    return OPEN if now < case.ends_at else ENDED


def ending(case: Case, ends: datetime) -> Case:
    """Return a case that ends then, with what is due after it."""
    review = after_business_days(ends, REVIEW_DAYS)
    due = ends + case.close_within
    return replace(case, ends_at=ends, close_due_at=due, review_due_at=review, entry=None)


def _unreviewed(case: Case) -> bool:
    return case.reviewed_at is None and not case.drill


def blocking(cases: Iterable[Case], now: datetime) -> Case | None:
    """Return a case whose review is overdue, and that nobody let another be opened beside."""
    late = [c for c in cases if _unreviewed(c) and c.review_due_at <= now]
    return next((c for c in late if c.waived_at is None), None)


async def cases_of(tx: Transaction, holder: str) -> list[Case]:
    """Return somebody's cases."""
    return await tx.all(CASES, holder=holder, order="id")
