"""How often an address may ask with nobody behind it: no token, or one that does not stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.api.limits import TokenBuckets
from strongroom.app import Application
from strongroom.core.noise import ALLOWED
from tests.api.serving import Served, serving

BURST = 5
READS = 'path "secret/*" { capabilities = ["read"] }'


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(f"sqlite://{tmp_path / 'strongroom.db'}") as running:
        buckets = TokenBuckets(rate=0.001, burst=BURST)
        running.application = Application(running.server, buckets)
        yield running


async def exhaust(served: Served, token: str = "") -> list[int]:
    """Ask more often than an address may; return the statuses."""
    asked = [served.fetch("GET", b"/v1/secret/data/x", token=token) for _ in range(BURST + 2)]
    return [(await each).status for each in asked]


@pytest.mark.parametrize("token", ["", "hvs.nobody", "hvb.AAAA", "s." + "a" * 24, "\x80"])
async def test_a_token_that_does_not_stand_is_bounded_like_none(served: Served, token: str) -> None:
    statuses = await exhaust(served, token)

    assert statuses == [403] * BURST + [429] * 2


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", b"/v1/auth/userpass/login/bob"),
        ("PUT", b"/v1/sys/unseal"),
        ("GET", b"/v1/sys/health"),
        ("GET", b"/v1/nowhere"),
        ("GET", b"/v1/secret/../x"),
    ],
)
async def test_a_bogus_token_opens_no_way_around_the_bound(
    served: Served, method: str, path: bytes
) -> None:
    await exhaust(served)

    got = await served.fetch(method, path, {"password": "guess"}, token="hvs.bogus")

    assert got.status == 429
    assert int(got.headers["retry-after"]) > 0


async def test_failed_logins_beyond_the_bound_are_judged_by_nobody_and_only_counted(
    served: Served,
) -> None:
    await served.ask("POST", "sys/auth/approle", {"type": "approle"})
    before, wrong = served.server.log.size, {"role_id": "x", "secret_id": "y"}

    tried = [await served.ask("POST", "auth/approle/login", wrong, token="") for _ in range(40)]

    statuses = [each.status for each in tried]
    assert statuses == [400] * BURST + [429] * (40 - BURST)
    assert served.server.log.size - before == BURST + ALLOWED
    [counted] = served.server.pipeline.noise.over(served.clock.now(), all_of_them=True)
    assert (counted.code, counted.count) == ("request.limited", 40 - BURST - ALLOWED)


async def test_a_token_that_has_ended_or_was_revoked_is_counted(served: Served) -> None:
    ended = await served.reader(READS, ttl="1m")
    revoked = await served.reader(READS)
    await served.ask("POST", "auth/token/revoke", {"token": revoked})
    served.clock.advance(timedelta(minutes=2))

    statuses = [*(await exhaust(served, ended)), *(await exhaust(served, revoked))]

    assert statuses == [403] * BURST + [429] * (BURST + 4)


async def test_a_valid_token_is_never_counted_and_never_held_up(served: Served) -> None:
    token = await served.reader(READS)

    many = await exhaust(served, token)  # refused or not: somebody is behind them
    await exhaust(served, "hvs.bogus")
    after = await exhaust(served, token)

    assert many == after == [404] * (BURST + 2)


async def test_a_refused_request_with_a_valid_token_is_not_counted(served: Served) -> None:
    token = await served.reader(READS)
    asked = [served.ask("GET", "sys/mounts", token=token) for _ in range(BURST + 2)]
    refused = [(await each).status for each in asked]

    left = (await served.ask("GET", "secret/data/x", token="hvs.bogus")).status

    assert refused == [403] * (BURST + 2)
    assert left == 403


async def test_each_address_has_a_bound_of_its_own(served: Served) -> None:
    await exhaust(served, "hvs.bogus")

    got = await served.fetch("GET", b"/v1/secret/data/x", token="hvs.bogus", peer="192.0.2.7")

    assert got.status == 403


async def test_while_sealed_every_caller_is_a_stranger(served: Served) -> None:
    await served.ask("PUT", "sys/seal")

    statuses = await exhaust(served, served.root)

    assert statuses == [503] * BURST + [429] * 2


async def test_what_was_too_often_is_on_record(served: Served) -> None:
    await exhaust(served, "hvs.bogus")

    got = await served.ask("GET", "secret/data/other", token="hvs.bogus")

    entry = await served.entry(got)
    assert entry["metadata"]["event_code"] == "request.limited"
    assert entry["status_detail"] == "too many requests without a valid token"
