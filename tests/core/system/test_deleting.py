"""Deleting an entity that is registered: only once it has left, and what proves that stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.core.rotation_due import queue_leavers
from tests.core.system.room import Room, room
from tests.core.system.test_knowing import T25, due, items, read, started, write
from tests.core.system.test_leaving import leave, registered


async def deleted(ours: Room, how: str, entity: str) -> int:
    """Ask for the deletion of an entity in one of the ways that there are."""
    name = (await ours.ask("GET", f"identity/entity/id/{entity}")).data["name"]
    ways: dict[str, tuple[str, str, object]] = {
        "id": ("DELETE", f"identity/entity/id/{entity}", None),
        "name": ("DELETE", f"identity/entity/name/{name}", None),
        "batch": ("POST", "identity/entity/batch-delete", {"entity_ids": ["nobody", entity]}),
    }
    answer = await ours.ask(*ways[how])
    if answer.status == 400:
        assert "leave first" in answer.errors[0] or "decommission it first" in answer.errors[0]
        assert entity in answer.errors[0]
    return answer.status


@pytest.mark.parametrize("how", ["id", "name", "batch"])
async def test_a_person_is_deleted_only_once_they_have_left(tmp_path: Path, how: str) -> None:
    async with room(tmp_path) as ours:
        await started(ours)
        ada = await registered(ours, "ada", "all")
        await write(ours, "kv/data/one")
        await read(ours, "kv/data/one", ada.token)

        assert await deleted(ours, how, ada.entity) == 400
        await read(ours, "kv/data/one", ada.token)
        await leave(ours, ada)
        assert await deleted(ours, how, ada.entity) == 204

        [item] = await items(ours, T25)
        assert item.held, item
        assert await due(ours, ada) == {"kv/data/one"}
        await leave(ours, ada)


async def test_who_left_and_was_deleted_is_nobody_new(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada = await registered(ours, "ada")
        await leave(ours, ada)
        assert await deleted(ours, "id", ada.entity) == 204
        given = {"password": ada.password, "policies": ["default"]}
        await ours.ask("POST", "auth/up/users/ada", given)

        assert (await ada.log_in()).status in {400, 403}

        keys = (await ours.ask("LIST", "identity/entity-alias/id")).data["keys"]
        for key in keys:
            await ours.ask("DELETE", f"identity/entity-alias/id/{key}")
        answer = await ada.must_log_in()
        assert answer.auth["entity_id"] != ""


async def test_a_workload_is_deleted_only_once_it_is_decommissioned(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada = await registered(ours, "ada")
        await ours.ask("POST", "strongroom/environments/prod", {"paths": ["prod/*"]})
        job = (await ours.ask("POST", "identity/entity", {"name": "job"})).data["id"]
        given = {"owner": ada.entity, "justification": "builds it all", "environment": "prod"}
        made = await ours.ask("POST", f"strongroom/workloads/{job}", given)
        assert made.status == 204, made

        assert await deleted(ours, "id", job) == 400
        await ours.ask("POST", f"strongroom/workloads/{job}/decommission")
        assert await deleted(ours, "id", job) == 204


async def test_a_batch_with_one_who_is_there_deletes_nobody(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada = await registered(ours, "ada")
        eve = (await ours.ask("POST", "identity/entity", {"name": "eve"})).data["id"]
        given = {"entity_ids": [eve, ada.entity]}

        answer = await ours.ask("POST", "identity/entity/batch-delete", given)

        assert answer.status == 400
        assert (await ours.ask("GET", f"identity/entity/id/{eve}")).status == 200


async def test_who_was_merged_is_judged_as_who_they_are(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        await started(ours)
        ada = await registered(ours, "ada")
        await ours.ask("POST", "sys/auth/other", {"type": "userpass"})
        await ours.ask("POST", "auth/other/users/a", {"password": "right", "policies": ["all"]})
        answer = await ours.ask("POST", "auth/other/login/a", {"password": "right"}, token="")
        also = answer.auth["entity_id"]
        await ours.ask("POST", f"strongroom/people/{also}", {"name": "Ada too"})
        await write(ours, "kv/data/one")
        await read(ours, "kv/data/one", answer.auth["client_token"])
        given = {"from_entity_ids": [also], "to_entity_id": ada.entity}
        assert (await ours.ask("POST", "identity/entity/merge", given)).status == 204
        await queue_leavers(ours.server)

        assert await items(ours, T25) == []
        assert (await ours.ask("GET", "strongroom/rotation/due")).data["rotations"] == []
