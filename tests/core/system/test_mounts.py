"""Mounts: what moves along, what goes for good, and what no mount can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from strongroom.identity.records import ALIASES, LOCKOUTS, TOKENS
from strongroom.storage.records import CELLS
from strongroom.storage.transaction import Transaction
from tests.core.system.room import Room, room


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.ask("POST", "sys/mounts/kv", {"type": "kv"})
        yield made


async def uuid_of(ours: Room, path: str) -> str:
    return str((await ours.ask("GET", f"sys/mounts/{path}")).data["uuid"])


async def logged_in(ours: Room, **config: object) -> str:
    await ours.ask("POST", "sys/auth/up", {"type": "userpass", "config": config})
    await ours.ask("POST", "auth/up/users/al", {"password": "x"})
    answer = await ours.ask("POST", "auth/up/login/al", {"password": "x"})
    assert answer.status == 200, answer
    return str(answer.auth["client_token"])


def reading(ours: Room) -> Transaction:
    return Transaction(ours.server.database, ours.server.barrier)


class TestMoving:
    async def test_takes_the_data_along(self, ours: Room) -> None:
        await ours.ask("POST", "kv/a/b", {"x": "y"})
        before = await uuid_of(ours, "kv")

        await ours.ask("POST", "sys/remount", {"from": "kv", "to": "team/kv"})

        assert (await ours.ask("GET", "team/kv/a/b")).data == {"x": "y"}
        assert (await ours.ask("GET", "kv/a/b")).status == 404
        assert await uuid_of(ours, "team/kv") == before
        entry = next(e for e in await ours.entries() if e["metadata"]["event_code"] == "mount.move")
        assert (entry["unmapped"]["mount"], entry["unmapped"]["to"]) == ("kv/", "team/kv/")

    async def test_takes_tokens_and_people_along(self, ours: Room) -> None:
        token = await logged_in(ours)
        entity = (await ours.ask("GET", "auth/token/lookup-self", token=token)).data["entity_id"]

        await ours.ask("POST", "sys/remount", {"from": "auth/up", "to": "auth/people"})

        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 200
        again = await ours.ask("POST", "auth/people/login/al", {"password": "x"})
        assert again.auth["entity_id"] == entity

    async def test_is_known_to_have_succeeded(self, ours: Room) -> None:
        moved = await ours.ask("POST", "sys/remount", {"from": "kv", "to": "off"})

        answer = await ours.ask("GET", f"sys/remount/status/{moved.data['migration_id']}")

        assert answer.data["migration_info"] == {
            "source_mount": "kv/",
            "target_mount": "off/",
            "status": "success",
        }

    @pytest.mark.parametrize(
        "to",
        [
            "../kv2",
            "a//b",
            "a/./b",
            "a/../b",
            "/",
            "//",
            "a\0b",
            "a\nb",
            "x" * 600,
            "sys",
            "sys/x",
            "identity",
            "cubbyhole/x",
            "strongroom/x",
            "audit",
            "auth/kv",
            "kv",
            "kv/below",
        ],
    )
    async def test_not_to_just_any_path(self, ours: Room, to: str) -> None:
        answer = await ours.ask("POST", "sys/remount", {"from": "kv", "to": to})

        assert answer.status == 400
        assert (await ours.ask("GET", "sys/mounts/kv")).status == 200

    @pytest.mark.parametrize("to", ["auth/token", "auth/token/x", "auth", "kv2"])
    async def test_nor_can_a_method_go_anywhere(self, ours: Room, to: str) -> None:
        await logged_in(ours)

        answer = await ours.ask("POST", "sys/remount", {"from": "auth/up", "to": to})

        assert answer.status == 400
        assert (await ours.ask("GET", "sys/auth/up")).status == 200


class TestDisabling:
    async def test_destroys_what_is_stored(self, ours: Room) -> None:
        await ours.ask("POST", "kv/a", {"x": "y"})
        uuid = await uuid_of(ours, "kv")

        await ours.ask("DELETE", "sys/mounts/kv")
        await ours.ask("POST", "sys/mounts/kv", {"type": "kv"})

        assert (await ours.ask("GET", "kv/a")).status == 404
        assert await reading(ours).all(CELLS, mount=uuid) == []

    async def test_of_a_method_ends_its_tokens_at_once(self, ours: Room) -> None:
        token = await logged_in(ours)
        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 200

        await ours.ask("DELETE", "sys/auth/up")

        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 403

    async def test_of_a_method_ends_its_batch_tokens_too(self, ours: Room) -> None:
        token = await logged_in(ours, token_type="batch")
        assert token.startswith("hvb.")
        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 200

        await ours.ask("DELETE", "sys/auth/up")

        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 403

    async def test_of_a_method_ends_what_its_tokens_made(self, ours: Room) -> None:
        await ours.policy("maker", 'path "auth/token/create" { capabilities = ["update"] }')
        await ours.ask("POST", "sys/auth/up", {"type": "userpass"})
        given = {"password": "x", "policies": "maker,default"}
        await ours.ask("POST", "auth/up/users/al", given)
        login = await ours.ask("POST", "auth/up/login/al", {"password": "x"})
        child = await ours.token("default", by=login.auth["client_token"])
        assert (await ours.ask("GET", "auth/token/lookup-self", token=child)).status == 200

        await ours.ask("DELETE", "sys/auth/up")

        assert (await ours.ask("GET", "auth/token/lookup-self", token=child)).status == 403

    async def test_of_a_method_forgets_how_it_knew_people(self, ours: Room) -> None:
        await logged_in(ours)
        await ours.ask("POST", "auth/up/login/al", {"password": "wrong"})

        await ours.ask("DELETE", "sys/auth/up")

        tx = reading(ours)
        assert await tx.all(ALIASES) == []
        assert await tx.all(LOCKOUTS) == []

    async def test_leaves_other_tokens_alone(self, ours: Room) -> None:
        await logged_in(ours)
        token = await ours.token("default")

        await ours.ask("DELETE", "sys/auth/up")

        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 200
        live = [t for t in await reading(ours).all(TOKENS) if t.expires_at != ours.clock.now()]
        assert len(live) == 2  # root's, and this one


class TestEnabling:
    async def test_says_what_and_where_in_the_entry(self, ours: Room) -> None:
        given = {"type": "userpass", "options": {"environment": "production"}}

        await ours.ask("POST", "sys/auth/prod", given)

        entry = await ours.last()
        assert entry["metadata"]["event_code"] == "mount.enable"
        told = entry["unmapped"]
        assert (told["mount"], told["kind"]) == ("auth/prod/", "userpass")
        assert told["bound_environment"] == "production"
        shown = await ours.ask("GET", "sys/auth/prod")
        assert shown.data["options"] == {"environment": "production"}

    async def test_of_two_in_each_others_way_one_wins(self, ours: Room) -> None:
        paths = ["x", "x/y", "x/y/z", "x", "x/y", "x/z"]

        answers = await asyncio.gather(
            *(ours.ask("POST", f"sys/mounts/{path}", {"type": "kv"}) for path in paths)
        )

        mounted = [p for p in (await ours.ask("GET", "sys/mounts")).data if p.startswith("x/")]
        assert sum(answer.status == 204 for answer in answers) == len(mounted)
        assert not [(a, b) for a in mounted for b in mounted if a != b and b.startswith(a)]

    @pytest.mark.parametrize(
        "body",
        [
            {"type": 7},
            {"type": ["kv"]},
            {"type": "kv", "options": "x"},
            {"type": "kv", "options": {"version": "two"}},
            {"type": "kv", "config": {"default_lease_ttl": "-1h"}},
            {"type": "kv", "config": {"default_lease_ttl": {}}},
            {"type": "kv", "config": []},
            {"type": "kv", "config": {"token_type": "service"}},
            {"type": "kv", "description": "x" * 5000},
            {"type": "../kv"},
            {"type": "userpass"},
        ],
    )
    async def test_with_what_makes_no_sense_mounts_nothing(
        self, ours: Room, body: dict[str, object]
    ) -> None:
        answer = await ours.ask("POST", "sys/mounts/new", body)

        assert answer.status == 400
        assert answer.errors
        assert "new/" not in (await ours.ask("GET", "sys/mounts")).data

    async def test_asks_for_sudo_where_it_decides_who_is_who(self, ours: Room) -> None:
        await ours.policy("p", 'path "sys/*" { capabilities = ["create", "read", "update"] }')
        token = await ours.token("p")

        method = await ours.ask("POST", "sys/auth/up", {"type": "userpass"}, token=token)
        engine = await ours.ask("POST", "sys/mounts/ok", {"type": "kv"}, token=token)
        moved = await ours.ask("POST", "sys/remount", {"from": "kv", "to": "x"}, token=token)

        assert (method.status, engine.status, moved.status) == (403, 204, 403)


class TestTuning:
    async def test_version_one_becomes_two_while_nothing_is_stored(self, ours: Room) -> None:
        answer = await ours.ask("POST", "sys/mounts/kv/tune", {"options": {"version": "2"}})

        assert answer.status == 204
        assert (await ours.ask("POST", "kv/data/a", {"data": {"x": "y"}})).status == 200
        back = await ours.ask("POST", "sys/mounts/kv/tune", {"options": {"version": "1"}})
        assert back.errors == ["cannot downgrade mount from version 2"]

    async def test_but_not_over_what_is_stored(self, ours: Room) -> None:
        await ours.ask("POST", "kv/a", {"x": "y"})

        answer = await ours.ask("POST", "sys/mounts/kv/tune", {"options": {"version": "2"}})

        assert answer.status == 400
        assert (await ours.ask("GET", "kv/a")).data == {"x": "y"}

    async def test_says_which_settings_changed(self, ours: Room) -> None:
        await ours.ask("POST", "sys/mounts/kv/tune", {"default_lease_ttl": "1h"})

        entry = await ours.last()
        assert entry["metadata"]["event_code"] == "mount.tune"
        assert entry["unmapped"]["changed"] == ["default_lease_ttl"]

    async def test_is_felt_at_the_next_login(self, ours: Room) -> None:
        await logged_in(ours)

        await ours.ask("POST", "sys/auth/up/tune", {"default_lease_ttl": "5m"})

        login = await ours.ask("POST", "auth/up/login/al", {"password": "x"})
        assert login.auth["lease_duration"] == 300

    @pytest.mark.parametrize("path", ["sys", "identity", "cubbyhole", "strongroom", "auth"])
    async def test_leaves_the_servers_own_mounts_alone(self, ours: Room, path: str) -> None:
        answer = await ours.ask("POST", f"sys/mounts/{path}/tune", {"description": "mine"})

        assert answer.status == 400


class TestTheTokenMethod:
    """Vault lets it be tuned, though it can neither be moved nor disabled."""

    async def test_its_lifetimes_are_those_of_tokens_that_name_none(self, ours: Room) -> None:
        tuned = await ours.ask(
            "POST", "sys/auth/token/tune", {"default_lease_ttl": "3h", "max_lease_ttl": "5h"}
        )
        entry = await ours.last()
        plain = await ours.ask("POST", "auth/token/create", {"policies": ["default"]})
        long = await ours.ask("POST", "auth/token/create", {"policies": ["default"], "ttl": "9h"})
        renewed = await ours.ask(
            "POST",
            "auth/token/renew-self",
            {"increment": "20h"},
            token=long.auth["client_token"],
        )
        shown = await ours.ask("GET", "sys/auth/token/tune")

        assert tuned.status == 204
        assert entry["metadata"]["event_code"] == "mount.tune"
        assert plain.auth["lease_duration"] == 3 * 3600
        assert long.auth["lease_duration"] == renewed.auth["lease_duration"] == 5 * 3600
        assert "effective max_ttl" in long.body["warnings"][0]
        assert (shown.data["default_lease_ttl"], shown.data["max_lease_ttl"]) == (10800, 18000)

    async def test_its_description_is_listed_by_either_path(self, ours: Room) -> None:
        await ours.ask("POST", "sys/mounts/auth/token/tune", {"description": "ours"})
        listed = await ours.ask("GET", "sys/auth")

        assert listed.data["token/"]["description"] == "ours"
        assert listed.data["token/"]["type"] == "token"

    async def test_root_stays_without_an_end(self, ours: Room) -> None:
        await ours.ask("POST", "sys/auth/token/tune", {"default_lease_ttl": "1h"})
        made = await ours.ask("POST", "auth/token/create", {"policies": ["root"]})

        assert made.auth["lease_duration"] == 0

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"token_type": "batch"}, "token_type"),
            ({"user_lockout_config": {"lockout_threshold": "3"}}, "user lockout"),
            ({"options": {"environment": "prod"}}, "options"),
            ({"default_lease_ttl": "-1h"}, "default_lease_ttl"),
            ({"default_lease_ttl": "9h", "max_lease_ttl": "1h"}, "max"),
        ],
    )
    async def test_what_it_has_not_is_refused(
        self, ours: Room, given: dict[str, object], said: str
    ) -> None:
        answer = await ours.ask("POST", "sys/auth/token/tune", given)

        assert answer.status == 400
        assert said in answer.errors[0]

    async def test_it_stays_where_it_is(self, ours: Room) -> None:
        await ours.ask("POST", "sys/auth/token/tune", {"default_lease_ttl": "1h"})
        gone = await ours.ask("DELETE", "sys/auth/token")
        moved = await ours.ask("POST", "sys/remount", {"from": "auth/token", "to": "auth/other"})
        again = await ours.ask("POST", "sys/auth/token", {"type": "token"})

        assert [gone.status, moved.status, again.status] == [400, 400, 400]
        assert (await ours.ask("GET", "auth/token/lookup-self")).status == 200
