"""What the functions of this floor raise on input that cannot be trusted.

    ValueError
    └── CryptoError
        ├── CiphertextError   not sealed with this key, nonce and associated data
        ├── ShareError        shares that cannot be made or cannot be combined
        ├── PasswordError     the password is not the one that was hashed
        ├── CodeError         not a one-time or recovery code that is good now
        ├── PictureError      a text of which no QR code is made
        ├── TileError         a tile, an entry bundle, or the path of one is malformed
        ├── NoteError         a signed note, key, checkpoint or policy is malformed or not trusted
        └── ProofError        a Merkle proof does not show what it should

They stay outside the tree of `strongroom.base.errors` because what each means to a client
depends on who asked: the same `CiphertextError` is a client's mistake in a transit engine
and a corrupted database in the barrier. The caller above translates. No message holds key
material, plaintext or a password.
"""

from __future__ import annotations


class CryptoError(ValueError):
    """The base of all of them; never raised itself."""


class CiphertextError(CryptoError):
    """The ciphertext was not made with this key, nonce and associated data."""

    def __init__(self) -> None:
        super().__init__("ciphertext does not authenticate")


class ShareError(CryptoError):
    """These shares cannot be made, or cannot be combined."""


class PasswordError(CryptoError):
    """The password is not the one that was hashed, or the stored hash cannot be read."""

    def __init__(self, message: str = "password does not match") -> None:
        super().__init__(message)


class CodeError(CryptoError):
    """This is no code that is good now."""

    def __init__(self) -> None:
        super().__init__("no code that is good now")


class PictureError(CryptoError):
    """There is nothing to make a picture of, or more than a camera takes."""

    def __init__(self) -> None:
        super().__init__("no text for a picture")


class TileError(CryptoError):
    """A tile, an entry bundle, or the path of one is malformed."""


class NoteError(CryptoError):
    """A signed note, verifier key, checkpoint or policy is malformed, or not trusted."""


class ProofError(CryptoError):
    """A Merkle proof does not show what it should."""
