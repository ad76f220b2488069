"""What clients and interfaces ask first: capabilities, visible mounts, help, documents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.identity.environments import put_roll
from strongroom.identity.records import ENVIRONMENTS, Environment
from strongroom.storage.transaction import Transaction
from tests.core.system.room import Room, room

UI = "sys/internal/ui/mounts"
PROD = Environment("production", ("kv/prod/*",), protected=True, open=False, description="")


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.ask("POST", "sys/mounts/kv", {"type": "kv-v2"})
        await made.ask("POST", "sys/mounts/hidden", {"type": "kv"})
        shown = {"type": "userpass", "config": {"listing_visibility": "unauth"}}
        await made.ask("POST", "sys/auth/up", shown)
        await made.policy("p", 'path "kv/data/a/*" { capabilities = ["read"] }')
        yield made


class TestMounts:
    async def test_without_a_token_only_those_that_say_so_are_shown(self, ours: Room) -> None:
        answer = await ours.ask("GET", UI, token="")

        assert answer.data == {
            "auth": {"up/": {"type": "userpass", "description": "", "options": {}}},
            "secret": {},
        }

    async def test_a_token_sees_what_it_can_reach(self, ours: Room) -> None:
        token = await ours.token("p")

        answer = await ours.ask("GET", UI, token=token)

        assert list(answer.data["secret"]) == ["kv/"]
        assert answer.data["secret"]["kv/"]["options"] == {"version": "2"}

    async def test_what_is_hidden_and_what_is_not_there_look_the_same(self, ours: Room) -> None:
        token = await ours.token("p")

        hidden = await ours.ask("GET", f"{UI}/hidden", token=token)
        absent = await ours.ask("GET", f"{UI}/absent", token=token)

        assert hidden.status == absent.status == 403
        assert hidden.errors[0].replace("hidden", "absent") == absent.errors[0]

    async def test_nothing_is_told_while_sealed(self, ours: Room) -> None:
        await ours.ask("POST", "sys/seal")

        for path in (UI, f"{UI}/kv", "sys/internal/specs/openapi", "sys/internal/ui/namespaces"):
            assert (await ours.ask("GET", path, token="")).status == 503

    async def test_looking_uses_no_limited_token_up(self, ours: Room) -> None:
        token = await ours.token("p", num_uses=1)

        assert [(await ours.ask("GET", UI, token=token)).status for _ in range(3)] == [200] * 3
        assert (await ours.ask("GET", "kv/data/a/x", token=token)).status == 404
        assert (await ours.ask("GET", "kv/data/a/x", token=token)).status == 403


class TestHelp:
    @pytest.mark.parametrize(
        "path", ["kv", "kv/data/x", "auth/up/login/al", "sys/mounts", "auth/token/create", "sys"]
    )
    async def test_every_mount_has_it(self, ours: Room, path: str) -> None:
        token = await ours.token("p")

        answer = await ours.ask("GET", f"{path}?help=1", token=token)

        assert answer.status == 200
        assert answer.body["help"]
        assert answer.body["openapi"]["paths"]

    async def test_it_asks_for_a_token(self, ours: Room) -> None:
        for path in ("sys/mounts", "sys/health", "auth/up/login/al"):
            assert (await ours.ask("GET", f"{path}?help=1", token="")).status == 403


class TestDocument:
    async def test_shows_what_the_caller_can_reach(self, ours: Room) -> None:
        token = await ours.token("p")

        mine = (await ours.ask("GET", "sys/internal/specs/openapi", token=token)).body
        nobodys = (await ours.ask("GET", "sys/internal/specs/openapi", token="")).body

        assert "/kv/data/{path}" in mine["paths"]
        assert not [path for path in mine["paths"] if path.startswith(("/hidden", "/sys"))]
        assert {path.split("/")[2] for path in nobodys["paths"]} == {"up"}

    async def test_names_every_path_of_the_server_to_root(self, ours: Room) -> None:
        query = "sys/internal/specs/openapi?generic_mount_paths=true"

        paths = (await ours.ask("GET", query)).body["paths"]

        assert "/sys/mounts/{path}/tune" in paths
        assert "/{kv_mount_path}/data/{path}" in paths
        assert "post" in paths["/sys/wrapping/unwrap"]


class TestCapabilities:
    async def test_a_guardrail_shows_as_denied(self, ours: Room) -> None:
        await ours.store(_protect)
        await ours.policy("all", 'path "kv/*" { capabilities = ["read"] }')
        token = await ours.token("all")

        answer = await ours.ask(
            "POST", "sys/capabilities", {"token": token, "paths": ["kv/prod/x", "kv/dev/x"]}
        )

        assert answer.data == {"kv/prod/x": ["deny"], "kv/dev/x": ["read"]}

    @pytest.mark.parametrize("path", ["data", "auth", "warnings", "request_id"])
    async def test_a_path_that_is_called_like_a_part_of_the_envelope(
        self, ours: Room, path: str
    ) -> None:
        answer = await ours.ask("POST", "sys/capabilities", {"token": ours.root, "paths": [path]})

        assert answer.data == {path: ["root"], "capabilities": ["root"]}
        assert answer.body["capabilities"] == ["root"]

    async def test_too_many_at_once_are_refused(self, ours: Room) -> None:
        answer = await ours.ask("POST", "sys/capabilities-self", {"paths": ["x"] * 1001})

        assert answer.status == 400

    async def test_the_token_asked_about_is_named_by_its_accessor(self, ours: Room) -> None:
        token = await ours.token("p")

        await ours.ask("POST", "sys/capabilities", {"token": token, "paths": ["x"]})

        looked = await ours.ask("POST", "auth/token/lookup", {"token": token})
        entry = next(
            e for e in await ours.entries() if e["metadata"]["event_code"] == "capabilities.read"
        )
        assert entry["unmapped"]["of"] == looked.data["accessor"]
        assert token not in str(await ours.entries())


class TestDevices:
    async def test_the_log_is_the_device(self, ours: Room) -> None:
        assert list((await ours.ask("GET", "sys/audit")).data) == ["log/"]

    async def test_it_cannot_be_disabled(self, ours: Room) -> None:
        answer = await ours.ask("DELETE", "sys/audit/log")

        assert (answer.status, answer.errors) == (400, ["the log cannot be disabled"])
        assert (await ours.last())["metadata"]["event_code"] == "audit.disable"

    async def test_a_text_has_one_keyed_digest(self, ours: Room) -> None:
        one = await ours.ask("POST", "sys/audit-hash/log", {"input": "planted"})
        two = await ours.ask("POST", "sys/audit-hash/log", {"input": "planted"})
        other = await ours.ask("POST", "sys/audit-hash/log", {"input": "else"})

        assert one.data == two.data != other.data
        assert one.data["hash"].startswith("hmac-sha256:")
        assert "planted" not in str(await ours.entries())


async def test_the_configuration_that_is_shown_holds_no_secret(ours: Room) -> None:
    answer = await ours.ask("GET", "sys/config/state/sanitized")

    assert answer.data["storage"] == {"type": "sqlite"}
    assert "passphrase" not in str(answer.body)


async def test_an_unlocked_user_gets_in_and_the_entry_says_where(ours: Room) -> None:
    await ours.ask("POST", "auth/up/users/al", {"password": "x"})
    for _ in range(5):
        await ours.ask("POST", "auth/up/login/al", {"password": "wrong"})
    assert (await ours.ask("POST", "auth/up/login/al", {"password": "x"})).status >= 400
    accessor = (await ours.ask("GET", "sys/auth/up")).data["accessor"]

    await ours.ask("POST", f"sys/locked-users/{accessor}/unlock/al")

    assert (await ours.last())["unmapped"]["mount"] == "auth/up/"
    assert (await ours.ask("POST", "auth/up/login/al", {"password": "x"})).status == 200


async def test_a_mount_has_its_own_rules_of_lockout(ours: Room) -> None:
    await ours.ask("POST", "auth/up/users/al", {"password": "x"})
    lockout = {"lockout_threshold": "2", "lockout_duration": "1m"}
    await ours.ask("POST", "sys/auth/up/tune", {"user_lockout_config": lockout})
    for _ in range(2):
        await ours.ask("POST", "auth/up/login/al", {"password": "wrong"})

    locked = await ours.ask("POST", "auth/up/login/al", {"password": "x"})
    ours.clock.advance(timedelta(minutes=1))
    later = await ours.ask("POST", "auth/up/login/al", {"password": "x"})

    assert locked.status >= 400
    assert later.status == 200


async def test_a_mount_may_lock_nobody_out(ours: Room) -> None:
    await ours.ask("POST", "auth/up/users/al", {"password": "x"})
    for _ in range(5):
        await ours.ask("POST", "auth/up/login/al", {"password": "wrong"})

    lockout = {"user_lockout_config": {"lockout_disable": True}}
    await ours.ask("POST", "sys/auth/up/tune", lockout)

    assert (await ours.ask("POST", "auth/up/login/al", {"password": "x"})).status == 200


def _protect(tx: Transaction) -> None:
    tx.put(ENVIRONMENTS, PROD)
    put_roll(tx, {PROD.name: PROD})
    tx.changed("environment:production")
