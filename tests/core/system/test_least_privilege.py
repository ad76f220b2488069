"""Granted minus used, a smaller policy, its replay, and who gains or loses by another text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.identity.policy.document import parse_policy
from tests.core.system.room import Answer, Room, room

WIDE = """
path "secret/data/app/*" { capabilities = ["create", "read", "update", "delete"] }
path "secret/data/other/*" { capabilities = ["read"] }
path "secret/metadata/app/*" { capabilities = ["list"] }
path "sys/mounts" { capabilities = ["read"] }
"""
PASSWORD = "long enough"


@dataclass(kw_only=True)
class Company:
    """A room in which ann, who holds `app`, has read two secrets and written one of them."""

    r: Room
    ann: str
    token: str

    async def ask(self, question: str, **given: Any) -> Answer:
        path = f"strongroom/{question}"
        if "policy" in given and "policies" in question:
            return await self.r.ask("POST", path, given)
        query = "&".join(f"{name}={value}" for name, value in given.items())
        return await self.r.ask("GET", f"{path}?{query}")

    async def data(self, question: str, **given: Any) -> Any:
        answer = await self.ask(question, **given)
        assert answer.status == 200, answer
        return answer.data

    async def use(self, method: str, path: str, body: Any = None) -> int:
        return (await self.r.ask(method, path, body, token=self.token)).status


@pytest.fixture
async def c(tmp_path: Path) -> AsyncIterator[Company]:
    """See Company."""
    async with room(tmp_path) as r:
        await r.mount("secret/", "kv", version="2")
        await r.mount("auth/people/", "userpass")
        await r.policy("app", WIDE)
        await r.ask("POST", "auth/people/users/ann", {"password": PASSWORD, "policies": "app"})
        login = await r.ask("POST", "auth/people/login/ann", {"password": PASSWORD}, token="")
        made = Company(r=r, ann=login.auth["entity_id"], token=login.auth["client_token"])
        for path in ("a", "b"):
            assert await made.use("POST", f"secret/data/app/{path}", {"data": {"k": "v"}}) == 200
            assert await made.use("GET", f"secret/data/app/{path}") == 200
        assert await made.use("GET", "secret/data/prod") == 403
        assert await made.use("GET", "secret/data/other/none") == 404
        yield made


async def test_unused_names_each_rule_with_its_last_use(c: Company) -> None:
    found = await c.data("access/unused", entity=c.ann)

    rules = {each["rule"]: each for each in found["rules"]}
    used = rules["app#secret/data/app/*"]
    assert used["used"] == ["read", "update"]
    assert used["unused_capabilities"] == ["create", "delete"]
    assert (used["times"], used["unused"]) == (4, False)
    entry = (await c.r.entries())[used["last_index"]]
    assert entry["unmapped"]["path"] == "secret/data/app/b"
    assert rules["app#sys/mounts"]["unused"]
    assert rules["app#sys/mounts"]["last_time"] is None


async def test_uses_before_the_period_do_not_count(c: Company) -> None:
    c.r.clock.advance(timedelta(days=10))

    long, short = [await c.data("access/unused", policy="app", days=days) for days in (11, 9)]

    assert short["unused"] == 4
    assert long["unused"] == 2


async def test_a_proposal_names_what_was_used_and_replays_without_a_refusal(c: Company) -> None:
    found = await c.data("policies/propose", name="app")

    assert [rule.path for rule in parse_policy("app", found["policy"]).rules] == [
        "secret/data/app/a",
        "secret/data/app/b",
        "secret/data/other/none",
    ]
    became = {each["pattern"]: each["became"] for each in found["rules"]}
    assert became["secret/data/app/*"] == "named"
    assert became["sys/mounts"] == "dropped"
    replayed = await c.data("policies/replay", name="app", policy=found["policy"])
    assert (replayed["requests"], replayed["refused"]) == (5, [])


async def test_a_replay_lists_what_would_have_been_refused(c: Company) -> None:
    text = 'path "secret/data/app/a" { capabilities = ["read"] }'

    found = await c.data("policies/replay", name="app", policy=text)

    refused = {(x["path"], x["operation"]): x for x in found["refused"]}
    assert set(refused) == {
        ("secret/data/app/a", "update"),
        ("secret/data/app/b", "update"),
        ("secret/data/app/b", "read"),
        ("secret/data/other/none", "read"),
    }
    last = refused["secret/data/app/b", "read"]
    assert (last["entity"], last["times"], last["refused_now"]) == (c.ann, 1, False)
    entry = (await c.r.entries())[last["last_index"]]
    assert entry["unmapped"]["path"] == "secret/data/app/b"
    assert (found["requests"], found["refused_requests"]) == (5, 4)


async def test_a_replay_finds_where_sudo_is_needed(c: Company) -> None:
    sudo = 'path "sys/raw*" { capabilities = ["read", "sudo"] }\n'
    sudo += 'path "sys/auth/x" { capabilities = ["create", "update", "sudo"] }'
    await c.r.policy("admin", sudo)
    admin = await c.r.token("admin")
    made = await c.r.ask("POST", "sys/auth/x", {"type": "userpass"}, token=admin)
    assert made.status == 204

    proposed = await c.data("policies/propose", name="admin")
    replayed = [
        await c.data("policies/replay", name="admin", policy=text)
        for text in (proposed["policy"], proposed["policy"].replace('"sudo", ', ""))
    ]

    assert '"sudo"' in proposed["policy"]
    assert [found["refused_requests"] for found in replayed] == [0, 1]
    assert replayed[1]["refused"][0]["reason"] == "sudo is needed"


async def test_impact_names_who_gains_and_who_loses(c: Company) -> None:
    text = WIDE.replace("other/*", "third/*")

    found = await c.data("policies/impact", name="app", policy=text)

    [change] = found["changes"]
    assert {each["pattern"] for each in change["gains"]} == {"secret/data/third/*"}
    assert {each["pattern"] for each in change["loses"]} == {"secret/data/other/*"}
    assert {each["entity"] for each in change["subjects"]} == {c.ann}
    same = await c.data("policies/impact", name="app", policy=f"# the same\n{WIDE}")
    assert (same["changes"], same["unchanged"]) == ([], same["holders"])
    asks = text.replace('["read"] }', '["read"], required_parameters = ["k"] }')
    other = await c.data("policies/impact", name="app", policy=asks)
    assert (same["asks_otherwise"], other["asks_otherwise"]) == ([], ["sys/mounts"])


async def test_what_another_policy_allows_is_no_loss(c: Company) -> None:
    more = 'path "secret/data/other/*" { capabilities = ["read"] }'
    await c.r.policy("more", more)
    await c.r.ask("POST", f"identity/entity/id/{c.ann}", {"policies": ["more"]})

    found = await c.data("policies/impact", name="app", policy=WIDE.replace("other/", "app/x/"))

    lost = {p["pattern"] for change in found["changes"] for p in change["loses"]}
    assert "secret/data/other/*" not in lost


@pytest.mark.parametrize(
    ("question", "given", "status"),
    [
        ("access/unused", {}, 400),
        ("access/unused", {"entity": "none"}, 404),
        ("access/unused", {"policy": "none"}, 404),
        ("access/unused", {"policy": "app", "entity": "x"}, 400),
        ("access/unused", {"policy": "app", "days": 0}, 400),
        ("access/unused", {"policy": "app", "days": 10**9}, 400),
        ("policies/propose", {"name": "none"}, 404),
        ("policies/propose", {"name": "root"}, 404),
        ("policies/replay", {"name": "none", "policy": ""}, 404),
        ("policies/replay", {"name": "app", "policy": 'path "x" {'}, 400),
        ("policies/impact", {"name": "app", "policy": 'path "x" { capabilities = ["fly"] }'}, 400),
        ("policies/impact", {"name": "none", "policy": ""}, 404),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    c: Company, question: str, given: dict[str, Any], status: int
) -> None:
    answer = await c.ask(question, **given)

    assert answer.status == status, answer


async def test_nothing_is_changed_and_each_answer_is_an_entry(c: Company) -> None:
    before = (await c.r.ask("GET", "sys/policies/acl/app")).data

    await c.data("policies/replay", name="app", policy="")
    entry = await c.r.last()

    assert entry["metadata"]["event_code"] == "policy.replay"
    assert entry["unmapped"]["refused"] == 5
    assert (await c.r.ask("GET", "sys/policies/acl/app")).data == before


async def test_a_name_that_holds_quotes_is_a_name(c: Company) -> None:
    name = 'a"#b'
    made = await c.r.ask("POST", f"sys/policies/acl/{name}", {"policy": WIDE})
    if made.status == 204:
        found = await c.data("policies/replay", name=name, policy="")
        assert found["requests"] == 0
