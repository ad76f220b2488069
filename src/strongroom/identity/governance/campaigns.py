"""Access reviews: campaigns, their frozen lines, what was decided on each, and who is asked when.

A line is written once, at the start, and never again; a decision is a row of its own, and the
latest of a line's says what became of it.

Trust   Guarded: who can write to the database can delete such a row, or bring back an older one.
        The number of lines, and the root over them, stand in the entry of the start, so that a
        line which is gone, or was added, shows (T38).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from strongroom.base.clock import rfc3339
from strongroom.sdk.reviews import DEFER, ESCALATE, KEEP, REVOKE
from strongroom.storage.register import Register

OPEN, SIGNED = "open", "signed"
OVERDUE: Final = "overdue"  # by the clock; the row says open
STATES: Final = (OPEN, OVERDUE, SIGNED)
UNDECIDED, ATTESTED, KEPT, REVOKED, DEFERRED, ESCALATED = (
    "undecided",
    "attested",  # its owner says keep; another must, too
    "kept",
    "revoked",
    "deferred",
    "escalated",
)
LINE_STATES: Final = (UNDECIDED, ATTESTED, KEPT, REVOKED, DEFERRED, ESCALATED)
DECIDED: Final = frozenset({KEPT, REVOKED, DEFERRED})
DEADLINE: Final = timedelta(days=14)
GRACE: Final = timedelta(days=7)
PERIOD: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Campaign:
    """See the module. `reviewers` and `fallback` are groups by id; `period_from` begins the uses.

    `environments` and `groups` (ids) are its scope; none: everybody of its kind.
    """

    id: str
    title: str
    kind: str
    environments: tuple[str, ...]
    groups: tuple[str, ...]
    reviewers: tuple[str, ...]
    fallback: tuple[str, ...]
    quarter: str  # that it was begun for by itself; empty: by hand
    state: str
    started_at: datetime
    started_by: str
    period_from: datetime
    deadline_at: datetime
    grace: timedelta
    lines: int
    root: str
    signed_at: datetime | None
    signed_by: str
    statement: str
    reminded_at: datetime | None
    overdue_at: datetime | None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A grant of somebody, as it was at the start.

    `via` is what grants: a policy, group, grant or role; `path` the groups that lead to it.
    `approval` is the registration or request that it came of. `digest` is of its written form.
    """

    campaign: str
    number: int
    holder: str
    holder_name: str
    held_as: str  # "person", "workload" or nothing for who is not registered
    owner: str
    kind: str
    via: str
    name: str
    path: tuple[str, ...]
    policies: tuple[str, ...]
    rights: tuple[str, ...]
    environment: str
    reason: str
    approval: str
    since: datetime | None
    last_use: int  # index of the entry, -1: none
    last_use_at: str
    uses: int
    peers: int  # who are alike and hold the same
    alike: int
    flags: tuple[str, ...]
    digest: str
    entry: int | None = None

    def frozen(self) -> dict[str, object]:
        """Return what its digest is of."""
        return {
            "campaign": self.campaign,
            "number": self.number,
            "holder": self.holder,
            "holder_name": self.holder_name,
            "held_as": self.held_as,
            "owner": self.owner,
            "kind": self.kind,
            "via": self.via,
            "name": self.name,
            "path": list(self.path),
            "policies": list(self.policies),
            "rights": list(self.rights),
            "environment": self.environment,
            "reason": self.reason,
            "approval": self.approval,
            "since": rfc3339(self.since) if self.since is not None else "",
            "last_use": self.last_use,
            "last_use_at": self.last_use_at,
            "uses": self.uses,
            "peers": self.peers,
            "alike": self.alike,
            "flags": list(self.flags),
        }


@dataclass(frozen=True, slots=True)
class LineDecision:
    """One person's word on a line, the `number`th. `until` and `otherwise` are of a deferral.

    `executed` says what was ended by it, `task` what somebody has still to end elsewhere. `proof`
    is what became of the probe behind it. `pending`: something is still to be done behind it.
    """

    campaign: str
    line: int
    number: int
    verdict: str
    final: bool
    because: str
    decided_by: str  # "system" for a deferral that is over
    decided_at: datetime
    until: datetime | None
    otherwise: str
    passed_to: str
    executed: str
    task: str
    proof: str
    proof_text: str
    proof_entry: int
    proven_at: datetime | None
    pending: bool
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class ReviewSchedule:
    """When campaigns of a kind begin by themselves, and who reviews. Groups by id."""

    kind: str
    enabled: bool
    reviewers: tuple[str, ...]
    fallback: tuple[str, ...]
    environments: tuple[str, ...]
    deadline: timedelta
    grace: timedelta
    since: datetime  # no quarter that began before is due
    tried: str  # the day of the last start that failed, and why
    problem: str
    entry: int | None = None


CAMPAIGNS = Register(
    "review_campaign", Campaign, key=("id",), indexes=(("kind",), ("state",)), guarded=True
)
LINES = Register("review_line", Line, key=("campaign", "number"), guarded=True)
LINE_DECISIONS = Register(
    "review_decision",
    LineDecision,
    key=("campaign", "line", "number"),
    indexes=(("pending",),),
    guarded=True,
)
SCHEDULES = Register("review_schedule", ReviewSchedule, key=("kind",), guarded=True)


def state_of(row: Campaign, now: datetime) -> str:
    """Return the state of a campaign by the clock."""
    if row.state == OPEN and row.deadline_at <= now:
        return OVERDUE
    return row.state


def state_of_line(last: LineDecision | None) -> str:
    """Return the state of a line by the latest decision on it."""
    if last is None:
        return UNDECIDED
    if last.verdict == KEEP:
        return KEPT if last.final else ATTESTED
    return {REVOKE: REVOKED, DEFER: DEFERRED, ESCALATE: ESCALATED}[last.verdict]


def is_decided(last: LineDecision | None) -> bool:
    """Say whether a line needs nobody's word any more; one that would be escalated still does."""
    if last is not None and last.verdict == DEFER:
        return last.otherwise == REVOKE
    return state_of_line(last) in DECIDED
