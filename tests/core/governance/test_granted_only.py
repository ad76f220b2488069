"""Where people are served by grants alone, no policy lets one in; workloads go on as before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.governance.office import (
    MOUNT,
    asked,
    decide,
    entity,
    office,
    person,
    reads,
    rule,
    signed_in,
)
from tests.core.system.room import Room
from tests.core.system.test_groups import acting_as, storage

READ = 'path "secret/*" { capabilities = ["read", "list", "scan"] }'
SAID = "strongroom request"
__all__ = ["storage"]


@pytest.fixture
async def ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> AsyncIterator[Room]:
    async with office(tmp_path, monkeypatch, storage) as made:
        await made.policy("reader", READ)
        await made.ask("POST", "secret/other", {"x": "1"})
        yield made


async def only_granted(ours: Room, people: str = "granted") -> None:
    given = {"people": people}
    answer = await ours.ask("POST", "strongroom/environments/production", given)
    assert answer.status == 204, answer


async def workload(ours: Room, owner: str) -> str:
    made = await entity(ours, "app", policies=["reader"])
    given = {"owner": owner, "justification": "it serves", "environment": "production"}
    assert (await ours.ask("POST", f"strongroom/workloads/{made}", given)).status == 204
    alias = {"name": "app", "mount_accessor": MOUNT, "canonical_id": made}
    assert (await ours.ask("POST", "identity/entity-alias", alias)).status == 200
    return await signed_in(ours, "app")


async def test_people_root_and_strangers_are_refused_and_workloads_are_not(ours: Room) -> None:
    ann, her = await person(ours, "ann", "reader")
    app = await workload(ours, ann)
    entityless = await ours.token("reader")
    stranger = await acting_as(ours, await entity(ours, "nobody-yet", policies=["reader"]))
    everybody = (her, ours.root, entityless, stranger, app)
    before = [await reads(ours, each) for each in everybody]

    await only_granted(ours)

    assert before == [200] * 5
    assert [await reads(ours, each) for each in everybody] == [403, 403, 403, 403, 200]
    assert [await reads(ours, each, "secret/other") for each in (her, entityless)] == [200, 200]
    refused = await ours.ask("GET", "secret/prod/db", token=her)
    assert SAID in refused.errors[0]
    assert SAID not in (await ours.ask("GET", "secret/prod/db")).errors[0]
    entry = (await ours.last())["unmapped"]
    assert entry["guardrail"] == "granted:production"


async def test_a_token_that_a_person_made_in_a_workloads_name_is_not_the_workload(
    ours: Room,
) -> None:
    ann, _ = await person(ours, "ann")
    app = await workload(ours, ann)
    await ours.policy("maker", 'path "auth/token/create*" { capabilities = ["update"] }')
    [made] = [
        key
        for key, each in (await ours.ask("LIST", "identity/entity/id")).data["key_info"].items()
        if each["name"] == "app"
    ]
    await ours.ask("POST", f"identity/entity/id/{made}", {"policies": ["reader", "maker"]})
    own_child = await ours.token("default", by=app)
    by_root = await acting_as(ours, made)
    grandchild = await ours.token("none", by=by_root)

    await only_granted(ours)

    tokens = (app, own_child, by_root, grandchild)
    assert [await reads(ours, each) for each in tokens] == [200, 200, 403, 403]


async def test_a_grant_lets_its_holder_in_and_nobody_else(ours: Room) -> None:
    _, her = await person(ours, "ann", "reader")
    _, his = await person(ours, "bob", "reader")
    await only_granted(ours)
    id_ = await asked(ours, her)

    assert (await decide(ours, id_, his)).data["state"] == "approved"

    assert [await reads(ours, each) for each in (her, his)] == [200, 403]
    wrote = await ours.ask("POST", "secret/prod/db", {"x": "2"}, token=her)
    assert wrote.status == 403


async def test_a_scan_that_would_show_what_is_inside_needs_a_grant_and_its_rules(
    ours: Room,
) -> None:
    _, her = await person(ours, "ann", "reader")
    await person(ours, "bob")
    await person(ours, "cid")
    await rule(ours, needs=[{"count": 2}])
    await only_granted(ours)

    scanned = await ours.ask("SCAN", "secret/", token=her)
    listed = await ours.ask("LIST", "secret/", token=her)
    inside = await ours.ask("LIST", "secret/prod", token=her)
    body = {"paths": ["secret/"], "capabilities": ["scan"], "for": "1h"}
    needed = await ours.ask("POST", "strongroom/requests/preview", body, token=her)

    assert (scanned.status, listed.status, inside.status) == (403, 200, 403)
    assert needed.data["needed"] == 2


async def test_capabilities_show_what_is_left(ours: Room) -> None:
    _, her = await person(ours, "ann", "reader")
    _, his = await person(ours, "bob")
    await ours.policy("caps", 'path "sys/capabilities-self" { capabilities = ["update"] }')
    await only_granted(ours)
    ask = {"paths": ["secret/prod/db"]}

    before = await ours.ask("POST", "sys/capabilities-self", ask, token=her)
    await decide(ours, await asked(ours, her), his)
    after = await ours.ask("POST", "sys/capabilities-self", ask, token=her)

    assert (before.data["capabilities"], after.data["capabilities"]) == (["deny"], ["read"])


async def test_letting_people_in_by_policies_again_takes_sudo_and_is_an_alert(ours: Room) -> None:
    text = 'path "strongroom/environments/*" { capabilities = ["update", "create", "delete"] }'
    await ours.policy("environments", text)
    await only_granted(ours)
    plain = await ours.token("environments")
    at = "strongroom/environments/production"

    refused = await ours.ask("POST", at, {"people": "standing"}, token=plain)
    kept = await ours.ask("POST", at, {"description": "x"}, token=plain)
    await only_granted(ours, "standing")

    assert (refused.status, kept.status) == (403, 204)
    assert (await ours.last())["unmapped"]["alert"] == "people_let_in_by_policies"


async def test_no_policy_is_named_as_a_grant(ours: Room) -> None:
    given = {"policy": READ}

    answer = await ours.ask("POST", "sys/policies/acl/grant/x", given)

    assert answer.status == 400
