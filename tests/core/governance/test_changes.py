"""Writes are proposed, shown, approved by another and applied, and nothing else passes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.core.governance.change_rules import loosens
from strongroom.identity.governance.changes import ChangeRule, ChangeRules
from strongroom.sdk.changes import due_after, one_form
from tests.core.governance.office import MOUNT, entity, office, person, rule, signed_in
from tests.core.system.room import Answer, Room

PATH = "sys/policies/acl/billing"
OLD = 'path "secret/billing/*" {\n  capabilities = ["read"]\n}\n'
NEW = 'path "secret/billing/*" {\n  capabilities = ["read", "list"]\n}\n'
CHANGERS = """
path "strongroom/changes*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "strongroom/change-rules/*" { capabilities = ["create", "update", "delete", "sudo"] }
path "strongroom/change-settings" { capabilities = ["update", "sudo"] }
path "sys/policies/*" { capabilities = ["create", "read", "update", "delete"] }
path "sys/policy/*" { capabilities = ["create", "read", "update", "delete"] }
path "sys/auth/*" { capabilities = ["create", "update", "sudo"] }
path "auth/*" { capabilities = ["create", "update", "delete", "read"] }
path "strongroom/sessions/limits" { capabilities = ["update", "sudo"] }
"""


@pytest.fixture
async def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    async with office(tmp_path, monkeypatch) as made:
        for name in ("policies", "factors"):
            off = await made.ask("POST", f"strongroom/step-up/rules/{name}", {"enabled": False})
            assert off.status == 204, off
        await made.policy("changer", CHANGERS)
        await made.ask("POST", PATH, {"policy": OLD})
        answer = await made.ask("POST", "strongroom/change-rules/admin", {"areas": ["policies"]})
        assert answer.status == 204, answer
        yield made


def write(path: str = PATH, text: str = NEW, **more: object) -> dict[str, Any]:
    return {"path": path, "body": {"policy": text}, **more}


async def propose(ours: Room, token: str, *writes: dict[str, Any], to: str = "") -> Answer:
    body = {"reason": "reads need a list", "ticket": "OPS-1", "writes": list(writes) or [write()]}
    return await ours.ask("POST", f"strongroom/changes{to}", body, token=token)


async def decide(ours: Room, id_: str, token: str, how: str = "approve", **more: Any) -> Answer:
    body = {"revision": 1, "because": "looked at it", **more}
    return await ours.ask("POST", f"strongroom/changes/{id_}/{how}", body, token=token)


async def apply(ours: Room, id_: str, token: str) -> Answer:
    return await ours.ask("POST", f"strongroom/changes/{id_}/apply", {}, token=token)


async def state(ours: Room, id_: str) -> str:
    return str((await ours.ask("GET", f"strongroom/changes/{id_}")).data["state"])


async def text(ours: Room, path: str = PATH) -> str:
    return str((await ours.ask("GET", path)).data["policy"])


def covers(
    areas: tuple[str, ...],
    paths: tuple[str, ...],
    operations: tuple[str, ...],
    *,
    enabled: bool,
) -> ChangeRule:
    return ChangeRule("x", areas, paths, operations, propose=False, enabled=enabled, description="")


async def two(ours: Room) -> tuple[str, str]:
    """Register two people who change things; return their tokens."""
    return (await person(ours, "ann", "changer"))[1], (await person(ours, "bob", "changer"))[1]


class TestAChange:
    async def test_is_shown_approved_by_another_and_applied_as_one_write_with_its_entry(
        self, ours: Room
    ) -> None:
        her, his = await two(ours)

        made = await propose(ours, her)
        shown = made.data["writes"][0]["difference"]
        early = await apply(ours, made.data["id"], her)
        approved = await decide(ours, made.data["id"], his)
        done = await apply(ours, made.data["id"], her)

        assert (made.status, made.data["state"]) == (200, "pending"), made
        [policy] = [each for each in shown if each["field"] == "policy"]
        assert '-  capabilities = ["read"]' in policy["diff"]
        assert '+  capabilities = ["read", "list"]' in policy["diff"]
        assert early.status == 400
        assert (approved.status, approved.data["state"]) == (200, "approved")
        assert done.status < 300, done
        assert (await text(ours), await state(ours, made.data["id"])) == (NEW, "applied")
        [entry] = [
            e
            for e in await ours.entries()
            if e.get("unmapped", {}).get("change") == made.data["id"] and e["status_id"] == 1
        ]
        assert entry["metadata"]["event_code"] == "policy.write"
        assert entry["unmapped"]["path"] == PATH
        assert entry["unmapped"]["change_applied"] is True

    async def test_lets_its_requester_send_the_write_themselves(self, ours: Room) -> None:
        her, his = await two(ours)
        refused = await ours.ask("POST", PATH, {"policy": NEW}, token=her)
        made = await propose(ours, her)
        await decide(ours, made.data["id"], his)

        others = await ours.ask("POST", PATH, {"policy": NEW}, token=his)
        spaced = json.dumps({"policy": NEW}, indent=3).encode()
        own = await ours.ask("POST", PATH, token=her, content=spaced)

        assert refused.status == 403
        assert "needs an approved change (rule admin)" in refused.errors[0]
        assert (others.status, own.status) == (403, 200 if own.body else 204)
        assert await text(ours) == NEW

    async def test_of_several_writes_says_which_are_done(self, ours: Room) -> None:
        her, his = await two(ours)
        other = write("sys/policies/acl/other")
        made = await propose(ours, her, write(), other)
        await decide(ours, made.data["id"], his)
        id_ = made.data["id"]

        first = await apply(ours, id_, his)
        between = await ours.ask("GET", f"strongroom/changes/{id_}")
        second = await apply(ours, id_, her)
        third = await apply(ours, id_, her)

        assert (first.status < 300, second.status < 300, third.status) == (True, True, 400)
        done = [each["applied_at"] is not None for each in between.data["writes"]]
        assert (between.data["state"], done) == ("approved", [True, False])
        assert await state(ours, id_) == "applied"

    async def test_holds_a_mount_and_what_is_configured_in_it(self, ours: Room) -> None:
        her, his = await two(ours)
        changed = {"areas": ["policies", "auth"]}
        path = "strongroom/change-rules/admin"
        made = await propose(ours, her, {"path": path, "body": changed})
        await decide(ours, made.data["id"], his)
        assert (await apply(ours, made.data["id"], her)).status == 204
        mount = {"path": "sys/auth/staff", "body": {"type": "userpass"}}
        user = {
            "path": "auth/staff/users/cid",
            "body": {"password": "correct-horse", "token_policies": "default"},
        }

        made = await propose(ours, her, mount, user)
        await decide(ours, made.data["id"], his)
        answers = [await apply(ours, made.data["id"], her) for _ in range(2)]

        assert [each.status for each in answers] == [204, 204], answers
        fields = {each["field"]: each for each in made.data["writes"][1]["difference"]}
        assert fields["password"]["hidden"] is True
        assert fields["token_policies"]["after"] == ["default"]
        assert "correct-horse" not in json.dumps([made.body, await ours.entries()])

    async def test_that_is_refused_by_the_appliers_policy_is_not_spent(self, ours: Room) -> None:
        her, his = await two(ours)
        only = 'path "strongroom/changes*" { capabilities = ["update"] }'
        await ours.policy("applier", only)
        _, theirs = await person(ours, "cid", "applier")
        made = await propose(ours, her)
        await decide(ours, made.data["id"], his)

        refused = await apply(ours, made.data["id"], theirs)

        assert refused.status == 403
        assert (await apply(ours, made.data["id"], her)).status < 300

    async def test_is_proposed_by_who_could_write_there_but_for_the_rule(self, ours: Room) -> None:
        only = 'path "strongroom/changes*" { capabilities = ["update"] }'
        await ours.policy("proposer", only)
        _, theirs = await person(ours, "cid", "proposer")

        answers = [await propose(ours, theirs, to=to) for to in ("", "/preview", "/emergency")]

        assert [each.status for each in answers] == [403] * 3

    async def test_whose_write_fails_is_not_spent(self, ours: Room) -> None:
        her, his = await two(ours)
        wrong = write("sys/policies/acl/other", 'path "x" { capabilities = ["nonsense"] }')
        made = await propose(ours, her, wrong)
        await decide(ours, made.data["id"], his)

        answer = await apply(ours, made.data["id"], her)

        assert answer.status == 400
        assert await state(ours, made.data["id"]) == "approved"

    async def test_names_the_field_that_is_wrong(self, ours: Room) -> None:
        her, _ = await two(ours)

        nowhere = await propose(ours, her, {"path": "auth/nothing/config", "body": {}})
        field = await propose(ours, her, {"path": PATH, "body": {"policy": NEW, "cas": "x"}})
        itself = await propose(ours, her, {"path": "strongroom/changes/1/approve", "body": {}})
        login = await propose(ours, her, {"path": "auth/fake/login/ann", "body": {}})
        twice = await propose(ours, her, write(), write())

        for answer in (nowhere, field, itself, login, twice):
            assert answer.status == 400, answer
        assert "writes.0.path" in nowhere.errors[0]
        assert "writes.0.cas" in field.errors[0]


class TestWhatDoesNotPass:
    async def test_another_body_path_or_operation_than_the_approved(self, ours: Room) -> None:
        her, his = await two(ours)
        made = await propose(ours, her)
        await decide(ours, made.data["id"], his)
        tries = [
            ("POST", PATH, {"policy": NEW + "\n"}),
            ("POST", PATH, {"policy": NEW, "cas_required": False}),
            ("POST", "sys/policy/billing", {"policy": NEW}),
            ("POST", "sys/policies/acl/BILLING", {"policy": NEW}),
            ("POST", "sys/policies/acl/billing2", {"policy": NEW}),
            ("PATCH", PATH, {"policy": NEW}),
            ("DELETE", PATH, None),
        ]

        answers = [(await ours.ask(*each, token=her)).status for each in tries]

        assert answers == [403] * 5 + [400, 403], answers
        assert await text(ours) == OLD

    async def test_the_same_again(self, ours: Room) -> None:
        her, his = await two(ours)
        made = await propose(ours, her)
        await decide(ours, made.data["id"], his)
        assert (await ours.ask("POST", PATH, {"policy": NEW}, token=her)).status < 300

        again = await ours.ask("POST", PATH, {"policy": NEW}, token=her)

        assert again.status == 403

    async def test_what_was_shown_against_something_else(self, ours: Room) -> None:
        her, his = await two(ours)
        first, second = [
            await propose(ours, her, write(text=NEW + extra)) for extra in ("", "# a\n")
        ]
        for each in (first, second):
            assert (await decide(ours, each.data["id"], his)).status == 200
        assert (await apply(ours, first.data["id"], her)).status < 300

        stale = await apply(ours, second.data["id"], her)
        shown = await ours.ask("GET", f"strongroom/changes/{second.data['id']}")

        assert (stale.status, "stale" in stale.errors[0]) == (403, True)
        assert shown.data["writes"][0]["stale"] is True
        assert await text(ours) == NEW

    async def test_an_approval_of_what_is_stale(self, ours: Room) -> None:
        her, his = await two(ours)
        first, second = [
            await propose(ours, her, write(text=NEW + extra)) for extra in ("", "# a\n")
        ]
        await decide(ours, first.data["id"], his)
        await apply(ours, first.data["id"], her)

        assert (await decide(ours, second.data["id"], his)).status == 400

    async def test_what_was_edited_after_its_approval(self, ours: Room) -> None:
        her, his = await two(ours)
        _, theirs = await person(ours, "cid", "changer")
        needs = [{"count": 2}]
        answer = await rule(ours, "pair", environments=[], kinds=["change"], needs=needs)
        assert answer.status == 403  # the approval rules change as approved, too
        made = await propose(ours, her)
        id_ = made.data["id"]
        evil = write(text='path "*" { capabilities = ["sudo"] }')
        body = {"reason": "another text", "writes": [evil]}
        assert (await ours.ask("POST", f"strongroom/changes/{id_}", body, token=her)).status == 200

        of_before = await decide(ours, id_, his)
        of_now = await decide(ours, id_, theirs, revision=2)

        assert (of_before.status, of_now.status) == (400, 200)
        assert (await ours.ask("POST", PATH, {"policy": NEW}, token=her)).status == 403
        late = await ours.ask("POST", f"strongroom/changes/{id_}", body, token=her)
        assert late.status == 400

    async def test_what_its_requester_approves_by_a_second_alias(self, ours: Room) -> None:
        ann, her = await person(ours, "ann", "changer")
        alias = {"name": "ann2", "mount_accessor": MOUNT, "canonical_id": ann}
        made = await propose(ours, her)
        await ours.ask("POST", "identity/entity-alias", alias)

        answers = [
            await decide(ours, made.data["id"], token)
            for token in (her, await signed_in(ours, "ann2"), ours.root)
        ]

        assert [each.status for each in answers] == [403, 403, 403]
        assert await state(ours, made.data["id"]) == "pending"

    @pytest.mark.parametrize("how", ["withdraw", "deny", "expire", "unapproved"])
    async def test_what_is_no_approved_change(self, ours: Room, how: str) -> None:
        her, his = await two(ours)
        id_ = (await propose(ours, her)).data["id"]
        if how == "withdraw":
            await decide(ours, id_, his)
            await ours.ask("DELETE", f"strongroom/changes/{id_}", token=her)
        elif how == "deny":
            await decide(ours, id_, his, "deny")
        elif how == "expire":
            await decide(ours, id_, his)
            ours.clock.advance(timedelta(days=7))
            her = await signed_in(ours, "ann")

        answers = [
            await ours.ask("POST", PATH, {"policy": NEW}, token=her),
            await apply(ours, id_, her),
        ]

        assert [each.status for each in answers] == [403, 400], answers
        assert await text(ours) == OLD

    async def test_a_change_whose_requester_is_gone(self, ours: Room) -> None:
        ann, her = await person(ours, "ann", "changer")
        _, his = await person(ours, "bob", "changer")
        made = await propose(ours, her)
        await decide(ours, made.data["id"], his)
        await ours.ask("POST", f"strongroom/people/{ann}/leave")

        assert (await apply(ours, made.data["id"], his)).status == 403

    async def test_applied_twice_at_once_or_while_it_is_withdrawn(self, ours: Room) -> None:
        her, his = await two(ours)
        made = await propose(ours, her)
        id_ = made.data["id"]
        await decide(ours, id_, his)

        answers = await asyncio.gather(
            *[apply(ours, id_, each) for each in (her, his, her)],
            ours.ask("DELETE", f"strongroom/changes/{id_}", token=her),
        )

        passed = [each.status < 300 for each in answers]
        assert sum(passed[:3]) <= 1
        assert sum(passed) == 1, answers
        assert await state(ours, id_) == ("withdrawn" if passed[3] else "applied")
        assert await text(ours) == (OLD if passed[3] else NEW)

    async def test_root_and_its_tokens(self, ours: Room) -> None:
        child = await ours.token("root")

        answers = [
            await ours.ask("POST", PATH, {"policy": NEW}, token=each) for each in (ours.root, child)
        ]

        assert [each.status for each in answers] == [403, 403]

    async def test_a_write_that_went_before_the_rule_was_there(self, ours: Room) -> None:
        her, _ = await two(ours)
        limits = {"longest": "8h", "idle": "10m"}
        path = "strongroom/sessions/limits"
        before = await ours.ask("POST", path, limits)
        his = (await person(ours, "cid", "changer"))[1]
        made = await propose(
            ours,
            her,
            {
                "path": "strongroom/change-rules/admin",
                "body": {"areas": ["policies", "sessions"]},
            },
        )
        await decide(ours, made.data["id"], his)
        assert (await apply(ours, made.data["id"], her)).status == 204

        after = await ours.ask("POST", path, limits)

        assert (before.status < 300, after.status) == (True, 403), before


class TestTheRules:
    async def test_are_covered_themselves_once_one_is_on(self, ours: Room) -> None:
        tries = [
            await ours.ask("DELETE", "strongroom/change-rules/admin"),
            await ours.ask("POST", "strongroom/change-rules/admin", {"enabled": False}),
            await ours.ask("POST", "strongroom/change-settings", {"holidays": ["2026-01-01"]}),
            await ours.ask("POST", "strongroom/approval-rules/x", {"needs": [{"count": 1}]}),
        ]

        assert [each.status for each in tries] == [403] * 4

    async def test_loosening_is_an_alert(self, ours: Room) -> None:
        her, his = await two(ours)
        gone = {"path": "strongroom/change-rules/admin", "operation": "delete"}
        made = await propose(ours, her, gone)
        await decide(ours, made.data["id"], his)

        answer = await apply(ours, made.data["id"], her)

        assert answer.status == 204, answer
        entry = next(
            e
            for e in reversed(await ours.entries())
            if e["metadata"]["event_code"] == "change_rule.delete"
        )
        assert entry["unmapped"]["alert"] == "change_rule_loosened"
        assert (await ours.ask("POST", PATH, {"policy": NEW})).status < 300

    async def test_cover_each_way_to_a_policy(self) -> None:
        only = covers((), ("sys/policies/acl/prod*",), (), enabled=True)
        rules = ChangeRules([only])

        for path in ("sys/policy/prod-a", "sys/policies/acl/PROD-a", "sys/policies/acl/prod"):
            assert rules.covering(path, "write"), path
        assert not rules.covering("sys/policies/acl/dev", "write")
        assert one_form("sys/policy/A") == "sys/policies/acl/a"

    async def test_leave_logins_and_ones_own_tokens_alone(self) -> None:
        rules = ChangeRules([covers(("auth",), (), (), enabled=True)])

        covered = [
            path
            for path in (
                "auth/userpass/config",
                "auth/approle/role/x",
                "auth/approle/role/x/policies",
                "auth/token/roles/x",
                "sys/auth/x",
                "sys/mounts/auth/x/tune",
            )
            if rules.covering(path, "write")
        ]
        free = [
            path
            for path in (
                "auth/userpass/login/x",
                "auth/token/renew-self",
                "auth/token/create",
                "auth/approle/role/x/secret-id",
            )
            if not rules.covering(path, "write")
        ]

        assert (len(covered), len(free)) == (6, 4)

    async def test_one_that_was_changed_in_the_database_covers_every_area(self) -> None:
        rules = ChangeRules([], ["changed"])

        assert rules.covering("sys/mounts/x", "write")

    def test_say_what_loosens(self) -> None:
        base = covers(("auth",), ("a/*",), (), enabled=True)
        less = [
            covers((), ("a/*",), (), enabled=True),
            covers(("auth",), (), (), enabled=True),
            covers(("auth",), ("a/*",), ("write",), enabled=True),
            covers(("auth",), ("a/*",), (), enabled=False),
        ]

        assert [loosens(each, base) for each in (*less, base)] == [True] * 4 + [False]


class TestWhatIsProposedByItself:
    async def test_a_workload_runs_again_once_it_is_approved(self, ours: Room) -> None:
        her, his = await two(ours)
        made = await propose(
            ours, her, {"path": "strongroom/change-rules/admin", "body": {"propose": True}}
        )
        await decide(ours, made.data["id"], his)
        assert (await apply(ours, made.data["id"], her)).status == 204
        owner, owners = await person(ours, "cid", "changer")
        robot = await entity(ours, "terraform", policies=["changer"])
        alias = {"name": "terraform", "mount_accessor": MOUNT, "canonical_id": robot}
        await ours.ask("POST", "identity/entity-alias", alias)
        body = {"owner": owner, "justification": "it configures", "environment": "production"}
        answer = await ours.ask("POST", f"strongroom/workloads/{robot}", body)
        assert answer.status < 300, answer
        its = await signed_in(ours, "terraform")

        first = await ours.ask("POST", PATH, {"policy": NEW}, token=its)
        second = await ours.ask("POST", PATH, {"policy": NEW}, token=its)
        [id_] = [
            key
            for key, row in (await ours.ask("LIST", "strongroom/changes")).data["key_info"].items()
            if row["by_itself"]
        ]
        by_owner = await decide(ours, id_, owners)
        silent = await decide(ours, id_, his, because="")
        by_another = await decide(ours, id_, his)
        third = await ours.ask(
            "POST", PATH, {"policy": NEW}, token=await signed_in(ours, "terraform")
        )

        assert (first.status, second.status) == (403, 403)
        assert f"proposed as change {id_}" in first.errors[0]
        assert f"change {id_} waits" in second.errors[0]
        assert (by_owner.status, silent.status, by_another.status) == (403, 400, 200)
        assert third.status < 300, third
        assert await text(ours) == NEW
        root = await ours.ask("POST", PATH, {"policy": OLD})
        assert "not registered" in root.errors[0]


class TestAnEmergency:
    async def test_passes_at_once_and_is_approved_afterwards(self, ours: Room) -> None:
        her, his = await two(ours)

        made = await propose(ours, her, to="/emergency")
        id_ = made.data["id"]
        entry = await ours.last()
        done = await apply(ours, id_, her)
        own = await decide(ours, id_, her)
        between = await state(ours, id_)
        approved = await decide(ours, id_, his)

        assert made.status == 200, made
        assert entry["unmapped"]["alert"] == "emergency_change"
        assert (made.data["state"], made.data["due_at"]) == ("begun", "2026-01-07T00:00:00Z")
        assert done.status < 300, done
        assert (own.status, between) == (403, "begun")
        assert (approved.data["state"], await text(ours)) == ("applied", NEW)

    async def test_asks_for_a_fresh_key_where_nobody_switched_that_off(self, ours: Room) -> None:
        her, _ = await two(ours)
        await ours.ask("POST", "strongroom/step-up/rules/policies", {"enabled": True})

        answer = await propose(ours, her, to="/emergency")

        assert (answer.status, "security key" in answer.errors[0]) == (403, True)

    async def test_that_is_overdue_lets_its_author_open_no_other(self, ours: Room) -> None:
        her, his = await two(ours)
        id_ = (await propose(ours, her, to="/emergency")).data["id"]
        ours.clock.advance(timedelta(days=6))
        her, his = await signed_in(ours, "ann"), await signed_in(ours, "bob")

        again = await propose(ours, her, to="/emergency")
        late = await ours.ask("POST", PATH, {"policy": NEW}, token=her)

        assert await state(ours, id_) == "overdue"
        assert (again.status, late.status) == (400, 403)
        assert (await decide(ours, id_, his)).status == 200

    def test_is_due_after_business_days(self) -> None:
        friday = datetime(2026, 1, 2, 15, tzinfo=UTC)
        thursday = datetime(2026, 1, 1, tzinfo=UTC)

        assert due_after(friday, ()) == datetime(2026, 1, 8, tzinfo=UTC)
        assert due_after(thursday, ()) == datetime(2026, 1, 7, tzinfo=UTC)
        assert due_after(friday, ("2026-01-05",)) == datetime(2026, 1, 9, tzinfo=UTC)


async def test_lists_filter_and_the_inbox_has_what_waits(ours: Room) -> None:
    her, his = await two(ours)
    id_ = (await propose(ours, her)).data["id"]

    async def listed(query: str, token: str) -> list[str]:
        answer = await ours.ask("LIST", f"strongroom/changes{query}", token=token)
        return list(answer.data["keys"]) if answer.status == 200 else []

    assert await listed("/inbox", his) == [id_]
    assert await listed("/inbox", her) == []
    assert await listed("/self", her) == [id_]
    assert await listed(f"?path={PATH}&state=pending", his) == [id_]
    assert await listed("?path=elsewhere", his) == []
    assert await listed("?emergency=true", his) == []
    preview = await propose(ours, her, to="/preview")
    assert (preview.status, preview.data["enough"], preview.data["needed"]) == (200, True, 1)


async def test_no_body_lies_in_clear_in_the_database(ours: Room, tmp_path: Path) -> None:
    her, _ = await two(ours)
    user = {"path": "auth/fake/login", "body": {}}
    assert (await propose(ours, her, user)).status == 400
    marked = write(text=NEW + "# gY7-clear-text-mark\n")
    made = await propose(ours, her, {"path": PATH, "body": {**marked["body"], "token": "hvs.x9z"}})

    assert made.status == 200, made
    assert b"hvs.x9z" not in stored_in(tmp_path)


def stored_in(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.glob("strongroom.db*"))
