"""Business days: Monday to Friday, in UTC.

Limits  Holidays are business days here: what is due is then due sooner, and never later.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

SATURDAY = 5


def after_business_days(moment: datetime, days: int) -> datetime:
    """Return the end of the last of so many business days after the day of an aware moment."""
    day = moment.astimezone(UTC).date()
    while days > 0:
        day += timedelta(days=1)
        days -= day.weekday() < SATURDAY
    return datetime.combine(day + timedelta(days=1), time(), UTC)
