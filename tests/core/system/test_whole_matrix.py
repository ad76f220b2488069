"""Everybody on every path: rows over the wire, in pages, and what is kept between questions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.audit.entry import ANONYMOUS
from strongroom.core.request import Incoming, SystemCall
from strongroom.core.router import Operation
from strongroom.core.system.everybody import Present
from strongroom.core.system.holders import Holders
from strongroom.identity.policy.capability import Capability
from strongroom.identity.policy.questions import may
from strongroom.sdk.engine import Mounted
from strongroom.storage.store import MountStore
from strongroom.storage.transaction import Transaction
from tests.core.system.room import Room, room

WHOLE = "strongroom/access/everybody"
OWN = 'path "secret/data/{{identity.entity.name}}/*" { capabilities = ["read"] }'


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    """A kv mount with secrets, two policies, two entities with one of them, an environment."""
    async with room(tmp_path) as made:
        await made.mount("secret/", "kv", version="2")
        for path in ("ann/1", "ann/2", "bob/1", "prod/db"):
            await made.ask("POST", f"secret/data/{path}", {"data": {"k": "v"}})
        await made.policy("reader", 'path "secret/data/*" { capabilities = ["read"] }')
        await made.policy("own", OWN)
        for name in ("ann", "bob", "cat"):
            given = {"name": name, "policies": ["own" if name != "cat" else "reader"]}
            await made.ask("POST", "identity/entity", given)
        given = {"paths": ["secret/+/prod/*"], "open": False}
        await made.ask("POST", "strongroom/environments/prod", given)
        yield made


async def whole(r: Room, more: str = "") -> dict[str, Any]:
    answer = await r.ask("GET", f"{WHOLE}?{more}")
    assert answer.status == 200, answer
    return dict(answer.data)


def rights(found: dict[str, Any]) -> dict[str, dict[str, tuple[list[str], int]]]:
    """Return what each entity may, by pattern."""
    return {
        each["name"]: {x["pattern"]: (x["capabilities"], x["paths"]) for x in row["rights"]}
        for row in found["rows"]
        for each in row["subjects"]
        if each["subject"].startswith("entity:")
    }


async def test_rows_hold_what_everybody_may_on_what_is_stored(r: Room) -> None:
    found = rights(await whole(r, "below=secret/data/"))

    assert found["ann"] == {"secret/data/ann/*": (["read"], 2)}
    assert found["bob"] == {"secret/data/bob/*": (["read"], 1)}
    assert found["cat"] == {"secret/data/*": (["read"], 4)}  # what prod closes is left out


async def test_rows_come_in_pages_of_one_matrix(r: Room) -> None:
    first = await whole(r, "limit=1")
    await r.ask("POST", "identity/entity", {"name": "dan", "policies": ["reader", "own"]})
    rows, at = first["rows"], first

    while at["next"]:
        at = await whole(r, f"limit=2&matrix={first['matrix']}&after={at['next']}")
        rows += at["rows"]

    assert len({row["id"] for row in rows}) == len(rows) == first["row_count"]
    assert sum(row["holders"] for row in rows) == first["holders"]
    assert "dan" not in rights({"rows": rows})
    assert "dan" in rights(await whole(r))
    entry = await r.last()
    assert entry["metadata"]["event_code"] == "access.everybody"


async def test_a_row_names_all_of_its_holders_when_asked(r: Room) -> None:
    for number in range(60):
        await r.ask("POST", "identity/entity", {"name": f"e{number}", "policies": ["reader"]})
    found = await whole(r)
    [row] = [row for row in found["rows"] if row["holders"] > 60]

    more = await whole(r, f"matrix={found['matrix']}&row={row['id']}")

    assert len(row["subjects"]) == 50
    assert [len(each["subjects"]) for each in more["rows"]] == [row["holders"]]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("matrix=none", 404),
        ("at=yesterday", 400),
        ("at=2999-01-01T00:00:00Z", 400),
        ("limit=x", 400),
    ],
)
async def test_what_there_is_not_is_refused(r: Room, asked: str, status: int) -> None:
    answer = await r.ask("GET", f"{WHOLE}?{asked}")

    assert answer.status == status


@pytest.mark.parametrize("row", ["none", "ff", "-1"])
async def test_a_row_that_is_none_is_refused(r: Room, row: str) -> None:
    found = await whole(r)

    answer = await r.ask("GET", f"{WHOLE}?matrix={found['matrix']}&row={row}")

    assert answer.status in {400, 404}


async def test_only_a_few_are_kept(r: Room) -> None:
    first = await whole(r)
    for _ in range(3):
        await whole(r)

    answer = await r.ask("GET", f"{WHOLE}?matrix={first['matrix']}")

    assert answer.status == 404


async def test_who_is_asked_without_permission_learns_nothing(r: Room) -> None:
    token = await r.token("default")

    answer = await r.ask("GET", WHOLE, token=token)

    assert answer.status == 403


def call_of(r: Room) -> SystemCall:
    """Return what a handler would get now."""
    server = r.server
    tx = Transaction(server.database, server.barrier)
    zero = timedelta(0)
    mounted = Mounted(path="", kind="", accessor="", options={}, default_ttl=zero, max_ttl=zero)
    return SystemCall(
        store=MountStore(tx, "core/strongroom/"),
        now=r.clock.now(),
        entropy=server.entropy,
        fingerprint=server.pipeline.fingerprint,
        mount=mounted,
        transaction=tx,
        request=Incoming(id="1", operation=Operation.READ, path="strongroom/access/who"),
        session=None,
        actor=ANONYMOUS,
    )


async def test_what_is_kept_is_what_is_so_after_each_change(r: Room) -> None:
    """Who may, from what is kept, is who may, from the rows; whatever is done in between."""
    present = Present(r.server)
    steps: list[Any] = [
        ("POST", "auth/token/create", {"policies": ["own"], "ttl": "1h"}),
        ("POST", "auth/token/create", {"policies": ["reader"], "ttl": "2h"}),
        ("POST", "sys/policies/acl/reader", {"policy": OWN}),
        ("POST", "identity/group", {"name": "g", "policies": ["reader"]}),
        timedelta(hours=1),
        ("POST", "identity/entity/name/bob", {"disabled": True}),
        ("POST", "auth/token/roles/give", {"allowed_policies": "reader"}),
        ("POST", "strongroom/environments/prod", {"paths": ["secret/data/ann/*"]}),
        ("DELETE", "sys/policies/acl/reader", None),
        timedelta(hours=1),
        ("DELETE", "identity/entity/name/ann", None),
    ]
    for step in steps:
        if isinstance(step, timedelta):
            r.clock.advance(step)
        else:
            assert (await r.ask(*step)).status < 300, step
        call = call_of(r)
        holders = await (await Holders(r.server, call).open()).everybody()
        for path in ("secret/data/ann/1", "secret/data/prod/db"):
            everybody = await present.read(call)

            found = everybody.who(Capability.READ, path, "", 1000)

            assert {holder.subject for holder, _ in found.first} == {
                each.subject
                for each in holders
                if may(each.acl, Capability.READ, path).allowed
                and everybody.guardrails.refusal(each.environments, path) is None
            }
            assert len(everybody) == len(holders)
