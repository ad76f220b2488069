"""Mounts beside OpenBao: the same requests, the same answers, or a reason why not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.system.room import room
from tests.core.system.side_by_side import Script, step
from tests.oracles.openbao import OpenBao

KV, KV2 = {"type": "kv"}, {"type": "kv", "options": {"version": "2"}}


@pytest.fixture
async def script(tmp_path: Path, openbao: OpenBao) -> AsyncIterator[Script]:
    async with room(tmp_path) as ours:
        yield Script(openbao, ours)


@pytest.fixture(autouse=True)
def clean(openbao: OpenBao) -> None:
    """Leave of the shared oracle only what it began with."""
    for path in openbao.ask("GET", "sys/mounts").body["data"]:
        if path not in {"secret/", "sys/", "cubbyhole/", "identity/"}:
            openbao.ask("DELETE", f"sys/mounts/{path.rstrip('/')}")
    for path in openbao.ask("GET", "sys/auth").body["data"]:
        if path != "token/":
            openbao.ask("DELETE", f"sys/auth/{path.rstrip('/')}")


async def test_engines_are_enabled_where_nothing_is_in_the_way(script: Script) -> None:
    await script.run(
        step("POST", "sys/mounts/one", KV),
        step("GET", "sys/mounts/one"),
        step("POST", "sys/mounts/a/b", KV2),
        step("GET", "sys/mounts/a/b"),
        step("POST", "sys/mounts/a", KV),
        step("POST", "sys/mounts/a/b/c", KV),
        step("POST", "sys/mounts/a/b", KV),
        step("POST", "sys/mounts/a/b/", KV),
        step("POST", "sys/mounts/two", {"type": "kv-v2"}),
        step("GET", "sys/mounts/two"),
        step("POST", "sys/mounts/v1", {"type": "kv-v1"}),
        step("GET", "sys/mounts/v1"),
        step("POST", "sys/mounts/v3", {"type": "kv", "options": {"version": "3"}}),
        step("POST", "sys/mounts/x", {"type": "nosuch"}),
        step("POST", "sys/mounts/x", {}),
        step("POST", "sys/mounts/x", {"type": "cubbyhole"}),
        step("POST", "sys/mounts/x", {"type": "system"}),
        step("POST", "sys/mounts/x", {"type": "identity"}),
        step("POST", "sys/mounts/x", {"type": "generic"}, ours=400, because="kv says it"),
        step("GET", "sys/mounts/nope"),
        step("GET", "sys/mounts/nope/tune"),
        step("DELETE", "sys/mounts/nope"),
        step("DELETE", "sys/mounts/one"),
        step("GET", "sys/mounts/one"),
    )


@pytest.mark.parametrize(
    "path", ["sys", "sys/x", "auth", "auth/x", "cubbyhole", "cubbyhole/x", "identity", "audit/x"]
)
async def test_the_paths_of_the_server_itself_are_nobodys(script: Script, path: str) -> None:
    await script.run(step("POST", f"sys/mounts/{path}", KV))


@pytest.mark.parametrize("path", ["sys", "cubbyhole", "identity"])
async def test_the_mounts_of_the_server_itself_stay(script: Script, path: str) -> None:
    await script.run(step("DELETE", f"sys/mounts/{path}"))


async def test_settings_are_kept_and_shown(script: Script) -> None:
    config = {
        "default_lease_ttl": "1h",
        "max_lease_ttl": "2h",
        "listing_visibility": "unauth",
        "passthrough_request_headers": ["X-A"],
        "force_no_cache": True,
    }
    given = {
        "type": "kv",
        "description": "d",
        "config": config,
        "options": {"version": "1", "environment": "x"},
        "local": True,
        "seal_wrap": True,
    }
    tune = "sys/mounts/t/tune"
    await script.run(
        step("POST", "sys/mounts/t", given),
        step("GET", "sys/mounts/t"),
        step("GET", tune),
        step("POST", tune, {"default_lease_ttl": "30m", "description": "n", "options": {"a": "b"}}),
        step("GET", tune),
        step("POST", tune, {"default_lease_ttl": "5h"}),
        step("POST", tune, {"listing_visibility": "odd"}),
        step("POST", tune, {"token_type": "batch"}),
        step("POST", tune, {"default_lease_ttl": "system", "listing_visibility": "hidden"}),
        step("GET", tune),
        step("POST", tune, {"default_lease_ttl": "soon"}),
        step("POST", tune, {"max_lease_ttl": 60, "default_lease_ttl": 30}),
        step("GET", tune),
        step("POST", "sys/mounts/nope/tune", {"description": "x"}),
        step("POST", "sys/mounts/sys/tune", {"description": "x"}),
        step("POST", "sys/mounts/cubbyhole/tune", {"default_lease_ttl": "1h"}),
        step("GET", "sys/mounts/sys/tune", lax=True, because="headers that OpenBao passes on"),
    )


@pytest.mark.parametrize(
    "config",
    [
        {"default_lease_ttl": "3h", "max_lease_ttl": "2h"},
        {"default_lease_ttl": "9999h"},
        {"listing_visibility": "odd"},
        {"default_lease_ttl": "x"},
    ],
)
async def test_settings_that_cannot_be_are_refused(
    script: Script, config: dict[str, object]
) -> None:
    await script.run(
        step("POST", "sys/mounts/t", {"type": "kv", "config": config}),
        step("GET", "sys/mounts/t"),
    )


async def test_auth_methods_are_enabled_and_tuned(script: Script) -> None:
    lockout = {
        "lockout_threshold": "3",
        "lockout_duration": "1m",
        "lockout_counter_reset_duration": "2m",
        "lockout_disable": True,
    }
    config = {"token_type": "batch", "default_lease_ttl": "1h"}
    await script.run(
        step("POST", "sys/auth/up", {"type": "userpass", "description": "x", "config": config}),
        step("GET", "sys/auth/up"),
        step("GET", "sys/auth/up/tune"),
        step("GET", "sys/mounts/auth/up/tune"),
        step("GET", "sys/mounts/auth/up", ours=400, because="sys/auth/up asks for sudo"),
        step("POST", "sys/auth/up/tune", {"token_type": "weird"}),
        step("POST", "sys/auth/up/tune", {"token_type": "service"}),
        step("POST", "sys/auth/up/tune", {"user_lockout_config": lockout}),
        step("GET", "sys/auth/up/tune"),
        step("GET", "sys/auth/up"),
        step("GET", "sys/auth"),
        step("POST", "sys/auth/token", {"type": "userpass"}),
        step("POST", "sys/auth/up", {"type": "userpass"}),
        step("POST", "sys/auth/up/x", {"type": "userpass"}),
        step("POST", "sys/auth/x", {"type": "token"}),
        step("POST", "sys/auth/x", {"type": "kv"}),
        step("DELETE", "sys/auth/token"),
        step("DELETE", "sys/auth/nope"),
        step("GET", "sys/auth/nope"),
        step("GET", "sys/auth/nope/tune"),
        step("DELETE", "sys/auth/up"),
        step("GET", "sys/auth/up"),
    )


async def test_mounts_are_moved(script: Script) -> None:
    await script.run(
        step("POST", "sys/mounts/from", KV),
        step("POST", "sys/mounts/other", KV),
        step("POST", "sys/remount", {"from": "nope", "to": "x"}),
        step("POST", "sys/remount", {"from": "from", "to": "other"}),
        step("POST", "sys/remount", {"from": "from", "to": "from"}),
        step("POST", "sys/remount", {"from": "from", "to": "from/x"}),
        step("POST", "sys/remount", {"from": "sys", "to": "x"}),
        step("POST", "sys/remount", {"from": "from", "to": "sys"}),
        step("POST", "sys/remount", {"from": "from", "to": "auth/x"}),
        step("POST", "sys/remount", {"from": "auth/token", "to": "auth/x"}),
        step("POST", "sys/remount", {"from": "", "to": ""}),
        step("POST", "sys/remount", {"from": "from", "to": "to"}, kept={"id": "data.migration_id"}),
        step("GET", "sys/remount/status/{id}", lax=True, because="ours is done already"),
        step("GET", "sys/remount/status/nope"),
        step("GET", "sys/mounts/from", lax=True),
    )
