"""`strongroom/changes…`: writes that are proposed, shown as a difference, approved, and applied.

    propose → (each approval judged with all before it) → apply, write by write → applied
    emergency → apply at once → approved by another within three business days

Order   Each write is applied as a request of its own, with its own entry, and marked in the same
        transaction: so the log holds what it always did, and names the change beside it. Of a
        change with several, the row says which are done.
Trust   Applying takes the capability on `…/apply`, and on each write's own path: nobody writes by
        a change what their policy does not allow. An emergency takes a fresh security key, is an
        alert, and whoever has one overdue opens no other. No change holds a change.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final

import msgspec

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError
from strongroom.base.wording import check_says
from strongroom.core.governance.controlling import (
    LASTS,
    STALE,
    Change,
    applied,
    approval_rules_of,
    change_of,
)
from strongroom.core.governance.drafting import (
    digest_of_difference,
    parts_of,
)
from strongroom.core.governance.drafts import LONGEST_PATH, Draft, Drafting, WriteGiven
from strongroom.core.governance.explaining import explained
from strongroom.core.governance.proposals import (
    OPEN,
    ById,
    Decision,
    Ground,
    Text,
    asker,
    brief,
    decider,
    own,
    say_no,
    say_yes,
    shown,
    store,
    there,
    written,
)
from strongroom.core.request import Instead, SystemCall
from strongroom.core.router import Operation
from strongroom.core.server import Server
from strongroom.identity.governance.approving import approvals_of, groups_of, has_place
from strongroom.identity.governance.changes import (
    APPLIED,
    CHANGE,
    CHANGE_WRITES,
    TO_APPLY,
    TO_APPLY_AT_ONCE,
    ChangeWrite,
    change_state,
    holidays,
    may_be_applied,
)
from strongroom.identity.governance.records import (
    APPROVED,
    BEGUN,
    DENIED,
    OVERDUE,
    PENDING,
    PROPOSALS,
    STATES,
    WITHDRAWN,
    Proposal,
    state_of,
)
from strongroom.sdk.changes import due_after
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route

EMERGENCY: Final = "emergency_change"
APPROVING: Final = "strongroom/changes/id/approve"
MOST_LISTED: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Given:
    """A change as proposed."""

    title: Annotated[str, Help("What it is called.", most=256)] = ""
    reason: Annotated[str, Help("Why it is needed.", most=4096)] = ""
    ticket: Annotated[str, Help("Where it is talked about.", most=256)] = ""
    writes: Annotated[tuple[WriteGiven, ...], Help("What is written, in this order.")] = ()


@dataclass(frozen=True, kw_only=True)
class Edited(Given, ById):
    """A change, written anew."""


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which changes."""

    state: Annotated[str, Help("State.", choices=("", *STATES, APPLIED))] = ""
    path: Annotated[str, Help("Only changes of this path.", most=LONGEST_PATH)] = ""
    requester: Annotated[str, Help("Only changes that this entity proposed.", most=64)] = ""
    emergency: Annotated[bool, Help("Only those of emergencies.")] = False


class ChangeRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._drafting = Drafting(server)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="changes",
                summary="The changes: what was proposed, by whom, and what came of it.",
                list=Endpoint(Filter, self.ids, "change.list"),
                write=Endpoint(Given, self.propose, "change.propose"),
            ),
            Route(
                path="changes/preview",
                summary="What a change would change, and who could approve it.",
                write=Endpoint(Given, self.preview, "change.preview"),
            ),
            Route(
                path="changes/emergency",
                summary="Make a change that may be applied at once, and is approved afterwards.",
                write=Endpoint(Given, self.at_once, "change.emergency"),
            ),
            Route(
                path="changes/self",
                summary="The caller's own changes.",
                list=Endpoint(Filter, self.mine, "change.list"),
            ),
            Route(
                path="changes/inbox",
                summary="The changes that wait for the caller's decision.",
                list=Endpoint(Page, self.inbox, "change.list"),
            ),
            Route(
                path="changes/{id}",
                summary="A change: its writes as a difference, its approvals, what is done of it.",
                read=Endpoint(ById, self.show, "change.read"),
                write=Endpoint(Edited, self.edit, "change.edit"),
                delete=Endpoint(ById, self.withdraw, "change.withdraw"),
            ),
            Route(
                path="changes/{id}/approve",
                summary="Approve a change.",
                write=Endpoint(Decision, self.approve, "change.approve"),
            ),
            Route(
                path="changes/{id}/deny",
                summary="Deny a change, which ends it.",
                write=Endpoint(Decision, self.deny, "change.deny"),
            ),
            Route(
                path="changes/{id}/apply",
                summary="Perform the next write of an approved change.",
                write=Endpoint(ById, self.apply, "change.apply"),
            ),
        )

    # -- reading

    async def ids(self, call: SystemCall, given: Filter) -> Reply:
        return await _listed(call, await call.transaction.all(PROPOSALS, kind=CHANGE), given)

    async def mine(self, call: SystemCall, given: Filter) -> Reply:
        who = await asker(call)
        rows = await call.transaction.all(PROPOSALS, kind=CHANGE)
        return await _listed(call, [row for row in rows if who in row.requesters], given)

    async def inbox(self, call: SystemCall, given: Page) -> Reply:
        """Give what the caller could decide on, and has not approved yet."""
        rows = await call.transaction.all(PROPOSALS, kind=CHANGE)
        open_ = [row for row in rows if state_of(row, call.now) in OPEN]
        waiting = [row for row in open_ if await self._waits_for(call, row)]
        return await _listed(call, waiting, Filter(after=given.after, limit=given.limit))

    async def _waits_for(self, call: SystemCall, row: Proposal) -> bool:
        try:
            who = await decider(call, row)
        except DeniedError:
            return False
        said = await approvals_of(call.transaction, row)
        if any(each.approver == who for each in said):
            return False
        ground = await self._ground(call, await writes_of(call, row))
        graph = await self._server.views.graph(call.transaction)
        return has_place(ground.rules, await groups_of(call.transaction, who, graph))

    async def show(self, call: SystemCall, given: ById) -> Reply:
        row = await there(call, given.id, CHANGE)
        return Reply(await self._told(call, row))

    async def _told(self, call: SystemCall, row: Proposal) -> dict[str, object]:
        writes = await writes_of(call, row)
        ground = await self._ground(call, writes)
        said = await explained(self._server, call, ground, row.requesters[0], APPROVING)
        told = await shown(self._server, call, row, ground)
        stale = {each.at for each in writes if await self._drafting.is_stale(call, each)}
        return {
            **told,
            **_plain(row, call.now),
            **{name: said[name] for name in ("rules", "needed", "group_names", "approvers")},
            "writes": [_shown(each, stale=each.at in stale) for each in writes],
        }

    async def _ground(self, call: SystemCall, writes: Sequence[ChangeWrite | Draft]) -> Ground:
        paths = [each.path for each in writes]
        rules = await approval_rules_of(self._server.views, call.transaction, paths)
        return Ground(rules=rules, makers=frozenset())

    # -- proposing

    async def preview(self, call: SystemCall, given: Given) -> Reply:
        """Show what a change would change, and what it needs; nothing is proposed."""
        who = await asker(call)
        drafts = await self._drafting.drafts(call, given.writes)
        ground = await self._ground(call, drafts)
        said = await explained(self._server, call, ground, who, APPROVING)
        return Reply({**said, "writes": [_drafted(at, d) for at, d in enumerate(drafts, 1)]})

    async def propose(self, call: SystemCall, given: Given) -> Reply:
        """Propose a change; the reply shows it, and says what it needs."""
        return await self._write(call, given, None)

    async def edit(self, call: SystemCall, given: Edited) -> Reply:
        """Write a change anew: what was said of it is void."""
        old = await own(call, given.id, CHANGE)
        if old.state not in (PENDING, DENIED) or change_of(old).emergency:
            raise InputError("", f"the change is {change_state(old, call.now)}: make a new one")
        return await self._write(call, given, old)

    async def at_once(self, call: SystemCall, given: Given) -> Reply:
        """Make a change that may be applied at once; another approves it afterwards."""
        who = await asker(call)
        if await self._owes(call, who):
            raise InputError("", "an emergency of yours is overdue: have it approved first")
        return await self._write(call, given, None, emergency=True)

    async def _owes(self, call: SystemCall, who: str) -> bool:
        rows = await call.transaction.all(PROPOSALS, kind=CHANGE, state=BEGUN)
        return any(who in row.requesters and state_of(row, call.now) == OVERDUE for row in rows)

    async def _write(
        self, call: SystemCall, given: Given, old: Proposal | None, *, emergency: bool = False
    ) -> Reply:
        await asker(call)
        check_says("reason", given.reason, "say why it is needed")
        drafts = await self._drafting.drafts(call, given.writes)
        ground = await self._ground(call, drafts)
        off = await holidays(call.transaction) if emergency else ()
        change = Change(ticket=given.ticket, emergency=emergency, holidays=off)
        text = Text(
            title=given.title or _title(drafts),
            reason=given.reason,
            body=msgspec.json.encode(change).decode(),
            rules=ground.rules,
        )
        lasts = TO_APPLY_AT_ONCE if emergency else LASTS
        row = await written(call, CHANGE, text, old, lasts_until=call.now + lasts)
        if emergency:
            row = replace(row, state=BEGUN, due_at=due_after(call.now, off))
            call.details |= {"alert": EMERGENCY, "emergency": True, "holidays": off}
            call.details["due_at"] = rfc3339(due_after(call.now, off))
        store(call, row)
        _note(call, given, drafts)
        for at, draft in enumerate(drafts, 1):
            call.transaction.put(CHANGE_WRITES, _row(row, at, draft))
        return Reply(await self._told(call, row))

    async def withdraw(self, call: SystemCall, given: ById) -> None:
        """Take a change back. What of it is applied stays so."""
        row = await own(call, given.id, CHANGE)
        if row.state == WITHDRAWN:
            return
        if row.state == BEGUN:
            raise InputError("", "an emergency is approved or denied by another, not withdrawn")
        if row.state not in (PENDING, APPROVED):
            raise InputError("", f"the change is {row.state} already")
        store(call, replace(row, state=WITHDRAWN, decided_at=call.now, entry=None))

    # -- deciding

    async def approve(self, call: SystemCall, given: Decision) -> Reply:
        """Approve it; with the last approval needed it may be applied."""
        row = await there(call, given.id, CHANGE)
        change, writes = change_of(row), await writes_of(call, row)
        if change.by_itself:
            check_says("because", given.because, "nobody said why it is needed: say it here")
        if row.state == PENDING:
            for each in writes:
                if await self._drafting.is_stale(call, each):
                    raise InputError("", STALE)
        ground = await self._ground(call, writes)
        call.details |= {"emergency": change.emergency, "requesters": row.requesters}
        judged = await say_yes(self._server, call, row, given, ground)
        call.details["because_given"] = bool(given.because)
        if judged.met:
            row = _passed(row, call.now)
            store(call, row)
            call.details["digests"] = [each.digest for each in writes]
        return Reply(await self._told(call, row))

    async def deny(self, call: SystemCall, given: Decision) -> Reply:
        """Deny it. What was applied of an emergency stays so until it is changed back."""
        row = await there(call, given.id, CHANGE)
        writes = await writes_of(call, row)
        call.details["emergency"] = change_of(row).emergency
        call.details["writes_applied"] = sum(each.applied_at is not None for each in writes)
        await say_no(self._server, call, row, given, await self._ground(call, writes))
        store(call, replace(row, state=DENIED, decided_at=call.now, entry=None))
        return Reply({"id": row.id, "state": DENIED})

    # -- applying

    async def apply(self, call: SystemCall, given: ById) -> None:
        """Have the next write that is not done yet served in place of this request."""
        row = await there(call, given.id, CHANGE)
        call.details["change"] = row.id
        if not may_be_applied(row, call.now):
            raise InputError("", f"the change is {change_state(row, call.now)}: nothing to apply")
        left = [each for each in await writes_of(call, row) if each.applied_at is None]
        if not left:
            raise InputError("", "all of it is applied already")
        write = left[0]
        body, query, merge = parts_of(write.content)
        incoming = replace(
            call.request,
            operation=Operation(write.operation),
            path=write.path,
            query=query,
            body=body,
            merge_patch=merge,
            wrap_ttl=None,
            chosen=(row.id, write.at),
        )
        call.instead = Instead(incoming=incoming)


# -- parts


async def writes_of(call: SystemCall, row: Proposal) -> list[ChangeWrite]:
    """Return the writes of a change's present text, in their order."""
    found = await call.transaction.all(CHANGE_WRITES, change=row.id, revision=row.revision)
    return sorted(found, key=lambda each: each.at)


def _passed(row: Proposal, now: datetime) -> Proposal:
    """Return an approved change; of an emergency, what could be applied can be no longer."""
    if row.state == PENDING:
        return replace(row, state=APPROVED, decided_at=now, expires_at=now + TO_APPLY, entry=None)
    done = replace(row, state=APPROVED, decided_at=now, entry=None)
    return applied(done) if row.outcome == APPLIED else done


def _title(drafts: Sequence[Draft]) -> str:
    return ", ".join(f"{each.operation} {each.path}" for each in drafts)[:256]


def _row(row: Proposal, at: int, draft: Draft) -> ChangeWrite:
    return ChangeWrite(
        change=row.id,
        revision=row.revision,
        at=at,
        path=draft.path,
        operation=draft.operation,
        digest=draft.digest,
        base=draft.base,
        follows=draft.follows,
        content=draft.content,
        shown=draft.shown,
        applied_at=None,
        applied_by="",
    )


def _note(call: SystemCall, given: Given, drafts: Sequence[Draft]) -> None:
    call.details["writes"] = [f"{each.operation} {each.path}" for each in drafts]
    call.details["digests"] = [each.digest for each in drafts]
    shown_of = [each.shown for each in drafts]
    call.details["difference"] = digest_of_difference(call.transaction.barrier, shown_of)
    call.details |= {"ticket": given.ticket, "reason_given": bool(given.reason)}


def _plain(row: Proposal, now: datetime) -> dict[str, object]:
    change = change_of(row)
    return {
        "state": change_state(row, now),
        "ticket": change.ticket,
        "emergency": change.emergency,
        "by_itself": change.by_itself,
        "applied": row.outcome == APPLIED,
    }


def _shown(write: ChangeWrite, *, stale: bool) -> dict[str, object]:
    return {
        "at": write.at,
        "path": write.path,
        "operation": write.operation,
        "digest": write.digest,
        "difference": json.loads(write.shown),
        "follows": write.follows,
        "stale": stale,
        "applied_at": None if write.applied_at is None else rfc3339(write.applied_at),
        "applied_by": write.applied_by,
        "entry": write.entry,
    }


def _drafted(at: int, draft: Draft) -> dict[str, object]:
    return {
        "at": at,
        "path": draft.path,
        "operation": draft.operation,
        "digest": draft.digest,
        "difference": json.loads(draft.shown),
        "follows": draft.follows,
    }


async def _listed(call: SystemCall, rows: Sequence[Proposal], given: Filter) -> Reply:
    found: dict[str, dict[str, object]] = {}
    limit = given.limit if 0 < given.limit < MOST_LISTED else MOST_LISTED
    for row in sorted(rows, key=lambda each: each.id):
        if row.id <= given.after or given.state not in ("", change_state(row, call.now)):
            continue
        if given.requester and given.requester not in row.requesters:
            continue
        if given.emergency and not change_of(row).emergency:
            continue
        paths = [each.path for each in await writes_of(call, row)]
        if given.path and given.path not in paths:
            continue
        if len(found) == limit:
            return Reply({"keys": list(found), "key_info": found, "next": [*found][-1]})
        found[row.id] = {**brief(row, call.now), **_plain(row, call.now), "paths": paths}
    return Reply({"keys": list(found), "key_info": found, "next": ""})
