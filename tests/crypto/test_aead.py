"""Sealing and opening: official vectors, and everything that must not open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto.aead import Cipher
from strongroom.crypto.errors import CiphertextError

KEYS = st.binary(min_size=32, max_size=32)
NONCES = st.binary(min_size=12, max_size=12)

# McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, the AES-256 cases.
GCM_CASE_15_TEXT = bytes.fromhex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
)
GCM_KEY = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
GCM_NONCE = bytes.fromhex("cafebabefacedbaddecaf888")
GCM_CIPHERTEXT = bytes.fromhex(
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
)


class TestVectors:
    def test_case_13_seals_nothing_to_its_tag(self) -> None:
        sealed = Cipher(bytes(32)).seal(bytes(12), b"", b"")

        assert sealed.hex() == "530f8afbc74536b9a963b4f1c4cb738b"

    def test_case_15_without_associated_data(self) -> None:
        sealed = Cipher(GCM_KEY).seal(GCM_NONCE, GCM_CASE_15_TEXT, b"")

        assert sealed == GCM_CIPHERTEXT + bytes.fromhex("b094dac5d93471bdec1a502270e3cc6c")

    def test_case_16_with_associated_data(self) -> None:
        aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")

        sealed = Cipher(GCM_KEY).seal(GCM_NONCE, GCM_CASE_15_TEXT[:60], aad)

        assert sealed == GCM_CIPHERTEXT[:60] + bytes.fromhex("76fc6ece0f4e1768cddf8853bb2d551b")


class TestOpening:
    @given(key=KEYS, nonce=NONCES, plaintext=st.binary(), aad=st.binary())
    def test_what_was_sealed_opens(
        self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes
    ) -> None:
        cipher = Cipher(key)

        assert cipher.open(nonce, cipher.seal(nonce, plaintext, aad), aad) == plaintext

    @given(plaintext=st.binary(), bit=st.integers(min_value=0))
    def test_one_flipped_bit_anywhere_does_not_open(self, plaintext: bytes, bit: int) -> None:
        cipher = Cipher(bytes(32))
        sealed = bytearray(cipher.seal(bytes(12), plaintext, b"row 7"))
        bit %= len(sealed) * 8
        sealed[bit // 8] ^= 1 << bit % 8

        with pytest.raises(CiphertextError):
            cipher.open(bytes(12), bytes(sealed), b"row 7")

    @pytest.mark.parametrize(
        ("nonce", "ciphertext", "aad"),
        [
            pytest.param(bytes(12), None, b"row 8", id="moved to another row"),
            pytest.param(b"\1" + bytes(11), None, b"row 7", id="another nonce"),
            pytest.param(bytes(11), None, b"row 7", id="short nonce"),
            pytest.param(bytes(12), b"", b"row 7", id="nothing"),
            pytest.param(bytes(12), bytes(15), b"row 7", id="shorter than a tag"),
        ],
    )
    def test_what_was_not_sealed_so_does_not_open(
        self, nonce: bytes, ciphertext: bytes | None, aad: bytes
    ) -> None:
        cipher = Cipher(bytes(32))
        sealed = cipher.seal(bytes(12), b"value", b"row 7")

        with pytest.raises(CiphertextError):
            cipher.open(nonce, sealed if ciphertext is None else ciphertext, aad)

    def test_another_key_does_not_open(self) -> None:
        sealed = Cipher(bytes(32)).seal(bytes(12), b"value", b"")

        with pytest.raises(CiphertextError):
            Cipher(b"\1" * 32).open(bytes(12), sealed, b"")

    @given(nonce=st.binary(max_size=20), ciphertext=st.binary(), aad=st.binary())
    def test_any_bytes_raise_the_one_error(
        self, nonce: bytes, ciphertext: bytes, aad: bytes
    ) -> None:
        with pytest.raises(CiphertextError):
            Cipher(bytes(32)).open(nonce, ciphertext, aad)


class TestMisuse:
    @pytest.mark.parametrize("length", [0, 16, 24, 31, 33])
    def test_a_key_of_another_length_is_refused(self, length: int) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            Cipher(bytes(length))

    @pytest.mark.parametrize("length", [0, 8, 11, 13, 16])
    def test_a_nonce_of_another_length_does_not_seal(self, length: int) -> None:
        with pytest.raises(ValueError, match="12 bytes"):
            Cipher(bytes(32)).seal(bytes(length), b"", b"")

    def test_the_key_does_not_print(self) -> None:
        assert repr(Cipher(b"k" * 32)) == "Cipher(…)"
