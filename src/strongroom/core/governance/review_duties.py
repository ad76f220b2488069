"""What is done for access reviews by the clock: begun, reminded of, late; deferrals that are over.

    a quarter begins → a campaign of each kind that is scheduled, or an entry that it could not
    three days before the deadline → reviewers are reminded; past it → an alert, and the fallback
    a deferral is over → its line is revoked, or waits for the fallback

Order   Each is an entry of its own, once. Whatever is overdue when a server starts is done then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from strongroom.audit.entry import SYSTEM
from strongroom.base.clock import rfc3339
from strongroom.base.ids import uuid_of
from strongroom.core.governance.organisation import active_people
from strongroom.core.governance.proving import see_to_proofs
from strongroom.core.governance.reviewing import latest
from strongroom.core.governance.revoking import execute
from strongroom.core.governance.telling import Told, tell
from strongroom.core.request import Incoming
from strongroom.core.router import Operation
from strongroom.core.server import Server
from strongroom.identity.governance.campaigns import (
    CAMPAIGNS,
    LINE_DECISIONS,
    LINES,
    OPEN,
    SCHEDULES,
    Campaign,
    Line,
    LineDecision,
    ReviewSchedule,
    is_decided,
)
from strongroom.identity.governance.notices import REVIEW
from strongroom.sdk.reviews import DEFER, ESCALATE, EXPIRED, MISSED, REVOKE, WAITING, quarter_of
from strongroom.storage.transaction import Transaction

if TYPE_CHECKING:
    from strongroom.core.attempt import Attempt

REMINDED_BEFORE: Final = timedelta(days=3)
Due = Callable[["Server", Campaign, "Attempt"], Awaitable[bool]]


async def see_to_reviews(server: Server) -> int:
    """Do what is due of every review. Returns how many things were."""
    done = await _begin(server)
    tx, now = Transaction(server.database, server.barrier), server.clock.now()
    for row in (await tx.examine(CAMPAIGNS, state=OPEN))[0]:
        if row.reminded_at is None and row.deadline_at - REMINDED_BEFORE <= now:
            done += await _act(server, row, "review.remind", _remind)
        if row.overdue_at is None and row.deadline_at <= now:
            done += await _act(server, row, "review.overdue", _overdue)
    for each in (await tx.examine(LINE_DECISIONS, pending=True))[0]:
        if each.verdict == DEFER and each.until is not None and each.until <= now:
            done += await _defer_over(server, each)
    return done + await see_to_proofs(server)


# -- beginning


async def _begin(server: Server) -> int:
    tx, done = Transaction(server.database, server.barrier), 0
    now = server.clock.now()
    quarter, today = quarter_of(now), f"{now:%Y-%m-%d}"
    for row in (await tx.examine(SCHEDULES))[0]:
        if not row.enabled or row.tried == today:
            continue
        begun = (await tx.examine(CAMPAIGNS, kind=row.kind))[0]
        if not any(each.quarter == quarter for each in begun):
            done += await _start(server, row, quarter, today)
    return done


async def _start(server: Server, row: ReviewSchedule, quarter: str, today: str) -> bool:
    """Begin a campaign as the server itself; where it cannot be, say so once a day."""
    body = {
        "kind": row.kind,
        "reviewers": row.reviewers,
        "fallback": row.fallback,
        "environments": row.environments,
        "deadline": int(row.deadline.total_seconds()),
        "grace": int(row.grace.total_seconds()),
        "quarter": quarter,
    }
    answer = await server.pipeline.handle(
        Incoming(
            id=uuid_of(server.entropy(16)),
            operation=Operation.WRITE,
            path="strongroom/reviews",
            method="POST",
            body=msgspec.json.encode(body),
            actor=SYSTEM,
        )
    )
    if answer.status == 200:
        return True
    problem = (answer.body or b"").decode("utf-8", "replace")[:512]

    async def work(attempt: Attempt) -> bool:
        found = await attempt.transaction.get(SCHEDULES, row.kind)
        if found is None or found.tried == today:
            return False
        new = replace(found, tried=today, problem=problem, entry=None)
        attempt.transaction.put(SCHEDULES, new)
        attempt.details = {"campaign_kind": row.kind, "quarter": quarter, "problem": problem}
        attempt.details["alert"] = "review_not_begun"
        return True

    path = f"strongroom/review-schedules/{row.kind}"
    return await server.pipeline.act(MISSED, path, work) is not None


# -- while it is open


async def _act(server: Server, row: Campaign, code: str, due: Due) -> bool:
    path = f"strongroom/reviews/{row.id}"
    return await server.pipeline.act(code, path, partial(due, server, row)) is not None


async def _remind(server: Server, row: Campaign, attempt: Attempt) -> bool:
    found = await attempt.transaction.get(CAMPAIGNS, row.id)
    if found is None or found.state != OPEN or found.reminded_at is not None:
        return False
    left = await _left(attempt.transaction, row.id)
    attempt.transaction.put(CAMPAIGNS, replace(found, reminded_at=attempt.now, entry=None))
    text = f"{left} lines wait, until {rfc3339(row.deadline_at)}.\n"
    await _tell(server, attempt, row, f"{row.title} ends soon", text)
    attempt.details |= {"undecided": left, "deadline_at": rfc3339(row.deadline_at)}
    return True


async def _overdue(server: Server, row: Campaign, attempt: Attempt) -> bool:
    found = await attempt.transaction.get(CAMPAIGNS, row.id)
    if found is None or found.state != OPEN or found.overdue_at is not None:
        return False
    left = await _left(attempt.transaction, row.id)
    attempt.transaction.put(CAMPAIGNS, replace(found, overdue_at=attempt.now, entry=None))
    until = rfc3339(row.deadline_at + row.grace)
    text = f"{left} lines are not decided. A sign-off counts until {until}.\n"
    await _tell(server, attempt, row, f"{row.title} is overdue", text)
    attempt.details |= {"undecided": left, "alert": "review_overdue"}
    return True


async def _tell(server: Server, attempt: Attempt, row: Campaign, title: str, text: str) -> None:
    tx = attempt.transaction
    people = await active_people(tx, await server.views.graph(tx), attempt.now)
    wanted = {*row.reviewers, *row.fallback}
    who = sorted(each for each, groups in people.items() if groups & wanted)
    told = Told(topic=REVIEW, about=row.id, title=title, text=text, place=f"reviews/{row.id}")
    tell(tx, told, who, entropy=server.entropy, now=attempt.now)
    attempt.details = {"campaign": row.id, "campaign_kind": row.kind, "told": len(who)}


async def _left(tx: Transaction, campaign: str) -> int:
    last = await latest(tx, campaign)
    lines = await tx.all(LINES, campaign=campaign)
    return sum(not is_decided(last.get(each.number)) for each in lines)


# -- deferrals


async def _defer_over(server: Server, row: LineDecision) -> bool:
    """Do what a deferral said that becomes of its line."""

    async def work(attempt: Attempt) -> bool:
        tx = attempt.transaction
        said = await tx.all(LINE_DECISIONS, campaign=row.campaign, line=row.line, order="number")
        line = await tx.get(LINES, row.campaign, row.line)
        last = said[-1] if said else None
        if last is None or last.number != row.number or not last.pending or line is None:
            return False
        tx.put(LINE_DECISIONS, replace(last, pending=False, entry=None))
        made = _follows(line, last, attempt)
        attempt.details = {"campaign": line.campaign, "line": line.number, "holder": line.holder}
        attempt.details |= {"verdict": made.verdict, "line_kind": line.kind}
        if made.verdict == REVOKE:
            done = await execute(server, tx, line, by="system", now=attempt.now)
            made = replace(made, executed=done.did, task=done.task, proof=WAITING, pending=True)
            attempt.details |= {"executed": done.did, "task": done.task, **done.details}
        tx.put(LINE_DECISIONS, made)
        return True

    path = f"strongroom/reviews/{row.campaign}/lines/{row.line}/defer"
    return await server.pipeline.act(EXPIRED, path, work) is not None


def _follows(line: Line, last: LineDecision, attempt: Attempt) -> LineDecision:
    return LineDecision(
        campaign=line.campaign,
        line=line.number,
        number=last.number + 1,
        verdict=REVOKE if last.otherwise == REVOKE else ESCALATE,
        final=True,
        because="the time of its deferral is over",
        decided_by="system",
        decided_at=attempt.now,
        until=None,
        otherwise="",
        passed_to="",
        executed="",
        task="",
        proof="",
        proof_text="",
        proof_entry=-1,
        proven_at=None,
        pending=False,
    )
