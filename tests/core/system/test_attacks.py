"""Ways around the gate that were found, each of them closed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.system.room import Room, room

ONLY_PASSWORD = """
path "auth/userpass/users/bob" {
  capabilities = ["create", "update"]
  allowed_parameters = { "password" = [] }
}
path "auth/token/create" {
  capabilities = ["update"]
  denied_parameters = { "ttl" = [] }
}
"""
ALIASES = """
path "secret/*" { capabilities = ["read"] }
path "identity/*" { capabilities = ["create", "read", "update", "delete", "list"] }
"""


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    """A server with userpass and a KV mount whose `prod` part is protected."""
    async with room(tmp_path) as made:
        assert (await made.ask("POST", "sys/auth/userpass", {"type": "userpass"})).status == 204
        await made.mount("secret/", "kv", version="2")
        await made.ask("POST", "secret/data/prod/db", {"data": {"password": "p"}})
        given = {"paths": ["secret/+/prod/*"]}
        assert (await made.ask("POST", "strongroom/environments/prod", given)).status == 204
        dev = {"paths": ["secret/+/dev/*"]}
        assert (await made.ask("POST", "strongroom/environments/dev", dev)).status == 204
        yield made


@pytest.mark.parametrize("aside", ['"z":1e999', '"z":[1e999]', '"z":{"a":-1e400}'])
async def test_a_value_that_cannot_be_read_hides_nothing_from_a_rule(r: Room, aside: str) -> None:
    await r.policy("narrow", ONLY_PASSWORD)
    token = await r.token("narrow")
    body = b'{"password":"newpw12345","token_policies":["admin"],' + aside.encode() + b"}"

    answer = await r.ask("POST", "auth/userpass/users/bob", content=body, token=token)

    assert answer.status in (400, 403)
    assert (await r.ask("GET", "auth/userpass/users/bob")).status == 404


async def test_an_older_name_of_a_denied_field_is_denied_too(r: Room) -> None:
    await r.policy("narrow", ONLY_PASSWORD)
    token = await r.token("narrow")

    plain = await r.ask("POST", "auth/token/create", {"ttl": "1h"}, token=token)
    older = await r.ask("POST", "auth/token/create", {"lease": "1h"}, token=token)

    assert (plain.status, older.status) == (403, 403)


async def test_bytes_that_are_no_utf8_under_a_conditional_rule_are_the_callers_error(
    r: Room,
) -> None:
    await r.policy("narrow", ONLY_PASSWORD)
    token = await r.token("narrow")

    answer = await r.ask("POST", "auth/token/create", content=b'{"z":"\xc3("}', token=token)

    assert answer.status == 400


async def test_a_body_of_very_many_values_is_refused_before_it_is_decoded(r: Room) -> None:
    many = json.dumps({str(n): 1 for n in range(150_000)}).encode()

    answer = await r.ask("POST", "secret/data/dev/a", content=many)

    assert answer.status == 400
    assert "more than 100000 values" in answer.errors[0]


async def test_where_nobody_is_asked_for_a_token_bodies_are_small(r: Room) -> None:
    body = json.dumps({"password": "x" * 70_000}).encode()

    answer = await r.ask("POST", "auth/userpass/login/bob", content=body, token="")

    assert answer.status == 413


@pytest.mark.parametrize("way", ["entity", "alias", "rename", "move"])
async def test_who_is_bound_cannot_come_back_unbound(r: Room, way: str) -> None:
    await r.policy("self", ALIASES)
    user = {"password": "correct horse", "token_policies": ["self"]}
    await r.ask("POST", "auth/userpass/users/eve", user)
    login = {"password": "correct horse"}
    auth = (await r.ask("POST", "auth/userpass/login/eve", login, token="")).auth
    entity = auth["entity_id"]
    bind = {"metadata": {"environment": "dev"}}
    assert (await r.ask("POST", f"identity/entity/id/{entity}", bind)).status < 300
    alias = (await r.ask("GET", f"identity/entity/id/{entity}")).data["aliases"][0]
    token = (await r.ask("POST", "auth/userpass/login/eve", login, token="")).auth["client_token"]
    path = f"identity/entity-alias/id/{alias['id']}"

    match way:
        case "entity":
            tried = await r.ask("DELETE", f"identity/entity/id/{entity}", token=token)
        case "alias":
            tried = await r.ask("DELETE", path, token=token)
        case "rename":
            tried = await r.ask("POST", path, {"name": "zzz"}, token=token)
        case _:
            mounts = (await r.ask("GET", "sys/auth")).data
            other = mounts["token/"]["accessor"]
            tried = await r.ask("POST", path, {"mount_accessor": other}, token=token)
    again = (await r.ask("POST", "auth/userpass/login/eve", login, token="")).auth["client_token"]

    assert tried.status in (400, 403)
    assert (await r.ask("GET", "secret/data/prod/db", token=again)).status == 403
