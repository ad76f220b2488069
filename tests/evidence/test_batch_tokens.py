"""Batch tokens over a server that runs: each way of making one, each way of ending it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.controls import CONTROLS
from strongroom.core.request import Answer
from strongroom.evidence.gathering import reading
from strongroom.evidence.populations import POPULATIONS, Sources
from strongroom.evidence.run import ControlRuns
from tests.evidence.playing import DAY, START, Company, company

LONG = "800000h"
[P12] = [each for each in POPULATIONS if each.id == "P12"]
ADMIN = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'


def body(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body or b"{}")
    assert answer.status < 300, found
    return found


@pytest.fixture
async def lent(tmp_path: Path) -> AsyncIterator[Company]:
    """A company whose mounts let tokens live for as long as asked, and ada, who can log in."""
    async with company(tmp_path) as ours:
        for mount, kind in (("userpass", "userpass"), ("approle", "approle")):
            await ours.ask("write", f"sys/auth/{mount}", {"type": kind})
        for mount in ("token", "userpass", "approle"):
            tuned = {"max_lease_ttl": "876000h"}
            assert (await ours.ask("write", f"sys/auth/{mount}/tune", tuned)).status == 204
        reads = 'path "secret/*" { capabilities = ["create", "update", "read"] }'
        await ours.ask("write", "sys/policies/acl/app", {"policy": reads})
        await ours.ask("write", "sys/policies/acl/admin", {"policy": ADMIN})
        yield ours


async def create(ours: Company, path: str, token: str | None = None, **asked: object) -> str:
    made = {"policies": ["app"], "ttl": LONG, **asked}
    return str(
        body(await ours.ask("write", f"auth/token/{path}", made, token=token))["auth"][
            "client_token"
        ]
    )


async def child(ours: Company) -> str:
    return await create(ours, "create", type="batch")


async def orphan(ours: Company) -> str:
    return await create(ours, "create-orphan", type="batch")


async def of_role(ours: Company) -> str:
    role = {"token_type": "batch", "orphan": True, "renewable": False}
    await ours.ask("write", "auth/token/roles/r", role)
    return await create(ours, "create/r")


async def by_password(ours: Company) -> str:
    user = {"password": "pw-0123456789", "token_type": "batch", "token_ttl": "700000h"}
    user |= {"token_policies": "app"}
    assert (await ours.ask("write", "auth/userpass/users/ada", user)).status == 204
    given = {"password": user["password"]}
    login = await ours.ask("write", "auth/userpass/login/ada", given, token="")
    return str(body(login)["auth"]["client_token"])


async def by_tuned_mount(ours: Company) -> str:
    tuned = {"token_type": "batch", "default_lease_ttl": "700000h"}
    assert (await ours.ask("write", "sys/auth/approle/tune", tuned)).status == 204
    role = {"token_policies": "app"}
    await ours.ask("write", "auth/approle/role/r", role)
    id_ = body(await ours.ask("read", "auth/approle/role/r/role-id"))["data"]["role_id"]
    made = body(await ours.ask("write", "auth/approle/role/r/secret-id", {}))["data"]
    given = {"role_id": id_, "secret_id": made["secret_id"]}
    login = await ours.ask("write", "auth/approle/login", given, token="")
    return str(body(login)["auth"]["client_token"])


WAYS = [child, orphan, of_role, by_password, by_tuned_mount]


async def found(ours: Company, control: str = "T11") -> list[tuple[str, bool | None, str]]:
    """Run a control over all there was; return what it says of batch tokens."""
    ours.clock.advance(timedelta(seconds=1))
    runs = ControlRuns(server=ours.server, controls=CONTROLS, surroundings=ours.surroundings)
    [row] = await runs.run(ours.period(), [control])
    items = json.loads(row.result)["items"]
    return [
        (each["subject"], each["held"], each["because"])
        for each in items
        if "batch token" in each["subject"]
    ]


async def listed(ours: Company) -> list[dict[str, Any]]:
    """Return the batch tokens of P12, whose count by another way is the same."""
    published = await ours.server.log.publish(ours.clock.now())
    sources = Sources(ours.server, await reading(ours.server, published, ours.surroundings))
    rows = [row async for row in P12.rows(sources, ours.period())]
    assert await P12.counted(sources, ours.period()) == len(rows)
    return [row for row in rows if row["type"] == "batch"]


async def test_one_that_lives_for_decades_is_found_however_it_was_made(lent: Company) -> None:
    tokens = [await way(lent) for way in WAYS]
    for token in tokens:
        answer = await lent.ask("write", "secret/data/x", {"data": {"a": "b"}}, token=token)
        assert answer.status == 200

    items, rows = await found(lent), await listed(lent)

    assert [held for _, held, _ in items] == [False] * len(WAYS)
    said = [(int(subject.rpartition(" ")[2]), because) for subject, _, because in items]
    assert said == [
        (row["entry"], f"was made for {timedelta(seconds=row['seconds'])} ({row['made_at']})")
        for row in rows
    ]
    assert all(row["expires"] > "2100" and "app" in row["policies"] for row in rows)
    assert {row["ended"] for row in rows} == {""}


async def test_one_that_is_gone_with_its_parent_is_no_exception(lent: Company) -> None:
    made = {"policies": ["admin"], "ttl": "1h"}
    answer = await lent.ask("write", "auth/token/create", made)
    parent = body(answer)["auth"]
    token = await create(lent, "create", parent["client_token"], type="batch")
    assert [held for _, held, _ in await found(lent)] == [False]

    await lent.ask("write", "auth/token/revoke-accessor", {"accessor": parent["accessor"]})

    assert (await lent.ask("read", "secret/data/x", token=token)).status == 403
    assert [held for _, held, _ in await found(lent)] == [True]
    [row] = await listed(lent)
    assert row["ended"] == "the token that made it is gone"


async def test_those_of_a_login_end_with_mount_and_entity(lent: Company) -> None:
    token = await by_password(lent)
    seen = body(await lent.ask("read", "auth/token/lookup-self", token=token))["data"]
    entity = f"identity/entity/id/{seen['entity_id']}"

    for disabled in (True, False):
        await lent.ask("write", entity, {"disabled": disabled})

        status = 403 if disabled else 404
        assert (await lent.ask("read", "secret/data/x", token=token)).status == status
        assert [held for _, held, _ in await found(lent)] == [disabled]

    await lent.ask("delete", entity)
    again = await by_password(lent)
    assert [held for _, held, _ in await found(lent)] == [True, False]

    await lent.ask("delete", "sys/auth/userpass")
    await lent.ask("write", "sys/auth/userpass", {"type": "userpass"})
    assert (await lent.ask("read", "secret/data/x", token=again)).status == 403
    assert [held for _, held, _ in await found(lent)] == [True, True]


async def test_a_mount_that_moved_does_not_end_one(lent: Company) -> None:
    token = await by_password(lent)
    await lent.ask("write", "sys/remount", {"from": "auth/userpass", "to": "auth/people"})

    assert (await lent.ask("write", "secret/data/x", {"data": {}}, token=token)).status == 200
    assert [held for _, held, _ in await found(lent)] == [False]


async def test_short_ones_hold_and_are_listed_until_they_are_over(lent: Company) -> None:
    for _ in range(3):
        await create(lent, "create", type="batch", ttl="2h")

    assert await found(lent) == [
        ("batch tokens made at auth/token/create", True, "each for 2:00:00")
    ]
    assert len(await listed(lent)) == 3
    lent.clock.advance(DAY)
    assert await listed(lent) == []


async def test_refused_and_failed_makings_are_none(lent: Company) -> None:
    for asked in ({"type": "batch", "num_uses": 3}, {"type": "batch", "policies": ["root"]}):
        assert (await lent.ask("write", "auth/token/create", asked)).status == 400
    await lent.ask("write", "auth/userpass/login/ada", {"password": "no"}, token="")

    assert (await found(lent), await listed(lent)) == ([], [])


async def test_a_workload_that_holds_one_for_days_is_found(lent: Company) -> None:
    await by_tuned_mount(lent)

    [(_, held, because)] = await found(lent, "T10")

    assert (held, because) == (False, "lives 700000 hours (auth/approle/login)")


async def test_a_use_of_a_service_token_is_none_whatever_class_its_entry_is_of(
    lent: Company,
) -> None:
    made = {"policies": ["admin"], "ttl": "1h"}
    auth = body(await lent.ask("write", "auth/token/create", made))["auth"]
    moved = {"advance": "1s"}
    body(await lent.ask("write", "strongroom/clock", moved, token=auth["client_token"]))
    published = await lent.server.log.publish(lent.clock.now())
    log = await reading(lent.server, published, lent.surroundings)

    [entry] = [each async for each in log.entries(START, None, ("clock.advance",))]

    assert entry.token == auth["accessor"]
