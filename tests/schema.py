"""Databases whose schema is there already: copies of one that this process migrated once.

The migrations themselves are tested in tests/storage; everywhere else they would be run some
thousand times to the same end.
"""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
import threading
from functools import cache
from pathlib import Path

from strongroom.storage.database import Database
from strongroom.storage.opening import open_database

SQLITE = "sqlite://"


async def open_ready(url: str) -> Database:
    """Open a database as `open_database` does; a new SQLite file has its schema from the start."""
    if url.startswith(SQLITE):
        _copy_to(Path(url.removeprefix(SQLITE)))
    return await open_database(url)


def _copy_to(path: Path) -> None:
    if not path.exists():
        shutil.copyfile(_template(), path)


@cache
def _template() -> Path:
    """Return an empty SQLite database at the present schema."""
    folder = tempfile.mkdtemp(prefix="strongroom-schema-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "strongroom.db"
    migrate(f"{SQLITE}{path}")
    return path


def migrate(url: str) -> None:
    """Bring a database to the present schema; in a thread, since the caller's may run a loop."""
    made = threading.Thread(target=lambda: asyncio.run(_make(url)))
    made.start()
    made.join()


async def _make(url: str) -> None:
    await (await open_database(url)).close()
