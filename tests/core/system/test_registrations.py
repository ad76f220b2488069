"""People, workloads, and the requests to register them: who decides, and who is let in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom import app
from strongroom.base.clock import rfc3339
from tests.core.system.room import START, Answer, Room, room
from tests.core.system.test_groups import Fake, acting_as, entity, group, storage

ALL = 'path "*" { capabilities = ["create", "read", "update", "delete", "list"] }'
SOON = rfc3339(START + timedelta(days=30))
MOUNT = "accessor-of-auth-fake"
__all__ = ["storage"]


@pytest.fixture
async def ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> AsyncIterator[Room]:
    async with room(tmp_path, storage=storage) as made:
        monkeypatch.setitem(app.METHODS, "fake", Fake())
        await made.mount("auth/fake/", "fake")
        await made.mount("secret/", "kv")
        await made.policy("all", ALL)
        await made.ask("POST", "strongroom/environments/prod", {"paths": ["secret/prod/*"]})
        rule = {"enabled": False}  # that deciders show a fresh factor: see test_sign_ins
        await made.ask("POST", "strongroom/step-up/rules/approvals", rule)
        yield made


async def person(ours: Room, name: str, **more: object) -> tuple[str, str]:
    """Register an entity as a person; return its id and a token that may do anything."""
    made = await entity(ours, name, policies=["all"])
    answer = await ours.ask("POST", f"strongroom/people/{made}", {"name": name, **more})
    assert answer.status == 204, answer
    return made, await acting_as(ours, made)


def wanted(name: str = "new", **more: object) -> dict[str, object]:
    return {
        "kind": "person",
        "entity_name": name,
        "name": name.title(),
        "reason": "joins the team",
        "mount_accessor": MOUNT,
        "alias": name,
        **more,
    }


async def requested(ours: Room, token: str, **more: object) -> str:
    answer = await ours.ask("POST", "strongroom/registrations", wanted(**more), token=token)  # type: ignore[arg-type]
    assert answer.status == 200, answer
    return str(answer.data["id"])


async def decide(
    ours: Room, id_: str, token: str, *, revision: int = 1, how: str = "approve"
) -> Answer:
    body = {"revision": revision, "because": "known"}
    return await ours.ask("POST", f"strongroom/registrations/{id_}/{how}", body, token=token)


async def login(ours: Room, name: str) -> Answer:
    return await ours.ask("POST", f"auth/fake/login/{name}", {}, token="")


class TestPeople:
    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"name": " "}, "name"),
            ({"name": "\u200b"}, "name"),
            ({"worker": "vendor", "ends_at": SOON, "contract": "\u2060"}, "contract"),
            ({"email": "no address"}, "email"),
            ({"worker": "robot"}, "worker"),
            ({"worker": "contractor", "contract": "c"}, "ends_at"),
            ({"worker": "vendor", "ends_at": SOON}, "contract"),
            ({"ends_at": "tomorrow"}, "ends_at"),
        ],
    )
    async def test_lack_nothing(self, ours: Room, more: dict[str, object], field: str) -> None:
        made = await entity(ours, "ann")

        answer = await ours.ask("POST", f"strongroom/people/{made}", {"name": "Ann", **more})

        assert answer.status == 400
        assert answer.errors[0].startswith(field), answer

    async def test_are_listed_by_page_and_state(self, ours: Room) -> None:
        ids = sorted([(await person(ours, f"p{n}"))[0] for n in range(3)])
        await ours.ask("POST", f"strongroom/people/{ids[0]}/leave")

        first = await ours.ask("LIST", "strongroom/people?limit=2")
        rest = await ours.ask("LIST", f"strongroom/people?limit=2&after={first.data['next']}")
        left = await ours.ask("LIST", "strongroom/people?state=left")

        assert first.data["keys"] == ids[:2]
        assert (rest.data["keys"], rest.data["next"]) == (ids[2:], "")
        assert left.data["keys"] == ids[:1]

    async def test_who_is_over_their_end_is_out_at_that_very_moment(self, ours: Room) -> None:
        more = {"worker": "contractor", "contract": "c-1", "ends_at": SOON}
        made, token = await person(ours, "ann", **more)
        alias = {"name": "ann", "mount_accessor": MOUNT, "canonical_id": made}
        await ours.ask("POST", "identity/entity-alias", alias)
        before = await login(ours, "ann")
        child = await ours.token("none", by=token)
        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 200

        ours.clock.advance_to(START + timedelta(days=30))

        for each in (token, child, before.auth["client_token"]):
            assert (await ours.ask("GET", "auth/token/lookup-self", token=each)).status == 403
        after = await login(ours, "ann")
        wrong = await login(ours, "nobody")
        assert (after.status, after.errors) == (wrong.status, wrong.errors)
        entry = (await ours.entries())[-2]
        assert entry["status_detail"] == "the end of its registration has come"

    async def test_who_left_is_out_and_back_in_with_a_return(self, ours: Room) -> None:
        made, token = await person(ours, "ann")

        await ours.ask("POST", f"strongroom/people/{made}/leave")
        out = await ours.ask("GET", "auth/token/lookup-self", token=token)
        await ours.ask("POST", f"strongroom/people/{made}/return")
        revoked = await ours.ask("GET", "auth/token/lookup-self", token=token)
        bare = await ours.ask("GET", "auth/token/lookup-self", token=await acting_as(ours, made))
        await ours.ask("POST", f"identity/entity/id/{made}", {"policies": ["all"]})
        back = await ours.ask("GET", "auth/token/lookup-self", token=await acting_as(ours, made))

        assert (out.status, revoked.status, bare.status, back.status) == (403, 403, 403, 200)

    async def test_the_log_knows_their_kind_from_the_register(self, ours: Room) -> None:
        made, token = await person(ours, "ann")
        await ours.ask("POST", f"identity/entity/id/{made}", {"policies": ["all"]})

        await ours.ask("GET", "secret/x", token=token)

        assert (await ours.last())["actor"]["user"] == {"uid": made, "type_id": 1}
        assert (await ours.ask("GET", f"identity/entity/id/{made}")).data["kind"] == "person"


class TestWorkloads:
    async def test_have_a_living_owner_a_reason_and_an_environment(self, ours: Room) -> None:
        owner, _ = await person(ours, "ann")
        gone, _ = await person(ours, "bob")
        await ours.ask("POST", f"strongroom/people/{gone}/leave")
        made = await entity(ours, "ci")
        whole = {"owner": owner, "justification": "deploys", "environment": "prod"}
        wrong: list[dict[str, Any]] = [
            *({k: v for k, v in whole.items() if k != each} for each in whole),
            {**whole, "owner": gone},
            {**whole, "owner": made},
            {**whole, "environment": "nowhere"},
            {**whole, "justification": "  "},
            {**whole, "justification": "\u200b"},
            {**whole, "justification": "\u3164" * 9},
            {**whole, "vendor": "\u200b", "ends_at": SOON},
            {**whole, "vendor": "them"},
        ]

        for body in wrong:
            answer = await ours.ask("POST", f"strongroom/workloads/{made}", body)
            assert answer.status == 400, body
        answer = await ours.ask("POST", f"strongroom/workloads/{made}", whole)

        assert answer.status == 204, answer
        shown = await ours.ask("GET", f"identity/entity/id/{made}")
        assert shown.data["metadata"] == {"environment": "prod"}
        assert shown.data["kind"] == "workload"

    async def test_are_not_people_nor_the_other_way_round(self, ours: Room) -> None:
        owner, _ = await person(ours, "ann")
        whole = {"owner": owner, "justification": "deploys", "environment": "prod"}

        answer = await ours.ask("POST", f"strongroom/workloads/{owner}", whole)

        assert answer.status == 400
        assert "it is a person" in answer.errors[0]

    async def test_are_out_for_good_once_decommissioned(self, ours: Room) -> None:
        owner, _ = await person(ours, "ann")
        made = await entity(ours, "ci", policies=["all"])
        whole = {"owner": owner, "justification": "deploys", "environment": "prod"}
        await ours.ask("POST", f"strongroom/workloads/{made}", whole)
        token = await acting_as(ours, made)
        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 200

        await ours.ask("POST", f"strongroom/workloads/{made}/decommission")

        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 403
        again = await ours.ask("POST", f"strongroom/workloads/{made}", whole)
        assert again.status == 400


class TestTheSetting:
    async def test_keeps_out_who_is_not_registered_in_the_same_words(self, ours: Room) -> None:
        made, _ = await person(ours, "ann")
        alias = {"name": "ann", "mount_accessor": MOUNT, "canonical_id": made}
        await ours.ask("POST", "identity/entity-alias", alias)
        stranger = await login(ours, "eve")

        await ours.ask("POST", "strongroom/identity/settings", {"registration": "required"})

        inside, outside = await login(ours, "ann"), await login(ours, "eve")
        unknown, wrong = await login(ours, "zoe"), await login(ours, "nobody")
        assert (stranger.status, inside.status) == (200, 200)
        assert outside.errors == unknown.errors == wrong.errors
        reasons = [e.get("status_detail") for e in (await ours.entries())[-3:-1]]
        assert reasons == ["neither a registered person nor a registered workload"] * 2
        assert len((await ours.ask("LIST", "identity/entity/id")).data["keys"]) == 2

    async def test_takes_sudo_to_be_loosened(self, ours: Room) -> None:
        token = await ours.token("all")
        path = "strongroom/identity/settings"
        await ours.ask("POST", path, {"registration": "required"}, token=token)

        answer = await ours.ask("POST", path, {"registration": "open"}, token=token)

        assert answer.status == 403
        assert (await ours.ask("GET", path)).data["registration"] == "required"


class TestRegistrations:
    async def test_an_approval_makes_all_of_it(self, ours: Room) -> None:
        _, ann = await person(ours, "ann")
        bob, approver = await person(ours, "bob")
        team = await group(ours, "team", policies=["of-team"])
        asked = await requested(ours, ann, policies=["own"], groups=["team"])

        answer = await decide(ours, asked, approver)

        assert answer.status == 200, answer
        made = answer.data["entity"]
        row = await ours.ask("GET", f"strongroom/people/{made}")
        assert (row.data["registration"], row.data["name"]) == (asked, "New")
        assert (await ours.last())["metadata"]["event_code"] == "person.read"
        told = (await ours.ask("GET", f"strongroom/registrations/{asked}")).data
        assert (told["state"], told["decided_by"], told["entity"]) == ("approved", bob, made)
        assert told["groups"] == [team]
        inside = await login(ours, "new")
        assert inside.auth["entity_id"] == made
        assert inside.auth["policies"] == ["enrol-factors"]
        held = (await ours.ask("GET", f"identity/entity/id/{made}")).data
        assert (held["policies"], held["group_ids"]) == (["own"], [team])

    async def test_the_entry_says_that_somebody_was_made_another_or_brought_back(
        self, ours: Room
    ) -> None:
        made, _ = await person(ours, "mei")
        path, told = f"strongroom/people/{made}", []
        for at, body in (
            (path, {"ends_at": SOON}),
            (path, {"name": "Eve", "email": "eve@example.test"}),
            (f"{path}/return", {}),
            (f"{path}/leave", {}),
            (f"{path}/return", {}),
        ):
            answer = await ours.ask("POST", at, body)
            assert answer.status in (200, 204), answer
            own = (await ours.last())["unmapped"]
            told.append((own.get("rewritten"), own.get("returned")))

        assert told == [
            (None, None),
            (["name", "email"], None),
            (None, None),
            (None, None),
            (None, True),
        ]

    async def test_a_workload_is_bound_to_its_environment(self, ours: Room) -> None:
        ann, token = await person(ours, "ann")
        _, approver = await person(ours, "bob")
        more = {"kind": "workload", "owner": ann, "justification": "deploys", "environment": "prod"}
        asked = await requested(ours, token, **more)

        made = (await decide(ours, asked, approver)).data["entity"]

        shown = await ours.ask("GET", f"identity/entity/id/{made}")
        assert shown.data["metadata"] == {"environment": "prod"}
        assert (await ours.ask("GET", f"strongroom/workloads/{made}")).data["owner"] == ann

    async def test_what_cannot_be_made_whole_is_not_made_at_all(self, ours: Room) -> None:
        _, ann = await person(ours, "ann")
        _, approver = await person(ours, "bob")
        team = await group(ours, "team")
        asked = await requested(ours, ann, groups=[team])
        await ours.ask("DELETE", f"identity/group/id/{team}")

        answer = await decide(ours, asked, approver)

        assert answer.status == 400
        assert (await ours.ask("GET", "identity/entity/name/new")).status == 404
        told = await ours.ask("GET", f"strongroom/registrations/{asked}")
        assert told.data["state"] == "pending"

    async def test_nobody_decides_on_what_they_asked_for(self, ours: Room) -> None:
        _, ann = await person(ours, "ann")
        asked = await requested(ours, ann)

        for how in ("approve", "deny"):
            answer = await decide(ours, asked, ann, how=how)
            assert answer.status == 403
        assert (await ours.last())["status_detail"] == "who asked for it does not decide on it"

    async def test_nor_after_a_merge_either_way(self, ours: Room) -> None:
        ann, one = await person(ours, "ann")
        bob, other = await person(ours, "bob")
        asked = await requested(ours, one)
        body = {"from_entity_ids": [ann], "to_entity_id": bob}
        body["conflicting_alias_ids_to_keep"] = [
            (await ours.ask("GET", f"identity/entity/id/{bob}")).data["aliases"][0]["id"]
        ]
        assert (await ours.ask("POST", "identity/entity/merge", body)).status == 204

        for token in (one, other):
            assert (await decide(ours, asked, token)).status == 403

    async def test_nor_by_an_alias_that_was_moved(self, ours: Room) -> None:
        ann, one = await person(ours, "ann")
        bob, other = await person(ours, "bob")
        mine = {"name": "ann", "mount_accessor": MOUNT, "canonical_id": ann}
        alias = (await ours.ask("POST", "identity/entity-alias", mine)).data["id"]
        asked = await requested(ours, one)

        path = f"identity/entity-alias/id/{alias}"
        moved = await ours.ask("POST", path, {"canonical_id": bob})

        assert moved.status == 200, moved
        assert (await login(ours, "ann")).auth["entity_id"] == bob
        assert (await decide(ours, asked, other)).status == 403

    async def test_a_workload_asks_for_nobody_as_others_may_have_its_credentials(
        self, ours: Room
    ) -> None:
        ann, _ = await person(ours, "ann")
        made = await entity(ours, "hr", policies=["all"])
        whole = {"owner": ann, "justification": "deploys", "environment": "prod"}
        await ours.ask("POST", f"strongroom/workloads/{made}", whole)
        token = await acting_as(ours, made)

        answer = await ours.ask("POST", "strongroom/registrations", wanted(), token=token)

        assert answer.status == 403
        assert "only a registered person asks" in answer.errors[0]

    async def test_nor_once_the_requester_is_gone(self, ours: Room) -> None:
        ann, one = await person(ours, "ann")
        _, approver = await person(ours, "bob")
        asked = await requested(ours, one)
        await ours.ask("POST", f"strongroom/people/{ann}/leave", {})
        gone = await ours.ask("DELETE", f"identity/entity/id/{ann}")
        assert gone.status == 204, gone

        answer = await decide(ours, asked, approver)
        assert (answer.status, answer.errors) == (400, ["the request is withdrawn already"])

    async def test_only_an_active_person_decides_and_only_an_entity_asks(self, ours: Room) -> None:
        _, one = await person(ours, "ann")
        asked = await requested(ours, one)
        nobody = await acting_as(ours, await entity(ours, "eve", policies=["all"]))

        for token in (ours.root, nobody, await ours.token("all")):
            assert (await decide(ours, asked, token)).status == 403
        for token in (ours.root, nobody, await ours.token("all")):
            answer = await ours.ask(
                "POST", "strongroom/registrations", wanted("other"), token=token
            )
            assert answer.status == 403
            assert "registration" in answer.errors[0]

    async def test_nobody_asks_who_cannot_be_told_from_the_approver(self, ours: Room) -> None:
        await ours.ask("POST", "sys/auth/ci", {"type": "approle"})
        role = "auth/ci/role/r"
        await ours.ask("POST", role, {"token_policies": ["all"]})
        shown = {
            "role_id": (await ours.ask("GET", f"{role}/role-id")).data["role_id"],
            "secret_id": (await ours.ask("POST", f"{role}/secret-id", {})).data["secret_id"],
        }
        answer = await ours.ask("POST", "auth/ci/login", shown, token="")
        token, made = answer.auth["client_token"], answer.auth["entity_id"]

        refused = await ours.ask("POST", "strongroom/registrations", wanted(), token=token)

        assert refused.status == 403
        assert "only a registered person asks" in refused.errors[0]
        owner, _ = await person(ours, "ann")
        whole = {"owner": owner, "justification": "deploys", "environment": "prod"}
        assert (await ours.ask("POST", f"strongroom/workloads/{made}", whole)).status == 204
        again = await ours.ask("POST", "strongroom/registrations", wanted(), token=token)
        assert again.status == 403

    async def test_an_approval_takes_the_capability_on_its_path(self, ours: Room) -> None:
        _, ann = await person(ours, "ann")
        bob, _ = await person(ours, "bob")
        asked = await requested(ours, ann)
        await ours.policy("few", 'path "strongroom/registrations" { capabilities = ["list"] }')
        await ours.ask("POST", f"identity/entity/id/{bob}", {"policies": ["few"]})
        made = await ours.ask("POST", "identity/lookup/entity", {"id": bob})
        assert made.data["policies"] == ["few"]
        role = await ours.ask("POST", f"auth/token/create/{bob}", {"entity_alias": f"alias-{bob}"})
        token = role.auth["client_token"]

        assert (await decide(ours, asked, token)).status == 403

    async def test_one_that_is_over_is_not_approved(self, ours: Room) -> None:
        _, ann = await person(ours, "ann")
        _, approver = await person(ours, "bob")
        asked = await requested(ours, ann)
        ours.clock.advance_to(START + timedelta(days=14))

        answer = await decide(ours, asked, approver)

        assert answer.status == 400
        listed = await ours.ask("LIST", "strongroom/registrations?state=expired")
        assert listed.data["keys"] == [asked]

    async def test_one_that_was_edited_is_a_new_question(self, ours: Room) -> None:
        _, ann = await person(ours, "ann")
        _, approver = await person(ours, "bob")
        asked = await requested(ours, ann)
        path = f"strongroom/registrations/{asked}"
        edited = await ours.ask("POST", path, wanted(policies=["more"]), token=ann)

        assert edited.data["revision"] == 2
        assert (await decide(ours, asked, approver, revision=1)).status == 400
        assert (await decide(ours, asked, approver, revision=2, how="deny")).status == 204
        assert (await decide(ours, asked, approver, revision=2)).status == 400
        await ours.ask("POST", path, wanted(), token=ann)
        assert (await ours.ask("GET", path)).data["state"] == "pending"
        assert (await decide(ours, asked, approver, revision=3)).status == 200
        assert (await decide(ours, asked, approver, revision=3)).status == 400
        assert (await ours.ask("POST", path, wanted(), token=ann)).status == 400

    async def test_who_edits_it_has_asked_for_it(self, ours: Room) -> None:
        _, ann = await person(ours, "ann")
        _, bob = await person(ours, "bob")
        asked = await requested(ours, ann)
        await ours.ask("POST", f"strongroom/registrations/{asked}", wanted(), token=bob)

        for token in (ann, bob):
            assert (await decide(ours, asked, token, revision=2)).status == 403

    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"policies": ["root"]}, "policies"),
            ({"groups": ["none"]}, "groups"),
            ({"alias": ""}, "alias"),
            ({"mount_accessor": "none"}, "mount_accessor"),
            ({"environment": "nowhere"}, "environment"),
            ({"entity_name": "ann"}, "entity_name"),
            ({"ends_at": rfc3339(START)}, "ends_at"),
            ({"worker": "vendor"}, "ends_at"),
            ({"kind": "workload"}, "owner"),
            ({"reason": ""}, "reason"),
            ({"reason": "\u200b"}, "reason"),
            ({"name": "\ufeff "}, "name"),
        ],
    )
    async def test_what_cannot_be_is_not_asked_for(
        self, ours: Room, more: dict[str, object], field: str
    ) -> None:
        _, ann = await person(ours, "ann")

        body = {**wanted(), **more}
        answer = await ours.ask("POST", "strongroom/registrations", body, token=ann)

        assert answer.status == 400
        assert answer.errors[0].startswith(field), answer

    async def test_a_decision_says_why_or_nothing(self, ours: Room) -> None:
        _, ann = await person(ours, "ann")
        _, bob = await person(ours, "bob")
        asked = await requested(ours, ann)

        path, body = f"strongroom/registrations/{asked}/deny", {"revision": 1, "because": "\u200b"}
        answer = await ours.ask("POST", path, body, token=bob)

        assert answer.status == 400
        assert answer.errors[0].startswith("because"), answer

    async def test_a_bound_approver_makes_nobody_elsewhere(self, ours: Room) -> None:
        _, ann = await person(ours, "ann")
        bob, approver = await person(ours, "bob")
        asked = await requested(ours, ann)
        await ours.ask("POST", f"identity/entity/id/{bob}", {"metadata": {"environment": "prod"}})

        assert (await decide(ours, asked, approver)).status == 403
        inside = {**wanted("inside"), "environment": "prod"}
        mine = await ours.ask("POST", "strongroom/registrations", inside, token=ann)
        assert (await decide(ours, mine.data["id"], approver)).status == 200

    async def test_no_entry_holds_a_name_or_an_address(self, ours: Room) -> None:
        _, ann = await person(ours, "ann")
        _, approver = await person(ours, "bob")
        more = {"name": "Zacharias Q", "email": "zq@example.org"}
        asked = await requested(ours, ann, **more)
        await decide(ours, asked, approver)

        assert "Zacharias" not in str(await ours.entries())
        assert "zq@" not in str(await ours.entries())
