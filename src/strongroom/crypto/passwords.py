"""Passwords as Argon2id hashes, and keys from passphrases.

Specs  RFC 9106; the PHC string format `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
Units  Memory is in KiB. A salt has 16 bytes, a hash 32.
Cost   A login costs 19 MiB and two passes on one lane, the minimum that OWASP's Password
       Storage Cheat Sheet gives for Argon2id: about 20 ms, so that some tens of logins a
       second stay possible on one core and 200 waiting ones fit in 4 GB. A seal is opened a
       few times a year and guards everything: 64 MiB, three passes, four lanes (RFC 9106,
       second recommended option).
Trust  Whoever reads a hash may guess offline, at that cost a guess. What a hash demands is
       bounded before it is computed, so that a forged one cannot exhaust the server.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from strongroom.base.secret import Secret
from strongroom.crypto.errors import PasswordError

MEMORY_KIB: Final = 19_456
ITERATIONS: Final = 2
LANES: Final = 1

_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_MOST_MEMORY_KIB: Final = 1_048_576
_MOST_ITERATIONS: Final = 32
_MOST_LANES: Final = 64

_PHC: Final = re.compile(
    r"\$argon2id\$v=19\$m=([1-9]\d{0,6}),t=([1-9]\d?),p=([1-9]\d?)"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,86}",
    re.ASCII,
)


@dataclass(frozen=True, kw_only=True)
class _Cost:
    memory_kib: int
    iterations: int
    lanes: int


_CURRENT: Final = _Cost(memory_kib=MEMORY_KIB, iterations=ITERATIONS, lanes=LANES)


def hash_password(password: Secret, entropy: Callable[[int], bytes]) -> str:
    """Return a PHC string of the password at the current cost, under a new salt."""
    return _argon2id(entropy(_SALT_BYTES), _CURRENT).derive_phc_encoded(password.reveal())


def verify_password(phc: str, password: Secret) -> None:
    """Raise `PasswordError` unless the password is the hashed one and the hash can be read."""
    _cost(phc)
    try:
        Argon2id.verify_phc_encoded(password.reveal(), phc)
    except InvalidKey:
        raise PasswordError from None
    except ValueError:
        raise PasswordError("the stored hash cannot be read") from None


def needs_rehash(phc: str) -> bool:
    """Say whether the hash was made at another cost than today's; `PasswordError` if malformed."""
    return _cost(phc) != _CURRENT


def decoy() -> str:
    """Return a hash that no known password has, at the current cost.

    Verify against it where the name is unknown, so that an unknown name takes as long as a
    wrong password.
    """
    salt, digest = (b64encode(bytes(n)).rstrip(b"=").decode() for n in (_SALT_BYTES, _HASH_BYTES))
    return f"$argon2id$v=19$m={MEMORY_KIB},t={ITERATIONS},p={LANES}${salt}${digest}"


def passphrase_key(
    passphrase: Secret,
    salt: bytes,
    *,
    memory_kib: int = 65_536,
    iterations: int = 3,
    lanes: int = 4,
) -> bytes:
    """Return the 32-byte key of a passphrase; the salt and the cost are kept beside the seal.

    Raises `ValueError` for a salt under 8 bytes or a cost that Argon2id does not know.
    """
    cost = _Cost(memory_kib=memory_kib, iterations=iterations, lanes=lanes)
    return _argon2id(salt, cost).derive(passphrase.reveal())


def _argon2id(salt: bytes, cost: _Cost) -> Argon2id:
    return Argon2id(
        salt=salt,
        length=_HASH_BYTES,
        memory_cost=cost.memory_kib,
        iterations=cost.iterations,
        lanes=cost.lanes,
    )


def _cost(phc: str) -> _Cost:
    """Return what verifying would cost, or raise `PasswordError` where that is too much."""
    match = _PHC.fullmatch(phc)
    if match is None:
        raise PasswordError("the stored hash cannot be read")
    memory_kib, iterations, lanes = (int(number) for number in match.groups())
    if memory_kib > _MOST_MEMORY_KIB or iterations > _MOST_ITERATIONS or lanes > _MOST_LANES:
        raise PasswordError("the stored hash costs too much to verify")
    return _Cost(memory_kib=memory_kib, iterations=iterations, lanes=lanes)
