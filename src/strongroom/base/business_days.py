"""Business days: Monday to Friday, in UTC, but for holidays that are given as ISO dates."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta

SATURDAY = 5


def after_business_days(moment: datetime, days: int, off: Collection[str] = ()) -> datetime:
    """Return the end of the last of so many business days after the day of an aware moment."""
    day = moment.astimezone(UTC).date()
    while days > 0:
        day += timedelta(days=1)
        days -= day.weekday() < SATURDAY and day.isoformat() not in off
    return datetime.combine(day + timedelta(days=1), time(), UTC)
