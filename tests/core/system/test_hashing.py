"""Password hashing at its bound: refused alike for everybody, and nobody is counted for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from strongroom.core.login import FAILURES
from strongroom.crypto.hashing import FULL, LOGIN, MOST, PASSPHRASE, Hashing
from tests.core.system.room import Room, room


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.mount("auth/userpass/", "userpass")
        given = {"password": "correct horse", "token_policies": "default"}
        assert (await made.ask("POST", "auth/userpass/users/ada", given)).status == 204
        yield made


@contextmanager
def full(hashing: Hashing, purpose: str) -> Iterator[None]:
    """Fill a queue until the end of the `with`."""
    gate = threading.Event()
    waiting = [
        asyncio.ensure_future(hashing.run(purpose, partial(gate.wait, 30)))
        for _ in range(MOST[purpose])
    ]
    try:
        yield
    finally:
        gate.set()
        for task in waiting:
            task.cancel()


async def test_a_full_queue_refuses_known_and_unknown_users_alike_and_locks_nobody_out(
    made: Room,
) -> None:
    with full(made.server.hashing, LOGIN):
        await asyncio.sleep(0)
        answers = [
            await made.ask("POST", f"auth/userpass/login/{name}", {"password": word}, token="")
            for name in ("ada", "nobody")
            for word in ("correct horse", "wrong") * FAILURES
        ]
        assert {(each.status, *each.errors) for each in answers} == {(503, FULL)}
    await asyncio.sleep(0)

    after = await made.ask("POST", "auth/userpass/login/ada", {"password": "correct horse"})

    assert after.status == 200, after.body


async def test_reads_are_answered_while_logins_wait(made: Room) -> None:
    with full(made.server.hashing, LOGIN):
        await asyncio.sleep(0)

        read = await made.ask("GET", "auth/userpass/users/ada")

        assert read.status == 200


async def test_logins_leave_room_for_an_unseal(tmp_path: Path) -> None:
    passphrase = "a phrase to open it"
    async with room(tmp_path, seal="passphrase", passphrase=passphrase) as made:
        assert (await made.ask("PUT", "sys/seal")).status == 204
        with full(made.server.hashing, PASSPHRASE):
            await asyncio.sleep(0)
            refused = await made.ask("PUT", "sys/unseal", {"key": passphrase})
            assert (refused.status, refused.errors) == (503, [FULL])
            assert made.server.barrier.sealed
        await asyncio.sleep(0)

        opened = await made.ask("PUT", "sys/unseal", {"key": passphrase})

        assert not opened.body["sealed"]
