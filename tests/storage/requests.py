"""The way of a request through storage, as the pipeline goes it; less everything else."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from strongroom.storage.barrier import Barrier
from strongroom.storage.commit import Outcome, Request
from strongroom.storage.database import Database
from strongroom.storage.store import MountStore
from strongroom.storage.transaction import Transaction

MOUNT = "5b1c"


def fresh_barrier() -> Barrier:
    barrier = Barrier(os.urandom)
    barrier.unseal({1: b"1" * 32}, b"derivation".ljust(32))
    return barrier


@dataclass(frozen=True)
class Desk:
    database: Database
    barrier: Barrier

    def transaction(self) -> Transaction:
        return Transaction(self.database, self.barrier)

    def store(self, transaction: Transaction, prefix: str = "") -> MountStore:
        return MountStore(transaction, MOUNT, prefix)

    def submit(
        self,
        transaction: Transaction | None,
        leaf: bytes | None = b"{}",
        generation: int | None = None,
    ) -> asyncio.Future[Outcome]:
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        request = Request(
            done=answer.set_result,
            leaf=leaf,
            digest=b"" if leaf is None else sha256(b"\0" + leaf).digest(),
            generation=generation,
            checks=() if transaction is None else transaction.due_checks(),
            writes=() if transaction is None else transaction.writes(),
            topics=() if transaction is None else transaction.topics,
            read=None if transaction is None else transaction.lone_read(),
            seen=0 if transaction is None else transaction.seen,
        )
        self.database.submit(request)
        return answer

    async def commit(self, transaction: Transaction | None, **more: Any) -> Outcome:
        return await self.submit(transaction, **more)

    async def keep(self, **values: object) -> Outcome:
        """Put values into the mount, in a request of their own."""
        transaction = self.transaction()
        for key, value in values.items():
            await self.store(transaction).put(key, value)
        return await self.commit(transaction)

    async def find(self, key: str) -> Any:
        held = await self.store(self.transaction()).find(key, object)
        return None if held is None else held.value

    async def entries(self) -> list[tuple[int, bytes]]:
        rows = await self.database.rows("SELECT idx, leaf FROM entry ORDER BY idx", ())
        return [(row[0], bytes(row[1])) for row in rows]
