"""Failed logins: each is an entry of its own that says why, whatever came before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from strongroom.core.noise import ALLOWED
from tests.auth.jwt_issuer import URL, claims, pem, signed
from tests.core.system.room import Room, room

MANY = ALLOWED + 5
PEOPLE = "auth/people/login/ada"


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        for mount, kind in (("ci", "jwt"), ("apps", "approle"), ("people", "userpass")):
            await made.ask("POST", f"sys/auth/{mount}", {"type": kind})
        keys = {"jwt_validation_pubkeys": [pem("ES256")], "bound_issuer": URL}
        assert (await made.ask("POST", "auth/ci/config", keys)).status == 204
        role = {"role_type": "jwt", "user_claim": "sub", "bound_subject": "ada"}
        assert (await made.ask("POST", "auth/ci/role/r", role)).status == 204
        await made.ask("POST", "sys/auth/people/tune", {"user_lockout_config": OFF})
        yield made


OFF = {"lockout_disable": True}
FAILURES: dict[str, tuple[str, dict[str, object]]] = {
    "no token at all": ("auth/ci/login", {"role": "r", "jwt": "x.y.z"}),
    "a role that is none": ("auth/ci/login", {"role": "none", "jwt": "x.y.z"}),
    "a role id that is none": ("auth/apps/login", {"role_id": "x", "secret_id": "y"}),
    "a body that is none": ("auth/apps/login", {"role_id": {"a": 1}}),
    "where nobody is locked out": (PEOPLE, {"password": "wrong"}),
}


async def logins(r: Room) -> list[dict[str, Any]]:
    found = await r.entries()
    return [each for each in found if each["metadata"]["event_code"] == "auth.login"]


@pytest.mark.parametrize("way", FAILURES, ids=str)
async def test_each_is_an_entry(ours: Room, way: str) -> None:
    path, given = FAILURES[way]

    answers = [await ours.ask("POST", path, given, token="") for _ in range(MANY)]

    assert {each.status for each in answers} == {400}
    assert len(await logins(ours)) == MANY
    assert ours.server.pipeline.noise.over(ours.clock.now(), all_of_them=True) == []


async def test_a_forged_one_after_many_stale_ones_says_what_it_was(ours: Room) -> None:
    for _ in range(MANY):
        await ours.ask("POST", "auth/ci/login", {"role": "r", "jwt": "x.y.z"}, token="")

    forged = signed(claims(iss="https://other.example", sub="ada"), "ES256")
    await ours.ask("POST", "auth/ci/login", {"role": "r", "jwt": forged}, token="")

    *stale, last = [each["unmapped"].get("because", "") for each in await logins(ours)]
    assert all(stale)
    assert "issuer" in last
    assert last not in stale
    assert forged not in str(await ours.last())
