"""Access is asked for, approved by enough others, and ends; and all that must not pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.base.clock import rfc3339
from tests.core.governance.office import (
    MOUNT,
    asked,
    decide,
    entity,
    group,
    office,
    person,
    reads,
    rule,
    signed_in,
    state,
    wanted,
)
from tests.core.system.room import START, Room
from tests.core.system.test_groups import acting_as, storage

HOUR = timedelta(hours=1)
__all__ = ["storage"]


@pytest.fixture
async def ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> AsyncIterator[Room]:
    async with office(tmp_path, monkeypatch, storage) as made:
        yield made


async def unknown(ours: Room, name: str) -> None:
    """Delete somebody's alias."""
    listed = await ours.ask("LIST", "identity/entity-alias/id")
    [mine] = [k for k, v in listed.data["key_info"].items() if v["name"] == name]
    assert (await ours.ask("DELETE", f"identity/entity-alias/id/{mine}")).status == 204


class TestAskingAndApproving:
    async def test_what_another_approves_is_granted_at_once_and_dead_at_its_end(
        self, ours: Room
    ) -> None:
        ann, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        assert await reads(ours, her) == 403
        id_ = await asked(ours, her)
        assert await reads(ours, her) == 403

        answer = await decide(ours, id_, his)

        assert (answer.status, answer.data["state"]) == (200, "approved")
        assert await reads(ours, her) == 200
        assert await reads(ours, his) == 403
        entry = await ours.entries()
        read = next(
            e
            for e in reversed(entry)
            if e["unmapped"].get("path") == "secret/prod/db" and e["status_id"] == 1
        )
        assert read["unmapped"]["rules"] == [f"grant/{answer.data['grant']}#secret/prod/db"]
        ours.clock.advance_to(START + HOUR - timedelta(microseconds=1))
        her = await signed_in(ours, "ann")
        assert await reads(ours, her) == 200
        ours.clock.advance_to(START + HOUR)
        assert await reads(ours, her) == 403
        grants = await ours.ask("LIST", "strongroom/grants/self", token=her)
        [grant] = grants.data["key_info"].values()
        assert (grant["entity"], grant["state"], grant["left"]) == (ann, "ended", 0)

    async def test_the_reply_explains_what_is_needed(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        bob, _ = await person(ours, "bob")

        answer = await ours.ask("POST", "strongroom/requests/preview", wanted(), token=her)

        assert answer.status == 200, answer
        assert (answer.data["needed"], answer.data["enough"]) == (1, True)
        assert [each["name"] for each in answer.data["rules"]] == ["at-least-one"]
        assert answer.data["approvers"] == [{"entity": bob, "name": "Bob"}]
        assert answer.data["environments"] == ["production"]
        assert (await ours.ask("LIST", "strongroom/requests")).status == 404

    async def test_a_rule_asks_as_many_as_it_says_each_once(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        bob, his = await person(ours, "bob")
        cid, theirs = await person(ours, "cid")
        dba = await group(ours, "dba", member_entity_ids=[cid])
        needs = [{"count": 1}, {"count": 1, "groups": ["dba"]}]
        assert (await rule(ours, needs=needs)).status == 204
        id_ = await asked(ours, her)

        first = await decide(ours, id_, theirs)
        again = await decide(ours, id_, theirs)
        assert (first.data["state"], again.status, await reads(ours, her)) == ("pending", 400, 403)
        last = await decide(ours, id_, his)

        assert last.data["state"] == "approved"
        by = {tuple(place["groups"]): place["by"] for place in last.data["places"]}
        assert by == {(): [bob], (dba,): [cid]}
        entry = (await ours.last())["unmapped"]
        assert sorted(entry["approvers"]) == sorted([bob, cid])
        assert entry["approval_rules"] == ["two"]

    async def test_rules_that_cover_together_count_together(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        others = [(await person(ours, name))[1] for name in ("bob", "cid", "dan")]
        await rule(ours, "env")
        await rule(ours, "path", environments=[], paths=["secret/prod/*"], needs=[{"count": 2}])
        id_ = await asked(ours, her)

        states = [(await decide(ours, id_, each)).data["state"] for each in others]

        assert states == ["pending", "pending", "approved"]

    async def test_a_role_gives_the_rights_of_a_group_and_no_membership(self, ours: Room) -> None:
        ann, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        await ours.policy("reader", 'path "secret/prod/*" { capabilities = ["read"] }')
        held = await group(ours, "production-readers", policies=["reader"])
        id_ = await asked(ours, her, paths=[], groups=["production-readers"])

        answer = await decide(ours, id_, his)

        assert answer.status == 200, answer
        assert await reads(ours, her) == 200
        shown = await ours.ask("GET", f"identity/group/id/{held}")
        assert ann not in (shown.data["member_entity_ids"] or ())

    async def test_a_role_is_covered_by_the_rule_of_what_it_reaches(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        for name in ("bob", "cid"):
            await person(ours, name)
        await rule(ours, needs=[{"count": 2}])
        text = 'path "secret/{{identity.entity.name}}/*" { capabilities = ["read"] }'
        await ours.policy("templated", text)
        await group(ours, "role", policies=["templated"])

        answer = await ours.ask(
            "POST", "strongroom/requests/preview", wanted(paths=[], groups=["role"]), token=her
        )

        assert answer.data["needed"] == 2

    async def test_one_denial_ends_it(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        id_ = await asked(ours, her)

        denied = await decide(ours, id_, his, how="deny")
        after = await decide(ours, id_, his)

        assert (denied.status, after.status) == (200, 400)
        assert await state(ours, id_) == "denied"

    async def test_the_inbox_has_what_the_caller_could_decide(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        id_ = await asked(ours, her)

        inbox = "strongroom/requests/inbox"
        hers, box = [await ours.ask("LIST", inbox, token=each) for each in (her, his)]
        await decide(ours, id_, his)
        after = await ours.ask("LIST", inbox, token=his)

        assert (hers.status, box.data["keys"], after.status) == (404, [id_], 404)


class TestWhoMayNotApprove:
    async def test_who_asked(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        id_ = await asked(ours, her)

        answer = await decide(ours, id_, her)

        assert answer.status == 403
        assert await reads(ours, her) == 403
        assert "who asked" in (await ours.entries())[-2]["status_detail"]

    async def test_who_asked_by_a_second_alias(self, ours: Room) -> None:
        ann, her = await person(ours, "ann")
        alias = {"name": "ann2", "mount_accessor": MOUNT, "canonical_id": ann}
        id_ = await asked(ours, her)
        await ours.ask("POST", "identity/entity-alias", alias)

        assert (await decide(ours, id_, await signed_in(ours, "ann2"))).status == 403

    async def test_an_alias_that_was_the_requesters_when_they_asked(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        bob, _ = await person(ours, "bob")
        id_ = await asked(ours, her)
        await unknown(ours, "ann")
        await unknown(ours, "bob")
        moved = {"name": "ann", "mount_accessor": MOUNT, "canonical_id": bob}
        assert (await ours.ask("POST", "identity/entity-alias", moved)).status < 300

        assert (await decide(ours, id_, await signed_in(ours, "ann"))).status == 403

    async def test_the_same_person_by_two_entities_counts_once(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        bob, his = await person(ours, "bob")
        rob, robs = await person(ours, "rob")
        await person(ours, "cid")
        await rule(ours, needs=[{"count": 2}])
        id_ = await asked(ours, her)
        await decide(ours, id_, robs)
        await unknown(ours, "rob")
        merged = {"from_entity_ids": [rob], "to_entity_id": bob, "force": True}
        assert (await ours.ask("POST", "identity/entity/merge", merged)).status < 300

        answer = await decide(ours, id_, his)

        assert answer.status == 400, answer
        assert await state(ours, id_) == "pending"

    async def test_an_approver_who_was_merged_into_the_requester_no_longer_counts(
        self, ours: Room
    ) -> None:
        ann, her = await person(ours, "ann")
        bob, his = await person(ours, "bob")
        _, theirs = await person(ours, "cid")
        await person(ours, "dan")
        await rule(ours, needs=[{"count": 2}])
        id_ = await asked(ours, her)
        assert (await decide(ours, id_, his)).status == 200
        await unknown(ours, "bob")
        merged = {"from_entity_ids": [bob], "to_entity_id": ann, "force": True}
        assert (await ours.ask("POST", "identity/entity/merge", merged)).status < 300

        answer = await decide(ours, id_, theirs)

        assert (answer.status, answer.data["state"]) == (200, "pending")

    @pytest.mark.parametrize("how", ["leave", "disable", "group"])
    async def test_an_approver_who_is_gone_no_longer_counts(self, ours: Room, how: str) -> None:
        _, her = await person(ours, "ann")
        bob, his = await person(ours, "bob")
        cid, theirs = await person(ours, "cid")
        dan, _ = await person(ours, "dan")
        held = await group(ours, "dba", member_entity_ids=[bob, cid, dan])
        await rule(ours, needs=[{"count": 2, "groups": ["dba"]}])
        id_ = await asked(ours, her)
        assert (await decide(ours, id_, his)).status == 200
        if how == "leave":
            await ours.ask("POST", f"strongroom/people/{bob}/leave")
        elif how == "disable":
            await ours.ask("POST", f"identity/entity/id/{bob}", {"disabled": True})
        else:
            body = {"member_entity_ids": [cid, dan]}
            await ours.ask("POST", f"identity/group/id/{held}", body)

        answer = await decide(ours, id_, theirs)

        assert (answer.status, answer.data["state"]) == (200, "pending")
        assert await reads(ours, her) == 403
        counts = {each["approver"]: each["counts"] for each in answer.data["approvals"]}
        assert counts == {bob: False, cid: True}

    async def test_who_wrote_the_secret_that_is_asked_for(self, ours: Room) -> None:
        writes = 'path "secret/own" { capabilities = ["create", "update"] }'
        await ours.policy("writer", writes)
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob", "writer")
        _, theirs = await person(ours, "cid")
        await ours.ask("POST", "secret/own", {"x": "1"}, token=his)
        id_ = await asked(ours, her, paths=["secret/own"])

        by_maker = await decide(ours, id_, his)
        by_another = await decide(ours, id_, theirs)

        assert (by_maker.status, by_another.status) == (403, 200)

    async def test_a_token_that_was_made_and_a_workload_do_not_ask_or_approve(
        self, ours: Room
    ) -> None:
        ann, her = await person(ours, "ann")
        _, his = await person(ours, "bob", "maker")
        await ours.policy("maker", 'path "auth/token/create" { capabilities = ["update"] }')
        child = await ours.token("default", by=his)
        made = await acting_as(ours, ann, "staff")
        id_ = await asked(ours, her)

        assert (await decide(ours, id_, child)).status == 403
        for each in (made, child, ours.root):
            answer = await ours.ask("POST", "strongroom/requests", wanted(), token=each)
            assert answer.status == 403

    async def test_somebody_without_a_place(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        cid, _ = await person(ours, "cid")
        await group(ours, "dba", member_entity_ids=[cid])
        await rule(ours, needs=[{"count": 1, "groups": ["dba"]}])
        id_ = await asked(ours, her)

        assert (await decide(ours, id_, his)).status == 403

    async def test_a_group_of_the_same_name_that_came_later(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        bob, his = await person(ours, "bob")
        cid, _ = await person(ours, "cid")
        held = await group(ours, "dba", member_entity_ids=[cid])
        await rule(ours, needs=[{"count": 1, "groups": ["dba"]}])
        id_ = await asked(ours, her)
        await ours.ask("DELETE", f"identity/group/id/{held}")
        await group(ours, "dba", member_entity_ids=[bob, cid])

        answer = await decide(ours, id_, his)

        assert answer.status == 403
        assert await state(ours, id_) == "pending"

    async def test_members_of_groups_in_groups_count_whatever_goes_round(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        bob, his = await person(ours, "bob")
        await person(ours, "cid")
        inner = await group(ours, "inner", member_entity_ids=[bob])
        await group(ours, "outer", member_group_ids=[inner])
        await rule(ours, needs=[{"count": 1, "groups": ["outer"]}])
        id_ = await asked(ours, her)

        assert (await decide(ours, id_, his)).data["state"] == "approved"


class TestWhatTakesNoApproval:
    async def test_what_expired_was_withdrawn_or_is_approved(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        done, withdrawn, old = [await asked(ours, her) for _ in range(3)]
        await decide(ours, done, his)
        answer = await ours.ask("DELETE", f"strongroom/requests/{withdrawn}", token=her)
        assert answer.status == 204
        tries = [await decide(ours, each, his) for each in (done, withdrawn)]

        ours.clock.advance(timedelta(days=7))
        late = await decide(ours, old, await signed_in(ours, "bob"))

        assert [each.status for each in (*tries, late)] == [400] * 3
        assert [await state(ours, e) for e in (done, withdrawn, old)] == [
            "approved",
            "withdrawn",
            "expired",
        ]
        assert len((await ours.ask("LIST", "strongroom/grants")).data["keys"]) == 1

    async def test_an_edit_voids_what_was_approved(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        _, theirs = await person(ours, "cid")
        await rule(ours, needs=[{"count": 2}])
        id_ = await asked(ours, her)
        await decide(ours, id_, his)
        more = wanted(paths=["secret/prod/*"])
        edited = await ours.ask("POST", f"strongroom/requests/{id_}", more, token=her)
        assert (edited.status, edited.data["revision"]) == (200, 2)

        of_before = await decide(ours, id_, theirs)
        of_now = await decide(ours, id_, theirs, revision=2)

        assert (of_before.status, of_now.data["state"]) == (400, "pending")
        assert await reads(ours, her) == 403
        assert (await decide(ours, id_, his, revision=2)).data["state"] == "approved"

    async def test_nobody_edits_or_withdraws_anothers(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        id_ = await asked(ours, her)

        edited = await ours.ask("POST", f"strongroom/requests/{id_}", wanted(), token=his)
        dropped = await ours.ask("DELETE", f"strongroom/requests/{id_}", token=his)

        assert (edited.status, dropped.status) == (403, 403)

    async def test_a_deleted_group_lets_nothing_pass(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        bob, his = await person(ours, "bob")
        cid, _ = await person(ours, "cid")
        held = await group(ours, "dba", member_entity_ids=[bob, cid])
        await rule(ours, needs=[{"count": 1, "groups": ["dba"]}])
        before = await asked(ours, her)
        await ours.ask("DELETE", f"identity/group/id/{held}")
        after = await asked(ours, her)

        answers = [await decide(ours, each, his) for each in (before, after)]

        assert [each.status for each in answers] == [403, 403]

    async def test_a_rule_that_is_loosened_meanwhile_frees_nothing(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        _, theirs = await person(ours, "cid")
        await rule(ours, needs=[{"count": 2}])
        id_ = await asked(ours, her)
        assert (await ours.ask("DELETE", "strongroom/approval-rules/two")).status == 204

        first = await decide(ours, id_, his)

        assert first.data["state"] == "pending"
        assert (await decide(ours, id_, theirs)).data["state"] == "approved"

    async def test_a_rule_that_is_tightened_meanwhile_holds(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        await person(ours, "cid")
        id_ = await asked(ours, her)
        await rule(ours, needs=[{"count": 2}])

        assert (await decide(ours, id_, his)).data["state"] == "pending"

    async def test_the_request_of_who_left(self, ours: Room) -> None:
        ann, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        id_ = await asked(ours, her)
        await ours.ask("POST", f"strongroom/people/{ann}/leave")

        assert (await decide(ours, id_, his)).status == 400

    async def test_an_until_that_has_passed(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        await person(ours, "bob")
        id_ = await asked(ours, her, until=rfc3339(START + HOUR))
        ours.clock.advance(HOUR)

        assert (await decide(ours, id_, await signed_in(ours, "bob"))).status == 400

    async def test_two_who_approve_at_once_make_one_grant(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        tokens = [(await person(ours, name))[1] for name in ("bob", "cid", "dan")]
        await rule(ours, needs=[{"count": 2}])
        id_ = await asked(ours, her)

        answers = await asyncio.gather(*(decide(ours, id_, each) for each in tokens))

        assert sorted(each.status for each in answers) == [200, 200, 400]
        assert len((await ours.ask("LIST", "strongroom/grants")).data["keys"]) == 1

    async def test_approval_and_withdrawal_at_once_leave_one_of_them(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        id_ = await asked(ours, her)

        approved, withdrawn = await asyncio.gather(
            decide(ours, id_, his), ours.ask("DELETE", f"strongroom/requests/{id_}", token=her)
        )

        assert (approved.status == 200) != (withdrawn.status == 204)
        assert (await reads(ours, her) == 200) == (approved.status == 200)


class TestBadRequests:
    @pytest.mark.parametrize(
        "more",
        [
            {"paths": []},
            {"paths": ["sys/policies/acl/x"], "capabilities": ["update"]},
            {"paths": ["*"]},
            {"paths": ["+/policies/acl/x"]},
            {"paths": ["strongroom/requests/+/approve"]},
            {"paths": ["sys/policy"]},
            {"paths": ["secret/{{identity.entity.name}}"]},
            {"paths": ["secret//x"]},
            {"paths": ["secret/a*b"]},
            {"capabilities": ["sudo"]},
            {"capabilities": ["root"]},
            {"capabilities": ["deny"]},
            {"reason": " \u200b "},
            {"for": "0s"},
            {"for": "30s"},
            {"until": "2020-01-01T00:00:00Z"},
            {"groups": ["nowhere"]},
            {"groups": ["administrators"]},
            {"groups": ["sudoers"]},
        ],
    )
    async def test_are_refused(self, ours: Room, more: dict[str, object]) -> None:
        _, her = await person(ours, "ann")
        await ours.policy("admin", 'path "*" { capabilities = ["read"] }')
        await ours.policy("su", 'path "secret/x" { capabilities = ["read", "sudo"] }')
        await group(ours, "administrators", policies=["admin"])
        await group(ours, "sudoers", policies=["su"])

        answer = await ours.ask("POST", "strongroom/requests", wanted(**more), token=her)

        assert answer.status == 400, answer

    async def test_a_longer_time_is_cut_to_what_the_rules_allow(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        id_ = await asked(ours, her, **{"for": "90d"})

        answer = await decide(ours, id_, his)

        grant = (await ours.ask("GET", f"strongroom/grants/{answer.data['grant']}")).data
        assert grant["ends"] == rfc3339(START + timedelta(hours=8))


class TestGrants:
    async def granted(self, ours: Room, **more: object) -> tuple[str, str, str]:
        ann, her = await person(ours, "ann", "maker", "own")
        _, his = await person(ours, "bob")
        answer = await decide(ours, await asked(ours, her, **more), his)
        assert answer.data["state"] == "approved", answer
        return ann, her, str(answer.data["grant"])

    async def test_end_when_somebody_ends_them(self, ours: Room) -> None:
        _, her, grant = await self.granted(ours)
        other = await person(ours, "cid")

        refused = await ours.ask("POST", f"strongroom/grants/self/{grant}/end", token=other[1])
        before = await reads(ours, her)
        ended = await ours.ask("POST", f"strongroom/grants/self/{grant}/end", token=her)

        assert (refused.status, before, ended.status) == (404, 200, 204)
        assert await reads(ours, her) == 403
        assert (await ours.ask("POST", f"strongroom/grants/{grant}/end")).status == 204

    async def test_go_to_no_token_that_was_made_with_theirs(self, ours: Room) -> None:
        await ours.policy("maker", 'path "auth/token/create" { capabilities = ["update"] }')
        ann, her, _ = await self.granted(ours)
        child = await ours.token("default", by=her)
        in_her_name = await acting_as(ours, ann)

        assert [await reads(ours, each) for each in (her, child, in_her_name)] == [200, 403, 403]

    async def test_do_not_survive_a_leaving(self, ours: Room) -> None:
        ann, _, grant = await self.granted(ours)

        await ours.ask("POST", f"strongroom/people/{ann}/leave")

        shown = await ours.ask("GET", f"strongroom/grants/{grant}")
        assert shown.data["state"] == "ended"

    async def test_lift_no_deny_and_take_nothing_away(self, ours: Room) -> None:
        text = """
        path "secret/prod/*" { capabilities = ["update", "read"] }
        path "secret/prod/hr" { capabilities = ["deny"] }
        """
        await ours.policy("own", text)
        await ours.ask("POST", "secret/prod/hr", {"x": "1"})
        _, her, _ = await self.granted(ours, paths=["secret/prod/db", "secret/prod/hr"])

        wrote = await ours.ask("POST", "secret/prod/db", {"x": "2"}, token=her)

        assert wrote.status == 204
        assert await reads(ours, her, "secret/prod/hr") == 403

    async def test_of_a_changed_row_give_nothing(self, ours: Room) -> None:
        _, her, grant = await self.granted(ours)
        sql = "UPDATE access_grant SET ends = ends + 1 WHERE id = ?"
        await ours.store(lambda tx: tx.run(sql, (grant,)))
        ours.server.views.clear()

        assert await reads(ours, her) == 403


class TestAfterwards:
    async def test_begins_at_once_and_owes_its_approval(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        assert (await rule(ours, afterwards="1d")).status == 204
        answer = await ours.ask("POST", "strongroom/requests", wanted(), token=her)

        assert (answer.data["state"], answer.data["begins_at_once"]) == ("begun", True)
        assert await reads(ours, her) == 200
        entry = (await ours.entries())[-2]["unmapped"]
        assert entry["alert"] == "granted_before_approval"
        dropped = await ours.ask("DELETE", f"strongroom/requests/{answer.data['id']}", token=her)
        assert dropped.status == 400
        assert (await decide(ours, answer.data["id"], his)).data["state"] == "approved"

    async def test_denied_it_ends_now_and_overdue_there_is_no_more(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        await rule(ours, afterwards="1h")
        first, second = await asked(ours, her), await asked(ours, her)
        await decide(ours, first, his, how="deny")
        await decide(ours, second, his, how="deny")
        assert await reads(ours, her) == 403
        third = await asked(ours, her)
        ours.clock.advance(HOUR)

        owing = await asked(ours, await signed_in(ours, "ann"))

        assert [await state(ours, each) for each in (third, owing)] == ["overdue", "pending"]
        late = await decide(ours, third, await signed_in(ours, "bob"))
        assert late.data["state"] == "approved"


class TestRules:
    @pytest.mark.parametrize(
        "more",
        [
            {"needs": []},
            {"needs": [{"count": 0}]},
            {"needs": [{"count": -1}]},
            {"needs": [{"count": 1, "groups": ["empty"]}]},
            {"needs": [{"count": 1, "groups": ["nowhere"]}]},
            {"needs": [{"count": 2, "groups": ["one"]}]},
            {"needs": [{"count": 1, "groups": ["one"]}, {"count": 1, "groups": ["one"]}]},
            {"needs": [{"count": 3}]},
            {"needs": [{"count": 2}, {"count": 1}]},
            {"environments": ["nowhere"]},
            {"longest": "9h"},
            {"afterwards": "31d"},
            {"groups": ["nowhere"]},
            {"paths": ["secret/+*"]},
        ],
    )
    async def test_that_nobody_could_meet_are_refused(
        self, ours: Room, more: dict[str, object]
    ) -> None:
        for name in ("ann", "bob"):
            await person(ours, name)
        [cid, _] = await person(ours, "cid")
        await group(ours, "one", member_entity_ids=[cid])
        gone = await entity(ours, "gone")
        await group(ours, "empty", member_entity_ids=[gone])

        answer = await rule(ours, **more)

        assert answer.status == 400, answer

    async def test_are_loosened_with_sudo_alone_and_that_is_an_alert(self, ours: Room) -> None:
        writes = (
            'path "strongroom/approval-rules/*" { capabilities = ["update", "delete", "create"] }'
        )
        await ours.policy("rules", writes)
        for name in ("ann", "bob", "cid"):
            await person(ours, name)
        plain = await ours.token("rules")
        at = "strongroom/approval-rules/two"
        made = {"environments": ["production"], "needs": [{"count": 2}]}

        assert (await ours.ask("POST", at, made, token=plain)).status == 204
        for less in (
            {"needs": [{"count": 1}]},
            {"environments": [], "paths": ["x"]},
            {"afterwards": "1d"},
        ):
            assert (await ours.ask("POST", at, less, token=plain)).status == 403
        assert (await ours.ask("DELETE", at, token=plain)).status == 403
        assert (await ours.ask("POST", at, {"longest": "1h"}, token=plain)).status == 204
        assert (await ours.ask("POST", at, {"needs": [{"count": 1}]})).status == 204
        assert (await ours.last())["unmapped"]["alert"] == "approval_rule_loosened"

    async def test_have_a_floor_that_nobody_changes(self, ours: Room) -> None:
        at = "strongroom/approval-rules/at-least-one"

        written = await ours.ask("POST", at, {"needs": [{"count": 1}]})
        dropped = await ours.ask("DELETE", at)

        assert (written.status, dropped.status) == (400, 400)
        assert (await ours.ask("GET", at)).data["built_in"]

    async def test_of_a_changed_row_let_nothing_pass(self, ours: Room) -> None:
        _, her = await person(ours, "ann")
        _, his = await person(ours, "bob")
        await rule(ours)
        sql = "UPDATE approval_rule SET environments = '[]', paths = '[\"x\"]' WHERE name = 'two'"
        await ours.store(lambda tx: tx.run(sql, ()))
        id_ = await asked(ours, her)

        answer = await decide(ours, id_, his)

        assert answer.data["state"] == "pending"
        assert answer.data["problems"]
