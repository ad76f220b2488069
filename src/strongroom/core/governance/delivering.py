"""Sends notices out: each by each notifier that is for its topic, again and again until it arrives.

    notice → a delivery for each address → sent, or tried again later, or given up

Order   Behind the commit of what it tells of. Deliveries are rows, so that a restart loses none; a
        crash between sending and its entry sends a message twice, and never not at all. Each
        attempt is an entry: by which notifier, to whom, and why not.
Units   The first retry is after half a minute, each later one after twice as long, up to an hour;
        after `MOST_ATTEMPTS` it is given up, which is an alert.
Trust   An entry names entities and notifiers, never an address of a channel or a password.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from strongroom.core.governance.senders import Letter, SendError, Senders
from strongroom.core.server import Server
from strongroom.identity.governance.notices import (
    DELIVERIES,
    FAILED,
    NOTICES,
    NOTIFIERS,
    SENT,
    SMTP,
    WAITING,
    Delivery,
    Notice,
    Notifier,
)
from strongroom.identity.records import PEOPLE
from strongroom.storage.transaction import Transaction

if TYPE_CHECKING:
    from strongroom.core.attempt import Attempt

FIRST: Final = timedelta(seconds=30)
LONGEST: Final = timedelta(hours=1)
MOST_ATTEMPTS: Final = 10
AT_ONCE: Final = 16
GIVEN_UP: Final = "notice_given_up"


async def deliver(server: Server, senders: Senders) -> int:
    """Make deliveries of new notices, and send what is due. Returns how many were tried."""
    tx = Transaction(server.database, server.barrier)
    new, _ = await tx.examine(NOTICES, spread=False)
    for notice in sorted(new, key=lambda each: each.at):
        await _spread(server, notice)
    waiting, _ = await tx.examine(DELIVERIES, state=WAITING)
    now = server.clock.now()
    due = sorted((d for d in waiting if d.next_at <= now), key=lambda each: each.next_at)[:AT_ONCE]
    await asyncio.gather(*(_try(server, senders, each) for each in due))
    return len(due)


async def _spread(server: Server, notice: Notice) -> None:
    async def work(attempt: Attempt) -> bool:
        tx = attempt.transaction
        row = await tx.get(NOTICES, notice.id)
        if row is None or row.spread:
            return False
        notifiers, _ = await tx.examine(NOTIFIERS, order="name")
        made: list[str] = []
        for each in notifiers:
            if each.enabled and (not each.topics or row.topic in each.topics):
                for recipient in await _recipients(tx, each, row):
                    tx.put(DELIVERIES, _delivery(row, each, recipient, attempt.now))
                    made.append(each.name)
        tx.put(NOTICES, replace(row, spread=True, entry=None))
        attempt.details = {"notice": row.id, "topic": row.topic, "about": row.about}
        attempt.details |= {"recipients": row.recipients, "notifiers": list(dict.fromkeys(made))}
        attempt.details["deliveries"] = len(made)
        return True

    await server.pipeline.act("notice.spread", f"strongroom/notices/{notice.id}", work)


async def _recipients(tx: Transaction, notifier: Notifier, notice: Notice) -> Sequence[str]:
    """Return whom a notifier sends a notice to: entities, addresses, or nothing for a channel."""
    if notifier.kind != SMTP:
        return ("",)
    if not notice.recipients:
        return notifier.recipients
    found = []
    for each in notice.recipients:
        person = await tx.get(PEOPLE, each)
        if person is not None and person.email:
            found.append(each)
    return found


def _delivery(notice: Notice, notifier: Notifier, recipient: str, now: datetime) -> Delivery:
    return Delivery(
        notice=notice.id,
        notifier=notifier.name,
        recipient=recipient,
        state=WAITING,
        attempts=0,
        next_at=now,
        problem="",
        done_at=None,
    )


async def _try(server: Server, senders: Senders, delivery: Delivery) -> None:
    tx = Transaction(server.database, server.barrier)
    notice = await tx.get(NOTICES, delivery.notice)
    notifier = await tx.get(NOTIFIERS, delivery.notifier)
    problem = "the notifier is gone, or off"
    if notice is not None and notifier is not None and notifier.enabled:
        problem = await _sent(server, senders, tx, notifier, notice, delivery.recipient)
    await _note(server, delivery, problem, "" if notice is None else notice.about)


async def _sent(  # noqa: PLR0913, PLR0917 - what is sent, by what, to whom
    server: Server,
    senders: Senders,
    tx: Transaction,
    notifier: Notifier,
    notice: Notice,
    recipient: str,
) -> str:
    """Send one; return why not, or nothing."""
    person = await tx.get(PEOPLE, recipient)
    to = person.email if person is not None else recipient
    link = f"{server.settings.console_url.rstrip('/')}/{notice.place}"
    try:
        await senders.send(notifier, Letter(notice=notice, to=to, link=link))
    except SendError as error:
        return str(error)
    return ""


async def _note(server: Server, delivery: Delivery, problem: str, about: str) -> None:
    """Write an attempt down."""

    async def work(attempt: Attempt) -> bool:
        key = (delivery.notice, delivery.notifier, delivery.recipient)
        row = await attempt.transaction.get(DELIVERIES, *key)
        if row is None or row.state != WAITING:
            return False
        tried = row.attempts + 1
        given_up = bool(problem) and tried >= MOST_ATTEMPTS
        wait = min(FIRST * 2 ** (tried - 1), LONGEST)
        state = FAILED if given_up else WAITING if problem else SENT
        done = None if state == WAITING else attempt.now
        row = replace(row, state=state, attempts=tried, problem=problem, done_at=done, entry=None)
        attempt.transaction.put(DELIVERIES, replace(row, next_at=attempt.now + wait))
        attempt.details = {"notice": row.notice, "notifier": row.notifier, "about": about}
        attempt.details |= {"recipient": row.recipient, "attempt": tried, "delivered": not problem}
        if problem:
            attempt.details["problem"] = problem
        if given_up:
            attempt.details["alert"] = GIVEN_UP
        return True

    code = "notice.fail" if problem else "notice.deliver"
    await server.pipeline.act(code, f"strongroom/notices/{delivery.notice}", work)
