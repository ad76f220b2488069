"""`strongroom/break-glass…`: help yourself in an emergency, and answer for it afterwards.

    open → (extended by another) → closed, or over by the clock → what was done is said → reviewed

Order   The grant, the case and the notices are one transaction: whoever is told can look at it, and
        what is served by it is so after its entry. It ends by the clock, without a job. What it
        touched is written down and queued for rotation behind its end (`core.governance.duties`).
Trust   To open asks for a rule that lets the person, and for a fresh security key, which no rule of
        step-up switches off; nobody's approval. Everybody who could have approved is told, in their
        inbox and by what notifiers there are; a message that cannot be sent stops nothing, and is
        shown. More time, the review, and a second case beside an overdue review are another
        person's to give (`identity.deciding`). A case gives no more than any other grant could.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.base.wording import check_says
from strongroom.core.governance.covering import Covering
from strongroom.core.governance.duties import told_of
from strongroom.core.governance.explaining import could_approve
from strongroom.core.governance.granting import end_grant, lengthen_grant, make_grant
from strongroom.core.governance.organisation import names_of
from strongroom.core.governance.proposals import MAY_NOT, asker, helpers
from strongroom.core.governance.requests import Access, Asked, RequestRoutes, title_of
from strongroom.core.governance.telling import tell_in
from strongroom.core.governance.touching import Touched, touched_by
from strongroom.core.request import SystemCall
from strongroom.core.rotation_due import DUE, ROTATIONS_DUE
from strongroom.core.server import Server
from strongroom.core.system.bindings import check_unbound
from strongroom.core.system.people import moment
from strongroom.identity.deciding import MayNotDecideError, check_decider, known_as
from strongroom.identity.governance.approving import groups_of
from strongroom.identity.governance.break_glass import (
    CASES,
    CLOSED,
    ENDED,
    JUSTIFIED,
    OPEN,
    REVIEWED,
    RULES,
    STATES,
    VERDICTS,
    BreakGlassRule,
    Case,
    Extension,
    blocking,
    cases_of,
    ending,
    state_of,
)
from strongroom.identity.governance.grants import GRANTABLE
from strongroom.identity.governance.notices import DELIVERIES, NOTICES, REVIEW
from strongroom.identity.governance.rules import needs_of
from strongroom.identity.policy.pattern import Shape, shape
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route

OPENED: Final = "break_glass_opened"
DRILLED: Final = "break_glass_drill"
MOST_LISTED: Final = 1000
MOST_FINDINGS, LONGEST_FINDING = 32, 1024
_LISTS: Final = {"list", "scan"}


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What is needed at once, and why."""

    paths: Annotated[tuple[str, ...], Help("Patterns of request paths: secret/data/app/*.")] = ()
    capabilities: Annotated[
        tuple[str, ...],
        Help("What to do there; none: read.", choices=GRANTABLE, was=("capability",)),
    ] = ()
    groups: Annotated[
        tuple[str, ...], Help("Internal groups whose rights are needed.", was=("roles", "role"))
    ] = ()
    ttl: Annotated[timedelta, Help("For how long; 0: as long as the rule lets.", was=("for",))] = (
        timedelta(0)
    )
    reason: Annotated[str, Help("What the emergency is.", most=4096)] = ""
    rule: Annotated[str, Help("The rule that it goes by; none: the first that fits.", most=64)] = ""
    drill: Annotated[bool, Help("A drill, on the rule's path for that; it takes no others.")] = (
        False
    )


@dataclass(frozen=True, kw_only=True)
class ById:
    """For paths that name a case."""

    id: Annotated[str, Help("Id of the case.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class Extended(ById):
    """More time for somebody else's case."""

    ttl: Annotated[timedelta, Help("How much longer.", was=("for",))]
    because: Annotated[str, Help("Why.", most=4096)] = ""


@dataclass(frozen=True, kw_only=True)
class Done(ById):
    """What was done in a case."""

    done: Annotated[str, Help("What was done, and how it ended.", most=4096)] = ""


@dataclass(frozen=True, kw_only=True)
class Review(ById):
    """What somebody else finds of a case."""

    verdict: Annotated[str, Help("Whether it was justified.", choices=VERDICTS)]
    words: Annotated[str, Help("Why.", most=4096)] = ""
    findings: Annotated[tuple[str, ...], Help("What is to be mended, each a sentence.")] = ()


@dataclass(frozen=True, kw_only=True)
class Waived(ById):
    """Why the holder of an overdue case may open another."""

    because: Annotated[str, Help("Why.", most=4096)] = ""


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which cases."""

    state: Annotated[str, Help("State.", choices=("", *STATES))] = ""
    holder: Annotated[str, Help("Entity of who opened them.", most=512)] = ""
    drills: Annotated[str, Help("Drills: with, without, or only.", choices=("", "no", "only"))] = ""


class BreakGlassRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._requests = RequestRoutes(server)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="break-glass",
                summary="Cases of break-glass; open one.",
                list=Endpoint(Filter, self.ids, "break_glass.list"),
                write=Endpoint(Opened, self.open, "break_glass.open"),
            ),
            Route(
                path="break-glass/self",
                summary="The caller's own cases.",
                list=Endpoint(Filter, self.mine, "break_glass.list"),
            ),
            Route(
                path="break-glass/{id}",
                summary="A case: what is left of it, what it touched, and what is still to do.",
                read=Endpoint(ById, self.show, "break_glass.read"),
            ),
            Route(
                path="break-glass/{id}/extend",
                summary="Give a case of somebody else more time.",
                write=Endpoint(Extended, self.extend, "break_glass.extend"),
            ),
            Route(
                path="break-glass/{id}/close",
                summary="Say what was done in a case, which ends it.",
                write=Endpoint(Done, self.close, "break_glass.close"),
            ),
            Route(
                path="break-glass/{id}/review",
                summary="Review a case of somebody else.",
                write=Endpoint(Review, self.review, "break_glass.review"),
            ),
            Route(
                path="break-glass/{id}/waive",
                summary="Let the holder of a case whose review is overdue open another.",
                write=Endpoint(Waived, self.waive, "break_glass.waive"),
            ),
        )

    # -- reading

    async def ids(self, call: SystemCall, given: Filter) -> Reply:
        tx = call.transaction
        rows = await (tx.all(CASES, holder=given.holder) if given.holder else tx.all(CASES))
        return await self._listed(call, rows, given)

    async def mine(self, call: SystemCall, given: Filter) -> Reply:
        return await self._listed(call, await cases_of(call.transaction, await asker(call)), given)

    async def _listed(self, call: SystemCall, rows: Iterable[Case], given: Filter) -> Reply:
        found = [
            row
            for row in sorted(rows, key=lambda each: each.id)
            if row.id > given.after
            and given.state in ("", state_of(row, call.now))
            and given.drills in ("", "only" if row.drill else "no")
        ]
        limit = given.limit if 0 < given.limit < MOST_LISTED else MOST_LISTED
        there = found[:limit]
        names = await names_of(call.transaction, {row.holder: row for row in there})
        info = {row.id: {**plain(row, call), "name": names[row.holder]} for row in there}
        after = there[-1].id if len(found) > limit else ""
        return Reply({"keys": list(info), "key_info": info, "next": after})

    async def show(self, call: SystemCall, given: ById) -> Reply:
        row = await _there(call, given.id)
        names = await names_of(call.transaction, dict.fromkeys((row.holder, *row.notified)))
        touched = await touched_by(self._server.log, row)
        first = touched.first_read
        took = None if first is None or first.time is None else first.time - row.opened_at
        return Reply(
            {
                **plain(row, call),
                "took_seconds": None if took is None else took.total_seconds(),
                "name": names[row.holder],
                "told": [{"entity": each, "name": names[each]} for each in row.notified],
                "touched": [await self._touched(call, row, each) for each in touched.values],
                "served": touched.served,
                "undelivered": await _undelivered(call, row),
                "duties": duties(row, call),
            }
        )

    async def _touched(self, call: SystemCall, row: Case, each: Touched) -> dict[str, object]:
        """Return a secret that was touched, with what was written since; never its value."""
        due = await call.transaction.get(ROTATIONS_DUE, row.holder, each.path, each.version)
        index = None if each.replaced is None else each.replaced.index
        if due is not None and due.read_entry == each.last.index and due.state != DUE:
            index = due.resolved_entry
        return {
            "path": each.path,
            "version": each.version or None,
            "index": each.last.index,
            "time": moment(each.last.time),
            "times": each.times,
            "wrote": each.wrote,
            "written_since": index is not None,
            "written_index": index,
        }

    # -- opening

    async def open(self, call: SystemCall, given: Opened) -> Reply:
        """Open a case: its grant begins at once. Raises InputError where no rule lets one."""
        check_unbound(call)
        who = await asker(call)
        check_says("reason", given.reason, "say what the emergency is")
        rule = await self._rule(call, who, given)
        await self._check_free(call, who, rule, given)
        access = await self._access(call, rule, given)
        await self._check_covered(call, rule, given, access)
        row = await self._opened(call, who, rule, given, access)
        ground = await self._requests.ground_of(call, access)
        could = await could_approve(self._server, call, needs_of(ground.rules), ground.makers, who)
        ends = call.now + min(given.ttl or rule.longest, rule.longest)
        grant = make_grant(call, row, access, ends)
        told = tuple(sorted(could))
        row = ending(replace(row, grant_id=grant.id, notified=told), ends)
        call.transaction.put(CASES, row)
        await self._tell_opened(call, row, access)
        _note(call, row)
        call.details |= {"paths": row.paths, "wanted_capabilities": row.capabilities}
        call.details |= {"wanted_groups": row.groups, "rule": rule.name, "notified": told}
        call.details |= {"reason_given": True, "review_due_at": rfc3339(row.review_due_at)}
        call.details |= {"close_due_at": rfc3339(row.close_due_at)}
        call.details["longest_seconds"] = int(rule.longest.total_seconds())
        if row.drill:
            call.details["target_seconds"] = int(row.target.total_seconds())
        call.details["alert"] = DRILLED if row.drill else OPENED
        _note_factor(call)
        problem = "" if told else "nobody else could have approved it, so nobody was told"
        return Reply({**plain(row, call), "told": list(told), "problem": problem})

    async def _check_free(
        self, call: SystemCall, who: str, rule: BreakGlassRule, given: Opened
    ) -> None:
        """Refuse a second case beside an overdue review, unless the rule says otherwise."""
        if given.drill or not rule.blocks:
            return
        late = blocking(await cases_of(call.transaction, who), call.now)
        if late is not None:
            call.details["case"] = late.id
            words = f"the review of case {late.id} is overdue: another person reviews or waives it"
            raise DeniedError(f"permission denied: {words}", logged="a review is overdue")

    async def _rule(self, call: SystemCall, who: str, given: Opened) -> BreakGlassRule:
        """Return the rule that lets somebody; DeniedError where none does."""
        rows, _ = await call.transaction.examine(RULES, order="name")
        graph = await self._server.views.graph(call.transaction)
        groups = await groups_of(call.transaction, who, graph)
        mine = [
            row
            for row in rows
            if (not row.groups or not groups.isdisjoint(row.groups))
            and given.rule in ("", row.name)
            and (bool(row.drill_path) if given.drill else bool(row.paths or row.environments))
        ]
        if given.drill or given.rule:
            found = mine[0] if mine else None
        else:
            access = await self._access(call, None, given)
            found = None
            for row in mine:
                if found is None and await self._covers(call, row, access):
                    found = row
        if found is None:
            raise DeniedError("permission denied: no break-glass rule lets you", logged="no rule")
        return found

    async def _access(self, call: SystemCall, rule: BreakGlassRule | None, given: Opened) -> Access:
        """Return what is asked for, as a request for access would be of it."""
        if given.drill and rule is not None:
            if given.paths or given.groups:
                raise InputError("paths", "a drill is of the rule's own path alone")
            return await self._requests.access(
                call, Asked(paths=(rule.drill_path,), ttl=rule.longest)
            )
        if given.capabilities and not given.paths:
            raise InputError("capabilities", "name paths that they are for")
        asked = Asked(
            paths=given.paths,
            capabilities=given.capabilities,
            groups=given.groups,
            ttl=given.ttl or timedelta(hours=1),
        )
        return await self._requests.access(call, asked)

    async def _check_covered(
        self, call: SystemCall, rule: BreakGlassRule, given: Opened, access: Access
    ) -> None:
        if not given.drill and not await self._covers(call, rule, access):
            raise DeniedError(
                f"permission denied: rule {rule.name} is not for this", logged="not covered"
            )

    async def _covers(self, call: SystemCall, rule: BreakGlassRule, access: Access) -> bool:
        """Say whether all that is asked for lies in what a rule is for."""
        guardrails = await self._server.views.guardrails(call.transaction)
        inside = [shape(path) for path in rule.paths]
        for each in guardrails.boundaries:
            if each.environment.name in rule.environments and not each.problem:
                inside += each.shapes
        wanted = list(_reached(access))
        if access.groups:
            reached = await Covering(self._server, call).reached((), access.groups)
            wanted += reached.shapes
        return bool(wanted) and all(any(own.covers(each) for own in inside) for each in wanted)

    async def _opened(
        self, call: SystemCall, who: str, rule: BreakGlassRule, given: Opened, access: Access
    ) -> Case:
        return Case(
            id=uuid_of(call.entropy(16)),
            holder=who,
            known_as=await known_as(call.transaction, (who, *helpers(call))),
            helpers=helpers(call),
            reason=given.reason,
            rule=rule.name,
            in_all=rule.in_all,
            close_within=rule.close_within,
            paths=access.paths,
            capabilities=access.capabilities,
            groups=access.groups,
            grant_id="",
            drill=given.drill,
            target=rule.drill_target,
            notified=(),
            opened_at=call.now,
            ends_at=call.now,
            close_due_at=call.now,
            review_due_at=call.now,
            looked_from=self._server.log.size,
        )

    async def _tell_opened(self, call: SystemCall, row: Case, access: Access) -> None:
        names = await names_of(call.transaction, {row.holder: row})
        what = "a drill of break-glass" if row.drill else "break-glass"
        text = (
            f"{names[row.holder] or row.holder} opened {what}: {title_of(access)}, until "
            f"{rfc3339(row.ends_at)}.\nReason: {row.reason}\nNobody approved it. You could have: "
            "look at it, and end it if it is not what it says.\n"
        )
        title = f"{'Drill: b' if row.drill else 'B'}reak-glass by {names[row.holder] or row.holder}"
        tell_in(call, told_of(row, title, text), row.notified)

    # -- while it is open

    async def extend(self, call: SystemCall, given: Extended) -> Reply:
        """Give a case more time. Raises InputError for one that is over, or beyond its bound."""
        check_unbound(call)
        row = await _there(call, given.id)
        _note(call, row)
        check_says("because", given.because, "say why")
        who = await _another(call, row)
        if state_of(row, call.now) != OPEN:
            raise InputError("", "it is over: a new case is opened for more")
        if given.ttl <= timedelta(0):
            raise InputError("ttl", "say how much longer")
        until = min(row.ends_at + given.ttl, row.opened_at + row.in_all)
        if until <= row.ends_at:
            raise InputError("ttl", "it lasts no longer, with all extensions")
        await lengthen_grant(call, row.grant_id, until)
        given_now = Extension(by=who, at=call.now, until=until, because=given.because)
        row = ending(replace(row, extensions=(*row.extensions, given_now)), until)
        call.transaction.put(CASES, row)
        call.details |= {"extended_by": who, "review_due_at": rfc3339(row.review_due_at)}
        call.details |= {"close_due_at": rfc3339(row.close_due_at)}
        call.details["longest_seconds"] = int(row.in_all.total_seconds())
        text = f"It has time until {rfc3339(until)}.\nBecause: {given.because}\n"
        told = told_of(row, "Break-glass was extended", text)
        tell_in(call, told, (row.holder, *row.notified))
        return Reply(plain(row, call))

    # -- afterwards

    async def close(self, call: SystemCall, given: Done) -> Reply:
        """Close a case, whosever: its grant ends now, and what was done is said."""
        row = await _there(call, given.id)
        _note(call, row)
        who = await asker(call)
        check_says("done", given.done, "say what was done")
        if row.closed_at is not None:
            raise InputError("", "it is closed already")
        ended = min(row.ends_at, call.now)
        await end_grant(call, row.grant_id, who, "its case was closed")
        row = ending(row, ended)
        row = replace(row, closed_at=call.now, closed_by=who, done=given.done)
        call.transaction.put(CASES, row)
        call.details |= {"closed_by_holder": who == row.holder, "done_given": True}
        call.details |= {"late": row.close_due_at < call.now, "case_ended_at": rfc3339(ended)}
        call.details["review_due_at"] = rfc3339(row.review_due_at)
        await self._tell_closed(call, row)
        return Reply(plain(row, call))

    async def _tell_closed(self, call: SystemCall, row: Case) -> None:
        if row.drill:
            return
        due = rfc3339(row.review_due_at)
        text = f"What was done: {row.done}\nAnother person reviews it by {due}.\n"
        told = told_of(row, "Break-glass waits for its review", text, REVIEW)
        tell_in(call, told, row.notified)

    async def review(self, call: SystemCall, given: Review) -> Reply:
        """Say of a case whether it was justified. Raises InputError for one that is not closed."""
        check_unbound(call)
        row = await _there(call, given.id)
        _note(call, row)
        check_says("words", given.words, "say why")
        _check_findings(given.findings)
        who = await _another(call, row)
        state = state_of(row, call.now)
        if state == REVIEWED:
            raise InputError("", "it is reviewed already")
        if state != CLOSED:
            raise InputError("", "it is not closed yet: what was done must be said first")
        if row.drill:
            raise InputError("", "a drill needs no review")
        row = replace(row, reviewed_at=call.now, reviewer=who, verdict=given.verdict)
        row = replace(row, words=given.words, findings=given.findings)
        call.transaction.put(CASES, row)
        call.details |= {"reviewer": who, "verdict": row.verdict, "findings": len(row.findings)}
        call.details["late"] = row.review_due_at < call.now
        if row.verdict != JUSTIFIED:
            call.details["alert"] = "break_glass_not_justified"
        text = f"It was found {row.verdict}: {row.words}\n" + "".join(
            f"- {each}\n" for each in row.findings
        )
        tell_in(call, told_of(row, "Break-glass was reviewed", text), (row.holder,))
        return Reply(plain(row, call))

    async def waive(self, call: SystemCall, given: Waived) -> Reply:
        """Let its holder open another case though its review is overdue."""
        check_unbound(call)
        row = await _there(call, given.id)
        _note(call, row)
        check_says("because", given.because, "say why")
        who = await _another(call, row)
        if row.reviewed_at is not None or call.now < row.review_due_at:
            raise InputError("", "its review is not overdue")
        row = replace(row, waived_at=call.now, waived_by=who)
        call.transaction.put(CASES, row)
        call.details |= {"waived_by": who, "alert": "break_glass_waived"}
        return Reply(plain(row, call))


# -- parts


def _reached(access: Access) -> Iterable[Shape]:
    for path in access.paths:
        own = shape(path)
        yield own
        if _LISTS & set(access.capabilities):
            yield own.within()
        if "scan" in access.capabilities:
            yield shape(f"{path.removesuffix('*').rstrip('/')}/*")


def _check_findings(findings: tuple[str, ...]) -> None:
    if len(findings) > MOST_FINDINGS or any(len(each) > LONGEST_FINDING for each in findings):
        raise InputError("findings", f"at most {MOST_FINDINGS}, of {LONGEST_FINDING} characters")
    for each in findings:
        check_says("findings", each, "one of them says nothing")


async def _there(call: SystemCall, id_: str) -> Case:
    row = await call.transaction.get(CASES, id_)
    if row is None:
        raise NotFoundError
    return row


async def _another(call: SystemCall, row: Case) -> str:
    """Return who decides, if they are another person than the holder; or DeniedError."""
    if call.session is None:
        raise DeniedError
    try:
        return await check_decider(
            call.transaction,
            row.requesters,
            row.known_as,
            call.session,
            asked_at=row.opened_at,
            now=call.now,
            helpers=row.helpers,
        )
    except MayNotDecideError as refused:
        raise DeniedError(MAY_NOT, logged=str(refused)) from None


def _note(call: SystemCall, row: Case) -> None:
    call.details |= {"case": row.id, "holder": row.holder, "grant": row.grant_id}
    call.details |= {"drill": row.drill, "opened_at": rfc3339(row.opened_at)}


def _note_factor(call: SystemCall) -> None:
    """Say which factor was shown, and when: the log proves it without the session."""
    sign_in = None if call.session is None else call.session.sign_in
    if sign_in is not None and sign_in.factor_at is not None:
        call.details["factors"] = sign_in.factors
        call.details["factor_at"] = rfc3339(sign_in.factor_at)


async def _undelivered(call: SystemCall, row: Case) -> list[dict[str, object]]:
    """Return which messages about a case were not sent, or not yet."""
    found: list[dict[str, object]] = []
    for notice in await call.transaction.all(NOTICES, about=row.id):
        for each in await call.transaction.all(DELIVERIES, notice=notice.id):
            if each.state != "sent":
                said = {"notifier": each.notifier, "to": each.recipient, "state": each.state}
                found.append({**said, "problem": each.problem, "attempts": each.attempts})
    return found


async def open_cases(call: SystemCall) -> list[Case]:
    """Return the cases that are open now."""
    rows = await call.transaction.all(CASES, reviewed_at=None)
    return [row for row in rows if state_of(row, call.now) == OPEN]


def duties(row: Case, call: SystemCall) -> list[dict[str, object]]:
    """Return what is still to do of a case, by when, and who does it."""
    state = state_of(row, call.now)
    found: list[tuple[str, str, datetime]] = []
    if state in (OPEN, ENDED):
        found.append(("close", "holder", row.close_due_at))
    if state != REVIEWED and not row.drill:
        found.append(("review", "another person", row.review_due_at))
    return [
        {"duty": what, "whose": whose, "due_at": moment(due), "overdue": due <= call.now}
        for what, whose, due in found
    ]


def plain(row: Case, call: SystemCall) -> dict[str, object]:
    """Return a case as replies show it; `left` is what is left of it, in seconds."""
    state = state_of(row, call.now)
    left = (row.ends_at - call.now).total_seconds() if state == OPEN else 0
    took = None if row.first_read_at is None else row.first_read_at - row.opened_at
    return {
        "id": row.id,
        "state": state,
        "drill": row.drill,
        "holder": row.holder,
        "reason": row.reason,
        "rule": row.rule,
        "paths": list(row.paths),
        "capabilities": list(row.capabilities),
        "groups": list(row.groups),
        "grant": row.grant_id,
        "opened_at": rfc3339(row.opened_at),
        "ends_at": rfc3339(row.ends_at),
        "left": int(left),
        "extensions": [
            {"by": e.by, "at": rfc3339(e.at), "until": rfc3339(e.until), "because": e.because}
            for e in row.extensions
        ],
        "closed_at": moment(row.closed_at),
        "closed_by": row.closed_by,
        "done": row.done,
        "close_due_at": rfc3339(row.close_due_at),
        "review_due_at": None if row.drill else rfc3339(row.review_due_at),
        "reviewed_at": moment(row.reviewed_at),
        "reviewer": row.reviewer,
        "verdict": row.verdict,
        "words": row.words,
        "findings": list(row.findings),
        "waived_at": moment(row.waived_at),
        "waived_by": row.waived_by,
        "secrets": row.touched,
        "accounted_at": moment(row.accounted_at),
        "target_seconds": int(row.target.total_seconds()) if row.drill else None,
        "took_seconds": None if took is None else took.total_seconds(),
        "entry": row.entry,
    }
