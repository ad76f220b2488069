"""Populations: everything of one kind, with what shows that nothing of it was left out.

A population from the log is a filter over contiguous entries: whoever has the log can count
again. One from the state is what the database holds at one moment, and is frozen by its root.

Form    A row is one line of canonical JSON. The frozen root is the RFC 6962 tree over the lines.
Trust   Rows hold names, paths and digests; never a value.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from strongroom.base.clock import rfc3339
from strongroom.core.records import MOUNTS
from strongroom.core.server import Server
from strongroom.evidence.access_facts import Facts
from strongroom.evidence.identity_facts import IdentityFacts
from strongroom.evidence.log_reading import LogReading
from strongroom.evidence.times import time_of
from strongroom.evidence.verify import ran
from strongroom.identity.governance.break_glass import CASES, Case
from strongroom.identity.governance.break_glass import state_of as state_of_case
from strongroom.identity.governance.campaigns import (
    CAMPAIGNS,
    LINE_DECISIONS,
    LINES,
    state_of_line,
)
from strongroom.identity.governance.documents import ACKNOWLEDGEMENTS
from strongroom.identity.governance.exceptions import EXCEPTIONS
from strongroom.identity.governance.exceptions import state_of as state_of_exception
from strongroom.identity.governance.training import COMPLETIONS, COURSES
from strongroom.identity.governance.vendors import VENDORS
from strongroom.sdk.batch_tokens import MAKING, batch_token_of
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.storage.register import micros
from strongroom.storage.transaction import Transaction

CHUNK = 1000
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
LIVE_TOKENS: Final = "SELECT count(*) FROM token WHERE expires_at IS NULL OR expires_at > ?"
BATCH_MADE: Final = b'"token_type":"batch"'
LIFE: Final = re.compile(rb'"ttl":([0-9]{1,11})[,}]')
CELLS_OF = (
    "SELECT key, fingerprint, entry FROM cell WHERE mount = ? AND key > ? ORDER BY key LIMIT ?"
)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where rows come from."""

    server: Server
    log: LogReading


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What a population is, in words and as the query that gave it.

    `codes` are prefixes of event codes where the rows are entries of the log, `to_pack` says
    that they reach beyond the period, up to the pack. `columns` are name and kind: "text",
    "number", "time".
    """

    id: str
    title: str
    words: str
    columns: Mapping[str, str]
    rows: Callable[[Sources, Period], AsyncIterator[Row]]
    counted: Callable[[Sources, Period], Awaitable[int]]  # the same number by another way
    counts: str  # what that way is, in words
    codes: tuple[str, ...] = ()
    to_pack: bool = False
    feeds: tuple[str, ...] = ()

    def query(self, period: Period) -> str:
        """Return what was asked, so that it can be asked again."""
        if not self.codes:
            return f"{self.words}\nsource: state of the database when the pack was made\n"
        end = (
            "the last that the pack was made of"
            if self.to_pack
            else f"the last entry with unmapped.time < {rfc3339(period.end)}"
        )
        names = " or ".join(f"'{code}'" for code in self.codes)
        return (
            f"{self.words}\nsource: entries of the log\n"
            f"where: from the first entry with unmapped.time >= {rfc3339(period.start)}\n"
            f"up to: {end}; by index, whatever the times in between\n"
            f"and: metadata.event_code begins with {names}\n"
        )


LOG_COLUMNS = {
    "index": "number",
    "time": "time",
    "actor": "text",
    "event": "text",
    "operation": "text",
    "path": "text",
    "outcome": "text",
    "source": "text",
    "rules": "text",
}


def row_of(entry: LogEntry) -> Row:
    """Return an entry as a row of a population."""
    return {
        "index": entry.index,
        "time": rfc3339(entry.time) if entry.time else "",
        "actor": entry.actor or "",
        "event": entry.code,
        "operation": entry.operation or "",
        "path": entry.path or "",
        "outcome": {True: "ok", False: "refused or failed", None: ""}[entry.ok],
        "source": entry.source or "",
        "rules": ", ".join(map(str, entry.own.get("rules") or ()))
        + (", and more: the entry was cut" if entry.lacks("rules") else ""),
    }


CHANGE_COLUMNS = {
    **LOG_COLUMNS,
    "change": "text",
    "requesters": "text",
    "approvers": "text",
    "ticket": "text",
    "emergency": "text",
    "difference": "text",
}


async def _changes(sources: Sources, period: Period) -> AsyncIterator[Row]:
    async for entry in sources.log.entries(period.start, period.end, CHANGES):
        own = entry.own
        named = (own.get("change"), own.get("change_proposed"), own.get("proposal"))
        difference = own.get("difference") or own.get("change_difference") or ""
        emergency = own.get("emergency") or own.get("change_emergency")
        yield {
            **row_of(entry),
            "change": next((each for each in named if isinstance(each, str)), ""),
            "requesters": _joined(own.get("requesters") or own.get("change_by")),
            "approvers": _joined(own.get("approvers")),
            "ticket": str(own.get("ticket", "")),
            "emergency": "yes" if emergency else "",
            "difference": str(difference),
        }


def _joined(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else ""


def _of_log(*codes: str, to_pack: bool = False) -> Callable[[Sources, Period], AsyncIterator[Row]]:
    async def rows(sources: Sources, period: Period) -> AsyncIterator[Row]:
        end: datetime | None = None if to_pack else period.end
        async for entry in sources.log.entries(period.start, end, codes):
            yield row_of(entry)

    return rows


def _marks(*codes: str, to_pack: bool = False) -> Callable[[Sources, Period], Awaitable[int]]:
    async def count(sources: Sources, period: Period) -> int:
        """Count the leaves that hold the name of such an event, without decoding them."""
        marks = [b'"event_code":"' + code.encode() for code in codes]
        first, end = await stretch(sources.log, period, to_pack=to_pack)
        found = 0
        async for _, leaf in sources.log.leaves(first, end):
            found += any(mark in leaf for mark in marks)
        return found

    return count


async def stretch(log: LogReading, period: Period, *, to_pack: bool) -> tuple[int, int]:
    """Return the indexes from which and up to which a population's entries come."""
    return await log.stretch(period.start, None if to_pack else period.end)


def _in_sql(sql: str) -> Callable[[Sources, Period], Awaitable[int]]:
    async def count(sources: Sources, _: Period) -> int:
        values = (micros(sources.server.clock.now()),) if "?" in sql else ()
        [[found]] = await sources.server.database.rows(sql, values)
        return int(found)

    return count


async def _secrets(sources: Sources, _: Period) -> AsyncIterator[Row]:
    """Give every stored key of every mount, with its fingerprint and the entry that wrote it."""
    tx = Transaction(sources.server.database, sources.server.barrier)
    for mount in (await tx.examine(MOUNTS))[0]:  # T02 names the others
        after = ""
        while True:
            found = await tx.reader.rows(CELLS_OF, (mount.uuid, after, CHUNK))
            for key, fingerprint, entry in found:
                yield {
                    "mount": mount.path,
                    "kind": mount.kind,
                    "key": key,
                    "fingerprint": bytes(fingerprint).hex() if fingerprint else "",
                    "entry": entry,
                }
            if len(found) < CHUNK:
                break
            after = found[-1][0]


async def _tokens(sources: Sources, _: Period) -> AsyncIterator[Row]:
    """Give the live service tokens by their rows, then the batch tokens by the log."""
    facts = Facts(sources.server)
    async for token in facts.live():
        end = token.expires_at
        yield {
            "accessor": token.accessor,
            "type": "service",
            "made_at": token.path,
            "holder": token.entity,
            "policies": ", ".join(token.policies),
            "issued": rfc3339(token.issued_at),
            "seconds": _seconds(end - token.issued_at if end else None),
            "expires": rfc3339(end) if end else "never",
            "ended": "",
            "entry": -1 if token.entry is None else token.entry,
        }
    now = sources.server.clock.now()
    async for entry in sources.log.entries(BEGINNING, None, MAKING):
        batch = batch_token_of(entry)
        if batch is None or batch.ends_at is None or batch.ends_at <= now:
            continue
        bearing = await facts.bearing(batch)
        yield {
            "accessor": "",
            "type": "batch",
            "made_at": batch.path,
            "holder": batch.entity or batch.made_by,
            "policies": ", ".join(batch.policies),
            "issued": rfc3339(batch.made_at),
            "seconds": _seconds(batch.ttl),
            "expires": rfc3339(batch.ends_at),
            "ended": bearing.because,
            "entry": batch.entry,
        }


def _seconds(life: timedelta | None) -> int:
    return -1 if life is None else int(life.total_seconds())


async def _count_tokens(sources: Sources, period: Period) -> int:
    """Count the rows of the table, and the leaves that made a batch token which is not over."""
    found = await _in_sql(LIVE_TOKENS)(sources, period)
    now = sources.server.clock.now()
    async for _, leaf in sources.log.leaves(*await sources.log.stretch(BEGINNING, None)):
        if BATCH_MADE in leaf and b'"status_id":1,' in leaf:
            life, time = LIFE.search(leaf), time_of(leaf)
            if life and time and time + timedelta(seconds=int(life[1])) > now:
                found += 1
    return found


async def _people(sources: Sources, _: Period) -> AsyncIterator[Row]:
    facts = IdentityFacts(sources.server)
    kinds: dict[str, set[str]] = {}
    for factor in await facts.factors():
        if not factor.problem and not factor.disabled:
            kinds.setdefault(factor.entity, set()).add(factor.kind)
    for person in await facts.people():
        yield {
            "entity": person.entity,
            "name": person.name,
            "worker": "" if person.problem else person.worker,
            "state": person.problem or ("active" if person.active else "not active"),
            "factors": ", ".join(sorted(kinds.get(person.entity, ()))),
            "policies": ", ".join(person.policies),
            "created": _when(person.created_at),
            "ends": _when(person.ends_at),
            "left": _when(person.left_at),
            "entry": -1 if person.entry is None else person.entry,
        }


async def _workloads(sources: Sources, _: Period) -> AsyncIterator[Row]:
    for each in await IdentityFacts(sources.server).workloads():
        yield {
            "entity": each.entity,
            "name": each.name,
            "state": each.problem or ("active" if each.active else "not active"),
            "owner": each.owner,
            "vendor": each.vendor,
            "created": _when(each.created_at),
            "ends": _when(each.ends_at),
            "left": _when(each.left_at),
            "entry": -1 if each.entry is None else each.entry,
        }


async def _duties(sources: Sources, _: Period) -> AsyncIterator[Row]:
    """Give completions of courses, acknowledgements of documents, and vendors."""
    tx = Transaction(sources.server.database, sources.server.barrier)
    courses = {course.name: course for course in (await tx.examine(COURSES))[0]}
    for done in (await tx.examine(COMPLETIONS, order="id"))[0]:
        course = courses.get(done.course)
        until = None if course is None else done.completed_at + course.validity
        yield {
            "kind": "training",
            "who": done.entity,
            "what": done.course,
            "version": done.version,
            "date": rfc3339(done.completed_at),
            "until": _when(until),
            "by": done.recorded_by,
            "state": "taken back" if done.void_at is not None else "",
            "entry": -1 if done.entry is None else done.entry,
        }
    for read in (await tx.examine(ACKNOWLEDGEMENTS))[0]:
        yield {
            "kind": "acknowledgement",
            "who": read.entity,
            "what": read.document,
            "version": str(read.version),
            "date": rfc3339(read.at),
            "until": "",
            "by": read.entity,
            "state": "",
            "entry": -1 if read.entry is None else read.entry,
        }
    for vendor in (await tx.examine(VENDORS, order="name"))[0]:
        yield {
            "kind": "vendor",
            "who": vendor.name,
            "what": vendor.report,
            "version": f"tier {vendor.tier}",
            "date": _when(vendor.assessed_at),
            "until": _when(vendor.assess_again_at),
            "by": vendor.owner,
            "state": vendor.state,
            "entry": -1 if vendor.entry is None else vendor.entry,
        }


async def _cases(sources: Sources, _: Period) -> AsyncIterator[Row]:
    now = sources.server.clock.now()
    async for case in _every_case(sources):
        yield {
            "id": case.id,
            "drill": "yes" if case.drill else "no",
            "holder": case.holder,
            "reason": case.reason,
            "of": ", ".join((*case.paths, *case.groups)),
            "notified": ", ".join(case.notified),
            "opened": rfc3339(case.opened_at),
            "ended": rfc3339(case.ends_at),
            "extended_by": ", ".join(each.by for each in case.extensions),
            "closed": _when(case.closed_at),
            "done": case.done,
            "secrets": case.touched,
            "reviewed": _when(case.reviewed_at),
            "reviewer": case.reviewer,
            "verdict": case.verdict,
            "findings": "; ".join(case.findings),
            "state": state_of_case(case, now),
            "entry": -1 if case.entry is None else case.entry,
        }


async def _every_case(sources: Sources) -> AsyncIterator[Case]:
    tx = Transaction(sources.server.database, sources.server.barrier)
    for case in (await tx.examine(CASES, order="id"))[0]:
        yield case


async def _drills(sources: Sources, _: Period) -> AsyncIterator[Row]:
    async for case in _every_case(sources):
        if not case.drill:
            continue
        took = None if case.first_read_at is None else case.first_read_at - case.opened_at
        yield {
            "scenario": f"break-glass, by the rule {case.rule}",
            "who": case.holder,
            "date": rfc3339(case.opened_at),
            "measured": "" if took is None else f"{took.total_seconds():g} s to the first read",
            "target": f"{case.target.total_seconds():g} s",
            "entry": -1 if case.entry is None else case.entry,
        }


async def _exceptions(sources: Sources, _: Period) -> AsyncIterator[Row]:
    tx = Transaction(sources.server.database, sources.server.barrier)
    now = sources.server.clock.now()
    for row in (await tx.examine(EXCEPTIONS, order="id"))[0]:
        yield {
            "id": row.id,
            "control": row.control,
            "subject": row.subject,
            "type": row.kind,
            "reason": row.reason,
            "compensating": "; ".join(row.compensating),
            "owner": row.owner,
            "asked_by": ", ".join(row.asked_by),
            "approved_by": ", ".join(row.approved_by),
            "begins": rfc3339(row.begins_at),
            "expires": rfc3339(row.expires_at),
            "ended": _when(row.ended_at),
            "target": _when(row.target_at),
            "state": state_of_exception(row, now),
            "entry": -1 if row.entry is None else row.entry,
        }


def _when(moment: datetime | None) -> str:
    return rfc3339(moment) if moment is not None else ""


async def _reviews(sources: Sources, _: Period) -> AsyncIterator[Row]:
    tx = Transaction(sources.server.database, sources.server.barrier)
    for campaign in (await tx.examine(CAMPAIGNS, order="id"))[0]:
        said, _broken = await tx.examine(LINE_DECISIONS, campaign=campaign.id, order="line, number")
        last = {each.line: each for each in said}
        for line in (await tx.examine(LINES, campaign=campaign.id))[0]:
            word = last.get(line.number)
            yield {
                "campaign": campaign.id,
                "title": campaign.title,
                "line": line.number,
                "holder": line.holder_name,
                "entity": line.holder,
                "kind": line.kind,
                "grant": line.name,
                "policies": ", ".join(line.policies),
                "reason": line.reason,
                "approval": line.approval,
                "uses": line.uses,
                "last_use": line.last_use_at,
                "flags": ", ".join(line.flags),
                "state": state_of_line(word),
                "reviewer": word.decided_by if word else "",
                "because": word.because if word else "",
                "decided": _when(word.decided_at) if word else "",
                "executed": word.executed if word else "",
                "proof": word.proof if word else "",
                "probe": word.proof_entry if word else -1,
                "digest": line.digest,
                "entry": -1 if line.entry is None else line.entry,
            }


async def _runs(sources: Sources, period: Period) -> AsyncIterator[Row]:
    async for entry in sources.log.entries(period.start, None, ("control.run",)):
        own = entry.own
        yield {
            **ran(entry.index, own),
            "time": rfc3339(entry.time) if entry.time else "",
            "population": int(own.get("population", 0)),
            "result_sha256": str(own.get("result_sha256", "")),
        }


ENDINGS = ("person.leave", "workload.decommission", "vendor.leave", "leaver.", "scim.user.")
ASKING = ("registration.", "access_request.", "grant.", "approval_rule.")
CHANGES = (
    *("policy.", "mount.", "environment.", "entity.", "seal.", "token.role", "clock."),
    *("change.", "change_rule.", "change_settings.", "approval_rule."),
)

POPULATIONS = (
    Population(
        id="P01",
        title="People",
        words="Everybody who is registered as a person, also who has left, with their factors.",
        columns={
            "entity": "text",
            "name": "text",
            "worker": "text",
            "state": "text",
            "factors": "text",
            "policies": "text",
            "created": "text",
            "ends": "text",
            "left": "text",
            "entry": "number",
        },
        rows=_people,
        counted=_in_sql("SELECT count(*) FROM person"),
        counts="rows of the table, counted by the database",
        feeds=("T06", "T07", "T08", "T25", "T28"),
    ),
    Population(
        id="P02",
        title="Workloads",
        words="Everything that is registered as a workload, also what is decommissioned.",
        columns={
            "entity": "text",
            "name": "text",
            "state": "text",
            "owner": "text",
            "vendor": "text",
            "created": "text",
            "ends": "text",
            "left": "text",
            "entry": "number",
        },
        rows=_workloads,
        counted=_in_sql("SELECT count(*) FROM workload"),
        counts="rows of the table, counted by the database",
        feeds=("T10", "T23", "T27", "T28"),
    ),
    Population(
        id="P03",
        title="Stored secrets",
        words="Every key of every mount's store, with the entry of the log that last wrote it.",
        columns={
            "mount": "text",
            "kind": "text",
            "key": "text",
            "fingerprint": "text",
            "entry": "number",
        },
        rows=_secrets,
        counted=_in_sql("SELECT count(*) FROM cell c JOIN mount m ON m.uuid = c.mount"),
        counts="rows of the table, counted by the database",
        feeds=("T02", "T03"),
    ),
    Population(
        id="P05",
        title="Requests for identities and for access, and what was decided",
        words=(
            "Every request that asks for a registration or for access, decides on one, ends a "
            "grant, or reads or writes a rule of approvals; refused ones too."
        ),
        columns=LOG_COLUMNS,
        rows=_of_log(*ASKING),
        counted=_marks(*ASKING),
        counts="leaves that name such an event, counted without decoding them",
        codes=ASKING,
        feeds=("T20", "T21", "T22", "T41", "T42"),
    ),
    Population(
        id="P06",
        title="Break-glass cases",
        words="Every case of break-glass that was ever opened, and what became of it.",
        columns={
            "id": "text",
            "drill": "text",
            "holder": "text",
            "reason": "text",
            "of": "text",
            "notified": "text",
            "opened": "time",
            "ended": "time",
            "extended_by": "text",
            "closed": "text",
            "done": "text",
            "secrets": "number",
            "reviewed": "text",
            "reviewer": "text",
            "verdict": "text",
            "findings": "text",
            "state": "text",
            "entry": "number",
        },
        rows=_cases,
        counted=_in_sql("SELECT count(*) FROM break_glass_case"),
        counts="rows of the table, counted by the database",
        feeds=("T43", "T44"),
    ),
    Population(
        id="P07",
        title="Changes of policies, mounts, environments, rules and the seal",
        words=(
            "Every request that reads or changes how the server is set up, proposes such a change "
            "or decides on one; refused ones too. `change` is the one that a write was made by, or "
            "that is proposed or decided on; its difference is named by its digest."
        ),
        columns=CHANGE_COLUMNS,
        rows=_changes,
        counted=_marks(*CHANGES),
        counts="leaves that name such an event, counted without decoding them",
        codes=CHANGES,
        feeds=("T17", "T34", "T36", "T80", "T81"),
    ),
    Population(
        id="P08",
        title="Access to secrets",
        words="Every request for a secret: read, list, write, delete; refused ones too.",
        columns=LOG_COLUMNS,
        rows=_of_log("secret."),
        counted=_marks("secret."),
        counts="leaves that name such an event, counted without decoding them",
        codes=("secret.",),
        feeds=("T37", "T62", "T63", "T64"),
    ),
    Population(
        id="P09",
        title="Lines of access reviews",
        words=(
            "Every line of every access review: what somebody held when it was begun, with its "
            "uses, who decided what on it, what was done, and the probe behind it."
        ),
        columns={
            "campaign": "text",
            "title": "text",
            "line": "number",
            "holder": "text",
            "entity": "text",
            "kind": "text",
            "grant": "text",
            "policies": "text",
            "reason": "text",
            "approval": "text",
            "uses": "number",
            "last_use": "text",
            "flags": "text",
            "state": "text",
            "reviewer": "text",
            "because": "text",
            "decided": "text",
            "executed": "text",
            "proof": "text",
            "probe": "number",
            "digest": "text",
            "entry": "number",
        },
        rows=_reviews,
        counted=_in_sql("SELECT count(*) FROM review_line"),
        counts="rows of the table, counted by the database",
        feeds=("T33", "T38", "T39"),
    ),
    Population(
        id="P12",
        title="Live tokens",
        words=(
            "Every service token that would be accepted when the pack was made, by accessor; and "
            "every batch token whose time was not over then. Those are in no table: they are from "
            "the entries that made them, of the whole log, and `ended` says what they have ended "
            "with before their time, or why nobody can say. Not here is a login or creation whose "
            "entry does not say what token it gave, and for how long: T11 names those."
        ),
        columns={
            "accessor": "text",
            "type": "text",
            "made_at": "text",
            "holder": "text",
            "policies": "text",
            "issued": "time",
            "seconds": "number",
            "expires": "text",
            "ended": "text",
            "entry": "number",
        },
        rows=_tokens,
        counted=_count_tokens,
        counts=(
            "rows of the table, counted by the database, and leaves that made a batch token which "
            "is not over, counted without decoding them"
        ),
        feeds=("T10", "T11", "T12"),
    ),
    Population(
        id="P17",
        title="Leavers, and workloads that are no more",
        words="What ends somebody's access, users over SCIM, and each look for what was left.",
        columns=LOG_COLUMNS,
        rows=_of_log(*ENDINGS),
        counted=_marks(*ENDINGS),
        counts="leaves that name such an event, counted without decoding them",
        codes=ENDINGS,
        feeds=("T25", "T26", "T27", "T92"),
    ),
    Population(
        id="P18",
        title="Drills",
        words="Every drill that was ever begun: of what, by whom, and what was measured.",
        columns={
            "scenario": "text",
            "who": "text",
            "date": "time",
            "measured": "text",
            "target": "text",
            "entry": "number",
        },
        rows=_drills,
        counted=_in_sql("SELECT count(*) FROM break_glass_case WHERE drill = 1"),
        counts="rows of the table, counted by the database",
        feeds=("T44",),
    ),
    Population(
        id="P19",
        title="Training, acknowledgements and vendors",
        words=(
            "Every completion of a course, also one taken back; every acknowledgement of a "
            "version of a document; every vendor with its last assessment, also one that left."
        ),
        columns={
            "kind": "text",
            "who": "text",
            "what": "text",
            "version": "text",
            "date": "text",
            "until": "text",
            "by": "text",
            "state": "text",
            "entry": "number",
        },
        rows=_duties,
        counted=_in_sql(
            "SELECT (SELECT count(*) FROM completion) + (SELECT count(*) FROM acknowledgement)"
            " + (SELECT count(*) FROM vendor)"
        ),
        counts="rows of the three tables, counted by the database",
        feeds=("T89", "T90", "T91"),
    ),
    Population(
        id="P20",
        title="Exceptions",
        words="Every exception of a control that was ever approved, also those that are over.",
        columns={
            "id": "text",
            "control": "text",
            "subject": "text",
            "type": "text",
            "reason": "text",
            "compensating": "text",
            "owner": "text",
            "asked_by": "text",
            "approved_by": "text",
            "begins": "time",
            "expires": "time",
            "ended": "text",
            "target": "text",
            "state": "text",
            "entry": "number",
        },
        rows=_exceptions,
        counted=_in_sql("SELECT count(*) FROM control_exception"),
        counts="rows of the table, counted by the database",
    ),
    Population(
        id="P22",
        title="Runs of control tests",
        words="Every run of a control test from the period's start on, whatever it was over.",
        columns={
            "index": "number",
            "time": "time",
            "run": "text",
            "control": "text",
            "period_start": "time",
            "period_end": "time",
            "verdict": "text",
            "population": "number",
            "exceptions": "number",
            "definition": "text",
            "result_sha256": "text",
        },
        rows=_runs,
        counted=_marks("control.run", to_pack=True),
        counts="leaves that name such an event, counted without decoding them",
        codes=("control.run",),
        to_pack=True,
    ),
)
