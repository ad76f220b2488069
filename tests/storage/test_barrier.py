"""What the barrier wrote opens at its place and nowhere else; what it did not write never does."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.errors import SealedError
from strongroom.storage.barrier import (
    OVERHEAD,
    Barrier,
    BlobHeader,
    TamperedError,
    header_of,
    place,
    place_below,
)
from strongroom.storage.records import CELLS, CLEAR_SETTINGS, Cell, ClearSetting
from tests.storage.requests import fresh_barrier

HERE = place("cell", "value", "mount", "key")
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
key_parts = st.lists(st.one_of(words, st.integers(), st.binary(max_size=6)), max_size=3)


def counting() -> Barrier:
    """Return a barrier whose nonces count up: nothing that it makes is a matter of chance."""
    numbers = itertools.count()
    barrier = Barrier(lambda size: next(numbers).to_bytes(size, "big"))
    barrier.unseal({1: b"1" * 32}, b"d" * 32)
    return barrier


class TestOpening:
    @given(st.binary(max_size=200), words)
    def test_what_goes_in_comes_out(self, plaintext: bytes, key: str) -> None:
        barrier, where = fresh_barrier(), place("cell", "value", "m", key)

        blob = barrier.encrypt(where, plaintext)

        assert barrier.decrypt(where, blob) == plaintext
        assert len(blob) == len(plaintext) + OVERHEAD

    @given(st.binary(min_size=12, max_size=40))
    def test_the_same_text_is_never_the_same_blob_and_never_in_it(self, plaintext: bytes) -> None:
        barrier = counting()

        first, second = barrier.encrypt(HERE, plaintext), barrier.encrypt(HERE, plaintext)

        assert first != second
        assert plaintext not in first[OVERHEAD - 16 :]

    @pytest.mark.parametrize(
        "elsewhere",
        [
            place("setting", "value", "mount", "key"),
            place("cell", "fingerprint", "mount", "key"),
            place("cell", "value", "other", "key"),
            place("cell", "value", "mount", "other"),
            place("cell", "value", "mount"),
            place("cell", "value", "mount", "key", ""),
        ],
    )
    def test_a_moved_blob_is_refused(self, elsewhere: bytes) -> None:
        barrier = fresh_barrier()
        blob = barrier.encrypt(HERE, b"secret")

        with pytest.raises(TamperedError):
            barrier.decrypt(elsewhere, blob)

    @given(st.data())
    def test_any_changed_bit_is_refused(self, data: st.DataObject) -> None:
        barrier = fresh_barrier()
        blob = bytearray(barrier.encrypt(HERE, b"secret"))
        blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))

        with pytest.raises(TamperedError):
            barrier.decrypt(HERE, bytes(blob))

    @given(st.binary(max_size=60))
    def test_what_it_did_not_write_is_refused(self, blob: bytes) -> None:
        with pytest.raises(TamperedError):
            fresh_barrier().decrypt(HERE, blob)

    def test_every_cut_is_refused(self) -> None:
        barrier = fresh_barrier()
        blob = barrier.encrypt(HERE, b"secret")

        for length in range(len(blob)):
            with pytest.raises(TamperedError):
                barrier.decrypt(HERE, blob[:length])


class TestTerms:
    def test_a_new_term_encrypts_and_the_old_one_still_opens(self) -> None:
        barrier = fresh_barrier()
        old = barrier.encrypt(HERE, b"old")
        barrier.add_term(2, b"2" * 32)
        new = barrier.encrypt(HERE, b"new")

        assert (header_of(old).term, header_of(new).term) == (1, 2)
        assert (barrier.decrypt(HERE, old), barrier.decrypt(HERE, new)) == (b"old", b"new")
        assert barrier.terms() == {1, 2}

    def test_the_newest_term_is_the_active_one_after_unsealing(self) -> None:
        barrier = fresh_barrier()
        barrier.unseal({2: b"2" * 32, 7: b"7" * 32, 3: b"3" * 32}, b"d" * 32)

        assert header_of(barrier.encrypt(HERE, b"")).term == 7

    def test_a_blob_of_an_unknown_term_is_refused(self) -> None:
        barrier, other = fresh_barrier(), fresh_barrier()
        other.add_term(2, b"2" * 32)

        with pytest.raises(TamperedError):
            barrier.decrypt(HERE, other.encrypt(HERE, b"secret"))

    def test_a_term_is_part_of_what_is_authenticated(self) -> None:
        barrier = fresh_barrier()
        blob = barrier.encrypt(HERE, b"secret")
        barrier.add_term(2, b"2" * 32)

        with pytest.raises(TamperedError):
            barrier.decrypt(HERE, blob[:2] + (2).to_bytes(4, "big") + blob[6:])

    def test_encryptions_are_counted_for_each_term(self) -> None:
        barrier = fresh_barrier()
        for _ in range(3):
            barrier.encrypt(HERE, b"")
        counted = barrier.encryptions
        barrier.add_term(2, b"2" * 32)

        assert (counted, barrier.encryptions) == (3, 0)

    @pytest.mark.parametrize("term", [0, -1, 1, 2**32])
    def test_a_term_that_is_taken_or_none_is_refused(self, term: int) -> None:
        with pytest.raises(ValueError, match="term"):
            fresh_barrier().add_term(term, b"2" * 32)

    @pytest.mark.parametrize("keys", [{}, {0: b"k" * 32}, {2**32: b"k" * 32}, {1: b"short"}])
    def test_a_keyring_that_is_none_is_refused(self, keys: dict[int, bytes]) -> None:
        with pytest.raises(ValueError, match=r"keyring|key has"):
            fresh_barrier().unseal(keys, b"d" * 32)

    def test_only_a_term_that_is_held_can_be_activated(self) -> None:
        with pytest.raises(ValueError, match="no key"):
            fresh_barrier().activate(9)


class TestSealed:
    def test_does_nothing_before_it_is_unsealed_nor_after_it_is_sealed(self) -> None:
        barrier = fresh_barrier()
        blob = barrier.encrypt(HERE, b"secret")
        barrier.digest("token", b"t")
        barrier.seal()

        for each in (barrier, Barrier(bytes)):
            assert each.sealed
            for act in (
                lambda b=each: b.encrypt(HERE, b""),
                lambda b=each: b.decrypt(HERE, blob),
                lambda b=each: b.derived("token"),
                lambda b=each: b.add_term(2, b"2" * 32),
            ):
                with pytest.raises(SealedError):
                    act()

    def test_opens_again_with_the_same_keyring(self) -> None:
        barrier = fresh_barrier()
        blob, digest = barrier.encrypt(HERE, b"secret"), barrier.digest("token", b"t")
        barrier.seal()
        barrier.unseal({1: b"1" * 32}, b"derivation".ljust(32))

        assert barrier.decrypt(HERE, blob) == b"secret"
        assert barrier.digest("token", b"t") == digest

    def test_another_derivation_key_gives_other_digests_at_once(self) -> None:
        barrier = fresh_barrier()
        digest = barrier.digest("token", b"t")
        barrier.unseal({1: b"1" * 32}, b"e" * 32)

        assert barrier.digest("token", b"t") != digest

    def test_labels_have_keys_of_their_own_that_outlive_rotation(self) -> None:
        barrier = fresh_barrier()
        before = barrier.digest("a", b"t"), barrier.digest("b", b"t")
        barrier.add_term(2, b"2" * 32)

        assert before[0] != before[1]
        assert (barrier.digest("a", b"t"), barrier.digest("b", b"t")) == before


class TestHeaders:
    def test_a_header_says_format_algorithm_and_term(self) -> None:
        assert header_of(fresh_barrier().encrypt(HERE, b"")) == BlobHeader(1, "AES-256-GCM", 1)

    @pytest.mark.parametrize(("version", "algorithm"), [(0, 1), (2, 1), (1, 0), (1, 2)])
    def test_what_it_does_not_know_it_does_not_name_nor_open(
        self, version: int, algorithm: int
    ) -> None:
        barrier = fresh_barrier()
        blob = bytes([version, algorithm]) + barrier.encrypt(HERE, b"")[2:]

        assert header_of(blob).algorithm == ""
        with pytest.raises(TamperedError):
            barrier.decrypt(HERE, blob)

    def test_what_is_too_short_has_none(self) -> None:
        with pytest.raises(TamperedError):
            header_of(b"\1" * (OVERHEAD - 1))


class TestPlaces:
    @given(st.tuples(words, words), st.tuples(words, words))
    def test_two_keys_are_two_places(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        assert (place("t", "c", *one) == place("t", "c", *other)) == (one == other)

    @given(key_parts)
    def test_a_place_is_its_column_and_what_the_key_adds(self, key: list[object]) -> None:
        assert place("t", "c", *key) == place("t", "c") + place_below(key)

    @given(key_parts)
    def test_a_key_adds_its_parts_as_text_whatever_they_are(self, key: list[object]) -> None:
        texts = [part.hex() if isinstance(part, bytes) else str(part) for part in key]

        assert place_below(key) == "".join(f"\0{text}" for text in texts).encode()

    def test_a_row_is_sealed_at_its_own_place(self) -> None:
        barrier = fresh_barrier()
        raw = CELLS.dump(Cell("mount", "key", b"secret", b"f"), barrier)

        assert (raw[0], raw[1], raw[3]) == ("mount", "key", b"f")
        assert isinstance(raw[2], bytes)
        assert barrier.decrypt(HERE, raw[2]) == b"secret"
        assert CELLS.load((*raw, 5), barrier) == Cell("mount", "key", b"secret", b"f", 5)

    def test_a_row_whose_blob_was_moved_does_not_load(self) -> None:
        barrier = fresh_barrier()
        raw = CELLS.dump(Cell("mount", "key", b"secret"), barrier)

        with pytest.raises(TamperedError):
            CELLS.load(("mount", "other", *raw[2:], 5), barrier)

    def test_a_clear_register_needs_no_key(self) -> None:
        sealed = Barrier(bytes)
        row = ClearSetting("seal", "{}")

        assert CLEAR_SETTINGS.load((*CLEAR_SETTINGS.dump(row, sealed), 0), sealed).value == "{}"
