"""What is done behind cases of break-glass: what they touched, and what is due and not done.

    ended by the clock → its holder is reminded; ended → what it touched is queued for rotation;
    not closed in time, not reviewed in time → an alert, for those who could have approved

Order   Each is an entry of its own, once for each case, in the transaction that says that it was
        done. It goes by the clock, some seconds behind it.
Trust   Rows of rotation go by the log (`core.governance.touching`). A case whose grant was ended
        otherwise is over when that was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from strongroom.base.clock import rfc3339
from strongroom.core.governance.telling import Told, tell
from strongroom.core.governance.touching import Account, touched_by
from strongroom.core.rotation_due import DUE, ROTATIONS_DUE, RotationDue, at_of
from strongroom.core.server import Server
from strongroom.identity.governance.break_glass import (
    CASES,
    OPEN,
    Case,
    ending,
    state_of,
)
from strongroom.identity.governance.notices import BREAK_GLASS, REVIEW
from strongroom.identity.governance.records import GRANTS
from strongroom.storage.transaction import Transaction

if TYPE_CHECKING:
    from strongroom.core.attempt import Attempt

WHY: Final = "read or written under break-glass, case"
MOST_NAMED: Final = 100
Due = Callable[["Server", Case, "Attempt"], Awaitable[bool]]


async def see_to_cases(server: Server) -> int:
    """Do what is due of every case. Returns how many things were."""
    tx, done = Transaction(server.database, server.barrier), 0
    now = server.clock.now()
    rows, _ = await tx.examine(CASES, reviewed_at=None)
    unaccounted, _ = await tx.examine(CASES, accounted_at=None)
    for case in {row.id: row for row in (*rows, *unaccounted)}.values():
        case = await _as_granted(tx, case)  # noqa: PLW2901 - the same, as it is
        if state_of(case, now) == OPEN:
            continue
        if case.accounted_at is None:
            done += await account(server, case)
        if case.closed_at is None and case.reminded_at is None:
            done += await _act(server, case, "break_glass.ended", _remind)
        if case.closed_at is None and case.close_late_at is None and case.close_due_at <= now:
            done += await _act(server, case, "break_glass.close_overdue", _close_late)
        unreviewed = case.reviewed_at is None and not case.drill
        if unreviewed and case.review_late_at is None and case.review_due_at <= now:
            done += await _act(server, case, "break_glass.review_overdue", _review_late)
    return done


async def _as_granted(tx: Transaction, case: Case) -> Case:
    """Return a case as over when its grant is, if that was ended before its time."""
    grant = await tx.get(GRANTS, case.grant_id)
    if grant is None or grant.over_at >= case.ends_at:
        return case
    return ending(case, grant.over_at)


async def _act(server: Server, case: Case, code: str, due: Due) -> bool:
    path = f"strongroom/break-glass/{case.id}"
    return await server.pipeline.act(code, path, partial(due, server, case)) is not None


async def _current(attempt: Attempt, case: Case) -> Case | None:
    """Return a case as it is in a transaction, over when its grant is."""
    row = await attempt.transaction.get(CASES, case.id)
    return None if row is None else await _as_granted(attempt.transaction, row)


def _put(server: Server, attempt: Attempt, row: Case, told: Told, people: tuple[str, ...]) -> None:
    attempt.transaction.put(CASES, replace(row, entry=None))
    tell(attempt.transaction, told, people, entropy=server.entropy, now=attempt.now)
    attempt.details = {"case": row.id, "holder": row.holder, "drill": row.drill}
    attempt.details |= {"case_ended_at": rfc3339(row.ends_at)}


async def _remind(server: Server, case: Case, attempt: Attempt) -> bool:
    row = await _current(attempt, case)
    if row is None or row.closed_at is not None or row.reminded_at is not None:
        return False
    by = rfc3339(row.close_due_at)
    text = f"Its time is over. Say what was done, by {by}, which closes it.\n"
    told = told_of(row, "Your break-glass has ended and is not closed", text)
    _put(server, attempt, replace(row, reminded_at=attempt.now), told, (row.holder,))
    attempt.details["close_due_at"] = by
    return True


async def _close_late(server: Server, case: Case, attempt: Attempt) -> bool:
    row = await _current(attempt, case)
    if row is None or row.closed_at is not None or row.close_late_at is not None:
        return False
    text = "Nobody has said what was done. Its holder closes it, or anybody who knows.\n"
    told = told_of(row, "Break-glass has not been closed in time", text)
    people = (row.holder, *row.notified)
    _put(server, attempt, replace(row, close_late_at=attempt.now), told, people)
    attempt.details["alert"] = "break_glass_not_closed"
    return True


async def _review_late(server: Server, case: Case, attempt: Attempt) -> bool:
    row = await _current(attempt, case)
    if row is None or row.reviewed_at is not None or row.review_late_at is not None:
        return False
    text = "Nobody has reviewed it. Anybody but its holder, and who could be them, can.\n"
    told = told_of(row, "The review of break-glass is overdue", text, REVIEW)
    _put(server, attempt, replace(row, review_late_at=attempt.now), told, row.notified)
    attempt.details["alert"] = "break_glass_not_reviewed"
    return True


def told_of(row: Case, title: str, text: str, topic: str = BREAK_GLASS) -> Told:
    """Return what is told of a case."""
    place = f"break-glass/{row.id}"
    return Told(topic=topic, about=row.id, title=title, text=text, place=place)


# -- what it touched


async def account(server: Server, case: Case) -> bool:
    """Write down what a case touched, and queue it for rotation; of a drill, how long it took."""
    size = server.log.size
    found = await touched_by(server.log, replace(case, looked_to=size))
    code = "break_glass.drill" if case.drill else "break_glass.account"

    async def work(attempt: Attempt) -> bool:
        row = await _current(attempt, case)
        if row is None or row.accounted_at is not None:
            return False
        first = found.first_read
        row = replace(row, accounted_at=attempt.now, touched=len(found.found), entry=None)
        row = replace(
            row,
            first_read_at=None if first is None else first.time,
            first_read=None if first is None else first.index,
            looked_to=size,
        )
        attempt.transaction.put(CASES, row)
        attempt.details = {"case": row.id, "holder": row.holder, "grant": row.grant_id}
        attempt.details |= {"served": found.served, "through": size}
        if row.drill:
            attempt.details |= _measured(row)
            return True
        queued = await _queue(attempt, row, found)
        attempt.details |= {"secrets": len(found.found), "queued": queued}
        attempt.details["paths"] = [each.path for each in found.values][:MOST_NAMED]
        return True

    path = f"strongroom/break-glass/{case.id}"
    return await server.pipeline.act(code, path, work) is not None


async def _queue(attempt: Attempt, row: Case, found: Account) -> int:
    """Queue for rotation what somebody knows by a case; what is due for another reason stays so."""
    queued = 0
    for each in found.values:
        old = await attempt.transaction.get(ROTATIONS_DUE, row.holder, each.path, each.version)
        if old is not None and old.state == DUE:
            continue
        queued += 1
        due = RotationDue(
            entity=row.holder,
            path=each.path,
            version=each.version,
            why=f"{WHY} {row.id}",
            read_at=at_of(each.last, attempt.now),
            read_entry=each.last.index,
            since=row.ends_at,
            state=DUE,
            looked=each.last.index + 1,
        )
        attempt.transaction.put(ROTATIONS_DUE, due)
    return queued


def _measured(row: Case) -> dict[str, object]:
    """Return what a stop-watch showed in a drill, against its target."""
    target = {"target_seconds": int(row.target.total_seconds())}
    if row.first_read_at is None or row.first_read is None:
        return {**target, "within": False}
    took = (row.first_read_at - row.opened_at).total_seconds()
    within = 0 <= took <= row.target.total_seconds()
    return {**target, "took_seconds": took, "first_read": row.first_read, "within": within}
