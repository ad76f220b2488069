"""The three questions over the wire: entities, tokens, logins and roles, with why and guardrail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.core.system.room import Room, room

PASSWORD = "long enough"


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    """Policies `reader` and `own`, a user, an approle role, a token role, one environment."""
    async with room(tmp_path) as made:
        await made.policy("reader", 'path "secret/data/*" { capabilities = ["read"] }')
        await made.policy(
            "own", 'path "secret/data/{{identity.entity.name}}/*" { capabilities = ["read"] }'
        )
        await made.mount("auth/people/", "userpass")
        await made.mount("auth/apps/", "approle", environment="staging")
        user = {"password": PASSWORD, "policies": "reader"}
        await made.ask("POST", "auth/people/users/ann", user)
        await made.ask("POST", "auth/apps/role/job", {"token_policies": "reader"})
        await made.ask("POST", "auth/token/roles/give", {"allowed_policies_glob": "read*"})
        await made.ask("POST", "auth/token/roles/plain", {})
        for name, path in (("prod", "secret/+/prod/*"), ("staging", "staging/*")):
            await made.ask("POST", f"strongroom/environments/{name}", {"paths": [path]})
        yield made


async def who(r: Room, path: str, capability: str = "read", more: str = "") -> dict[str, list[str]]:
    """Return who may, with why, without the accessors of tokens."""
    answer = await r.ask("GET", f"strongroom/access/who?path={path}&capability={capability}{more}")
    assert answer.status == 200, answer
    found = answer.data["subjects"]
    return {f"{s['subject'].partition(':')[0]}:{s['name']}": s["why"] for s in found}


async def test_who_names_tokens_logins_and_roles_with_the_rule(r: Room) -> None:
    await r.token("reader", display_name="job")

    found = await who(r, "secret/data/x")

    assert found == {
        "login:ann": ["reader#secret/data/*"],
        "login:job": ["reader#secret/data/*"],
        "token-role:give": ["reader#secret/data/*"],
        "token:root": ["root#*"],
        "token:token-job": ["reader#secret/data/*"],
    }


async def test_who_leaves_out_whom_a_guardrail_refuses(r: Room) -> None:
    found = await who(r, "secret/data/prod/x")

    answer = await r.ask("GET", "strongroom/access/who?path=secret/data/prod/x&capability=read")
    assert set(found) == {"login:ann", "token-role:give", "token:root"}
    assert answer.data["refused_by_guardrail"] == 1
    assert answer.data["environments"] == ["prod"]


async def test_who_says_what_happens_on_a_request(r: Room) -> None:
    """The answer and the pipeline agree, token by token."""
    tokens = [await r.token("reader"), await r.token("default"), r.root]
    tokens.append(await r.token("reader", meta={"environment": "prod"}))
    for path in ("secret/data/x", "secret/data/prod/x", "auth/token/lookup-self"):
        found = await r.ask("GET", f"strongroom/access/who?path={path}&capability=read")
        may = {s["subject"] for s in found.data["subjects"]}
        for token in tokens:
            accessor = (await r.ask("POST", "auth/token/lookup", {"token": token})).data["accessor"]

            asked = await r.ask("GET", path, token=token)

            assert (asked.status != 403) is (f"token:{accessor}" in may), path


async def test_who_forgets_what_ended_and_whom_is_disabled(r: Room) -> None:
    await r.token("reader", ttl="1h", display_name="short")
    login = await r.ask("POST", "auth/people/login/ann", {"password": PASSWORD}, token="")
    before = await who(r, "secret/data/x")
    entity = login.auth["entity_id"]

    await r.ask("POST", f"identity/entity/id/{entity}", {"disabled": True})
    r.clock.advance(timedelta(hours=1))

    after = await who(r, "secret/data/x")
    assert {"token:token-short", "token:people-ann", "login:ann"} <= set(before)
    assert {"token:token-short", "token:people-ann", "login:ann"}.isdisjoint(after)


async def test_templates_are_filled_in_for_each_entity(r: Room) -> None:
    ann = {"name": "ann", "policies": ["own"]}
    await r.ask("POST", "identity/entity", ann)
    await r.ask("POST", "identity/entity", {"name": "bob", "policies": ["own"]})

    found = await who(r, "secret/data/ann/x")

    assert found["entity:ann"] == ["own#secret/data/{{identity.entity.name}}/*"]
    assert "entity:bob" not in found


async def test_who_comes_in_pages(r: Room) -> None:
    for _ in range(5):
        await r.token("reader")
    path = "strongroom/access/who?path=secret/data/x&capability=read"

    everybody = (await r.ask("GET", path)).data["subjects"]
    first = (await r.ask("GET", f"{path}&limit=4")).data
    rest = (await r.ask("GET", f"{path}&after={first['next']}")).data

    assert first["subjects"] + rest["subjects"] == everybody
    assert rest["next"] == ""


async def test_may_says_why_and_why_not(r: Room) -> None:
    path = "strongroom/access/may?policies=reader&capability=read&path="

    allowed = (await r.ask("GET", f"{path}secret/data/x")).data
    refused = (await r.ask("GET", f"{path}sys/seal")).data
    guarded = (await r.ask("GET", f"{path}secret/data/prod/x&environment=staging")).data

    assert (allowed["allowed"], allowed["why"]) == (True, ["reader#secret/data/*"])
    assert (refused["allowed"], refused["reason"]) == (False, "no rule matches the path")
    assert (guarded["allowed"], guarded["guardrail"]) == (False, "environment:prod")


async def test_may_of_an_entity_counts_its_tokens(r: Room) -> None:
    login = await r.ask("POST", "auth/people/login/ann", {"password": PASSWORD}, token="")
    entity = login.auth["entity_id"]
    path = f"strongroom/access/may?entity={entity}&capability=read&path=secret/data/x"

    before = (await r.ask("GET", path)).data
    await r.ask("POST", "auth/token/revoke", {"token": login.auth["client_token"]})
    after = (await r.ask("GET", path)).data

    assert (before["allowed"], after["allowed"]) == (True, False)


async def test_what_tells_patterns_with_their_policies_and_environments(r: Room) -> None:
    answer = await r.ask("GET", "strongroom/access/what?policies=reader&environment=staging")

    [subject] = answer.data["subjects"]
    [grant] = subject["grants"]
    assert grant == {
        "pattern": "secret/data/*",
        "capabilities": ["read"],
        "why": ["reader#secret/data/*"],
        "policies": ["reader"],
        "conditional": False,
        "except_for": [],
        "environments": ["prod"],
        "refused_in": ["prod"],
    }


async def test_everybody_may_ask_about_themselves_alone(r: Room) -> None:
    token = await r.token("default")

    own = await r.ask("GET", "strongroom/access/self", token=token)
    others = await r.ask("GET", "strongroom/access/what?policies=root", token=token)

    assert "auth/token/lookup-self" in [grant["pattern"] for grant in own.data["grants"]]
    assert others.status == 403


async def test_the_matrix_shows_each_subject_on_each_path(r: Room) -> None:
    asked = {"policies": ["reader", "none"], "paths": ["secret/data/x", "/secret/data/prod/x"]}

    answer = await r.ask("POST", "strongroom/access/matrix", asked)

    cells = {(c["subject"], c["path"]): c["capabilities"] for c in answer.data["cells"]}
    assert cells == {
        ("policies:reader", "secret/data/x"): ["read"],
        ("policies:reader", "secret/data/prod/x"): ["read"],
        ("policies:none", "secret/data/x"): [],
        ("policies:none", "secret/data/prod/x"): [],
    }


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ("may?capability=read&path=x", 400),
        ("may?policies=a&accessor=b&capability=read&path=x", 400),
        ("may?policies=a&capability=fly&path=x", 400),
        ("may?policies=a&capability=read", 400),
        ("may?accessor=none&capability=read&path=x", 404),
        ("what?entity=none", 404),
        ("matrix?paths=x", 400),
        ("who?capability=read", 400),
    ],
)
async def test_questions_that_mean_nothing_are_refused(r: Room, question: str, status: int) -> None:
    answer = await r.ask("GET", f"strongroom/access/{question}")

    assert answer.status == status


async def test_each_question_is_an_entry(r: Room) -> None:
    await who(r, "secret/data/x")

    entry = await r.last()

    assert entry["metadata"]["event_code"] == "access.who"
    assert entry["unmapped"]["on"] == "secret/data/x"
    assert entry["unmapped"]["holders"] == 4
