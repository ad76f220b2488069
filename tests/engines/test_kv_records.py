"""The keys and the record of version 2, apart from any store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.engines.kv.records import (
    CONFIG,
    KEPT_BY_DEFAULT,
    NEVER,
    Config,
    Current,
    Version,
    changed,
    current_key,
    expiry,
    grown,
    settled,
    version_key,
)
from strongroom.sdk.engine import Held, Json

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DATA = Json(b'{"a":1}')
SEGMENT = st.sampled_from(["a", "b", "0000000001", "1", "version", "current", "config", ""])
PATH = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join) | st.text(min_size=1)
NUMBER = st.integers(min_value=1, max_value=10**12)


def secret(versions: int, config: Config | None = None) -> Current:
    current = Current(created=NOW, updated=NOW)
    for _ in range(versions):
        current = grown(current, config or Config(), DATA, NOW)
    return current


class TestKeys:
    @given(one=st.tuples(PATH, NUMBER), other=st.tuples(PATH, NUMBER))
    def test_two_versions_share_a_key_only_if_they_are_the_same(
        self, one: tuple[str, int], other: tuple[str, int]
    ) -> None:
        assert (version_key(*one) == version_key(*other)) == (one == other)

    @given(path=PATH, other=PATH, number=NUMBER)
    def test_a_version_never_has_the_key_of_a_record(
        self, path: str, other: str, number: int
    ) -> None:
        assert len({current_key(path), version_key(other, number), CONFIG}) == 3

    def test_versions_sort_by_number(self) -> None:
        assert version_key("a", 9) < version_key("a", 10)


class TestLimits:
    @pytest.mark.parametrize(
        ("mount", "own", "kept"),
        [(0, 0, KEPT_BY_DEFAULT), (3, 0, 3), (0, 3, 3), (3, 1, 3), (2, 5, 5)],
    )
    def test_the_larger_of_two_limits_holds(self, mount: int, own: int, kept: int) -> None:
        config = Config(max_versions=mount)
        current = Current(created=NOW, updated=NOW, max_versions=own)
        for _ in range(12):
            current = grown(current, config, DATA, NOW)

        assert [v.number for v in current.versions] == list(range(13 - kept, 13))
        assert current.oldest == 13 - kept

    @pytest.mark.parametrize(
        ("mount", "own", "after"),
        [
            (timedelta(0), timedelta(0), None),
            (HOUR, timedelta(0), HOUR),
            (timedelta(0), HOUR, HOUR),
            (HOUR, 2 * HOUR, HOUR),
            (2 * HOUR, HOUR, HOUR),
            (NEVER, HOUR, None),
        ],
    )
    def test_the_shorter_of_two_lives_holds(
        self, mount: timedelta, own: timedelta, after: timedelta | None
    ) -> None:
        current = Current(created=NOW, updated=NOW, delete_version_after=own)

        ends = expiry(Config(delete_version_after=mount), current, NOW)

        assert ends == (None if after is None else NOW + after)

    def test_nothing_is_oldest_before_anything_was_dropped(self) -> None:
        assert (secret(0).oldest, secret(1).oldest, secret(10).oldest) == (0, 0, 0)


class TestVersions:
    def test_an_expired_version_is_not_readable(self) -> None:
        version = Version(1, NOW, deleted=NOW + HOUR)

        assert version.readable(NOW)
        assert not version.readable(NOW + HOUR)

    def test_a_second_deletion_keeps_the_time_of_the_first(self) -> None:
        once = Version(1, NOW).deleted_at(NOW)

        assert once.deleted_at(NOW + HOUR) == once

    def test_what_is_destroyed_stays_destroyed(self) -> None:
        gone = Version(1, NOW).without_data()

        assert gone.restored_until(None) == gone
        assert gone.deleted_at(NOW) == gone

    def test_destroying_the_newest_drops_the_data(self) -> None:
        assert changed(secret(2), {2}, Version.without_data).data is None
        assert changed(secret(2), {1}, Version.without_data).data == DATA


class TestEntry:
    def test_settling_writes_the_rows_entry_into_the_newest_version(self) -> None:
        current = settled(Held(secret(2), entry=41))

        assert [v.made for v in current.versions] == [None, 41]

    def test_settling_again_keeps_the_first_entry(self) -> None:
        once = settled(Held(secret(1), entry=41))

        assert settled(Held(once, entry=99)) == once

    def test_a_secret_without_versions_has_no_entry_to_keep(self) -> None:
        assert settled(Held(secret(0), entry=41)) == secret(0)
