"""Paths that no surface serves: refused in the same words to everybody, on record, and bounded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from strongroom.api.limits import TokenBuckets
from strongroom.app import Application
from strongroom.core.noise import ALLOWED
from tests.api.serving import Served, serving
from tests.audit.ocsf import check

SAID = {"errors": ["nothing is served here; see /v1/ and /log/"]}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(f"sqlite://{tmp_path / 'strongroom.db'}") as running:
        yield running


@pytest.mark.parametrize(
    "path",
    ["/foo", "/v1", "/v2/secret/data/a", "//v1/secret/data/a", "/V1/sys/health", "/log", ""],
)
@pytest.mark.parametrize(
    ("method", "operation"),
    [("GET", "read"), ("POST", "write"), ("PATCH", "patch"), ("LIST", "list"), ("HEAD", "read")],
)
async def test_it_is_refused_with_a_receipt_that_names_who_asked(
    served: Served, method: str, operation: str, path: str
) -> None:
    got = await served.fetch(method, path.encode())

    entry = await served.entry(got)
    check(entry)
    assert (got.status, got.body) == (404, SAID)
    assert entry["metadata"]["event_code"] == "request.unrouted"
    assert entry["actor"]["user"]["uid"] == "root"
    assert entry["unmapped"]["path"] == path
    assert (entry["status_code"], entry["status_detail"]) == ("404", SAID["errors"][0])
    assert entry["unmapped"]["operation"] == operation


@pytest.mark.parametrize("header", ["x-vault-wrap-ttl", "x-vault-namespace", "content-type"])
async def test_no_other_header_keeps_the_token_from_naming_who_asked(
    served: Served, header: str
) -> None:
    bearer = {header: "nonsense", "authorization": f"Bearer {served.root}"}

    got = await served.fetch("PATCH", b"/foo", token="", headers=bearer)

    assert got.status == 404
    assert (await served.entry(got))["actor"]["user"]["uid"] == "root"


async def test_the_entry_holds_no_query_no_typed_name_and_no_more_than_a_part_of_a_long_path(
    served: Served,
) -> None:
    for path, query in (
        (b"//v1/auth/up/login/hunter2", b""),
        (b"/x/auth/up/login/%68unter2", b""),
        (b"/foo", b"password=hunter2"),
        (b"/" + b"a" * 5000 + b"hunter2", b""),
    ):
        entry = await served.entry(await served.fetch("POST", path, {"a": "hunter2"}, query=query))

        assert "unter2" not in json.dumps(entry)
        assert len(entry["unmapped"]["path"]) <= 256


async def test_bytes_that_are_no_text_are_shown_escaped(served: Served) -> None:
    entry = await served.entry(await served.fetch("GET", b"/\xff"))

    assert entry["unmapped"]["path"] == "/\\xff"


@pytest.mark.parametrize("token", ["", "hvs.nobody"])
async def test_a_scan_of_nobody_is_a_few_entries_and_one_count(served: Served, token: str) -> None:
    before = served.server.log.size

    gots = [
        await served.fetch("GET", f"/scan/{n}".encode(), token=token) for n in range(ALLOWED * 3)
    ]

    assert {(got.status, got.raw) for got in gots} == {(404, gots[0].raw)}
    assert ["audit-receipt" in g.headers for g in gots] == [True] * ALLOWED + [False] * ALLOWED * 2
    assert served.server.log.size == before + ALLOWED
    [over] = served.server.pipeline.noise.over(served.clock.now(), all_of_them=True)
    assert (over.code, over.count) == ("request.unrouted", ALLOWED * 2)


async def test_a_token_that_stands_is_never_counted(served: Served) -> None:
    for _ in range(ALLOWED * 2):
        await served.entry(await served.fetch("GET", b"/foo"))


async def test_strangers_are_bounded_there_too(served: Served) -> None:
    served.application = Application(served.server, TokenBuckets(rate=0.001, burst=3))

    gots = [await served.fetch("GET", b"/foo", token="hvs.nobody") for _ in range(5)]

    assert [got.status for got in gots] == [404] * 3 + [429] * 2
    assert (await served.entry(gots[-1]))["metadata"]["event_code"] == "request.limited"
    assert (await served.fetch("GET", b"/v1/secret/data/x", token="")).status == 429
    assert (await served.fetch("GET", b"/foo")).status == 404


async def test_no_use_of_a_limited_token_is_counted(served: Served) -> None:
    token = await served.reader('path "auth/token/*" { capabilities = ["read"] }', num_uses=1)

    await served.entry(await served.fetch("GET", b"/foo", token=token))

    assert (await served.fetch("GET", b"/v1/auth/token/lookup-self", token=token)).status == 200
    assert (await served.fetch("GET", b"/v1/auth/token/lookup-self", token=token)).status == 403


async def test_a_sealed_server_says_the_same_and_writes_it_down(served: Served) -> None:
    await served.ask("PUT", "sys/seal")

    got = await served.fetch("GET", b"/foo")

    assert (got.status, got.body) == (404, SAID)
    assert (await served.entry(got))["metadata"]["event_code"] == "request.unrouted"


async def test_what_cannot_be_written_down_is_not_answered(served: Served) -> None:
    served.server.pipeline.trouble = "the disk is full"

    assert (await served.fetch("GET", b"/foo")).status == 503
