"""What holds a write to an approved change, where a rule covers it.

    covered? → which approved change says just this? → is what is there still what it was shown
    against? → served, and marked as applied in the same transaction

Order   Asked behind policy and guardrails, for every write that comes with a token. A write that
        fails is not marked. What is refused may be proposed by itself: that is committed with the
        entry of the refusal.
Trust   Whoever proposed a change sends its writes, or anybody who may apply it has them served
        (`…/apply`), under their own policy. Root is held to it like everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

import msgspec

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError
from strongroom.base.ids import uuid_of
from strongroom.core.attempt import Attempt
from strongroom.core.governance.drafting import (
    Target,
    base_of,
    content_of,
    difference,
    digest_of_difference,
    digest_of_write,
)
from strongroom.core.views import Views
from strongroom.identity.deciding import is_registered, known_as
from strongroom.identity.governance.changes import (
    APPLIED,
    CHANGE,
    CHANGE_WRITES,
    ChangeRule,
    ChangeWrite,
    change_state,
    may_be_applied,
)
from strongroom.identity.governance.records import (
    APPROVED,
    PENDING,
    PROPOSALS,
    InForce,
    Proposal,
)
from strongroom.identity.governance.rules import Covered, in_force, read_rules
from strongroom.identity.policy.pattern import Segment, Shape, shape
from strongroom.identity.sessions import Session
from strongroom.identity.standing import standing_of
from strongroom.sdk.engine import Call
from strongroom.storage.transaction import Transaction

LASTS: Final = timedelta(days=14)  # for so long a change waits for approval
BY_ITSELF: Final = "a write that was refused, for want of an approved change"
CHOSEN: Final = "chosen"  # stands for a rule where a write of a change is covered by none
STALE: Final = "the change is stale: what it was shown against has changed; propose it anew"


class NeedsChangeError(DeniedError):
    """Refused for want of an approved change; the reply says so, and which one waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What of a change only its own kind knows: the body of the proposal."""

    ticket: str = ""
    emergency: bool = False
    by_itself: bool = False  # proposed by a write that was refused
    holidays: tuple[str, ...] = ()  # as of an emergency


@dataclass(frozen=True, slots=True)
class Found:
    """A write of a change, and the change."""

    write: ChangeWrite
    row: Proposal


def change_of(row: Proposal) -> Change:
    """Return what a proposal of a change says."""
    return msgspec.json.decode(row.body, type=Change)


@dataclass(frozen=True, slots=True)
class ChangeControl:
    """Asked by the gate. `call` builds what a handler gets."""

    views: Views
    entropy: Callable[[int], bytes]
    call: Callable[[Attempt], Call]

    async def hold(self, attempt: Attempt, session: Session, rules: Sequence[ChangeRule]) -> None:
        """Let a covered write pass if an approved change says it; NeedsChangeError if none does."""
        incoming, tx = attempt.incoming, attempt.transaction
        names = ", ".join(rule.name for rule in rules)
        live, match = attempt.serving
        content = content_of(incoming)
        digest = digest_of_write(tx.barrier, incoming.path, incoming.operation.value, content)
        found = await self._changes(attempt, session, digest)
        target = Target(path=incoming.path, live=live, match=match)
        passing = [each for each in found if may_be_applied(each.row, attempt.now)]
        for each in passing:
            if each.write.applied_at is None and await self._stands(attempt, each.row):
                await self._check_base(attempt, target, each)
                self._pass(attempt, each)
                return
        attempt.guardrail = f"change:{rules[0].name if rules else CHOSEN}"
        needs = f"permission denied: this needs an approved change (rule {names or CHOSEN})"
        waiting = [each for each in found if each.row.state == PENDING]
        waiting = [each for each in waiting if change_state(each.row, attempt.now) == PENDING]
        if waiting:
            id_ = waiting[0].row.id
            attempt.about["change_waiting"] = id_
            attempt.reason = "its change waits for approval"
            raise NeedsChangeError(f"{needs}; change {id_} waits for approval")
        attempt.reason = "no approved change says it"
        if not any(rule.propose for rule in rules) or incoming.chosen is not None:
            raise NeedsChangeError(needs)
        made = await self._propose(attempt, session, target, content, digest)
        if made is None:
            raise NeedsChangeError(f"{needs}; who asks is not registered, and proposes nothing")
        raise NeedsChangeError(f"{needs}; proposed as change {made.id}: try again once approved")

    async def _changes(self, attempt: Attempt, session: Session, digest: str) -> list[Found]:
        """Return the changes that say a write, and that the caller may have served."""
        tx, chosen = attempt.transaction, attempt.incoming.chosen
        found: list[Found] = []
        for write in await tx.all(CHANGE_WRITES, digest=digest):
            row = await tx.get(PROPOSALS, write.change)
            if row is None or row.revision != write.revision:
                continue
            own = session.entity is not None and session.entity.id in row.requesters
            if chosen == (write.change, write.at) if chosen is not None else own:
                found.append(Found(write, row))
        return sorted(found, key=lambda each: (each.row.created_at, each.write.at))

    async def _stands(self, attempt: Attempt, row: Proposal) -> bool:
        """Say whether who proposed a change is still registered and active."""
        graph = await self.views.graph(attempt.transaction)
        standing = await standing_of(attempt.transaction, row.requesters[0], graph)
        return standing is not None and standing.active(attempt.now)

    async def _check_base(self, attempt: Attempt, target: Target, found: Found) -> None:
        write, tx = found.write, attempt.transaction
        if write.follows or not write.base:
            return
        before = tx.mark()
        base = await base_of(tx.barrier, self.call(attempt), target)
        tx.rollback(before)
        if base != write.base:
            attempt.guardrail = "change:stale"
            attempt.about["change"] = write.change
            attempt.reason = "the change is stale"
            raise NeedsChangeError(f"permission denied: {STALE}")

    def _pass(self, attempt: Attempt, found: Found) -> None:
        write, row = found.write, found.row
        change = change_of(row)
        attempt.about |= {"change": row.id, "change_revision": row.revision}
        attempt.about |= {"change_write": write.at, "change_digest": write.digest}
        attempt.about["change_by"] = list(row.requesters)
        if change.emergency:
            attempt.about["change_emergency"] = True
        attempt.then.append(partial(_applied, attempt, found))

    # -- what is proposed by itself

    async def _propose(
        self, attempt: Attempt, session: Session, target: Target, content: bytes, digest: str
    ) -> Proposal | None:
        """Record a refused write as a proposed change; None for who is not registered."""
        tx = attempt.transaction
        who = tuple(dict.fromkeys(filter(None, (session.token.entity, *session.makers))))
        if not session.token.entity or not await is_registered(tx, session.token.entity):
            return None
        before = tx.mark()
        shown = await difference(self.call(attempt), target, _operation(attempt), content)
        base = await base_of(tx.barrier, self.call(attempt), target)
        tx.rollback(before)
        row = Proposal(
            id=uuid_of(self.entropy(16)),
            kind=CHANGE,
            title=f"{_operation(attempt)} {target.path}"[:512],
            reason=BY_ITSELF,
            revision=1,
            body=msgspec.json.encode(Change(by_itself=True)).decode(),
            requesters=who,
            known_as=await known_as(tx, who),
            helpers=session.helped_by,
            rules=await approval_rules_of(self.views, tx, [target.path]),
            state=PENDING,
            created_at=attempt.now,
            edited_at=attempt.now,
            expires_at=attempt.now + LASTS,
            due_at=None,
            decided_at=None,
            outcome="",
        )
        tx.put(PROPOSALS, row)
        write = ChangeWrite(
            change=row.id,
            revision=1,
            at=1,
            path=target.path,
            operation=_operation(attempt),
            digest=digest,
            base=base,
            follows=False,
            content=content,
            shown=shown,
            applied_at=None,
            applied_by="",
        )
        tx.put(CHANGE_WRITES, write)
        attempt.code = "change.propose"
        attempt.about |= {"change_proposed": row.id, "requesters": list(who)}
        attempt.about |= {"change_expires": rfc3339(row.expires_at), "change_digest": digest}
        attempt.about["change_difference"] = digest_of_difference(tx.barrier, [shown])
        return row


async def approval_rules_of(
    views: Views, tx: Transaction, paths: Sequence[str]
) -> tuple[InForce, ...]:
    """Return who must approve a change of these paths, by each rule that covers it."""
    reached = [Shape(tuple(Segment(part) for part in each.split("/"))) for each in paths]
    guardrails = await views.guardrails(tx)
    inside = [b for b in guardrails.boundaries if any(map(b.meets, reached))]
    rules = await read_rules(tx)
    patterns = {path for rule in rules.rules for path in rule.paths}
    met = {p for p in patterns if any(shape(p).meet(each) is not None for each in reached)}
    of = Covered(CHANGE, frozenset(b.environment.name for b in inside), frozenset())
    return in_force(rules, rules.covering(of, met), await views.graph(tx))


async def _applied(attempt: Attempt, found: Found) -> None:
    """Mark a write as applied, and the change with its last."""
    tx, now = attempt.transaction, attempt.now
    by = attempt.actor.id
    tx.put(CHANGE_WRITES, replace(found.write, applied_at=now, applied_by=by, entry=None))
    rest = await tx.all(CHANGE_WRITES, change=found.row.id, revision=found.row.revision)
    if all(each.applied_at is not None for each in rest):
        attempt.about["change_applied"] = True
        tx.put(PROPOSALS, applied(found.row))
    else:
        tx.put(PROPOSALS, replace(found.row, entry=None))


def applied(row: Proposal) -> Proposal:
    """Return a change all of whose writes are done; one of an emergency is still to be approved."""
    state = APPLIED if row.state == APPROVED else row.state
    return replace(row, state=state, outcome=APPLIED, entry=None)


def _operation(attempt: Attempt) -> str:
    return attempt.incoming.operation.value
