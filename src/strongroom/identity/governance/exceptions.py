"""Exceptions: recorded, approved, expiring departures from a control, of one subject each.

One that is extended is another, which goes on from it: each says from when to when it is in force,
so that what was covered at any time can be told.

Trust   Guarded: who can write to the database can delete one, which makes its control red again,
        and cannot make one or move its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from strongroom.sdk.exceptions import subjects_of
from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction

EXCEPTION: Final = "exception"  # the kind of its proposals
IN_FORCE, EXPIRED, ENDED = "in force", "expired", "ended"
STATES: Final = (IN_FORCE, EXPIRED, ENDED)
MOST: Final = timedelta(days=366)
KINDS: Final = (
    "jdbc-connection-string",
    "third-party-api-key",
    "on-premises-credential",
    "legacy-system",
    "process",
    "other",
)


@dataclass(frozen=True, slots=True)
class ControlException:
    """See the module. `target_at` is when it is to be needed no more."""

    id: str
    control: str
    subject: str
    kind: str
    reason: str
    compensating: tuple[str, ...]
    owner: str
    proposal: str
    extends: str
    asked_by: tuple[str, ...]
    approved_by: tuple[str, ...]
    begins_at: datetime
    expires_at: datetime
    target_at: datetime | None
    ended_at: datetime | None
    ended_by: str
    why: str
    entry: int | None = None

    @property
    def over_at(self) -> datetime:
        """When it ends, or ended."""
        return self.expires_at if self.ended_at is None else min(self.expires_at, self.ended_at)

    def in_force(self, now: datetime) -> bool:
        """Say whether it covers its subject."""
        return self.begins_at <= now < self.over_at


EXCEPTIONS = Register(
    "control_exception", ControlException, key=("id",), indexes=(("control",),), guarded=True
)


def state_of(row: ControlException, now: datetime) -> str:
    """Return the state of one by the clock."""
    if row.in_force(now):
        return IN_FORCE
    return ENDED if row.ended_at is not None and row.ended_at < row.expires_at else EXPIRED


async def covering(
    tx: Transaction, control: str, subject: str, now: datetime
) -> ControlException | None:
    """Return the exception in force that covers a subject of a control; the longest of several."""
    rows, _ = await tx.examine(EXCEPTIONS, control=control)
    names = subjects_of(subject)
    found = [row for row in rows if row.in_force(now) and row.subject in names]
    return max(found, key=lambda row: row.over_at, default=None)
