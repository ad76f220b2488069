"""What was asked for, approved and granted, as it is stored; and who reads where by policy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantFact:
    """A grant. `problem`: the row is not as it was written, and says nothing else here."""

    id: str
    entity: str = ""
    request: str = ""
    begins: datetime | None = None
    ends: datetime | None = None
    ended_at: datetime | None = None
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRuleFact:
    """A rule of who must approve. `needed` are people in all; `problem`: why nobody can meet it."""

    name: str
    needed: int = 0
    counts: tuple[int, ...] = ()
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalFact:
    """One person's word on one revision of something that was asked for."""

    proposal: str
    revision: int = 0
    approver: str = ""
    verdict: str = ""
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFact:
    """That an entity is in a group, itself or through another; `since` is of its own row."""

    entity: str
    group: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingFact:
    """Whether an active person's policies let them read a secret of an environment for good.

    `by_grant`: the environment serves people by grants alone, whatever policies say. `isolated`:
    it keeps them out, since they are bound to another.
    """

    entity: str
    name: str
    environment: str
    by_policy: bool
    by_grant: bool
    isolated: bool = False
    problem: str = ""


class Governance(Protocol):
    """As of now."""

    async def grants(self) -> Sequence[GrantFact]:
        """Return every grant, also those that are over."""
        ...

    async def rules(self) -> Sequence[ApprovalRuleFact]:
        """Return every stored approval rule."""
        ...

    async def approvals(self) -> Sequence[ApprovalFact]:
        """Return every approval and denial, of all revisions."""
        ...

    async def members(self) -> Sequence[MemberFact]:
        """Return who is in which groups."""
        ...

    def standing(self, environments: Sequence[str]) -> AsyncIterator[StandingFact]:
        """Give each active person against each of these environments that there is."""
        ...
