"""One administrator, who may do everything, and what it takes them to act as a second person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.auth.jwt_issuer import pem, signed
from tests.core.system.authenticator import Authenticator
from tests.core.system.people import Person, options_of, person, validate
from tests.core.system.room import Answer, Room, room

ALL = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
MINUTE = timedelta(minutes=1)
FACTORS = "strongroom/factors"


@dataclass(kw_only=True)
class Staff:
    """Registered people, who may do everything each, and log in by a provider."""

    room: Room
    people: dict[str, Person] = field(default_factory=dict)
    provider: str = ""  # accessor of the provider's mount

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    async def root(self, method: str, path: str, body: object = None) -> Answer:
        answer = await self.room.ask(method, path, body)
        assert answer.status in {200, 204}, answer
        return answer

    async def sign_in(self, name: str) -> Person:
        """Log in and show the key, as they themselves do."""
        who = self.people[name]
        waits = await self.by_provider(name, "hq")
        shown = who.keys[-1].get(options_of(waits))
        answer = await validate(self.room, waits, webauthn=shown)
        assert answer.status == 200, answer
        who.token = answer.auth["client_token"]
        return who

    async def enter(self, name: str) -> Person:
        """Log in by the provider alone, as whom somebody else removed the factors of."""
        answer = await self.by_provider(name, "hq")
        assert answer.auth["mfa_requirement"] is None, answer
        self.people[name].token = answer.auth["client_token"]
        return self.people[name]

    async def by_provider(self, name: str, key: str) -> Answer:
        """Log in as somebody at the provider's mount, with a token signed by some key."""
        now = int(self.room.clock.now().timestamp())
        claims = {"sub": name, "aud": "strongroom", "iat": now - 1, "exp": now + 300}
        given = {"role": "sso", "jwt": signed(claims, "ES256", key)}
        return await self.room.ask("POST", "auth/sso/login", given, token="")

    async def asks(self, name: str, new: str = "mole", **wish: object) -> str:
        """Ask for somebody's registration, or for whatever the wish says."""
        usual = {"kind": "person", "entity_name": new, "name": new, "reason": "in the team"}
        given = wish if "kind" in wish else {**usual, **wish}
        self.room.clock.advance(timedelta(seconds=1))
        answer = await self[name].ask(
            "POST", "strongroom/registrations", {"reason": "it is so", **given}
        )
        assert answer.status == 200, answer
        self.room.clock.advance(timedelta(seconds=1))
        return str(answer.data["id"])

    async def decides(self, token: str, id_: str) -> tuple[int, Any]:
        """Approve; return the status, and the code, or what the entry says."""
        path = f"strongroom/registrations/{id_}/approve"
        answer = await self.room.ask("POST", path, {"revision": 1}, token=token)
        if answer.status == 200:
            return 200, answer.data.get("enrolment_code", "")
        return answer.status, (await self.room.last()).get("status_detail", "")

    async def loses(self, name: str, by: str) -> None:
        """Let one remove all factors of another."""
        path = f"strongroom/people/{self[name].entity}/factors"
        listed = await self[by].ask("LIST", path)
        for id_ in listed.data["keys"]:
            assert (await self[by].ask("DELETE", f"{path}/{id_}")).status == 204


@pytest.fixture
async def staff(tmp_path: Path) -> AsyncIterator[Staff]:
    async with room(tmp_path) as ours:
        made = Staff(room=ours)
        await ours.policy("all", ALL)
        await made.root("POST", "sys/auth/sso", {"type": "jwt"})
        await made.root("POST", "auth/sso/config", {"jwt_validation_pubkeys": [pem("ES256", "hq")]})
        role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "strongroom"}
        await made.root("POST", "auth/sso/role/sso", {**role, "token_policies": "all"})
        made.provider = (await ours.ask("GET", "sys/auth")).data["sso/"]["accessor"]
        for name in ("ada", "bob", "cleo", "dora"):
            who = made.people[name] = Person(room=ours, name=name)
            who.entity = (await made.root("POST", "identity/entity", {"name": name})).data["id"]
            await made.root("POST", f"strongroom/people/{who.entity}", {"name": name})
            alias = {"name": name, "mount_accessor": made.provider, "canonical_id": who.entity}
            await made.root("POST", "identity/entity-alias", alias)
            await (await made.enter(name)).enrol_key()
            ours.clock.advance(MINUTE)
            await made.sign_in(name)
        ours.clock.advance(MINUTE)
        yield made


async def own_key_at_the_mount(staff: Staff, by: str = "ada") -> None:
    """Let somebody put a key of their own where the provider's was."""
    given = {"jwt_validation_pubkeys": [pem("ES256", by)]}
    assert (await staff[by].ask("POST", "auth/sso/config", given)).status == 204


async def ways_to_enrol(staff: Staff, token: str, **proof: object) -> list[Answer]:
    """Try each path by which somebody gets a factor."""
    issuer = {"issuer": "x", "method_name": "m"}
    method = (await staff.root("POST", "identity/mfa/method/totp", issuer)).data["method_id"]
    asked = [
        (f"{FACTORS}/webauthn/begin", {"name": "key"}),
        (f"{FACTORS}/totp/begin", {"name": "app"}),
        (f"{FACTORS}/recovery", {}),
        ("identity/mfa/method/totp/generate", {"method_id": method}),
    ]
    return [await staff.room.ask("POST", p, {**body, **proof}, token=token) for p, body in asked]


async def test_who_removed_the_factors_does_not_come_to_act_as_their_owner(staff: Staff) -> None:
    bob = staff["bob"]
    mole = await staff.asks("ada")
    await own_key_at_the_mount(staff)
    await staff.loses("bob", "ada")
    assert (await staff.room.last())["unmapped"]["held"] is True

    came = await staff.by_provider("bob", "ada")
    listed = await staff.room.ask("LIST", FACTORS, token=came.auth["client_token"])
    assert (listed.status, listed.data["enrolment_code_needed"]) == (404, True)
    assert (came.auth["entity_id"], came.auth["policies"]) == (bob.entity, ["enrol-factors"])
    tried = await ways_to_enrol(staff, came.auth["client_token"])
    assert [each.status for each in tried] == [400, 400, 400, 403]
    assert "enrolment_code" in tried[0].errors[0]
    assert "strongroom/registrations" in tried[0].errors[0]
    wrong = await ways_to_enrol(staff, came.auth["client_token"], enrolment_code="0" * 16)
    assert [each.status for each in wrong][:2] == [403, 403]
    # A rule that asks nobody for a factor does not let them in, either.
    waived = {"policies": ["all"], "kinds": ["none"]}
    assert (await staff["ada"].ask("POST", f"{FACTORS}/rules/x", waived)).status == 204
    again = await staff.by_provider("bob", "ada")
    assert again.auth["policies"] == ["enrol-factors"]
    rule = {"enabled": False}
    step_up = "strongroom/step-up/rules/approvals"
    assert (await staff["ada"].ask("POST", step_up, rule)).status == 204
    assert (await staff.decides(again.auth["client_token"], mole))[0] == 403
    # A code comes with an approval; who removed, asks or approves for themselves, gets none.
    asked = await staff.asks("ada", kind="factors", entity=bob.entity)
    assert await staff.decides(staff["ada"].token, asked) == (
        403,
        "who asked for it does not decide on it",
    )
    friend = await staff.asks("dora", kind="factors", entity=bob.entity)
    assert (await staff.decides(staff["ada"].token, friend))[0] == 403
    path = f"strongroom/people/{bob.entity}/factors/code"
    assert (await staff["ada"].ask("POST", path)).status == 403


async def test_another_persons_approval_gives_a_code_that_enrols_once(staff: Staff) -> None:
    bob = staff["bob"]
    for_ada, for_cleo, for_dora = [await staff.asks(n, f"by-{n}") for n in ("ada", "cleo", "dora")]
    assert for_dora
    refused = await staff["dora"].ask(
        "POST",
        "strongroom/registrations",
        {"kind": "factors", "entity": bob.entity, "reason": "lost it"},
    )
    assert (refused.status, "nobody removed" in refused.errors[0]) == (400, True)
    await staff.loses("bob", "ada")
    asked = await staff.asks("dora", kind="factors", entity=bob.entity)
    status, code = await staff.decides(staff["cleo"].token, asked)
    assert status == 200
    entry = await staff.room.last()
    assert entry["unmapped"]["code_known_to"] == [staff["cleo"].entity]
    assert code not in str(await staff.room.entries())

    await staff.enter("bob")
    begun = [
        await bob.ask("POST", f"{FACTORS}/totp/begin", {"name": "x", "enrolment_code": code})
        for _ in range(2)
    ]
    assert [each.status for each in begun] == [200, 200]
    await bob.enrol_key(enrolment_code=code)
    assert (await staff.room.last())["unmapped"]["hold_ended"] is True
    bob.secret = b"-"
    late = {"id": begun[0].data["id"], "code": "000000"}
    assert (await bob.ask("POST", f"{FACTORS}/totp/confirm", late)).status in {400, 403}
    again = {"name": "x", "enrolment_code": code}
    assert (await bob.ask("POST", f"{FACTORS}/totp/begin", again)).status == 403
    # The new key decides; not on what is older, nor on what who knew the code asks for.
    staff.room.clock.advance(MINUTE)
    await staff.sign_in("bob")
    older = "the factor was enrolled after the request was made"
    assert await staff.decides(bob.token, for_ada) == (403, older)
    assert await staff.decides(bob.token, for_cleo) == (403, older)
    of_cleo = await staff.asks("cleo", "of-cleo")
    knew = "who asked for it could have enrolled the factor"
    assert await staff.decides(bob.token, of_cleo) == (403, knew)
    assert (await staff.decides(bob.token, await staff.asks("ada", "of-ada")))[0] == 200


async def test_of_two_enrolments_by_one_code_one_ends(staff: Staff) -> None:
    bob = staff["bob"]
    await staff.loses("bob", "ada")
    _, code = await staff.decides(
        staff["cleo"].token, await staff.asks("dora", kind="factors", entity=bob.entity)
    )
    tokens = [(await staff.enter("bob")).token for _ in range(2)]
    people = [Person(room=bob.room, name="bob", token=each) for each in tokens]

    done = await asyncio.gather(
        *(each.enrol_key(enrolment_code=code) for each in people), return_exceptions=True
    )

    assert sum(not isinstance(each, BaseException) for each in done) == 1
    listed = await staff.root("LIST", f"strongroom/people/{bob.entity}/factors")
    assert len(listed.data["keys"]) == 1


async def test_a_code_ends_with_a_later_removal_and_with_its_time(staff: Staff) -> None:
    bob = staff["bob"]
    await bob.enrol_recovery(**await bob.assertion())
    await staff.root("DELETE", f"strongroom/people/{bob.entity}/factors/{bob.ids['webauthn']}")
    codes = []
    for _ in range(2):
        asked = await staff.asks("dora", kind="factors", entity=bob.entity)
        codes.append((await staff.decides(staff["cleo"].token, asked))[1])
    await staff.enter("bob")
    path, name = f"{FACTORS}/webauthn/begin", {"name": "key"}
    first = await bob.ask("POST", path, {**name, "enrolment_code": codes[0]})
    assert first.status == 403  # the newer one stands
    begun = await bob.ask("POST", path, {**name, "enrolment_code": codes[1]})
    assert begun.status == 200
    await staff.loses("bob", "ada")
    made = Authenticator().create(begun.data["options"])
    given = {"id": begun.data["id"], "credential": made}
    late = await bob.ask("POST", f"{FACTORS}/webauthn/finish", given)
    assert (late.status, "is not so any more" in late.errors[0]) == (400, True)
    asked = await staff.asks("dora", kind="factors", entity=bob.entity)
    _, code = await staff.decides(staff["cleo"].token, asked)
    staff.room.clock.advance(timedelta(days=14))
    await staff.enter("bob")
    over = await bob.ask("POST", path, {**name, "enrolment_code": code})
    assert over.status == 403
    assert (await staff.room.last())["status_detail"] == "the enrolment code is over"


async def test_a_factor_that_was_there_before_lets_its_owner_enrol_at_once(staff: Staff) -> None:
    bob = staff["bob"]
    codes = await bob.enrol_recovery(**await bob.assertion())
    staff.room.clock.advance(MINUTE)
    await staff["ada"].ask(
        "DELETE", f"strongroom/people/{bob.entity}/factors/{bob.ids['webauthn']}"
    )

    await staff.enter("bob")
    assert (await bob.ask("LIST", FACTORS)).data["enrolment_code_needed"] is True
    assert (await bob.ask("POST", f"{FACTORS}/totp/begin", {"name": "x"})).status == 403
    await bob.enrol_key(code=codes[0])

    assert (await bob.ask("LIST", FACTORS)).data["enrolment_code_needed"] is False
    staff.room.clock.advance(MINUTE)
    await staff.sign_in("bob")
    assert (await staff.decides(bob.token, await staff.asks("ada")))[0] == 200


@pytest.mark.parametrize("how", ["admin-destroy", "method"])
async def test_every_way_to_remove_a_factor_holds_its_owner(staff: Staff, how: str) -> None:
    ada, bob = staff["ada"], staff["bob"]
    method = (
        await staff.root("POST", "identity/mfa/method/totp", {"issuer": "x", "method_name": "m"})
    ).data["method_id"]
    shown = await bob.assertion()
    made = await bob.ask(
        "POST", "identity/mfa/method/totp/generate", {"method_id": method, **shown}
    )
    assert made.status == 200, made
    both = {"method_id": method, "entity_id": bob.entity}
    if how == "method":
        gone = await ada.ask("DELETE", f"identity/mfa/method/totp/{method}")
    else:
        gone = await ada.ask("POST", "identity/mfa/method/totp/admin-destroy", both)
        both["entity_id"] = ada.entity
        own = await ada.ask("POST", "identity/mfa/method/totp/admin-destroy", both)
        assert own.status == 400
    assert gone.status == 204, gone

    assert (await bob.ask("LIST", FACTORS)).data["enrolment_code_needed"] is True
    # Nor does somebody make a key for a person, which they would know.
    for name in ("bob", "cleo"):
        asked = {"method_id": method, "entity_id": staff[name].entity}
        refused = await ada.ask("POST", "identity/mfa/method/totp/admin-generate", asked)
        assert refused.status == 400


async def test_who_has_no_factor_yet_is_not_to_be_had_either(staff: Staff) -> None:
    asked = await staff.asks("dora", "finn", mount_accessor=staff.provider, alias="finn")
    status, code = await staff.decides(staff["cleo"].token, asked)
    assert (status, bool(code)) == (200, True)
    await own_key_at_the_mount(staff)

    came = await staff.by_provider("finn", "ada")
    finn = Person(room=staff.room, name="finn", token=came.auth["client_token"])
    assert (await finn.ask("POST", f"{FACTORS}/totp/begin", {"name": "x"})).status == 400
    # With the code of the approval, and through ada's mount, they decide on nothing of hers.
    key = await finn.enrol_key(enrolment_code=code)
    entity = came.auth["entity_id"]
    await staff.root("POST", f"identity/entity/id/{entity}", {"policies": ["all"]})
    staff.room.clock.advance(MINUTE)
    waits = await staff.by_provider("finn", "ada")
    done = await validate(staff.room, waits, webauthn=key.get(options_of(waits)))
    token = done.auth["client_token"]
    helped = "who asked for it set the password, wrote the alias or configured the mount"
    assert await staff.decides(token, await staff.asks("ada", "of-ada")) == (403, helped)
    assert (await staff.decides(token, await staff.asks("dora", "of-dora")))[0] == 200
    # What such a login asks for, ada does not decide on.
    finn.token = token
    staff.people["finn"] = finn
    turned = await staff.asks("finn", "turned")
    assert (await staff.decides(staff["ada"].token, turned))[0] == 403
    assert (await staff.decides(staff["dora"].token, turned))[0] == 200


async def test_who_was_written_and_not_approved_enrols_for_who_let_them_in(staff: Staff) -> None:
    ada = staff["ada"]
    await own_key_at_the_mount(staff)
    came = await staff.by_provider("gil", "ada")  # anybody whom the mount names
    gil = Person(room=staff.room, name="gil", token=came.auth["client_token"])
    entity = came.auth["entity_id"]
    written = await ada.ask("POST", f"strongroom/people/{entity}", {"name": "Gil"})
    assert written.status == 204
    came = await staff.by_provider("gil", "ada")
    gil.token = came.auth["client_token"]
    key = await gil.enrol_key()
    staff.room.clock.advance(MINUTE)
    waits = await staff.by_provider("gil", "ada")
    done = await validate(staff.room, waits, webauthn=key.get(options_of(waits)))
    gil.token = done.auth["client_token"]
    staff.people["gil"] = gil

    assert (await staff.decides(gil.token, await staff.asks("ada")))[0] == 403
    of_gil = await staff.asks("gil", "of-gil")
    assert (await staff.decides(ada.token, of_gil))[0] == 403
    # A second one of the kind is no second person; nor does what one of them does wash it off.
    hal = await person(staff.room, "hal", "all")
    await hal.must_log_in()
    made = await gil.ask("POST", f"strongroom/people/{hal.entity}", {"name": "Hal"})
    assert made.status == 204, made
    await hal.must_log_in()
    await hal.enrol_key()
    staff.room.clock.advance(MINUTE)
    waits = await hal.log_in()
    done = await validate(staff.room, waits, webauthn=hal.keys[-1].get(options_of(waits)))
    hal.token = done.auth["client_token"]
    assert (await staff.decides(hal.token, await staff.asks("ada", "of-ada")))[0] == 403
    assert (await staff.decides(hal.token, await staff.asks("gil", "gil-2")))[0] == 403
    assert (await staff.decides(hal.token, await staff.asks("dora", "of-dora")))[0] == 200


@pytest.mark.parametrize("way", ["return", "directory", "writing", "request"])
async def test_who_has_left_comes_back_by_anothers_approval(staff: Staff, way: str) -> None:
    ada, bob, cleo = staff["ada"], staff["bob"], staff["cleo"]
    people = f"strongroom/people/{bob.entity}"
    assert (await ada.ask("POST", f"{people}/leave")).status == 200
    ends_at = {}
    if way == "return":
        asked = await ada.ask("POST", f"{people}/return", {"reason": "is back"})
        id_ = asked.data["registration"]
        twice = await ada.ask("POST", f"{people}/return", {"reason": "is back"})
        assert twice.data["registration"] == id_
    elif way == "directory":
        schema = "urn:ietf:params:scim:schemas:core:2.0:User"
        body = {"schemas": [schema], "userName": "bob", "displayName": "bob", "active": True}
        headers = {"content-type": "application/scim+json"}
        at = f"strongroom/scim/v2/Users/{bob.entity}"
        put = await staff.room.ask("PUT", at, body, token=ada.token, headers=headers)
        assert (put.status, put.body["active"]) == (200, True)
        assert (await staff.room.last())["unmapped"]["returning"] is True
        listed = await ada.ask("LIST", "strongroom/registrations?state=pending&kind=return")
        [id_] = listed.data["keys"]
    elif way == "writing":
        over = {"ends_at": "2027-01-01T00:00:00Z", "worker": "contractor", "contract": "c-1"}
        assert (await ada.ask("POST", people, over)).status == 204  # and has left all the same
        ends_at = {"ends_at": over["ends_at"]}
        id_ = await staff.asks("ada", kind="return", entity=bob.entity, **ends_at)
    else:
        id_ = await staff.asks("ada", kind="return", entity=bob.entity)

    assert (await staff.by_provider("bob", "hq")).status == 400
    assert (await ada.ask("GET", people)).data["state"] == "left"
    assert (await staff.decides(ada.token, id_))[0] == 403
    status, code = await staff.decides(cleo.token, id_)
    assert status == 200
    said = (await staff.room.last())["unmapped"]
    assert (said["returned"], said["about"], said["kind"]) == (True, bob.entity, "return")
    assert (await ada.ask("GET", people)).data["state"] == "active"
    assert (await ada.ask("LIST", f"{people}/factors")).status == 404  # none of before
    await staff.enter("bob")
    assert (await bob.ask("POST", f"{FACTORS}/totp/begin", {"name": "x"})).status == 400
    await bob.enrol_key(enrolment_code=code)
    staff.room.clock.advance(MINUTE)
    await staff.sign_in("bob")


async def test_who_comes_back_is_who_left(staff: Staff) -> None:
    ada, bob, cleo = staff["ada"], staff["bob"], staff["cleo"]
    people = f"strongroom/people/{bob.entity}"
    await ada.ask("POST", f"{people}/leave")
    id_ = await staff.asks("ada", kind="return", entity=bob.entity)
    assert (await ada.ask("POST", people, {"name": "Mallory"})).status == 204
    status, _ = await staff.decides(cleo.token, id_)
    assert status == 400  # what was asked for was of another
    await ada.ask("DELETE", f"strongroom/registrations/{id_}")
    id_ = await staff.asks("ada", kind="return", entity=bob.entity)
    await ada.ask("POST", f"{people}/leave")
    assert (await staff.decides(cleo.token, id_))[0] == 400  # they left again since
    edited = await ada.ask(
        "POST",
        f"strongroom/registrations/{id_}",
        {"kind": "return", "entity": staff["dora"].entity, "reason": "it is so"},
    )
    assert edited.status == 400
    there = {"kind": "return", "entity": staff["dora"].entity, "reason": "it is so"}
    refused = await ada.ask("POST", "strongroom/registrations", there)
    assert (refused.status, "have not left" in refused.errors[0]) == (400, True)


async def test_whose_end_has_come_is_not_given_another_by_one(staff: Staff) -> None:
    ada, bob = staff["ada"], staff["bob"]
    people = f"strongroom/people/{bob.entity}"
    ends = (staff.room.clock.now() + MINUTE).isoformat().replace("+00:00", "Z")
    fields = {"worker": "contractor", "contract": "c-1", "ends_at": ends}
    assert (await ada.ask("POST", people, fields)).status == 204
    staff.room.clock.advance(2 * MINUTE)

    later = {"ends_at": "2027-01-01T00:00:00Z"}
    for changed in (later, {"worker": "employee", "ends_at": None}):
        refused = await ada.ask("POST", people, changed)
        assert refused.status == 400, changed
        assert "kind `return`" in refused.errors[0]
    id_ = await staff.asks("ada", kind="return", entity=bob.entity, **later)
    assert (await staff.decides(staff["cleo"].token, id_))[0] == 200
    assert (await ada.ask("GET", people)).data["ends_at"].startswith("2027-01-01")


@pytest.mark.parametrize("how", ["deleted", "moved"])
async def test_a_login_whose_alias_is_gone_meanwhile_is_not_finished(
    staff: Staff, how: str
) -> None:
    bob = staff["bob"]
    waits, accessor = await staff.by_provider("bob", "hq"), staff.provider
    shown = (await staff.root("GET", f"identity/entity/id/{bob.entity}")).data["aliases"]
    [alias] = [each["id"] for each in shown if each["mount_accessor"] == accessor]
    if how == "deleted":
        await staff.root("DELETE", f"identity/entity-alias/id/{alias}")
    else:
        other = (await staff.root("POST", "identity/entity", {"name": "other"})).data["id"]
        moved = {"canonical_id": other, "name": "bob", "mount_accessor": accessor}
        await staff.root("POST", f"identity/entity-alias/id/{alias}", moved)

    answer = await validate(staff.room, waits, webauthn=bob.keys[-1].get(options_of(waits)))

    assert answer.status == 403
    because = (await staff.room.last())["status_detail"]
    assert because == "the alias that it came by is gone, or is another entity's"


async def test_a_person_is_known_by_something_else_and_the_entry_says_so(staff: Staff) -> None:
    ada, bob = staff["ada"], staff["bob"]
    other = {"name": "x", "mount_accessor": "token_core", "canonical_id": bob.entity}
    assert (await ada.ask("POST", "identity/entity-alias", other)).status == 200
    told = [(await staff.room.last())["unmapped"].get("rewritten")]
    renamed = {"name": "another"}
    await ada.ask("POST", f"identity/entity/id/{bob.entity}", renamed)
    told.append((await staff.room.last())["unmapped"].get("rewritten"))
    stranger = (await staff.root("POST", "identity/entity", {"name": "s"})).data["id"]
    both = {"from_entity_ids": [stranger], "to_entity_id": bob.entity}
    await ada.ask("POST", "identity/entity/merge", both)
    told.append((await staff.room.last())["unmapped"].get("rewritten"))

    assert told == [["alias"], ["entity_name"], ["aliases"]]


async def test_root_lets_the_last_administrator_enrol_which_is_an_alert(staff: Staff) -> None:
    bob = staff["bob"]
    await staff.loses("bob", "ada")
    path = f"strongroom/people/{bob.entity}/factors/code"
    child = await staff.room.token("all")
    assert (await staff.room.ask("POST", path, token=child)).status == 403
    given = await staff.root("POST", path)
    assert (await staff.room.last())["unmapped"]["alert"] == "enrolment_code_by_root"

    await staff.enter("bob")
    await bob.enrol_key(enrolment_code=given.data["enrolment_code"].lower())
    staff.room.clock.advance(MINUTE)
    await staff.sign_in("bob")
