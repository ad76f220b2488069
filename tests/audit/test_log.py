"""The log over a database: what is published, what survives, and what is found out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.audit.log import CHUNK, Log, LogDamagedError
from strongroom.audit.reader import DirectorySource, verify_log
from strongroom.base.errors import NotFoundError, UnavailableError
from strongroom.base.secret import Secret
from strongroom.crypto.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from strongroom.crypto.merkle import Tree, leaf_hash, verify_consistency
from strongroom.crypto.note import SigningKey
from strongroom.crypto.tiles import bundle_path, edge_of, encode_bundle, tile_path, width_at
from strongroom.storage.opening import open_database
from tests.audit.keeping import BARRIER, NOW, Kept, behind_our_back, change
from tests.audit.published import LOG, checkpoint, entries, write

SIZES = (1, 255, 256, 257, 600)


def tree_of(size: int) -> Tree:
    tree = Tree()
    tree.append(map(leaf_hash, entries(size)))
    return tree


def hash_tiles(size: int) -> dict[str, bytes]:
    """Return every hash tile of a log of this size, made from scratch."""
    tree = Tree()
    tiles = [*tree.append(map(leaf_hash, entries(size))), *tree.edge()]
    return {tile_path(t.level, t.index, t.width): t.hashes for t in tiles}


def bundles(size: int) -> dict[str, bytes]:
    logged = entries(size)
    return {
        bundle_path(first // 256, len(logged[first : first + 256])): encode_bundle(
            logged[first : first + 256]
        )
        for first in range(0, size, 256)
    }


# -- publishing


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_published_is_what_the_specification_gives(kept: Kept, size: int) -> None:
    await kept.add(size)

    published = await kept.log.publish(NOW)

    assert published is not None
    assert published.note == checkpoint(entries(size))
    expected = hash_tiles(size) | bundles(size)
    assert await kept.files(list(expected)) == expected


async def test_partial_tiles_of_every_published_size_are_served(kept: Kept) -> None:
    for _ in range(9):
        await kept.add(37)
        await kept.log.publish(NOW)

    for size in range(37, 9 * 37 + 1, 37):
        for path in edge_of(size):
            assert await kept.log.resource(str(path)) == hash_tiles(size)[str(path)]
        last = list(bundles(size))[-1]
        assert await kept.log.resource(last) == bundles(size)[last]


async def test_what_is_committed_but_not_published_is_not_served(kept: Kept) -> None:
    await kept.add(10)
    await kept.log.publish(NOW)
    await kept.add(300)

    for path in ("tile/0/000.p/11", "tile/entries/000.p/11", "tile/0/000", "tile/entries/001.p/1"):
        with pytest.raises(NotFoundError):
            await kept.log.resource(path)


async def test_what_is_no_published_tile_is_not_found(kept: Kept) -> None:
    await kept.add(10)
    await kept.log.publish(NOW)

    for path in (
        *("", "checkpoint", "tile", "tile/0", "tile/0/0", "tile/0/000.p/0", "tile/0/000.p/256"),
        *("tile/00/000", "tile/64/000", "tile/0/x000/000", "tile/entries/../0/000", "tile/1/000"),
        *("tile/0/999", "tile/-1/000", "tile/0/000.p/01", "tile/0/000/", "tile/data/000"),
    ):
        with pytest.raises(NotFoundError):
            await kept.log.resource(path)


async def test_a_log_that_has_not_grown_is_not_signed_again(kept: Kept) -> None:
    await kept.add(3)
    first = await kept.log.publish(NOW)

    again = await kept.log.publish(NOW)

    assert again is first
    assert kept.database.stores == 1


async def test_a_sealed_log_grows_and_signs_nothing(url: str) -> None:
    kept = Kept(url)
    log = await kept.open(unlocked=False)
    await kept.add(300)

    sealed = await log.publish(NOW)
    log.unlock(LOG)
    opened = await log.publish(NOW)

    assert sealed is None
    assert opened is not None
    assert opened.note == checkpoint(entries(300))
    await kept.close()


async def test_a_locked_log_keeps_its_last_checkpoint(kept: Kept) -> None:
    await kept.add(3)
    before = await kept.log.publish(NOW)
    kept.log.lock()
    await kept.add(3)

    assert await kept.log.publish(NOW) is before
    assert kept.log.verifier_key == ""


async def test_publishing_while_entries_are_committed_loses_none(kept: Kept) -> None:
    async def publish_again_and_again() -> None:
        while True:
            await kept.log.publish(NOW)
            await asyncio.sleep(0)

    publishers = [asyncio.create_task(publish_again_and_again()) for _ in range(3)]
    for _ in range(40):
        await kept.add(17)
    for publisher in publishers:
        publisher.cancel()
    await asyncio.gather(*publishers, return_exceptions=True)
    published = await kept.log.publish(NOW)

    assert published is not None
    assert published.note == checkpoint(entries(680))
    expected = hash_tiles(680) | bundles(680)
    assert await kept.files(list(expected)) == expected
    await kept.reopen()
    assert await kept.files(list(expected)) == expected


async def test_more_entries_than_are_merged_at_once_are_one_checkpoint(kept: Kept) -> None:
    await kept.add(2 * CHUNK + 3)

    published = await kept.log.publish(NOW)

    assert published is not None
    assert published.note == checkpoint(entries(2 * CHUNK + 3))


# -- storing goes wrong


async def test_what_could_not_be_stored_is_stored_the_next_time(kept: Kept) -> None:
    await kept.add(300)
    kept.database.refusing = True
    with pytest.raises(UnavailableError):
        await kept.log.publish(NOW)
    before = kept.log.published
    kept.database.refusing = False
    await kept.add(300)

    await kept.log.publish(NOW)

    assert before is None
    await kept.reopen()
    expected = hash_tiles(600) | bundles(600)
    assert await kept.files(list(expected)) == expected


async def test_a_checkpoint_that_was_not_stored_is_not_shown(kept: Kept) -> None:
    await kept.add(5)
    shown = await kept.log.publish(NOW)
    await kept.add(5)
    kept.database.refusing = True

    with pytest.raises(UnavailableError):
        await kept.log.publish(NOW)

    assert kept.log.published is shown
    with pytest.raises(NotFoundError):
        await kept.log.inclusion(7)


@pytest.mark.parametrize("more", [0, 1, 300])
async def test_a_commit_in_doubt_is_repeated_without_harm(kept: Kept, more: int) -> None:
    await kept.add(300)
    kept.database.forgetting = True
    with pytest.raises(UnavailableError):
        await kept.log.publish(NOW)
    kept.database.forgetting = False
    await kept.add(more)

    await kept.log.publish(NOW)

    await kept.reopen()
    assert kept.log.published is not None
    assert kept.log.published.note == checkpoint(entries(300 + more))
    expected = hash_tiles(300 + more)
    assert await kept.files(list(expected)) == expected


async def test_a_publisher_that_is_cancelled_at_any_step_spoils_nothing(kept: Kept) -> None:
    for steps in range(12):
        await kept.add(90)
        publisher = asyncio.create_task(kept.log.publish(NOW))
        for _ in range(steps):
            await asyncio.sleep(0)
        publisher.cancel()
        await asyncio.gather(publisher, return_exceptions=True)

    await kept.log.publish(NOW)

    await kept.reopen()
    assert kept.log.published is not None
    assert kept.log.published.note == checkpoint(entries(12 * 90))
    expected = hash_tiles(12 * 90)
    assert await kept.files(list(expected)) == expected


# -- proofs


@pytest.mark.parametrize("size", SIZES)
async def test_every_entry_is_proven_against_the_checkpoint(kept: Kept, size: int) -> None:
    await kept.add(size)
    await kept.log.publish(NOW)
    opened = open_checkpoint(checkpoint(entries(size)), [LOG.verifier()])

    for index in {0, size // 3, size // 2, size - 1}:
        proof = await kept.log.inclusion(index)

        assert proof.checkpoint == checkpoint(entries(size))
        proof.verify(leaf_hash(b"entry-%d" % index), opened)


async def test_every_published_size_is_proven_to_begin_the_next(kept: Kept) -> None:
    sizes = (1, 255, 256, 300, 512, 700)
    for before, size in zip((0, *sizes), sizes, strict=False):
        await kept.add(size - before)
        await kept.log.publish(NOW)

    for old in sizes:
        for new in (each for each in sizes if each >= old):
            proof = await kept.log.consistency(old, new)

            verify_consistency(old, new, tree_of(old).root(), tree_of(new).root(), proof)


async def test_what_no_checkpoint_holds_is_not_proven(kept: Kept) -> None:
    await kept.add(5)
    await kept.log.publish(NOW)
    await kept.add(5)

    for index in (-1, 5, 6, 1000):
        with pytest.raises(NotFoundError):
            await kept.log.inclusion(index)
    for old, new in ((0, 5), (-1, 5), (4, 3), (3, 6)):
        with pytest.raises(NotFoundError):
            await kept.log.consistency(old, new)


async def test_an_empty_log_has_nothing_to_show(kept: Kept) -> None:
    assert await kept.log.publish(NOW) is None
    for ask in (kept.log.inclusion(0), kept.log.consistency(1, 1), kept.log.resource("tile/0/000")):
        with pytest.raises(NotFoundError):
            await ask


# -- a crash


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    acts=st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(1, 400)),
            st.tuples(st.sampled_from(["publish", "crash", "forget", "refuse"]), st.just(0)),
        ),
        max_size=12,
    )
)
async def test_a_crash_between_any_two_commits_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]]
) -> None:
    kept = Kept(f"sqlite://{tmp_path_factory.mktemp('log') / 'strongroom.db'}")
    await kept.open()
    size = 0
    for act, count in acts:
        if act == "add":
            await kept.add(count)
            size += count
        elif act == "crash":
            await kept.reopen()
        else:
            kept.database.forgetting, kept.database.refusing = act == "forget", act == "refuse"
            await asyncio.gather(kept.log.publish(NOW), return_exceptions=True)
            kept.database.forgetting = kept.database.refusing = False

    await kept.reopen()
    published = await kept.log.publish(NOW)

    assert kept.log.size == size
    assert (published.note if published else None) == (checkpoint(entries(size)) if size else None)
    expected = hash_tiles(size) | bundles(size)
    assert await kept.files(list(expected)) == expected
    await kept.close()


@pytest.mark.parametrize("size", [0, 56, 400])
async def test_entries_that_were_committed_and_not_published_are_taken_up(
    kept: Kept, size: int
) -> None:
    await kept.add(200)
    await kept.log.publish(NOW)
    await kept.add(size)

    await kept.reopen()

    assert kept.log.size == 200 + size
    published = await kept.log.publish(NOW)
    assert published is not None
    assert published.note == checkpoint(entries(200 + size))


async def test_a_restart_reads_no_more_of_a_long_log_than_of_a_short_one(kept: Kept) -> None:
    await kept.add(5_000)
    await kept.log.publish(NOW)
    await kept.add(1)

    await kept.reopen()

    assert len(kept.database.reads) < 12
    published = await kept.log.publish(NOW)
    assert published is not None
    assert published.note == checkpoint(entries(5_001))


@pytest.mark.slow
async def test_a_restart_of_a_hundred_thousand_entries_reads_but_the_last_of_them(
    tmp_path: Path,
) -> None:
    kept = Kept(f"sqlite://{tmp_path / 'strongroom.db'}")
    await kept.open()
    for _ in range(10):
        await kept.add(10_000)
        await kept.log.publish(NOW)
    await kept.close()

    await kept.open()

    assert len(kept.database.reads) < 12
    assert kept.log.published is not None
    assert kept.log.published.note == checkpoint(entries(100_000))
    await kept.close()


# -- somebody changes what is stored


async def published_and_closed(url: str, size: int, *, more: int = 0) -> None:
    kept = Kept(url)
    await kept.open()
    await kept.add(size)
    await kept.log.publish(NOW)
    await kept.add(more)
    await kept.close()


@pytest.mark.parametrize(
    ("table", "change", "named"),
    [
        ("entry", "UPDATE entry SET leaf = {other} WHERE idx = 599", "root that was signed"),
        ("entry", "UPDATE entry SET leaf = {other} WHERE idx = 512", "root that was signed"),
        ("entry", "DELETE FROM entry WHERE idx = 599", "599 entries are stored, but 600"),
        ("entry", "DELETE FROM entry WHERE idx = 550", "missing after index"),
        ("entry", "INSERT INTO entry (idx, leaf) VALUES (600, {other})", "601 entries are stored"),
        ("entry", "UPDATE head SET next = 599", "600 entries are stored, but 599"),
        ("entry", "UPDATE head SET next = 700", "600 entries are stored, but 700"),
        ("tile", "DELETE FROM tile WHERE level = 0 AND n = 0", "tiles are missing"),
        ("tile", "UPDATE tile SET hashes = {tile} WHERE n = 1", "root that was signed"),
        ("tile", "UPDATE tile SET hashes = {other} WHERE n = 1", "damaged|missing|root"),
        ("checkpoint", "DELETE FROM checkpoint", "beyond the signed 0"),
        ("checkpoint", "UPDATE checkpoint SET note = 'none'", "cannot be read"),
    ],
)
async def test_a_change_behind_our_back_is_found_at_the_next_start(
    url: str, table: str, change: str, named: str
) -> None:
    await published_and_closed(url, 600)
    literal = "X'{}'" if url.startswith("sqlite") else "'\\x{}'::bytea"
    other, tile = literal.format(b"other".hex()), literal.format("00" * 256 * 32)
    await behind_our_back(url, table, change.format(other=other, tile=tile))

    with pytest.raises(LogDamagedError, match=named):
        await Kept(url).open()


async def test_rows_of_both_tables_removed_together_are_missed_all_the_same(url: str) -> None:
    await published_and_closed(url, 600)
    await behind_our_back(
        url, "entry", "DELETE FROM entry WHERE idx >= 590", "UPDATE head SET next = 590"
    )

    with pytest.raises(LogDamagedError, match="600 entries were signed, but 590 are there"):
        await Kept(url).open()


async def test_a_change_under_a_full_tile_is_found_by_whoever_verifies(
    url: str, tmp_path: Path
) -> None:
    await published_and_closed(url, 600)
    literal = "X'6f74686572'" if url.startswith("sqlite") else "'other'::bytea"
    await behind_our_back(url, "entry", f"UPDATE entry SET leaf = {literal} WHERE idx = 100")
    kept = Kept(url)
    await kept.open()

    files = await kept.files([*hash_tiles(600), *bundles(600)])
    for path, data in files.items():
        write(tmp_path / "log", path, data)
    write(tmp_path / "log", "checkpoint", checkpoint(entries(600)))

    with pytest.raises(ValueError, match="100"):
        verify_log(DirectorySource(tmp_path / "log"), [LOG.verifier()])
    await kept.close()


async def test_a_history_signed_by_somebody_else_is_never_signed_by_us(url: str) -> None:
    """Somebody with the database but not the key replaces entries and their checkpoint."""
    forger = SigningKey(LOG.name, Secret(b"f" * 32))
    forged = [*entries(99), b"forged"]
    tree = Tree()
    tree.append(map(leaf_hash, forged))
    note = sign_checkpoint(Checkpoint(origin=LOG.name, size=100, root=tree.root()), forger)
    await published_and_closed(url, 100)
    literal = "X'666f72676564'" if url.startswith("sqlite") else "'forged'::bytea"
    await behind_our_back(url, "entry", f"UPDATE entry SET leaf = {literal} WHERE idx = 99")
    await behind_our_back(url, "checkpoint", f"UPDATE checkpoint SET note = '{note.decode()}'")
    kept = Kept(url)
    await kept.open()
    await kept.add(1)

    with pytest.raises(LogDamagedError, match="not one of this log"):
        await kept.log.publish(NOW)

    assert kept.database.stores == 0
    await kept.close()


async def test_a_database_of_another_log_is_refused(url: str) -> None:
    await published_and_closed(url, 3)
    database = await open_database(url)

    with pytest.raises(LogDamagedError, match=r"this is the log of audit\.example\.com/log"):
        await Log(database, "another.example.com/log", BARRIER).open()
    await database.close()


@pytest.mark.parametrize("table", ["entry", "tile", "checkpoint"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET {} = {}", "DELETE FROM {}"])
async def test_the_database_itself_refuses_to_change_the_log(
    url: str, table: str, verb: str
) -> None:
    await published_and_closed(url, 300)
    column = {"entry": "idx", "tile": "n", "checkpoint": "at"}[table]

    with pytest.raises(Exception, match="append-only"):
        await change(url, verb.format(table, column, column))


async def test_a_bundle_with_an_entry_missing_is_not_served(kept: Kept, url: str) -> None:
    await kept.add(10)
    await kept.log.publish(NOW)
    await behind_our_back(url, "entry", "DELETE FROM entry WHERE idx = 4")

    with pytest.raises(LogDamagedError, match="missing"):
        await kept.log.resource("tile/entries/000.p/10")


def test_the_edge_of_a_size_is_as_wide_as_the_log_is() -> None:
    assert [width_at(p.level or 0, p.index, 600) for p in edge_of(600)] == [88, 2]
