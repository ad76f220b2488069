"""T20: nobody has a credential before another person approved the registration.

Population  Every person and workload that was registered, logged in for the first time, or was
            brought back or made another after an approval, in the period; every approval by which
            somebody came back, or enrols anew.
Holds when  A request to register it was approved, by somebody who signed in, did not ask, and was
            not written as a person while registrations were required, by SCIM neither; nobody who
            asked made them a person or wrote an alias of theirs, themselves or by a workload that
            they are behind; who asked was registered too; the entry of the approval is before its
            first login; and behind the approval nobody was brought back who had left without
            another one, given a code to enrol by root, or made another by name, address, external
            id, alias, name of the entity or a merger.
            Who came back, or enrols anew, does by an approval of another than who asked.
Not judged  An approval whose entry was cut; a row that is not as it was written.
Trust       Order is that of the log, not of the clock. Who asked and who decided are in the
            entries; that the server refuses one who asked as the decider is of its own code.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.identities import PersonFact, WorkloadFact
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.knowing import Same, actors
from strongroom.sdk.logins import CODES, login_of

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
APPROVE = "registration.approve"
ASK = ("registration.request", "registration.edit")
SETTING = "identity.settings.write"
WRITTEN = ("bootstrap.administrator", "person.write", "scim.user.create", "scim.user.write")
REGISTERS = (*WRITTEN, APPROVE, "workload.write")
CHANGES = (
    *("person.return", "scim.user.patch", "factor.code"),
    *("entity.write", "entity.alias.write", "entity.merge"),
)
CODES_READ = (APPROVE, *REGISTERS, *CHANGES, *ASK, SETTING, *CODES)
FOUNDERS = 2  # people who have to be there before one can approve for the other


@dataclass
class Story:
    """What the log tells of registrations and of first logins."""

    end: int  # of the period, as an index
    approved: dict[str, LogEntry] = field(default_factory=dict)
    asked: dict[str, set[str]] = field(default_factory=dict)
    came: dict[str, LogEntry] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)  # where people first came by a write
    registered: set[str] = field(default_factory=set)  # whom the log tells of as people, workloads
    changed: dict[str, LogEntry] = field(default_factory=dict)  # first, behind an approval
    anew: list[LogEntry] = field(default_factory=list)  # approvals about who is registered
    required: int | None = None  # where registrations were first required
    made: dict[str, set[str]] = field(default_factory=dict)  # who first wrote whom, by the log
    kept: dict[str, set[str]] = field(default_factory=dict)  # and by the rows
    owners: dict[str, str] = field(default_factory=dict)  # of workloads, as of now
    same: Same = field(default_factory=Same)

    def follow(self, entry: LogEntry) -> None:
        """Take over what an entry says."""
        if entry.index >= self.end or not entry.ok:
            return
        self.same.follow(entry)
        registration, who = (str(entry.own.get(name, "")) for name in ("registration", "entity"))
        if entry.code in ASK or entry.own.get("returning"):
            self.asked.setdefault(registration, set()).update(_asking(entry))
        elif entry.code == APPROVE and entry.own.get("about"):  # who is there
            self.anew.append(entry)
            self.made.pop(who, None)
        elif entry.code == APPROVE:
            self.approved.setdefault(who, entry)
        elif who in self.approved and _change(entry):
            self.changed.setdefault(who, entry)
        if entry.code in REGISTERS:
            self.registered.add(str(entry.own.get("entity", "")))
        if entry.code in WRITTEN:
            self._write(entry, who)
        elif (login := login_of(entry)) is not None and _is_entity(login.who):
            self.came.setdefault(login.who, entry)
        if entry.own.get("registration") == "required" and self.required is None:
            self.required = entry.index

    def _write(self, entry: LogEntry, who: str) -> None:
        """Keep who wrote somebody first; whom root writes since are root's."""
        if who not in self.written:
            self.written[who] = entry.index
            self.made[who] = {*actors(entry)} - {who}
        elif entry.actor == "root" and entry.code == "person.write":
            self.made.pop(who, None)

    def refusal_of(self, approval: LogEntry) -> str:
        """Say why somebody should not have approved it; nothing where they could."""
        requesters = self.asked.get(str(approval.own.get("registration", "")), set())
        if approval.actor in requesters:
            return "approved by who asked for it"
        if any(_is_entity(each) and each not in self.registered for each in requesters):
            return "asked for by somebody who is not registered"
        who, founders = approval.actor or "", [*self.written][:FOUNDERS]
        makers = {*self.kept.get(who, ()), *(() if who in founders else self.made.get(who, ()))}
        if self._behind(makers) & self._behind(requesters):
            return "approved by somebody whom who asked for it made, or wrote an alias of"
        return self.problem_of(approval)

    def _behind(self, entities: Iterable[str]) -> set[str]:
        """Return who some entities are now, and the owners of workloads among them."""
        found = {self.same.now(each) for each in entities if _is_entity(each)}
        owners = {self.same.now(self.owners[each]) for each in found if each in self.owners}
        return found | owners

    def problem_of(self, approval: LogEntry) -> str:
        """Say why somebody should not have approved; nothing where they could."""
        if approval.own.get("makers"):
            return "approved by a token that somebody made, and not by who signed in"
        who = approval.actor or ""
        at, founders = self.written.get(who), [*self.written][:FOUNDERS]
        if who in self.approved or who in founders or at is None or self.required is None:
            return ""
        if at < self.required:
            return ""
        return f"approved by somebody whose own registration nobody approved (entry {at})"


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each that is new."""
    first, end = await evidence.log.stretch(period.start, period.end)
    story = Story(end)
    async for entry in evidence.log.entries(BEGINNING, period.end, CODES_READ):
        story.follow(entry)
        if entry.code == APPROVE and entry.ok and entry.lacks("entity", "registration"):
            because = "an approval that was cut: whom it made is not in it"
            yield Item(f"entry {entry.index}", None, because, (entry.index,))
    rows: list[PersonFact | WorkloadFact] = [*await evidence.identities.people()]
    rows += await evidence.identities.workloads()
    for row in rows:
        if row.problem:
            because = f"not as it was written: {row.problem}"
            yield Item(f"entity {row.entity}", None, because)
        elif isinstance(row, WorkloadFact):
            story.owners[row.entity] = row.owner
        else:
            story.kept[row.entity] = {*row.made_by} - {row.entity}
    names = {row.entity: row.name for row in rows}
    story.registered |= {*names}
    sound = [(row.entity, row.created_at) for row in rows if not row.problem]
    made = [who for who, since in sound if since is not None and since in period]
    newly = [who for who, entry in story.came.items() if entry.index >= first]
    others = [who for who, entry in story.changed.items() if entry.index >= first]
    for who in dict.fromkeys((*made, *newly, *others)):
        name = f"{names[who]} ({who})" if names.get(who) else f"entity {who}"
        yield _judge(name, story, who)
    for approval in story.anew:
        if approval.index >= first:
            yield _anew(names, story, approval)


def _is_entity(who: str) -> bool:
    return bool(who) and not who.startswith(("token:", "control:")) and who not in _NOBODY


_NOBODY = ("system", "anonymous", "root")


def _asking(entry: LogEntry) -> set[str]:
    """Return who asks by an entry: its actor, who made the token, and whom the request names."""
    said = entry.own.get("requesters")
    named = [each for each in said if isinstance(each, str)] if isinstance(said, list) else []
    return {*actors(entry), *named}


def _judge(subject: str, story: Story, who: str) -> Item:
    approval, login, asked = story.approved.get(who), story.came.get(who), story.asked
    came = (login.index,) if login is not None else ()
    if approval is None:
        because = "logged in" if came else "registered"
        return Item(subject, False, f"{because}, and no registration was approved", came)
    proof = (approval.index, *came)
    requesters = asked.get(str(approval.own.get("registration", "")), set())
    if not requesters:
        return Item(subject, None, "approved, and no entry says who asked", proof)
    if problem := story.refusal_of(approval):
        return Item(subject, False, problem, proof)
    if login is not None and login.index < approval.index:
        because = f"logged in at entry {login.index}, before it was approved"
        return Item(subject, False, because, proof)
    if changed := story.changed.get(who):
        did = f"{_change(changed)} at entry {changed.index}"
        because = f"{did}, behind the approval; nobody approved that"
        return Item(subject, False, because, (*proof, changed.index))
    later = f", first login at entry {login.index}" if login is not None else ", no login yet"
    return Item(subject, True, f"approved at entry {approval.index}{later}", proof)


def _change(entry: LogEntry) -> str:
    """Say what an entry did to somebody behind an approval; nothing where it did nothing."""
    if entry.own.get("returned"):
        return "brought back"
    if entry.own.get("enrolment_code") == "root":
        return "given a code to enrol"
    return "made another" if entry.own.get("rewritten") else ""


def _anew(names: dict[str, str], story: Story, approval: LogEntry) -> Item:
    who = str(approval.own.get("entity", ""))
    what = "came back" if approval.own.get("returned") else "enrols anew"
    subject = f"{names.get(who) or 'entity'} ({who}) {what}"
    if str(approval.own.get("registration", "")) not in story.asked:
        because = "approved, and no entry says who asked"
        return Item(subject, None, because, (approval.index,))
    if problem := story.refusal_of(approval):
        return Item(subject, False, problem, (approval.index,))
    return Item(subject, True, f"approved at entry {approval.index}", (approval.index,))


CONTROL = ControlTest(
    id="T20",
    title="Approved before anything is issued",
    kind=Kind.POP,
    population=(
        "Every person and workload that was registered in the period, logged in for the first "
        "time in it, or was brought back or made another in it after an approval; and every "
        "approval by which somebody came back or enrols anew"
    ),
    procedure=(
        "From the whole log took every request to register somebody, every approval, and the "
        "first login of each entity. Compared their places, and who asked with who approved; "
        "looked whether those who approved were themselves approved, or there before, and whether "
        "who asked had made them a person or written an alias of theirs, also through a workload."
    ),
    holds_when=(
        "Each was approved by somebody who signed in, did not ask and was rightly there, at an "
        "earlier place of the log than its first login; and nobody was brought back, given a "
        "code to enrol or made another (name, address, external id, alias, name of the entity, "
        "merger) behind the approval without another one. Who came back, or enrols anew, was "
        "approved by another than who asked."
    ),
    limits=(
        "Credentials that were never used, and those handed out beside the server, are not seen. "
        "Who was registered before the period is judged only if they were changed in it. Owners of "
        "workloads are those of the run, and those that were kept with what a workload made. That "
        "the server refuses who could have signed in as the approver is of its own code."
    ),
    evaluate=evaluate,
)
