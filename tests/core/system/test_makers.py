"""Whatever somebody makes with a token of theirs stems from them: it ends when they leave."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from strongroom.core.leaver_check import check_leavers
from strongroom.identity.records import TOKENS
from strongroom.storage.transaction import Transaction
from tests.core.system.people import Person
from tests.core.system.room import START, Answer, Room, room
from tests.core.system.test_groups import storage
from tests.core.system.test_leaving import leave, registered, tx_of, works

__all__ = ["storage"]
MAKES = """
path "auth/token/create*" { capabilities = ["create", "update", "sudo"] }
path "identity/entity-alias" { capabilities = ["create", "update"] }
path "sys/policies/acl/*" { capabilities = ["create", "update"] }
path "sys/wrapping/*" { capabilities = ["update"] }
"""
PATHS = ("create", "create-orphan", "create/orphans", "create/aliases")


async def makers(ours: Room, *names: str) -> list[Person]:
    """Give people who may make tokens in every way, each known to the token mount by name."""
    await ours.policy("makes", MAKES)
    accessor = (await ours.ask("GET", "sys/auth")).data["token/"]["accessor"]
    role = {"allowed_policies": "makes,default"}
    await ours.ask("POST", "auth/token/roles/orphans", {**role, "orphan": True})
    await ours.ask("POST", "auth/token/roles/aliases", {**role, "allowed_entity_aliases": "*"})
    found = [await registered(ours, name, "makes") for name in names]
    for each in found:
        alias = {"name": each.name, "mount_accessor": accessor, "canonical_id": each.entity}
        assert (await ours.ask("POST", "identity/entity-alias", alias)).status == 200
    return found


async def make(ours: Room, by: str, path: str, wrap: str = "", **asked: object) -> str:
    """Make a token, or a wrapping token with one inside."""
    headers = {"x-vault-wrap-ttl": wrap} if wrap else {}
    given = {"policies": ["makes"], **asked}
    answer = await ours.ask("POST", f"auth/token/{path}", given, token=by, headers=headers)
    assert answer.status == 200, answer
    text: str = answer.body["wrap_info"]["token"] if wrap else answer.auth["client_token"]
    return text


async def unwrap(ours: Room, text: str) -> Answer:
    return await ours.ask("POST", "sys/wrapping/unwrap", token=text)


async def test_nothing_that_a_leaver_made_is_served_after_it(tmp_path: Path, storage: str) -> None:
    async with room(tmp_path, storage=storage) as ours:
        ada, bob = await makers(ours, "ada", "bob")
        made = [
            await make(ours, ada.token, path, type=kind, **({"entity_alias": "bob"} if at else {}))
            for at, path in ((0, "create-orphan"), (0, "create/orphans"), (1, "create/aliases"))
            for kind in ("service", "batch")
        ]
        made.append(await make(ours, made[0], "create-orphan"))
        made.append(await make(ours, made[4], "create-orphan"))  # with the one in bob's name
        wrapped = await make(ours, ada.token, "create-orphan", "1h")
        inside = (await unwrap(ours, await make(ours, ada.token, "create-orphan", "1h"))).auth
        made.append(inside["client_token"])
        rewrapped = await ours.ask(
            "POST", "sys/wrapping/rewrap", {"token": wrapped}, token=bob.token
        )
        wraps = [
            rewrapped.body["wrap_info"]["token"],
            await make(ours, ada.token, "create/orphans", "1h"),
        ]
        path, given = "auth/up/login/ada", {"password": ada.password}
        headers = {"x-vault-wrap-ttl": "1h"}
        login = await ours.ask("POST", path, given, token="", headers=headers)
        wraps.append(login.body["wrap_info"]["token"])
        bobs = await make(ours, bob.token, "create-orphan")
        assert all([await works(ours, each) for each in (*made, bobs)])

        told = (await leave(ours, ada)).data["ended"]
        assert not any([await works(ours, each) for each in made])
        assert [(await unwrap(ours, each)).status for each in wraps] == [400] * 3
        assert all([await works(ours, each) for each in (bobs, bob.token)])
        assert told["made_tokens"]["count"] == 8  # two of them wrapped
        assert told["wrapping_tokens"]["count"] == 3
        assert (await check_leavers(ours.server)).missed == {}
        back = await ours.ask("POST", f"strongroom/people/{ada.entity}/return")
        assert back.status == 204
        assert not any([await works(ours, each) for each in made])


@dataclass
class Made:
    """A token of the model: whom it stems from, its own entity among them."""

    text: str
    of: frozenset[str]
    entity: str
    wraps: bool = False


WAYS = [
    (path, kind, wrap) for path in PATHS for kind in ("service", "batch") for wrap in ("", "1h")
]


@pytest.mark.parametrize("seed", [3, 20])
async def test_what_is_served_after_a_leaving_stems_from_others(
    tmp_path: Path, storage: str, seed: int
) -> None:
    random = Random(seed)
    async with room(tmp_path, storage=storage) as ours:
        people = await makers(ours, "ada", "bob", "cleo", "dora")
        made = [Made(p.token, frozenset({p.entity}), p.entity) for p in people]
        able = list(made)
        for path, kind, wrap in random.choices(WAYS, k=40):
            by, asked = random.choice(able), dict[str, object]()
            entity = by.entity if path == "create" else ""
            if path == "create/aliases":
                someone = random.choice(people)
                entity, asked = someone.entity, {"entity_alias": someone.name}
            text = await make(ours, by.text, path, wrap, type=kind, **asked)
            new = Made(text, by.of | ({entity} - {""}), entity, wraps=bool(wrap))
            if wrap and random.random() < 0.5:
                auth = (await unwrap(ours, text)).auth
                new = replace(new, text=auth["client_token"], wraps=False)
            made.append(new)
            if not new.wraps and kind == "service":
                able.append(new)
        leaver = random.choice(people)
        await leave(ours, leaver)
        for each in made:
            if each.wraps:
                served = (await unwrap(ours, each.text)).status == 200
            else:
                served = await works(ours, each.text)
            assert served == (leaver.entity not in each.of), each
        assert (await check_leavers(ours.server)).missed == {}


async def test_what_somebody_made_ends_when_their_time_is_over(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, _ = await makers(ours, "ada", "bob")
        made = await make(ours, ada.token, "create-orphan", ttl="700h")
        batch = await make(ours, ada.token, "create-orphan", ttl="700h", type="batch")
        wrap = await make(ours, ada.token, "create-orphan", "700h")
        further = await make(ours, made, "create/aliases", ttl="700h", entity_alias="bob")
        assert all([await works(ours, each) for each in (made, batch, further)])
        end = (START + timedelta(days=20)).isoformat().replace("+00:00", "Z")
        given = {"worker": "contractor", "contract": "c", "ends_at": end}
        answer = await ours.ask("POST", f"strongroom/people/{ada.entity}", given)
        assert answer.status == 204, answer
        ours.clock.advance(timedelta(days=20))
        assert not any([await works(ours, each) for each in (made, batch, further)])
        assert (await unwrap(ours, wrap)).status == 400


@pytest.mark.parametrize("how", ["disabled", "deleted", "merged"])
async def test_a_maker_that_is_gone_is_followed_to_who_they_are_now(
    tmp_path: Path, how: str
) -> None:
    async with room(tmp_path) as ours:
        _, bob = await makers(ours, "ada", "bob")
        await ours.ask("POST", "auth/up/users/guest", {"password": "right", "policies": "makes"})
        path, proof = "auth/up/login/guest", {"password": "right"}
        guest = (await ours.ask("POST", path, proof, token="")).auth
        made = await make(ours, guest["client_token"], "create-orphan")
        assert await works(ours, made)
        entity = f"identity/entity/id/{guest['entity_id']}"
        if how == "disabled":
            assert (await ours.ask("POST", entity, {"disabled": True})).status in {200, 204}
        elif how == "deleted":
            assert (await ours.ask("DELETE", entity)).status == 204
        else:
            both = {"from_entity_ids": [guest["entity_id"]], "to_entity_id": bob.entity}
            given = {**both, "force": True, "conflicting_alias_ids_to_keep": []}
            ids = (await ours.ask("GET", entity)).data["aliases"]
            given["conflicting_alias_ids_to_keep"] = [each["id"] for each in ids]
            merged = await ours.ask("POST", "identity/entity/merge", given)
            assert merged.status in {200, 204}, merged
            assert await works(ours, made)
            await leave(ours, bob)
        assert not await works(ours, made)


async def test_what_the_ending_missed_is_found_by_the_other_look(
    tmp_path: Path, storage: str
) -> None:
    async with room(tmp_path, storage=storage) as ours:
        ada, bob = await makers(ours, "ada", "bob")
        orphan = await make(ours, bob.token, "create-orphan")
        kept = await ours.server.tokens.find(tx_of(ours), orphan)
        assert kept is not None
        await leave(ours, ada)
        stray = replace(
            kept,
            lookup=b"x" * 32,
            accessor="stray",
            makers=(bob.entity, ada.entity),
            entry=None,
        )

        def behind(tx: Transaction) -> None:
            tx.put(TOKENS, stray)

        await ours.store(behind)
        assert (await check_leavers(ours.server)).missed == {ada.entity: {"made_tokens": 1}}
        await leave(ours, ada)
        assert (await check_leavers(ours.server)).missed == {}
        assert await works(ours, orphan)


async def test_more_makers_than_are_kept_are_refused(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        names = [f"p{number}" for number in range(10)]
        people = await makers(ours, *names)
        text, answers = people[0].token, list[Any]()
        for each in names[1:]:
            given = {"policies": ["makes"], "entity_alias": each}
            answer = await ours.ask("POST", "auth/token/create/aliases", given, token=text)
            answers.append(answer.status)
            if answer.status == 200:
                text = answer.auth["client_token"]
        assert answers == [200] * 8 + [400]
