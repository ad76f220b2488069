"""Splitting and combining, with `pyshamir` as the implementation that is not ours."""

from __future__ import annotations

import os
from itertools import combinations

import pyshamir  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto.errors import ShareError
from strongroom.crypto.shamir import combine, split

SECRETS = st.binary(min_size=1, max_size=64)


@st.composite
def plans(draw: st.DrawFn) -> tuple[int, int]:
    threshold = draw(st.integers(2, 9))
    return draw(st.integers(threshold, 12)), threshold


class Counting:
    """Entropy that can be repeated: 0, 1, 2, … as bytes."""

    def __init__(self) -> None:
        self.next = 0

    def __call__(self, count: int) -> bytes:
        start, self.next = self.next, self.next + count
        return bytes(n % 256 for n in range(start, self.next))


class TestSplitting:
    @given(secret=SECRETS, plan=plans(), data=st.data())
    def test_any_threshold_of_them_in_any_order_give_the_secret(
        self, secret: bytes, plan: tuple[int, int], data: st.DataObject
    ) -> None:
        shares = split(secret, *plan, os.urandom)
        some = data.draw(st.permutations(shares))[: plan[1]]

        assert combine(some) == secret

    def test_every_three_of_five_give_the_secret_and_no_two_do(self) -> None:
        secret = bytes(range(32))
        shares = split(secret, 5, 3, os.urandom)

        assert {combine(some) for some in combinations(shares, 3)} == {secret}
        assert secret not in {combine(some) for some in combinations(shares, 2)}

    def test_all_255_can_be_made_and_each_has_its_own_coordinate(self) -> None:
        shares = split(b"secret", 255, 255, os.urandom)

        assert sorted(share[-1] for share in shares) == list(range(1, 256))
        assert combine(shares) == b"secret"

    def test_a_share_is_the_y_bytes_and_then_the_x_byte(self) -> None:
        """By hand: y = 5x + s over GF(2^8), with x = 1 and x = 2, where 5 * 2 is 10."""
        one, two = sorted(
            split(b"\x07", 255, 2, lambda count: b"\x05" * count), key=lambda share: share[-1]
        )[:2]

        assert one == bytes((5 ^ 7, 1))
        assert two == bytes((10 ^ 7, 2))

    def test_all_randomness_comes_from_the_argument(self) -> None:
        assert split(b"secret", 5, 3, Counting()) == split(b"secret", 5, 3, Counting())

    def test_with_entropy_that_never_changes_it_still_ends(self) -> None:
        assert len(split(b"secret", 5, 3, bytes)) == 5

    @pytest.mark.parametrize(
        ("secret", "shares", "threshold"),
        [
            pytest.param(b"", 5, 3, id="no secret"),
            pytest.param(b"s", 5, 1, id="threshold of one"),
            pytest.param(b"s", 5, 0, id="threshold of none"),
            pytest.param(b"s", 2, 3, id="fewer shares than the threshold"),
            pytest.param(b"s", 256, 3, id="more than the field has"),
            pytest.param(b"s", -1, -1, id="negative"),
        ],
    )
    def test_what_cannot_be_split_is_refused(
        self, secret: bytes, shares: int, threshold: int
    ) -> None:
        with pytest.raises(ShareError):
            split(secret, shares, threshold, os.urandom)


class TestCombining:
    @pytest.mark.parametrize(
        ("shares", "why"),
        [
            pytest.param([], "two", id="none"),
            pytest.param([b"a\1"], "two", id="one"),
            pytest.param([b"a\1", b"b\1"], "twice", id="one coordinate, other values"),
            pytest.param([b"a\1", b"a\1"], "twice", id="the same share"),
            pytest.param([b"a\1", b"ab\2"], "length", id="different lengths"),
            pytest.param([b"\1", b"\2"], "two bytes", id="coordinates only"),
            pytest.param([b"", b""], "two bytes", id="empty"),
            pytest.param([b"a\0", b"b\1"], "coordinate 0", id="coordinate zero"),
        ],
    )
    def test_what_cannot_be_combined_is_refused(self, shares: list[bytes], why: str) -> None:
        with pytest.raises(ShareError, match=why):
            combine(shares)

    @given(shares=st.lists(st.binary(max_size=8), max_size=6))
    def test_any_bytes_give_bytes_or_the_one_error(self, shares: list[bytes]) -> None:
        try:
            secret = combine(shares)
        except ShareError:
            return

        assert len(secret) == len(shares[0]) - 1

    def test_no_refusal_shows_a_share(self) -> None:
        with pytest.raises(ShareError) as caught:
            combine([b"topsecret\1", b"topsecret\1"])

        assert "topsecret" not in str(caught.value)


class TestWithAnotherImplementation:
    @given(secret=st.binary(min_size=2, max_size=40), plan=plans())
    def test_it_combines_what_we_split(self, secret: bytes, plan: tuple[int, int]) -> None:
        shares = split(secret, *plan, os.urandom)[: plan[1]]

        assert bytes(pyshamir.combine([bytearray(share) for share in shares])) == secret

    @given(secret=st.binary(min_size=2, max_size=40), plan=plans())
    def test_we_combine_what_it_splits(self, secret: bytes, plan: tuple[int, int]) -> None:
        shares = pyshamir.split(secret, *plan)

        assert combine([bytes(share) for share in shares[: plan[1]]]) == secret
