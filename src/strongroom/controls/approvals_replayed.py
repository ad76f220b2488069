"""T22: each decision is replayed: enough people, distinct, active, and members as of then.

Population  Every request for access that was granted in the period, and every approval rule.
Holds when  Each need of each rule was filled by as many people as it asks for, nobody fills two;
            each has an approval of the very revision before, in the log and in the rows; each was
            an active person then, and in the group whose place they fill. A rule needs somebody.
Not judged  A decision whose entry was cut; one that began before its approval and is due yet.
Trust       Needs and places are in the entry of the decision. Memberships are those of now, with
            what the log says of who was let out since.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from strongroom.base.clock import parse_time
from strongroom.base.errors import InputError
from strongroom.sdk.approvals import CODES, GRANTED_BY, Approvals, names, proposal_of
from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.governance import ApprovalRuleFact, MemberFact
from strongroom.sdk.facts.identities import PersonFact
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
LETS_OUT = ("group.", "person.leave", "leaver.", "entity.")


@dataclass
class Known:
    """What decisions are held against."""

    people: Mapping[str, PersonFact]
    members: Mapping[str, list[MemberFact]]
    stored: set[tuple[str, int, str]]
    let_out: list[LogEntry] = field(default_factory=list)

    def was_active(self, who: str, at: datetime) -> bool:
        """Say whether somebody was an active person then, as far as their row tells."""
        person = self.people.get(who)
        if person is None or person.problem or person.created_at is None:
            return False
        ends = [end for end in (person.left_at, person.ends_at) if end is not None]
        return person.created_at <= at and all(at < end for end in ends)

    def was_in(self, who: str, groups: list[str], at: LogEntry) -> bool:
        """Say whether somebody was in one of these groups, as far as can be told now."""
        if not groups:
            return True
        mine = [each for each in self.members.get(who, ()) if each.group in groups]
        if any(at.time is None or each.since <= at.time for each in mine):
            return True
        return any(_out(each, who, groups) for each in self.let_out if each.index > at.index)


def _out(entry: LogEntry, who: str, groups: list[str]) -> bool:
    """Say whether an entry let somebody out of one of some groups, or may have."""
    own = entry.own
    if who in names(entry, "let_out") or own.get("entity") == who:
        return True
    return entry.code in {"group.delete", "group.write"} and own.get("group") in groups


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each rule, and each decision."""
    for rule in await evidence.governance.rules():
        yield _rule(rule)
    first, end = await evidence.log.stretch(period.start, period.end)
    story, decided = Approvals(), list[LogEntry]()
    known = await _known(evidence)
    async for entry in evidence.log.entries(BEGINNING, None, (*CODES, *LETS_OUT)):
        if entry.ok and entry.code.startswith(LETS_OUT):
            known.let_out.append(entry)
        if entry.index < end:
            story.follow(entry)
            if entry.ok and entry.code in GRANTED_BY and _decides(entry, first):
                decided.append(entry)
    for entry in decided:
        yield _judge(entry, story, known, period)


async def _known(evidence: Evidence) -> Known:
    members: dict[str, list[MemberFact]] = {}
    for each in await evidence.governance.members():
        members.setdefault(each.entity, []).append(each)
    stored = {
        (each.proposal, each.revision, each.approver)
        for each in await evidence.governance.approvals()
        if not each.problem and each.verdict == "approve"
    }
    people = {each.entity: each for each in await evidence.identities.people()}
    return Known(people, members, stored)


def _rule(rule: ApprovalRuleFact) -> Item:
    proof = () if rule.entry is None else (rule.entry,)
    subject = f"rule {rule.name}"
    if rule.problem:
        return Item(subject, None, f"met by nobody: {rule.problem}", proof)
    if not rule.counts or min(rule.counts) < 1:
        return Item(subject, False, "asks for nobody", proof)
    return Item(subject, True, f"asks for {rule.needed}", proof)


def _decides(entry: LogEntry, first: int) -> bool:
    return entry.index >= first and "grant" in entry.own


def _judge(entry: LogEntry, story: Approvals, known: Known, period: Period) -> Item:
    id_ = proposal_of(entry)
    proof: tuple[int, ...] = (entry.index,)
    subject = f"request {id_ or 'unknown'} at entry {entry.index}"
    if not id_ or entry.lacks("places", "proposal", "in_groups", "grant", "due_at"):
        return Item(subject, None, "the entry of the decision was cut", proof)
    asked = story.asked[id_]
    if "due_at" in entry.own:
        return _afterwards(entry, subject, story, period)
    places = entry.own.get("places")
    if not isinstance(places, list) or not places:
        return Item(subject, False, "granted, and the entry names nobody who approved", proof)
    revision = entry.own.get("revision")
    before = [each for each in asked.approvals if each.index <= entry.index]
    said = {each.actor or "": each for each in before if each.own.get("revision") == revision}
    proof = tuple(sorted({*proof, *(each.index for each in said.values())}))
    wrong = _problem(entry, places, said, known)
    if wrong:
        return Item(subject, False, wrong, proof)
    people = sum(len(place["by"]) for place in places)
    return Item(subject, True, f"{people} distinct approvals fill {len(places)} needs", proof)


def _problem(entry: LogEntry, places: list[Any], said: Mapping[str, LogEntry], known: Known) -> str:
    """Say why a decision should not have passed; nothing if it should."""
    seated: list[str] = []
    for place in places:
        if wrong := _unfilled(place, entry, known):
            return wrong
        seated += place["by"]
    if len(set(seated)) < len(seated):
        return "somebody fills two places"
    for who in seated:
        if who not in said:
            return "counts somebody whose approval of this revision is not in the log"
        if (proposal_of(entry), entry.own.get("revision"), who) not in known.stored:
            return "counts an approval of which there is no row as it was written"
        if entry.time is None or not known.was_active(who, entry.time):
            return "counts somebody who was no active person then"
    return ""


def _unfilled(place: Any, entry: LogEntry, known: Known) -> str:
    """Say why a need was not met; nothing if it was."""
    if not isinstance(place, dict) or not isinstance(place.get("by"), list):
        return "the entry does not say who filled which place"
    count, by = place.get("count"), [each for each in place["by"] if isinstance(each, str)]
    if not isinstance(count, int) or count < 1 or len(set(by)) < count or by != place["by"]:
        return f"a need of rule {place.get('rule')} was not met"
    groups = [each for each in place.get("groups", []) if isinstance(each, str)]
    if not all(known.was_in(who, groups, entry) for who in by):
        return "an approver was not in the group whose place they fill"
    return ""


def _afterwards(entry: LogEntry, subject: str, story: Approvals, period: Period) -> Item:
    """Judge what began before its approval, by what followed."""
    asked, due = story.asked[proposal_of(entry)], str(entry.own.get("due_at"))
    after = [each for each in asked.approvals if each.index > entry.index]
    done = next((each for each in after if each.own.get("state") == "approved"), asked.denied)
    proof = (entry.index, *((done.index,) if done is not None else ()))
    try:
        until = parse_time(due, "due_at")
    except InputError:
        return Item(subject, None, "began before its approval, and not told until when", proof)
    if done is not None and done.time is not None and done.time <= until:
        return Item(
            subject, True, f"began before its approval; decided at entry {done.index}", proof
        )
    if done is None and period.end <= until:
        return Item(subject, None, f"began before its approval, which is due by {due}", proof)
    return Item(subject, False, f"began before its approval, which was due by {due}", proof)


CONTROL = ControlTest(
    id="T22",
    title="Approval rule satisfied at decision time",
    kind=Kind.POP,
    population="Every request for access that was granted in the period, and every approval rule",
    procedure=(
        "Replayed each decision from its entry: counted who filled each need, compared them with "
        "the approvals of that revision in the log and in the stored rows, with the register of "
        "people and with the groups, as of the decision. Read every rule."
    ),
    holds_when=(
        "Every need was filled by as many distinct, active people of its groups, each by an "
        "approval of that revision; no rule needs nobody. What began before its approval was "
        "decided in time."
    ),
    limits=(
        "Who was in a group and was let out since is told by entries of groups and of leavers; "
        "how groups were nested then is not rebuilt."
    ),
    evaluate=evaluate,
)
