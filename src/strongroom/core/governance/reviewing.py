"""`strongroom/reviews…`: access reviews, from the frozen start to the signed end.

    start (a snapshot, in one transaction) → each line: keep, revoke, defer, escalate → sign-off

Order   Lines, their number and the root over them are one transaction, whose entry has both. Each
        decision is a row of its own; a revocation is executed in its transaction, and proven
        behind it (`core.governance.proving`). Signed off is what has no line undecided.
Trust   Nobody decides on themselves, under whatever name (`identity.deciding`). The owner of a
        workload can revoke alone; what they say is kept when another reviewer says so, too. Of who
        is not registered nothing can be kept. Sign-off takes a fresh security key, and a reviewer
        who owns none of the workloads in it; their own lines were decided by others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Final

from strongroom.audit.entry import SYSTEM
from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.base.wording import check_says
from strongroom.core.governance.organisation import active_people, group_of, names_of
from strongroom.core.governance.proposals import MAY_NOT, asker
from strongroom.core.governance.proving import prove_soon
from strongroom.core.governance.revoking import execute
from strongroom.core.governance.snapshot import Scope, take, usage
from strongroom.core.governance.telling import Told, tell
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.bindings import check_unbound
from strongroom.core.system.people import moment
from strongroom.identity.deciding import (
    NOBODY_ELSE,
    MayNotDecideError,
    check_apart,
    check_decider,
    is_registered,
    known_as,
)
from strongroom.identity.governance.approving import groups_of, people_behind
from strongroom.identity.governance.campaigns import (
    ATTESTED,
    CAMPAIGNS,
    DEADLINE,
    ESCALATED,
    GRACE,
    KEPT,
    LINE_DECISIONS,
    LINE_STATES,
    LINES,
    OPEN,
    PERIOD,
    REVOKED,
    SIGNED,
    STATES,
    Campaign,
    Line,
    LineDecision,
    is_decided,
    state_of,
    state_of_line,
)
from strongroom.identity.governance.notices import REVIEW
from strongroom.identity.people import active_person
from strongroom.identity.records import ENVIRONMENTS
from strongroom.identity.standing import living
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route
from strongroom.sdk.reviews import (
    DEFER,
    ESCALATE,
    FLAGS,
    KEEP,
    KINDS,
    PROVEN,
    REVOKE,
    SUSPECT,
    VERDICTS,
    WAITING,
    WORKLOADS,
    quarter_of,
    root_over,
)
from strongroom.storage.transaction import Transaction

MOST_LINES: Final = 100_000
MOST_LISTED: Final = 1000
MOST_AT_ONCE: Final = 200
LONGEST_DEFERRAL: Final = timedelta(days=90)
MOST_ESCALATED: Final = 3
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Started:
    """What is reviewed, by whom, and until when."""

    kind: Annotated[str, Help("Whose grants.", choices=KINDS)]
    title: Annotated[str, Help("What people call it; none: kind and quarter.", most=200)] = ""
    reviewers: Annotated[tuple[str, ...], Help("Groups who review, by id or name.")] = ()
    fallback: Annotated[
        tuple[str, ...], Help("Groups who step in, and are told when it is late.")
    ] = ()
    environments: Annotated[
        tuple[str, ...], Help("Only what reaches these environments; none: all.")
    ] = ()
    groups: Annotated[tuple[str, ...], Help("Only who is in these groups; none: all.")] = ()
    deadline: Annotated[timedelta, Help("How long it may take.")] = DEADLINE
    grace: Annotated[timedelta, Help("How much later a sign-off still counts.")] = GRACE
    period: Annotated[timedelta, Help("From how far back uses are counted.")] = PERIOD
    quarter: Annotated[str, Help("For the server alone.", most=7)] = ""


@dataclass(frozen=True, kw_only=True)
class ById:
    """For paths that name a campaign."""

    id: Annotated[str, Help("Id of the campaign.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class ByLine(ById):
    """For paths that name a line."""

    line: Annotated[int, Help("Number of the line.", least=1, most=MOST_LINES)]


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is decided."""

    verdict: Annotated[str, Help("What is decided.", choices=VERDICTS)]
    because: Annotated[str, Help("Why; asked for where a line has flags.", most=4096)] = ""
    until: Annotated[datetime | None, Help("Of a deferral: until when.")] = None
    otherwise: Annotated[
        str, Help("Of a deferral: what becomes of it then.", choices=("", REVOKE, ESCALATE))
    ] = ""
    to: Annotated[str, Help("Of an escalation: entity of who decides.", most=512)] = ""


@dataclass(frozen=True, kw_only=True)
class Decided(ByLine, Said):
    """A decision on a line."""


@dataclass(frozen=True, kw_only=True)
class DecidedAtOnce(ById, Said):
    """One decision on several lines."""

    lines: Annotated[tuple[int, ...], Help("Numbers of the lines.")] = ()


@dataclass(frozen=True, kw_only=True)
class SignedOff(ById):
    """The end of a campaign."""

    statement: Annotated[str, Help("What was reviewed, and how.", most=4096)] = ""


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which campaigns."""

    kind: Annotated[str, Help("Kind.", choices=("", *KINDS))] = ""
    state: Annotated[str, Help("State.", choices=("", *STATES))] = ""


@dataclass(frozen=True, kw_only=True)
class LineFilter(ById, Page):
    """Which lines. `after` is a number."""

    state: Annotated[str, Help("State.", choices=("", *LINE_STATES))] = ""
    flag: Annotated[str, Help("With this flag.", choices=("", *FLAGS))] = ""
    holder: Annotated[str, Help("Of this holder.", most=512)] = ""
    mine: Annotated[bool, Help("Only those that the caller could decide on now.")] = False


class ReviewRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="reviews",
                summary="Access reviews; start one.",
                list=Endpoint(Filter, self.ids, "review.list"),
                write=Endpoint(Started, self.start, "review.start"),
            ),
            Route(
                path="reviews/{id}",
                summary="An access review, and how far it is.",
                read=Endpoint(ById, self.show, "review.read"),
            ),
            Route(
                path="reviews/{id}/lines",
                summary="The lines of an access review.",
                list=Endpoint(LineFilter, self.lines, "review.list_lines"),
            ),
            Route(
                path="reviews/{id}/lines/{line}",
                summary="A line, with what was decided on it.",
                read=Endpoint(ByLine, self.line, "review.read_line"),
            ),
            Route(
                path="reviews/{id}/lines/{line}/decide",
                summary="Decide on a line.",
                write=Endpoint(Decided, self.decide, "review.decide"),
            ),
            Route(
                path="reviews/{id}/decide",
                summary="Decide on several lines alike; to revoke, name each.",
                write=Endpoint(DecidedAtOnce, self.decide_all, "review.decide"),
            ),
            Route(
                path="reviews/{id}/sign-off",
                summary="Sign a review off, on which all is decided.",
                write=Endpoint(SignedOff, self.sign_off, "review.sign_off"),
            ),
        )

    # -- reading

    async def ids(self, call: SystemCall, given: Filter) -> Reply:
        rows = await call.transaction.all(CAMPAIGNS, order="id")
        found = [
            row
            for row in rows
            if row.id > given.after
            and given.kind in ("", row.kind)
            and given.state in ("", state_of(row, call.now))
        ]
        there, after = _page(found, given.limit)
        info = {row.id: plain(row, call.now) for row in there}
        return Reply({"keys": list(info), "key_info": info, "next": after.id if after else ""})

    async def show(self, call: SystemCall, given: ById) -> Reply:
        row = await _there(call, given.id)
        tx = call.transaction
        lines, last = await tx.all(LINES, campaign=row.id), await latest(tx, row.id)
        return Reply({**plain(row, call.now), **progress(lines, last)})

    async def lines(self, call: SystemCall, given: LineFilter) -> Reply:
        row, tx = await _there(call, given.id), call.transaction
        last = await latest(tx, row.id)
        after = int(given.after) if given.after.isascii() and given.after.isdigit() else 0
        wanted: list[Line] = []
        limit = given.limit if 0 < given.limit < MOST_LISTED else MOST_LISTED
        for line in await tx.all(LINES, campaign=row.id):
            if (
                line.number > after
                and given.state in ("", state_of_line(last.get(line.number)))
                and (not given.flag or given.flag in line.flags)
                and given.holder in ("", line.holder)
                and (not given.mine or await self._mine(call, row, line, last.get(line.number)))
            ):
                wanted.append(line)
                if len(wanted) > limit:
                    break
        there = wanted[:limit]
        info = {str(each.number): plain_line(each, last.get(each.number)) for each in there}
        more = str(there[-1].number) if len(wanted) > limit else ""
        return Reply({"keys": list(info), "key_info": info, "next": more})

    async def _mine(
        self, call: SystemCall, row: Campaign, line: Line, last: LineDecision | None
    ) -> bool:
        if row.state != OPEN or is_decided(last):
            return False
        try:
            await self._decider(call, row, line, last, REVOKE)
        except (DeniedError, InputError):
            return False
        return True

    async def line(self, call: SystemCall, given: ByLine) -> Reply:
        row = await _there(call, given.id)
        line = await _line(call, row, given.line)
        said = await _said(call.transaction, row.id, line.number)
        names = await names_of(
            call.transaction, dict.fromkeys(each.decided_by for each in said if each.decided_by)
        )
        decisions = [{**plain_decision(d), "name": names[d.decided_by]} for d in said]
        last = said[-1] if said else None
        return Reply({**plain_line(line, last), "decisions": decisions})

    # -- starting

    async def start(self, call: SystemCall, given: Started) -> Reply:
        """Begin a campaign over what everybody holds now. InputError where nobody could review."""
        check_unbound(call)
        by = "system" if call.actor == SYSTEM else await asker(call)
        if given.quarter and call.actor != SYSTEM:
            raise InputError("quarter", "only the server begins a review for a quarter")
        row = await self._campaign(call, given, by)
        used = await usage(self._server.log, row.period_from)
        scope = Scope(
            kind=row.kind,
            environments=row.environments,
            groups=row.groups,
            since=row.period_from,
        )
        lines = await take(self._server, call, scope, used, row.id)
        if not lines:
            raise InputError("", "nobody holds anything of that: there is nothing to review")
        if len(lines) > MOST_LINES:
            raise InputError("", f"more than {MOST_LINES} lines: name environments or groups")
        reviewers = await self._reviewers(call, row, lines)
        row = replace(row, lines=len(lines), root=root_over(each.frozen() for each in lines))
        tx = call.transaction
        tx.put(CAMPAIGNS, row)
        for each in lines:
            tx.put(LINES, each)
        flagged = Counter(flag for each in lines for flag in each.flags)
        call.details |= {"campaign": row.id, "campaign_kind": row.kind, "lines": row.lines}
        call.details |= {"root": row.root, "quarter": row.quarter, "flagged": dict(flagged)}
        call.details |= {"deadline_at": rfc3339(row.deadline_at), "reviewers": len(reviewers)}
        call.details |= {"environments": row.environments, "scope_groups": row.groups}
        call.details["grace_seconds"] = int(row.grace.total_seconds())
        text = f"{row.lines} lines wait for a decision, until {rfc3339(row.deadline_at)}.\n"
        told = Told(topic=REVIEW, about=row.id, title=row.title, text=text, place=_place(row))
        tell(tx, told, reviewers, entropy=call.entropy, now=call.now)
        return Reply(plain(row, call.now))

    async def _campaign(self, call: SystemCall, given: Started, by: str) -> Campaign:
        if not timedelta(hours=1) <= given.deadline <= 92 * DAY:
            raise InputError("deadline", "from an hour to 92 days")
        if not timedelta(0) <= given.grace <= 31 * DAY:
            raise InputError("grace", "at most 31 days")
        if not DAY <= given.period <= 3660 * DAY:
            raise InputError("period", "from a day to ten years")
        for name in given.environments:
            if await call.transaction.get(ENVIRONMENTS, name) is None:
                raise InputError("environments", f"there is no environment {name}")
        row = Campaign(
            id=uuid_of(call.entropy(16)),
            title=given.title or f"Access of {given.kind}, {quarter_of(call.now)}",
            kind=given.kind,
            environments=tuple(sorted({*given.environments})),
            groups=await _groups(call, "groups", given.groups),
            reviewers=await _groups(call, "reviewers", given.reviewers),
            fallback=await _groups(call, "fallback", given.fallback),
            quarter=given.quarter,
            state=OPEN,
            started_at=call.now,
            started_by=by,
            period_from=call.now - given.period,
            deadline_at=call.now + given.deadline,
            grace=given.grace,
            lines=0,
            root="",
            signed_at=None,
            signed_by="",
            statement="",
            reminded_at=None,
            overdue_at=None,
        )
        if not row.reviewers:
            raise InputError("reviewers", "name the groups whose members review")
        for other in await call.transaction.all(CAMPAIGNS, state=OPEN):
            if (other.kind, other.environments, other.groups) == (
                row.kind,
                row.environments,
                row.groups,
            ):
                raise InputError("", f"one of the same is open already: {other.id}")
        return row

    async def _reviewers(
        self, call: SystemCall, row: Campaign, lines: Sequence[Line]
    ) -> frozenset[str]:
        """Return who could review; InputError where a line would have nobody."""
        tx = call.transaction
        people = await active_people(tx, await self._server.views.graph(tx), call.now)
        wanted = {*row.reviewers, *row.fallback}
        found = frozenset(who for who, groups in people.items() if groups & wanted)
        for line in lines:
            if not found - {line.holder, line.owner}:
                raise InputError(
                    "reviewers",
                    f"nobody but {line.holder_name} or who owns it could review line "
                    f"{line.number}: name more groups, or put more people into them",
                )
        return found

    # -- deciding

    async def decide(self, call: SystemCall, given: Decided) -> Reply:
        """Decide on a line; what is revoked is ended here and now."""
        check_unbound(call)
        row = await _open(call, given.id)
        line = await _line(call, row, given.line)
        made = await self._decide(call, row, line, given)
        call.details |= {"line": line.number, "holder": line.holder, "line_kind": line.kind}
        call.details |= {"executed": made.executed, "task": made.task}
        return Reply(plain_line(line, made))

    async def decide_all(self, call: SystemCall, given: DecidedAtOnce) -> Reply:
        """Decide on several lines alike: each gets its own record, or none does."""
        check_unbound(call)
        row = await _open(call, given.id)
        numbers = list(dict.fromkeys(given.lines))
        if not 0 < len(numbers) <= MOST_AT_ONCE:
            raise InputError("lines", f"from 1 to {MOST_AT_ONCE} at once")
        if given.verdict == REVOKE:
            raise InputError("verdict", "revoke each by itself: each is an entry of its own")
        lines = [await _line(call, row, number) for number in numbers]
        for line in lines:
            await self._decide(call, row, line, given)
        call.details["decided_lines"] = numbers
        call.details["holders"] = sorted({line.holder for line in lines})
        return Reply({"decided": len(lines)})

    async def _decide(
        self, call: SystemCall, row: Campaign, line: Line, given: Said
    ) -> LineDecision:
        tx = call.transaction
        said = await _said(tx, row.id, line.number)
        last = said[-1] if said else None
        _check_open(line, last, given, said)
        who, final = await self._decider(call, row, line, last, given.verdict)
        if not final and state_of_line(last) == ATTESTED:
            raise InputError("", "you said so already: another reviewer must, too")
        await self._check_said(call, row, line, given)
        made = LineDecision(
            campaign=row.id,
            line=line.number,
            number=len(said) + 1,
            verdict=given.verdict,
            final=final,
            because=given.because,
            decided_by=who,
            decided_at=call.now,
            until=given.until if given.verdict == DEFER else None,
            otherwise=given.otherwise if given.verdict == DEFER else "",
            passed_to=given.to if given.verdict == ESCALATE else "",
            executed="",
            task="",
            proof="",
            proof_text="",
            proof_entry=-1,
            proven_at=None,
            pending=given.verdict == DEFER,
        )
        if given.verdict == REVOKE:
            done = await execute(self._server, tx, line, by=who, now=call.now)
            made = replace(made, executed=done.did, task=done.task, proof=WAITING, pending=True)
            call.details |= done.details
            call.after_commit(lambda: prove_soon(self._server))
        if last is not None and last.pending and last.verdict == DEFER:
            tx.put(LINE_DECISIONS, replace(last, pending=False, entry=None))
        tx.put(LINE_DECISIONS, made)
        call.details |= {"campaign": row.id, "campaign_kind": row.kind, "verdict": given.verdict}
        call.details |= {"decided_by": who, "final": final, "root": row.root}
        if given.verdict == DEFER:
            call.details |= {"otherwise": made.otherwise, "until": moment(made.until)}
        if given.verdict == ESCALATE:
            text = f"Line {line.number}, {line.holder_name}: {given.because}\n"
            title = f"{row.title}: a line waits for you"
            told = Told(topic=REVIEW, about=row.id, title=title, text=text, place=_place(row))
            tell(tx, told, (given.to,), entropy=call.entropy, now=call.now)
        return made

    async def _check_said(self, call: SystemCall, row: Campaign, line: Line, given: Said) -> None:
        suspect = SUSPECT & {*line.flags}
        if given.verdict == KEEP and suspect:
            check_says("because", given.because, f"the line is {', '.join(sorted(suspect))}")
        elif given.because or given.verdict in (DEFER, ESCALATE):
            check_says("because", given.because, "say why")
        if given.verdict == DEFER:
            _check_deferral(call, row, given)
        if given.verdict == ESCALATE:
            await _check_escalation(call, line, given)

    async def _decider(
        self,
        call: SystemCall,
        row: Campaign,
        line: Line,
        last: LineDecision | None,
        verdict: str,
    ) -> tuple[str, bool]:
        """Return who decides, and whether that is enough; DeniedError for who may not."""
        if call.session is None:
            raise DeniedError
        tx = call.transaction
        holder = await living(tx, line.holder)
        if holder is None or not await is_registered(tx, holder.id):
            if verdict == KEEP:
                raise InputError(
                    "verdict", "nobody is registered by it: register who it is, or revoke it"
                )
            who = await asker(call)
            return await self._placed(call, row, last, who), True
        owner = await living(tx, line.owner) if line.owner else None
        mine = call.session.entity
        if owner is not None and mine is not None and mine.id == owner.id:
            who = await asker(call)
            if last is not None and last.verdict == ESCALATE and last.passed_to != who:
                raise DeniedError(MAY_NOT, logged="it was passed on to somebody else")
            return who, verdict != KEEP
        try:
            who = await check_decider(
                tx,
                (holder.id,),
                await known_as(tx, (holder.id,)),
                call.session,
                asked_at=row.started_at,
                now=call.now,
            )
        except MayNotDecideError as refused:
            raise DeniedError(MAY_NOT, logged=str(refused)) from None
        return await self._placed(call, row, last, who), True

    async def _placed(
        self,
        call: SystemCall,
        row: Campaign,
        last: LineDecision | None,
        who: str,
    ) -> str:
        """Return who decides if it is theirs to review."""
        tx = call.transaction
        graph = await self._server.views.graph(tx)
        groups = await groups_of(tx, who, graph)
        if state_of_line(last) == ESCALATED and last is not None and last.passed_to:
            if who != last.passed_to and not groups & {*row.fallback}:
                raise DeniedError(MAY_NOT, logged="it was passed on to somebody else")
        elif not groups & {*row.reviewers, *row.fallback}:
            raise DeniedError(MAY_NOT, logged="no reviewer of this campaign")
        return who

    # -- signing off

    async def sign_off(self, call: SystemCall, given: SignedOff) -> Reply:
        """Sign a campaign off. InputError while anything of it is undecided."""
        check_unbound(call)
        row = await _open(call, given.id)
        check_says("statement", given.statement, "say what was reviewed")
        tx = call.transaction
        lines, last = await tx.all(LINES, campaign=row.id), await latest(tx, row.id)
        _check_whole(row, lines)
        left = [each.number for each in lines if not is_decided(last.get(each.number))]
        if left:
            some = ", ".join(map(str, left[:10]))
            raise InputError("", f"{len(left)} lines are not decided yet: {some}")
        who = await asker(call)
        await self._check_signer(call, row, lines, last, who)
        row = replace(row, state=SIGNED, signed_at=call.now, signed_by=who, entry=None)
        row = replace(row, statement=given.statement)
        tx.put(CAMPAIGNS, row)
        found = progress(lines, last)
        call.details |= {"campaign": row.id, "campaign_kind": row.kind, "quarter": row.quarter}
        call.details |= {"root": row.root, "lines": row.lines, "signed_by": who}
        call.details |= {"states": found["states"], "not_proven": found["not_proven"]}
        call.details["late"] = call.now > row.deadline_at + row.grace
        call.details["deadline_at"] = rfc3339(row.deadline_at)
        call.details["signer_is_subject"] = any(each.holder == who for each in lines)
        return Reply({**plain(row, call.now), **found})

    async def _check_signer(
        self,
        call: SystemCall,
        row: Campaign,
        lines: Sequence[Line],
        last: Mapping[int, LineDecision],
        who: str,
    ) -> None:
        tx = call.transaction
        groups = await groups_of(tx, who, await self._server.views.graph(tx))
        if not groups & {*row.reviewers, *row.fallback}:
            raise DeniedError(MAY_NOT, logged="no reviewer of this campaign")
        mine = {*await known_as(tx, (who,))}
        if row.kind == WORKLOADS:
            owners = await people_behind(tx, sorted({each.holder for each in lines}))
            if who in owners or mine & {*await known_as(tx, sorted(owners))}:
                raise DeniedError(MAY_NOT, logged="who owns one of the workloads does not sign")
        own = {who}
        for holder in {each.holder for each in lines} if mine else ():
            own |= {holder} if mine & {*await known_as(tx, (holder,))} else set()
        for each in lines:
            if each.holder in own and last[each.number].decided_by == who:
                raise DeniedError(MAY_NOT, logged="decided on a line of their own")


# -- parts


async def latest(tx: Transaction, campaign: str) -> dict[int, LineDecision]:
    """Return the last decision on each line that has one."""
    rows = await tx.all(LINE_DECISIONS, campaign=campaign, order="line, number")
    return {row.line: row for row in rows}


async def _said(tx: Transaction, campaign: str, line: int) -> list[LineDecision]:
    return await tx.all(LINE_DECISIONS, campaign=campaign, line=line, order="number")


async def _there(call: SystemCall, id_: str) -> Campaign:
    row = await call.transaction.get(CAMPAIGNS, id_)
    if row is None:
        raise NotFoundError
    return row


async def _open(call: SystemCall, id_: str) -> Campaign:
    row = await _there(call, id_)
    call.details["campaign"] = row.id
    if row.state != OPEN:
        raise InputError("", "it is signed off: what changes now is of the next review")
    return row


async def _line(call: SystemCall, row: Campaign, number: int) -> Line:
    found = await call.transaction.get(LINES, row.id, number)
    if found is None:
        raise NotFoundError
    return found


async def _groups(call: SystemCall, field: str, named: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for each in named:
        group = await group_of(call.transaction, each)
        if group is None:
            raise InputError(field, f"no group of this id or name: {each}")
        found[group.id] = None
    return tuple(sorted(found))


def _check_open(
    line: Line, last: LineDecision | None, given: Said, said: Sequence[LineDecision]
) -> None:
    """Raise InputError for a decision that cannot follow what was decided before."""
    state = state_of_line(last)
    if given.verdict == KEEP and state == KEPT:
        raise InputError("", f"line {line.number} is kept already")
    if state == REVOKED:
        raise InputError("", f"line {line.number} is revoked already: ask for it anew")
    if given.verdict == DEFER and any(each.verdict == DEFER for each in said):
        raise InputError("", f"line {line.number} was deferred once")
    passed = sum(each.verdict == ESCALATE for each in said)
    if given.verdict == ESCALATE and passed >= MOST_ESCALATED:
        raise InputError("", f"line {line.number} was passed on {passed} times: decide on it")


def _check_deferral(call: SystemCall, row: Campaign, given: Said) -> None:
    if given.until is None or given.until <= call.now:
        raise InputError("until", "a time to come")
    if not given.otherwise:
        raise InputError("otherwise", "revoke or escalate: what becomes of it then")
    most = call.now + LONGEST_DEFERRAL
    if given.otherwise == ESCALATE:
        most = row.deadline_at
    if given.until > most:
        raise InputError("until", f"{rfc3339(most)} at the latest")


async def _check_escalation(call: SystemCall, line: Line, given: Said) -> None:
    tx = call.transaction
    person = await active_person(tx, given.to, call.now)
    if person is None:
        raise InputError("to", "not the entity of an active person")
    if not await is_registered(tx, line.holder):
        return
    try:
        names = await known_as(tx, (line.holder,))
        await check_apart(tx, (line.holder,), names, given.to, NOBODY_ELSE, now=call.now)
    except MayNotDecideError:
        raise InputError("to", "they could not decide on it") from None


def _check_whole(row: Campaign, lines: Sequence[Line]) -> None:
    """Raise InputError if the lines are not those of the start."""
    if len(lines) != row.lines or root_over(each.frozen() for each in lines) != row.root:
        raise InputError("", "its lines are not those of its start: one is gone, or was added")


def _place(row: Campaign) -> str:
    return f"reviews/{row.id}"


def _page(rows: Sequence[Campaign], limit: int) -> tuple[Sequence[Campaign], Campaign | None]:
    most = limit if 0 < limit < MOST_LISTED else MOST_LISTED
    return rows[:most], rows[most - 1] if len(rows) > most else None


# -- showing


def progress(lines: Iterable[Line], last: Mapping[int, LineDecision]) -> dict[str, object]:
    """Return how far a campaign is: lines by state and by flag, and what is still to be proven."""
    states: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    undecided = not_proven = tasks = 0
    for each in lines:
        mine = last.get(each.number)
        states[state_of_line(mine)] += 1
        flags.update(each.flags)
        undecided += not is_decided(mine)
        red = mine is not None and mine.verdict == REVOKE and mine.proof not in PROVEN
        not_proven += red
        tasks += bool(red and mine is not None and mine.task)
    return {
        "states": {each: states[each] for each in LINE_STATES if states[each]},
        "flags": {each: flags[each] for each in FLAGS if flags[each]},
        "undecided": undecided,
        "not_proven": not_proven,
        "tasks": tasks,
    }


def plain(row: Campaign, now: datetime) -> dict[str, object]:
    """Return a campaign as replies show it."""
    return {
        "id": row.id,
        "title": row.title,
        "kind": row.kind,
        "state": state_of(row, now),
        "quarter": row.quarter,
        "environments": list(row.environments),
        "groups": list(row.groups),
        "reviewers": list(row.reviewers),
        "fallback": list(row.fallback),
        "started_at": rfc3339(row.started_at),
        "started_by": row.started_by,
        "period_from": rfc3339(row.period_from),
        "deadline_at": rfc3339(row.deadline_at),
        "grace_until": rfc3339(row.deadline_at + row.grace),
        "lines": row.lines,
        "root": row.root,
        "signed_at": moment(row.signed_at),
        "signed_by": row.signed_by,
        "statement": row.statement,
        "entry": row.entry,
    }


def plain_line(line: Line, last: LineDecision | None) -> dict[str, object]:
    """Return a line as replies show it, with the state that the last decision left."""
    return {
        **line.frozen(),
        "digest": line.digest,
        "state": state_of_line(last),
        "last_use": line.last_use if line.last_use >= 0 else None,
        **({} if last is None else {"decision": plain_decision(last)}),
    }


def plain_decision(row: LineDecision) -> dict[str, object]:
    """Return a decision as replies show it."""
    return {
        "number": row.number,
        "verdict": row.verdict,
        "final": row.final,
        "because": row.because,
        "by": row.decided_by,
        "at": rfc3339(row.decided_at),
        "until": moment(row.until),
        "otherwise": row.otherwise,
        "to": row.passed_to,
        "executed": row.executed,
        "task": row.task,
        "proof": row.proof,
        "proof_text": row.proof_text,
        "proof_entry": row.proof_entry if row.proof_entry >= 0 else None,
        "proven_at": moment(row.proven_at),
        "entry": row.entry,
    }
