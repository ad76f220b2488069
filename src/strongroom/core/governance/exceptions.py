"""`strongroom/exceptions…`: departures from a control, approved by another, with an end.

    exceptions → exceptions/proposals/{id}/approve → in force → expired, ended or extended

Order   It is in force from the commit of the last approval that it needs, to its end by the clock:
        no job ends it. A run of its control from then on finds its subject broken again.
Trust   Nobody approves what they asked for. An exception covers one subject of one control, for a
        year at most; it is extended only by another approval, and ended by anybody who may write
        here. What it covers stays broken in every result, with its name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final

import msgspec

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.base.wording import check_says
from strongroom.core.governance.asking import Asking, listed
from strongroom.core.governance.proposals import ById, Decision, brief, there
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.bindings import check_unbound
from strongroom.core.system.people import moment
from strongroom.identity.governance.exceptions import (
    EXCEPTION,
    EXCEPTIONS,
    IN_FORCE,
    KINDS,
    MOST,
    ControlException,
    state_of,
)
from strongroom.identity.governance.exceptions import STATES as IN_STATES
from strongroom.identity.governance.records import STATES, Proposal
from strongroom.identity.governance.records import state_of as proposed
from strongroom.identity.people import active_person
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route

MOST_CONTROLS: Final = 16  # compensating ones
LONGEST: Final = 1024
_CONTROL = re.compile(r"T[0-9]{2}")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What departs from what, why, and until when."""

    control: Annotated[str, Help("Id of the control: T10.", least=3, most=3)]
    subject: Annotated[
        str, Help("Its subject, as results name it, or the id in its brackets.", least=1, most=512)
    ]
    kind: Annotated[str, Help("What it is.", choices=KINDS, was=("type",))] = "other"
    reason: Annotated[str, Help("Why it cannot be otherwise.", least=1, most=4096)]
    compensating: Annotated[
        tuple[str, ...],
        Help("What is done instead, each a sentence.", was=("compensating_controls",)),
    ] = ()
    owner: Annotated[str, Help("Entity of the active person who answers for it.", most=512)]
    expires_at: Annotated[datetime, Help("When it ends; a year from now at most.")]
    target_at: Annotated[
        datetime | None, Help("When it is to be needed no more.", was=("migration_date",))
    ] = None


@dataclass(frozen=True, kw_only=True)
class Extended(ById):
    """Until when an exception is to go on; what is left out stays as it is."""

    reason: Annotated[str, Help("Why it is still needed.", least=1, most=4096)]
    expires_at: Annotated[datetime, Help("When it ends; a year from now at most.")]
    compensating: Annotated[tuple[str, ...], Help("What is done instead.")] = ()
    owner: Annotated[str, Help("Entity of who answers for it.", most=512)] = ""
    target_at: Annotated[datetime | None, Help("When it is to be needed no more.")] = None


@dataclass(frozen=True, kw_only=True)
class Ended(ById):
    """Why one ends before its time."""

    reason: Annotated[str, Help("Why.", least=1, most=1024)]


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which exceptions."""

    state: Annotated[str, Help("State.", choices=("", *IN_STATES))] = ""
    control: Annotated[str, Help("Id of the control.")] = ""
    owner: Annotated[str, Help("Entity of the owner.")] = ""


@dataclass(frozen=True, kw_only=True)
class ProposalFilter(Page):
    """Which proposals."""

    state: Annotated[str, Help("State.", choices=("", *STATES))] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a proposal of an exception is of."""

    control: str
    subject: str
    kind: str
    compensating: tuple[str, ...]
    owner: str
    expires_at: datetime
    target_at: datetime | None
    extends: str = ""


class ExceptionRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._asking = Asking(server, EXCEPTION)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="exceptions",
                summary="The exceptions of controls; ask for one.",
                list=Endpoint(Filter, self.ids, "exception.list"),
                write=Endpoint(Asked, self.ask, "exception.ask"),
            ),
            Route(
                path="exceptions/{id}",
                summary="An exception of a control.",
                read=Endpoint(ById, self.show, "exception.read"),
            ),
            Route(
                path="exceptions/{id}/end",
                summary="End an exception before its time.",
                write=Endpoint(Ended, self.end, "exception.end"),
            ),
            Route(
                path="exceptions/{id}/extend",
                summary="Ask that an exception go on; another person approves it.",
                write=Endpoint(Extended, self.extend, "exception.extend"),
            ),
            Route(
                path="exceptions/proposals",
                summary="The exceptions that were asked for.",
                list=Endpoint(ProposalFilter, self.proposals, "exception.proposal.list"),
            ),
            Route(
                path="exceptions/proposals/inbox",
                summary="The exceptions that wait for the caller's decision.",
                list=Endpoint(Page, self.inbox, "exception.proposal.list"),
            ),
            Route(
                path="exceptions/proposals/{id}",
                summary="An exception that was asked for, and its approvals.",
                read=Endpoint(ById, self.proposal, "exception.proposal.read"),
                delete=Endpoint(ById, self.withdraw, "exception.proposal.withdraw"),
            ),
            Route(
                path="exceptions/proposals/{id}/approve",
                summary="Approve an exception; the last approval needed puts it in force.",
                write=Endpoint(Decision, self.approve, "exception.approve"),
            ),
            Route(
                path="exceptions/proposals/{id}/deny",
                summary="Deny an exception, which ends its proposal.",
                write=Endpoint(Decision, self.deny, "exception.deny"),
            ),
        )

    # -- reading

    async def ids(self, call: SystemCall, given: Filter) -> Reply:
        rows = await call.transaction.all(EXCEPTIONS)
        said = [
            (row.id, shown(row, call.now))
            for row in rows
            if given.state in ("", state_of(row, call.now))
            and given.owner in ("", row.owner)
            and given.control in ("", row.control)
        ]
        return Reply(listed(said, given.after, given.limit))

    async def show(self, call: SystemCall, given: ById) -> Reply:
        return Reply(shown(await _there(call, given.id), call.now))

    # -- asking

    async def ask(self, call: SystemCall, given: Asked) -> Reply:
        """Ask for an exception."""
        wanted = Wanted(
            control=given.control,
            subject=given.subject,
            kind=given.kind,
            compensating=given.compensating,
            owner=given.owner,
            expires_at=given.expires_at,
            target_at=given.target_at,
        )
        return await self._ask(call, wanted, given.reason)

    async def extend(self, call: SystemCall, given: Extended) -> Reply:
        """Ask that one go on, also one that is over: it begins again when that is approved."""
        old = await _there(call, given.id)
        wanted = Wanted(
            control=old.control,
            subject=old.subject,
            kind=old.kind,
            compensating=given.compensating or old.compensating,
            owner=given.owner or old.owner,
            expires_at=given.expires_at,
            target_at=given.target_at or old.target_at,
            extends=old.id,
        )
        return await self._ask(call, wanted, given.reason)

    async def _ask(self, call: SystemCall, wanted: Wanted, reason: str) -> Reply:
        check_unbound(call)
        await _check(call, wanted)
        body = msgspec.json.encode(wanted).decode()
        title = f"exception of {wanted.control} for {wanted.subject}"
        row = await self._asking.ask(call, title, reason, body)
        _note(call, wanted)
        return Reply({**brief(row, call.now), **_plain(wanted)})

    async def end(self, call: SystemCall, given: Ended) -> None:
        """End an exception: its subject is judged as any other from now on."""
        check_unbound(call)
        row = await _there(call, given.id)
        check_says("reason", given.reason, "say why it ends")
        call.details |= {"exception": row.id, "control": row.control, "subject": row.subject}
        if state_of(row, call.now) == IN_FORCE:
            by = call.actor.id
            ended = replace(row, ended_at=call.now, ended_by=by, why=given.reason)
            call.transaction.put(EXCEPTIONS, ended)

    # -- proposals

    async def proposals(self, call: SystemCall, given: ProposalFilter) -> Reply:
        return self._listed(call, await self._asking.rows(call), given, given.state)

    async def inbox(self, call: SystemCall, given: Page) -> Reply:
        return self._listed(call, await self._asking.waiting(call), given)

    def _listed(
        self, call: SystemCall, rows: Sequence[Proposal], page: Page, state: str = ""
    ) -> Reply:
        said = [
            (row.id, {**brief(row, call.now), **_plain(wanted_of(row))})
            for row in rows
            if state in ("", proposed(row, call.now))
        ]
        return Reply(listed(said, page.after, page.limit))

    async def proposal(self, call: SystemCall, given: ById) -> Reply:
        row = await there(call, given.id, EXCEPTION)
        return Reply({**await self._asking.show(call, row), **_plain(wanted_of(row))})

    async def withdraw(self, call: SystemCall, given: ById) -> None:
        await self._asking.withdraw(call, given)

    async def approve(self, call: SystemCall, given: Decision) -> Reply:
        check_unbound(call)
        return Reply(await self._asking.approve(call, given, _in_force))

    async def deny(self, call: SystemCall, given: Decision) -> Reply:
        check_unbound(call)
        return Reply(await self._asking.deny(call, given))


# -- parts


async def _in_force(call: SystemCall, proposal: Proposal, approvers: tuple[str, ...]) -> str:
    """Put an exception in force, and end the one that it extends."""
    wanted = wanted_of(proposal)
    await _check(call, wanted)
    row = ControlException(
        id=uuid_of(call.entropy(16)),
        control=wanted.control,
        subject=wanted.subject,
        kind=wanted.kind,
        reason=proposal.reason,
        compensating=wanted.compensating,
        owner=wanted.owner,
        proposal=proposal.id,
        extends=wanted.extends,
        asked_by=proposal.requesters,
        approved_by=approvers,
        begins_at=call.now,
        expires_at=wanted.expires_at,
        target_at=wanted.target_at,
        ended_at=None,
        ended_by="",
        why="",
    )
    call.transaction.put(EXCEPTIONS, row)
    old = await call.transaction.get(EXCEPTIONS, wanted.extends)
    if old is not None and state_of(old, call.now) == IN_FORCE:
        why = f"extended by {row.id}"
        ended = replace(old, ended_at=call.now, ended_by=approvers[0], why=why)
        call.transaction.put(EXCEPTIONS, ended)
    _note(call, wanted)
    call.details["exception"] = row.id
    return row.id


async def _check(call: SystemCall, wanted: Wanted) -> None:
    """Raise InputError for what no exception can be; judged when asked for and when approved."""
    if not _CONTROL.fullmatch(wanted.control):
        raise InputError("control", "T and two digits")
    if not wanted.subject.strip() or wanted.subject != wanted.subject.strip():
        raise InputError("subject", "a subject, without space around it")
    if not 0 < len(wanted.compensating) <= MOST_CONTROLS:
        raise InputError("compensating", f"from 1 to {MOST_CONTROLS}: what is done instead")
    for each in wanted.compensating:
        check_says("compensating", each, "one of them says nothing")
        if len(each) > LONGEST:
            raise InputError("compensating", f"at most {LONGEST} characters each")
    if wanted.expires_at <= call.now:
        raise InputError("expires_at", "it has passed")
    if wanted.expires_at > call.now + MOST:
        raise InputError("expires_at", "a year from now at most")
    if await active_person(call.transaction, wanted.owner, call.now) is None:
        raise InputError("owner", "not the entity of an active person")


def wanted_of(row: Proposal) -> Wanted:
    """Return what a proposal of an exception is of."""
    return msgspec.json.decode(row.body, type=Wanted)


def _note(call: SystemCall, wanted: Wanted) -> None:
    call.details |= {"control": wanted.control, "subject": wanted.subject, "owner": wanted.owner}
    call.details |= {"exception_kind": wanted.kind, "expires_at": rfc3339(wanted.expires_at)}
    if wanted.extends:
        call.details["extends"] = wanted.extends


def _plain(wanted: Wanted) -> dict[str, object]:
    return {
        "control": wanted.control,
        "subject": wanted.subject,
        "type": wanted.kind,
        "compensating": list(wanted.compensating),
        "owner": wanted.owner,
        "exception_expires_at": rfc3339(wanted.expires_at),
        "target_at": moment(wanted.target_at),
        "extends": wanted.extends,
    }


async def _there(call: SystemCall, id_: str) -> ControlException:
    row = await call.transaction.get(EXCEPTIONS, id_)
    if row is None:
        raise NotFoundError
    return row


def shown(row: ControlException, now: datetime) -> dict[str, object]:
    """Return an exception as replies show it; its state is by the clock."""
    return {
        "id": row.id,
        "state": state_of(row, now),
        "control": row.control,
        "subject": row.subject,
        "type": row.kind,
        "reason": row.reason,
        "compensating": list(row.compensating),
        "owner": row.owner,
        "proposal": row.proposal,
        "extends": row.extends,
        "asked_by": list(row.asked_by),
        "approved_by": list(row.approved_by),
        "begins_at": rfc3339(row.begins_at),
        "expires_at": rfc3339(row.expires_at),
        "target_at": moment(row.target_at),
        "ended_at": moment(row.ended_at),
        "ended_by": row.ended_by,
        "why": row.why,
        "entry": row.entry,
    }
