"""Policies as stored: their history, what changes at once, and what does not parse."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from strongroom.identity.records import POLICY_VERSIONS, PolicyVersion
from strongroom.storage.transaction import Transaction
from tests.core.system.room import Answer, Room, room

READ = 'path "kv/a" { capabilities = ["read"] }'
WRITE = 'path "kv/a" { capabilities = ["update"] }'


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.ask("POST", "sys/mounts/kv", {"type": "kv"})
        await made.ask("POST", "kv/a", {"x": "y"})
        yield made


async def write(ours: Room, name: str, text: str, **more: object) -> Answer:
    return await ours.ask("POST", f"sys/policies/acl/{name}", {"policy": text, **more})


async def history(ours: Room, name: str) -> list[PolicyVersion]:
    tx = Transaction(ours.server.database, ours.server.barrier)
    return await tx.all(POLICY_VERSIONS, name=name)


class TestHistory:
    async def test_keeps_every_version_and_who_wrote_it(self, ours: Room) -> None:
        await write(ours, "p", READ)
        await write(ours, "p", WRITE)
        await ours.ask("DELETE", "sys/policies/acl/p")
        await write(ours, "p", READ)

        versions = await history(ours, "p")

        assert [(v.version, v.text) for v in versions] == [
            (1, READ),
            (2, WRITE),
            (3, None),
            (4, READ),
        ]
        assert {v.changed_by for v in versions} == {"root"}

    async def test_each_version_names_the_entry_that_made_it(self, ours: Room) -> None:
        await write(ours, "p", READ)

        [version] = await history(ours, "p")

        assert version.entry is not None
        entry = (await ours.entries())[version.entry]
        assert entry["metadata"]["event_code"] == "policy.write"
        assert entry["unmapped"]["policy"] == "p"
        assert entry["unmapped"]["sha256"] == sha256(READ.encode()).hexdigest()
        assert entry["entity"]["version"] == "1"

    async def test_a_deletion_is_an_entry_of_its_own(self, ours: Room) -> None:
        await write(ours, "p", READ)

        await ours.ask("DELETE", "sys/policies/acl/p")

        entry = await ours.last()
        assert entry["metadata"]["event_code"] == "policy.delete"
        assert entry["entity"]["version"] == "2"

    async def test_two_writers_of_one_version_are_told_apart(self, ours: Room) -> None:
        await write(ours, "p", READ)

        first, second = await write(ours, "p", WRITE, cas=1), await write(ours, "p", READ, cas=1)

        assert (first.status, second.status) == (204, 400)
        assert len(await history(ours, "p")) == 2


class TestInForce:
    async def test_a_change_is_felt_by_tokens_that_are_in_use(self, ours: Room) -> None:
        await write(ours, "p", READ)
        token = await ours.token("p")
        assert (await ours.ask("GET", "kv/a", token=token)).status == 200

        await write(ours, "p", WRITE)

        assert (await ours.ask("GET", "kv/a", token=token)).status == 403

    async def test_so_is_a_deletion(self, ours: Room) -> None:
        await write(ours, "p", READ)
        token = await ours.token("p")
        assert (await ours.ask("GET", "kv/a", token=token)).status == 200

        await ours.ask("DELETE", "sys/policies/acl/p")

        assert (await ours.ask("GET", "kv/a", token=token)).status == 403

    async def test_one_with_an_end_is_nothing_after_it(self, ours: Room) -> None:
        await write(ours, "p", READ, ttl="1h")
        token = await ours.token("p")
        assert (await ours.ask("GET", "kv/a", token=token)).status == 200

        ours.clock.advance(timedelta(hours=1))

        assert (await ours.ask("GET", "kv/a", token=token)).status == 403
        assert (await ours.ask("GET", "sys/policies/acl/p")).status == 404
        assert "p" not in (await ours.ask("LIST", "sys/policies/acl")).data["keys"]
        assert (await write(ours, "p", READ, cas=0)).status == 204
        assert (await ours.ask("GET", "kv/a", token=token)).status == 200

    async def test_the_default_one_can_be_changed(self, ours: Room) -> None:
        await write(ours, "default", READ)

        token = await ours.token("default")

        assert (await ours.ask("GET", "kv/a", token=token)).status == 200
        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 403


class TestHostileText:
    async def test_what_does_not_parse_is_named_by_its_line(self, ours: Room) -> None:
        answer = await write(ours, "p", f'{READ}\npath "x" {{ capabilities = ["fly"] }}')

        assert answer.status == 400
        assert answer.errors == [
            "failed to parse policy: line 2, column 28: unknown capability 'fly'"
        ]
        assert (await ours.last())["status_id"] == 2

    @pytest.mark.parametrize(
        "text",
        [
            "path",
            'path "a" {',
            "{" * 1000,
            '{"path": ' * 500,
            "[[[[",
            'path "a" { capabilities = ["read"] } }',
            'path "+*" { capabilities = ["read"] }',
            'path "{{" { capabilities = ["read"] }',
            'path "a" { control_group = { } }',
            base64.b64encode(b"\xff\xfe").decode(),
            base64.b64encode(b"nonsense").decode(),
            "\u2603",
            "x" * 2_000_000,
        ],
    )
    async def test_what_is_no_policy_changes_nothing(self, ours: Room, text: str) -> None:
        answer = await write(ours, "p", text)

        assert answer.status == 400
        assert (await ours.ask("GET", "sys/policies/acl/p")).status == 404

    @pytest.mark.parametrize("name", ["x" * 600, "root", "ROOT", "Response-Wrapping"])
    async def test_some_names_cannot_be_taken(self, ours: Room, name: str) -> None:
        assert (await write(ours, name, READ)).status == 400

    @pytest.mark.parametrize("ttl", ["9999999h", "2500000h", "-1h", "soon", []])
    async def test_nor_can_some_ends(self, ours: Room, ttl: object) -> None:
        answer = await write(ours, "p", READ, ttl=ttl)

        assert (answer.status == 204) == (ttl == "2500000h")

    async def test_a_patch_does_not_bring_back_what_has_ended(self, ours: Room) -> None:
        await write(ours, "p", READ, ttl="1h")
        ours.clock.advance(timedelta(hours=2))

        answer = await ours.ask(
            "PATCH",
            "sys/policies/acl/p",
            {"ttl": "1h"},
            headers={"content-type": "application/merge-patch+json"},
        )

        assert answer.errors == ["policy not found"]


async def test_writing_asks_for_the_right_to(ours: Room) -> None:
    token = await ours.token("default")

    answer = await ours.ask(
        "POST", "sys/policies/acl/default", {"policy": 'path "*" { policy = "sudo" }'}, token=token
    )

    assert answer.status == 403
    assert len(await history(ours, "default")) == 1
