"""What the story set out to show, and whether it held."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from strongroom.base.clock import rfc3339
from strongroom.demo.evidence import Result


@dataclass(kw_only=True)
class Step:
    """One thing that is shown. It holds unless an expectation of it was disappointed."""

    scene: str
    text: str
    at: datetime  # in the story
    detail: str = ""
    routine: bool = False  # one of many alike, shown only if something is wrong
    problems: list[str] = field(default_factory=list)

    def expect(self, held: bool, otherwise: str) -> None:
        """Note what is wrong if something is not as it should be, and go on."""
        if not held:
            self.problems.append(otherwise)

    @property
    def held(self) -> bool:
        """Whether everything was as expected."""
        return not self.problems

    def as_data(self) -> dict[str, Any]:
        """Return it as the last line has it."""
        shown = {
            "scene": self.scene,
            "step": self.text,
            "at": rfc3339(self.at),
            "held": self.held,
            "detail": self.detail,
        }
        return shown if self.held else {**shown, "problems": self.problems}


@dataclass(kw_only=True)
class Counts:
    """What went to and fro, as the clients saw it."""

    requests: int = 0
    reads: int = 0
    refused: int = 0


@dataclass(kw_only=True)
class Findings:
    """What the end of the story reports."""

    controls: list[Result] = field(default_factory=list)
    pack: str = ""
    pack_verified: bool = False
    tampered: dict[str, bool] = field(default_factory=dict)  # what was done -> found and named
    log_size: int = 0
    witness: dict[str, Any] = field(default_factory=dict)  # what it cosigned of the pack

    @property
    def tamper_detected(self) -> bool:
        """Whether something was tampered with, and all of it found."""
        return bool(self.tampered) and all(self.tampered.values())


@dataclass(kw_only=True)
class Record:
    """Everything that happened."""

    steps: list[Step] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    findings: Findings = field(default_factory=Findings)

    @property
    def held(self) -> bool:
        """Whether every step held; a story without steps shows nothing."""
        return bool(self.steps) and all(step.held for step in self.steps)
