"""A pause between commits: who comes in, and when the next commit begins."""

from __future__ import annotations

import asyncio

from strongroom.storage.quiet import Quiet


class Commits:
    """Counts how often it was told to go on."""

    def __init__(self) -> None:
        self.begun = 0
        self.quiet = Quiet(self.go_on)

    def go_on(self) -> None:
        self.begun += 1


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_nobody_waits_and_nothing_is_held_up() -> None:
    assert Commits().quiet.begin() is False


async def test_all_who_wait_come_in_and_the_last_to_leave_goes_on() -> None:
    commits, leave = Commits(), [asyncio.Event(), asyncio.Event()]
    inside: list[int] = []

    async def wait(number: int) -> None:
        async with commits.quiet.entered():
            inside.append(number)
            await leave[number].wait()

    waiting = [asyncio.create_task(wait(number)) for number in range(2)]
    await settle()
    assert inside == []

    assert commits.quiet.begin() is True
    await settle()
    assert inside == [0, 1]
    leave[0].set()
    await settle()
    assert commits.begun == 0
    leave[1].set()
    await asyncio.gather(*waiting)

    assert commits.begun == 1
    assert commits.quiet.begin() is False


async def test_who_comes_during_a_pause_waits_for_the_next() -> None:
    commits, leave = Commits(), asyncio.Event()
    inside: list[str] = []

    async def wait(name: str) -> None:
        async with commits.quiet.entered():
            inside.append(name)
            await leave.wait()

    early = asyncio.create_task(wait("early"))
    await settle()
    commits.quiet.begin()
    await settle()
    late = asyncio.create_task(wait("late"))
    await settle()
    assert inside == ["early"]

    leave.set()
    await early
    assert commits.begun == 1
    commits.quiet.begin()
    await late
    assert commits.begun == 2


async def test_one_that_was_cancelled_while_it_waited_holds_nothing_up() -> None:
    commits = Commits()

    async def wait() -> None:
        async with commits.quiet.entered():
            raise AssertionError("let in")

    waiting = asyncio.create_task(wait())
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert commits.quiet.begin() is False


async def test_one_that_was_cancelled_as_it_was_let_in_leaves_again() -> None:
    commits = Commits()

    async def wait() -> None:
        async with commits.quiet.entered():
            raise AssertionError("let in")

    waiting = asyncio.create_task(wait())
    await settle()
    assert commits.quiet.begin() is True
    waiting.cancel()  # before its task runs again
    await asyncio.gather(waiting, return_exceptions=True)

    assert commits.begun == 1
