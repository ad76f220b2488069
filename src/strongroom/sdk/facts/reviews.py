"""Access reviews as they are stored; what was done in them is what the log says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFact:
    """A line as its digest has it. `problem`: its row is not as it was written."""

    number: int
    frozen: Mapping[str, object] = field(default_factory=dict)
    problem: str = ""

    @property
    def holder(self) -> str:
        """Whose grant it is."""
        return str(self.frozen.get("holder", ""))

    @property
    def owner(self) -> str:
        """Who answers for the holder, if that is a workload."""
        return str(self.frozen.get("owner", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFact:
    """Something that a registered entity holds now. `entry` wrote the row that says so."""

    entity: str
    name: str
    person: bool
    kind: str  # "policy", "group", "directory" or "grant"
    via: str
    entry: int


class Reviews(Protocol):
    """As of now."""

    def lines(self, campaign: str) -> AsyncIterator[LineFact]:
        """Give the lines of a campaign in the order of their numbers."""
        ...

    async def held(self) -> Sequence[HeldFact]:
        """Return what registered people and workloads hold by rows of their own."""
        ...
