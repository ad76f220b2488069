"""What a leaver made as a way in is part of what they leave behind: roles, users, secret ids."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.core.leaver_check import check_leavers
from strongroom.core.rotation_due import queue_leavers
from strongroom.identity.entrances import ENTRANCES
from tests.auth.jwt_issuer import URL, claims, pem, signed
from tests.core.system.people import PASSWORD, Person, validate
from tests.core.system.room import Answer, Room, room
from tests.core.system.test_groups import storage
from tests.core.system.test_leaving import leave, registered, tx_of, works

__all__ = ["storage"]
ADMIN = """
path "auth/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "auth/token/create*" { capabilities = ["create", "update", "sudo"] }
path "sys/wrapping/*" { capabilities = ["update"] }
path "strongroom/leavers/*" { capabilities = ["create", "read", "update"] }
"""
READS = 'path "secret/*" { capabilities = ["create", "read", "update"] }'
OPEN: dict[str, Any] = {"bind_secret_id": False, "secret_id_bound_cidrs": "127.0.0.0/8"}
ROLE = {"token_policies": "reads", "token_period": "1h"}


async def admins(ours: Room, *names: str) -> list[Person]:
    """Give registered people who may write auth mounts, of which there are two of each kind."""
    await ours.policy("admin", ADMIN)
    await ours.policy("reads", READS)
    await ours.mount("secret/", "kv", version="2")
    for rule in ("policies", "factors"):  # what is tried here is not that writing asks for a key
        off = await ours.ask("POST", f"strongroom/step-up/rules/{rule}", {"enabled": False})
        assert off.status == 204, off
    for path, kind in (("ar", "approle"), ("people", "userpass")):
        assert (await ours.ask("POST", f"sys/auth/{path}", {"type": kind})).status == 204
    found = [await registered(ours, name, "admin") for name in names]
    for each in found:
        await each.enrol_totp()
        await each.must_show_code()
    return found


async def role(ours: Room, by: str | None, name: str = "ci", **fields: object) -> str:
    """Write a role of AppRole; return its id."""
    path = f"auth/ar/role/{name}"
    assert (await ours.ask("POST", path, {**ROLE, **fields}, token=by)).status == 204
    return str((await ours.ask("GET", f"{path}/role-id")).data["role_id"])


async def secret_id(ours: Room, by: str | None, name: str = "ci") -> str:
    made = await ours.ask("POST", f"auth/ar/role/{name}/secret-id", {}, token=by)
    assert made.status == 200, made
    return str(made.data["secret_id"])


async def log_in(ours: Room, role_id: str, secret: str = "") -> Answer:
    given = {"role_id": role_id} | ({"secret_id": secret} if secret else {})
    return await ours.ask("POST", "auth/ar/login", given, token="")


async def must_log_in(ours: Room, role_id: str, secret: str = "") -> str:
    answer = await log_in(ours, role_id, secret)
    assert answer.status == 200, answer
    return str(answer.auth["client_token"])


async def workload(ours: Room, role_id: str, owner: Person) -> str:
    """Register the workload that logs in by a role; return its entity."""
    mount = (await ours.ask("GET", "sys/auth")).data["ar/"]["accessor"]
    made = await ours.ask("POST", "identity/entity", {"name": f"w-{role_id}"})
    entity = str(made.data["id"])
    alias = {"name": role_id, "mount_accessor": mount, "canonical_id": entity}
    assert (await ours.ask("POST", "identity/entity-alias", alias)).status == 200
    await ours.ask("POST", "strongroom/environments/prod", {"paths": ["prod/*"]})
    given = {"owner": owner.entity, "justification": "it runs", "environment": "prod"}
    answer = await ours.ask("POST", f"strongroom/workloads/{entity}", given)
    assert answer.status == 204, answer
    return entity


async def looked(ours: Room) -> Any:
    return (await ours.ask("GET", "strongroom/leavers/check")).data


async def entry_of(ours: Room, code: str) -> dict[str, Any]:
    found = [e for e in await ours.entries() if e["metadata"]["event_code"] == code]
    return dict(found[-1]["unmapped"])


async def test_a_leaver_does_not_live_on_as_an_unregistered_workload(
    tmp_path: Path, storage: str
) -> None:
    async with room(tmp_path, storage=storage) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        id_ = await role(ours, ada.token)
        secret = await secret_id(ours, ada.token)
        text = await must_log_in(ours, id_, secret)
        told = (await leave(ours, ada)).data
        renewed = await ours.ask("POST", "auth/token/renew-self", {}, token=text)
        again = await log_in(ours, id_, secret)
        assert not await works(ours, text)
        assert renewed.status == 403
        assert again.status == 400
        assert told["ended"]["let_in_tokens"]["count"] == 1
        assert told["ended"]["entrances"]["count"] == 1
        assert told["ended"]["entrances"]["ms"] >= 0
        assert told["entrances"] == ["auth/ar/ci"]
        assert (await entry_of(ours, "person.leave"))["entrances"] == ["auth/ar/ci"]
        assert (await check_leavers(ours.server)).missed == {}
        assert (await looked(ours))["to_look_at"] == {ada.entity: ["auth/ar/ci"]}
        fresh = await secret_id(ours, bob.token)
        assert (await log_in(ours, id_, fresh)).status == 400


@pytest.mark.parametrize("leaver", ["creator", "writer"])
async def test_who_wrote_a_role_at_any_time_knows_it(tmp_path: Path, leaver: str) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        id_ = await role(ours, ada.token, **OPEN)
        path = "auth/ar/role/ci/token-ttl"
        wrote = await ours.ask("POST", path, {"token_ttl": "5m"}, token=bob.token)
        assert wrote.status == 204, wrote
        text = await must_log_in(ours, id_)
        await leave(ours, ada if leaver == "creator" else bob)
        assert not await works(ours, text)
        refused = await log_in(ours, id_)
        assert refused.status == 400
        assert refused.errors == ["invalid role or secret ID"]
        last = await ours.last()
        assert "has left" in str(last)


async def test_a_role_that_asks_for_no_secret_id_lets_in_again_once_another_writes_it(
    tmp_path: Path,
) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        stranger = await ours.ask(
            "POST", "auth/people/users/eve", {"password": "x", "token_policies": "admin"}
        )
        assert stranger.status == 204
        eve = await ours.ask("POST", "auth/people/login/eve", {"password": "x"}, token="")
        id_ = await role(ours, ada.token, **OPEN)
        assert (await log_in(ours, id_)).status == 200
        await leave(ours, ada)
        assert (await log_in(ours, id_)).status == 400
        await role(ours, eve.auth["client_token"])  # nobody knows who that is
        assert (await log_in(ours, id_)).status == 400
        await role(ours, bob.token)
        assert (await log_in(ours, id_)).status == 200
        assert (await looked(ours))["to_look_at"] == {}
        assert (await entry_of(ours, "approle.role.write"))["taken_over"] is True
        await leave(ours, bob)
        assert (await log_in(ours, id_)).status == 400


async def test_who_read_the_id_of_such_a_role_could_get_in_too(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        [ada] = await admins(ours, "ada")
        id_ = await role(ours, None, **OPEN)
        await role(ours, None, name="asks")
        for name in ("ci", "asks"):
            read = await ours.ask("GET", f"auth/ar/role/{name}/role-id", token=ada.token)
            assert read.status == 200
        text = await must_log_in(ours, id_)
        told = (await leave(ours, ada)).data
        assert told["entrances"] == ["auth/ar/ci"]
        assert not await works(ours, text)
        assert (await log_in(ours, id_)).status == 400


async def test_a_secret_id_that_was_opened_from_its_wrapping_is_the_openers_too(
    tmp_path: Path,
) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        id_ = await role(ours, None)
        path, headers = "auth/ar/role/ci/secret-id", {"x-vault-wrap-ttl": "5m"}
        wrapped = (await ours.ask("POST", path, {}, headers=headers)).body["wrap_info"]["token"]
        given = {"token": wrapped}
        opened = await ours.ask("POST", "sys/wrapping/unwrap", given, token=ada.token)
        secret = opened.data["secret_id"]
        text = await must_log_in(ours, id_, secret)
        told = (await leave(ours, ada)).data
        assert not await works(ours, text)
        assert (await log_in(ours, id_, secret)).status == 400
        assert told["ended"]["made_credentials"]["count"] == 1
        assert (await log_in(ours, id_, await secret_id(ours, bob.token))).status == 200


async def test_a_user_whom_a_leaver_made_in_nobodys_name_is_nobodys_any_more(
    tmp_path: Path,
) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        given = {"password": "known", "token_policies": "reads"}
        for name in ("ghost", "carl"):
            made = await ours.ask("POST", f"auth/people/users/{name}", given, token=ada.token)
            assert made.status == 204
        log = {"password": "known"}
        ghost, carl = [
            (await ours.ask("POST", f"auth/people/login/{name}", log, token="")).auth
            for name in ("ghost", "carl")
        ]
        person = {"name": "Carl", "email": "carl@example.com"}
        written = await ours.ask("POST", f"strongroom/people/{carl['entity_id']}", person)
        assert written.status == 204
        await ours.ask("POST", "auth/token/revoke-self", {}, token=carl["client_token"])
        carl = (await ours.ask("POST", "auth/people/login/carl", log, token="")).auth
        assert carl["client_token"]
        await leave(ours, ada)
        assert not await works(ours, ghost["client_token"])
        assert not await works(ours, carl["client_token"])  # without a factor of his own
        again = [
            await ours.ask("POST", f"auth/people/login/{n}", log, token="")
            for n in ("ghost", "carl")
        ]
        assert [each.status for each in again] == [400, 400]
        looked_at = (await looked(ours))["to_look_at"][ada.entity]
        assert looked_at == ["auth/people/carl", "auth/people/ghost"]
        newer = {"password": "other-one"}
        changed = await ours.ask("POST", "auth/people/users/ghost/password", newer, token=bob.token)
        assert changed.status == 204
        assert (await ours.ask("POST", "auth/people/login/ghost", newer, token="")).status == 200
        assert (await looked(ours))["to_look_at"] == {ada.entity: ["auth/people/carl"]}


async def test_a_registered_workload_of_somebody_else_goes_on(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        id_ = await role(ours, ada.token)
        shop = await workload(ours, id_, bob)
        bobs = await secret_id(ours, bob.token)
        adas = await secret_id(ours, ada.token)
        by_bobs, by_adas = [await must_log_in(ours, id_, each) for each in (bobs, adas)]
        told = (await leave(ours, ada)).data
        assert await works(ours, by_bobs)
        assert not await works(ours, by_adas)
        assert (await log_in(ours, id_, adas)).status == 400
        assert (await log_in(ours, id_, bobs)).status == 200
        assert told["ended"]["let_in_tokens"]["count"] == 1
        assert (await looked(ours))["to_look_at"] == {ada.entity: ["auth/ar/ci"]}
        assert (await check_leavers(ours.server)).missed == {}
        listed = (await ours.ask("GET", "strongroom/leavers/entrances")).data["entrances"]
        assert [(each["mount"], each["name"]) for each in listed] == [("auth/ar/", "ci")]
        await leave(ours, bob)  # and with its owner it ends
        assert not await works(ours, by_bobs)
        assert (await log_in(ours, id_, bobs)).status == 400
        assert shop


async def test_a_workload_whose_owner_made_its_role_ends_with_them(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        [ada] = await admins(ours, "ada")
        id_ = await role(ours, ada.token)
        await workload(ours, id_, ada)
        secret = await secret_id(ours, None)
        text = await must_log_in(ours, id_, secret)
        await leave(ours, ada)
        assert not await works(ours, text)
        assert (await log_in(ours, id_, secret)).status == 400


async def test_what_a_workload_makes_with_a_leavers_secret_id_is_the_leavers_too(
    tmp_path: Path,
) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        id_ = await role(ours, None, token_policies="admin")
        await workload(ours, id_, bob)
        text = await must_log_in(ours, id_, await secret_id(ours, ada.token))
        own = await secret_id(ours, text)
        await role(ours, text, name="mine", **OPEN)
        newer = await must_log_in(ours, id_, own)
        child = await ours.token("default", by=newer)
        orphan = await ours.ask("POST", "auth/token/create-orphan", {}, token=newer)
        batch = await ours.token("default", by=newer, type="batch")
        made = (newer, child, orphan.auth["client_token"], batch)
        assert all([await works(ours, each) for each in made])
        told = (await leave(ours, ada)).data
        assert not any([await works(ours, each) for each in made])
        assert (await log_in(ours, id_, own)).status == 400
        assert told["entrances"] == ["auth/ar/mine"]


async def test_another_person_confirms_what_a_leaver_made(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        id_ = await role(ours, ada.token, **OPEN)
        bobs = await ours.ask("POST", "auth/token/create", {}, token=bob.token)
        path, given = "strongroom/leavers/entrances/confirm", {"mount": "ar", "name": "ci"}
        assert (await ours.ask("POST", path, given, token=bob.token)).status == 404
        await leave(ours, ada)
        by = (ours.root, bobs.auth["client_token"])
        refused = [await ours.ask("POST", path, given, token=each) for each in by]
        assert [each.status for each in refused] == [400, 400]
        assert (await log_in(ours, id_)).status == 400
        wrong = {"mount": "elsewhere", "name": "ci"}
        assert (await ours.ask("POST", path, wrong, token=bob.token)).status == 404
        assert (await ours.ask("POST", path, given, token=bob.token)).status == 204
        assert (await log_in(ours, id_)).status == 200
        assert (await looked(ours))["to_look_at"] == {}
        said = await entry_of(ours, "leaver.entrance.confirm")
        assert (said["entrance"], said["of"]) == ("auth/ar/ci", [ada.entity])


async def test_who_comes_back_does_not_answer_for_what_they_left(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        [ada] = await admins(ours, "ada")
        id_ = await role(ours, ada.token, **OPEN)
        await leave(ours, ada)
        back = await ours.ask("POST", f"strongroom/people/{ada.entity}/return")
        assert back.status == 204
        assert (await log_in(ours, id_)).status == 400
        await role(ours, None)  # root, behind whom nobody is
        assert (await log_in(ours, id_)).status == 200


async def test_what_was_read_by_a_way_in_of_theirs_counts_as_known(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        await ours.ask("POST", "secret/data/db", {"data": {"password": "one"}})
        id_ = await role(ours, ada.token)
        text = await must_log_in(ours, id_, await secret_id(ours, bob.token))
        assert (await ours.ask("GET", "secret/data/db", token=text)).status == 200
        used = await ours.last()
        assert used["unmapped"]["let_in_by"] == [ada.entity, bob.entity]
        known = await ours.ask("GET", f"strongroom/people/{ada.entity}/knowledge")
        assert [each["path"] for each in known.data["secrets"]] == ["secret/data/db"]
        await leave(ours, ada)
        assert await queue_leavers(ours.server) == 1
        due = (await ours.ask("GET", "strongroom/rotation/due")).data["rotations"]
        assert [(each["path"], each["entity"]) for each in due] == [("secret/data/db", ada.entity)]


async def test_what_the_leaving_did_not_close_is_found_by_the_other_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forgotten(*_: object) -> list[tuple[str, str]]:
        return []

    monkeypatch.setattr("strongroom.identity.leaving.close", forgotten)
    async with room(tmp_path) as ours:
        [ada] = await admins(ours, "ada")
        id_ = await role(ours, ada.token, **OPEN)
        await leave(ours, ada)
        text = (await log_in(ours, id_)).auth["client_token"]
        found = await check_leavers(ours.server)
        assert not await works(ours, text)  # one whom it was let in by has left
        assert found.missed == {ada.entity: {"entrances": 1, "let_in_tokens": 1}}


async def test_a_role_that_is_made_anew_is_its_new_makers(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        await role(ours, ada.token)
        assert (await ours.ask("DELETE", "auth/ar/role/ci", token=bob.token)).status == 204
        await role(ours, bob.token)
        assert (await leave(ours, ada)).data["entrances"] == []
        assert (await ours.ask("DELETE", "sys/auth/ar")).status == 204
        assert await tx_of(ours).all(ENTRANCES) == []


async def test_an_entrance_that_was_changed_in_the_database_lets_nobody_in(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        [ada] = await admins(ours, "ada")
        id_ = await role(ours, ada.token, **OPEN)
        await leave(ours, ada)
        await ours.store(lambda tx: tx.run("UPDATE entrance SET refused_for = '[]'", ()))
        ours.server.views.clear()
        assert (await log_in(ours, id_)).status in (400, 500, 503)
        changed = (await ours.ask("GET", "strongroom/leavers/entrances")).data["changed"]
        assert len(changed) == 1


OPENS = {
    "approle": ("role/{role_name}", "role/{role_name}/role-id", "role/{role_name}/period"),
    "userpass": ("users/{username}", "users/{username}/password", "users/{username}/policies"),
    "jwt": ("config", "role/{name}", "recipes/github-actions/{name}"),
    "oidc": ("config", "role/{name}"),
    "cert": ("certs/{name}",),
    "kubernetes": ("config", "role/{name}"),
    "aws": ("config/client", "role/{role}"),
    "ldap": ("config",),
}


async def test_each_method_says_what_one_logs_in_by_there(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        assert ours.server.methods.keys() == OPENS.keys()
        for kind, method in ours.server.methods.items():
            opens = {route.path for route in method.routes() if route.opens is not None}
            assert opens >= set(OPENS[kind]), kind


@pytest.mark.parametrize("hers", ["role", "config"])
async def test_a_token_that_a_leaver_signs_herself_lets_her_in_no_more(
    tmp_path: Path, hers: str
) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        assert (await ours.ask("POST", "sys/auth/jwt", {"type": "jwt"})).status == 204
        config = {"jwt_validation_pubkeys": [pem("ES256")], "bound_issuer": URL}
        of = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "strongroom"}
        of |= {"bound_subject": "app", "token_policies": "reads", "token_period": "1h"}
        by = {"role": ours.root, "config": ours.root} | {hers: ada.token}
        for path, given, token in (
            ("auth/jwt/config", config, by["config"]),
            ("auth/jwt/role/CI", of, by["role"]),
        ):
            assert (await ours.ask("POST", path, given, token=token)).status in {200, 204}
        at = int(ours.clock.now().timestamp())
        given = {"role": "ci", "jwt": signed(claims(iat=at - 1, exp=at + 300))}
        answer = await ours.ask("POST", "auth/jwt/login", given, token="")
        assert answer.status == 200, answer
        told = (await leave(ours, ada)).data
        assert told["entrances"] == [f"auth/jwt/{'ci' if hers == 'role' else '(configuration)'}"]
        assert not await works(ours, answer.auth["client_token"])
        assert (await ours.ask("POST", "auth/jwt/login", given, token="")).status == 400
        name = {"name": "ci"} if hers == "role" else {}
        path = "strongroom/leavers/entrances/confirm"
        answer = await ours.ask("POST", path, {"mount": "auth/jwt/", **name}, token=bob.token)
        assert answer.status == 204, answer
        assert (await ours.ask("POST", "auth/jwt/login", given, token="")).status == 200


async def test_a_batch_token_that_a_leaver_was_let_in_by_ends_for_good(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        [ada] = await admins(ours, "ada")
        id_ = await role(ours, ada.token, **OPEN, token_type="batch", token_period=0)
        text = await must_log_in(ours, id_)
        assert await works(ours, text)
        await leave(ours, ada)
        assert not await works(ours, text)
        await ours.ask("POST", f"strongroom/people/{ada.entity}/return")
        assert not await works(ours, text)


async def test_a_login_that_waits_for_its_factor_is_over_once_its_maker_has_left(
    tmp_path: Path,
) -> None:
    async with room(tmp_path) as ours:
        [ada] = await admins(ours, "ada")
        given = {"password": PASSWORD, "policies": ["own-factors", "reads"]}
        made = await ours.ask("POST", "auth/up/users/ghost", given, token=ada.token)
        assert made.status == 204
        ghost = Person(room=ours, name="ghost")
        await ghost.must_log_in()
        await ghost.enrol_totp()
        rule = {"policies": ["reads"], "kinds": "totp"}
        assert (await ours.ask("POST", "strongroom/factors/rules/ghosts", rule)).status == 204
        ours.clock.advance(timedelta(seconds=30))
        waits = [await ghost.log_in() for _ in range(2)]
        assert (await validate(ours, waits[0], totp=ghost.code())).status == 200
        await leave(ours, ada)
        assert (await validate(ours, waits[1], totp=ghost.next_code())).status in {400, 403}
        assert "has left" in str(await ours.last())


ENDED = timedelta(hours=12)


@pytest.mark.parametrize("path", ["create", "create-orphan", "create/orphans"])
@pytest.mark.parametrize("kind", ["service", "batch"])
async def test_no_token_that_a_person_makes_outlives_their_session(
    tmp_path: Path, path: str, kind: str
) -> None:
    async with room(tmp_path) as ours:
        [ada] = await admins(ours, "ada")
        await ours.ask("POST", "auth/token/roles/orphans", {"orphan": True, "token_period": "30d"})
        ours.clock.advance(timedelta(minutes=10))
        asked: dict[str, object] = {"ttl": "768h", "type": kind}
        made = await ours.ask("POST", f"auth/token/{path}", asked, token=ada.token)
        assert made.status == 200, made
        assert timedelta(seconds=made.auth["lease_duration"]) <= ENDED - timedelta(minutes=10)
        assert any("11h50m" in each for each in made.body["warnings"])
        quiet = await ours.ask("POST", f"auth/token/{path}", {"type": kind}, token=ada.token)
        if path != "create/orphans":
            assert quiet.body["warnings"] is None
            assert timedelta(seconds=quiet.auth["lease_duration"]) == timedelta(
                hours=11, minutes=50
            )


async def test_a_periodic_orphan_of_a_person_is_renewed_up_to_the_end_of_the_session(
    tmp_path: Path,
) -> None:
    async with room(tmp_path) as ours:
        [ada] = await admins(ours, "ada")
        ours.clock.advance(timedelta(minutes=5))
        asked = {"period": "6h", "explicit_max_ttl": "400h", "no_parent": True}
        made = await ours.ask("POST", "auth/token/create", asked, token=ada.token)
        text = made.auth["client_token"]
        assert any("explicit max TTL" in each for each in made.body["warnings"])
        ours.clock.advance(timedelta(hours=5))
        second = await ours.ask("POST", "auth/token/create-orphan", {"ttl": "99h"}, token=text)
        assert second.auth["lease_duration"] == int(timedelta(hours=6, minutes=55).total_seconds())
        renewed = await ours.ask("POST", "auth/token/renew-self", {}, token=text)
        assert renewed.auth["lease_duration"] == 6 * 3600
        ours.clock.advance(timedelta(hours=5))
        renewed = await ours.ask("POST", "auth/token/renew-self", {}, token=text)
        assert renewed.auth["lease_duration"] == int(timedelta(hours=1, minutes=55).total_seconds())
        ours.clock.advance(timedelta(hours=2))
        assert not await works(ours, text)
        assert not await works(ours, second.auth["client_token"])


async def test_a_registered_workloads_token_keeps_its_own_limits(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await admins(ours, "ada", "bob")
        mount = (await ours.ask("GET", "sys/auth")).data["token/"]["accessor"]
        id_ = await role(ours, None)
        entity = await workload(ours, id_, bob)
        for name, of in (("shop", entity), ("nobody", "")):
            alias = {"name": name, "mount_accessor": mount, "canonical_id": of}
            if of:
                assert (await ours.ask("POST", "identity/entity-alias", alias)).status == 200
        given = {"allowed_entity_aliases": "*", "orphan": True}
        await ours.ask("POST", "auth/token/roles/aliases", given)
        lives = {}
        for name in ("shop", "nobody"):
            asked = {"entity_alias": name, "ttl": "100h"}
            path = "auth/token/create/aliases"
            made = await ours.ask("POST", path, asked, token=ada.token)
            lives[name] = made.auth["lease_duration"]
        assert lives["shop"] == 100 * 3600
        assert lives["nobody"] <= 12 * 3600


async def test_no_token_that_a_registered_workload_makes_outlives_its_login(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        _, bob = await admins(ours, "ada", "bob")
        await ours.policy("makes", 'path "auth/token/*" { capabilities = ["update", "sudo"] }')
        id_ = await role(ours, None, token_period="0s", token_policies="makes", token_ttl="1h")
        await workload(ours, id_, bob)
        token = await must_log_in(ours, id_, await secret_id(ours, None))
        await ours.ask("POST", "auth/token/roles/svc", {"orphan": True})
        long = {"ttl": "700h"}

        by_role, orphan, child, periodic, batch = [
            await ours.ask("POST", f"auth/token/{path}", {**long, **more}, token=token)
            for path, more in (
                ("create/svc", {}),
                ("create-orphan", {}),
                ("create", {}),
                ("create", {"period": "700h"}),
                ("create-orphan", {"type": "batch"}),
            )
        ]
        for made in (by_role, orphan, child, periodic, batch):
            assert made.auth["lease_duration"] <= 24 * 3600, made
            assert any("capped" in each for each in made.body["warnings"])
        ours.clock.advance(timedelta(hours=23))
        text = orphan.auth["client_token"]
        again = await ours.ask("POST", "auth/token/create-orphan", long, token=text)
        assert again.auth["lease_duration"] == 3600  # nor does one that such a token makes
        ours.clock.advance(timedelta(hours=1))
        for each in (text, again.auth["client_token"]):
            assert not await works(ours, each)
