"""Sessions of people, and what asks them for a fresh factor: on a running server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.core.runtime import Runtime
from tests.core.system.people import Person, options_of, person, validate
from tests.core.system.room import Answer, Room, room
from tests.servers import Database

MINUTE = timedelta(minutes=1)
ADMIN = 'path "*" { capabilities = ["create", "read", "update", "delete", "list"] }'
FRESH = "a fresh factor is needed here: show one at strongroom/step-up, then ask again"
KEY = f"{FRESH}; it must be a security key"


@pytest.fixture(params=["sqlite", "postgresql"])
async def r(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Room]:
    storage = ""
    if request.param == "postgresql":
        database: Database = request.getfixturevalue("postgresql_ready")
        storage = database.url
    async with room(tmp_path, storage=storage) as made:
        await made.policy("admin", ADMIN)
        yield made


@pytest.fixture
async def quick(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.policy("admin", ADMIN)
        yield made


async def administrator(r: Room, name: str = "ada", *, registered: bool = True) -> Person:
    """Give somebody who may do everything, has an app and a key, and showed none of late."""
    ada = await person(r, name, "admin")
    await ada.must_log_in()
    await ada.enrol_totp()
    r.clock.advance(timedelta(seconds=30))
    await ada.enrol_key(code=ada.code())
    if registered:
        about = {"name": name, "email": f"{name}@example.test", "worker": "employee"}
        made = await r.ask("POST", f"strongroom/people/{ada.entity}", about)
        assert made.status in (200, 204), made
    await log_in_again(ada)
    r.clock.advance(11 * MINUTE)
    return ada


async def two_administrators(r: Room) -> tuple[Person, Person]:
    ada = await administrator(r)
    await alive(ada)  # so that hers is not idle for too long
    return ada, await administrator(r, "bob")


async def log_in_again(who: Person) -> None:
    """Log in with what the login asks for."""
    answer = await who.log_in()
    if not answer.auth["client_token"]:
        shown = who.keys[-1].get(options_of(answer))
        answer = await validate(who.room, answer, webauthn=shown)
    assert answer.status == 200, answer
    who.token = answer.auth["client_token"]


async def opened(who: Person, surface: str = "console") -> Answer:
    answer = await who.ask("POST", "strongroom/sessions", {"surface": surface, "agent": "a test"})
    assert answer.status == 200, answer
    return answer


async def step_up(who: Person) -> Answer:
    return await who.ask("POST", "strongroom/step-up", await who.assertion())


async def alive(who: Person) -> bool:
    return (await who.ask("GET", "auth/token/lookup-self")).status == 200


# -- limits


async def test_a_session_that_nobody_uses_ends_after_its_idle_time(r: Room) -> None:
    ada = await administrator(r)
    await opened(ada)

    for _ in range(10):
        r.clock.advance(14 * MINUTE)
        assert await alive(ada)
    r.clock.advance(15 * MINUTE)

    assert not await alive(ada)


async def test_a_session_ends_however_much_it_is_used(quick: Room) -> None:
    ada = await administrator(quick)
    await log_in_again(ada)
    await opened(ada)

    for _ in range(12 * 6 - 1):
        quick.clock.advance(10 * MINUTE)
        assert await alive(ada)
    quick.clock.advance(10 * MINUTE)

    assert not await alive(ada)


async def test_use_is_remembered_across_a_restart_but_for_the_last_minute(tmp_path: Path) -> None:
    async with room(tmp_path) as first:
        await first.policy("admin", ADMIN)
        ada = await administrator(first)
        await opened(ada)
        first.clock.advance(14 * MINUTE)
        assert await alive(ada)
        now, keys = first.clock.now(), first.keys
    async with room(tmp_path, initialized=False) as again:
        again.clock.advance_to(now + 14 * MINUTE)
        await again.ask("POST", "sys/unseal", {"key": keys[0]}, token="")
        ada.room = again

        assert await alive(ada)
        again.clock.advance(15 * MINUTE)
        assert not await alive(ada)


async def test_a_token_that_is_no_session_and_no_persons_has_no_idle_time(quick: Room) -> None:
    ada = await administrator(quick, registered=False)

    quick.clock.advance(timedelta(hours=20))

    assert await alive(ada)


async def test_a_session_that_is_over_is_revoked_with_all_below_it_on_record(r: Room) -> None:
    ada = await administrator(r)
    id_ = (await opened(ada)).data["id"]
    child = await ada.ask("POST", "auth/token/create", {"ttl": "20h"})
    assert child.status == 200, child
    below = child.auth["client_token"]
    r.clock.advance(16 * MINUTE)

    await Runtime(server=r.server).expire()

    entry = (await r.last())["unmapped"]
    assert entry["sessions"] == [id_]
    assert (await r.ask("GET", "auth/token/lookup-self", token=below)).status == 403
    assert await Runtime(server=r.server).expire() == 0


async def test_limits_are_set_by_who_has_sudo_and_hold_for_what_is_opened_then(
    quick: Room,
) -> None:
    ada = await administrator(quick)
    limits = {"idle": "5m", "longest": "1h"}

    assert (await ada.ask("POST", "strongroom/sessions/limits", limits)).status == 403
    assert (await quick.ask("POST", "strongroom/sessions/limits", limits)).status == 204
    await opened(ada)
    quick.clock.advance(5 * MINUTE)

    assert not await alive(ada)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"idle": "30s", "longest": "1h"}, "idle"),
        ({"idle": "5m", "longest": "25h"}, "longest"),
        ({"idle": "soon", "longest": "1h"}, "idle"),
    ],
)
async def test_limits_that_make_no_sense_are_refused_by_name(
    quick: Room, given: dict[str, str], field: str
) -> None:
    got = await quick.ask("POST", "strongroom/sessions/limits", given)

    assert got.status == 400
    assert field in got.errors[0]


# -- listing and ending


async def test_a_person_sees_and_ends_their_own_sessions_and_no_others(r: Room) -> None:
    ada, bob = await two_administrators(r)
    mine = (await opened(ada)).data["id"]
    first, ada.token = ada.token, ""
    await log_in_again(ada)
    other = (await opened(ada, "cli")).data["id"]
    theirs = (await opened(bob)).data["id"]

    listed = (await ada.ask("LIST", "strongroom/sessions")).data

    assert {mine, other} <= set(listed["keys"])
    assert theirs not in listed["keys"]
    assert listed["key_info"][other]["current"]
    assert listed["key_info"][other]["address"] == "127.0.0.1"
    assert "hvs." not in str(listed)
    assert (await ada.ask("DELETE", f"strongroom/sessions/id/{theirs}")).status == 404
    assert (await ada.ask("DELETE", f"strongroom/sessions/id/{mine}")).status == 204
    assert (await r.ask("GET", "auth/token/lookup-self", token=first)).status == 403
    assert await alive(bob)


async def test_an_administrator_ends_somebodys_session(quick: Room) -> None:
    ada, bob = await two_administrators(quick)
    theirs = (await opened(bob)).data["id"]
    path = f"strongroom/people/{bob.entity}/sessions"

    assert theirs in (await ada.ask("LIST", path)).data["keys"]
    assert (await ada.ask("DELETE", f"{path}/{theirs}")).status == 204

    assert not await alive(bob)


async def test_a_session_can_be_shortened_and_never_lengthened_by_opening_it_anew(
    quick: Room,
) -> None:
    ada = await administrator(quick)
    first = (await opened(ada)).data
    quick.clock.advance(10 * MINUTE)

    again = (await opened(ada)).data

    assert (again["id"], again["end_time"]) == (first["id"], first["end_time"])


async def test_a_token_of_nobody_can_be_a_session_and_a_batch_token_cannot(quick: Room) -> None:
    batch = await quick.token("admin", type="batch")
    body = {"surface": "cli"}

    assert (await quick.ask("POST", "strongroom/sessions", body)).status == 200
    assert (await quick.ask("POST", "strongroom/sessions", body, token=batch)).status == 400
    assert (await quick.ask("POST", "strongroom/sessions", {"surface": "x"})).status == 400
    assert (await quick.ask("POST", "strongroom/sessions", body, token="")).status == 403
    quick.clock.advance(15 * MINUTE)
    assert (await quick.ask("GET", "sys/mounts")).status == 403


# -- step-up

POLICY = {"policy": 'path "x" { capabilities = ["read"] }'}


async def test_a_change_of_policy_needs_a_fresh_factor(r: Room) -> None:
    ada = await administrator(r)

    refused = await ada.ask("PUT", "sys/policies/acl/mine", POLICY)

    assert (refused.status, refused.errors) == (403, [KEY])
    assert (await r.last())["unmapped"]["guardrail"] == "step-up:policies"
    shown = await step_up(ada)
    assert (shown.status, shown.data["factors"]) == (200, ["webauthn"])
    assert (await ada.ask("PUT", "sys/policies/acl/mine", POLICY)).status == 204
    r.clock.advance(10 * MINUTE)
    assert (await ada.ask("PUT", "sys/policies/acl/mine", POLICY)).status == 204
    r.clock.advance(timedelta(seconds=1))
    assert (await ada.ask("PUT", "sys/policies/acl/mine", POLICY)).status == 403


async def test_an_approval_needs_a_fresh_factor(quick: Room) -> None:
    ada, bob = await two_administrators(quick)
    asked = {"kind": "person", "entity_name": "mei", "name": "Mei", "reason": "joins"}
    made = await bob.ask("POST", "strongroom/registrations", asked)
    path = f"strongroom/registrations/{made.data['id']}/approve"
    decision = {"revision": 1, "because": "known"}

    refused = await ada.ask("POST", path, decision)

    assert (refused.status, refused.errors) == (403, [KEY])
    await step_up(ada)
    assert (await ada.ask("POST", path, decision)).status == 200


async def test_a_factor_freshens_the_session_that_showed_it_alone(quick: Room) -> None:
    ada = await administrator(quick)
    first = ada.token
    await log_in_again(ada)
    assert (await step_up(ada)).status == 200

    ada.token = first

    assert (await ada.ask("PUT", "sys/policies/acl/mine", POLICY)).status == 403


async def test_a_child_of_a_fresh_session_is_not_fresh(quick: Room) -> None:
    ada = await administrator(quick)
    await step_up(ada)
    child = await ada.ask("POST", "auth/token/create", {})

    ada.token = child.auth["client_token"]

    assert (await ada.ask("PUT", "sys/policies/acl/mine", POLICY)).status == 403


@pytest.mark.parametrize("given", [{"code": "000000"}, {}, {"code": ""}, {"challenge_id": "x"}])
async def test_what_is_no_factor_freshens_nothing(quick: Room, given: dict[str, str]) -> None:
    ada = await administrator(quick)

    got = await ada.ask("POST", "strongroom/step-up", given)

    assert got.status in (400, 403)
    assert (await ada.ask("PUT", "sys/policies/acl/mine", POLICY)).status == 403


async def test_one_code_freshens_one_session_of_two_that_show_it_at_once(quick: Room) -> None:
    ada = await administrator(quick)
    first = ada.token
    await log_in_again(ada)
    shown = {"code": ada.code()}

    answers = await asyncio.gather(
        quick.ask("POST", "strongroom/step-up", shown, token=first),
        quick.ask("POST", "strongroom/step-up", shown, token=ada.token),
    )

    assert sorted(each.status for each in answers) == [200, 403]


async def test_values_of_production_are_revealed_to_people_after_a_factor_only(r: Room) -> None:
    await r.mount("secret/", "kv", version="2")
    await r.ask("POST", "secret/data/production/db", {"data": {"password": "x"}})
    await r.ask("POST", "secret/data/staging/db", {"data": {"password": "x"}})
    for name in ("production", "staging"):
        given = {"paths": [f"secret/+/{name}/*"]}
        await r.ask("POST", f"strongroom/environments/{name}", given)
    ada, service = await administrator(r), await r.token("admin")

    assert (await ada.ask("GET", "secret/data/staging/db")).status == 200
    refused = await ada.ask("GET", "secret/data/production/db")
    assert (refused.status, refused.errors) == (403, [FRESH])
    assert (await r.ask("GET", "secret/data/production/db", token=service)).status == 200
    await step_up(ada)
    assert (await ada.ask("GET", "secret/data/production/db")).status == 200
    r.clock.advance(11 * MINUTE)
    assert (await ada.ask("GET", "secret/data/production/db")).status == 403  # no way round it


async def test_whoever_opened_a_session_steps_up_registered_or_not(quick: Room) -> None:
    ada = await administrator(quick, registered=False)
    assert (await ada.ask("PUT", "sys/policies/acl/mine", POLICY)).status == 204

    await opened(ada)

    assert (await ada.ask("PUT", "sys/policies/acl/mine", POLICY)).status == 403


# -- rules


async def test_rules_are_listed_written_and_deleted(r: Room) -> None:
    rule = {"paths": ["secret/data/payroll/*"], "within": "2m", "kinds": ["webauthn"]}

    assert (await r.ask("POST", "strongroom/step-up/rules/payroll", rule)).status == 204

    listed = (await r.ask("LIST", "strongroom/step-up/rules")).data
    assert {"approvals", "exports", "factors", "payroll", "policies"} <= set(listed["keys"])
    assert listed["key_info"]["policies"]["built_in"]
    shown = (await r.ask("GET", "strongroom/step-up/rules/payroll")).data
    assert (shown["paths"], shown["kinds"]) == (rule["paths"], ["webauthn"])
    assert (await r.ask("DELETE", "strongroom/step-up/rules/payroll")).status == 204
    assert (await r.ask("GET", "strongroom/step-up/rules/payroll")).status == 404


async def test_to_loosen_a_rule_needs_sudo(quick: Room) -> None:
    rule, path = {"enabled": False}, "strongroom/step-up/rules/policies"
    token = await quick.token("admin")  # without sudo

    assert (await quick.ask("POST", path, rule, token=token)).status == 403
    assert (await quick.ask("POST", path, {"within": "9m"}, token=token)).status == 204
    assert (await quick.ask("POST", path, {"within": "30m"}, token=token)).status == 403
    assert (await quick.ask("DELETE", path, token=token)).status == 403
    assert (await quick.ask("POST", path, rule)).status == 204
    assert (await quick.last())["unmapped"]["loosened"] is True


async def test_a_new_rule_holds_for_the_next_request(quick: Room) -> None:
    await quick.mount("secret/", "kv", version="2")
    await quick.ask("POST", "secret/data/payroll/x", {"data": {"a": 1}})
    ada = await administrator(quick)
    assert (await ada.ask("GET", "secret/data/payroll/x")).status == 200

    await quick.ask(
        "POST", "strongroom/step-up/rules/payroll", {"paths": ["secret/data/payroll/*"]}
    )

    assert (await ada.ask("GET", "secret/data/payroll/x")).status == 403


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({}, "paths"),
        ({"paths": ["a/+*"]}, "paths"),
        ({"paths": ["x"], "within": "9h"}, "within"),
        ({"paths": ["x"], "operations": ["fly"]}, "operations"),
        ({"paths": ["x"], "kinds": ["sms"]}, "kinds"),
        ({"paths": ["x"] * 257}, "paths"),
    ],
)
async def test_a_rule_that_cannot_be_is_refused_by_name(
    quick: Room, rule: dict[str, object], field: str
) -> None:
    got = await quick.ask("POST", "strongroom/step-up/rules/r", rule)

    assert got.status == 400
    assert field in got.errors[0]
