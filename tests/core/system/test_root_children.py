"""Root tokens that root tokens make: none outlives the one it is made with, and none is unseen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.core.system.room import Answer, Room, room

ROOT = {"policies": ["root"]}
REFUSED = ["a root token that outlives the one which made it needs a quorum: sys/generate-root"]
ORPHANS: dict[str, tuple[str, dict[str, object]]] = {
    "by its path": ("create-orphan", ROOT),
    "with the policies of who makes it": ("create-orphan", {}),
    "by a parameter": ("create", {**ROOT, "no_parent": True}),
    "by a parameter, with an end": ("create", {"no_parent": True, "ttl": "1m"}),
    "with a period": ("create", {**ROOT, "no_parent": True, "period": "768h", "ttl": "1h"}),
    "with an id of its own": ("create-orphan", {**ROOT, "id": "of-my-own"}),
    "among other policies": ("create-orphan", {"policies": ["default", " root", "app"]}),
    "by a role": ("create/orphans", ROOT),
    "by a role that says nothing of policies": ("create/open", {}),
    "in another's name": ("create/orphans", {**ROOT, "entity_alias": "ada"}),
}


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        role = {"orphan": True, "allowed_entity_aliases": "*"}
        await made.ask("POST", "auth/token/roles/open", role)
        await made.ask("POST", "auth/token/roles/orphans", {**role, "allowed_policies": ["root"]})
        yield made


async def make(ours: Room, by: str, **asked: object) -> str:
    answer = await ours.ask("POST", "auth/token/create", {**ROOT, **asked}, token=by)
    return str(answer.auth["client_token"])


async def status(ours: Room, token: str) -> int:
    return (await ours.ask("GET", "auth/token/lookup-self", token=token)).status


async def alerts(ours: Room) -> tuple[list[dict[str, Any]], int]:
    data = (await ours.ask("GET", "strongroom/alerts")).data
    return data["alerts"], data["root_tokens"]


async def generated(ours: Room) -> Answer:
    """Have a quorum make a root token; the answer holds it encoded."""
    begun = (await ours.ask("POST", "sys/generate-root/attempt", {}, token="")).body
    for key in ours.keys:
        given = {"key": key, "nonce": begun["nonce"]}
        answer = await ours.ask("POST", "sys/generate-root/update", given, token="")
        if answer.body["complete"]:
            break
    decode = {"encoded_token": answer.body["encoded_token"], "otp": begun["otp"]}
    return await ours.ask("POST", "sys/decode-token", decode, token="")


@pytest.mark.parametrize("way", ORPHANS, ids=str)
async def test_no_way_makes_an_orphan_with_the_policy_root(ours: Room, way: str) -> None:
    path, asked = ORPHANS[way]
    below = await make(ours, ours.root)

    for by in (ours.root, below):
        for wrap in ({}, {"x-vault-wrap-ttl": "1h"}):
            answer = await ours.ask("POST", f"auth/token/{path}", asked, token=by, headers=wrap)

            assert (answer.status, answer.errors) == (400, REFUSED)
    assert (await ours.last())["unmapped"].get("accessor") is None
    assert (await alerts(ours))[1] == 2


async def test_a_quorums_root_token_makes_no_orphan_either(ours: Room) -> None:
    token = (await generated(ours)).data["token"]

    answer = await ours.ask("POST", "auth/token/create-orphan", ROOT, token=token)

    assert (answer.status, answer.errors) == (400, REFUSED)


async def test_an_orphan_with_other_policies_is_made_as_ever(ours: Room) -> None:
    answer = await ours.ask("POST", "auth/token/create-orphan", {"policies": ["default"]})

    assert answer.auth["orphan"]
    assert "alert" not in (await ours.last())["unmapped"]


async def test_no_root_token_becomes_an_orphan_by_the_end_of_its_maker(ours: Room) -> None:
    child = await make(ours, ours.root)
    below = await make(ours, child)

    answers = [
        await ours.ask("POST", "auth/token/revoke-orphan", {"token": each}, token=by)
        for each, by in ((child, ours.root), (ours.root, below), (child, child))
    ]

    assert [(each.status, each.errors) for each in answers] == [(400, REFUSED)] * 3
    assert [await status(ours, each) for each in (ours.root, child, below)] == [200] * 3
    assert (await ours.ask("POST", "auth/token/revoke-orphan", {"token": below})).status == 204


async def test_a_child_is_an_alert_and_is_listed_until_it_ends_with_its_maker(ours: Room) -> None:
    top = (await generated(ours)).data["token"]
    child = await make(ours, top)
    entry = await ours.last()
    below = await make(ours, child)
    accessor = (await ours.ask("GET", "auth/token/lookup-self", token=child)).data["accessor"]

    listed, count = await alerts(ours)
    await ours.ask("POST", "auth/token/revoke-self", {}, token=top)
    after, left = await alerts(ours)

    assert (entry["severity_id"], entry["unmapped"]["alert"]) == (4, "root_token_made")
    assert entry["unmapped"]["accessor"] == accessor
    assert [each["kind"] for each in listed] == ["root_token_generated", *["root_token_made"] * 2]
    assert (listed[1]["accessor"], listed[1]["lives"], count) == (accessor, True, 4)
    assert [await status(ours, each) for each in (child, below)] == [403, 403]
    assert ([each["lives"] for each in after], left) == ([False], 1)


async def test_one_whose_time_is_over_is_listed_no_more_nor_what_is_below_it(ours: Room) -> None:
    child = await make(ours, ours.root, ttl="1h")
    await make(ours, child, ttl="9h")
    before = await alerts(ours)

    ours.clock.advance(timedelta(hours=1))

    assert (len(before[0]), before[1]) == (2, 3)
    assert await alerts(ours) == ([], 1)


async def test_a_flood_hides_none_from_the_count(ours: Room) -> None:
    for _ in range(20):
        await make(ours, ours.root)

    listed, count = await alerts(ours)

    assert (len(listed), count) == (16, 21)
