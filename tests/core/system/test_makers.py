"""Whatever somebody makes with a token of theirs stems from them: it ends when they leave."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from strongroom.core.leaver_check import check_leavers
from strongroom.identity.records import PEOPLE, TOKENS
from strongroom.identity.sign_ins import SIGN_INS
from strongroom.storage.transaction import Transaction
from tests.core.system.people import Person, person, validate
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
    unasked = {"enabled": False}  # nobody here has a key to wrap something by
    assert (await ours.ask("POST", "strongroom/step-up/rules/sharing", unasked)).status == 204
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


async def register(ours: Room, who: Person) -> None:
    answer = await ours.ask("POST", f"strongroom/people/{who.entity}", {"name": who.name})
    assert answer.status == 204, answer


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


async def test_a_secret_id_that_a_leaver_made_for_another_is_destroyed(
    tmp_path: Path, storage: str
) -> None:
    async with room(tmp_path, storage=storage) as ours:
        writes = 'path "auth/ar/role/job/*" { capabilities = ["create", "update"] }'
        await ours.policy("secret-ids", writes)
        ada, bob = [await person(ours, name, "secret-ids") for name in ("ada", "bob")]
        for each in (ada, bob):  # registered afterwards: people show a factor for such things
            await each.must_log_in()
        await ours.ask("POST", "sys/auth/ar", {"type": "approle"})
        await ours.ask("POST", "auth/ar/role/job", {"token_policies": ["default"]})
        role_id = (await ours.ask("GET", "auth/ar/role/job/role-id")).data["role_id"]
        path = "auth/ar/role/job/secret-id"

        async def logs_in(secret: str) -> bool:
            proof = {"role_id": role_id, "secret_id": secret}
            return (await ours.ask("POST", "auth/ar/login", proof, token="")).status == 200

        of_ada = [(await ada.ask("POST", path)).data["secret_id"] for _ in range(2)]
        chosen = {"secret_id": "chosen-by-ada-0123456789"}
        assert (await ada.ask("POST", "auth/ar/role/job/custom-secret-id", chosen)).status == 200
        headers = {"x-vault-wrap-ttl": "1h"}
        wrapped = await ours.ask("POST", path, token=ada.token, headers=headers)
        opened = await ours.ask(
            "POST", "sys/wrapping/unwrap", token=wrapped.body["wrap_info"]["token"]
        )
        of_ada += [chosen["secret_id"], opened.data["secret_id"]]
        others = [(await bob.ask("POST", path)).data["secret_id"]]
        others.append((await ours.ask("POST", path)).data["secret_id"])
        gone = (await ada.ask("POST", path)).data["secret_id"]
        await ours.ask("POST", "auth/ar/role/job/secret-id/destroy", {"secret_id": gone})
        assert all([await logs_in(each) for each in (*of_ada, *others)])
        await register(ours, ada)
        told = (await leave(ours, ada)).data["ended"]
        assert told["made_credentials"]["count"] == 4
        assert not any([await logs_in(each) for each in of_ada])
        assert all([await logs_in(each) for each in others])
        assert (await check_leavers(ours.server)).missed == {}


async def test_a_secret_id_that_was_left_behind_is_found(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        await ours.policy("secret-ids", 'path "auth/ar/*" { capabilities = ["update"] }')
        ada = await person(ours, "ada", "secret-ids")
        await ada.must_log_in()
        await ours.ask("POST", "sys/auth/ar", {"type": "approle"})
        await ours.ask("POST", "auth/ar/role/job", {"token_policies": ["default"]})
        assert (await ada.ask("POST", "auth/ar/role/job/secret-id")).status == 200
        await register(ours, ada)
        row = await tx_of(ours).get(PEOPLE, ada.entity)
        assert row is not None
        left = replace(row, state="left", left_at=ours.clock.now())

        def behind(tx: Transaction) -> None:
            tx.put(PEOPLE, left)

        await ours.store(behind)
        missed = (await check_leavers(ours.server)).missed
        assert missed[ada.entity]["made_credentials"] == 1
        await leave(ours, ada)
        assert (await check_leavers(ours.server)).missed == {}
        assert (await ours.ask("DELETE", "auth/ar/role/job")).status == 204
        assert (await check_leavers(ours.server)).missed == {}


@pytest.mark.parametrize("path", PATHS)
async def test_a_made_token_writes_no_policy_without_a_fresh_factor(
    tmp_path: Path, path: str
) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await makers(ours, "ada", "bob")
        asked = {"entity_alias": "bob"} if path == "create/aliases" else {}
        change = {"policy": 'path "secret/*" { capabilities = ["read"] }'}
        for kind in ("service", "batch"):
            made = await make(ours, ada.token, path, type=kind, **asked)
            answer = await ours.ask("POST", "sys/policies/acl/mine", change, token=made)
            assert answer.status == 403, answer
            assert "fresh factor" in answer.errors[0]
        root = await ours.token("makes")
        answer = await ours.ask("POST", "sys/policies/acl/mine", change, token=root)
        assert answer.status == 204, answer
        assert await works(ours, bob.token)


async def test_a_token_in_anothers_name_is_not_that_person(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        await ours.policy("session", 'path "strongroom/sessions" { capabilities = ["update"] }')
        ada, bob = await makers(ours, "ada", "bob")
        policies = ["makes", "own-factors", "session"]
        role = {"allowed_policies": policies, "allowed_entity_aliases": "*"}
        await ours.ask("POST", "auth/token/roles/aliases", role)
        as_bob = await make(
            ours, ada.token, "create/aliases", policies=policies, entity_alias="bob"
        )
        below = await make(ours, as_bob, "create", policies=policies)
        await bob.enrol_totp()
        for token in (as_bob, below):
            for method, path, body in (
                ("POST", "strongroom/factors/totp/begin", {"name": "x", "code": bob.next_code()}),
                ("POST", "strongroom/factors/recovery", {"code": bob.next_code()}),
                ("POST", f"strongroom/factors/{bob.ids['totp']}/delete", {}),
                ("POST", "strongroom/step-up", {"code": bob.next_code()}),
                ("POST", "strongroom/sessions", {"surface": "console"}),
            ):
                answer = await ours.ask(method, path, body, token=token)
                assert answer.status == 403, (path, answer)
                assert "sign in as yourself" in answer.errors[0], (path, answer)


async def test_an_entry_says_who_made_the_token_that_was_used(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await makers(ours, "ada", "bob")
        made = await make(ours, ada.token, "create/aliases", entity_alias="bob")
        assert (await ours.last())["unmapped"]["made_by"] == [ada.entity]
        assert await works(ours, made)
        last = await ours.last()
        assert last["actor"]["user"]["uid"] == bob.entity
        assert last["unmapped"]["makers"] == [ada.entity]
        assert await works(ours, ada.token)
        assert "makers" not in (await ours.last())["unmapped"]


async def asks(ours: Room, token: str, name: str = "mole") -> str:
    """Ask for a registration."""
    wish = {"kind": "person", "entity_name": name, "name": name, "reason": "new in the team"}
    answer = await ours.ask("POST", "strongroom/registrations", wish, token=token)
    assert answer.status == 200, answer
    return str(answer.data["id"])


async def approves(ours: Room, token: str, id_: str) -> tuple[int, str]:
    """Approve; return the status, and what the entry says."""
    path = f"strongroom/registrations/{id_}/approve"
    answer = await ours.ask("POST", path, {"revision": 1}, token=token)
    if answer.status != 200:
        assert answer.errors == ["permission denied: you may not decide on this"]
    return answer.status, str((await ours.last()).get("status_detail", ""))


DECIDES = """
path "strongroom/registrations*" { capabilities = ["create", "read", "update", "list"] }
path "auth/up/users/*" { capabilities = ["create", "update"] }
path "identity/entity-alias" { capabilities = ["create", "update"] }
"""


async def deciders(ours: Room) -> list[Person]:
    """Give people who may decide, without a fresh factor: that one is shown is not asked here."""
    await ours.policy("decides", DECIDES)
    rule = {"enabled": False}
    assert (await ours.ask("POST", "strongroom/step-up/rules/approvals", rule)).status == 204
    found = [await person(ours, name, "decides") for name in ("ada", "bob", "cleo")]
    for each in found:
        await each.must_log_in()
    return found


async def test_nobody_decides_by_a_token_that_was_made(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob, cleo = await deciders(ours)
        accessor = (await ours.ask("GET", "sys/auth")).data["token/"]["accessor"]
        alias = {"name": "x", "mount_accessor": accessor, "canonical_id": bob.entity}
        assert (await ada.ask("POST", "identity/entity-alias", alias)).status == 200
        await ours.policy("creates", 'path "auth/token/create*" { capabilities = ["update"] }')
        role = {"allowed_policies": "decides", "allowed_entity_aliases": "*"}
        await ours.ask("POST", "auth/token/roles/al", role)
        await ours.policy("decides", DECIDES + 'path "auth/token/*" { capabilities = ["update"] }')
        asked = {"entity_alias": "x", "policies": ["decides"]}
        as_bob = await ours.ask("POST", "auth/token/create/al", asked, token=ada.token)
        assert as_bob.auth["entity_id"] == bob.entity
        child = await ours.token("decides", by=bob.token)
        for each in (ada, bob, cleo):
            await register(ours, each)
        mole = await asks(ours, ada.token)
        made = "only who signed in decides, not a token that was made"
        for token in (as_bob.auth["client_token"], child):
            assert await approves(ours, token, mole) == (403, made)
        # What was asked for in another's name is asked for by who did it, too.
        other = await asks(ours, as_bob.auth["client_token"], "other")
        shown = (await ours.ask("GET", f"strongroom/registrations/{other}")).data
        assert shown["requesters"] == [bob.entity, ada.entity]
        for each in (ada, bob):
            assert (await approves(ours, each.token, other))[0] == 403
        assert (await approves(ours, cleo.token, other))[0] == 200
        assert (await approves(ours, bob.token, mole))[0] == 200


@pytest.mark.parametrize("way", ["password", "user", "alias"])
async def test_nobody_decides_as_somebody_whom_they_log_in_as(tmp_path: Path, way: str) -> None:
    async with room(tmp_path) as ours:
        ada, bob, cleo = await deciders(ours)
        user, new = "bob", {"password": "set-by-ada"}
        if way == "password":
            assert (await ada.ask("POST", "auth/up/users/bob/password", new)).status == 204
        elif way == "user":
            assert (await ada.ask("POST", "auth/up/users/bob", new)).status == 204
        else:  # of another mount, where bob has none yet
            await ours.ask("POST", "sys/auth/up2", {"type": "userpass"})
            accessor = (await ours.ask("GET", "sys/auth")).data["up2/"]["accessor"]
            user, given = "x", {"password": "set-by-root", "token_policies": ["decides"]}
            await ours.ask("POST", "auth/up2/users/x", given)
            alias = {"name": "x", "mount_accessor": accessor, "canonical_id": bob.entity}
            assert (await ada.ask("POST", "identity/entity-alias", alias)).status == 200
        mount, word = ("up2", "set-by-root") if way == "alias" else ("up", "set-by-ada")
        path = f"auth/{mount}/login/{user}"
        came = (await ours.ask("POST", path, {"password": word}, token="")).auth
        assert came["entity_id"] == bob.entity
        for each in (ada, bob, cleo):
            await register(ours, each)
        helped = "who asked for it set the password, wrote the alias or configured the mount"
        mole = await asks(ours, ada.token)
        assert await approves(ours, came["client_token"], mole) == (403, helped)
        of_cleo = await asks(ours, cleo.token, "of-cleo")
        assert (await approves(ours, came["client_token"], of_cleo))[0] == 200
        # Asking so for somebody, and deciding as oneself, is the same.
        turned = await asks(ours, came["client_token"], "turned")
        assert (await approves(ours, ada.token, turned))[0] == 403
        assert (await approves(ours, cleo.token, turned))[0] == 200


async def test_nor_does_a_factor_that_they_enrolled_for_whom_they_ask_as(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob, cleo = await deciders(ours)
        given = {"password": "set-by-ada"}
        assert (await ada.ask("POST", "auth/up/users/bob/password", given)).status == 204
        bob.password = "set-by-ada"
        await bob.must_log_in()
        await bob.enrol_totp()
        await register(ours, bob)
        waits = await bob.log_in()
        came = (await validate(ours, waits, totp=bob.next_code())).auth["client_token"]
        for each in (ada, cleo):
            await register(ours, each)
        mole = await asks(ours, came)

        assert (await approves(ours, ada.token, mole))[0] == 403
        assert (await approves(ours, cleo.token, mole))[0] == 200


async def test_a_password_that_was_set_anew_by_another_clears_it(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob, cleo = await deciders(ours)
        path, tokens = "auth/up/users/bob/password", list[str]()
        for by, password in (
            (ada.token, "set-by-ada"),
            ("", "set-by-who-came-so"),
            (ours.root, "set-by-root"),
        ):
            given = {"password": password}
            assert (await ours.ask("POST", path, given, token=by or bob.token)).status == 204
            bob.password = password
            tokens.append((await bob.must_log_in()).auth["client_token"])
        for each in (ada, bob, cleo):
            await register(ours, each)
        mole = await asks(ours, ada.token)
        assert [(await approves(ours, each, mole))[0] for each in tokens] == [403, 403, 200]


async def test_a_factor_that_came_after_the_request_does_not_decide_on_it(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob, _ = await deciders(ours)
        for each in (ada, bob):
            await register(ours, each)
        ours.clock.advance(timedelta(minutes=1))
        mole = await asks(ours, ada.token)
        ours.clock.advance(timedelta(minutes=1))
        await bob.enrol_totp()
        row = await tx_of(ours).get(SIGN_INS, ours.server.tokens.lookup(bob.token))
        assert row is not None
        now = ours.clock.now()
        shown = replace(row, factors=("totp",), factor_at=now, enrolled_at=now)

        def stepped_up(tx: Transaction) -> None:
            tx.put(SIGN_INS, shown)
            tx.changed(f"token:{row.lookup.hex()}")

        await ours.store(stepped_up)
        late = "the factor was enrolled after the request was made"
        assert await approves(ours, bob.token, mole) == (403, late)
        ours.clock.advance(timedelta(minutes=1))
        newer = await asks(ours, ada.token, "newer")
        assert (await approves(ours, bob.token, newer))[0] == 200


async def test_where_registration_is_required_nobody_is_made_directly(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob, cleo = await deciders(ours)
        await ours.ask("POST", "strongroom/environments/prod", {"paths": ["prod/*"]})
        setting = "strongroom/identity/settings"
        assert (await ours.ask("POST", setting, {"registration": "required"})).status == 204
        await register(ours, ada)  # nobody is there yet who could approve
        await register(ours, bob)
        refused = "registration is required: ask at strongroom/registrations"
        path = f"strongroom/people/{cleo.entity}"
        answer = await ours.ask("POST", path, {"name": "Cleo"})
        assert answer.status == 400
        assert answer.errors[0].startswith(refused)
        job = (await ours.ask("POST", "identity/entity", {"name": "job"})).data["id"]
        fields = {"owner": ada.entity, "justification": "builds it", "environment": "prod"}
        answer = await ours.ask("POST", f"strongroom/workloads/{job}", fields)
        assert answer.status == 400
        assert answer.errors[0].startswith(refused)
        await leave(ours, bob)
        assert (await ours.ask("POST", path, {"name": "Cleo"})).status == 400
        changed = {"name": "Ada Lovelace"}
        assert (await ours.ask("POST", f"strongroom/people/{ada.entity}", changed)).status == 204
        assert (await ours.ask("POST", f"strongroom/people/{bob.entity}/return")).status == 204
