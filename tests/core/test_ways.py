"""What has gone its way before is refused as soon as anything on that way has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.core import ways
from tests.core.system.room import Room, room

READER = 'path "secret/data/*" { capabilities = ["read"] }'
WRITER = 'path "secret/data/*" { capabilities = ["create", "update"] }'
PATH = "secret/data/team/database"


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        await made.ask("POST", PATH, {"data": {"password": "hunter2"}})
        await made.ask("POST", "sys/policies/acl/reader", {"policy": READER})
        await made.ask("POST", "sys/policies/acl/writer", {"policy": WRITER})
        yield made


async def write(r: Room, token: str, **beside: object) -> int:
    return (await r.ask("POST", PATH, {"data": {"password": "x"}, **beside}, token=token)).status


async def trodden_by_writes(r: Room, policy: str = "", **asked: object) -> str:
    """Return a token that has written the secret three times already."""
    if policy:
        await r.ask("POST", "sys/policies/acl/writer", {"policy": policy})
    token = await r.token("writer", **asked)
    for _ in range(3):
        assert await write(r, token) == 200
    return token


async def trodden(r: Room, **asked: object) -> str:
    """Return a token that has read the secret three times already."""
    token = await r.token("reader", **asked)
    for _ in range(3):
        assert (await r.ask("GET", PATH, token=token)).status == 200
    return token


async def test_a_known_way_gives_the_same_answer_and_the_same_entry(r: Room) -> None:
    token = await r.token("reader")
    first = await r.ask("GET", PATH, token=token)
    entry = await r.last()
    again = await r.ask("GET", PATH, token=token)
    last = await r.last()

    assert again.data == first.data
    for name in ("time", "metadata", "api"):  # what holds the moment and the request's id
        entry.pop(name), last.pop(name)
    entry["unmapped"].pop("time"), last["unmapped"].pop("time")
    assert last == entry
    assert last["unmapped"]["rules"] == ["reader#secret/data/*"]


async def test_it_gives_what_is_stored_now(r: Room) -> None:
    token = await trodden(r)
    await r.ask("POST", PATH, {"data": {"password": "hunter3"}})
    renewed = await r.ask("GET", PATH, token=token)
    await r.ask("DELETE", PATH)
    deleted = await r.ask("GET", PATH, token=token)

    assert renewed.data["data"] == {"password": "hunter3"}
    assert deleted.status == 404


Change = Callable[[Room, str], Awaitable[object]]
CHANGES: dict[str, Change] = {
    "its policy is rewritten": lambda r, _: r.ask(
        "POST", "sys/policies/acl/reader", {"policy": READER.replace("data/*", "data/other/*")}
    ),
    "its policy denies": lambda r, _: r.ask(
        "POST", "sys/policies/acl/reader", {"policy": READER.replace("read", "deny")}
    ),
    "its policy asks for wrapping": lambda r, _: r.ask(
        "POST",
        "sys/policies/acl/reader",
        {"policy": READER.replace("}", 'min_wrapping_ttl = "1m" max_wrapping_ttl = "1h" }')},
    ),
    "its policy is deleted": lambda r, _: r.ask("DELETE", "sys/policies/acl/reader"),
    "it is revoked": lambda r, token: r.ask("POST", "auth/token/revoke", {"token": token}),
    "an environment is drawn around the secret": lambda r, _: r.ask(
        "POST", "strongroom/environments/prod", {"paths": ["secret/data/team/*"], "open": False}
    ),
    "the mount is disabled": lambda r, _: r.ask("DELETE", "sys/mounts/secret"),
    "the mount moves away": lambda r, _: r.ask(
        "POST", "sys/remount", {"from": "secret", "to": "elsewhere"}
    ),
    "the server is sealed": lambda r, _: r.ask("POST", "sys/seal"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_it_ends_when(r: Room, change: str) -> None:
    token = await trodden(r)

    await CHANGES[change](r, token)

    assert (await r.ask("GET", PATH, token=token)).status in (403, 404, 503)


async def test_it_ends_with_the_time_of_the_token(r: Room) -> None:
    token = await trodden(r, ttl="1h")
    r.clock.advance(timedelta(hours=1))

    assert (await r.ask("GET", PATH, token=token)).status == 403


async def test_it_ends_with_the_time_of_a_rule(r: Room) -> None:
    until = 'expiration = "2026-01-01T01:00:00Z" }'
    timed = await r.ask("POST", "sys/policies/acl/reader", {"policy": READER.replace("}", until)})
    assert timed.status == 204
    token = await trodden(r)
    r.clock.advance(timedelta(hours=2))

    assert (await r.ask("GET", PATH, token=token)).status == 403


async def test_a_use_limited_token_has_none(r: Room) -> None:
    token = await trodden(r, num_uses=4)

    assert (await r.ask("GET", PATH, token=token)).status == 200
    assert (await r.ask("GET", PATH, token=token)).status == 403


async def test_an_address_bound_token_has_none(r: Room) -> None:
    token = await r.token("root")
    await r.ask("POST", "auth/token/roles/bound", {"token_bound_cidrs": ["127.0.0.1/32"]})
    made = await r.ask("POST", "auth/token/create/bound", {"policies": ["reader"]}, token=token)
    bound = made.auth["client_token"]
    for _ in range(3):
        assert (await r.ask("GET", PATH, token=bound)).status == 200

    assert (await r.ask("GET", PATH, token=bound, address="192.0.2.7")).status == 403


async def test_what_says_more_than_its_path_is_judged_anew(r: Room) -> None:
    token = await trodden(r)
    older = await r.ask("GET", f"{PATH}?version=7", token=token)
    listed = await r.ask("LIST", PATH, token=token)
    written = await r.ask("POST", PATH, {"data": {}}, token=token)
    wrapped = await r.ask("GET", PATH, token=token, headers={"x-vault-wrap-ttl": "60"})

    assert older.status == 404
    assert listed.status == written.status == 403
    assert wrapped.body["wrap_info"]["ttl"] == 60


async def test_many_ways_are_forgotten_and_found_again(
    r: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "REMEMBERED", 2)
    token = await r.token("reader")
    for number in range(5):
        await r.ask("POST", f"secret/data/app-{number}", {"data": {"n": number}})

    for number in [*range(5), *range(5)]:
        answer = await r.ask("GET", f"secret/data/app-{number}", token=token)
        assert answer.data["data"] == {"n": number}


async def test_no_read_that_was_served_stands_behind_the_seal_in_the_log(r: Room) -> None:
    token = await trodden(r)

    async def read() -> int:
        return (await r.ask("GET", PATH, token=token)).status

    before = [asyncio.create_task(read()) for _ in range(20)]
    sealing = asyncio.create_task(r.ask("POST", "sys/seal"))
    after = [asyncio.create_task(read()) for _ in range(20)]
    statuses = await asyncio.gather(*before, *after)
    await sealing
    assert (await r.ask("GET", PATH, token=token)).status == 503

    codes = [
        (entry["metadata"]["event_code"], entry.get("status_code")) for entry in await r.entries()
    ]
    behind = codes[codes.index(("seal.seal", "204")) + 1 :]
    assert ("secret.read", "200") not in behind
    assert set(statuses) <= {200, 503}


async def test_a_known_way_of_a_write_gives_the_same_entry(r: Room) -> None:
    token = await r.token("writer")
    await write(r, token)
    entry = await r.last()
    await write(r, token)
    last = await r.last()

    assert last["unmapped"].pop("unchanged")  # of what the first had nothing to compare with
    for each in (entry, last):  # less the moment, the request's id and the version
        for name in ("time", "metadata", "api", "resources"):
            each.pop(name)
        each["unmapped"].pop("time")
    assert last == entry
    assert last["unmapped"]["rules"] == ["writer#secret/data/*"]


async def test_each_write_stores_what_its_own_body_says(r: Room) -> None:
    token = await trodden_by_writes(r)
    stored = await r.ask("POST", PATH, {"data": {"n": 1}, "odd": 2}, token=token)
    read = await r.ask("GET", PATH)
    without = await r.ask("POST", PATH, {}, token=token)

    assert read.data["data"] == {"n": 1}
    assert "odd" in stored.body["warnings"][0]
    assert without.status == 400


@pytest.mark.parametrize("change", CHANGES)
async def test_that_of_a_write_ends_when(r: Room, change: str) -> None:
    token = await trodden_by_writes(r)

    await CHANGES[change](r, token)
    if "policy" in change:
        await r.ask("POST", "sys/policies/acl/writer", {"policy": READER})

    assert await write(r, token) in (403, 404, 503)


async def test_a_use_limited_token_has_none_for_writes(r: Room) -> None:
    token = await trodden_by_writes(r, num_uses=4)

    assert await write(r, token) == 200
    assert await write(r, token) == 403


@pytest.mark.parametrize("granted", ["create", "update"])
async def test_a_write_that_may_only_create_or_only_update_is_judged_anew(
    r: Room, granted: str
) -> None:
    await r.ask("DELETE", PATH.replace("data", "metadata", 1))
    only = WRITER.replace('"create", "update"', f'"{granted}"')
    await r.ask("POST", "sys/policies/acl/writer", {"policy": only})
    token = await r.token("writer")

    first = await write(r, token)
    await r.ask("POST", PATH, {"data": {}})
    there = [await write(r, token) for _ in range(3)]
    await r.ask("DELETE", PATH.replace("data", "metadata", 1))
    gone = await write(r, token)

    assert (first, *there, gone) == (
        (200, 403, 403, 403, 200) if granted == "create" else (403, 200, 200, 200, 403)
    )


async def test_a_write_under_a_rule_for_parameters_is_judged_anew(r: Room) -> None:
    token = await trodden_by_writes(
        r, WRITER.replace("}", "denied_parameters = { options = [] } }")
    )

    assert await write(r, token, options={}) == 403
    assert await write(r, token) == 200


async def test_a_write_that_is_to_be_wrapped_is_judged_anew(r: Room) -> None:
    token = await trodden_by_writes(r)
    asked = {"x-vault-wrap-ttl": "60"}
    wrapped = await r.ask("POST", PATH, {"data": {}}, token=token, headers=asked)

    assert wrapped.body["wrap_info"]["ttl"] == 60
