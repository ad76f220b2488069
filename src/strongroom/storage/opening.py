"""Opens the database that a URL names, with its schema up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from strongroom.base.errors import InputError
from strongroom.base.sqlite_urls import sqlite_path
from strongroom.storage import migrations
from strongroom.storage.database import Database
from strongroom.storage.sqlite import connect, open_sqlite


async def open_database(url: str) -> Database:
    """Open `sqlite:///path` (absolute) or `postgresql://…`.

    Raises InUseError when another server has it, UnsafeDatabaseError when it cannot keep what it
    acknowledges or a newer strongroom made it, UnavailableError when it does not answer,
    InputError for a URL of another kind.
    """
    scheme, _, _ = url.partition("://")
    if scheme == "sqlite":
        return open_sqlite(sqlite_path(url, "storage.url"), _migrate_sqlite)
    if scheme in ("postgresql", "postgres"):
        from strongroom.storage.postgres import open_postgres  # noqa: PLC0415 - only where used

        return await open_postgres(url, lambda: _migrate_postgres(url))
    raise InputError("storage.url", "neither sqlite:///path nor postgresql://host/database")


def _migrate_sqlite(path: Path) -> None:
    import pysqlite3  # noqa: PLC0415 - where SQLite is used

    db = connect(path)
    try:
        tables = db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'")
        current = tables.fetchone() is not None and migrations.is_current(
            db.execute(migrations.SELECT_VERSION).fetchall()
        )
    finally:
        db.close()
    if current:
        return
    import sqlalchemy  # noqa: PLC0415 - heavy, and rarely needed

    engine = sqlalchemy.create_engine(
        "sqlite://", module=pysqlite3, creator=lambda: connect(path), poolclass=sqlalchemy.NullPool
    )
    # The driver's own transactions leave DDL outside: begin them ourselves, all or nothing.
    sqlalchemy.event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            migrations.upgrade(connection)
    except sqlalchemy.exc.DBAPIError as error:
        raise (error.orig or error) from error
    finally:
        engine.dispose()


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def _migrate_postgres(url: str) -> None:
    import asyncpg  # noqa: PLC0415 - where PostgreSQL is used

    db = await asyncpg.connect(url)
    try:
        found = await db.fetch("SELECT to_regclass('alembic_version') IS NOT NULL")
        if found[0][0] and migrations.is_current(await db.fetch(migrations.SELECT_VERSION)):
            return
    finally:
        await db.close()
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - likewise

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url)
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrations.upgrade)
    finally:
        await engine.dispose()
