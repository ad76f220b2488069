"""Each test that asks for `url`, `database` or `bench` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from strongroom.storage.database import Database
from strongroom.storage.opening import open_database
from tests.storage.requests import Desk, fresh_barrier

KINDS = ("sqlite", "postgresql")


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database that nobody has opened yet."""
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'strongroom.db'}"
    else:
        yield request.getfixturevalue("postgresql_database").url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = await open_database(url)
    yield opened
    await opened.close()


@pytest.fixture
def desk(database: Database) -> Desk:
    """A database with an unsealed barrier, and the way of a request through them."""
    return Desk(database, fresh_barrier())
