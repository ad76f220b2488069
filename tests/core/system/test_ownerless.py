"""Workloads whose owner has left: somebody takes over, or they are over some days later."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from tests.core.system.room import room
from tests.core.system.test_entrances import (
    admins,
    entry_of,
    log_in,
    must_log_in,
    role,
    secret_id,
    workload,
)
from tests.core.system.test_leaving import leave, works

SETTINGS = "strongroom/identity/settings"
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(("days", "set_to"), [(7, None), (2, "48h"), (0, "0s")])
async def test_without_an_owner_a_workload_is_over_in_time_until_it_has_one(
    tmp_path: Path, days: int, set_to: str | None
) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        if set_to is not None:
            given = {"ownerless_after": set_to}
            assert (await ours.ask("POST", SETTINGS, given)).status == 204
        await ours.policy("makes", 'path "auth/token/*" { capabilities = ["update", "sudo"] }')
        id_ = await role(ours, None, token_period="24h", token_policies="makes")
        entity = await workload(ours, id_, ada)
        secret = await secret_id(ours, None)
        before = await must_log_in(ours, id_, secret)

        left = await leave(ours, ada)
        told = await entry_of(ours, "person.leave")

        assert left.data["workloads_without_owner"] == told["orphans"] == [entity]
        assert told["alert"] == "workloads_without_owner"
        if days:
            ours.clock.advance(days * DAY - SECOND)
            text = await must_log_in(ours, id_, secret)
            orphan = await ours.ask("POST", "auth/token/create-orphan", {}, token=text)
            texts = [text, orphan.auth["client_token"]]
            assert [await works(ours, each) for each in texts] == [True, True]
            ours.clock.advance(SECOND)
        else:
            texts = [before]
        assert [await works(ours, each) for each in texts] == [False] * len(texts)
        assert (await log_in(ours, id_, secret)).status == 400

        given = {"owner": bob.entity}
        taken = await ours.ask("POST", f"strongroom/workloads/{entity}", given)
        assert taken.status == 204, taken
        await must_log_in(ours, id_, secret)


async def test_the_leaving_names_who_takes_over_with_an_entry_each(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob, eve = await admins(ours, "ada", "bob", "eve")
        ids = [await role(ours, None, name) for name in ("one", "two")]
        entities = sorted([await workload(ours, each, ada) for each in ids])
        await leave(ours, eve)
        path = f"strongroom/people/{ada.entity}/leave"
        for nobody in (ada.entity, eve.entity, entities[0], "x"):
            refused = await ours.ask("POST", path, {"successor": nobody})
            assert refused.status == 400
        assert await works(ours, ada.token)

        left = await ours.ask("POST", path, {"successor": bob.entity})

        assert (left.status, left.data["workloads_without_owner"]) == (200, [])
        for each in entities:
            shown = await ours.ask("GET", f"strongroom/workloads/{each}")
            assert shown.data["owner"] == bob.entity
        for _ in range(100):
            entries = [e for e in await ours.entries() if "workload.inherit" in str(e["metadata"])]
            if len(entries) == len(entities):
                break
            await asyncio.sleep(0.01)
        told = {e["unmapped"]["entity"]: e["unmapped"] for e in entries}
        assert sorted(told) == entities
        assert all(e["owner_before"] == ada.entity for e in told.values())
        ours.clock.advance(30 * DAY)
        await must_log_in(ours, ids[0], await secret_id(ours, None, "one"))


async def test_for_how_long_has_a_bound(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        answers = [
            (await ours.ask("POST", SETTINGS, {"ownerless_after": each})).status
            for each in ("721h", "-1s", "720h")
        ]

        assert answers == [400, 400, 204]
        shown = await ours.ask("GET", SETTINGS)
        assert shown.data == {"registration": "open", "ownerless_after": 30 * 86_400}
