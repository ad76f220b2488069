"""Large inputs of little privilege: each is answered, named, and takes little of the one thread."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from time import process_time

import pytest

from strongroom.base.network import MOST_NETWORKS
from tests.core.system.room import Room, room

LARGE = 12_000_000  # bytes
LITTLE = 4.0  # seconds of computing; the costliest took half a minute before
ROLE = 'path "auth/token/create/wide" { capabilities = ["update"] }'


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.policy("caller", ROLE)
        wide = {"allowed_entity_aliases": ["*a*a*a*a*a*a*"], "allowed_policies_glob": ["*"]}
        assert (await made.ask("POST", "auth/token/roles/wide", wide)).status == 204
        yield made


INPUTS = (
    ("auth/token/renew-self", '{"increment":"', "1h", '"}', "increment: expected a duration"),
    ("cubbyhole/z", '{"data":[', '"",', "", "more than 100000 values"),
    ("sys/capabilities-self", '{"paths":"', "a,", '"}', "paths: expected at most"),
    ("sys/capabilities-self", '{"paths":["', "a", '"]}', "paths: expected at most"),
    ("auth/token/create/wide", '{"entity_alias":"', "a", '"}', "entity_alias: expected at"),
    ("auth/token/create/wide", '{"meta":{"k":"', "a", '"}}', "meta: expected at most"),
    ("auth/token/create/wide", '{"policies":["', "A", '"]}', "policies: expected at most"),
)


async def test_a_large_input_is_refused_by_name_in_little_time(r: Room) -> None:
    caller = await r.token("caller", "default")
    for path, start, part, end, problem in INPUTS:
        body = (start + part * (LARGE // len(part)) + end).encode()
        began = process_time()

        answer = await r.ask("POST", path, token=caller, content=body)

        assert answer.status == 400
        assert problem in answer.errors[0]
        assert process_time() - began < LITTLE


@pytest.mark.parametrize("field", ["token_bound_cidrs", "bound_cidrs"])
async def test_a_role_has_so_many_networks_and_no_more(field: str, r: Room) -> None:
    many = [f"10.0.{n >> 8}.{n & 255}" for n in range(MOST_NETWORKS + 1)]

    answer = await r.ask("POST", "auth/token/roles/narrow", {field: many})

    assert answer.errors == ["token_bound_cidrs: at most 256 networks"]


async def test_a_role_has_names_of_aliases_that_an_alias_can_have(r: Room) -> None:
    for aliases in (["a" * 513], ["a"] * 1025):
        answer = await r.ask("POST", "auth/token/roles/x", {"allowed_entity_aliases": aliases})

        assert answer.errors == ["allowed_entity_aliases: at most 1024, of 512 characters each"]
