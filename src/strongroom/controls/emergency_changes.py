"""T81: an emergency change is approved by another person within three business days.

Population  Every emergency change that was due, or was decided, in the period.
Holds when  An entry that approved it stands before its deadline, by somebody who did not ask; or it
            was denied in time, with nothing of it applied.
Not judged  One whose entries were cut, so that its deadline cannot be reckoned again.
Trust       The deadline is reckoned anew from the time of the entry and the holidays in it: it is
            the end of the third business day in UTC.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from strongroom.sdk.change_log import CODES, Changes, ChangeStory
from strongroom.sdk.changes import WITHIN, due_after
from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each emergency."""
    story = Changes()
    _, end = await evidence.log.stretch(period.start, period.end)
    async for entry in evidence.log.entries(BEGINNING, period.end, CODES):
        if entry.index < end:
            story.follow(entry)
    for change in story.changes.values():
        if change.emergency:
            item = _judge(change, period)
            if item is not None:
                yield item


def _judge(change: ChangeStory, period: Period) -> Item | None:
    """Judge an emergency; None for one that is of another period."""
    subject = f"emergency change {change.id}"
    begun = change.proof[0] if change.proof else -1
    if change.cut or change.begun is None:
        return Item(subject, None, "its entry was cut: the deadline is not known", change.proof)
    due = due_after(change.begun, change.holidays)
    decided = change.approved or change.denied
    decided_at = decided.time if decided is not None else None
    in_period = due in period or (decided_at is not None and decided_at in period)
    if not in_period:
        return None
    proof = change.proof
    until = f"due {due:%Y-%m-%d %H:%M} UTC"
    if change.approved is not None and change.approved.time is not None:
        if change.approvers & change.requesters or not change.approvers:
            return Item(subject, False, "approved by who opened it, or by nobody", proof)
        in_time = change.approved.time < due
        when = f"approved at entry {change.approved.index}"
        return Item(subject, in_time, f"{when}, {until}" + ("" if in_time else ": late"), proof)
    if change.denied is not None and decided_at is not None and not change.applied:
        return Item(subject, decided_at < due, "denied, and nothing of it was applied", proof)
    if change.denied is not None:
        return Item(subject, False, "denied, and what was applied of it stands", proof)
    return Item(subject, False, f"opened at entry {begun}, {until}, and nobody approved it", proof)


CONTROL = ControlTest(
    id="T81",
    title="Emergency changes regularised",
    kind=Kind.POP,
    population="Every emergency change that was due in the period, or was decided in it",
    procedure=(
        "From the whole log took every emergency change, what was applied of it, and each decision "
        "on it; reckoned its deadline from its entry's time and holidays."
    ),
    holds_when=(
        "Each was approved by somebody who did not open it before the end of the third business "
        "day, or denied before with nothing of it applied."
    ),
    limits=(
        "That it was an emergency is not judged. What was applied of one that was denied is put "
        "right by a change of its own, which T80 judges."
    ),
    parameters={"business_days": WITHIN},
    evaluate=evaluate,
)
