"""A log over a real database, that can be closed at any point, opened again and interfered with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from strongroom.audit.log import Log
from strongroom.base.errors import UnavailableError
from strongroom.crypto.merkle import leaf_hash
from strongroom.storage.commit import NO_ENTRY, Outcome, Request
from strongroom.storage.database import Database, Listener
from strongroom.storage.transaction import Values
from tests.audit.published import LOG
from tests.schema import open_ready
from tests.storage.requests import fresh_barrier

NOW = datetime(2026, 9, 21, tzinfo=UTC)
BARRIER = fresh_barrier()
TRIGGERS = {
    "sqlite": ("DROP TRIGGER {table}_refuses_update", "DROP TRIGGER {table}_refuses_delete"),
    "postgresql": ("DROP TRIGGER {table}_refuses_change ON {table}",),
}


class Interfered:
    """A database whose commits without an entry (the log's own) can be made to go wrong.

    `refusing`: nothing is committed. `forgetting`: it is, but whoever asked is told it may not be.
    """

    def __init__(self, inner: Database) -> None:
        self.kind = inner.kind
        self.refusing = self.forgetting = False
        self.reads: list[str] = []
        self.stores = 0
        self._inner = inner

    async def rows(self, sql: str, values: Values) -> list[tuple[Any, ...]]:
        self.reads.append(sql)
        return await self._inner.rows(sql, values)

    def submit(self, request: Request) -> None:
        if request.leaf is None:
            self.stores += 1
            if self.refusing:
                answer = Outcome(NO_ENTRY, 0, UnavailableError("storage is full"))
                asyncio.get_running_loop().call_soon(request.done, answer)
                return
            if self.forgetting:
                told, lost = request.done, UnavailableError("nobody knows")
                request.done = lambda outcome: told(Outcome(NO_ENTRY, outcome.generation, lost))
        self._inner.submit(request)

    def follow(self, listener: Listener) -> None:
        self._inner.follow(listener)

    def trouble(self) -> str | None:
        return self._inner.trouble()

    async def close(self) -> None:
        await self._inner.close()


class Kept:
    """A log and its database; entries are `entry-0`, `entry-1` and so on."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.log: Log
        self.database: Interfered

    async def open(self, *, unlocked: bool = True) -> Log:
        self.database = Interfered(await open_ready(self.url))
        self.log = Log(self.database, LOG.name, BARRIER)
        try:
            await self.log.open()
        except BaseException:
            await self.database.close()
            raise
        if unlocked:
            self.log.unlock(LOG)
        return self.log

    async def close(self) -> None:
        """Let go of the database as a crash does: nothing is published, nothing said."""
        await self.database.close()

    async def reopen(self) -> Log:
        await self.close()
        return await self.open()

    async def add(self, count: int) -> None:
        """Commit so many entries, as requests do."""
        first = self.log.size
        await self.commit([b"entry-%d" % index for index in range(first, first + count)])

    async def commit(self, leaves: Sequence[bytes]) -> None:
        loop = asyncio.get_running_loop()
        answers = [loop.create_future() for _ in leaves]
        for leaf, answer in zip(leaves, answers, strict=True):
            self.database.submit(Request(done=answer.set_result, leaf=leaf, digest=leaf_hash(leaf)))
        for outcome in await asyncio.gather(*answers):
            assert outcome.problem is None

    async def files(self, paths: Sequence[str]) -> dict[str, bytes]:
        return {path: await self.log.resource(path) for path in paths}


async def behind_our_back(url: str, table: str, *statements: str) -> None:
    """Change a table of the log as its administrator can: without the triggers."""
    kind = "sqlite" if url.startswith("sqlite") else "postgresql"
    await change(url, *(text.format(table=table) for text in TRIGGERS[kind]), *statements)


async def change(url: str, *statements: str) -> None:
    """Run statements on a connection of one's own."""
    if url.startswith("sqlite"):
        import pysqlite3  # noqa: PLC0415 - only where it is the database

        db = pysqlite3.connect(url.removeprefix("sqlite://"), isolation_level=None)
        try:
            for statement in statements:
                db.execute(statement)
        finally:
            db.close()
        return
    import asyncpg  # noqa: PLC0415 - likewise

    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
