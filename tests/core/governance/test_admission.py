"""A change that would break a control is warned of, refused, or let through by an exception."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.base.clock import rfc3339
from strongroom.core.governance.admission import JUDGES
from tests.core.governance.office import group, office, person
from tests.core.system.room import START, Answer, Room
from tests.core.system.test_groups import entity

WIDE = 'path "secret/prod/*" { capabilities = ["read"] }'
NARROW = 'path "secret/prod/db" { capabilities = ["read"] }'
LONG = {"idle": "2h", "longest": "12h"}
SHORT = {"idle": "10m", "longest": "12h"}
PAPERS = 'path "strongroom/exceptions*" { capabilities = ["create", "read", "update"] }'


@pytest.fixture
async def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    async with office(tmp_path, monkeypatch) as made:
        await made.policy("papers", PAPERS)
        yield made


async def mode(ours: Room, control: str, how: str, token: str | None = None) -> Answer:
    path = f"strongroom/admission/{control}"
    return await ours.ask("POST", path, {"mode": how}, token=token)


async def write(ours: Room, text: str, name: str = "wide") -> Answer:
    return await ours.ask("POST", f"sys/policies/acl/{name}", {"policy": text})


async def excepted(ours: Room, control: str, subject: str) -> None:
    """Put an exception in force for thirty days."""
    ada, asks = await person(ours, "asker", "papers")
    _, decides = await person(ours, "decider", "papers")
    given = {"control": control, "subject": subject, "reason": "the old billing needs it"}
    given |= {"compensating": ["it is watched"], "owner": ada}
    given |= {"expires_at": rfc3339(START + timedelta(days=30))}
    asked = await ours.ask("POST", "strongroom/exceptions", given, token=asks)
    path = f"strongroom/exceptions/proposals/{asked.data['id']}/approve"
    assert (await ours.ask("POST", path, {"revision": 1}, token=decides)).status == 200


class TestModes:
    async def test_nothing_is_judged_until_somebody_says_so(self, ours: Room) -> None:
        listed = await ours.ask("LIST", "strongroom/admission")

        assert {each["mode"] for each in listed.data["key_info"].values()} == {"off"}
        assert set(listed.data["keys"]) == set(JUDGES)
        assert (await write(ours, WIDE)).status == 204

    async def test_a_looser_one_takes_sudo_and_is_an_alert(self, ours: Room) -> None:
        text = 'path "strongroom/admission/*" { capabilities = ["update"] }'
        await ours.policy("clerk", text)
        made = await ours.token("clerk")
        await mode(ours, "T36", "refuse")

        refused = await mode(ours, "T36", "warn", made)
        stricter = await mode(ours, "T17", "refuse", made)
        done = await mode(ours, "T36", "off")

        assert (refused.status, stricter.status, done.status) == (403, 204, 204)
        assert (await ours.last())["unmapped"]["alert"] == "admission_loosened"

    @pytest.mark.parametrize(("control", "how"), [("T99", "warn"), ("T36", "maybe"), ("T36", "")])
    async def test_one_that_is_none_is_refused(self, ours: Room, control: str, how: str) -> None:
        assert (await mode(ours, control, how)).status in (400, 404)

    async def test_one_that_was_changed_in_the_database_refuses(self, ours: Room) -> None:
        await mode(ours, "T36", "warn")
        await ours.store(lambda tx: tx.run("UPDATE admission SET mode = 'off'", ()))

        assert (await write(ours, WIDE)).status == 400


class TestBroadPolicies:
    async def test_a_warning_is_in_the_reply_and_in_the_entry(self, ours: Room) -> None:
        await mode(ours, "T36", "warn")

        answer = await write(ours, WIDE)

        assert answer.body["warnings"][0].startswith("T36 would break: wide: secret/prod/* ")
        [noted] = (await ours.last())["unmapped"]["admission"]
        assert noted == {"control": "T36", "subject": "wide: secret/prod/*", "mode": "warn"}

    async def test_a_refused_one_is_not_written_and_says_how_to_go_on(self, ours: Room) -> None:
        await mode(ours, "T36", "refuse")

        answer = await write(ours, WIDE)

        assert answer.status == 400
        assert "strongroom/exceptions" in answer.errors[0]
        assert "control T36, 'wide: secret/prod/*'" in answer.errors[0]
        assert (await ours.ask("GET", "sys/policies/acl/wide")).status == 404
        entry = await ours.entries()
        [refused] = [e for e in entry if e["metadata"]["event_code"] == "policy.write"]
        assert refused["unmapped"]["admission"][0]["mode"] == "refuse"

    async def test_a_narrow_one_passes_without_a_word(self, ours: Room) -> None:
        await mode(ours, "T36", "refuse")

        assert (await write(ours, NARROW)).status == 204

    async def test_what_was_broad_before_is_not_broken_by_a_change_beside_it(
        self, ours: Room
    ) -> None:
        await write(ours, WIDE)
        await mode(ours, "T36", "refuse")

        assert (await write(ours, f"{WIDE}\n{NARROW}")).status == 204
        assert (await write(ours, WIDE.replace("prod/", ""))).status == 400

    async def test_an_exception_in_force_lets_it_through_until_its_end(self, ours: Room) -> None:
        await mode(ours, "T36", "refuse")
        await excepted(ours, "T36", "wide: secret/prod/*")

        covered = await write(ours, WIDE)
        other = await write(ours, WIDE, "other")
        await write(ours, NARROW)
        ours.clock.advance(timedelta(days=30))
        over = await write(ours, WIDE)

        assert (covered.status, other.status, over.status) == (200, 400, 400)
        assert "exception" in covered.body["warnings"][0]


class TestStandingReads:
    async def test_a_policy_of_people_that_opens_production_is_refused(self, ours: Room) -> None:
        ada, _ = await person(ours, "ada")
        await group(ours, "devs", policies=["reader"], member_entity_ids=[ada])
        await mode(ours, "T40", "refuse")

        answer = await write(ours, NARROW, "reader")
        unheld = await write(ours, NARROW, "nobodys")

        assert (answer.status, unheld.status) == (400, 204)
        assert f"Ada ({ada}) on production" in answer.errors[0]

    async def test_but_not_where_people_need_a_grant_anyhow(self, ours: Room) -> None:
        await person(ours, "ada", "reader")
        await ours.ask("POST", "strongroom/environments/production", {"people": "granted"})
        await mode(ours, "T40", "refuse")

        policy = await write(ours, NARROW, "reader")
        path = "strongroom/environments/production"
        standing = await ours.ask("POST", path, {"people": "standing"})

        assert (policy.status, standing.status) == (204, 400)


class TestOthers:
    async def test_an_environment_that_is_loosened_is_refused(self, ours: Room) -> None:
        await mode(ours, "T17", "refuse")
        path = "strongroom/environments/production"

        loosened = await ours.ask("POST", path, {"protected": False})
        dropped = await ours.ask("DELETE", path)
        tighter = await ours.ask("POST", path, {"open": False})

        assert (loosened.status, dropped.status, tighter.status) == (400, 400, 204)
        assert (await ours.ask("GET", path)).data["protected"]

    async def test_rules_of_fresh_factors_and_sessions_that_are_loosened_are_refused(
        self, ours: Room
    ) -> None:
        await mode(ours, "T16", "refuse")

        rule = await ours.ask("POST", "strongroom/step-up/rules/exports", {"enabled": False})
        limits = await ours.ask("POST", "strongroom/sessions/limits", LONG)
        shorter = await ours.ask("POST", "strongroom/sessions/limits", SHORT)

        assert (rule.status, limits.status, shorter.status) == (400, 400, 204)
        assert "step-up rule exports" in rule.errors[0]
        assert "session limits is loosened" in limits.errors[0]

    async def test_a_demand_for_factors_that_is_loosened_is_refused(self, ours: Room) -> None:
        await mode(ours, "T06", "refuse")

        assert (await ours.ask("DELETE", "strongroom/factors/rules/staff")).status == 400

    async def test_a_token_that_lives_too_long_is_not_made(self, ours: Room) -> None:
        await mode(ours, "T11", "refuse")
        await ours.ask("POST", "sys/auth/token/tune", {"max_lease_ttl": "9000h"})
        path = "auth/token/create"

        long = await ours.ask("POST", path, {"policies": ["default"], "ttl": "2000h"})
        period = await ours.ask("POST", path, {"policies": ["default"], "period": "2000h"})
        short = await ours.ask("POST", path, {"policies": ["default"], "ttl": "1h"})

        assert (long.status, period.status, short.status) == (400, 400, 200)

    async def test_no_token_makes_a_root_token(self, ours: Room) -> None:
        await mode(ours, "T12", "refuse")

        answer = await ours.ask("POST", "auth/token/create", {"policies": ["root"]})

        assert answer.status == 400
        assert "makes a root token" in answer.errors[0]

    async def test_reads_logins_and_writes_of_secrets_go_on(self, ours: Room) -> None:
        for control in JUDGES:
            assert (await mode(ours, control, "refuse")).status == 204

        _, token = await person(ours, "ada")

        assert (await ours.ask("POST", "secret/x", {"k": "v"})).status == 204
        assert (await ours.ask("GET", "secret/x")).status == 200
        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 200
        made = await entity(ours, "more")
        assert made
