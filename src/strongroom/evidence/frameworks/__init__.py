"""Criteria of frameworks, mapped to our control tests; a TOML file each.

Tests never name a criterion: a framework changes, a test's id does not.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
STRENGTHS = ("design", "implementation", "operating")


@dataclass(frozen=True, slots=True)
class Mapped:
    """A test that speaks to a criterion, and what kind of evidence it gives."""

    control: str
    shows: str


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion by its id, its subject in our words."""

    id: str
    subject: str
    tests: tuple[Mapped, ...]


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework and what we have for it."""

    id: str
    title: str
    criteria: tuple[Criterion, ...]

    def criteria_of(self, control: str) -> tuple[str, ...]:
        """Return the ids of the criteria that a test speaks to."""
        return tuple(
            c.id for c in self.criteria if any(mapped.control == control for mapped in c.tests)
        )


def load_framework(name: str) -> Framework:
    """Read a framework by its name: "soc2"."""
    raw = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return Framework(
        id=raw["framework"]["id"],
        title=raw["framework"]["title"],
        criteria=tuple(
            Criterion(
                id=each["id"],
                subject=each["subject"],
                tests=tuple(Mapped(t["id"], t["shows"]) for t in each["tests"]),
            )
            for each in raw["criterion"]
        ),
    )
