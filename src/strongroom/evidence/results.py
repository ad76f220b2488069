"""What came of one test: its items, the verdict that follows from them, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from strongroom.base.clock import rfc3339
from strongroom.evidence.canonical import canonical, digest
from strongroom.sdk.control import Item, Verdict, verdict
from strongroom.sdk.facts.period import Period

FORMAT = "strongroom-control-result/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One test of one run, before it is written down."""

    control: str
    definition: str
    run: str
    period: Period
    ran_at: datetime
    simulated: bool
    made_by: Mapping[str, str]
    checkpoint_size: int
    checkpoint_root: str  # base64
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()  # of the period as a whole, whatever the test

    @property
    def verdict(self) -> Verdict:
        """What the items add up to."""
        return verdict(self.items)

    @property
    def population(self) -> int:
        """How many members the items stand for."""
        return sum(item.members for item in self.items)

    @property
    def exceptions(self) -> int:
        """How many items broke, and no exception covers them."""
        return sum(item.held is False and not item.exception for item in self.items)

    @property
    def excepted(self) -> int:
        """How many items broke that an exception in force covers."""
        return sum(item.held is False and bool(item.exception) for item in self.items)

    @property
    def unjudged(self) -> int:
        """How many items could not be judged."""
        return sum(item.held is None for item in self.items)

    def written(self) -> bytes:
        """Return the result in its one written form; its digest goes into the log."""
        return canonical(
            {
                "format": FORMAT,
                "control": self.control,
                "definition": self.definition,
                "run": self.run,
                "period_start": rfc3339(self.period.start),
                "period_end": rfc3339(self.period.end),
                "ran_at": rfc3339(self.ran_at),
                "made_by": dict(self.made_by),
                "clock": "simulated" if self.simulated else "system",
                "checkpoint": {"size": self.checkpoint_size, "root": self.checkpoint_root},
                "verdict": self.verdict.value,
                "population": self.population,
                "exceptions": self.exceptions,
                "excepted": self.excepted,
                "unjudged": self.unjudged,
                "notes": list(self.notes),
                "items": [_item(item) for item in self.items],
            }
        )

    def details(self) -> dict[str, object]:
        """Return what the log's entry says of it."""
        return {
            "control": self.control,
            "definition": self.definition,
            "build": self.made_by["build"],
            "run": self.run,
            "period_start": rfc3339(self.period.start),
            "period_end": rfc3339(self.period.end),
            "checkpoint": {"size": self.checkpoint_size, "root": self.checkpoint_root},
            "verdict": self.verdict.value,
            "population": self.population,
            "exceptions": self.exceptions,
            "excepted": self.excepted,
            "unjudged": self.unjudged,
            "result_sha256": digest(self.written()),
        }


def _item(item: Item) -> dict[str, Any]:
    return {
        "subject": item.subject,
        "held": item.held,
        "because": item.because,
        "proof": list(item.proof),
        "members": item.members,
        "exception": item.exception,
    }


def cited(results: Sequence[dict[str, Any]]) -> list[int]:
    """Return the indices of the log that results cite, each once, in order."""
    return sorted(
        {i for result in results for item in result["items"] for i in item["proof"] if i >= 0}
    )
