"""T21: who approves is never who asked.

Population  Every approval of the period: of access, registrations, changes, documents, exceptions.
Holds when  Its giver is none of those who asked, by entity id: neither the one who wrote it, nor
            who made the token that it was written with, nor anybody that one of them was merged
            into by the end of the period; and no made token approved.
Not judged  An approval of which no entry says who asked, or whose entry was cut.
Trust       The server refuses more than the log can show: aliases, and who could have signed in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from strongroom.sdk.approvals import APPROVE, CODES, Approvals, proposal_of
from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.knowing import Same

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each approval."""
    first, end = await evidence.log.stretch(period.start, period.end)
    story, same = Approvals(), Same()
    given: list[LogEntry] = []
    async for entry in evidence.log.entries(BEGINNING, period.end, CODES):
        if entry.index >= end:
            continue
        story.follow(entry)
        same.follow(entry)
        if entry.ok and entry.code.endswith(APPROVE) and entry.index >= first:
            given.append(entry)
    for entry in given:
        yield _judge(entry, story, same)


def _judge(entry: LogEntry, story: Approvals, same: Same) -> Item:
    id_, proof = proposal_of(entry), (entry.index,)
    subject = f"{entry.code} at entry {entry.index}"
    if not id_ or entry.lacks("proposal", "registration", "makers"):
        return Item(subject, None, "the entry was cut: what it approves is not in it", proof)
    if entry.own.get("makers"):
        return Item(subject, False, "approved by a token that somebody made", proof)
    asked = story.asked[id_].requesters
    if not asked:
        return Item(subject, None, "no entry says who asked", proof)
    who = entry.actor or ""
    if who in asked:
        return Item(subject, False, "approved by who asked for it", proof)
    if same.now(who) in {same.now(each) for each in asked}:
        return Item(subject, False, "approved by an entity that is the requester's now", proof)
    return Item(subject, True, f"asked by {len(asked)}, approved by another", proof)


CONTROL = ControlTest(
    id="T21",
    title="Approver is never requester",
    kind=Kind.POP,
    population="Every approval of the period, of whatever kind",
    procedure=(
        "From the whole log took everything that was asked for, with all who asked, and each "
        "approval. Joined the two on ids of entities, followed through every merge up to the end "
        "of the period."
    ),
    holds_when="No approval was given by who asked, nor by an entity that is theirs since.",
    limits=(
        "Two entities of one person that were never merged are two people here; the server refuses "
        "those whose aliases tell, which the log does not show."
    ),
    evaluate=evaluate,
)
