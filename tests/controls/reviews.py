"""Access reviews of a server that never was, for short histories."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from strongroom.sdk.facts.reviews import HeldFact, LineFact


@dataclass
class FakeReviews:
    written: dict[str, Sequence[LineFact]] = field(default_factory=dict)  # by campaign
    holding: Sequence[HeldFact] = ()

    async def lines(self, campaign: str) -> AsyncIterator[LineFact]:
        for each in self.written.get(campaign, ()):
            yield each

    async def held(self) -> Sequence[HeldFact]:
        return self.holding
