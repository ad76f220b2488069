"""Derivation and keyed digests against the vectors of RFC 5869 and RFC 4231."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto.derive import DigestKey, derive, hkdf

# RFC 5869 appendix A, the three cases over SHA-256: key, salt, info, length, output.
RFC_5869 = [
    pytest.param(
        b"\x0b" * 22,
        bytes(range(13)),
        bytes(range(0xF0, 0xFA)),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        id="A.1",
    ),
    pytest.param(
        bytes(range(0x50)),
        bytes(range(0x60, 0xB0)),
        bytes(range(0xB0, 0x100)),
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
        "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
        "cc30c58179ec3e87c14c01d5c1f3434f1d87",
        id="A.2",
    ),
    pytest.param(
        b"\x0b" * 22,
        b"",
        b"",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        id="A.3",
    ),
]

# RFC 4231 section 4: key, data, HMAC-SHA-256. Case 5 is left out: it tests truncation.
RFC_4231 = [
    pytest.param(
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        id="4.2",
    ),
    pytest.param(
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        id="4.3",
    ),
    pytest.param(
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        id="4.4",
    ),
    pytest.param(
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        id="4.5",
    ),
    pytest.param(
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        id="4.7",
    ),
    pytest.param(
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data."
        b" The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        id="4.8",
    ),
]


@pytest.mark.parametrize(("key", "salt", "info", "output"), RFC_5869)
def test_hkdf_gives_what_the_rfc_gives(key: bytes, salt: bytes, info: bytes, output: str) -> None:
    assert hkdf(key, salt=salt, info=info, length=len(output) // 2).hex() == output


def test_deriving_with_an_empty_label_is_case_a_3_of_the_rfc() -> None:
    assert derive(b"\x0b" * 22, "", 42).hex() == RFC_5869[2].values[3]


@pytest.mark.parametrize(("key", "data", "output"), RFC_4231)
def test_a_keyed_digest_is_what_the_rfc_gives(key: bytes, data: bytes, output: str) -> None:
    keyed = DigestKey(key)

    assert keyed.digest(data).hex() == output
    assert keyed.digest(data).hex() == output
    assert key.hex() not in repr(keyed)


@given(key=st.binary(min_size=32, max_size=32), labels=st.sets(st.text(), min_size=2, max_size=5))
def test_labels_give_different_keys_and_the_same_ones_again(key: bytes, labels: set[str]) -> None:
    derived = {derive(key, label) for label in labels}

    assert len(derived) == len(labels)
    assert derived == {derive(key, label) for label in labels}
    assert {len(one) for one in derived} == {32}


def test_more_than_hkdf_can_give_is_refused() -> None:
    with pytest.raises(ValueError, match="8160"):
        derive(bytes(32), "too much", 8161)
