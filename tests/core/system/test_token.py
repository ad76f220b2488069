"""Tokens on a running server: trees, limits, renewal, and what happens at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.core.system.room import Room, room

MAKER = 'path "auth/token/*" { capabilities = ["create", "read", "update"] }'
ALL = 'path "auth/token/*" { capabilities = ["create", "read", "update", "list", "sudo"] }'
PASSWORD = "long enough"


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.policy("maker", MAKER)
        await made.policy("all", ALL)
        yield made


async def works(r: Room, token: str, address: str = "127.0.0.1") -> bool:
    answer = await r.ask("GET", "auth/token/lookup-self", token=token, address=address)
    return answer.status == 200


# -- trees


async def test_a_revoked_token_takes_all_below_it_along(r: Room) -> None:
    top = await r.token("maker")
    middle = await r.token("maker", by=top)
    bottom = await r.token("maker", by=middle)
    batch = await r.token("maker", by=middle, type="batch")
    beside = await r.token("maker")

    await r.ask("POST", "auth/token/revoke", {"token": top})

    alive = [await works(r, each) for each in (top, middle, bottom, batch, beside)]
    assert alive == [False, False, False, False, True]
    assert (await r.last())["metadata"]["event_code"] == "token.lookup"
    revoked = [e for e in await r.entries() if e["metadata"]["event_code"] == "token.revoke"]
    assert revoked[-1]["unmapped"]["revoked"] == 3


async def test_an_orphan_outlives_who_made_it(r: Room) -> None:
    top = await r.token("all")
    orphan = (await r.ask("POST", "auth/token/create-orphan", {}, token=top)).auth
    own = await r.token("all", by=top, no_parent=True)

    await r.ask("POST", "auth/token/revoke-self", token=top)

    assert orphan["orphan"]
    assert await works(r, orphan["client_token"])
    assert await works(r, own)


async def test_revoke_orphan_leaves_the_children_without_a_parent(r: Room) -> None:
    top = await r.token("maker")
    child = await r.token("maker", by=top)
    below = await r.token("maker", by=child)

    await r.ask("POST", "auth/token/revoke-orphan", {"token": top})

    shown = await r.ask("POST", "auth/token/lookup", {"token": child})
    assert not await works(r, top)
    assert shown.data["orphan"]
    assert await works(r, below)


async def test_revoke_orphan_asks_for_sudo(r: Room) -> None:
    top = await r.token("maker")

    answer = await r.ask("POST", "auth/token/revoke-orphan", {"token": top}, token=top)

    assert answer.errors == ["root or sudo privileges required to revoke and orphan"]


async def test_no_child_survives_a_parent_that_is_revoked_meanwhile(r: Room) -> None:
    for _ in range(5):
        parent = await r.token("maker")
        makes = [
            r.ask("POST", "auth/token/create", {"policies": ["maker"]}, token=parent)
            for _ in range(10)
        ]
        revoke = r.ask("POST", "auth/token/revoke", {"token": parent})

        *made, gone = await asyncio.gather(*makes[:5], *makes[5:], revoke)

        assert gone.status == 204
        assert {answer.status for answer in made} <= {200, 403}
        for answer in made:
            if answer.status == 200:
                assert not await works(r, answer.auth["client_token"])
    [[rows]] = await r.server.database.rows("SELECT count(*) FROM token", ())
    assert rows == 1  # the first root token


async def test_what_a_token_kept_in_its_cubbyhole_goes_with_it(r: Room) -> None:
    await r.policy("cubby", 'path "cubbyhole/*" { capabilities = ["create", "read"] }')
    token = await r.token("cubby")
    await r.ask("POST", "cubbyhole/mine", {"a": "b"}, token=token)

    await r.ask("POST", "auth/token/revoke", {"token": token})

    [[cells]] = await r.server.database.rows(
        "SELECT count(*) FROM cell WHERE mount = 'cubbyhole'", ()
    )
    assert cells == 0


# -- limits


async def test_a_token_is_used_up_and_then_gone(r: Room) -> None:
    token = await r.token("maker", num_uses=2)

    answers = [await works(r, token) for _ in range(3)]

    assert answers == [True, True, False]
    [[rows]] = await r.server.database.rows("SELECT count(*) FROM token", ())
    assert rows == 1


async def test_a_limited_token_used_many_times_at_once_is_good_for_its_uses_only(r: Room) -> None:
    token = await r.token("maker", num_uses=3)

    answers = await asyncio.gather(*(works(r, token) for _ in range(10)))

    assert sum(answers) == 3


async def test_a_limited_token_makes_no_other(r: Room) -> None:
    token = await r.token("maker", num_uses=5)

    answer = await r.ask("POST", "auth/token/create", {}, token=token)

    assert answer.errors == ["restricted use token cannot generate child tokens"]


async def test_a_roles_uses_and_longest_life_hold_for_its_batch_tokens_too(r: Room) -> None:
    await r.ask("POST", "auth/token/roles/used", {"token_num_uses": 3})
    await r.ask("POST", "auth/token/roles/short", {"token_explicit_max_ttl": "2h"})

    used = await r.ask("POST", "auth/token/create/used", {"type": "batch", "policies": ["maker"]})
    short = await r.ask("POST", "auth/token/create/short", {"type": "batch", "policies": ["maker"]})

    assert used.errors == ['batch tokens cannot have "num_uses" set']
    assert short.auth["lease_duration"] == 7200


async def test_a_token_works_from_its_networks_only_and_so_do_its_children(r: Room) -> None:
    await r.ask("POST", "auth/token/roles/near", {"token_bound_cidrs": ["10.0.0.0/8"]})
    made = await r.ask("POST", "auth/token/create/near", {"policies": ["maker"]})
    token = made.auth["client_token"]
    child = await r.ask("POST", "auth/token/create", {}, token=token, address="10.1.2.3")

    far = child.auth["client_token"]

    assert await works(r, token, "10.1.2.3")
    assert not await works(r, token, "11.1.2.3")
    assert await works(r, far, "10.1.2.3")
    assert not await works(r, far, "11.1.2.3")
    assert await works(r, far, "::ffff:10.9.9.9")


async def test_an_expired_token_is_none(r: Room) -> None:
    token = await r.token("maker", ttl="1h")
    accessor = (await r.ask("POST", "auth/token/lookup", {"token": token})).data["accessor"]
    r.clock.advance(timedelta(hours=1))

    assert not await works(r, token)
    assert (await r.ask("POST", "auth/token/lookup", {"token": token})).status == 403
    by_accessor = await r.ask("POST", "auth/token/lookup-accessor", {"accessor": accessor})
    renewed = await r.ask("POST", "auth/token/renew", {"token": token})
    assert (by_accessor.status, renewed.status) == (400, 400)


# -- renewal


async def test_renewal_goes_as_far_as_the_explicit_maximum(r: Room) -> None:
    token = await r.token("maker", ttl="1h", explicit_max_ttl="90m")
    r.clock.advance(timedelta(minutes=50))

    renewed = await r.ask("POST", "auth/token/renew", {"token": token, "increment": "1h"})

    assert renewed.auth["lease_duration"] == 40 * 60
    assert renewed.body["warnings"] == [
        'TTL of "1h" exceeded the effective max_ttl of "40m"; TTL value is capped accordingly'
    ]
    r.clock.advance(timedelta(minutes=41))
    assert not await works(r, token)


async def test_a_periodic_token_lives_as_long_as_it_is_renewed(r: Room) -> None:
    token = await r.token("maker", period="24h")

    for _ in range(60):
        r.clock.advance(timedelta(hours=23))
        renewed = await r.ask("POST", "auth/token/renew-self", token=token)
        assert renewed.auth["lease_duration"] == 24 * 3600

    r.clock.advance(timedelta(hours=25))
    assert not await works(r, token)


async def test_a_roles_period_is_taken_as_it_is_at_the_renewal(r: Room) -> None:
    await r.ask("POST", "auth/token/roles/often", {"token_period": "2h"})
    made = await r.ask("POST", "auth/token/create/often", {"policies": ["maker"]})
    await r.ask("POST", "auth/token/roles/often", {"token_period": "1h"})
    token = made.auth["client_token"]

    renewed = await r.ask("POST", "auth/token/renew", {"token": token})
    await r.ask("DELETE", "auth/token/roles/often")
    refused = await r.ask("POST", "auth/token/renew", {"token": token})

    assert (made.auth["lease_duration"], renewed.auth["lease_duration"]) == (7200, 3600)
    assert refused.errors == ["the token's role is gone, not renewing"]


async def login(r: Room) -> str:
    await r.mount("auth/people/", "userpass")
    user = {"password": PASSWORD, "policies": "maker", "token_ttl": "1h"}
    await r.ask("POST", "auth/people/users/ann", user)
    answer = await r.ask("POST", "auth/people/login/ann", {"password": PASSWORD}, token="")
    return str(answer.auth["client_token"])


async def test_a_token_of_a_user_who_is_gone_is_not_renewed(r: Room) -> None:
    token = await login(r)
    before = await r.ask("POST", "auth/token/renew-self", token=token)

    await r.ask("DELETE", "auth/people/users/ann")

    after = await r.ask("POST", "auth/token/renew-self", token=token)
    assert (before.status, after.status) == (200, 403)
    assert await works(r, token)


async def test_a_token_with_a_policy_that_was_taken_away_is_not_renewed(r: Room) -> None:
    token = await login(r)
    more = await r.ask("POST", "auth/people/users/ann", {"policies": "maker,other"})
    renewed = await r.ask("POST", "auth/token/renew-self", token=token)

    await r.ask("POST", "auth/people/users/ann", {"policies": "other"})

    refused = await r.ask("POST", "auth/token/renew-self", token=token)
    assert (more.status, renewed.status) == (204, 200)
    assert refused.errors == ["policies have changed, not renewing"]


async def test_renewal_goes_by_the_users_rules_of_now(r: Room) -> None:
    token = await login(r)
    await r.ask("POST", "auth/people/users/ann", {"token_ttl": "30m", "token_max_ttl": "45m"})
    r.clock.advance(timedelta(minutes=20))

    renewed = await r.ask("POST", "auth/token/renew-self", token=token)

    assert renewed.auth["lease_duration"] == 25 * 60


# -- lists, entries, tidying


async def test_accessors_are_listed_in_pages(r: Room) -> None:
    for _ in range(5):
        await r.token("maker")

    every = (await r.ask("LIST", "auth/token/accessors")).data["keys"]
    first = (await r.ask("LIST", "auth/token/accessors?limit=4")).data["keys"]
    rest = (await r.ask("LIST", f"auth/token/accessors?after={first[-1]}")).data["keys"]

    assert first + rest == every
    assert len(every) == 6


async def test_an_alias_makes_one_entity_and_finds_it_again(r: Room) -> None:
    role = {"allowed_policies": ["maker"], "allowed_entity_aliases": ["job-*"]}
    await r.ask("POST", "auth/token/roles/jobs", role)

    one = await r.ask("POST", "auth/token/create/jobs", {"entity_alias": "job-1"})
    two = await r.ask("POST", "auth/token/create/jobs", {"entity_alias": "job-1"})
    other = await r.ask("POST", "auth/token/create/jobs", {"entity_alias": "person"})

    assert one.auth["entity_id"] == two.auth["entity_id"] != ""
    assert other.errors == ["invalid 'entity_alias' value"]


async def test_no_entry_and_no_row_holds_a_tokens_text(r: Room) -> None:
    token = await r.token("maker")
    await r.ask("POST", "auth/token/lookup", {"token": token})
    await r.ask("POST", "auth/token/renew", {"token": token})

    leaves = [row[0] for row in await r.server.database.rows("SELECT leaf FROM entry", ())]
    rows = await r.server.database.rows("SELECT * FROM token", ())

    assert not any(token.encode() in leaf for leaf in leaves)
    assert token not in str(rows)


async def test_tidy_says_how_much_it_did(r: Room) -> None:
    await r.token("maker", ttl="1h")
    r.clock.advance(timedelta(hours=2))

    answer = await r.ask("POST", "auth/token/tidy")

    assert answer.status == 202
    assert answer.body["warnings"] == ["Tidied: 1 tokens and 0 counts of failed logins."]
    [[rows]] = await r.server.database.rows("SELECT count(*) FROM token", ())
    assert rows == 1


@pytest.mark.parametrize("path", ["lookup", "renew", "revoke"])
@pytest.mark.parametrize("text", ["", "hvs.", "hvb.", "hvb.AAAA", "x" * 9000, "hvb.ä", "\x00"])
async def test_what_is_no_token_is_answered_not_crashed_on(r: Room, path: str, text: str) -> None:
    answer = await r.ask("POST", f"auth/token/{path}", {"token": text})

    assert answer.status in (200, 204, 400, 403)
