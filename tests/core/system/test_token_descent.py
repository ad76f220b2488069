"""A token whose parent's time is over has ended with it, before anything has swept it away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.core.system.room import Room, room

MAKES = """
path "auth/token/*" { capabilities = ["read", "list", "create", "update", "sudo"] }
path "sys/capabilities*" { capabilities = ["update"] }
"""
SELF = "auth/token/lookup-self"


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.policy("makes", MAKES)
        yield made


async def status(r: Room, token: str) -> int:
    return (await r.ask("GET", SELF, token=token)).status


@pytest.mark.parametrize("asked", [{}, {"type": "batch"}, {"num_uses": 9}, {"period": "8h"}])
@pytest.mark.parametrize("used", [False, True], ids=["unused", "used before"])
async def test_a_child_is_refused_from_the_moment_on(
    ours: Room, asked: dict[str, object], used: bool
) -> None:
    parent = await ours.token("makes", ttl="1h")
    child = await ours.token("makes", by=parent, ttl="8h", **asked)
    before = await status(ours, child) if used else 200

    ours.clock.advance(timedelta(minutes=59, seconds=59))
    still = await status(ours, child)
    ours.clock.advance(timedelta(seconds=1))

    assert (before, still, await status(ours, child)) == (200, 200, 403)


@pytest.mark.parametrize("depth", [1, 2, 5])
async def test_however_far_below_it_is(ours: Room, depth: int) -> None:
    parent = lowest = await ours.token("makes", ttl="1h")
    for _ in range(depth):
        lowest = await ours.token("makes", by=lowest, ttl="8h")
    before = await status(ours, lowest)

    ours.clock.advance(timedelta(hours=1))

    assert (before, await status(ours, parent), await status(ours, lowest)) == (200, 403, 403)


async def test_nobody_finds_renews_or_orphans_it_by_then(ours: Room) -> None:
    parent = await ours.token("makes", ttl="1h")
    child = await ours.token("makes", by=parent, ttl="8h")
    accessor = (await ours.ask("GET", SELF, token=child)).data["accessor"]
    ours.clock.advance(timedelta(hours=1))

    answers = [
        await ours.ask("POST", "auth/token/lookup", {"token": child}),
        await ours.ask("POST", "auth/token/lookup-accessor", {"accessor": accessor}),
        await ours.ask("POST", "auth/token/renew", {"token": child}),
        await ours.ask("POST", "auth/token/renew-accessor", {"accessor": accessor}),
        await ours.ask("POST", "auth/token/renew", {"token": parent}),
        await ours.ask("POST", "auth/token/revoke-orphan", {"token": parent}),
        await ours.ask("POST", "auth/token/create", {"policies": ["makes"]}, token=child),
        await ours.ask("POST", "sys/capabilities", {"token": child, "paths": ["x"]}),
        await ours.ask("POST", "sys/capabilities-accessor", {"accessor": accessor, "paths": ["x"]}),
    ]

    assert all(answer.status in (400, 403) for answer in answers), answers
    assert await status(ours, child) == 403


async def test_a_child_lives_on_with_a_parent_that_is_renewed(ours: Room) -> None:
    parent = await ours.token("makes", ttl="1h")
    child = await ours.token("makes", by=parent, ttl="8h")
    ours.clock.advance(timedelta(minutes=50))
    before = await status(ours, child)

    await ours.ask("POST", "auth/token/renew-self", {"increment": "1h"}, token=parent)
    ours.clock.advance(timedelta(minutes=50))

    assert (before, await status(ours, child)) == (200, 200)


async def test_a_child_ends_sooner_with_a_parent_that_is_renewed_for_less(ours: Room) -> None:
    parent = await ours.token("makes", ttl="4h")
    child = await ours.token("makes", by=parent, ttl="8h")
    below = await ours.token("makes", by=child, ttl="8h")
    before = await status(ours, child), await status(ours, below)

    await ours.ask("POST", "auth/token/renew-self", {"increment": "10m"}, token=parent)
    ours.clock.advance(timedelta(minutes=10))

    assert before == (200, 200)
    assert (await status(ours, child), await status(ours, below)) == (403, 403)


async def test_an_orphan_and_a_child_of_no_end_live_their_own_time(ours: Room) -> None:
    parent = await ours.token("makes", ttl="1h")
    orphan = await ours.token("makes", by=parent, ttl="8h", no_parent=True)
    child = await ours.token("makes", by=ours.root, ttl="8h")
    left = await ours.token("makes", by=parent, ttl="8h")
    await status(ours, left)

    await ours.ask("POST", "auth/token/revoke-orphan", {"token": parent})
    ours.clock.advance(timedelta(hours=2))

    assert [await status(ours, each) for each in (orphan, child, left)] == [200] * 3
