"""Requests that others overtake again and again: each is served, or refused with an entry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.system.room import Room, room
from tests.servers import Database

WRITERS, READERS = 6, 12


@pytest.fixture(params=["sqlite", "postgresql"])
async def r(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Room]:
    storage = ""
    if request.param == "postgresql":
        database: Database = request.getfixturevalue("postgresql_ready")
        storage = database.url
    async with room(tmp_path, storage=storage) as made:
        await made.ask("POST", "sys/mounts/kv1", {"type": "kv"})
        await made.ask("POST", "kv1/hot", {"v": 0})
        yield made


@pytest.mark.parametrize("path", ["kv1/hot", "secret/data/hot"])
async def test_readers_of_what_others_write_all_the_time_are_served(r: Room, path: str) -> None:
    body = {"data": {"v": 1}} if path.startswith("secret/") else {"v": 1}
    if path.startswith("secret/"):
        await r.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        await r.ask("POST", path, body)
    over, seen = asyncio.Event(), set()

    async def write() -> None:
        while not over.is_set():
            seen.add((await r.ask("POST", path, body)).status)

    async def read() -> None:
        for _ in range(4):
            seen.add((await r.ask("GET", path)).status)

    writing = [asyncio.create_task(write()) for _ in range(WRITERS)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(read() for _ in range(READERS)))
    over.set()
    await asyncio.gather(*writing)

    assert seen <= {200, 204}
    assert {e["status_code"] for e in await r.entries()} <= {"200", "204"}


async def test_one_that_is_given_up_is_an_entry(r: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.core.pipeline.ATTEMPTS", 1)
    await r.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    before = len(await r.entries())

    answers = await asyncio.gather(
        *(r.ask("POST", "secret/data/one", {"data": {"v": n}}) for n in range(6))
    )

    refused = [a for a in answers if a.status == 503]
    assert refused
    assert "try again" in refused[0].errors[0]
    new = (await r.entries())[before:]
    assert len(new) == len(answers)
    codes = [(e["status_code"], e["metadata"]["event_code"]) for e in new]
    assert codes.count(("503", "secret.write")) == len(refused)
    assert all(e["unmapped"].get("version") is None for e in new if e["status_code"] == "503")


async def test_a_token_of_so_many_uses_is_counted_exactly_from_many_connections(r: Room) -> None:
    await r.policy("reads", 'path "kv1/hot" { capabilities = ["read"] }')
    token = await r.token("reads", num_uses=60)

    answers = await asyncio.gather(*(r.ask("GET", "kv1/hot", token=token) for _ in range(80)))

    statuses = [answer.status for answer in answers]
    assert (statuses.count(200), statuses.count(403)) == (60, 20)
