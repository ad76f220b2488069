"""One thread for slow work: in turn, bounded, and free again whatever comes of a piece of it."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial

import pytest

from strongroom.base.errors import UnavailableError
from strongroom.crypto.hashing import LOGIN, MOST, PASSPHRASE, PASSWORD, Hashing


async def begun(hashing: Hashing, purpose: str, gate: threading.Event) -> asyncio.Task[bool]:
    task = asyncio.ensure_future(hashing.run(purpose, partial(gate.wait, 30)))
    await asyncio.sleep(0)
    return task


async def test_whatever_asks_one_piece_of_work_is_done_at_a_time() -> None:
    hashing, at_once, most, lock = Hashing(), 0, 0, threading.Lock()

    def work() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.002)
        with lock:
            at_once -= 1

    purposes = [LOGIN] * 20 + [PASSWORD] * 10 + [PASSPHRASE] * 4
    await asyncio.gather(*(hashing.run(purpose, work) for purpose in purposes))

    assert most == 1


async def test_what_is_raised_is_raised_to_who_waits() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Hashing().run(LOGIN, fail)


async def test_who_finds_the_queue_full_is_refused_at_once_and_other_queues_are_open() -> None:
    hashing, gate = Hashing(), threading.Event()
    waiting = [await begun(hashing, LOGIN, gate) for _ in range(MOST[LOGIN])]

    with pytest.raises(UnavailableError, match="too many wait"):
        await hashing.run(LOGIN, lambda: True)
    other = await begun(hashing, PASSPHRASE, gate)
    gate.set()

    assert all(await asyncio.gather(*waiting, other))
    assert await hashing.run(LOGIN, lambda: True)


async def test_who_is_gone_leaves_no_place_taken() -> None:
    hashing, gate = Hashing(), threading.Event()
    waiting = [await begun(hashing, PASSPHRASE, gate) for _ in range(MOST[PASSPHRASE])]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    gate.set()

    done = [hashing.run(PASSPHRASE, lambda: True) for _ in range(MOST[PASSPHRASE] - 1)]

    assert all(await asyncio.gather(*done))
