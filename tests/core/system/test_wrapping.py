"""Wrapping tokens: one opening, however many try; and what the log says of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.core.wrapping import SPENT
from strongroom.storage.records import CELLS
from strongroom.storage.transaction import Transaction
from tests.core.system.room import Room, room

INVALID = ["wrapping token is not valid or does not exist"]
UNWRAP = "sys/wrapping/unwrap"


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        yield made


async def wrapped(ours: Room, ttl: str = "60s", **body: str) -> dict[str, Any]:
    answer = await ours.ask(
        "POST", "sys/wrapping/wrap", body or {"k": "v"}, headers={"x-vault-wrap-ttl": ttl}
    )
    assert answer.status == 200, answer
    return dict(answer.body["wrap_info"])


async def unmapped(ours: Room) -> dict[str, Any]:
    return dict((await ours.last())["unmapped"])


class TestOpening:
    async def test_gives_what_was_wrapped_and_names_the_token(self, ours: Room) -> None:
        info = await wrapped(ours)

        answer = await ours.ask("POST", UNWRAP, token=info["token"])

        assert answer.data == {"k": "v"}
        assert (await unmapped(ours))["wrapping_accessor"] == info["accessor"]

    async def test_is_refused_the_second_time_and_the_entry_says_so(self, ours: Room) -> None:
        info = await wrapped(ours)
        await ours.ask("POST", UNWRAP, token=info["token"])
        ours.clock.advance(timedelta(seconds=10))

        for _ in range(2):
            answer = await ours.ask("POST", UNWRAP, token=info["token"], address="192.0.2.7")

            assert (answer.status, answer.errors) == (400, INVALID)
            entry = await ours.last()
            assert entry["metadata"]["event_code"] == "wrapping.unwrap"
            assert entry["status_id"] == 2
            assert entry["src_endpoint"]["ip"] == "192.0.2.7"
            assert entry["actor"]["session"]["uid"] == info["accessor"]
            assert entry["unmapped"]["wrapping_accessor"] == info["accessor"]
            assert entry["unmapped"]["already_unwrapped"] == "2026-01-01T00:00:00Z"

    async def test_is_recorded_for_each_token_though_they_come_together(self, ours: Room) -> None:
        infos = [await wrapped(ours) for _ in range(3)]
        for info in infos:
            await ours.ask("POST", UNWRAP, token=info["token"])

        for info in infos:
            await ours.ask("POST", UNWRAP, token=info["token"])

        refused = [e["unmapped"] for e in await ours.entries() if e["status_id"] == 2]
        assert [e["wrapping_accessor"] for e in refused] == [info["accessor"] for info in infos]

    async def test_by_another_token_names_both(self, ours: Room) -> None:
        info = await wrapped(ours)
        token = await ours.token("default")
        await ours.ask("POST", UNWRAP, {"token": info["token"]}, token=token)

        answer = await ours.ask("POST", UNWRAP, {"token": info["token"]}, token=token)

        assert answer.errors == INVALID
        entry = await ours.last()
        assert entry["unmapped"]["wrapping_accessor"] == info["accessor"]
        assert entry["actor"]["session"]["uid"] != info["accessor"]
        assert entry["unmapped"]["rules"] == ["default#sys/wrapping/unwrap"]

    async def test_by_another_token_asks_its_policies(self, ours: Room) -> None:
        info = await wrapped(ours)
        await ours.policy("nothing", 'path "x" { capabilities = ["read"] }')
        token = await ours.token("nothing")

        answer = await ours.ask("POST", UNWRAP, {"token": info["token"]}, token=token)

        assert (answer.status, answer.errors) == (403, ["permission denied"])
        assert (await ours.ask("POST", UNWRAP, token=info["token"])).status == 200

    async def test_by_another_token_counts_as_a_use_of_it(self, ours: Room) -> None:
        token = await ours.token("default", num_uses=2)

        statuses = [
            (
                await ours.ask(
                    "POST", UNWRAP, {"token": (await wrapped(ours))["token"]}, token=token
                )
            ).status
            for _ in range(3)
        ]

        assert statuses == [200, 200, 403]

    async def test_without_any_token_is_denied(self, ours: Room) -> None:
        info = await wrapped(ours)

        answer = await ours.ask("POST", UNWRAP, {"token": info["token"]}, token="")

        assert answer.status == 403

    async def test_is_refused_once_its_time_is_over(self, ours: Room) -> None:
        info = await wrapped(ours)
        ours.clock.advance(timedelta(seconds=60))

        answer = await ours.ask("POST", UNWRAP, token=info["token"])

        assert (answer.status, answer.errors) == (400, INVALID)

    async def test_gives_exactly_one_of_many_the_body(self, ours: Room) -> None:
        info = await wrapped(ours)

        answers = await asyncio.gather(
            *(ours.ask("POST", UNWRAP, token=info["token"]) for _ in range(8)),
            *(ours.ask("POST", UNWRAP, {"token": info["token"]}) for _ in range(8)),
        )

        assert sorted(answer.status for answer in answers) == [200] + [400] * 15
        told = [e["unmapped"].get("wrapping_accessor") for e in (await ours.entries())[-16:]]
        assert told == [info["accessor"]] * 16

    @pytest.mark.parametrize("text", ["", "x", "hvs.", "hvb.AAAA", "\u2603", "a" * 9000])
    async def test_of_what_is_no_wrapping_token_is_refused(self, ours: Room, text: str) -> None:
        answer = await ours.ask("POST", UNWRAP, {"token": text or ours.root})

        assert (answer.status, answer.errors) == (400, INVALID)

    async def test_leaves_an_ordinary_token_alone(self, ours: Room) -> None:
        token = await ours.token("default", num_uses=5)

        await ours.ask("POST", UNWRAP, {"token": token})

        looked = await ours.ask("POST", "auth/token/lookup", {"token": token})
        assert looked.data["num_uses"] == 5

    async def test_is_refused_while_sealed(self, ours: Room) -> None:
        info = await wrapped(ours)
        await ours.ask("POST", "sys/seal")

        answer = await ours.ask("POST", UNWRAP, token=info["token"])

        assert answer.status == 503


class TestLookingUp:
    async def test_does_not_open(self, ours: Room) -> None:
        info = await wrapped(ours)

        for token in (info["token"], ""):
            for _ in range(3):
                answer = await ours.ask(
                    "POST", "sys/wrapping/lookup", {"token": info["token"]}, token=token
                )
                assert answer.data["creation_ttl"] == 60

        assert (await ours.ask("POST", UNWRAP, token=info["token"])).status == 200

    async def test_of_an_opened_one_says_so_in_the_entry(self, ours: Room) -> None:
        info = await wrapped(ours)
        await ours.ask("POST", UNWRAP, token=info["token"])

        answer = await ours.ask("POST", "sys/wrapping/lookup", {"token": info["token"]})

        assert answer.errors == INVALID
        assert (await unmapped(ours))["already_unwrapped"]


class TestReplacing:
    async def test_ends_the_old_token_and_keeps_where_it_came_from(self, ours: Room) -> None:
        await ours.ask("POST", "sys/mounts/kv", {"type": "kv"})
        await ours.ask("POST", "kv/a", {"x": "y"})
        answer = await ours.ask("GET", "kv/a", headers={"x-vault-wrap-ttl": "90"})
        old = answer.body["wrap_info"]

        again = await ours.ask("POST", "sys/wrapping/rewrap", {"token": old["token"]})

        new = again.body["wrap_info"]
        assert (new["ttl"], new["creation_path"]) == (90, "kv/a")
        told = await unmapped(ours)
        assert told["wrapping_accessor"] == old["accessor"]
        assert told["new_wrapping_accessor"] == new["accessor"]
        assert (await ours.ask("POST", UNWRAP, token=old["token"])).status == 400
        assert (await ours.ask("POST", UNWRAP, token=new["token"])).data == {"x": "y"}

    async def test_a_wrapped_token_is_named_by_its_accessor(self, ours: Room) -> None:
        made = await ours.ask(
            "POST", "auth/token/create", {"ttl": "1h"}, headers={"x-vault-wrap-ttl": "60"}
        )
        info = made.body["wrap_info"]

        again = await ours.ask("POST", "sys/wrapping/rewrap", {"token": info["token"]})

        assert again.body["wrap_info"]["wrapped_accessor"] == info["wrapped_accessor"]


class TestMemory:
    async def test_of_what_was_opened_goes_when_it_no_longer_matters(self, ours: Room) -> None:
        for _ in range(4):
            info = await wrapped(ours)
            await ours.ask("POST", UNWRAP, token=info["token"])
        ours.clock.advance(timedelta(seconds=61))

        info = await wrapped(ours)
        await ours.ask("POST", UNWRAP, token=info["token"])

        tx = Transaction(ours.server.database, ours.server.barrier)
        assert len(await tx.all(CELLS, mount=SPENT)) == 2  # what is remembered, and until when

    async def test_holds_neither_token_nor_value(self, ours: Room) -> None:
        info = await wrapped(ours, k="planted-value")
        await ours.ask("POST", UNWRAP, token=info["token"])
        await ours.ask("POST", UNWRAP, token=info["token"])

        written = str(await ours.entries())

        assert info["token"] not in written
        assert "planted-value" not in written


async def test_only_what_is_asked_to_be_wrapped_is(ours: Room) -> None:
    answer = await ours.ask("POST", "sys/wrapping/wrap", {"k": "v"})

    assert answer.errors == ["endpoint requires response wrapping to be used"]


async def test_numbers_and_nesting_come_out_as_they_went_in(ours: Room) -> None:
    body = {"n": 12345678901234567890123, "f": 1.10, "deep": {"a": [None, True, "é"]}}
    answer = await ours.ask("POST", "sys/wrapping/wrap", body, headers={"x-vault-wrap-ttl": "60"})

    opened = await ours.ask("POST", UNWRAP, token=answer.body["wrap_info"]["token"])

    assert opened.data == body
