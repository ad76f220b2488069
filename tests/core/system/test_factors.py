"""One's own second factors: enrolled, shown, refused, deleted, and locked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.identity.factors.checking import LOCKED
from tests.core.system.authenticator import (
    BACKED_UP,
    ELIGIBLE,
    ORIGIN,
    PRESENT,
    VERIFIED,
    Authenticator,
    text,
)
from tests.core.system.people import Person, options_of, person, validate
from tests.core.system.room import Room, room
from tests.servers import Database

REFUSED = "the second factor was not accepted"


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
    made = await person(quick, "ada")
    await made.must_log_in()
    return made


async def challenge(who: Person) -> dict[str, Any]:
    asked = await who.ask("POST", "strongroom/factors/challenge")
    assert asked.status == 200, asked
    return dict(asked.data)


async def begin(who: Person, **proof: object) -> Any:
    return await who.ask("POST", "strongroom/factors/totp/begin", proof)


async def reason(room: Room) -> str:
    return str((await room.last())["status_detail"])


class TestEnrolling:
    async def test_a_person_enrols_an_app_a_key_and_codes(self, r: Room) -> None:
        ada = await person(r, "ada")
        await ada.must_log_in()

        await ada.enrol_totp()
        await ada.enrol_key(code=ada.next_code())
        await ada.enrol_recovery(**await ada.assertion())

        listed = (await ada.ask("LIST", "strongroom/factors")).data
        kinds = sorted(listed["key_info"][each]["kind"] for each in listed["keys"])
        assert kinds == ["recovery", "totp", "webauthn"]
        assert listed["key_info"][ada.ids["recovery"]]["codes_left"] == 10
        key = listed["key_info"][ada.ids["webauthn"]]
        assert (key["aaguid"], key["transports"]) == (
            "00112233-4455-6677-8899-aabbccddeeff",
            ["usb"],
        )
        assert (key["user_verified"], key["backup_eligible"], key["sign_count"]) == (True, False, 1)

    async def test_the_entry_of_an_enrolment_names_it(self, ada: Person) -> None:
        await ada.enrol_key()

        told = (await ada.room.last())["unmapped"]
        assert (told["kind"], told["factor"], told["entity"]) == (
            "webauthn",
            ada.ids["webauthn"],
            ada.entity,
        )

    async def test_a_second_factor_is_only_enrolled_with_the_first(self, ada: Person) -> None:
        await ada.enrol_totp()

        answers = [
            await ada.ask("POST", f"strongroom/factors/{path}", {})
            for path in ("totp/begin", "webauthn/begin", "recovery")
        ]

        assert [(a.status, a.errors) for a in answers] == [(403, [REFUSED])] * 3
        assert (await begin(ada, code=ada.next_code())).status == 200

    async def test_vaults_generate_asks_for_it_too(self, ada: Person) -> None:
        await ada.enrol_totp()
        made = await ada.room.ask("POST", "identity/mfa/method/totp", {"issuer": "x"})
        given = {"method_id": made.data["method_id"]}

        without = await ada.ask("POST", "identity/mfa/method/totp/generate", given)
        with_it = await ada.ask(
            "POST", "identity/mfa/method/totp/generate", {**given, "code": ada.next_code()}
        )

        assert (without.status, with_it.status) == (403, 200)

    async def test_an_enrolment_is_for_who_began_it_and_in_time(self, ada: Person) -> None:
        bob = await person(ada.room, "bob")
        await bob.must_log_in()
        begun = await begin(ada)
        given = {"id": begun.data["id"], "code": "000000"}

        others = await bob.ask("POST", "strongroom/factors/totp/confirm", given)
        as_key = await ada.ask(
            "POST", "strongroom/factors/webauthn/finish", {"id": begun.data["id"], "credential": {}}
        )
        ada.room.clock.advance(timedelta(minutes=10))
        late = await ada.ask("POST", "strongroom/factors/totp/confirm", given)

        assert others == as_key == late
        assert others.status == 400

    async def test_wrong_first_codes_end_an_enrolment(self, ada: Person) -> None:
        begun = await begin(ada)
        given = {"id": begun.data["id"], "code": "x"}

        statuses = [
            (await ada.ask("POST", "strongroom/factors/totp/confirm", given)).status
            for _ in range(6)
        ]

        assert statuses == [403] * 5 + [400]

    async def test_an_authenticator_is_enrolled_once(self, ada: Person) -> None:
        key = await ada.enrol_key()
        bob = await person(ada.room, "bob")
        await bob.must_log_in()
        begun = await bob.ask("POST", "strongroom/factors/webauthn/begin", {})

        again = await bob.ask(
            "POST",
            "strongroom/factors/webauthn/finish",
            {"id": begun.data["id"], "credential": key.create(begun.data["options"])},
        )

        assert (again.status, again.errors) == (
            400,
            ["credential: this authenticator is enrolled already"],
        )

    async def test_recovery_codes_stand_in_for_something(self, ada: Person) -> None:
        answer = await ada.ask("POST", "strongroom/factors/recovery", {})

        assert answer.status == 400

    async def test_new_recovery_codes_end_the_old_ones(self, ada: Person) -> None:
        await ada.enrol_totp()
        old = await ada.enrol_recovery(code=ada.next_code())
        new = await ada.enrol_recovery(code=old[0])

        assert (await begin(ada, code=old[1])).status == 403
        assert (await begin(ada, code=new[0])).status == 200

    async def test_a_root_token_has_no_factors(self, ada: Person) -> None:
        answer = await ada.room.ask("POST", "strongroom/factors/totp/begin", {})

        assert answer.status == 400


class TestShowing:
    async def test_a_code_is_taken_once(self, ada: Person) -> None:
        await ada.enrol_totp()
        code = ada.next_code()

        assert (await begin(ada, code=code)).status == 200
        assert (await begin(ada, code=code)).status == 403
        assert await reason(ada.room) == "wrong code, or one that was used before"

    @pytest.mark.parametrize(("drift", "status"), [(-2, 403), (-1, 200), (1, 200), (2, 403)])
    async def test_a_clock_may_drift_by_one_step(
        self, ada: Person, drift: int, status: int
    ) -> None:
        await ada.enrol_totp()
        ada.room.clock.advance(timedelta(minutes=10))

        assert (await begin(ada, code=ada.code(drift))).status == status

    async def test_the_code_that_enrolled_is_spent(self, ada: Person) -> None:
        await ada.enrol_totp()

        assert (await begin(ada, code=ada.code())).status == 403

    async def test_an_older_code_than_the_last_is_none(self, ada: Person) -> None:
        await ada.enrol_totp()
        ada.room.clock.advance(timedelta(minutes=10))

        assert (await begin(ada, code=ada.code(1))).status == 200
        assert (await begin(ada, code=ada.code(0))).status == 403

    async def test_a_recovery_code_is_taken_once_however_it_is_typed(self, ada: Person) -> None:
        await ada.enrol_totp()
        codes = await ada.enrol_recovery(code=ada.next_code())
        typed = codes[0].lower().replace("-", " ")

        assert (await begin(ada, code=typed)).status == 200
        assert (await begin(ada, code=codes[0])).status == 403

    async def test_one_code_shown_twice_at_once_is_taken_once(self, r: Room) -> None:
        ada = await person(r, "ada")
        await ada.must_log_in()
        await ada.enrol_totp()
        code = ada.next_code()

        answers = await asyncio.gather(*(begin(ada, code=code) for _ in range(4)))

        assert sorted(a.status for a in answers) == [200, 403, 403, 403]

    async def test_one_recovery_code_shown_twice_at_once_is_taken_once(self, r: Room) -> None:
        ada = await person(r, "ada")
        await ada.must_log_in()
        await ada.enrol_totp()
        [code, *_] = await ada.enrol_recovery(code=ada.next_code())

        answers = await asyncio.gather(*(begin(ada, code=code) for _ in range(4)))

        assert sorted(a.status for a in answers) == [200, 403, 403, 403]

    @pytest.mark.parametrize(
        "shown", [{}, {"code": ""}, {"code": "0" * 1000}, {"code": "é"}, {"code": "\u0661" * 6}]
    )
    async def test_what_is_no_code_is_refused(self, ada: Person, shown: dict[str, str]) -> None:
        await ada.enrol_totp()

        assert (await begin(ada, **shown)).status == 403


class TestKeys:
    async def test_a_key_is_shown_to_a_challenge(self, ada: Person) -> None:
        await ada.enrol_key()

        assert (await begin(ada, **await ada.assertion())).status == 200
        told = (await ada.room.last())["unmapped"]
        assert (told["shown"], told["shown_factor"]) == ("webauthn", ada.ids["webauthn"])

    async def test_an_answer_is_not_taken_again(self, ada: Person) -> None:
        await ada.enrol_key()
        shown = await ada.assertion()
        assert (await begin(ada, **shown)).status == 200

        replayed = await begin(ada, **shown)
        other = await challenge(ada)
        to_another = await begin(ada, **{**shown, "challenge_id": other["challenge_id"]})

        assert (replayed.status, to_another.status) == (400, 403)
        assert await reason(ada.room) == "another challenge"

    async def test_a_challenge_is_answered_once_rightly_or_not(self, ada: Person) -> None:
        key = await ada.enrol_key()
        asked = await challenge(ada)
        wrong = key.get({**asked["options"], "challenge": text(bytes(32))})

        refused = await begin(ada, challenge_id=asked["challenge_id"], answer=wrong)
        right = await begin(
            ada, challenge_id=asked["challenge_id"], answer=key.get(asked["options"])
        )

        assert (refused.status, right.status) == (403, 400)

    async def test_a_challenge_is_for_who_asked_and_in_time(self, ada: Person) -> None:
        key = await ada.enrol_key()
        bob = await person(ada.room, "bob")
        await bob.must_log_in()
        await bob.enrol_key()
        of_bob = await challenge(bob)
        late = await challenge(ada)

        others = await begin(
            ada, challenge_id=of_bob["challenge_id"], answer=key.get(of_bob["options"])
        )
        ada.room.clock.advance(timedelta(minutes=5))
        over = await begin(ada, challenge_id=late["challenge_id"], answer=key.get(late["options"]))

        assert others.status == over.status == 400

    @pytest.mark.parametrize(
        ("wrong", "because"),
        [
            ({"origin": "https://evil.example"}, "another origin"),
            ({"origin": "http://localhost:8200"}, "another origin"),
            ({"origin": "https://localhost:8200.evil.example"}, "another origin"),
            ({"rp_id": "evil.example"}, "another relying party"),
            ({"said": {"crossOrigin": True}}, "asked for in a page of another site"),
            ({"said": {"topOrigin": ORIGIN}}, "asked for in a page of another site"),
            ({"flags": PRESENT}, "the user was not verified"),
            ({"flags": VERIFIED}, "the user was not present"),
            (
                {"flags": PRESENT | VERIFIED | ELIGIBLE | BACKED_UP},
                "not the authenticator that was enrolled: it can be backed up",
            ),
            ({"handle": bytes(16)}, "made for another person"),
            ({"id": bytes(32)}, "no key of this person"),
        ],
    )
    async def test_an_answer_that_does_not_hold_is_refused(
        self, ada: Person, wrong: dict[str, Any], because: str
    ) -> None:
        key = await ada.enrol_key()
        for name, value in wrong.items():
            setattr(key, name, value)

        answer = await begin(ada, **await ada.assertion())

        assert (answer.status, answer.errors) == (403, [REFUSED])
        assert await reason(ada.room) == because

    async def test_an_answer_for_another_ceremony_is_refused(self, ada: Person) -> None:
        key = await ada.enrol_key()
        asked = await challenge(ada)
        answer = key.get(asked["options"], kind="webauthn.create")

        refused = await begin(ada, challenge_id=asked["challenge_id"], answer=answer)

        assert refused.status == 403
        assert await reason(ada.room) == "made for another ceremony"

    async def test_another_key_of_the_same_id_does_not_sign(self, ada: Person) -> None:
        key = await ada.enrol_key()
        thief = Authenticator(id=key.id, handle=key.handle, signs=99)

        refused = await begin(ada, **await ada.assertion(thief))

        assert refused.status == 403
        assert await reason(ada.room) == "not signed by the key"

    @pytest.mark.parametrize(
        ("wrong", "because"),
        [
            ({"origin": "https://evil.example"}, "another origin"),
            ({"rp_id": "evil.example"}, "another relying party"),
            ({"said": {"crossOrigin": True}}, "asked for in a page of another site"),
            ({"said": {"topOrigin": ORIGIN}}, "asked for in a page of another site"),
            ({"flags": PRESENT}, "the user was not verified"),
        ],
    )
    async def test_a_key_that_would_not_do_is_not_enrolled(
        self, ada: Person, wrong: dict[str, Any], because: str
    ) -> None:
        key = Authenticator(**wrong)
        begun = await ada.ask("POST", "strongroom/factors/webauthn/begin", {})
        given = {"id": begun.data["id"], "credential": key.create(begun.data["options"])}

        refused = await ada.ask("POST", "strongroom/factors/webauthn/finish", given)
        why = await reason(ada.room)
        again = await ada.ask("POST", "strongroom/factors/webauthn/finish", given)

        assert (refused.status, why, again.status) == (403, because, 400)

    @pytest.mark.parametrize(
        "credential",
        [
            {},
            {"response": {}},
            {"response": {"attestationObject": "AAAA", "clientDataJSON": "AAAA"}},
            {"response": {"attestationObject": text(b"\xff" * 100)}},
            {"response": {"attestationObject": text(b"\xa1" * 5000)}},
            {"id": "x" * 20_000, "response": {}},
            [],
            "text",
        ],
    )
    async def test_what_no_authenticator_says_is_refused(
        self, ada: Person, credential: object
    ) -> None:
        begun = await ada.ask("POST", "strongroom/factors/webauthn/begin", {})
        given = {"id": begun.data["id"], "credential": credential}

        refused = await ada.ask("POST", "strongroom/factors/webauthn/finish", given)

        assert refused.status == 403

    async def test_an_attestation_is_not_read(self, ada: Person) -> None:
        key = Authenticator()
        begun = await ada.ask("POST", "strongroom/factors/webauthn/begin", {})
        made = key.create(begun.data["options"], attested={"fmt": "tpm"})

        refused = await ada.ask(
            "POST",
            "strongroom/factors/webauthn/finish",
            {"id": begun.data["id"], "credential": made},
        )

        assert refused.status == 403
        assert await reason(ada.room) == "an attestation was sent that nobody asked for"

    async def test_a_counter_that_goes_back_disables_the_key(self, r: Room) -> None:
        ada = await person(r, "ada")
        await ada.must_log_in()
        key = await ada.enrol_key()
        clone = Authenticator(id=key.id, handle=key.handle, signs=key.signs, _key=key._key)
        await ada.enrol_totp(**await ada.assertion(key))

        cloned = await begin(ada, **await ada.assertion(clone))

        told = await r.last()
        assert cloned.status == 403
        assert told["status_detail"] == "cloned: the authenticator's counter went back"
        assert told["unmapped"]["factor"] == ada.ids["webauthn"]
        listed = (await ada.ask("LIST", "strongroom/factors")).data["key_info"]
        assert listed[ada.ids["webauthn"]]["disabled"].startswith("cloned")
        assert (await ada.ask("POST", "strongroom/factors/challenge")).status == 400

    async def test_a_counter_that_a_stranger_sets_back_disables_nothing(self, ada: Person) -> None:
        key = await ada.enrol_key()
        await begin(ada, **await ada.assertion())
        thief = Authenticator(id=key.id, handle=key.handle, signs=-1)

        await begin(ada, **await ada.assertion(thief))

        assert (await begin(ada, **await ada.assertion(key))).status == 200

    async def test_a_passkey_that_does_not_count_is_taken(self, ada: Person) -> None:
        synced = Authenticator(flags=PRESENT | VERIFIED | ELIGIBLE | BACKED_UP)
        await ada.enrol_key(synced)

        for _ in range(2):
            synced.signs = -1

            assert (await begin(ada, **await ada.assertion())).status == 200


class TestLock:
    async def test_five_wrong_codes_lock_for_half_an_hour(self, r: Room) -> None:
        ada = await person(r, "ada")
        await ada.must_log_in()
        await ada.enrol_totp()
        for _ in range(5):
            assert (await begin(ada, code="000000")).status == 403

        locked = await begin(ada, code=ada.next_code())
        why = await reason(r)
        r.clock.advance(LOCKED)
        later = await begin(ada, code=ada.next_code())

        assert (locked.status, locked.errors) == (403, [REFUSED])
        assert why == "second factor locked out"
        assert later.status == 200

    async def test_wrong_codes_sent_at_once_are_all_counted(self, r: Room) -> None:
        ada = await person(r, "ada")
        await ada.must_log_in()
        await ada.enrol_totp()

        await asyncio.gather(*(begin(ada, code="000000") for _ in range(5)))

        assert (await begin(ada, code=ada.next_code())).status == 403
        assert await reason(r) == "second factor locked out"

    async def test_an_administrator_lets_in_again(self, ada: Person) -> None:
        await ada.enrol_totp()
        for _ in range(5):
            await begin(ada, code="000000")

        path = f"strongroom/people/{ada.entity}/factors/unlock"
        assert (await ada.room.ask("POST", path)).status == 204

        assert (await begin(ada, code=ada.next_code())).status == 200


class TestDeleting:
    async def drop(self, who: Person, kind: str, **proof: object) -> int:
        path = f"strongroom/factors/{who.ids[kind]}/delete"
        return (await who.ask("POST", path, proof)).status

    async def test_needs_a_factor_of_its_own(self, ada: Person) -> None:
        await ada.enrol_totp()

        assert await self.drop(ada, "totp") == 403
        assert await self.drop(ada, "totp", code=ada.next_code()) == 204
        assert (await ada.ask("LIST", "strongroom/factors")).status == 404

    async def test_recovery_codes_go_with_the_last_factor(self, ada: Person) -> None:
        await ada.enrol_totp()
        codes = await ada.enrol_recovery(code=ada.next_code())

        assert await self.drop(ada, "totp", code=codes[0]) == 204
        assert (await ada.ask("LIST", "strongroom/factors")).status == 404

    async def test_of_another_is_not_found(self, ada: Person) -> None:
        await ada.enrol_totp()
        bob = await person(ada.room, "bob")
        await bob.must_log_in()
        await bob.enrol_totp()
        bob.ids["totp"] = ada.ids["totp"]

        assert await self.drop(bob, "totp", code=bob.next_code()) == 404

    async def test_never_leaves_somebody_without_a_key_who_must_have_one(self, ada: Person) -> None:
        await ada.enrol_totp()
        await ada.enrol_key(code=ada.next_code())
        rule = {"policies": ["own-factors"], "kinds": ["webauthn"]}
        assert (await ada.room.ask("POST", "strongroom/factors/rules/keys", rule)).status == 204
        answer = await ada.log_in()
        shown = ada.keys[-1].get(options_of(answer))
        answer = await validate(ada.room, answer, webauthn=shown)
        ada.token = answer.auth["client_token"]

        assert await self.drop(ada, "webauthn", code=ada.next_code()) == 400
        spare = await ada.enrol_key(**await ada.assertion())
        assert await self.drop(ada, "webauthn", **await ada.assertion(spare)) == 204


class TestAdministrators:
    async def test_see_factors_and_nothing_secret_of_them(self, ada: Person) -> None:
        await ada.enrol_totp()
        await ada.enrol_key(code=ada.next_code())
        codes = await ada.enrol_recovery(**await ada.assertion())

        seen = await ada.room.ask("LIST", f"strongroom/people/{ada.entity}/factors")

        assert len(seen.data["keys"]) == 3
        shown = json.dumps(seen.body)
        assert ada.secret.hex() not in shown
        assert not any(code in shown for code in codes)

    async def test_delete_others_factors_and_not_their_own(self, ada: Person) -> None:
        await ada.enrol_totp()
        admin = await person(ada.room, "boss", "admin")
        everything = '["list", "create", "update", "delete", "read", "sudo"]'
        await ada.room.policy("admin", f'path "strongroom/*" {{ capabilities = {everything} }}')
        await admin.must_log_in()
        await admin.enrol_totp()

        own = await admin.ask(
            "DELETE", f"strongroom/people/{admin.entity}/factors/{admin.ids['totp']}"
        )
        others = await admin.ask(
            "DELETE", f"strongroom/people/{ada.entity}/factors/{ada.ids['totp']}"
        )

        assert (own.status, others.status) == (400, 204)
        assert (await ada.ask("LIST", "strongroom/factors")).status == 404
        done = [e for e in await ada.room.entries() if e.get("status_code") == "204"]
        told = done[-1]["unmapped"]
        assert (told["entity"], told["factor"]) == (ada.entity, ada.ids["totp"])

    @pytest.mark.parametrize("path", ["totp/begin", "webauthn/begin", "recovery"])
    async def test_cannot_enrol_for_another(self, ada: Person, path: str) -> None:
        answer = await ada.room.ask("POST", f"strongroom/people/{ada.entity}/factors/{path}", {})

        assert answer.status in {404, 405}
