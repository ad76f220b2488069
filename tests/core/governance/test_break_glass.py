"""Break-glass: opened alone, told to others, over by itself, and answered for; on a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.base.clock import rfc3339
from strongroom.core.governance.duties import see_to_cases
from strongroom.core.rotation_due import Following, resolve_due
from tests.core.governance.emergencies import (
    DRILL,
    HOUR,
    MINUTE,
    asks,
    firm,
    fresh,
    group,
    member,
    needed,
    opens,
    shown,
    step_up,
)
from tests.core.system.people import Person
from tests.core.system.room import START, Room
from tests.core.system.test_sign_ins import KEY
from tests.servers import Database

JUST = {"verdict": "justified", "words": "the database was down"}


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    async with firm(tmp_path) as made:
        yield made


async def reads(who: Person, path: str = "secret/prod/db") -> int:
    return (await who.ask("GET", path)).status


async def details(r: Room, code: str) -> dict[str, Any]:
    found = [e for e in await r.entries() if e["metadata"].get("event_code") == code]
    return dict([e for e in found if e["status_id"] == 1][-1]["unmapped"])


async def later(r: Room, by: timedelta) -> None:
    """Move the clock, and let what goes by it be done."""
    r.clock.advance(by)
    await see_to_cases(r.server)


class TestOpening:
    async def test_gives_at_once_and_tells_everybody_who_could_have_approved(self, r: Room) -> None:
        ann, bob = await member(r, "ann"), await member(r, "bob")
        assert await reads(ann) == 403

        case = await opens(ann)

        assert case["told"] == [bob.entity]
        assert (case["state"], case["left"], case["problem"]) == ("open", 3600, "")
        assert await reads(ann) == 200
        assert await reads(bob) == 403
        opened = await details(r, "break_glass.open")
        assert opened["alert"] == "break_glass_opened"
        assert opened["notified"] == [bob.entity]
        assert (opened["factors"], opened["holder"]) == (["webauthn"], ann.entity)
        served = next(
            e["unmapped"]
            for e in reversed(await r.entries())
            if e["metadata"].get("event_code") == "secret.read" and e["status_id"] == 1
        )
        assert served["rules"] == [f"grant/{case['grant']}#secret/prod/db"]
        inbox = await bob.ask("LIST", "strongroom/notices")
        [notice] = inbox.data["key_info"].values()
        assert "the database is down" in notice["text"]
        assert (notice["about"], inbox.data["unread"]) == (case["id"], 1)

    async def test_ends_by_the_clock(self, r: Room) -> None:
        ann = await member(r, "ann")
        case = await opens(ann)
        assert "nobody" in case["problem"]

        r.clock.advance(HOUR)
        await fresh(ann)

        assert await reads(ann) == 403
        assert (await shown(r, case["id"]))["state"] == "ended"

    async def test_takes_a_fresh_key_whatever_rules_of_step_up_say(self, r: Room) -> None:
        ann = await member(r, "ann")
        for name in ("policies", "approvals", "factors", "exports"):
            await r.ask("POST", f"strongroom/step-up/rules/{name}", {"enabled": False})
        off = await r.ask("POST", "strongroom/step-up/rules/break-glass", {"enabled": False})
        r.clock.advance(11 * MINUTE)

        refused = await ann.ask("POST", "strongroom/break-glass", needed())

        assert off.status == 400
        assert (refused.status, refused.errors) == (403, [KEY])
        assert (await step_up(ann)).status in (200, 204)
        await opens(ann)

    @pytest.mark.parametrize(
        ("given", "status"),
        [
            pytest.param({"reason": ""}, 400, id="no reason"),
            pytest.param({"reason": "\u200b . ."}, 400, id="a reason that says nothing"),
            pytest.param({"paths": []}, 400, id="of nothing"),
            pytest.param({"paths": ["secret/*"]}, 403, id="more than the rule is for"),
            pytest.param({"paths": ["secret/dev/x"]}, 403, id="elsewhere"),
            pytest.param({"paths": ["secret/prod/db", "secret/dev/x"]}, 403, id="partly elsewhere"),
            pytest.param({"paths": ["secret/prod/+/../x"]}, 400, id="no path"),
            pytest.param({"paths": ["sys/policies/acl/x"]}, 400, id="administration"),
            pytest.param({"paths": ["strongroom/break-glass-rules/x"]}, 400, id="its own rules"),
            pytest.param({"capabilities": ["sudo"]}, 400, id="sudo"),
            pytest.param({"groups": ["nobody"], "paths": []}, 400, id="no group"),
            pytest.param({"rule": "other"}, 403, id="no rule"),
            pytest.param({"drill": True}, 400, id="a drill of a secret"),
        ],
    )
    async def test_is_refused(self, r: Room, given: dict[str, Any], status: int) -> None:
        ann = await member(r, "ann")

        answer = await ann.ask("POST", "strongroom/break-glass", needed(**given))

        assert answer.status == status, answer
        assert await reads(ann) == 403

    async def test_is_for_people_of_the_groups_of_the_rule(self, r: Room) -> None:
        ann, bob = await member(r, "ann"), await member(r, "bob")
        await group(r, "on-call", member_entity_ids=[bob.entity])
        path = "strongroom/break-glass-rules/on-call"
        assert (await r.ask("POST", path, {"groups": ["on-call"]})).status == 204

        refused = await ann.ask("POST", "strongroom/break-glass", needed())

        assert refused.status == 403
        await opens(bob)
        assert (await r.ask("POST", "strongroom/break-glass", needed())).status == 403  # root

    async def test_lasts_no_longer_than_the_rule_says(self, r: Room) -> None:
        ann = await member(r, "ann")

        long, short = await opens(ann, ttl="4h"), await opens(ann, ttl="5m")

        assert (long["left"], short["left"]) == (3600, 300)

    async def test_the_rights_of_a_group_are_asked_for_where_all_of_them_are_covered(
        self, r: Room
    ) -> None:
        ann = await member(r, "ann")
        await r.policy("prod", 'path "secret/prod/*" { capabilities = ["read"] }')
        await r.policy("wide", 'path "secret/*" { capabilities = ["read"] }')
        await group(r, "prod-readers", policies=["prod"])
        await group(r, "all-readers", policies=["wide"])

        refused = await ann.ask(
            "POST", "strongroom/break-glass", needed(paths=[], groups=["all-readers"])
        )
        await opens(ann, paths=[], groups=["prod-readers"])

        assert refused.status == 403
        assert await reads(ann) == 200


class TestRules:
    @pytest.mark.parametrize(
        "given",
        [
            {"longest": "5h"},
            {"longest": "0s"},
            {"in_all": "9h"},
            {"in_all": "30m"},
            {"environments": [], "drill_path": ""},
            {"environments": ["nowhere"]},
            {"groups": ["nobody"]},
            {"drill_path": "secret/*"},
            {"drill_path": "sys/policies/acl/x"},
            {"close_within": "30d"},
        ],
        ids=str,
    )
    async def test_are_refused(self, r: Room, given: dict[str, Any]) -> None:
        answer = await r.ask("POST", "strongroom/break-glass-rules/on-call", given)

        assert answer.status == 400, answer

    async def test_that_let_more_are_an_alert(self, r: Room) -> None:
        path = "strongroom/break-glass-rules/on-call"
        for given, alert in (
            ({"longest": "30m"}, None),
            ({"longest": "31m"}, "break_glass_rule_loosened"),
            ({"blocks": False}, "break_glass_rule_loosened"),
            ({"blocks": True}, None),
            ({"paths": ["secret/more/*"]}, "break_glass_rule_loosened"),
        ):
            assert (await r.ask("POST", path, given)).status == 204
            assert (await r.last())["unmapped"].get("alert") == alert, given

    async def test_without_one_nobody_can(self, r: Room) -> None:
        ann = await member(r, "ann")
        assert (await r.ask("DELETE", "strongroom/break-glass-rules/on-call")).status == 204

        assert (await ann.ask("POST", "strongroom/break-glass", needed())).status == 403


class TestMoreTime:
    async def test_is_anothers_to_give_and_bounded(self, r: Room) -> None:
        ann, bob = await member(r, "ann"), await member(r, "bob")
        case = await opens(ann)
        given = {"ttl": "2h", "because": "not mended yet"}

        own = await asks(ann, case["id"], "extend", **given)
        assert own.status == 403
        first = await asks(bob, case["id"], "extend", **given)
        second = await asks(bob, case["id"], "extend", **given)
        third = await asks(bob, case["id"], "extend", **given)

        assert (first.status, second.status, third.status) == (200, 200, 400)
        assert second.data["ends_at"] == rfc3339(START + 4 * HOUR)
        assert [each["by"] for each in second.data["extensions"]] == [bob.entity] * 2
        r.clock.advance(3 * HOUR)
        await fresh(ann)
        assert await reads(ann) == 200
        r.clock.advance(HOUR)
        await fresh(ann)
        assert await reads(ann) == 403

    async def test_is_not_given_to_what_is_over(self, r: Room) -> None:
        ann, bob = await member(r, "ann"), await member(r, "bob")
        case = await opens(ann)
        ended = await ann.ask("POST", f"strongroom/grants/self/{case['grant']}/end", {})
        assert ended.status == 204

        refused = await asks(bob, case["id"], "extend", ttl="1h", because="more")

        assert refused.status == 400
        assert await reads(ann) == 403


class TestClosing:
    async def test_ends_it_and_asks_what_was_done(self, r: Room) -> None:
        ann, _ = await member(r, "ann"), await member(r, "bob")
        case = await opens(ann)

        empty = await asks(ann, case["id"], "close", done=" . ")
        closed = await asks(ann, case["id"], "close", done="restarted it")
        again = await asks(ann, case["id"], "close", done="restarted it")

        assert (empty.status, closed.status, again.status) == (400, 200, 400)
        assert closed.data["state"] == "closed"
        assert await reads(ann) == 403

    async def test_is_reminded_of_and_an_alert_where_nobody_does(self, r: Room) -> None:
        ann, bob = await member(r, "ann"), await member(r, "bob")
        case = await opens(ann)

        await later(r, HOUR)
        reminded = await details(r, "break_glass.ended")
        assert (reminded["case"], reminded.get("alert")) == (case["id"], None)
        await later(r, 24 * HOUR)

        late = await details(r, "break_glass.close_overdue")
        assert (late["case"], late["alert"]) == (case["id"], "break_glass_not_closed")
        assert await see_to_cases(r.server) == 0
        await fresh(bob)
        inbox = await bob.ask("LIST", "strongroom/notices")
        assert inbox.data["unread"] == 2
        [close, review] = (await shown(r, case["id"]))["duties"]
        assert (close["duty"], close["overdue"]) == ("close", True)
        assert (review["duty"], review["overdue"]) == ("review", False)

    async def test_by_somebody_else_is_said(self, r: Room) -> None:
        ann, bob = await member(r, "ann"), await member(r, "bob")
        case = await opens(ann)

        await asks(bob, case["id"], "close", done="Ann fell ill")

        assert (await details(r, "break_glass.close"))["closed_by_holder"] is False
        assert await reads(ann) == 403


class TestReview:
    async def test_is_by_another_person_once_it_is_closed(self, r: Room) -> None:
        ann, bob = await member(r, "ann"), await member(r, "bob")
        case = await opens(ann)
        early = await asks(bob, case["id"], "review", **JUST)
        await asks(ann, case["id"], "close", done="restarted it")

        own = await asks(ann, case["id"], "review", **JUST)
        empty = await asks(bob, case["id"], "review", verdict="justified", words="")
        wrong = await asks(bob, case["id"], "review", verdict="fine", words="as it was")
        done = await asks(bob, case["id"], "review", **JUST, findings=["watch the disk"])
        again = await asks(bob, case["id"], "review", **JUST)

        assert [e.status for e in (early, own, empty, wrong)] == [400, 403, 400, 400]
        assert (done.status, done.data["state"], again.status) == (200, "reviewed", 400)
        assert (done.data["reviewer"], done.data["verdict"]) == (bob.entity, "justified")
        entry = await details(r, "break_glass.review")
        assert (entry["reviewer"], entry["findings"], entry["late"]) == (bob.entity, 1, False)

    async def test_that_finds_it_was_not_justified_is_an_alert(self, r: Room) -> None:
        ann, bob = await member(r, "ann"), await member(r, "bob")
        case = await opens(ann)
        await asks(ann, case["id"], "close", done="looked around")

        await asks(bob, case["id"], "review", verdict="not justified", words="nothing was down")

        assert (await details(r, "break_glass.review"))["alert"] == "break_glass_not_justified"

    async def test_that_is_overdue_lets_its_holder_open_no_other(self, r: Room) -> None:
        ann, bob = await member(r, "ann"), await member(r, "bob")
        case = await opens(ann)
        await asks(ann, case["id"], "close", done="restarted it")
        soon = await asks(bob, case["id"], "waive", because="not due yet")
        await later(r, timedelta(days=8))  # Thursday to Friday week: five business days are over
        await fresh(ann)
        await fresh(bob)
        assert (await details(r, "break_glass.review_overdue"))["case"] == case["id"]

        refused = await ann.ask("POST", "strongroom/break-glass", needed())
        other = await bob.ask("POST", "strongroom/break-glass", needed())
        own = await asks(ann, case["id"], "waive", because="I need it")
        waived = await asks(bob, case["id"], "waive", because="the house is on fire")

        assert (soon.status, refused.status, other.status) == (400, 403, 200)
        assert case["id"] in refused.errors[0]
        assert (own.status, waived.status) == (403, 200)
        await opens(ann)

    async def test_is_due_after_five_business_days(self, r: Room) -> None:
        ann = await member(r, "ann")

        case = await opens(ann)  # on Thursday, the first of January

        assert case["review_due_at"] == "2026-01-09T00:00:00Z"


class TestWhatWasTouched:
    async def test_is_shown_and_queued_until_somebody_else_writes_it(self, r: Room) -> None:
        ann, _ = await member(r, "ann"), await member(r, "bob")
        case = await opens(ann, paths=["secret/prod/*"], capabilities=["read", "update"])
        assert await reads(ann) == 200
        assert await reads(ann) == 200
        assert (await ann.ask("POST", "secret/prod/mail", {"password": "q"})).status == 204

        touched = (await shown(r, case["id"]))["touched"]
        assert [(t["path"], t["times"], t["wrote"]) for t in touched] == [
            ("secret/prod/db", 2, False),
            ("secret/prod/mail", 1, True),
        ]
        await asks(ann, case["id"], "close", done="restarted it")
        await later(r, MINUTE)
        due = (await r.ask("GET", "strongroom/rotation/due")).data["rotations"]

        assert [d["path"] for d in due] == ["secret/prod/db", "secret/prod/mail"]
        assert all(case["id"] in d["why"] for d in due)
        account = await details(r, "break_glass.account")
        assert (account["secrets"], account["queued"], account["served"]) == (2, 2, 3)
        assert (await shown(r, case["id"]))["touched"] == touched
        changed = await opens(ann, paths=["secret/prod/db"], capabilities=["update"])
        assert (await ann.ask("POST", "secret/prod/db", {"password": "x"})).status == 204
        assert await resolve_due(r.server, Following(r.server.log)) == 0, changed

    async def test_by_policies_of_ones_own_is_not_of_the_case(self, r: Room) -> None:
        await r.policy("dev", 'path "secret/dev/*" { capabilities = ["read", "create"] }')
        ann = await member(r, "ann", "dev")
        assert (await ann.ask("POST", "secret/dev/x", {"a": "b"})).status == 204
        case = await opens(ann)

        assert await reads(ann, "secret/dev/x") == 200

        assert (await shown(r, case["id"]))["touched"] == []


class TestDrills:
    async def test_are_timed_from_the_call_to_the_first_read(self, r: Room) -> None:
        ann, bob = await member(r, "ann"), await member(r, "bob")
        assert await reads(ann, DRILL) == 403

        drill = {"paths": [], "drill": True}
        case = await opens(ann, **drill)
        r.clock.advance(timedelta(seconds=40))
        assert await reads(ann, DRILL) == 200
        r.clock.advance(timedelta(seconds=40))
        assert await reads(ann, DRILL) == 200
        await asks(ann, case["id"], "close", done="it works")
        await see_to_cases(r.server)

        entry = await details(r, "break_glass.drill")
        assert (entry["took_seconds"], entry["within"]) == (40, True)
        found = await shown(r, case["id"])
        assert (found["took_seconds"], found["target_seconds"]) == (40, 300)
        assert found["duties"] == []
        assert (await r.ask("GET", "strongroom/rotation/due")).data["rotations"] == []
        assert (await details(r, "break_glass.open"))["alert"] == "break_glass_drill"
        assert (await asks(bob, case["id"], "review", **JUST)).status == 400

    async def test_that_nobody_finished_missed_their_target(self, r: Room) -> None:
        ann = await member(r, "ann")
        await opens(ann, paths=[], drill=True)

        await later(r, HOUR)

        entry = await details(r, "break_glass.drill")
        assert (entry["within"], "took_seconds" in entry) == (False, False)


async def test_who_leaves_has_nothing_of_a_case_any_more(r: Room) -> None:
    ann, _ = await member(r, "ann"), await member(r, "bob")
    case = await opens(ann)
    assert await reads(ann) == 200

    left = await r.ask("POST", f"strongroom/people/{ann.entity}/leave", {"reason": "gone"})

    assert left.status in (200, 204), left
    assert await reads(ann) == 403
    await later(r, MINUTE)
    assert (await shown(r, case["id"]))["state"] == "ended"


async def test_a_whole_case_on_postgresql(tmp_path: Path, postgresql_ready: Database) -> None:
    async with firm(tmp_path, storage=postgresql_ready.url) as r:
        ann, bob = await member(r, "ann"), await member(r, "bob")
        case = await opens(ann)
        assert await reads(ann) == 200
        assert (await asks(ann, case["id"], "close", done="restarted it")).status == 200
        await later(r, MINUTE)
        write = {"paths": ["secret/prod/db"], "capabilities": ["update"]}
        await opens(bob, **write)
        assert (await bob.ask("POST", "secret/prod/db", {"password": "new"})).status == 204
        assert await resolve_due(r.server, Following(r.server.log)) == 1
        done = await asks(bob, case["id"], "review", **JUST)

        assert done.data["state"] == "reviewed"
        [touched] = (await shown(r, case["id"]))["touched"]
        assert (touched["path"], touched["written_since"]) == ("secret/prod/db", True)
        drill = await opens(ann, paths=[], drill=True)
        assert await reads(ann, DRILL) == 200
        await later(r, HOUR)
        assert (await shown(r, drill["id"]))["took_seconds"] == 0
