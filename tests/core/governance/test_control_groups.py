"""A request waits for others as its policy's control group says, and is made once, as of then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.base.errors import InputError
from strongroom.identity.policy.acl import compile_acl
from strongroom.identity.policy.capability import Operation
from strongroom.identity.policy.document import parse_policy
from tests.core.governance.office import MOUNT, entity, group, office, person, signed_in
from tests.core.system.room import START, Answer, Room

PATH = "secret/dev/db"
HELD = """
path "secret/dev/*" {
  capabilities = ["create", "read", "update"]
  control_group = {
    ttl = "1h"
    factor "managers" {
      identity {
        group_names = ["managers"]
        approvals = %d
      }
    }
  }
}
"""
APPROVERS = 'path "sys/control-group/*" { capabilities = ["create", "update"] }'


@pytest.fixture
async def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    async with office(tmp_path, monkeypatch) as made:
        await made.policy("held", HELD % 1)
        await made.policy("approver", APPROVERS)
        assert (await made.ask("POST", PATH, {"password": "p"})).status == 204
        yield made


async def three(ours: Room) -> tuple[str, str, str]:
    """Register who asks and two managers; return their tokens, and make the group."""
    _, her = await person(ours, "ann", "held", "approver")
    bob, his = await person(ours, "bob", "approver")
    cid, theirs = await person(ours, "cid", "approver")
    await group(ours, "managers", member_entity_ids=[bob, cid])
    return her, his, theirs


async def authorize(ours: Room, accessor: str, token: str) -> Answer:
    return await ours.ask(
        "POST", "sys/control-group/authorize", {"accessor": accessor}, token=token
    )


async def unwrap(ours: Room, text: str) -> Answer:
    return await ours.ask("POST", "sys/wrapping/unwrap", token=text)


async def held(ours: Room, token: str, method: str = "GET", body: object = None) -> tuple[str, str]:
    answer = await ours.ask(method, PATH, body, token=token)
    assert (answer.status, answer.body["data"]) == (200, None), answer
    info = answer.body["wrap_info"]
    assert (info["ttl"], info["creation_path"]) == (3600, PATH)
    return info["token"], info["accessor"]


class TestARequest:
    async def test_is_answered_once_after_another_authorized_it(self, ours: Room) -> None:
        her, his, _ = await three(ours)
        text, accessor = await held(ours, her)
        early = await unwrap(ours, text)
        shown = await ours.ask("POST", "sys/control-group/request", {"accessor": accessor})

        yes = await authorize(ours, accessor, his)
        made, again = await unwrap(ours, text), await unwrap(ours, text)
        after = await ours.ask("POST", "sys/control-group/request", {"accessor": accessor})

        codes = [e["metadata"]["event_code"] for e in await ours.entries()]
        assert codes.count("control_group.request") == 1
        assert codes.count("secret.read") == 1
        assert (early.status, early.errors) == (400, ["Request needs further approval"])
        assert (shown.data["approved"], shown.data["request_path"]) == (False, PATH)
        assert shown.data["authorizations"] is None
        assert (yes.status, yes.data) == (200, {"approved": True})
        assert (made.status, made.data) == (200, {"password": "p"})
        assert again.status == 400
        assert after.data["authorizations"][0]["entity_name"] == "Bob"
        entry = next(
            e for e in reversed(await ours.entries()) if "unwrapped" in e.get("unmapped", {})
        )
        assert entry["metadata"]["event_code"] == "secret.read"
        assert entry["unmapped"]["control_group"] == accessor

    async def test_of_a_write_is_made_when_it_is_unwrapped(self, ours: Room) -> None:
        her, his, _ = await three(ours)
        text, accessor = await held(ours, her, "POST", {"password": "gY7-new"})
        before = (await ours.ask("GET", PATH)).data
        shown = await ours.ask("POST", "sys/control-group/request", {"accessor": accessor})
        await authorize(ours, accessor, his)
        between = (await ours.ask("GET", PATH)).data

        answer = await unwrap(ours, text)

        assert (before, between) == ({"password": "p"}, {"password": "p"})
        assert shown.data["request_data"] == {"password": None}
        assert answer.status == 204, answer
        assert (await ours.ask("GET", PATH)).data == {"password": "gY7-new"}
        assert "gY7-new" not in json.dumps(await ours.entries())

    async def test_may_be_unwrapped_by_another_token_and_looked_up(self, ours: Room) -> None:
        her, his, _ = await three(ours)
        text, accessor = await held(ours, her)
        await authorize(ours, accessor, his)
        looked = await ours.ask("POST", "sys/wrapping/lookup", {"token": text})

        made = await ours.ask("POST", "sys/wrapping/unwrap", {"token": text})

        assert looked.data["creation_path"] == PATH
        assert made.data == {"password": "p"}

    async def test_needs_as_many_as_its_factor_says(self, ours: Room) -> None:
        await ours.policy("held", HELD % 2)
        her, his, theirs = await three(ours)
        text, accessor = await held(ours, her)

        first = await authorize(ours, accessor, his)
        twice = await authorize(ours, accessor, his)
        early = await unwrap(ours, text)
        last = await authorize(ours, accessor, theirs)

        assert (first.data, twice.status, early.status) == ({"approved": False}, 400, 400)
        assert last.data == {"approved": True}
        assert (await unwrap(ours, text)).status == 200


class TestWhatDoesNotPass:
    async def test_a_yes_of_who_asked_by_whatever_alias_or_token(self, ours: Room) -> None:
        ann, her = await person(ours, "ann", "held", "approver")
        bob, _ = await person(ours, "bob", "approver")
        inner = await group(ours, "inner", member_entity_ids=[ann])
        await group(ours, "managers", member_entity_ids=[bob], member_group_ids=[inner])
        _, accessor = await held(ours, her)
        alias = {"name": "ann2", "mount_accessor": MOUNT, "canonical_id": ann}
        await ours.ask("POST", "identity/entity-alias", alias)
        tokens = [her, await signed_in(ours, "ann2"), ours.root]

        answers = [await authorize(ours, accessor, each) for each in tokens]

        assert [each.status for each in answers] == [403] * 3

    async def test_a_yes_of_somebody_outside_the_group_or_of_one_that_came_later(
        self, ours: Room
    ) -> None:
        her, his, _ = await three(ours)
        dan, dans = await person(ours, "dan", "approver")
        text, accessor = await held(ours, her)
        outside = await authorize(ours, accessor, dans)
        found = await ours.ask("GET", "identity/group/name/managers")
        await ours.ask("DELETE", f"identity/group/id/{found.data['id']}")
        await group(ours, "managers", member_entity_ids=[dan])

        answers = [await authorize(ours, accessor, each) for each in (dans, his)]

        assert [each.status for each in (outside, *answers)] == [403] * 3
        assert (await unwrap(ours, text)).status == 400

    async def test_one_that_is_over_or_whose_requester_may_no_longer(self, ours: Room) -> None:
        her, his, _ = await three(ours)
        late, of_late = await held(ours, her)
        text, accessor = await held(ours, her)
        gone, of_gone = await held(ours, her)
        for each in (accessor, of_gone):
            await authorize(ours, each, his)
        await ours.policy("held", "")
        lost = await unwrap(ours, text)
        await ours.policy("held", HELD % 1)
        kept = await unwrap(ours, text)
        await ours.ask("POST", "auth/token/revoke-self", token=her)
        dead = await unwrap(ours, gone)
        ours.clock.advance_to(START + timedelta(hours=1))

        over = await authorize(ours, of_late, await signed_in(ours, "bob"))

        assert (lost.status, kept.status, dead.status) == (403, 200, 403), (lost, dead)
        assert over.status == 400
        assert (await unwrap(ours, late)).status == 400

    async def test_two_unwrappings_at_once(self, ours: Room) -> None:
        her, his, _ = await three(ours)
        text, accessor = await held(ours, her)
        await authorize(ours, accessor, his)

        answers = await asyncio.gather(*[unwrap(ours, text) for _ in range(3)])

        assert sorted(each.status for each in answers) == [200, 400, 400]

    async def test_tokens_of_nobody_and_batch_tokens(self, ours: Room) -> None:
        her, _, _ = await three(ours)
        nobodys = await ours.token("held")
        made = await entity(ours, "stranger", policies=["held"])
        assert made

        answers = [await ours.ask("GET", PATH, token=each) for each in (nobodys,)]

        assert [each.status for each in answers] == [403]
        assert (await ours.ask("GET", PATH, token=her)).status == 200

    async def test_a_rewrapping_of_what_is_held(self, ours: Room) -> None:
        her, _, _ = await three(ours)
        text, _ = await held(ours, her)

        answer = await ours.ask("POST", "sys/wrapping/rewrap", {"token": text})

        assert answer.status == 400

    async def test_without_its_group(self, ours: Room) -> None:
        _, her = await person(ours, "ann", "held")
        _, his = await person(ours, "bob", "approver")
        _, accessor = await held(ours, her)

        assert (await authorize(ours, accessor, his)).status == 403


def parsed(inside: str) -> None:
    parse_policy("p", f'path "a" {{ capabilities = ["read"]\n control_group = {{ {inside} }} }}')


class TestThePolicy:
    @pytest.mark.parametrize(
        "inside",
        [
            "",
            'factor "f" { }',
            'factor "f" { identity { } }',
            'factor "f" { identity { group_names = [] } }',
            'factor "f" { identity { group_names = ["g"]\n approvals = 0 } }',
            'factor "f" { identity { group_names = ["g"]\n approvals = -1 } }',
            'factor "f" { identity { group_names = ["g"]\n approvals = true } }',
            'factor "f" { identity { group_names = ["g"]\n approvals = 1.5 } }',
            'factor "f" { controlled_capabilities = []\n identity { group_names = ["g"] } }',
            'factor "f" { controlled_capabilities = ["sudo"]\n identity { group_names = ["g"] } }',
            'ttl = "0s"\n factor "f" { identity { group_names = ["g"] } }',
            'ttl = "99999h"\n factor "f" { identity { group_names = ["g"] } }',
            'nothing = 1\n factor "f" { identity { group_names = ["g"] } }',
            'factor "f" { identity { group_names = [1] } }',
            'factor { identity { group_names = ["g"] } }',
        ],
    )
    def test_that_would_ask_nobody_is_refused(self, inside: str) -> None:
        with pytest.raises(InputError):
            parsed(inside)

    def test_is_read_in_json_too_and_holds_what_its_factors_name(self) -> None:
        identity = {"group_ids": ["g-1"], "approvals": 2}
        factor = {"f": {"controlled_capabilities": ["create"], "identity": identity}}
        rule = {"capabilities": ["create", "read", "update"]}
        text = json.dumps(
            {"path": {"a": {**rule, "control_group": {"ttl": "4h", "factor": factor}}}}
        )

        acl = compile_acl([parse_policy("p", text)], None, START)

        decisions = {o: acl.grants("a", o) for o in (Operation.CREATE, Operation.UPDATE)}
        for decision in decisions.values():
            assert decision.control is not None
            assert (decision.control.factors[0].approvals, decision.control.ttl) == (
                2,
                timedelta(hours=4),
            )
            assert decision.conditional
        assert acl.grants("a", Operation.READ).control is None

    def test_of_several_rules_all_factors_are_to_be_met(self) -> None:
        texts = [
            f'path "a" {{ capabilities = ["read"]\n control_group {{ factor "{name}" '
            f'{{ identity {{ group_names = ["{name}"] }} }} }} }}'
            for name in ("x", "y")
        ]
        texts.append('path "a" { capabilities = ["read"] }')

        acl = compile_acl([parse_policy(str(i), t) for i, t in enumerate(texts)], None, START)

        control = acl.grants("a", Operation.READ).control
        assert control is not None
        assert [each.name for each in control.factors] == ["x", "y"]
