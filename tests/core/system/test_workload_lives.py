"""How long a workload's token lives: minutes by default, a day at most, or as a mount was tuned."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.core.system.room import Answer, Room, room

ROLE = "auth/apps/role/web"
DAY = 86_400
LONG: dict[str, dict[str, Any]] = {
    "a long life": {"token_ttl": "720h"},
    "a long end": {"token_ttl": "720h", "token_max_ttl": "768h"},
    "a long period": {"token_period": "720h"},
    "a long period and end": {"token_period": "720h", "token_explicit_max_ttl": "760h"},
    "a long batch": {"token_ttl": "720h", "token_type": "batch"},
}


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        answer = await made.ask("POST", "sys/auth/apps", {"type": "approle"})
        assert answer.status == 204, answer
        yield made


async def login(ours: Room, **rules: object) -> Answer:
    """Make a role, take a secret id of it and log in."""
    made = await ours.ask("POST", ROLE, {"role_id": "web-id", **rules})
    assert made.status in (200, 204), made
    secret = await ours.ask("POST", f"{ROLE}/secret-id", {})
    given = {"role_id": "web-id", "secret_id": secret.data["secret_id"]}
    answer = await ours.ask("POST", "auth/apps/login", given, token="")
    assert answer.status == 200, answer
    return answer


async def test_it_is_a_quarter_of_an_hour_where_nobody_says_otherwise(ours: Room) -> None:
    answer = await login(ours)

    assert answer.auth["lease_duration"] == 900
    assert not answer.body["warnings"]


async def test_it_is_what_a_mount_has_as_its_default(ours: Room) -> None:
    await ours.ask("POST", "sys/auth/apps/tune", {"default_lease_ttl": "2h"})

    assert (await login(ours)).auth["lease_duration"] == 7200


async def test_a_short_end_is_kept_without_a_word(ours: Room) -> None:
    answer = await login(ours, token_max_ttl="5m")

    assert answer.auth["lease_duration"] == 300
    assert not answer.body["warnings"]


@pytest.mark.parametrize("rules", LONG.values(), ids=LONG.keys())
async def test_more_than_a_day_is_capped_and_said(ours: Room, rules: dict[str, Any]) -> None:
    written = await ours.ask("POST", ROLE, {"role_id": "web-id", **rules})

    answer = await login(ours, **rules)

    assert answer.auth["lease_duration"] == DAY
    for told in (written, answer):
        assert "live at most 24h" in told.body["warnings"][0]
    shown = await ours.ask("GET", ROLE)
    assert {name: shown.data[name] for name in rules if name != "token_type"} == {
        name: int(value[:-1]) * 3600 for name, value in rules.items() if name != "token_type"
    }


@pytest.mark.parametrize("name", sorted(LONG.keys() - {"a long batch"}))  # which is not renewed
async def test_no_renewal_gives_more_at_once(ours: Room, name: str) -> None:
    rules = LONG[name]
    token = (await login(ours, **rules)).auth["client_token"]
    ours.clock.advance(timedelta(hours=20))

    renewed = await ours.ask("POST", "auth/token/renew-self", {"increment": "700h"}, token=token)

    left = DAY if "token_period" in rules else 4 * 3600
    assert renewed.auth["lease_duration"] == left


async def test_the_mounts_own_limit_is_the_exception_and_an_entry(ours: Room) -> None:
    await ours.ask("POST", "sys/auth/apps/tune", {"max_lease_ttl": "100h"})
    tuned = await ours.last()

    long = await login(ours, token_ttl="720h")
    periodic = await login(ours, token_period="720h")

    assert (long.auth["lease_duration"], periodic.auth["lease_duration"]) == (360_000, 360_000)
    assert "live at most 100h" in long.body["warnings"][0]
    assert tuned["metadata"]["event_code"] == "mount.tune"
    assert "max_lease_ttl" in tuned["unmapped"]["changed"]
