"""The transparency log over HTTP: open where it shows digests, asked for where it shows entries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from strongroom.crypto.checkpoint import open_checkpoint
from strongroom.crypto.merkle import leaf_hash
from strongroom.crypto.note import VerifierKey
from strongroom.crypto.tiles import bundle_path, decode_bundle
from tests.api.serving import Served, serving
from tests.audit.keeping import behind_our_back
from tests.servers import Got

POLICY = 'path "strongroom/log/*" { capabilities = ["read"] }'


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(f"sqlite://{tmp_path / 'strongroom.db'}") as running:
        for number in range(5):
            await running.ask("POST", f"secret/data/{number}", {"data": {"a": "b"}})
        await running.server.log.publish(running.clock.now())
        yield running


async def fetch(served: Served, path: str, method: str = "GET", token: str = "") -> Got:
    return await served.fetch(method, f"/log/{path}".encode(), token=token)


def size_of(served: Served) -> int:
    published = served.server.log.published
    assert published is not None
    return published.size


async def test_the_checkpoint_is_open_to_all_and_never_from_a_cache(served: Served) -> None:
    got = await fetch(served, "checkpoint")

    assert got.status == 200
    assert got.headers == {
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-cache",
    }
    key = VerifierKey.parse(served.server.log.verifier_key)
    assert open_checkpoint(got.raw, [key]).checkpoint.size == size_of(served)


async def test_hash_tiles_are_open_to_all_and_may_be_kept_for_ever(served: Served) -> None:
    size = size_of(served)

    got = await fetch(served, f"tile/0/000.p/{size}")

    assert got.status == 200
    assert len(got.raw) == 32 * size
    assert got.headers["content-type"] == "application/octet-stream"
    assert "immutable" in got.headers["cache-control"]


async def test_reading_the_log_leaves_no_entry_but_reading_entries_does(served: Served) -> None:
    size = served.server.log.size

    for path in ("checkpoint", "tile/0/000.p/1", "tile/0/001", "nothing"):
        await fetch(served, path)
    open_reads = served.server.log.size - size
    await fetch(served, "tile/entries/000.p/1", token=served.root)

    assert (open_reads, served.server.log.size - size) == (0, 1)


async def test_who_reads_entries_gets_a_receipt_of_it(served: Served) -> None:
    size = served.server.log.size

    got = await fetch(served, "tile/entries/000.p/1", token=served.root)
    missing = await fetch(served, "tile/entries/999", token=served.root)

    assert (got.status, missing.status) == (200, 404)
    indexes = [each.headers["audit-receipt"].partition(".")[0] for each in (got, missing)]
    assert indexes == [str(size), str(size + 1)]


async def test_entries_are_for_those_who_may_read_them(served: Served) -> None:
    path = bundle_path(0, size_of(served))
    auditor = await served.reader(POLICY, "auditor")
    other = await served.reader('path "secret/*" { capabilities = ["read"] }', "other")

    answers = {
        name: await fetch(served, path, token=token)
        for name, token in (
            *(("root", served.root), ("auditor", auditor)),
            *(("other", other), ("nobody", ""), ("a stranger", "hvs.nope")),
        )
    }

    assert {name: got.status for name, got in answers.items()} == {
        "root": 200,
        "auditor": 200,
        "other": 403,
        "nobody": 403,
        "a stranger": 403,
    }
    assert answers["other"].errors == ["permission denied"]
    assert "private" in answers["auditor"].headers["cache-control"]


async def test_a_bundle_holds_the_exact_bytes_of_the_entries(served: Served) -> None:
    size = size_of(served)

    bundle = await fetch(served, bundle_path(0, size), token=served.root)
    tile = await fetch(served, f"tile/0/000.p/{size}")

    leaves = decode_bundle(bundle.raw)
    assert leaves == [e.leaf for e in await served.server.log.entries(0, size)]
    assert b"".join(map(leaf_hash, leaves)) == tile.raw


@pytest.mark.parametrize(
    "path",
    [
        *("", "nothing", "Checkpoint", "checkpoint/", "tile/0/001", "tile/0/000", "tile/0/000.p/0"),
        *("tile/0/000.p/99", "tile/%30/000", "tile/1/000.p/1", "tile/0/000%2ep/1", "tile/é/000"),
        *("../v1/sys/health", "tile/0/../0/000.p/1", "witnessed"),
    ],
)
async def test_what_is_not_published_is_not_found(served: Served, path: str) -> None:
    got = await fetch(served, path, token=served.root)

    assert got.status == 404
    assert got.errors


@pytest.mark.parametrize("path", ["tile/entries/000.p/99", "tile/entries/001", "tile/entries/x"])
async def test_entries_that_are_not_published_are_not_found(served: Served, path: str) -> None:
    assert (await fetch(served, path, token=served.root)).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "LIST", "SCAN"])
async def test_the_log_takes_nothing_over_the_wire(served: Served, method: str) -> None:
    got = await fetch(served, "checkpoint", method, served.root)

    assert got.status == 405
    assert got.headers["allow"] == "GET, HEAD"


async def test_head_tells_as_much_as_get(served: Served) -> None:
    for path in ("checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"):
        got = await fetch(served, path, "HEAD", served.root)

        assert got.status == 200


async def test_an_entry_is_proven_over_the_wire(served: Served) -> None:
    got = await served.ask("GET", "secret/data/1")
    index, _ = got.receipt
    await served.server.log.publish(served.clock.now())

    proof = await served.server.log.inclusion(index)

    key = VerifierKey.parse(served.server.log.verifier_key)
    [entry] = await served.server.log.entries(index, index + 1)
    proof.verify(leaf_hash(entry.leaf), open_checkpoint(proof.checkpoint, [key]))


async def test_a_server_that_was_never_opened_has_no_checkpoint(tmp_path: Path) -> None:
    async with serving(f"sqlite://{tmp_path / 'empty.db'}", unsealed=False) as running:
        assert (await fetch(running, "checkpoint")).status == 404
        assert (await fetch(running, "tile/0/000")).status == 404


async def test_an_entry_that_is_missing_is_named(served: Served, tmp_path: Path) -> None:
    size = size_of(served)
    url = f"sqlite://{tmp_path / 'strongroom.db'}"
    await behind_our_back(url, "entry", "DELETE FROM entry WHERE idx = 3")

    got = await fetch(served, f"tile/entries/000.p/{size}", token=served.root)

    assert got.status == 500
    assert b'["the log is damaged: entry 3 is missing"]' in got.raw
    assert "audit-receipt" in got.headers
