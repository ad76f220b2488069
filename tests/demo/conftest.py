"""A stage without a server, for the pieces of the story that need none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from strongroom.demo.company import EVE
from strongroom.demo.record import Step
from strongroom.demo.stage import Stage


@dataclass
class Watcher:
    """An audience that remembers."""

    begun: list[Step] = field(default_factory=list)
    ended: list[Step] = field(default_factory=list)
    dates: list[datetime] = field(default_factory=list)

    def begins(self, step: Step) -> None:
        self.begun.append(step)

    def ends(self, step: Step) -> None:
        self.ended.append(step)

    def date(self, now: datetime) -> None:
        self.dates.append(now)


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def stage(tmp_path: Path, watcher: Watcher) -> Stage:
    return Stage(
        directory=tmp_path,
        entropy=lambda size: bytes(range(size)),
        audience=watcher,
        now=EVE,
        port=1,
    )
