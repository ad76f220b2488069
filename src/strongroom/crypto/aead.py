"""Authenticated encryption: AES-256-GCM.

Specs  NIST SP 800-38D, with a 12-byte nonce and the 16-byte tag at the end of the ciphertext.
Trust  Two messages sealed under one key with one nonce give away both and the means to forge.
       The caller draws each nonce at random and changes the key before 2**32 of them.
"""

from __future__ import annotations

from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.crypto.errors import CiphertextError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16


@final
class Cipher:
    """One key, set up once: setting up costs as much as sealing a kilobyte."""

    __slots__ = ("_gcm",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"an AES-256 key has {KEY_BYTES} bytes, not {len(key)}")
        self._gcm = AESGCM(key)

    def seal(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and tag; `aad` is authenticated and must be given again to open."""
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
        return self._gcm.encrypt(nonce, plaintext, aad)

    def open(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Return the plaintext, or raise `CiphertextError` whatever is wrong."""
        if len(nonce) != NONCE_BYTES or len(ciphertext) < TAG_BYTES:
            raise CiphertextError
        try:
            return self._gcm.decrypt(nonce, ciphertext, aad)
        except InvalidTag:
            raise CiphertextError from None

    def __repr__(self) -> str:
        return "Cipher(…)"
