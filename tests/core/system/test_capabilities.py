"""What `sys/capabilities` shows beside what a request gets, where guardrails have a say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import pytest

from tests.core.system.room import Room, room

ALL = '["create", "read", "update", "delete", "list", "patch", "scan", "sudo"]'
EVERY = "create", "delete", "list", "patch", "read", "scan", "sudo", "update"
REQUESTS = {"read": "GET", "list": "LIST", "scan": "SCAN", "update": "PUT", "delete": "DELETE"}
PATHS = (
    *("kv", "kv/", "kv/prod", "kv/prod/", "kv/prod/x", "kv/prod/deep/x", "kv/prod/deep/"),
    *("kv/dev", "kv/dev/", "kv/dev/x", "kv/free/x", "other/x", "other/"),
)
BINDINGS = {"nobody's": {}, "of production": {"environment": "production"}}


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.ask("POST", "sys/mounts/kv", {"type": "kv"})
        await made.ask("POST", "sys/mounts/other", {"type": "kv"})
        await write_environments(made, open_=True)
        await made.policy("all", f'path "*" {{ capabilities = {ALL} }}')
        yield made


async def write_environments(r: Room, *, open_: bool) -> None:
    """Write both; while they are open, a token of nobody's can make one that is bound."""
    for name, path in (("production", "kv/prod/*"), ("dev", "kv/dev/*")):
        given = {"paths": [path], "open": open_}
        await r.ask("POST", f"strongroom/environments/{name}", given)


async def shown(r: Room, token: str) -> dict[str, list[str]]:
    """Return what is shown of a token, three ways alike, once the environments are closed."""
    await write_environments(r, open_=False)
    given = {"token": token, "paths": list(PATHS)}
    data = (await r.ask("POST", "sys/capabilities", given)).data
    by_accessor = (await r.ask("POST", "auth/token/lookup", {"token": token})).data["accessor"]
    asked = {"accessor": by_accessor, "paths": list(PATHS)}
    own = (await r.ask("POST", "sys/capabilities-self", {"paths": list(PATHS)}, token=token)).data
    assert data == own == (await r.ask("POST", "sys/capabilities-accessor", asked)).data
    return dict(data)


@pytest.mark.parametrize("meta", BINDINGS.values(), ids=BINDINGS.keys())
async def test_what_is_shown_is_what_a_request_gets(ours: Room, meta: dict[str, str]) -> None:
    token = await ours.token("all", meta=meta)

    found = await shown(ours, token)

    for path, (capability, method) in product(PATHS, REQUESTS.items()):
        body = {"a": "b"} if method == "PUT" else None
        refused = (await ours.ask(method, path, body, token=token)).status == 403
        assert (capability in found[path]) is not refused, (capability, path)


async def test_a_scan_over_a_boundary_is_not_shown_where_a_read_is(ours: Room) -> None:
    token = await ours.token("all")

    found = await shown(ours, token)

    assert found["kv/"] == [each for each in EVERY if each != "scan"]
    assert found["kv/prod/x"] == ["deny"]
    assert found["kv/free/x"] == found["other/"] == [*EVERY]


async def test_nothing_but_sudo_is_nothing(ours: Room) -> None:
    self = 'path "sys/capabilities-self" { capabilities = ["update"] }'
    await ours.policy("scans", f'path "kv/" {{ capabilities = ["scan", "sudo"] }} {self}')
    token = await ours.token("scans")

    assert (await shown(ours, token))["kv/"] == ["deny"]


async def test_of_a_root_token_what_is_left_is_named(ours: Room) -> None:
    found = await shown(ours, ours.root)

    assert found["other/x"] == ["root"]
    assert found["kv/prod/x"] == ["deny"]
    assert found["kv/"] == [each for each in EVERY if each != "scan"]
