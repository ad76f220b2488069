"""Groups: what they give, whom they bind not, and that a change of one is in force at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom import app
from strongroom.base.errors import DeniedError
from strongroom.core.request import Incoming
from strongroom.core.router import Operation
from strongroom.identity.groups import read_graph
from strongroom.sdk.auth import Login, Proof, TokenRules
from strongroom.sdk.engine import Call, Named, Route
from strongroom.storage.commit import Problem
from strongroom.storage.transaction import Transaction
from tests.core.system.room import Room, room

READ = 'path "secret/a" { capabilities = ["read"] }'
ADMIN = 'path "identity/*" { capabilities = ["create", "read", "update", "delete", "list"] }'


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def storage(request: pytest.FixtureRequest) -> str:
    """The address of a database; nothing for the one in the room's folder."""
    if request.param == "sqlite":
        return ""
    return str(request.getfixturevalue("postgresql_ready").url)


@pytest.fixture
async def ours(tmp_path: Path, storage: str) -> AsyncIterator[Room]:
    async with room(tmp_path, storage=storage) as made:
        await made.mount("secret/", "kv")
        await made.ask("POST", "secret/a", {"x": "1"})
        await made.policy("reader", READ)
        yield made


async def entity(ours: Room, name: str, **more: object) -> str:
    answer = await ours.ask("POST", "identity/entity", {"name": name, **more})
    assert answer.status == 200, answer
    return str(answer.data["id"])


async def group(ours: Room, name: str, token: str | None = None, **more: object) -> str:
    answer = await ours.ask("POST", "identity/group", {"name": name, **more}, token=token)
    assert answer.status == 200, answer
    return str(answer.data["id"])


async def acting_as(ours: Room, entity_id: str, *policies: str) -> str:
    """Return a token of an entity: by a role, an alias of the token method, and its id."""
    accessor = "token_core"
    name = f"alias-{entity_id}"
    given = {"name": name, "canonical_id": entity_id, "mount_accessor": accessor}
    assert (await ours.ask("POST", "identity/entity-alias", given)).status == 200
    role = {
        "allowed_entity_aliases": [name],
        "allowed_policies": ["none", *policies],
        "orphan": True,
    }
    await ours.ask("POST", f"auth/token/roles/{entity_id}", role)
    asked = {"entity_alias": name, "policies": ["none", *policies], "no_default_policy": True}
    answer = await ours.ask("POST", f"auth/token/create/{entity_id}", asked)
    assert answer.status == 200, answer
    return str(answer.auth["client_token"])


class TestWhatGroupsGive:
    async def test_policies_come_down_through_groups_in_groups(self, ours: Room) -> None:
        ann = await entity(ours, "ann")
        token = await acting_as(ours, ann)
        before = await ours.ask("GET", "secret/a", token=token)
        inner = await group(ours, "inner", member_entity_ids=[ann])

        await group(ours, "outer", policies=["reader"], member_group_ids=[inner])

        assert before.status == 403
        assert (await ours.ask("GET", "secret/a", token=token)).status == 200
        told = await ours.ask("POST", "auth/token/lookup", {"token": token})
        assert told.data["identity_policies"] == ["reader"]
        shown = await ours.ask("GET", f"identity/entity/id/{ann}")
        assert shown.data["direct_group_ids"] == [inner]
        assert len(shown.data["inherited_group_ids"]) == 1

    async def test_a_group_changed_is_felt_by_the_next_request(self, ours: Room) -> None:
        ann = await entity(ours, "ann")
        token = await acting_as(ours, ann)
        inner = await group(ours, "inner", policies=["reader"], member_entity_ids=[ann])
        assert (await ours.ask("GET", "secret/a", token=token)).status == 200

        await ours.ask("POST", f"identity/group/id/{inner}", {"member_entity_ids": []})

        assert (await ours.ask("GET", "secret/a", token=token)).status == 403

    async def test_a_request_under_way_with_an_old_membership_does_not_leave(
        self, ours: Room
    ) -> None:
        ann = await entity(ours, "ann")
        token = await acting_as(ours, ann)
        inner = await group(ours, "inner", policies=["reader"], member_entity_ids=[ann])
        pipeline = ours.server.pipeline
        asked = Incoming(id="1", operation=Operation.READ, path="secret/a", token=token)
        under_way = await pipeline._serve(asked)
        assert under_way.status == 200

        await ours.ask("DELETE", f"identity/group/id/{inner}")
        outcome = await pipeline._commit(under_way)

        assert outcome.problem is Problem.STALE

    async def test_who_may_do_it_includes_rights_by_group(self, ours: Room) -> None:
        ann = await entity(ours, "ann")
        await group(ours, "readers", policies=["reader"], member_entity_ids=[ann])

        answer = await ours.ask("GET", "strongroom/access/who?capability=read&path=secret/a")

        found = {each["entity"]: each for each in answer.data["subjects"]}
        assert found[ann]["groups"] == ["readers"]
        assert found[ann]["policies"] == ["reader"]
        assert found[ann]["why"]

    async def test_capabilities_include_them(self, ours: Room) -> None:
        ann = await entity(ours, "ann")
        token = await acting_as(ours, ann)
        await group(ours, "readers", policies=["reader"], member_entity_ids=[ann])

        asked = {"token": token, "paths": ["secret/a"]}
        answer = await ours.ask("POST", "sys/capabilities", asked)

        assert answer.data["secret/a"] == ["read"]

    async def test_templates_find_a_group_only_for_who_is_in_it(self, ours: Room) -> None:
        ann, bob = await entity(ours, "ann"), await entity(ours, "bob")
        inner = await group(ours, "inner", member_entity_ids=[ann], metadata={"at": "a"})
        outer = await group(ours, "out.er", member_group_ids=[inner], metadata={"at": "a"})
        by_id = f"secret/{{{{identity.groups.ids.{outer}.metadata.at}}}}"
        by_name = "secret/{{identity.groups.names.out.er.metadata.at}}"
        one, other = await acting_as(ours, ann), await acting_as(ours, bob)
        for name, path in (("by-id", by_id), ("by-name", by_name)):
            await ours.policy(name, f'path "{path}" {{ capabilities = ["read"] }}')
            for each in (ann, bob):
                await ours.ask("POST", f"identity/entity/id/{each}", {"policies": [name]})

            assert (await ours.ask("GET", "secret/a", token=one)).status == 200
            assert (await ours.ask("GET", "secret/a", token=other)).status == 403

    async def test_a_group_row_that_was_changed_holds_its_members_back(self, ours: Room) -> None:
        ann, bob = await entity(ours, "ann"), await entity(ours, "bob")
        await ours.ask("POST", f"identity/entity/id/{ann}", {"policies": ["reader"]})
        await ours.ask("POST", f"identity/entity/id/{bob}", {"policies": ["reader"]})
        one, other = await acting_as(ours, ann), await acting_as(ours, bob)
        await group(ours, "g", policies=["x"], member_entity_ids=[ann])

        await _tamper(ours)

        assert (await ours.ask("GET", "secret/a", token=one)).status == 403
        assert (await ours.ask("GET", "secret/a", token=other)).status == 200


async def _tamper(ours: Room) -> None:
    def act(tx: Transaction) -> None:
        tx.run("UPDATE entity_group SET policies = ?", ('["root"]',))
        tx.changed("group:x")

    await ours.store(act)


class Fake:
    """An auth method that takes what it is told."""

    kind: ClassVar[str] = "fake"

    def __init__(self) -> None:
        self.groups: tuple[str, ...] = ()

    def routes(self) -> tuple[Route, ...]:
        return ()

    def login(self) -> Login[Any]:
        async def prove(_call: Call, given: Named) -> Proof:
            if given.name == "nobody":
                raise DeniedError
            rules = TokenRules()
            return Proof(alias=given.name, shown_by="x", rules=rules, groups=self.groups)

        return Login(path="login/{name}", given=Named, prove=prove, subject=lambda g: g.name)

    async def still_holds(self, call: Call, role: str, alias: str) -> TokenRules:
        return TokenRules()

    async def groups_now(self, call: Call, role: str, alias: str) -> tuple[str, ...]:
        return self.groups


@pytest.fixture
async def fake(ours: Room, monkeypatch: pytest.MonkeyPatch) -> Fake:
    method = Fake()
    monkeypatch.setitem(app.METHODS, "fake", method)
    await ours.mount("auth/fake/", "fake")
    return method


class TestExternalGroups:
    async def external(self, ours: Room, name: str = "devs") -> str:
        made = await group(ours, name, type="external", policies=["reader"])
        given = {"name": name, "canonical_id": made, "mount_accessor": "accessor-of-auth-fake"}
        assert (await ours.ask("POST", "identity/group-alias", given)).status == 200
        return made

    async def test_members_come_and_go_with_their_logins(self, ours: Room, fake: Fake) -> None:
        made = await self.external(ours)
        fake.groups = ("devs", "others")

        first = await ours.ask("POST", "auth/fake/login/ann", {}, token="")
        inside = await ours.ask("GET", f"identity/group/id/{made}")
        entry = (await ours.entries())[-2]
        fake.groups = ("others",)
        second = await ours.ask("POST", "auth/fake/login/ann", {}, token="")
        outside = await ours.ask("GET", f"identity/group/id/{made}")

        assert first.auth["identity_policies"] == ["reader"]
        assert inside.data["member_entity_ids"] == [first.auth["entity_id"]]
        assert entry["unmapped"]["groups_joined"] == [made]
        assert "identity_policies" not in second.auth
        assert outside.data["member_entity_ids"] is None
        gone = await ours.ask("GET", "secret/a", token=first.auth["client_token"])
        assert gone.status == 403

    async def test_members_come_and_go_with_renewals(self, ours: Room, fake: Fake) -> None:
        await self.external(ours)
        fake.groups = ("devs",)
        login = await ours.ask("POST", "auth/fake/login/ann", {}, token="")
        token = login.auth["client_token"]
        fake.groups = ()

        renewed = await ours.ask("POST", "auth/token/renew-self", {}, token=token)

        assert renewed.status == 200, renewed
        assert "identity_policies" not in renewed.auth
        assert (await ours.ask("GET", "secret/a", token=token)).status == 403

    async def test_another_mount_of_the_same_name_moves_nobody(
        self, ours: Room, fake: Fake
    ) -> None:
        made = await self.external(ours)
        await ours.mount("auth/other/", "fake")
        fake.groups = ("devs",)

        other = await ours.ask("POST", "auth/other/login/eve", {}, token="")

        assert "identity_policies" not in other.auth
        assert (await ours.ask("GET", f"identity/group/id/{made}")).data[
            "member_entity_ids"
        ] is None

    async def test_who_was_in_by_an_alias_is_out_without_it(self, ours: Room, fake: Fake) -> None:
        made = await self.external(ours)
        fake.groups = ("devs",)
        token = (await ours.ask("POST", "auth/fake/login/ann", {}, token="")).auth["client_token"]
        alias = (await ours.ask("GET", f"identity/group/id/{made}")).data["alias"]["id"]
        assert (await ours.ask("GET", "secret/a", token=token)).status == 200

        await ours.ask("DELETE", f"identity/group-alias/id/{alias}")

        assert (await ours.ask("GET", "secret/a", token=token)).status == 403


class TestEnvironments:
    """A caller that is bound to an environment, with every right on identity."""

    @pytest.fixture
    async def bound(self, ours: Room) -> dict[str, str]:
        await ours.policy("admin", ADMIN)
        for name in ("prod", "dev"):
            body = {"paths": [f"secret/{name}/*"]}
            assert (await ours.ask("POST", f"strongroom/environments/{name}", body)).status == 204
        ids = {
            name: await entity(ours, name, metadata={"environment": environment})
            for name, environment in (("me", "dev"), ("friend", "dev"), ("other", "prod"))
        }
        ids["free"] = await entity(ours, "free")
        await ours.ask("POST", f"identity/entity/id/{ids['me']}", {"policies": ["admin"]})
        return ids | {"token": await acting_as(ours, ids["me"])}

    async def asked(self, ours: Room, bound: dict[str, str], path: str, body: object) -> int:
        answer = await ours.ask("POST", f"identity/{path}", body, token=bound["token"])
        return answer.status

    async def test_groups_its_own_as_policy_lets_it(
        self, ours: Room, bound: dict[str, str]
    ) -> None:
        body = {"name": "g", "policies": ["reader"], "member_entity_ids": [bound["friend"]]}

        assert await self.asked(ours, bound, "group", body) == 200

    @pytest.mark.parametrize("who", ["other", "free"])
    async def test_gives_nothing_to_who_is_bound_elsewhere(
        self, ours: Room, bound: dict[str, str], who: str
    ) -> None:
        body = {"name": "g", "policies": ["x"], "member_entity_ids": [bound[who], bound["friend"]]}

        assert await self.asked(ours, bound, "group", body) == 403
        assert "environment:" in (await ours.last())["unmapped"]["guardrail"]

    async def test_takes_nothing_from_who_is_bound_elsewhere(
        self, ours: Room, bound: dict[str, str]
    ) -> None:
        made = await group(ours, "g", member_entity_ids=[bound["other"]])

        path = f"group/id/{made}"
        assert await self.asked(ours, bound, path, {"policies": ["x"]}) == 403
        assert await self.asked(ours, bound, path, {"member_entity_ids": [bound["me"]]}) == 403
        gone = await ours.ask("DELETE", f"identity/{path}", token=bound["token"])
        assert gone.status == 403

    async def test_does_not_reach_down_through_a_group(
        self, ours: Room, bound: dict[str, str]
    ) -> None:
        inner = await group(ours, "inner", member_entity_ids=[bound["other"]])
        body = {"name": "g", "policies": ["x"], "member_group_ids": [inner]}

        assert await self.asked(ours, bound, "group", body) == 403
        body["member_entity_ids"] = [bound["me"]]  # type: ignore[assignment]
        assert await self.asked(ours, bound, "group", body) == 403

    async def test_writes_no_group_of_nobody_nor_an_external_one(
        self, ours: Room, bound: dict[str, str]
    ) -> None:
        empty = await group(ours, "empty")
        external = await group(ours, "ext", type="external")

        assert await self.asked(ours, bound, f"group/id/{empty}", {"policies": ["x"]}) == 403
        assert await self.asked(ours, bound, f"group/id/{external}", {"policies": ["x"]}) == 403
        assert await self.asked(ours, bound, "group", {"type": "external"}) == 403
        alias = {"name": "x", "mount_accessor": "token_core", "canonical_id": external}
        assert await self.asked(ours, bound, "group-alias", alias) == 403

    async def test_is_not_bound_elsewhere_by_a_group(
        self, ours: Room, bound: dict[str, str]
    ) -> None:
        await ours.policy("all", 'path "secret/*" { capabilities = ["read"] }')
        await ours.ask("POST", "secret/prod/x", {"k": "v"})
        body = {
            "name": "g",
            "metadata": {"environment": "prod"},
            "policies": ["all"],
            "member_entity_ids": [bound["me"]],
        }
        assert await self.asked(ours, bound, "group", body) == 200

        answer = await ours.ask("GET", "secret/prod/x", token=bound["token"])

        assert answer.status == 403
        assert (await ours.last())["unmapped"]["guardrail"] == "environment:prod"

    @pytest.mark.parametrize(("gone", "stays"), [("other", "me"), ("me", "other"), ("free", "me")])
    async def test_merges_nobody_across_a_boundary(
        self, ours: Room, bound: dict[str, str], gone: str, stays: str
    ) -> None:
        body = {"from_entity_ids": [bound[gone]], "to_entity_id": bound[stays]}

        assert await self.asked(ours, bound, "entity/merge", body) == 403
        assert (await ours.ask("POST", "identity/entity/merge", body)).status == 403  # root neither


class TestMerging:
    async def test_tokens_go_on_as_the_one_that_stays(self, ours: Room) -> None:
        ann, bob = await entity(ours, "ann"), await entity(ours, "bob", policies=["reader"])
        token = await acting_as(ours, ann)
        body = {"from_entity_ids": [ann], "to_entity_id": bob}

        answer = await ours.ask("POST", "identity/entity/merge", body)

        assert answer.status == 204, answer
        assert (await ours.ask("GET", "secret/a", token=token)).status == 200
        assert (await ours.last())["actor"]["user"]["uid"] == bob
        told = await ours.ask("POST", "auth/token/lookup", {"token": token})
        assert told.data["entity_id"] == bob
        shown = await ours.ask("GET", f"identity/entity/id/{bob}")
        assert shown.data["merged_entity_ids"] == [ann]

    async def test_a_batch_token_goes_on_too_through_two_merges(
        self, ours: Room, fake: Fake
    ) -> None:
        await ours.ask("POST", "sys/auth/fake/tune", {"token_type": "batch"})
        login = await ours.ask("POST", "auth/fake/login/ann", {}, token="")
        token, ann = login.auth["client_token"], login.auth["entity_id"]
        bob, cid = await entity(ours, "bob"), await entity(ours, "cid", policies=["reader"])
        assert token.startswith("hvb.")

        for gone, stays in ((ann, bob), (bob, cid)):
            body = {"from_entity_ids": [gone], "to_entity_id": stays}
            assert (await ours.ask("POST", "identity/entity/merge", body)).status == 204

        assert (await ours.ask("GET", "secret/a", token=token)).status == 200
        assert (await ours.last())["actor"]["user"]["uid"] == cid
        await ours.ask("POST", f"identity/entity/id/{cid}", {"disabled": True})
        assert (await ours.ask("GET", "secret/a", token=token)).status == 403


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
async def test_policies_are_the_closure_and_no_cycle_is_ever_stored(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    count = data.draw(st.integers(2, 6))
    async with room(tmp_path_factory.mktemp("groups")) as ours:
        ann = await entity(ours, "ann", policies=["own"])
        ids = [await group(ours, f"g{n}", policies=[f"p{n}"]) for n in range(count)]
        nested: dict[int, set[int]] = {n: set() for n in range(count)}
        holds: set[int] = set()
        for _ in range(data.draw(st.integers(1, 12))):
            n = data.draw(st.integers(0, count - 1))
            members = data.draw(st.sets(st.integers(0, count - 1), max_size=3))
            inside = data.draw(st.booleans())
            body = {
                "member_group_ids": [ids[m] for m in members],
                "member_entity_ids": [ann] if inside else [],
            }
            answer = await ours.ask("POST", f"identity/group/id/{ids[n]}", body)
            cyclic = any(n in _reached({**nested, n: members}, m) for m in members)
            assert answer.status == (400 if cyclic else 204)
            if not cyclic:
                nested[n] = members
                holds = holds | {n} if inside else holds - {n}

        told = await ours.ask("GET", f"identity/entity/id/{ann}")

        above = {n for n in range(count) if _reached(nested, n) & holds}
        assert set(told.data["group_ids"]) == {ids[n] for n in above}
        token = await acting_as(ours, ann)
        held = (await ours.ask("POST", "auth/token/lookup", {"token": token})).data
        assert held["identity_policies"] == sorted({"own", *(f"p{n}" for n in above)})
        graph = await read_graph(Transaction(ours.server.database, ours.server.barrier))
        for row in graph.groups.values():
            graph.check_acyclic(row.id, row.members)


def _reached(nested: dict[int, set[int]], start: int) -> set[int]:
    found, edge = {start}, [start]
    while edge:
        for each in nested[edge.pop()]:
            if each not in found:
                found.add(each)
                edge.append(each)
    return found
