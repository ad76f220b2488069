"""The rows of governance: what is asked for, who approved it, the rules, and what was granted.

A proposal is anything that others must approve before it is so. What it is about stands in its
`body`, which only its own kind reads; who asks, until when, and what it needs is alike for all.

Units   `longest` is the life of a grant; `afterwards` zero: approval comes first.
Trust   Guarded: who can write to the database can delete such a row, or bring back an older one. A
        rule that is deleted so no longer asks for anybody; the log knows that it was there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from strongroom.identity.deciding import Vouching
from strongroom.identity.records import NONE
from strongroom.storage.register import Register

ACCESS: Final = "access"  # kind of the proposals that end in a grant
PENDING, APPROVED, DENIED, WITHDRAWN = "pending", "approved", "denied", "withdrawn"
BEGUN = "begun"  # it holds already, and an approval must follow
EXPIRED, OVERDUE = "expired", "overdue"  # by the clock; the rows say pending, and begun
STATES: Final = (PENDING, BEGUN, OVERDUE, APPROVED, DENIED, WITHDRAWN, EXPIRED)
APPROVE, DENY = "approve", "deny"


@dataclass(frozen=True, slots=True)
class Need:
    """So many people, each in one of these groups (by id); of no groups: any active person."""

    count: int
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """Who must approve what. It covers what any of its four lists names; with none, all."""

    name: str
    paths: tuple[str, ...]
    environments: tuple[str, ...]
    groups: tuple[str, ...]  # that are asked for, by id
    kinds: tuple[str, ...]  # of proposals; empty: access
    needs: tuple[Need, ...]
    longest: timedelta
    afterwards: timedelta
    description: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class InForce:
    """What a rule asked for when a proposal was made, or decided on."""

    name: str
    needs: tuple[Need, ...]
    longest: timedelta
    afterwards: timedelta = NONE
    problem: str = ""  # why nothing can meet it


@dataclass(frozen=True, slots=True)
class Proposal:
    """See the module. `requesters`, the first of whom asks for themselves, and their aliases then.

    `helpers` are who else could have signed in as one of them.
    `revision` counts its texts: an approval is of one of them. `rules` are those in force when it
    was written. `due_at` is when the approval of one that has begun must be there at the latest.
    `outcome` is the id of what came of it.
    """

    id: str
    kind: str
    title: str
    reason: str
    revision: int
    body: str  # JSON, as its kind writes it
    requesters: tuple[str, ...]
    known_as: tuple[str, ...]
    helpers: tuple[str, ...]
    rules: tuple[InForce, ...]
    state: str
    created_at: datetime
    edited_at: datetime
    expires_at: datetime
    due_at: datetime | None
    decided_at: datetime | None
    outcome: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word on one revision, and what their session told of who else it could be."""

    proposal: str
    revision: int
    approver: str
    verdict: str
    because: str
    vouching: Vouching
    at: datetime
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Access that was granted: capabilities on patterns, or what groups give. It always ends.

    `request` is the proposal that it came of. What was ended before its time says by whom.
    """

    id: str
    entity: str
    request: str
    paths: tuple[str, ...]
    capabilities: tuple[str, ...]
    groups: tuple[str, ...]
    begins: datetime
    ends: datetime
    ended_at: datetime | None
    ended_by: str
    why: str
    entry: int | None = None

    @property
    def over_at(self) -> datetime:
        """When it ends, or ended."""
        return self.ends if self.ended_at is None else min(self.ends, self.ended_at)

    def active(self, now: datetime) -> bool:
        """Say whether it gives anything; a clock that was set back gives nothing early."""
        return self.begins <= now < self.over_at


APPROVAL_RULES = Register("approval_rule", ApprovalRule, key=("name",), guarded=True)
PROPOSALS = Register(
    "proposal", Proposal, key=("id",), indexes=(("kind",), ("state",)), guarded=True
)
APPROVALS = Register(
    "approval",
    Approval,
    key=("proposal", "revision", "approver"),
    indexes=(("approver",),),
    guarded=True,
)
GRANTS = Register(
    "access_grant",
    Grant,
    key=("id",),
    indexes=(("entity",), ("request",), ("ends",)),
    guarded=True,
    kept_by=("entity",),
)


def state_of(proposal: Proposal, now: datetime) -> str:
    """Return the state of a proposal by the clock."""
    if proposal.state == PENDING and proposal.expires_at <= now:
        return EXPIRED
    if proposal.state == BEGUN and proposal.due_at is not None and proposal.due_at <= now:
        return OVERDUE
    return proposal.state
