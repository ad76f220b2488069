"""Governance of a server that never was, for short histories."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from strongroom.sdk.facts.governance import (
    ApprovalFact,
    ApprovalRuleFact,
    GrantFact,
    MemberFact,
    StandingFact,
)


@dataclass
class FakeGovernance:
    granted: Sequence[GrantFact] = ()
    ruled: Sequence[ApprovalRuleFact] = ()
    said: Sequence[ApprovalFact] = ()
    within: Sequence[MemberFact] = ()
    stands: Sequence[StandingFact] = ()

    async def grants(self) -> Sequence[GrantFact]:
        return self.granted

    async def rules(self) -> Sequence[ApprovalRuleFact]:
        return self.ruled

    async def approvals(self) -> Sequence[ApprovalFact]:
        return self.said

    async def members(self) -> Sequence[MemberFact]:
        return self.within

    async def standing(self, environments: Sequence[str]) -> AsyncIterator[StandingFact]:
        for each in self.stands:
            if each.environment in environments:
                yield each
