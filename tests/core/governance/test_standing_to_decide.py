"""Who may decide, as of each decision: an approval needs its right still, a denial a place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.governance.office import STAFF, asked, decide, group, office, person, rule, state
from tests.core.system.room import Room
from tests.core.system.test_groups import storage

NO_APPROVALS = f'{STAFF}\npath "strongroom/requests/+/approve" {{ capabilities = ["deny"] }}\n'
__all__ = ["storage"]


@pytest.fixture
async def ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> AsyncIterator[Room]:
    async with office(tmp_path, monkeypatch, storage) as made:
        yield made


async def why_not(ours: Room, id_: str) -> list[str]:
    """Return why approvals of a request do not count."""
    shown = (await ours.ask("GET", f"strongroom/requests/{id_}")).data
    return [each["why_not"] for each in shown["approvals"] if not each["counts"]]


@pytest.mark.parametrize("lost", ["of the entity", "in its text", "by a group"])
async def test_who_lost_the_policy_that_let_them_approve_counts_no_more(
    ours: Room, lost: str
) -> None:
    _, her = await person(ours, "ann")
    bob, his = await person(ours, "bob")
    _, cid = await person(ours, "cid")
    _, dan = await person(ours, "dan")
    await rule(ours, needs=[{"count": 2}])
    await ours.policy("approving", 'path "strongroom/requests/*" { capabilities = ["update"] }')
    team = await group(ours, "approvers", policies=["approving"], member_entity_ids=[bob])
    if lost == "by a group":
        await ours.ask("POST", f"identity/entity/id/{bob}", {"policies": []})
    id_ = await asked(ours, her)
    assert (await decide(ours, id_, his)).status == 200
    if lost == "by a group":
        await ours.ask("POST", f"identity/group/id/{team}", {"member_entity_ids": []})
    elif lost == "of the entity":
        await ours.ask("DELETE", f"identity/group/id/{team}")
        await ours.ask("POST", f"identity/entity/id/{bob}", {"policies": ["default"]})
    else:
        await ours.policy("bobs", NO_APPROVALS)
        await ours.ask("POST", f"identity/entity/id/{bob}", {"policies": ["staff", "bobs"]})

    second = await decide(ours, id_, cid)
    entry = (await ours.last())["unmapped"]
    third = await decide(ours, id_, dan)

    assert second.data["state"] == "pending"
    assert entry["not_counting"] == [bob]
    assert (third.data["state"], third.data["grant"] != "") == ("approved", True)
    assert await why_not(ours, id_) == ["their policies let them approve it no more"]


async def test_a_policy_that_came_back_counts_again(ours: Room) -> None:
    _, her = await person(ours, "ann")
    bob, his = await person(ours, "bob")
    _, cid = await person(ours, "cid")
    await rule(ours, needs=[{"count": 2}])
    id_ = await asked(ours, her)
    await decide(ours, id_, his)
    await ours.ask("POST", f"identity/entity/id/{bob}", {"policies": []})
    between = await why_not(ours, id_)
    await ours.ask("POST", f"identity/entity/id/{bob}", {"policies": ["staff"]})

    answer = await decide(ours, id_, cid)

    assert len(between) == 1
    assert answer.data["state"] == "approved"


async def test_who_has_no_place_in_any_rule_denies_nothing(ours: Room) -> None:
    _, her = await person(ours, "ann")
    eve, enemy = await person(ours, "eve")
    bob, his = await person(ours, "bob")
    team = await group(ours, "dba", member_entity_ids=[bob])
    await rule(ours, needs=[{"count": 1, "groups": ["dba"]}])
    id_ = await asked(ours, her)

    refused = await decide(ours, id_, enemy, how="deny")
    waiting = await state(ours, id_)
    await ours.ask("POST", f"identity/group/id/{team}", {"member_entity_ids": [bob, eve]})
    denied = await decide(ours, id_, enemy, how="deny")

    assert (refused.status, waiting) == (403, "pending")
    assert (denied.status, await state(ours, id_)) == (200, "denied")
    assert (await decide(ours, id_, his)).status == 400


async def test_who_wrote_what_is_asked_for_does_not_deny_it_either(ours: Room) -> None:
    await ours.policy("writer", 'path "secret/*" { capabilities = ["create", "update"] }')
    _, her = await person(ours, "ann")
    _, writer = await person(ours, "wes", "writer")
    await person(ours, "bob")
    assert (await ours.ask("POST", "secret/prod/db", {"x": "2"}, token=writer)).status == 204
    id_ = await asked(ours, her)

    refused = await decide(ours, id_, writer, how="deny")

    assert (refused.status, await state(ours, id_)) == (403, "pending")


async def test_a_begun_grant_is_not_ended_by_a_denial_without_standing(ours: Room) -> None:
    _, her = await person(ours, "ann")
    _, enemy = await person(ours, "eve")
    bob, his = await person(ours, "bob")
    await group(ours, "dba", member_entity_ids=[bob])
    await rule(ours, needs=[{"count": 1, "groups": ["dba"]}], afterwards="1d")
    id_ = await asked(ours, her)

    refused = await decide(ours, id_, enemy, how="deny")
    during = (await ours.ask("GET", "secret/prod/db", token=her)).status
    denied = await decide(ours, id_, his, how="deny")
    after = (await ours.ask("GET", "secret/prod/db", token=her)).status

    assert (refused.status, during, denied.status, after) == (403, 200, 200, 403)
