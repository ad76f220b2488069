"""Recovery codes: what gets a person in once when every other factor is lost.

A code has 80 random bits, written as four groups of four characters. At that length a keyed
digest is enough to keep: a slow hash is for what people choose.

Specs  The alphabet is Crockford's base 32: no I, L, O or U. Case, spaces and hyphens do not
       count, and I, L and O are read as the digits that they look like.
Trust  Whoever reads the digests and has the key that made them can test guesses, 2^80 of them.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Final

from strongroom.base.secret import Secret
from strongroom.crypto.errors import CodeError

BYTES: Final = 10
CHARACTERS: Final = 16
LONGEST: Final = 64  # as it may be typed
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_AS_TYPED: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})


def new_code(entropy: Callable[[int], bytes]) -> Secret:
    """Return a new code as it is shown: `0000-0000-0000-0000`."""
    number = int.from_bytes(entropy(BYTES), "big")
    text = "".join(_ALPHABET[number >> 5 * at & 31] for at in reversed(range(CHARACTERS)))
    return Secret("-".join(text[at : at + 4] for at in range(0, CHARACTERS, 4)))


def canonical(typed: Secret) -> Secret:
    """Return a code in its one form. Raises CodeError for what no code is."""
    raw = typed.reveal()
    if len(raw) > LONGEST or not raw.isascii():
        raise CodeError
    text = raw.decode("ascii").upper().translate(_AS_TYPED)
    if len(text) != CHARACTERS or not set(text) <= set(_ALPHABET):
        raise CodeError
    return Secret(text)


def place_of(digest: bytes, among: Sequence[bytes]) -> int:
    """Return where a digest stands; every one is compared. Raises CodeError for none."""
    found = -1
    for at, each in enumerate(among):
        if hmac.compare_digest(each, digest):
            found = at
    if found < 0:
        raise CodeError
    return found
