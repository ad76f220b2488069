"""T26: what a leaver had known is written anew.

Population  Every static secret that somebody had read, unwrapped or written whose access was ended
            in the period, as a person, also as an entity that was merged into them, or by a token
            that they made.
Holds when  Somebody wrote it over after the value that they knew last, so that no field of it has
            the value that they knew, before they left or within the days that there are for it; or
            they came back within these days.
Not judged  One whose days are not over; an entry of a read that was cut; an ending or a merger
            that was cut.
Trust       It is as complete as the log: what was handed on by others is not in it. What stays
            as it was is an exception. `sdk.knowing` says what is known, here as in the queue of
            what is to be rotated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.knowing import CODES, MERGED, SOME, WRITTEN, Knowledge, Value
from strongroom.sdk.leavers import BEGINNING, PERSON, Ended, endings

LIMIT = timedelta(days=7)
NAMED = 8


@dataclass
class Known:
    """The value of a secret that a leaver knew last, and the last that they did with it."""

    leaver: Ended
    value: Value
    learned: LogEntry

    @property
    def subject(self) -> str:
        done = "written" if self.learned.code in WRITTEN else "read"
        return f"{self.value.path}, {done} by {self.leaver.entity}"


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each secret of each leaver."""
    first, _ = await evidence.log.stretch(period.start, period.end)
    leaving = await endings(period, evidence, PERSON)
    for index in leaving.cut:
        if index >= first:
            yield Item(f"entry {index}", None, "was cut: whose ending it is is not in it", (index,))
    left = [each for each in leaving.ended if each.entry.index >= first]
    if not left:
        return
    for index in leaving.same.cut:
        yield Item(f"entry {index}", None, f"{MERGED}, cut: who it was is not in it", (index,))
    knowledge = Knowledge(leaving.same.names(each.entity for each in left))
    async for entry in evidence.log.entries(BEGINNING, None, CODES):
        knowledge.follow(entry)
    for leaver in left:
        for each in _last_known(leaver, knowledge.of(leaver.entity)):
            yield _judge(each, period)


def _last_known(leaver: Ended, values: Sequence[Value]) -> Iterator[Known]:
    """Give of each secret the last value that they knew before they came back."""
    found: dict[str, Known] = {}
    for value in values:  # by path, and by who wrote it first
        if value.first.index < leaver.until:
            learned = value.last if value.last.index < leaver.until else value.first
            at = value.path if value.whole else f"entry {learned.index}"
            there = found[at].value.replaced is None if at in found else False
            if not there or value.replaced is None:  # what came back is there, whatever was since
                found[at] = Known(leaver, value, learned)
    yield from found.values()


def _judge(each: Known, period: Period) -> Item:
    left, back, over = each.leaver.entry, each.leaver.back, each.value.replaced
    subject, proof = each.subject, (each.learned.index, left.index)
    if not each.value.whole:
        because = "an entry that was cut: of which secret is not in it"
        return Item(f"entry {each.learned.index}", None, because, proof)
    if over is not None and over.index < left.index:
        return Item(subject, True, "written anew before they left", (*proof, over.index))
    for what, entry in (("written anew", over), ("they came back", back)):
        if entry is None:
            continue
        if left.time is None or entry.time is None:
            return Item(subject, None, f"{what}, and an entry has no time", (*proof, entry.index))
        if (after := entry.time - left.time) <= LIMIT:
            return Item(subject, True, f"{what} {after} after they left", (*proof, entry.index))
    if over is not None:
        because = f"written anew, and not within {LIMIT.days} days after they left"
        return Item(subject, False, because, (*proof, over.index))
    if each.value.kept:
        names = ", ".join(sorted(each.value.kept - {SOME})[:NAMED]) or "all of it"
        return _not_yet(each, period, f"written over, and {names} left as it was")
    return _not_yet(each, period, "not written since")


def _not_yet(each: Known, period: Period, why: str) -> Item:
    left = each.leaver.entry
    subject, proof = each.subject, (each.learned.index, left.index)
    late = left.time is not None and period.end - left.time > LIMIT
    because = f"{why}, and its days are over" if late else "due, and still in time"
    return Item(subject, False if late else None, because, proof)


CONTROL = ControlTest(
    id="T26",
    title="What a leaver had known is written anew",
    kind=Kind.POP,
    population=(
        "Every secret that a person had read or written whose access was ended in the period"
    ),
    procedure=(
        "From the whole log took what each leaver was ever served or wrote, as themselves, as "
        "who was merged into them, or by a token that they made; of each path the value written "
        "last of these, and the next entry that wrote the path. Compared its time with that of "
        "the leaving."
    ),
    holds_when=(
        "Each was written over after the value that the leaver knew, within the days there are, "
        "so that no field of it has the value of then; or they were back by then."
    ),
    limits=(
        "That a value was changed where it is used is not seen; nor that a field has another name "
        "now. A field that need not be secret, such as a user's name, counts as any other. Secrets "
        "of engines that make them anew each time end with their leases."
    ),
    parameters={"limit_days": LIMIT.days},
    evaluate=evaluate,
)
