"""Each test that asks for `url`, `ready`, `database` or `desk` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from strongroom.storage.database import Database
from tests.schema import open_ready
from tests.storage.requests import Desk, fresh_barrier

KINDS = ("sqlite", "postgresql")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which database."""
    return str(request.param)


@pytest.fixture
def url(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> str:
    """The address of a database that nobody has opened yet."""
    if kind == "sqlite":
        return f"sqlite://{tmp_path / 'strongroom.db'}"
    return str(request.getfixturevalue("postgresql_database").url)


@pytest.fixture
def ready(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> str:
    """The address of a database that is at the present schema, or about to be."""
    if kind == "sqlite":
        return f"sqlite://{tmp_path / 'strongroom.db'}"
    return str(request.getfixturevalue("postgresql_ready").url)


@pytest.fixture
async def database(ready: str) -> AsyncIterator[Database]:
    opened = await open_ready(ready)
    yield opened
    await opened.close()


@pytest.fixture
def desk(database: Database) -> Desk:
    """A database with an unsealed barrier, and the way of a request through them."""
    return Desk(database, fresh_barrier())
