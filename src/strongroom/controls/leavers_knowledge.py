"""T26: what a leaver had read is written anew.

Population  Every static secret that somebody had read whose access was ended in the period, as a
            person.
Holds when  It was written after the last time that they read it, before they left or within the
            days that there are for it.
Not judged  One whose days are not over; an entry of a read that was cut; an ending that was cut.
Trust       It is as complete as the log: what was handed on by others is not in it. There is no
            register of accepted ones yet: what stays as it was is an exception.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.leavers import BEGINNING, PERSON, Ended, endings

LIMIT = timedelta(days=7)
READ = "secret.read"
WRITTEN = ("secret.write", "secret.patch")


@dataclass
class Known:
    """A secret that a leaver had read, the last time, and what wrote it since."""

    leaver: Ended
    read: LogEntry
    written: LogEntry | None = None


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each secret of each leaver."""
    first, _ = await evidence.log.stretch(period.start, period.end)
    leaving = await endings(period, evidence, PERSON)
    for index in leaving.cut:
        if index >= first:
            yield Item(f"entry {index}", None, "was cut: whose ending it is is not in it", (index,))
    leavers = {who: e for who, e in leaving.ended.items() if e.entry.index >= first}
    if not leavers:
        return
    known: dict[tuple[str, str], Known] = {}
    async for entry in evidence.log.entries(BEGINNING, None, (READ, *WRITTEN)):
        if entry.ok and entry.code == READ and entry.actor in leavers and entry.lacks("path"):
            because = "a read that was cut: of which secret is not in it"
            yield Item(f"entry {entry.index}", None, because, (entry.index,))
        elif entry.ok:
            _follow(entry, leavers, known)
    for (who, path), each in known.items():
        yield _judge(f"{path}, read by {who}", each, period)


def _follow(
    entry: LogEntry, leavers: Mapping[str, Ended], known: dict[tuple[str, str], Known]
) -> None:
    who, path = entry.actor or "", entry.path or ""
    if entry.code == READ and who in leavers:
        known[who, path] = Known(leavers[who], entry)
        return
    for each in known.values() if entry.code in WRITTEN else ():
        if each.read.path == path and each.written is None:
            each.written = entry


def _judge(subject: str, each: Known, period: Period) -> Item:
    left, proof = each.leaver.entry, (each.read.index, each.leaver.entry.index)
    if each.written is None:
        late = left.time is not None and period.end - left.time > LIMIT
        because = "not written since, and its days are over" if late else "due, and still in time"
        return Item(subject, False if late else None, because, proof)
    seen = (*proof, each.written.index)
    if each.written.index < left.index:
        return Item(subject, True, "written anew before they left", seen)
    if left.time is None or each.written.time is None:
        return Item(subject, None, "written anew, and an entry has no time", seen)
    after = each.written.time - left.time
    return Item(subject, after <= LIMIT, f"written anew {after} after they left", seen)


CONTROL = ControlTest(
    id="T26",
    title="What a leaver had read is written anew",
    kind=Kind.POP,
    population="Every secret that a person had read whose access was ended in the period",
    procedure=(
        "From the whole log took what each leaver was ever served, and the next entry that wrote "
        "the same path. Compared its time with that of the leaving."
    ),
    holds_when="Each was written anew since the leaver last read it, within the days there are.",
    limits=(
        "That a value was really changed, and changed where it is used, is not seen: only that "
        "it was written. Secrets of engines that make them anew each time end with their leases."
    ),
    parameters={"limit_days": LIMIT.days},
    evaluate=evaluate,
)
