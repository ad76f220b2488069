"""The seal by itself: shares, passphrase, dev; what is stored, and what a wrong key gets."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyshamir import combine, split

from strongroom.base.errors import InputError
from strongroom.base.secret import Secret
from strongroom.core.seal import (
    Progress,
    Seal,
    SealSettings,
    check_split,
    decode_share,
    share_digest,
    unwrap,
    wrap,
)
from strongroom.crypto.errors import CiphertextError
from strongroom.storage.barrier import Barrier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = bytes(range(32))


def enclosed(shares: int, threshold: int) -> tuple[Seal, list[bytes]]:
    """Return a seal around ROOT, and its shares."""
    seal = Seal(Barrier(os.urandom), os.urandom)
    seal.settings, parts = seal.enclose(
        ROOT, kind="shamir", shares=shares, threshold=threshold, passphrase=None
    )
    return seal, parts


def given_one_by_one(seal: Seal, shares: list[bytes]) -> bytes | None:
    """Give shares as requests do; return the root key once there are enough."""
    progress = Progress()
    for share in shares:
        quorum = seal.quorum(progress, share)
        if quorum.key is not None:
            return seal.root_of(quorum.key, seal.require())
        progress.keep(share)
    return None


@given(data=st.data())
def test_any_quorum_gives_the_root_key_and_fewer_give_nothing(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    threshold = 1 if count == 1 else data.draw(st.integers(2, count))
    seal, parts = enclosed(count, threshold)
    order = data.draw(st.permutations(parts))

    assert given_one_by_one(seal, list(order[: threshold - 1])) is None
    assert given_one_by_one(seal, list(order[:threshold])) == ROOT


def test_a_share_given_twice_counts_once() -> None:
    seal, parts = enclosed(3, 3)

    assert given_one_by_one(seal, [parts[0], parts[0], parts[1], parts[1], parts[0]]) is None
    assert given_one_by_one(seal, [parts[0], parts[0], parts[1], parts[2]]) == ROOT


def test_a_wrong_share_is_named_and_those_before_it_are_kept() -> None:
    seal, parts = enclosed(3, 2)
    progress = Progress()
    progress.keep(parts[0])

    with pytest.raises(InputError, match="not a share of this seal; 1 of 2 shares are kept"):
        seal.quorum(progress, bytes(33))

    assert progress.shares == [parts[0]]
    assert seal.quorum(progress, parts[1]).key is not None


def test_asking_what_a_share_makes_changes_nothing() -> None:
    seal, parts = enclosed(2, 2)
    progress = Progress()

    counts = [seal.quorum(progress, parts[0]).count for _ in range(3)]

    assert (counts, progress.shares) == ([1, 1, 1], [])


def test_enough_shares_that_came_at_once_open_with_the_next_one_whichever() -> None:
    seal, parts = enclosed(3, 2)
    progress = Progress()
    progress.keep(parts[0])
    progress.keep(parts[1])

    quorum = seal.quorum(progress, parts[1])

    assert quorum.key is not None


def test_shares_of_another_seal_are_not_mixed_in() -> None:
    seal, _ = enclosed(3, 2)
    _, others = enclosed(3, 2)

    with pytest.raises(InputError, match="not a share of this seal"):
        given_one_by_one(seal, others)


def test_our_shares_combine_elsewhere() -> None:
    seal, parts = enclosed(5, 3)

    key = bytes(combine([bytearray(part) for part in parts[1:4]]))

    assert seal.root_of(key, seal.require()) == ROOT


def test_shares_split_elsewhere_open_our_seal() -> None:
    key = os.urandom(32)
    parts = [bytes(part) for part in split(key, 3, 2)]
    seal = Seal(Barrier(os.urandom), os.urandom)
    seal.settings, _ = seal.enclose(ROOT, kind="shamir", shares=1, threshold=1, passphrase=None)
    seal.settings = msgspec.structs.replace(
        seal.settings,
        shares=3,
        threshold=2,
        wrapped_root=wrapped_by(key),
        share_digests=tuple(share_digest(part) for part in parts),
    )

    assert given_one_by_one(seal, parts[1:]) == ROOT


def wrapped_by(key: bytes) -> str:
    return b64encode(wrap(key, "root", ROOT, os.urandom)).decode()


def test_what_is_stored_of_a_shamir_seal_holds_no_key() -> None:
    seal, parts = enclosed(3, 2)

    stored = msgspec.json.encode(seal.require())

    for secret in (ROOT, *parts):
        assert secret.hex().encode() not in stored
        assert secret not in stored
    assert seal.require().clear == ""
    assert len(b64decode(seal.require().wrapped_root)) == 12 + 32 + 16


def test_a_passphrase_opens_and_another_does_not() -> None:
    seal = Seal(Barrier(os.urandom), os.urandom)
    seal.settings, parts = seal.enclose(
        ROOT, kind="passphrase", shares=5, threshold=3, passphrase=Secret("correct horse")
    )

    assert (parts, seal.require().shares) == ([], 1)
    assert seal.root_by_passphrase(Secret("correct horse")) == ROOT
    with pytest.raises(InputError, match="does not open the seal"):
        seal.root_by_passphrase(Secret("correct house"))


def test_a_passphrase_seal_without_a_passphrase_is_refused() -> None:
    seal = Seal(Barrier(os.urandom), os.urandom)

    with pytest.raises(InputError, match="is needed for this seal"):
        seal.enclose(ROOT, kind="passphrase", shares=1, threshold=1, passphrase=None)


def test_a_dev_seal_opens_by_itself() -> None:
    seal = Seal(Barrier(os.urandom), os.urandom)
    seal.settings, _ = seal.enclose(ROOT, kind="dev", shares=1, threshold=1, passphrase=None)

    assert seal.root_of_dev() == ROOT


@pytest.mark.parametrize(
    ("shares", "threshold"), [(0, 0), (1, 0), (2, 1), (2, 3), (256, 2), (-1, -1), (1, 2)]
)
def test_splits_that_are_no_quorum_are_refused(shares: int, threshold: int) -> None:
    with pytest.raises(InputError):
        check_split(shares, threshold)


@given(st.binary(min_size=1, max_size=40))
def test_shares_are_read_in_hexadecimal_and_base64(share: bytes) -> None:
    assert decode_share(f" {share.hex()}\n") == share


@given(st.text(max_size=60))
def test_what_is_no_share_is_an_input_error(text: str) -> None:
    with suppress(InputError):
        assert isinstance(decode_share(text), bytes)


def test_a_wrapped_key_opens_under_its_name_only() -> None:
    key = os.urandom(32)
    blob = wrap(key, "barrier/1", ROOT, os.urandom)

    assert unwrap(key, "barrier/1", blob) == ROOT
    with pytest.raises(CiphertextError):
        unwrap(key, "barrier/2", blob)


def test_settings_survive_their_storage() -> None:
    seal, _ = enclosed(3, 2)

    stored = msgspec.json.encode(seal.require())

    assert msgspec.json.decode(stored, type=SealSettings) == seal.require()
