"""Whoever stole a token gets round no rule of what asks for a fresh factor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.core.system.people import Person, person
from tests.core.system.room import Answer, Room, room
from tests.core.system.test_sign_ins import ADMIN, KEY, administrator, log_in_again, step_up

SUDO = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
POLICY = {"policy": 'path "secret/*" { capabilities = ["read"] }'}
RULES = "strongroom/step-up/rules"
OWN = f"{RULES}/own"
LIMITS = "session_limits_loosened"
LONG = {"idle": "8h", "longest": "24h"}
FACTOR_RULE = "strongroom/factors/rules/keys"
KEYS = {"policies": ["a"], "kinds": ["webauthn"]}


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.policy("admin", SUDO)
        await made.policy("plain", ADMIN)
        yield made


async def details(r: Room) -> dict[str, Any]:
    return dict((await r.last())["unmapped"])


class TestTheRulesThemselves:
    async def test_are_changed_by_whoever_shows_a_key(self, r: Room) -> None:
        ada = await administrator(r)

        for method, path, given in (
            *(
                ("POST", f"{RULES}/{name}", {"enabled": False})
                for name in ("policies", "factors", "reveals", "approvals", "exports", "rules")
            ),
            ("DELETE", f"{RULES}/policies", None),
            ("POST", OWN, {"paths": ["secret/*"]}),
            ("POST", "strongroom/sessions/limits", LONG),
            ("POST", FACTOR_RULE, KEYS),
        ):
            refused = await ada.ask(method, path, given)
            assert (refused.status, refused.errors) == (403, [KEY]), path
            assert (await details(r))["guardrail"] == "step-up:rules"

    async def test_are_guarded_still_where_all_others_are_off(self, r: Room) -> None:
        ada = await administrator(r)
        for name in ("policies", "factors", "reveals", "approvals", "exports"):
            assert (await r.ask("POST", f"{RULES}/{name}", {"enabled": False})).status == 204

        assert (await ada.ask("PUT", "sys/policies/acl/mine", POLICY)).status == 204
        assert (await ada.ask("POST", f"{RULES}/policies", {"enabled": True})).status == 403
        assert (await ada.ask("POST", "strongroom/sessions/limits", LONG)).status == 403

    async def test_have_one_that_nobody_changes(self, r: Room) -> None:
        for given in ({"enabled": False}, {"within": "8h"}, {"paths": ["x"]}):
            for method in ("POST", "DELETE"):
                got = await r.ask(method, f"{RULES}/rules", given)
                assert (got.status, got.errors[0].split(":")[0]) == (400, "name")

        assert (await r.ask("GET", f"{RULES}/rules")).data["enabled"]

    async def test_of_ones_own_hold_for_rules_and_sessions_too(self, r: Room) -> None:
        ada = await administrator(r)
        own = {"paths": ["strongroom/sessions/limits", "strongroom/step-up/rules"]}

        assert (await r.ask("POST", f"{RULES}/own", own)).status == 204

        assert (await ada.ask("GET", "strongroom/sessions/limits")).status == 403
        assert (await ada.ask("LIST", "strongroom/step-up/rules")).status == 403
        assert (await ada.ask("LIST", "strongroom/sessions")).status == 200

    async def test_are_written_by_root_and_workloads_where_nobody_can_step_up(
        self, r: Room
    ) -> None:
        assert (await r.ask("POST", "strongroom/sessions/limits", LONG)).status == 204
        assert (await r.ask("POST", f"{RULES}/reveals", {"enabled": False})).status == 204

    async def test_that_ask_for_less_than_before_are_an_alert(self, r: Room) -> None:
        for path, given, alert in (
            (f"{RULES}/policies", {"enabled": False}, "step_up_loosened"),
            (f"{RULES}/policies", {"within": "1h"}, "step_up_loosened"),
            (f"{RULES}/policies", {"kinds": []}, "step_up_loosened"),
            (f"{RULES}/policies", {"paths": ["sys/policy/*"]}, "step_up_loosened"),
            (f"{RULES}/exports", {"apart": ["strongroom/evidence/*"]}, "step_up_loosened"),
            (f"{RULES}/policies", {"within": "5m"}, None),
            ("strongroom/sessions/limits", {"idle": "1h", "longest": "12h"}, LIMITS),
            ("strongroom/sessions/limits", {"idle": "15m", "longest": "13h"}, LIMITS),
            ("strongroom/sessions/limits", {"idle": "5m", "longest": "1h"}, None),
            ("strongroom/sessions/limits", {"idle": "5m", "longest": "1h", "bound": "off"}, LIMITS),
            (FACTOR_RULE, {"kinds": ["totp", "webauthn"]}, "factor_rule_loosened"),
            (FACTOR_RULE, {"policies": ["b"]}, "factor_rule_loosened"),
            (FACTOR_RULE, {"provider_factors": True}, "factor_rule_loosened"),
            (FACTOR_RULE, {"policies": ["a", "b"]}, None),
        ):
            if path == FACTOR_RULE:
                await r.ask("DELETE", path)
                await r.ask("POST", path, {**KEYS, "provider_factors": False})
            elif path == "strongroom/sessions/limits":
                await r.ask("POST", path, {"idle": "15m", "longest": "12h"})
            else:
                await r.ask("DELETE", path)
            assert (await r.ask("POST", path, given)).status == 204
            last = await r.last()
            assert last["unmapped"].get("alert") == alert, given
            assert last["severity_id"] == (4 if alert else 1)

    async def test_that_are_deleted_are_an_alert(self, r: Room) -> None:
        await r.ask("POST", FACTOR_RULE, KEYS)
        await r.ask("POST", f"{RULES}/own", {"paths": ["x"]})

        for path, alert in ((FACTOR_RULE, "factor_rule_loosened"), (OWN, "step_up_loosened")):
            assert (await r.ask("DELETE", path)).status == 204
            assert (await details(r))["alert"] == alert


class TestAFactorThatTheThiefEnrols:
    async def test_freshens_nothing_until_a_login(self, r: Room) -> None:
        eve = await holder_without_factors(r)
        await eve.enrol_totp()
        r.clock.advance(timedelta(seconds=30))

        got = await eve.ask("POST", "strongroom/step-up", {"code": eve.code()})

        assert got.status == 403
        assert "log in again" in got.errors[0]
        assert (await eve.ask("PUT", "sys/policies/acl/mine", POLICY)).status == 403

    async def test_freshens_no_token_that_was_made_after_it_with_the_stolen_one(
        self, r: Room
    ) -> None:
        eve = await holder_without_factors(r)
        await eve.enrol_totp()
        r.clock.advance(timedelta(seconds=30))
        eve.token = (await eve.ask("POST", "auth/token/create", {})).auth["client_token"]

        got = await eve.ask("POST", "strongroom/step-up", {"code": eve.code()})

        assert (got.status, "log in again" in got.errors[0]) == (403, True)

    async def test_vouches_for_no_other(self, r: Room) -> None:
        eve = await holder_without_factors(r)
        await eve.enrol_totp()
        r.clock.advance(timedelta(seconds=30))
        await eve.enrol_key(code=eve.code())

        got = await eve.ask("POST", "strongroom/step-up", await eve.assertion())

        assert (got.status, "log in again" in got.errors[0]) == (403, True)

    async def test_counts_once_its_owner_has_logged_in(self, r: Room) -> None:
        eve = await holder_without_factors(r)
        await eve.enrol_key()
        r.clock.advance(timedelta(seconds=1))
        await log_in_again(eve)

        assert (await step_up(eve)).status == 200

    async def test_counts_at_once_where_it_took_one_that_counts(self, r: Room) -> None:
        ada = await administrator(r)
        await ada.enrol_key(**await ada.assertion())

        assert (await step_up(ada)).status == 200


class TestWhatDecidesWhatOthersMayDo:
    async def test_takes_a_key(self, r: Room) -> None:
        ada = await administrator(r)

        for method, path, given in (
            ("POST", "identity/group", {"name": "g", "policies": ["admin"]}),
            ("POST", "identity/entity", {"name": "e", "policies": ["admin"]}),
            ("DELETE", "identity/entity/name/e", None),
            ("POST", "identity/entity/batch-delete", {"entity_ids": ["e"]}),
            ("POST", "identity/entity/merge", {"from_entity_ids": ["a"], "to_entity_id": "b"}),
            ("POST", "identity/entity-alias", {"name": "e", "mount_accessor": "x"}),
            ("POST", "auth/up/users/eve", {"password": "x", "token_policies": ["admin"]}),
            ("POST", "auth/up/users/ada/password", {"password": "x"}),
            ("POST", "auth/ci/role/r", {"token_policies": ["admin"]}),
            ("POST", "auth/ci/role/r/secret-id", {}),
            ("POST", "auth/token/roles/r", {"allowed_policies": ["admin"], "orphan": True}),
            ("POST", "sys/auth/other", {"type": "userpass"}),
            ("POST", "sys/auth/up/tune", {"default_lease_ttl": "1h"}),
            ("POST", "strongroom/people/e", {"name": "Eve"}),
            ("POST", "strongroom/people/e/leave", {}),
            ("POST", "strongroom/workloads/e/decommission", {}),
            ("POST", "strongroom/identity/settings", {"registration": "open"}),
            ("POST", "strongroom/scim/config", {}),
            ("POST", "strongroom/scim/v2/Users", {}),
            ("POST", "sys/rotate", {}),
            ("POST", "sys/rotate/root/init", {}),
        ):
            refused = await ada.ask(method, path, given)
            assert (refused.status, refused.errors) == (403, [KEY]), path

    async def test_is_not_ones_own_token_session_or_factor(self, r: Room) -> None:
        ada = await administrator(r)

        for method, path, given in (
            ("POST", "auth/token/create", {}),
            ("GET", "auth/token/lookup-self", None),
            ("POST", "auth/token/renew-self", {}),
            ("POST", "identity/lookup/entity", {"name": "nobody"}),
            ("LIST", "identity/entity/id", None),
            ("POST", "strongroom/factors/challenge", {}),
        ):
            assert (await ada.ask(method, path, given)).status in (200, 204, 404), path

    async def test_takes_no_code_for_a_key(self, r: Room) -> None:
        ada = await administrator(r)
        shown = await ada.ask("POST", "strongroom/step-up", {"code": ada.code()})
        assert shown.status == 200, shown

        refused = await ada.ask("POST", "identity/group", {"name": "g", "policies": ["admin"]})

        assert (refused.status, refused.errors) == (403, [KEY])

    async def test_takes_a_key_of_whoever_brings_a_token_where_none_is_asked(self, r: Room) -> None:
        ada = await administrator(r)

        refused = await ada.ask("PUT", "sys/generate-root/attempt", {})
        newer = await ada.ask("PUT", "sys/generate-root-token/attempt", {})
        alone = await r.ask("PUT", "sys/generate-root/attempt", {}, token="")

        assert (refused.status, refused.errors) == (403, [KEY])
        assert (newer.status, newer.errors) == (403, [KEY])
        assert alone.status == 200


class TestPoliciesThatAskForAFactor:
    async def test_are_of_no_workload(self, r: Room) -> None:
        await r.ask("POST", FACTOR_RULE, KEYS)
        await r.ask("POST", "sys/auth/ci", {"type": "approle"})
        answers = [await approle(r, name) for name in ("a", "other")]

        assert [each.status for each in answers] == [400, 200]
        told = [entry for entry in await r.entries() if "no person's login" in str(entry)]
        assert len(told) == 1

    async def test_are_not_served_to_a_login_from_before(self, r: Room) -> None:
        await r.policy("a", SUDO)
        await r.ask("POST", FACTOR_RULE, KEYS)
        zed = await person(r, "zed", "plain")
        await zed.must_log_in()
        assert (await zed.ask("GET", "sys/policies/acl/plain")).status == 200

        await r.ask("POST", f"identity/entity/id/{zed.entity}", {"policies": ["a"]})

        for method, path in (
            ("GET", "sys/policies/acl/plain"),
            ("POST", "auth/token/renew-self"),
            ("POST", "auth/token/create"),
        ):
            refused = await zed.ask(method, path, {} if method == "POST" else None)
            assert refused.status == 403
            assert "log in again" in refused.errors[0]
        assert (await zed.ask("GET", "auth/token/lookup-self")).status == 200
        await r.ask("POST", f"identity/entity/id/{zed.entity}", {"policies": []})
        assert (await zed.ask("GET", "sys/policies/acl/plain")).status == 200

    async def test_come_by_a_group_or_a_new_rule_as_well(self, r: Room) -> None:
        zed = await person(r, "zed", "plain")
        await zed.must_log_in()
        group = {"name": "staff", "member_entity_ids": [zed.entity]}
        await r.ask("POST", "identity/group", group)
        assert (await zed.ask("GET", "sys/policies/acl/plain")).status == 200

        await r.ask("POST", FACTOR_RULE, {"groups": ["staff"], "kinds": ["webauthn"]})

        assert (await zed.ask("GET", "sys/policies/acl/plain")).status == 403

    async def test_are_served_where_the_login_showed_what_they_ask(self, r: Room) -> None:
        ada = await administrator(r)
        await step_up(ada)
        child = await ada.ask("POST", "auth/token/create", {})

        await r.ask("POST", FACTOR_RULE, {"policies": ["admin"], "kinds": ["webauthn"]})

        assert (await ada.ask("GET", "sys/policies/acl/plain")).status == 200
        ada.token = child.auth["client_token"]
        assert (await ada.ask("GET", "sys/policies/acl/plain")).status == 200

    async def test_leave_root_and_tokens_of_nobody_as_they_are(self, r: Room) -> None:
        await r.ask("POST", FACTOR_RULE, {"policies": ["admin", "root"], "kinds": ["webauthn"]})

        assert (await r.ask("GET", "sys/policies/acl/plain")).status == 200
        token = await r.token("admin")
        assert (await r.ask("GET", "sys/policies/acl/plain", token=token)).status == 200


async def holder_without_factors(r: Room) -> Person:
    """Give a registered person's token from a login that showed no factor, some time ago."""
    eve = await person(r, "eve", "admin")
    await eve.must_log_in()
    about = {"name": "Eve", "email": "eve@example.test", "worker": "employee"}
    assert (await r.ask("POST", f"strongroom/people/{eve.entity}", about)).status == 204
    r.clock.advance(timedelta(minutes=1))
    return eve


async def approle(r: Room, policy: str) -> Answer:
    role = f"auth/ci/role/{policy}"
    assert (await r.ask("POST", role, {"token_policies": [policy]})).status == 204
    id_ = (await r.ask("GET", f"{role}/role-id")).data["role_id"]
    secret = (await r.ask("POST", f"{role}/secret-id", {})).data["secret_id"]
    given = {"role_id": id_, "secret_id": secret}
    return await r.ask("POST", "auth/ci/login", given, token="")
