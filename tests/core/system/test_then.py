"""Past moments: what is said of then is what was said then, or that it is not known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.base.clock import rfc3339
from tests.core.system.room import START, Room, room

READS = 'path "secret/data/*" { capabilities = ["read"] }'
NARROW = 'path "secret/data/x/*" { capabilities = ["read"] }'
PATHS = ("secret/data/x/1", "secret/data/y", "secret/data/prod/db")
PASSWORD = "long enough"
HOUR = timedelta(hours=1)


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    """Two entities, a group with one of them, a user who has logged in, an environment."""
    async with room(tmp_path) as made:
        await ok(made, "POST", "sys/policies/acl/reader", {"policy": READS})
        await ok(made, "POST", "sys/policies/acl/short", {"policy": NARROW, "ttl": "2h"})
        await ok(made, "POST", "sys/auth/people", {"type": "userpass"})
        await ok(made, "POST", "auth/people/users/ann", {"password": PASSWORD})
        for name, policies in (("bob", ["reader"]), ("cat", []), ("dan", ["short"])):
            given = {"name": name, "policies": policies}
            await ok(made, "POST", "identity/entity", given)
        cat = (await made.ask("GET", "identity/entity/name/cat")).data["id"]
        given = {"name": "readers", "policies": ["reader"], "member_entity_ids": [cat]}
        await ok(made, "POST", "identity/group", given)
        given = {"paths": ["secret/data/prod/*"], "open": False}
        await ok(made, "POST", "strongroom/environments/prod", given)
        await made.token("reader", ttl="20h")
        yield made


async def ok(r: Room, *request: Any, **more: Any) -> Any:
    answer = await r.ask(*request, **more)
    assert answer.status < 300, (request, answer)
    return answer


async def who(r: Room, path: str, at: str = "") -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return who may read a path, with why; and of whom something is not known."""
    query = f"strongroom/access/who?capability=read&path={path}" + (f"&at={at}" if at else "")
    found = (await ok(r, "GET", query)).data["subjects"]
    return (
        {each["subject"]: each["why"] for each in found},
        {each["subject"]: each["uncertain"] for each in found if "uncertain" in each},
    )


async def everything(r: Room, at: str = "") -> dict[str, dict[str, list[str]]]:
    return {path: (await who(r, path, at))[0] for path in PATHS}


async def test_what_was_so_is_said_after_everything_has_changed(r: Room) -> None:
    before, then = await everything(r), r.clock.now()
    ids = {
        name: (await r.ask("GET", f"identity/entity/name/{name}")).data["id"]
        for name in ("bob", "cat", "dan")
    }
    steps: list[tuple[Any, ...]] = [
        ("POST", "sys/policies/acl/reader", {"policy": NARROW}),
        ("POST", "identity/entity/name/bob", {"policies": []}),
        ("POST", "identity/entity/name/dan", {"disabled": True}),
        ("POST", "identity/group/name/readers", {"member_entity_ids": [ids["bob"]]}),
        ("POST", "identity/group/name/readers", {"policies": []}),
        ("DELETE", "strongroom/environments/prod"),
        ("POST", "strongroom/environments/x", {"paths": ["secret/data/x/*"], "open": False}),
        ("DELETE", "identity/group/name/readers"),
        ("POST", "sys/policies/acl/new", {"policy": READS}),
        ("POST", "identity/entity", {"name": "eve", "policies": ["new"]}),
        ("DELETE", "sys/policies/acl/reader"),
        ("DELETE", "identity/entity/name/cat"),
    ]
    at = ""
    for number, step in enumerate(steps):
        r.clock.advance(timedelta(minutes=5))
        await ok(r, *step)
        at = rfc3339(then + timedelta(microseconds=number))  # worked out anew

        assert await everything(r, at) == before, step

    assert await everything(r) != before
    _, uncertain = await who(r, PATHS[0], at)
    assert set(uncertain) == {f"entity:{ids[name]}" for name in ("bob", "cat", "dan")}


async def test_what_ended_since_by_the_clock_had_not_ended(r: Room) -> None:
    r.clock.advance(HOUR)
    at = rfc3339(r.clock.now())
    before = await everything(r)
    await r.ask("GET", "sys/health")
    r.clock.advance(HOUR)

    found = await everything(r, at)

    assert found == before
    assert await everything(r) != before


async def test_a_login_that_changed_since_is_not_guessed(r: Room) -> None:
    at = rfc3339(r.clock.now())
    r.clock.advance(HOUR)
    await ok(r, "POST", "auth/people/users/ann", {"token_policies": "reader"})

    answer = await r.ask("GET", f"strongroom/access/who?capability=read&path=x&at={at}")

    assert any(
        each.startswith("auth/people/ was written since") for each in answer.data["uncertain"]
    )
    assert not [h for h in answer.data["subjects"] if h["subject"].startswith("login:")]


async def test_tokens_that_ended_since_are_counted(r: Room) -> None:
    token = await r.token("reader", ttl="2h")
    at = rfc3339(r.clock.now())
    r.clock.advance(HOUR)
    await ok(r, "POST", "auth/token/revoke", {"token": token})

    answer = await r.ask("GET", f"strongroom/access/who?capability=read&path={PATHS[0]}&at={at}")

    assert any(each.startswith("1 tokens that were given") for each in answer.data["uncertain"])


async def test_what_an_entity_could_do_then(r: Room) -> None:
    bob = (await r.ask("GET", "identity/entity/name/bob")).data["id"]
    at = rfc3339(r.clock.now())
    r.clock.advance(HOUR)
    await ok(r, "DELETE", "identity/entity/name/bob")

    gone = await r.ask("GET", f"strongroom/access/what?entity={bob}")
    then = await ok(r, "GET", f"strongroom/access/what?entity={bob}&at={at}")

    [subject] = then.data["subjects"]
    assert gone.status == 404
    assert [grant["pattern"] for grant in subject["grants"]] == ["secret/data/*"]
    assert subject["uncertain"].startswith("gone since")


async def test_the_whole_matrix_of_then_has_the_rights_of_then(r: Room) -> None:
    at = rfc3339(r.clock.now())
    r.clock.advance(HOUR)
    await ok(r, "POST", "sys/policies/acl/reader", {"policy": NARROW})

    now = await ok(r, "GET", "strongroom/access/everybody?below=secret/")
    then = await ok(r, "GET", f"strongroom/access/everybody?below=secret/&at={at}")

    def patterns(found: Any) -> set[str]:
        return {each["pattern"] for row in found.data["rows"] for each in row["rights"]}

    assert "secret/data/*" not in patterns(now)
    assert "secret/data/*" in patterns(then)
    assert then.data["as_of"] == at


@pytest.mark.parametrize("ahead", [True, False])
async def test_moments_of_which_nothing_can_be_known_are_refused(r: Room, ahead: bool) -> None:
    at = rfc3339(r.clock.now() + HOUR if ahead else START - HOUR)

    answer = await r.ask("GET", f"strongroom/access/who?capability=read&path=x&at={at}")

    assert answer.status == 400
