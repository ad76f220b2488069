"""The process that is killed: commits through our storage, and says what was acknowledged.

    writer.py FOLDER CLIENTS [SYNCHRONOUS]

Each acknowledged request is one line on standard output: its index, its leaf, and the key that it
wrote. SYNCHRONOUS makes SQLite sync less (OFF, NORMAL), to show that the tests would see it.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from typing import Any

from strongroom.storage import sqlite
from strongroom.storage.opening import open_database
from strongroom.storage.records import CELLS, Cell
from strongroom.storage.transaction import Transaction
from tests.storage.requests import MOUNT, Desk, fresh_barrier


async def client(desk: Desk, number: int, dice: random.Random) -> None:
    turn = 0
    while True:
        turn += 1
        leaf = f"{number}/{turn}/{dice.randbytes(dice.randrange(20, 700)).hex()}"
        key = f"{number}/{turn % 7}"
        tx = Transaction(desk.database, desk.barrier)
        tx.put(CELLS, Cell(MOUNT, key, leaf.encode()))
        outcome = await desk.submit(tx, leaf=leaf.encode())
        if outcome.problem is not None:
            raise SystemExit(str(outcome.problem))
        os.write(1, f"{outcome.index} {leaf} {key}\n".encode())


def sync_less(level: str) -> None:
    whole = sqlite.connect

    def connect(path: Any) -> Any:
        db = whole(path)
        db.execute(f"PRAGMA synchronous = {level}")
        return db

    sqlite.connect = connect  # type: ignore[assignment]


async def main(folder: str, clients: str, level: str = "") -> None:
    if level:
        sync_less(level)
    database = await open_database(f"sqlite://{folder}/strongroom.db")
    desk, dice = Desk(database, fresh_barrier()), random.Random(os.getpid())
    os.write(1, b"ready\n")
    await asyncio.gather(*(client(desk, number, dice) for number in range(int(clients))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
