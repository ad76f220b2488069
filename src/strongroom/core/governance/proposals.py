"""What is alike for everything that others must approve: who asks, and how it is decided.

Order   A proposal is pending until it is decided, withdrawn or over; each approval, and what comes
        of the last one needed, is one transaction with its entry. A decision names the revision
        that it is on: to edit a proposal voids what was said of it. One denial ends it, by
        somebody who could approve it as well.
Trust   Who asks is a registered, active person, signed in as themselves. Who decides is another
        (`identity.deciding`), judged with all who approved before (`governance.approving`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.base.wording import check_says
from strongroom.core.governance.rules import plain_needs
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.identity.deciding import (
    NOBODY_ELSE,
    MayNotDecideError,
    Vouching,
    check_decider,
    known_as,
    vouching,
)
from strongroom.identity.governance.approving import (
    MADE_IT,
    NO_PLACE,
    Judged,
    approvals_of,
    groups_of,
    has_place,
    judge,
)
from strongroom.identity.governance.grants import of_own_sign_in
from strongroom.identity.governance.records import (
    APPROVALS,
    APPROVE,
    BEGUN,
    DENY,
    EXPIRED,
    OVERDUE,
    PENDING,
    PROPOSALS,
    Approval,
    InForce,
    Proposal,
    state_of,
)
from strongroom.identity.people import active_person
from strongroom.identity.policy.capability import Operation
from strongroom.identity.records import WORKLOADS
from strongroom.identity.standing import end_of, identity_of, living, standing_of
from strongroom.identity.tokens import kept
from strongroom.sdk.engine import Help
from strongroom.storage.transaction import Transaction

MAY_NOT: Final = "permission denied: you may not decide on this"
OPEN: Final = (PENDING, BEGUN, OVERDUE)


@dataclass(frozen=True, kw_only=True)
class ById:
    """For paths that name a request."""

    id: Annotated[str, Help("Id of the request.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class Decision(ById):
    """A decision on one revision of a request."""

    revision: Annotated[int, Help("The revision that the decision is on.", least=1)]
    because: Annotated[str, Help("Why.", most=4096)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What a proposal says, as its kind has checked it."""

    title: str
    reason: str
    body: str
    rules: tuple[InForce, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """By what a decision is judged: the rules of now, and who made what it is of."""

    rules: tuple[InForce, ...]
    makers: frozenset[str]


# -- asking


async def asker(call: SystemCall) -> str:
    """Return the entity of who asks; DeniedError for anybody but a registered, active person."""
    session = call.session
    if session is None or session.entity is None or not of_own_sign_in(session.token):
        raise DeniedError("only a person who signed in asks for this")
    if await active_person(call.transaction, session.entity.id, call.now) is None:
        raise DeniedError("only a registered person asks for this")
    return session.entity.id


def helpers(call: SystemCall) -> tuple[str, ...]:
    """Return who could have signed in as the caller: they may be who asks, or decides."""
    sign_in = None if call.session is None else call.session.sign_in
    found = (sign_in.helped_by or ()) if sign_in is not None else ()
    return tuple(dict.fromkeys((*call.helped_by, *found)))


async def written(
    call: SystemCall, kind: str, text: Text, old: Proposal | None, *, lasts_until: object = None
) -> Proposal:
    """Return a proposal, new or with a text that voids what was said of the one before."""
    who = await asker(call)
    names = await known_as(call.transaction, (who, *helpers(call)))
    changes = {
        "title": text.title,
        "reason": text.reason,
        "body": text.body,
        "rules": text.rules,
        "edited_at": call.now,
        "expires_at": lasts_until,
    }
    if old is not None:
        names = tuple(sorted({*old.known_as, *names}))
        helped = tuple(dict.fromkeys((*old.helpers, *helpers(call))))
        kept = replace(old, revision=old.revision + 1, known_as=names, helpers=helped)
        kept = replace(kept, state=PENDING, entry=None)
        return replace(kept, decided_at=None, **changes)  # type: ignore[arg-type]
    return Proposal(
        id=uuid_of(call.entropy(16)),
        kind=kind,
        revision=1,
        requesters=(who,),
        known_as=names,
        helpers=helpers(call),
        state=PENDING,
        created_at=call.now,
        due_at=None,
        decided_at=None,
        outcome="",
        **changes,  # type: ignore[arg-type]
    )


async def there(call: SystemCall, id_: str, kind: str) -> Proposal:
    """Return the proposal of this id; NotFoundError where there is none of this kind."""
    row = await call.transaction.get(PROPOSALS, id_)
    if row is None or row.kind != kind:
        raise NotFoundError
    return row


async def own(call: SystemCall, id_: str, kind: str) -> Proposal:
    """Return a proposal of the caller's; DeniedError for another's."""
    row = await there(call, id_, kind)
    call.details["proposal"] = row.id
    if await asker(call) not in row.requesters:
        raise DeniedError("permission denied: only who asked changes a request")
    return row


def store(call: SystemCall, row: Proposal) -> None:
    """Store a proposal; its entry says what it needs."""
    call.transaction.put(PROPOSALS, row)
    call.details |= {"proposal": row.id, "proposal_kind": row.kind, "revision": row.revision}
    call.details |= {"state": row.state, "requesters": row.requesters}
    call.details["approval_rules"] = [rule.name for rule in row.rules]
    call.details["needed"] = sum(need.count for rule in row.rules for need in rule.needs)


# -- deciding


async def opened(call: SystemCall, row: Proposal, given: Decision) -> None:
    """Raise InputError unless a proposal can be decided on now, in the text that was seen."""
    if given.because:
        check_says("because", given.because, "say why, or leave it out")
    state = state_of(row, call.now)
    call.details |= {"proposal": row.id, "proposal_kind": row.kind, "revision": row.revision}
    if state == EXPIRED:
        raise InputError("", "the request has expired: edit it to ask again")
    if state not in OPEN:
        raise InputError("", f"the request is {state} already")
    if given.revision != row.revision:
        raise InputError("revision", "the request was edited; read it again")
    if not await is_active(call.transaction, row.requesters[0], call.now):
        raise InputError("", "who asked for it is no longer active")


async def is_active(tx: Transaction, who: str, now: datetime) -> bool:
    """Say whether somebody is a person, or a workload, who is there and not over."""
    if await active_person(tx, who, now) is not None:
        return True
    entity = await living(tx, who)
    if entity is None or entity.disabled:
        return False
    workload = await tx.get(WORKLOADS, entity.id)
    if workload is None:
        return False
    end = end_of(workload)
    return end is None or now < end


async def decider(call: SystemCall, row: Proposal) -> str:
    """Return who decides; DeniedError for anybody who may not."""
    if call.session is None:
        raise DeniedError
    try:
        return await check_decider(
            call.transaction,
            row.requesters,
            row.known_as,
            call.session,
            asked_at=row.created_at,
            now=call.now,
            helpers=row.helpers,
        )
    except MayNotDecideError as refused:
        raise DeniedError(MAY_NOT, logged=str(refused)) from None


async def say_yes(
    server: Server, call: SystemCall, row: Proposal, given: Decision, ground: Ground
) -> Judged:
    """Note an approval, and return what all of them come to with it."""
    who = await _with_standing(server, call, row, given, ground)
    before = await approvals_of(call.transaction, row)
    judged = await _judged(server, call, row, before, ground)
    if who in judged.counting:
        raise InputError("", "you approved it already")
    mine = _approval(call, row, who, APPROVE, given)
    call.transaction.put(APPROVALS, mine)
    others = [each for each in before if each.approver != who]
    judged = await _judged(server, call, row, [*others, mine], ground)
    note_judged(call, ground.rules, judged)
    return judged


async def say_no(
    server: Server, call: SystemCall, row: Proposal, given: Decision, ground: Ground
) -> str:
    """Note a denial, which ends it; return whose. Who could not approve it does not deny it."""
    who = await _with_standing(server, call, row, given, ground)
    call.transaction.put(APPROVALS, _approval(call, row, who, DENY, given))
    return who


async def _with_standing(
    server: Server, call: SystemCall, row: Proposal, given: Decision, ground: Ground
) -> str:
    """Return who decides: somebody for whom a rule has a place, and who did not make it."""
    await opened(call, row, given)
    who = await decider(call, row)
    if who in ground.makers:
        raise DeniedError(f"permission denied: {MADE_IT}", logged=MADE_IT)
    graph = await server.views.graph(call.transaction)
    groups = await groups_of(call.transaction, who, graph)
    if not has_place((*ground.rules, *row.rules), groups):
        raise DeniedError(f"permission denied: {NO_PLACE.replace('them', 'you')}", logged=NO_PLACE)
    return who


async def _judged(
    server: Server, call: SystemCall, row: Proposal, said: Sequence[Approval], ground: Ground
) -> Judged:
    """Judge approvals as of this call."""
    graph = await server.views.graph(call.transaction)

    async def may(person: str, approval: Approval) -> bool:
        return await _still_may(server, call, person, approval)

    return await judge(
        call.transaction,
        row,
        said,
        ground.rules,
        makers=ground.makers,
        may=may,
        graph=graph,
        now=call.now,
    )


async def _still_may(server: Server, call: SystemCall, person: str, approval: Approval) -> bool:
    """Say whether somebody's policies, of now, let them approve where they did."""
    tx, told = call.transaction, approval.vouching
    standing = await standing_of(tx, person, await server.views.graph(tx))
    if standing is None:
        return False
    who = await identity_of(tx, standing.entity, standing.belonging)
    names = kept((*told.policies, *standing.policies))
    acl, _ = await server.views.acl(tx, names, who, call.now)
    return acl.grants(told.path, Operation.UPDATE).allowed


def _approval(call: SystemCall, row: Proposal, who: str, verdict: str, given: Decision) -> Approval:
    return Approval(
        proposal=row.id,
        revision=row.revision,
        approver=who,
        verdict=verdict,
        because=given.because,
        vouching=_vouching(call),
        at=call.now,
    )


def _vouching(call: SystemCall) -> Vouching:
    session = call.session
    if session is None:
        return NOBODY_ELSE
    told = vouching(session)
    return replace(told, policies=session.token.policies, path=call.request.path)


def note_judged(call: SystemCall, rules: Sequence[InForce], judged: Judged) -> None:
    """Put into the entry who fills which place of which rule, and who does not count."""
    names = [rule.name for rule in rules for _ in rule.needs]
    call.details["places"] = [
        {**plain_needs([each.need])[0], "rule": name, "by": list(each.by)}
        for name, each in zip(names, judged.filled, strict=True)
    ]
    call.details["approvers"] = sorted(judged.counting)
    call.details["in_groups"] = {
        who: sorted(groups & _named(judged)) for who, groups in judged.counting.items()
    }
    if judged.not_counting:
        call.details["not_counting"] = sorted(judged.not_counting)
    if judged.problems:
        call.details["unmeetable"] = list(judged.problems)


def _named(judged: Judged) -> frozenset[str]:
    return frozenset({group for each in judged.filled for group in each.need.groups})


# -- showing


async def shown(
    server: Server, call: SystemCall, row: Proposal, ground: Ground
) -> dict[str, object]:
    """Return a proposal with its approvals, and which places are filled."""
    said = await approvals_of(call.transaction, row)
    judged = await _judged(server, call, row, said, ground)
    names = [rule.name for rule in ground.rules for _ in rule.needs]
    return {
        **brief(row, call.now),
        "approvals": [
            {
                "approver": each.approver,
                "verdict": each.verdict,
                "because": each.because,
                "at": rfc3339(each.at),
                "counts": each.approver not in judged.not_counting,
                "why_not": judged.not_counting.get(each.approver, ""),
                "entry": each.entry,
            }
            for each in said
        ],
        "places": [
            {**plain_needs([each.need])[0], "rule": name, "by": list(each.by), "met": each.met}
            for name, each in zip(names, judged.filled, strict=True)
        ],
        "problems": list(judged.problems),
    }


def brief(row: Proposal, now: object) -> dict[str, object]:
    """Return a proposal as lists show it."""
    return {
        "id": row.id,
        "kind": row.kind,
        "title": row.title,
        "reason": row.reason,
        "revision": row.revision,
        "state": state_of(row, now),  # type: ignore[arg-type]
        "requesters": list(row.requesters),
        "created_at": rfc3339(row.created_at),
        "edited_at": rfc3339(row.edited_at),
        "expires_at": rfc3339(row.expires_at),
        "due_at": None if row.due_at is None else rfc3339(row.due_at),
        "decided_at": None if row.decided_at is None else rfc3339(row.decided_at),
        "outcome": row.outcome,
        "entry": row.entry,
    }
