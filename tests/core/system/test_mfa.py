"""Logins that need more than their first factor: Vault's enforcements, and our rules."""

from __future__ import annotations

import asyncio
import json
from base64 import b32encode, b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.api.wire import HttpRequest
from strongroom.app import Application
from tests.core.system.authenticator import Authenticator
from tests.core.system.people import (
    OWN,
    PASSWORD,
    Person,
    code_of,
    options_of,
    person,
    requirement,
    secret_of,
    validate,
)
from tests.core.system.room import Answer, Room, room
from tests.crypto.pictures import of_png, scanned
from tests.servers import Database

REFUSED = "the second factor was not accepted"
INVALID = "invalid request ID"


@pytest.fixture(params=["sqlite", "postgresql"])
async def r(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Room]:
    storage = ""
    if request.param == "postgresql":
        database: Database = request.getfixturevalue("postgresql_ready")
        storage = database.url
    async with room(tmp_path, storage=storage) as made:
        yield made


@pytest.fixture
async def quick(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        yield made


@pytest.fixture
async def ada(quick: Room) -> Person:
    return await known(quick, "ada")


async def known(r: Room, name: str, *policies: str) -> Person:
    """Make a user who has logged in once, before anything was demanded."""
    made = await person(r, name, *policies)
    await made.must_log_in()
    return made


async def method(r: Room, kind: str = "totp", **given: object) -> str:
    body = {"issuer": "test", **given} if kind == "totp" else given
    made = await r.ask("POST", f"identity/mfa/method/{kind}", body)
    assert made.status == 200, made
    return str(made.data["method_id"])


async def enforce(r: Room, *methods: str, name: str = "e", **whom: object) -> None:
    whom = whom or {"auth_method_types": ["userpass"]}
    given = {"mfa_method_ids": list(methods), **whom}
    made = await r.ask("POST", f"identity/mfa/login-enforcement/{name}", given)
    assert made.status == 204, made


async def rule(r: Room, *kinds: str, name: str = "keys", **whom: object) -> None:
    given = {"kinds": kinds, "policies": ["own-factors"], **whom}
    made = await r.ask("POST", f"strongroom/factors/rules/{name}", given)
    assert made.status == 204, made


async def generated(r: Room, method_id: str, who: Person) -> bytes:
    given = {"method_id": method_id, "entity_id": who.entity}
    made = await r.ask("POST", "identity/mfa/method/totp/admin-generate", given)
    assert made.status == 200, made
    return secret_of(made.data["url"])


def token_of(answer: Answer) -> str:
    assert answer.status == 200, answer
    return str(answer.auth["client_token"])


async def works(r: Room, token: str, path: str = "auth/token/lookup-self") -> int:
    return (await r.ask("GET", path, token=token)).status


class TestPictures:
    async def test_a_key_that_is_made_comes_with_its_picture(
        self, quick: Room, ada: Person
    ) -> None:
        given = {"method_id": await method(quick), "entity_id": ada.entity}

        made = await quick.ask("POST", "identity/mfa/method/totp/admin-generate", given)

        assert scanned(of_png(b64decode(made.data["barcode"])), scale=1) == made.data["url"]
        entry = json.dumps(await quick.last())
        assert "admin-generate" in entry
        for secret in (made.data["url"], made.data["barcode"][40:80]):
            assert secret not in entry

    @pytest.mark.parametrize(
        ("given", "there"),
        [({"qr_size": 0}, False), ({"qr_size": -5}, False), ({"issuer": "é" * 200}, False)],
    )
    async def test_where_none_is_wanted_or_could_be_read_there_is_none(
        self, quick: Room, ada: Person, given: dict[str, object], there: bool
    ) -> None:
        whom = {"method_id": await method(quick, **given), "entity_id": ada.entity}

        made = await quick.ask("POST", "identity/mfa/method/totp/admin-generate", whom)

        assert (made.status, bool(made.data["barcode"])) == (200, there)
        assert made.data["url"].startswith("otpauth://")


class TestTwoPhases:
    async def test_a_login_waits_and_the_code_gets_its_token(self, r: Room) -> None:
        ada = await known(r, "ada")
        totp = await method(r)
        await enforce(r, totp)
        secret = await generated(r, totp, ada)

        waiting = await ada.log_in()
        done = await validate(r, waiting, **{totp: code_of(r, secret)})

        assert waiting.auth["client_token"] == ""
        assert waiting.auth["policies"] is None
        assert requirement(waiting)["mfa_constraints"] == {
            "e": {"any": [{"type": "totp", "id": totp, "uses_passcode": True}]}
        }
        assert await works(r, token_of(done)) == 200
        assert done.auth["metadata"] == {"username": "ada"}
        assert done.auth["entity_id"] == ada.entity

    async def test_no_token_exists_before(self, ada: Person) -> None:
        await enforce(ada.room, await method(ada.room))
        sql = "SELECT count(*) FROM token"
        [[before]] = await ada.room.server.database.rows(sql, ())

        await ada.log_in()

        assert await ada.room.server.database.rows(sql, ()) == [(before,)]

    async def test_entries_say_which_factors_were_shown(self, ada: Person) -> None:
        totp = await method(ada.room)
        await enforce(ada.room, totp)
        secret = await generated(ada.room, totp, ada)

        waiting = await ada.log_in()
        first = await ada.room.last()
        done = await validate(ada.room, waiting, **{totp: code_of(ada.room, secret)})
        second = await ada.room.last()

        assert first["metadata"]["event_code"] == "auth.login"
        assert first["unmapped"]["factors"] == ["password"]
        assert first["unmapped"]["complete"] is False
        assert "session" not in first["actor"]
        assert second["metadata"]["event_code"] == "auth.login.mfa"
        assert second["class_uid"] == first["class_uid"] == 3002
        assert second["unmapped"]["factors"] == ["password", "totp"]
        assert second["unmapped"]["login"] == "auth/up/login/ada"
        assert second["user"]["uid"] == first["user"]["uid"] == ada.entity
        assert second["actor"]["session"]["uid"] == done.auth["accessor"]

    async def test_a_login_without_demands_says_its_factor_too(self, ada: Person) -> None:
        await ada.must_log_in()

        assert (await ada.room.last())["unmapped"]["factors"] == ["password"]

    async def test_a_request_id_is_used_once(self, ada: Person) -> None:
        totp = await method(ada.room)
        await enforce(ada.room, totp)
        secret = await generated(ada.room, totp, ada)
        waiting = await ada.log_in()
        token_of(await validate(ada.room, waiting, **{totp: code_of(ada.room, secret)}))

        again = await validate(ada.room, waiting, **{totp: code_of(ada.room, secret, drift=1)})

        assert (again.status, again.errors) == (400, [INVALID])

    async def test_a_request_id_stands_for_five_minutes(self, ada: Person) -> None:
        totp = await method(ada.room)
        await enforce(ada.room, totp)
        secret = await generated(ada.room, totp, ada)
        waiting = await ada.log_in()
        ada.room.clock.advance(timedelta(minutes=5))

        late = await validate(ada.room, waiting, **{totp: code_of(ada.room, secret)})

        assert (late.status, late.errors) == (400, [INVALID])

    async def test_logins_that_are_over_are_removed(self, ada: Person) -> None:
        await enforce(ada.room, await method(ada.room))
        for _ in range(5):
            await ada.log_in()
        ada.room.clock.advance(timedelta(minutes=5))

        await ada.log_in()

        rows = await ada.room.server.database.rows("SELECT lookup FROM mfa_pending", ())
        assert len(rows) == 1

    async def test_a_code_is_taken_once_over_all_logins(self, ada: Person) -> None:
        totp = await method(ada.room)
        await enforce(ada.room, totp)
        secret = await generated(ada.room, totp, ada)
        one, other = await ada.log_in(), await ada.log_in()
        code = code_of(ada.room, secret)

        first = await validate(ada.room, one, **{totp: code})
        second = await validate(ada.room, other, **{totp: code})

        assert (first.status, second.status) == (200, 403)
        assert second.errors == [REFUSED]

    async def test_one_code_at_two_logins_at_once_lets_one_in(self, r: Room) -> None:
        ada = await known(r, "ada")
        totp = await method(r)
        await enforce(r, totp)
        secret = await generated(r, totp, ada)
        waiting = [await ada.log_in() for _ in range(4)]
        code = code_of(r, secret)

        answers = await asyncio.gather(*(validate(r, each, **{totp: code}) for each in waiting))

        assert sorted(a.status for a in answers) == [200, 403, 403, 403]

    async def test_one_request_id_twice_at_once_gives_one_token(self, r: Room) -> None:
        ada = await known(r, "ada")
        totp = await method(r)
        await enforce(r, totp)
        secret = await generated(r, totp, ada)
        waiting = await ada.log_in()

        answers = await asyncio.gather(
            *(validate(r, waiting, **{totp: code_of(r, secret, drift=d)}) for d in (0, 1))
        )

        assert sorted(a.status for a in answers) == [200, 400]

    async def test_one_recovery_code_at_two_logins_at_once_lets_one_in(self, r: Room) -> None:
        ada = await known(r, "ada")
        await ada.enrol_totp()
        [code, *_] = await ada.enrol_recovery(code=ada.next_code())
        totp = await method(r)
        await enforce(r, totp)
        waiting = [await ada.log_in() for _ in range(3)]

        answers = await asyncio.gather(*(validate(r, each, **{totp: code}) for each in waiting))

        assert sorted(a.status for a in answers) == [200, 403, 403]

    @pytest.mark.parametrize("payload", ["x", [1], {"m": "text"}, {"m": [1]}, {"m": {"a": "b"}}])
    async def test_a_payload_of_another_shape_is_refused(
        self, ada: Person, payload: object
    ) -> None:
        await enforce(ada.room, await method(ada.room))
        id_ = requirement(await ada.log_in())["mfa_request_id"]

        given = {"mfa_request_id": id_, "mfa_payload": payload}
        answer = await ada.room.ask("POST", "sys/mfa/validate", given, token="")

        assert (answer.status, answer.errors) == (400, ["invalid mfa payload"])

    @pytest.mark.parametrize("id_", ["", "nope", "x" * 128, "\0", "\ud800"])
    async def test_an_id_of_nothing_is_refused(self, ada: Person, id_: str) -> None:
        given = {"mfa_request_id": id_, "mfa_payload": {}}

        answer = await ada.room.ask("POST", "sys/mfa/validate", given, token="")

        assert answer.status == 400

    @pytest.mark.parametrize("shown", [{}, {"nope": "1"}, {"totp": "1"}])
    async def test_nothing_of_what_is_demanded_is_refused(
        self, ada: Person, shown: dict[str, str]
    ) -> None:
        await enforce(ada.room, await method(ada.room))

        answer = await validate(ada.room, await ada.log_in(), **shown)

        assert (answer.status, answer.errors) == (403, [REFUSED])

    async def test_another_persons_code_is_none(self, ada: Person) -> None:
        bob = await known(ada.room, "bob")
        totp = await method(ada.room)
        await enforce(ada.room, totp)
        secret = await generated(ada.room, totp, bob)

        answer = await validate(ada.room, await ada.log_in(), **{totp: code_of(ada.room, secret)})

        assert answer.status == 403

    async def test_wrong_codes_lock_by_entity_not_by_login(self, ada: Person) -> None:
        totp = await method(ada.room)
        await enforce(ada.room, totp)
        secret = await generated(ada.room, totp, ada)
        for _ in range(5):
            await validate(ada.room, await ada.log_in(), **{totp: "000000"})

        locked = await validate(ada.room, await ada.log_in(), **{totp: code_of(ada.room, secret)})

        assert (locked.status, locked.errors) == (403, [REFUSED])
        told = await ada.room.last()
        assert told["status_detail"] == "second factor locked out"
        assert told["user"]["uid"] == ada.entity

    async def test_a_method_says_how_many_wrong_codes_lock(self, ada: Person) -> None:
        totp = await method(ada.room, max_validation_attempts=2)
        await enforce(ada.room, totp)
        await generated(ada.room, totp, ada)
        waiting = await ada.log_in()
        reasons = []
        for _ in range(3):
            await validate(ada.room, waiting, **{totp: "000000"})
            reasons.append((await ada.room.last())["status_detail"])

        assert reasons[-1] == "second factor locked out"
        assert reasons[0] == reasons[1] != reasons[2]

    @pytest.mark.parametrize("how", ["disabled", "deleted", "user", "mount"])
    async def test_who_could_not_log_in_any_more_gets_no_token(self, ada: Person, how: str) -> None:
        totp = await method(ada.room)
        await enforce(ada.room, totp)
        secret = await generated(ada.room, totp, ada)
        waiting = await ada.log_in()
        paths: dict[str, tuple[str, str, Any]] = {
            "disabled": ("POST", f"identity/entity/id/{ada.entity}", {"disabled": True}),
            "deleted": ("DELETE", f"identity/entity/id/{ada.entity}", None),
            "user": ("DELETE", "auth/up/users/ada", None),
            "mount": ("DELETE", "sys/auth/up", None),
        }
        assert (await ada.room.ask(*paths[how])).status == 204

        answer = await validate(ada.room, waiting, **{totp: code_of(ada.room, secret)})

        told = (400, [INVALID]) if how == "deleted" else (403, [REFUSED])  # it waits no more
        assert (answer.status, answer.errors) == told

    async def test_a_wrapped_login_is_wrapped_in_both_phases(self, ada: Person) -> None:
        totp = await method(ada.room)
        await enforce(ada.room, totp)
        secret = await generated(ada.room, totp, ada)

        wrapped = await ada.log_in(**{"x-vault-wrap-ttl": "60"})
        token = wrapped.body["wrap_info"]["token"]
        waiting = await ada.room.ask("POST", "sys/wrapping/unwrap", token=token)
        done = await validate(ada.room, waiting, **{totp: code_of(ada.room, secret)})

        assert await works(ada.room, token_of(done)) == 200


class TestOnePhase:
    async def test_a_header_shows_the_code(self, ada: Person) -> None:
        totp = await method(ada.room, method_name="app")
        await enforce(ada.room, totp)
        secret = await generated(ada.room, totp, ada)

        by_id = await ada.log_in(**{"x-vault-mfa": f"{totp}:{code_of(ada.room, secret, drift=-1)}"})
        by_name = await ada.log_in(**{"x-vault-mfa": f"app:passcode={code_of(ada.room, secret)}"})

        assert await works(ada.room, token_of(by_id)) == 200
        assert await works(ada.room, token_of(by_name)) == 200
        entries = [e for e in await ada.room.entries() if e.get("class_uid") == 3002]
        assert entries[-1]["unmapped"]["factors"] == ["password", "totp"]

    @pytest.mark.parametrize("header", ["{}:000000", "{}", "garbage", "nope:123456", ":", "{}:"])
    async def test_what_does_not_do_is_refused(self, ada: Person, header: str) -> None:
        totp = await method(ada.room)
        await enforce(ada.room, totp)
        await generated(ada.room, totp, ada)

        answer = await ada.log_in(**{"x-vault-mfa": header.format(totp)})

        assert (answer.status, answer.errors) == (403, [REFUSED])

    async def test_wrong_codes_in_headers_count(self, ada: Person) -> None:
        totp = await method(ada.room)
        await enforce(ada.room, totp)
        secret = await generated(ada.room, totp, ada)
        for _ in range(5):
            await ada.log_in(**{"x-vault-mfa": f"{totp}:000000"})

        locked = await ada.log_in(**{"x-vault-mfa": f"{totp}:{code_of(ada.room, secret)}"})

        assert locked.status == 403
        assert (await ada.room.last())["status_detail"] == "second factor locked out"

    async def test_a_wrong_password_says_nothing_of_factors(self, ada: Person) -> None:
        totp = await method(ada.room)
        plain = await ada.room.ask("POST", "auth/up/login/ada", {"password": "wrong"}, token="")
        await enforce(ada.room, totp)
        await generated(ada.room, totp, ada)

        for name, headers in (("ada", {}), ("nobody", {}), ("ada", {"x-vault-mfa": "x:1"})):
            answer = await ada.room.ask(
                "POST", f"auth/up/login/{name}", {"password": "wrong"}, token="", headers=headers
            )

            assert (answer.status, answer.body) == (plain.status, plain.body)


class TestWhomAnEnforcementConcerns:
    @pytest.mark.parametrize("by", ["accessor", "type", "entity", "group", "outer group"])
    async def test_by_mount_type_entity_and_group(self, ada: Person, by: str) -> None:
        bob = await known(ada.room, "bob")
        ask = ada.room.ask
        mounts = (await ask("GET", "sys/auth")).data
        made = await ask("POST", "identity/group", {"member_entity_ids": [ada.entity]})
        outer = await ask("POST", "identity/group", {"member_group_ids": [made.data["id"]]})
        whom = {
            "accessor": {"auth_method_accessors": [mounts["up/"]["accessor"]]},
            "type": {"auth_method_types": ["userpass"]},
            "entity": {"identity_entity_ids": [ada.entity]},
            "group": {"identity_group_ids": [made.data["id"]]},
            "outer group": {"identity_group_ids": [outer.data["id"]]},
        }[by]
        await enforce(ada.room, await method(ada.room), **whom)

        requirement(await ada.log_in())
        everybody = by in {"accessor", "type"}
        assert bool((await bob.log_in()).auth["mfa_requirement"]) is everybody

    async def test_all_that_match_must_be_met(self, ada: Person) -> None:
        one, other = await method(ada.room), await method(ada.room)
        await enforce(ada.room, one, name="one")
        await enforce(ada.room, other, name="other")
        secret, more = [await generated(ada.room, m, ada) for m in (one, other)]

        waiting = await ada.log_in()
        half = await validate(ada.room, waiting, **{one: code_of(ada.room, secret)})
        ada.room.clock.advance(timedelta(seconds=30))
        whole = await validate(
            ada.room, waiting, **{one: code_of(ada.room, secret), other: code_of(ada.room, more)}
        )

        assert set(requirement(waiting)["mfa_constraints"]) == {"one", "other"}
        assert (half.status, whole.status) == (403, 200)

    async def test_what_was_shown_in_vain_is_spent(self, ada: Person) -> None:
        one, other = await method(ada.room), await method(ada.room)
        await enforce(ada.room, one, name="one")
        await enforce(ada.room, other, name="other")
        secret, more = [await generated(ada.room, m, ada) for m in (one, other)]
        waiting, code = await ada.log_in(), code_of(ada.room, secret)
        await validate(ada.room, waiting, **{one: code})

        again = await validate(ada.room, waiting, **{one: code, other: code_of(ada.room, more)})

        assert again.status == 403

    async def test_any_method_of_an_enforcement_does(self, ada: Person) -> None:
        one, other = await method(ada.room), await method(ada.room)
        await enforce(ada.room, one, other)
        secret = await generated(ada.room, other, ada)

        done = await validate(ada.room, await ada.log_in(), **{other: code_of(ada.room, secret)})

        assert done.status == 200

    async def test_ones_own_app_does_for_a_method(self, ada: Person) -> None:
        await ada.enrol_totp()
        totp = await method(ada.room)
        await enforce(ada.room, totp)

        done = await validate(ada.room, await ada.log_in(), **{totp: ada.next_code()})

        assert done.status == 200


class TestKeys:
    async def test_a_key_gets_a_token(self, r: Room) -> None:
        ada = await known(r, "ada")
        key = await ada.enrol_key()
        webauthn = await method(r, "webauthn")
        await enforce(r, webauthn)

        waiting = await ada.log_in()
        done = await validate(r, waiting, **{webauthn: key.get(options_of(waiting))})

        assert await works(r, token_of(done)) == 200
        told = (await r.entries())[-2]["unmapped"]
        assert told["factors"] == ["password", "webauthn"]
        assert told["user_verified"] is True

    async def test_an_answer_is_for_its_own_login(self, ada: Person) -> None:
        key = await ada.enrol_key()
        webauthn = await method(ada.room, "webauthn")
        await enforce(ada.room, webauthn)
        one, other = await ada.log_in(), await ada.log_in()

        crossed = await validate(ada.room, other, **{webauthn: key.get(options_of(one))})

        assert crossed.status == 403
        assert (await ada.room.last())["status_detail"] == "another challenge"

    async def test_a_challenge_is_answered_once(self, ada: Person) -> None:
        key = await ada.enrol_key()
        webauthn = await method(ada.room, "webauthn")
        await enforce(ada.room, webauthn)
        waiting = await ada.log_in()
        thief = Authenticator(id=key.id, handle=key.handle)
        await validate(ada.room, waiting, **{webauthn: thief.get(options_of(waiting))})

        late = await validate(ada.room, waiting, **{webauthn: key.get(options_of(waiting))})

        assert late.status == 403

    async def test_a_code_is_no_key(self, ada: Person) -> None:
        await ada.enrol_totp()
        await ada.enrol_key(code=ada.next_code())
        codes = await ada.enrol_recovery(**await ada.assertion())
        webauthn = await method(ada.room, "webauthn")
        await enforce(ada.room, webauthn)

        for code in (ada.next_code(), codes[0]):
            answer = await validate(ada.room, await ada.log_in(), **{webauthn: code})

            assert answer.status == 403

    async def test_a_cloned_key_is_disabled_at_the_login(self, ada: Person) -> None:
        key = await ada.enrol_key()
        webauthn = await method(ada.room, "webauthn")
        await enforce(ada.room, webauthn)
        waiting = await ada.log_in()
        token_of(await validate(ada.room, waiting, **{webauthn: key.get(options_of(waiting))}))
        key.signs = 0

        waiting = await ada.log_in()
        cloned = await validate(ada.room, waiting, **{webauthn: key.get(options_of(waiting))})

        told = await ada.room.last()
        assert cloned.status == 403
        assert told["status_detail"].startswith("cloned")
        assert told["unmapped"]["factor_disabled"] is True
        after = requirement(await ada.log_in())
        assert "options" not in json.dumps(after)


class TestRules:
    async def test_before_enrolment_a_token_can_only_enrol(self, r: Room) -> None:
        ada = await known(r, "ada", "rich")
        await r.policy("rich", 'path "sys/mounts" { capabilities = ["read"] }')
        await r.ask("POST", f"identity/entity/id/{ada.entity}", {"policies": ["rich"]})
        await rule(r, "webauthn")

        answer = await ada.must_log_in()

        told = (await r.last())["unmapped"]
        assert answer.auth["policies"] == ["enrol-factors"]
        assert answer.auth["lease_duration"] == 15 * 60
        assert not answer.auth["renewable"]
        assert told["only_enrols"] == ["webauthn"]
        assert await works(r, ada.token, "sys/mounts") == 403
        for path in ("strongroom/factors/rules/keys", "auth/token/create", "cubbyhole/x"):
            assert (await ada.ask("POST", path, {})).status == 403
        await ada.enrol_key()

    async def test_once_enrolled_the_key_is_needed(self, r: Room) -> None:
        ada = await known(r, "ada")
        await rule(r, "webauthn")
        await ada.must_log_in()
        key = await ada.enrol_key()

        waiting = await ada.log_in()
        done = await validate(r, waiting, webauthn=key.get(options_of(waiting)))

        assert requirement(waiting)["mfa_constraints"]["rule:keys"]["any"][0]["id"] == "webauthn"
        assert "own-factors" in done.auth["policies"]

    async def test_a_weaker_factor_is_refused_and_the_entry_says_why(self, ada: Person) -> None:
        await ada.enrol_totp()
        await ada.enrol_key(code=ada.next_code())
        await rule(ada.room, "webauthn")

        by_code = await validate(ada.room, await ada.log_in(), totp=ada.next_code())
        why = (await ada.room.last())["status_detail"]
        by_header = await ada.log_in(**{"x-vault-mfa": f"totp:{ada.next_code()}"})

        assert (by_code.status, by_header.status) == (403, 403)
        assert why == "rule:keys needs webauthn"

    async def test_who_has_an_app_only_shows_it_to_enrol_a_key(self, ada: Person) -> None:
        await ada.enrol_totp()
        await rule(ada.room, "webauthn")
        await ada.must_log_in()

        without = await ada.ask("POST", "strongroom/factors/webauthn/begin", {})
        await ada.enrol_key(code=ada.next_code())

        assert without.status == 403
        requirement(await ada.log_in())

    async def test_a_disabled_key_does_not_make_room_for_another(self, ada: Person) -> None:
        key = await ada.enrol_key()
        await rule(ada.room, "webauthn")
        waiting = await ada.log_in()
        token_of(await validate(ada.room, waiting, webauthn=key.get(options_of(waiting))))
        key.signs = 0
        clone = await ada.log_in()
        await validate(ada.room, clone, webauthn=key.get(options_of(clone)))
        why = (await ada.room.last())["status_detail"]

        again = requirement(await ada.log_in())

        assert why == "cloned: the authenticator's counter went back"
        assert set(again["mfa_constraints"]) == {"rule:keys"}

    async def test_an_administrator_who_deletes_the_factor_lets_enrol_anew(
        self, ada: Person
    ) -> None:
        await ada.enrol_key()
        await rule(ada.room, "webauthn")
        requirement(await ada.log_in())

        path = f"strongroom/people/{ada.entity}/factors/{ada.ids['webauthn']}"
        assert (await ada.room.ask("DELETE", path)).status == 204

        await ada.must_log_in()
        await ada.enrol_key()

    async def test_rules_hold_by_group_and_by_the_groups_policies(self, ada: Person) -> None:
        given = {"name": "board", "policies": ["approve"], "member_entity_ids": [ada.entity]}
        await ada.room.ask("POST", "identity/group", given)
        await rule(ada.room, "webauthn", name="one", policies=[], groups=["board"])
        assert (await ada.must_log_in()).auth["policies"] == ["enrol-factors"]
        await ada.room.ask("DELETE", "strongroom/factors/rules/one")
        assert "own-factors" in (await ada.must_log_in()).auth["policies"]

        await rule(ada.room, "webauthn", name="other", policies=["approve"])

        assert (await ada.must_log_in()).auth["policies"] == ["enrol-factors"]

    async def test_a_rule_may_take_one_of_several_kinds(self, ada: Person) -> None:
        await ada.enrol_totp()
        await rule(ada.room, "webauthn", "totp")

        done = await validate(ada.room, await ada.log_in(), totp=ada.next_code())

        assert done.status == 200

    async def test_an_enforcement_that_can_be_met_holds_before_enrolment_too(
        self, ada: Person
    ) -> None:
        totp = await method(ada.room)
        secret = await generated(ada.room, totp, ada)
        await enforce(ada.room, totp)
        await rule(ada.room, "webauthn")

        done = await validate(ada.room, await ada.log_in(), **{totp: code_of(ada.room, secret)})

        assert done.auth["policies"] == ["enrol-factors"]

    @pytest.mark.parametrize(
        "given",
        [
            {"kinds": ["sms"]},
            {"kinds": []},
            {"kinds": ["totp"], "policies": []},
            {"kinds": ["totp"], "policies": ["Root"]},
        ],
    )
    async def test_a_rule_that_says_nothing_is_refused(
        self, ada: Person, given: dict[str, object]
    ) -> None:
        body = {"policies": ["x"], **given}

        assert (await ada.room.ask("POST", "strongroom/factors/rules/r", body)).status == 400

    async def test_loosening_asks_for_sudo(self, ada: Person) -> None:
        await rule(ada.room, "webauthn")
        writes = '["create", "update", "delete"]'
        await ada.room.policy("p", f'path "strongroom/factors/*" {{ capabilities = {writes} }}')
        token = await ada.room.token("p")
        body = {"kinds": ["totp"], "policies": ["x"]}

        answers = [
            await ada.room.ask(method_, f"strongroom/factors/rules/{name}", body, token=token)
            for method_, name in (("POST", "keys"), ("DELETE", "keys"), ("POST", "new"))
        ]

        assert [a.status for a in answers] == [403, 403, 204]

    async def test_the_policy_of_enrolment_cannot_be_written(self, ada: Person) -> None:
        body = {"policy": 'path "*" { capabilities = ["sudo"] }'}

        answer = await ada.room.ask("POST", "sys/policies/acl/enrol-factors", body)

        assert answer.status == 400


class TestPeopleMounts:
    async def test_who_has_enrolled_is_asked(self, quick: Room) -> None:
        mount = {"options": {"people": "true"}}
        ada = await strong(quick, mount)
        await ada.must_log_in()
        await ada.enrol_totp()
        codes = await ada.enrol_recovery(code=ada.next_code())

        by_app = await validate(quick, await ada.log_in(), totp=ada.next_code())
        by_recovery = await validate(quick, await ada.log_in(), recovery=codes[0])

        assert (by_app.status, by_recovery.status) == (200, 200)


async def strong(r: Room, mount: dict[str, object]) -> Person:
    await r.ask("POST", "sys/auth/up", {"type": "userpass", **mount})
    await r.policy("own-factors", OWN)
    given = {"password": LONG, "policies": ["own-factors"]}
    made = await r.ask("POST", "auth/up/users/ada", given)
    assert made.status == 204, made
    return Person(room=r, name="ada", password=LONG)


LONG = "marmalade-Tuesday-orbit"


class TestMethods:
    @pytest.mark.parametrize("kind", ["duo", "okta", "pingid"])
    async def test_what_needs_a_third_party_is_refused_by_name(
        self, ada: Person, kind: str
    ) -> None:
        made = await ada.room.ask("POST", f"identity/mfa/method/{kind}", {"secret_key": "x"})
        listed = await ada.room.ask("LIST", f"identity/mfa/method/{kind}")

        assert (made.status, listed.status) == (400, 404)
        assert kind in made.errors[0]

    async def test_deleting_a_method_takes_its_keys(self, ada: Person) -> None:
        totp = await method(ada.room)
        await generated(ada.room, totp, ada)

        assert (await ada.room.ask("DELETE", f"identity/mfa/method/totp/{totp}")).status == 204
        assert (await ada.ask("LIST", "strongroom/factors")).status == 404

    async def test_who_is_bound_to_an_environment_changes_none(self, ada: Person) -> None:
        r, totp = ada.room, await method(ada.room)
        await r.ask("POST", "strongroom/environments/prod", {"paths": ["secret/+/prod/*"]})
        everything = '["list", "create", "update", "delete", "read", "sudo"]'
        text = f'path "*" {{ capabilities = {everything} }}'
        await r.policy("all", text)
        bob = await known(r, "bob", "all")
        bound = {"metadata": {"environment": "prod"}}
        await r.ask("POST", f"identity/entity/id/{bob.entity}", bound)
        whom = {"entity_id": ada.entity, "method_id": totp}

        answers = [
            await bob.ask("POST", "identity/mfa/method/totp", {"issuer": "x"}),
            await bob.ask("DELETE", f"identity/mfa/method/totp/{totp}"),
            await bob.ask("POST", "identity/mfa/method/totp/admin-generate", whom),
            await bob.ask("POST", "strongroom/factors/rules/x", {"kinds": ["totp"], "groups": "g"}),
            await bob.ask("DELETE", "identity/mfa/login-enforcement/e"),
            await bob.ask("POST", f"strongroom/people/{ada.entity}/factors/unlock"),
        ]

        assert [a.status for a in answers] == [403] * 6


async def test_no_secret_is_in_the_log_in_errors_or_in_lists(
    quick: Room, caplog: pytest.LogCaptureFixture
) -> None:
    ada = await known(quick, "ada")
    totp = await method(quick)
    secret = await generated(quick, totp, ada)
    first = code_of(quick, secret)
    await ada.enrol_totp(code=first)
    own = ada.next_code()
    key = await ada.enrol_key(code=own)
    codes = await ada.enrol_recovery(**await ada.assertion())
    await enforce(quick, totp)
    waiting = await ada.log_in()
    assertion = json.dumps(key.get(await asked(ada)))
    answers = [
        await validate(quick, waiting, **{totp: assertion}),
        await validate(quick, waiting, **{totp: codes[0] + "x"}),
        await ada.log_in(**{"x-vault-mfa": f"{totp}:{codes[1]}x"}),
        await ada.ask("LIST", "strongroom/factors"),
        await quick.ask("LIST", f"strongroom/people/{ada.entity}/factors"),
        await quick.ask("GET", f"identity/entity/id/{ada.entity}"),
        await quick.ask("LIST", "identity/mfa/method"),
    ]
    done = await validate(quick, waiting, **{totp: codes[2]})
    token_of(done)

    planted = [*codes, b32encode(secret).decode(), b32encode(ada.secret).decode(), assertion]
    planted += [requirement(waiting)["mfa_request_id"], PASSWORD + "\\b"]
    seen = [json.dumps(await quick.entries()), caplog.text, *(json.dumps(a.body) for a in answers)]
    dump = b"".join(path.read_bytes() for path in storage_files(quick))
    assert not [p for p in planted for text in seen if p in text]
    assert not [p for p in planted if p.encode() in dump]
    assert secret not in dump
    assert ada.secret not in dump


async def asked(who: Person) -> Any:
    return (await who.ask("POST", "strongroom/factors/challenge")).data["options"]


def storage_files(r: Room) -> list[Path]:
    folder = Path(r.server.database.path).parent  # type: ignore[attr-defined]
    return [path for path in folder.iterdir() if path.name.startswith("strongroom.db")]


async def test_a_flood_of_logins_that_wait_makes_no_token(ada: Person) -> None:
    await enforce(ada.room, await method(ada.room))
    sql = "SELECT count(*) FROM token"
    [[before]] = await ada.room.server.database.rows(sql, ())

    answers = await asyncio.gather(*(ada.log_in() for _ in range(20)))

    assert len({requirement(a)["mfa_request_id"] for a in answers}) == 20
    assert await ada.room.server.database.rows(sql, ()) == [(before,)]


async def test_a_header_may_come_more_than_once(ada: Person) -> None:
    one, other = await method(ada.room), await method(ada.room)
    await enforce(ada.room, one, name="one")
    await enforce(ada.room, other, name="other")
    secrets = {m: await generated(ada.room, m, ada) for m in (one, other)}
    headers = [
        (b"x-vault-mfa", f"{m}:{code_of(ada.room, secret)}".encode())
        for m, secret in secrets.items()
    ]
    body = json.dumps({"password": PASSWORD}).encode()
    request = HttpRequest(
        "POST", b"/v1/auth/up/login/ada", b"", headers, body, ("192.0.2.1", 4711), None
    )

    response = await Application(ada.room.server)(request)

    assert response.status == 200
    assert json.loads(response.body)["auth"]["client_token"]
