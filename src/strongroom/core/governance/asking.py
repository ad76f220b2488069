"""Proposals of papers: documents and exceptions, which are asked for and approved alike.

Order   asked → (each approval judged with all before it) → the last one needed puts it in force,
        in its own transaction. Rules that let approval follow do not: what is not approved is not
        in force.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from strongroom.base.errors import DeniedError, InputError
from strongroom.base.wording import check_says
from strongroom.core.governance.covering import Covering
from strongroom.core.governance.proposals import (
    OPEN,
    ById,
    Decision,
    Ground,
    Text,
    decider,
    own,
    say_no,
    say_yes,
    shown,
    store,
    there,
    written,
)
from strongroom.core.governance.rules import plain_rules
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.identity.governance.approving import approvals_of, groups_of, has_place
from strongroom.identity.governance.records import (
    APPROVED,
    DENIED,
    PENDING,
    PROPOSALS,
    WITHDRAWN,
    Proposal,
    state_of,
)

LASTS: Final = timedelta(days=14)
Passed = Callable[[SystemCall, Proposal, tuple[str, ...]], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Asking:
    """Asking for one kind of paper, and deciding on it."""

    server: Server
    kind: str

    async def ground(self, call: SystemCall) -> Ground:
        """Return by what it is judged: the rules of its kind."""
        rules = await Covering(self.server, call).rules((), (), self.kind)
        return Ground(rules=rules, makers=frozenset())

    async def ask(self, call: SystemCall, title: str, reason: str, body: str) -> Proposal:
        """Write a proposal down, with what it needs."""
        check_says("reason", reason, "say why")
        text = Text(
            title=title[:512], reason=reason, body=body, rules=(await self.ground(call)).rules
        )
        row = await written(call, self.kind, text, None, lasts_until=call.now + LASTS)
        store(call, row)
        return row

    async def show(self, call: SystemCall, row: Proposal) -> dict[str, object]:
        """Return a proposal with its approvals and what it needs."""
        ground = await self.ground(call)
        return {
            **await shown(self.server, call, row, ground),
            "rules": plain_rules(ground.rules),
        }

    async def approve(self, call: SystemCall, given: Decision, passed: Passed) -> dict[str, object]:
        """Note an approval; with the last one needed `passed` puts it in force, or nothing.

        `passed` is given the approvers, and returns the id of what came of it.
        """
        row = await there(call, given.id, self.kind)
        ground = await self.ground(call)
        judged = await say_yes(self.server, call, row, given, ground)
        if judged.met:
            outcome = await passed(call, row, tuple(sorted(judged.counting)))
            row = replace(row, state=APPROVED, outcome=outcome, decided_at=call.now)
            store(call, row)
        return await self.show(call, row)

    async def deny(self, call: SystemCall, given: Decision) -> dict[str, object]:
        """Deny it, which ends it."""
        row = await there(call, given.id, self.kind)
        await say_no(self.server, call, row, given, await self.ground(call))
        store(call, replace(row, state=DENIED, decided_at=call.now))
        return {"id": row.id, "state": DENIED}

    async def withdraw(self, call: SystemCall, given: ById) -> None:
        """Take back one's own."""
        row = await own(call, given.id, self.kind)
        if row.state == WITHDRAWN:
            return
        if row.state != PENDING:
            raise InputError("", f"the request is {row.state} already")
        store(call, replace(row, state=WITHDRAWN, decided_at=call.now))

    async def rows(self, call: SystemCall) -> list[Proposal]:
        """Return every proposal of this kind, by id."""
        return await call.transaction.all(PROPOSALS, kind=self.kind, order="id")

    async def waiting(self, call: SystemCall) -> list[Proposal]:
        """Return what the caller could decide on, and has not approved yet."""
        ground = await self.ground(call)
        rows = [row for row in await self.rows(call) if state_of(row, call.now) in OPEN]
        return [row for row in rows if await self._waits(call, row, ground)]

    async def _waits(self, call: SystemCall, row: Proposal, ground: Ground) -> bool:
        try:
            who = await decider(call, row)
        except DeniedError:
            return False
        if any(each.approver == who for each in await approvals_of(call.transaction, row)):
            return False
        graph = await self.server.views.graph(call.transaction)
        return has_place(ground.rules, await groups_of(call.transaction, who, graph))


def listed(
    rows: Iterable[tuple[str, dict[str, object]]], after: str, limit: int
) -> dict[str, object]:
    """Return a page of what is shown, by its keys."""
    found = sorted((each for each in rows if each[0] > after), key=lambda each: each[0])
    most = limit if 0 < limit < 1000 else 1000
    info = dict(found[:most])
    return {
        "keys": list(info),
        "key_info": info,
        "next": found[most - 1][0] if len(found) > most else "",
    }
