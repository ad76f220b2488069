"""T80: what a change rule covers is written as another person approved, and not otherwise.

Population  Every write of the period that policy judged, and that a change rule in force at its
            place of the log covered. Those of emergencies are judged by T81.
Holds when  It names a change; an earlier entry proposed that change, with a reason, and what was
            shown of it; an earlier entry approved the revision, for writes of just this digest;
            and whoever approved did not ask.
Not judged  A write, or a change, whose entries were cut.
Trust       Rules are replayed from the log: one that was changed in the database beside it is not
            seen here, but by the server, which then covers every area.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from strongroom.sdk.change_log import CODES, Changes, ChangeStory, operation_of
from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each write that was covered."""
    story = Changes()
    first, end = await evidence.log.stretch(period.start, period.end)
    async for entry in evidence.log.entries(BEGINNING, period.start, CODES):
        if entry.index < first:
            story.follow(entry)
    async for entry in evidence.log.entries(period.start, period.end):
        if not first <= entry.index < end:
            continue
        if _is_judged(entry) and story.covered(entry):
            item = _judge(entry, story)
            if item is not None:
                yield item
        story.follow(entry)
    if story.unknown:
        yield Item("the change rules", None, "an entry of a rule was cut: what it covered is lost")


def _is_judged(entry: LogEntry) -> bool:
    """Say whether policy let a write pass: the server's own acts, and logins, have no rules."""
    own = entry.own
    return bool(entry.ok and operation_of(entry) and (own.get("rules") or entry.lacks("rules")))


def _judge(entry: LogEntry, story: Changes) -> Item | None:
    subject = f"{entry.code} {entry.path} (entry {entry.index})"
    id_, digest = entry.own.get("change"), entry.own.get("change_digest")
    if entry.lacks("change", "change_digest"):
        return Item(subject, None, "the entry was cut: its change is not in it", (entry.index,))
    if not isinstance(id_, str):
        because = "written without an approved change, though a rule covered it"
        return Item(subject, False, because, (entry.index,))
    change = story.changes.get(id_)
    if change is None:
        return Item(subject, False, "no entry proposed its change", (entry.index,))
    if change.emergency:
        return None
    proof = (*change.proof, entry.index)
    if change.cut:
        return Item(subject, None, "an entry of its change was cut", proof)
    problem = _problem(change, digest)
    if problem or change.approved is None:
        return Item(subject, False, problem, proof)
    return Item(subject, True, f"approved at entry {change.approved.index} by another", proof)


def _problem(change: ChangeStory, digest: object) -> str:
    """Say why a change did not let a write pass; nothing where it did."""
    if change.approved is None:
        return "its change was not approved before"
    if digest not in change.digests:
        return "the approved change says another write"
    if change.approvers & change.requesters or not change.approvers:
        return "approved by who asked for it, or by nobody"
    if not change.reasoned:
        return "nobody said why"
    return "" if change.difference else "no entry says what was shown of it"


CONTROL = ControlTest(
    id="T80",
    title="Changes approved by another",
    kind=Kind.POP,
    population=(
        "Every write of the period that a change rule covered when it was made, but those of "
        "emergencies"
    ),
    procedure=(
        "From the whole log replayed the change rules, and every change with who proposed and who "
        "approved it. For each write of the period that a rule in force covered, looked for the "
        "change that its entry names, and compared the digests."
    ),
    holds_when=(
        "Each names a change with a reason and a recorded difference, whose approval by somebody "
        "who did not ask stands before it in the log, for writes of the same digest."
    ),
    limits=(
        "What no rule covers is not in the population: T80 says nothing where no rule is on. That "
        "the approver understood the difference is not seen."
    ),
    evaluate=evaluate,
)
