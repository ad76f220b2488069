"""A mount's store is a sorted map of its own: compared with a dictionary, step by step."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from string import ascii_letters, digits
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.base.errors import InputError, NotFoundError
from strongroom.storage import store as module
from strongroom.storage.opening import open_database
from strongroom.storage.store import LONGEST_KEY, upper
from tests import servers
from tests.storage.conftest import KINDS
from tests.storage.requests import Desk, fresh_barrier

# Few letters, so that keys meet; among them both edges of the gap and the last point.
LETTERS = "a/-é\ud7ff\ue000\U0010ffff"
texts = st.text(st.sampled_from(LETTERS), max_size=4)
everything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
limits = st.integers(-1, 4)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), texts.filter(bool)),
        st.tuples(st.just("delete"), texts.filter(bool)),
        st.tuples(st.just("commit"), st.just("")),
        st.tuples(st.just("names"), texts, texts, limits),
        st.tuples(st.just("keys"), texts, texts, limits),
        st.tuples(st.just("find"), texts),
    ),
    max_size=24,
)


def names(model: dict[str, int], prefix: str, after: str, limit: int) -> list[str]:
    below = (key[len(prefix) :] for key in model if key.startswith(prefix))
    found = sorted({name + slash for name, slash, _ in (key.partition("/") for key in below)})
    found = [name for name in found if name > after]
    return found[:limit] if limit > 0 else found


def keys(model: dict[str, int], prefix: str, after: str, limit: int) -> list[str]:
    below = sorted(key[len(prefix) :] for key in model if key.startswith(prefix))
    found = [key for key in below if key > after or not after]
    return found[:limit] if limit > 0 else found


async def play(url: str, mount: str, moves: list[Any]) -> None:
    """Do the same to the store and to the model, and compare all that is read."""
    database = await open_database(url)
    try:
        desk, model = Desk(database, fresh_barrier()), dict[str, int]()
        tx = desk.transaction()
        for number, (move, *given_) in enumerate(moves):
            store = module.MountStore(tx, mount, prefix="own/")
            if move == "put":
                model[given_[0]] = number
                await store.put(given_[0], number)
            elif move == "delete":
                model.pop(given_[0], None)
                await store.delete(given_[0])
            elif move == "commit":
                assert (await desk.commit(tx)).problem is None
                tx = desk.transaction()
            elif move == "find":
                held = await store.find(given_[0], int)
                assert (held.value if held else None) == model.get(given_[0])
            else:
                prefix, after, limit = given_
                listing = store.names if move == "names" else store.keys
                expected = (names if move == "names" else keys)(model, prefix, after, limit)
                assert await listing(prefix, after=after, limit=limit) == expected
    finally:
        await database.close()


class Places:
    """Gives each example a mount of its own; a database is opened once."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.mounts = (f"m{number}" for number in range(10**9))


@pytest.fixture(scope="module", params=KINDS)
def places(request: pytest.FixtureRequest) -> Iterator[Places]:
    if request.param == "sqlite":
        with TemporaryDirectory() as folder:
            yield Places(f"sqlite://{Path(folder) / 'strongroom.db'}")
    else:
        instance: servers.PostgreSQL = request.getfixturevalue("postgresql")
        with instance.database() as database:
            yield Places(database.url)


class TestAgainstADictionary:
    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(moves=steps, chunk=st.sampled_from([1, 2, 1000]))
    def test_reads_agree(self, places: Places, moves: list[Any], chunk: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "CHUNK", chunk)

            asyncio.run(play(places.url, next(places.mounts), moves))


class TestUpper:
    @given(everything, everything)
    def test_is_above_all_that_starts_with_the_prefix(self, prefix: str, rest: str) -> None:
        assert (prefix + rest).encode() < upper(prefix).encode()

    @given(everything, everything)
    def test_is_not_above_what_comes_after_them(self, prefix: str, other: str) -> None:
        if other > prefix and not other.startswith(prefix):
            assert upper(prefix) <= other

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("a", "b"),
            ("a/", "a0"),
            ("a\ud7ff", "a\ue000"),
            ("a\U0010ffff", "b"),
            ("a\U0010ffff\U0010ffff", "b"),
            ("\x7f", "\x80"),
        ],
    )
    def test_skips_what_is_no_text(self, prefix: str, expected: str) -> None:
        assert upper(prefix) == expected

    @pytest.mark.parametrize("prefix", ["", "\U0010ffff" * 3])
    def test_without_a_next_text_is_above_every_key(self, prefix: str) -> None:
        assert upper(prefix) > "\U0010ffff" * LONGEST_KEY


class TestKeys:
    BAD = ("nul\0", "\ud800", "x" * (LONGEST_KEY + 1), "é" * (LONGEST_KEY // 2 + 1))

    @pytest.mark.parametrize("key", BAD, ids=["nul", "surrogate", "long", "wide"])
    async def test_what_cannot_be_a_key_is_refused_or_not_there(self, desk: Desk, key: str) -> None:
        store = desk.store(desk.transaction())

        with pytest.raises(InputError):
            await store.put(key, 1)
        with pytest.raises(InputError):
            await store.names("", after=key)
        assert await store.find(key, int) is None
        await store.delete(key)
        assert store.transaction.writes() == []

    async def test_the_longest_key_is_stored(self, desk: Desk) -> None:
        dice = random.Random(7)  # what compresses would not show the limit of an index
        key = "".join(dice.choices(ascii_letters + digits, k=LONGEST_KEY))
        tx = desk.transaction()
        store = module.MountStore(tx, "0" * 36, prefix="f" * 64 + "/")
        await store.put(key, 1)
        outcome = await desk.commit(tx)

        assert outcome.problem is None
        assert await store.keys("") == [key]

    async def test_what_is_not_there_is_not_found(self, desk: Desk) -> None:
        with pytest.raises(NotFoundError):
            await desk.store(desk.transaction()).fetch("nothing", int)

    async def test_mounts_and_prefixes_are_apart(self, desk: Desk) -> None:
        tx = desk.transaction()
        await desk.store(tx, "a/").put("k", 1)
        await desk.store(tx, "b/").put("k", 2)
        await desk.commit(tx)

        tx = desk.transaction()

        assert await desk.store(tx, "a/").fetch("k", int) == 1
        assert await desk.store(tx, "b/").keys("") == ["k"]
        assert await module.MountStore(tx, "another").keys("") == []

    async def test_a_value_keeps_its_fingerprint_and_the_entry_that_made_it(
        self, desk: Desk
    ) -> None:
        await desk.commit(None)
        tx = desk.transaction()
        await desk.store(tx).put("k", "v", fingerprint=b"f")
        own = await desk.store(tx).find("k", str)
        await desk.commit(tx)

        held = await desk.store(desk.transaction()).find("k", str)

        assert own is not None
        assert (own.entry, own.fingerprint) == (None, b"f")
        assert held is not None
        assert (held.value, held.entry, held.fingerprint) == ("v", 1, b"f")

    async def test_a_folder_of_any_size_is_one_name(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "CHUNK", 10)
        await desk.keep(**{f"folder/{number}": number for number in range(200)}, z=1)
        tx = desk.transaction()

        assert await desk.store(tx).names("") == ["folder/", "z"]
        assert len(tx.checks) == 2
