"""Each test that asks for `url` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.audit.keeping import Kept


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'strongroom.db'}"
    else:
        yield request.getfixturevalue("postgresql_ready").url


@pytest.fixture
async def kept(url: str) -> AsyncIterator[Kept]:
    """An open log, unlocked and empty."""
    kept = Kept(url)
    await kept.open()
    yield kept
    await kept.close()
