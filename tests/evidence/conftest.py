"""A company after its two weeks, and a pack of them, once for all tests that only look."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from strongroom.controls import CONTROLS
from strongroom.evidence.pack import Packs
from strongroom.evidence.run import ControlRuns
from strongroom.sdk.facts.period import Period
from tests.evidence.playing import DAY, START, company, quarter


@dataclass(frozen=True)
class Taken:
    """A pack, and the log's key that was noted apart from it."""

    path: Path
    vkey: str


async def take(folder: Path, start: datetime, *controls: str) -> Taken:
    async with company(folder) as lent:
        await quarter(lent)
        await lent.advance(timedelta(hours=1))
        runs = ControlRuns(server=lent.server, controls=CONTROLS, surroundings=lent.surroundings)
        period = Period(start, lent.clock.now())
        made = await Packs(server=lent.server, runs=runs).make(period, controls)
        return Taken(made.path, lent.server.log.verifier_key)


@pytest.fixture(scope="session")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """A pack of two weeks that begin a day after the log does."""
    return asyncio.run(take(tmp_path_factory.mktemp("company"), START + DAY))


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """A pack of the whole log, from its first entry on."""
    return asyncio.run(take(tmp_path_factory.mktemp("whole"), START, "T64", "T67"))
