"""T44: break-glass works, which a drill shows at least once in twelve months.

Population  The last drill of the twelve months before the end of the period; where somebody may
            break the glass and there was none, that.
Holds when  From the call to the first read that was served it took no longer than its target.
Not judged  A drill of which an entry was cut, or that is not over; that there was none yet, as
            long as the first rule is younger than twelve months.
Trust       Both moments are those of entries of the log: of the opening, and of the first read
            that the case's grant let through. A drill is on a path that was made for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from strongroom.sdk.break_glass import Cases, Story
from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
EVERY = timedelta(days=366)
RULE = "break_glass_rule.write"


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for the last drill, or for that there was none."""
    cases, ruled = Cases(), list[LogEntry]()
    async for entry in evidence.log.entries(BEGINNING, period.end):
        cases.follow(entry)
        if entry.ok and entry.code == RULE and not ruled:
            ruled.append(entry)
    drills = [each for each in cases.by_id.values() if each.drill]
    since = period.end - EVERY
    late = [each for each in drills if each.opened.time and each.opened.time >= since]
    if late:
        yield _judge(late[-1], len(late), period.end)
    elif ruled:
        first = ruled[0]
        young = first.time is None or first.time >= since
        because = "none in twelve months" + (", and still in time" if young else "")
        yield Item("a drill", None if young else False, because, (first.index,))


def _judge(drill: Story, count: int, now: datetime) -> Item:
    subject = f"drill {drill.id}, the last of {count}"
    opened, read = drill.opened, drill.first_read
    proof = (opened.index, *((read.index,) if read is not None else ()))
    target = opened.own.get("target_seconds")
    if not isinstance(target, int) or opened.time is None or opened.lacks("grant"):
        return Item(subject, None, "the entry of its opening was cut", proof)
    if read is None:
        over = drill.over_at()
        if over is not None and over > now:
            return Item(subject, None, "it is not over, and nothing was read yet", proof)
        return Item(subject, False, "nothing was read in it", proof)
    if read.time is None:
        return Item(subject, None, "the entry of its first read has no time", proof)
    took = read.time - opened.time
    held = timedelta(0) <= took <= timedelta(seconds=target)
    words = f"took {took.total_seconds():g} seconds to the first read; the target is {target}"
    return Item(subject, held, words, proof)


CONTROL = ControlTest(
    id="T44",
    title="Break-glass works",
    kind=Kind.DRILL,
    population="The last drill of the twelve months before the end of the period",
    procedure=(
        "From the log took the last drill, and the first request of its holder that its grant let "
        "read. Compared the time between the two entries with the target of the rule."
    ),
    holds_when="A drill was done in twelve months, and the last one met its target.",
    limits=(
        "A drill shows that the way works for who did it, with the key they had: not that "
        "somebody is there at night. Where no rule was ever written nobody can break the glass, "
        "and there is nothing to drill."
    ),
    parameters={"every_days": EVERY.days},
    evaluate=evaluate,
)
