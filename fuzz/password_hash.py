"""Stored password hashes: what a restored or tampered database may hold."""

from __future__ import annotations

from strongroom.crypto.errors import PasswordError
from strongroom.crypto.passwords import decoy, needs_rehash

SEEDS = (
    decoy().encode(),
    b"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    b"$argon2id$v=19$m=9999999,t=99,p=99$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZ",
)


def target(data: bytes) -> None:
    """Only a hash at today's cost is one that stays."""
    text = data.decode(errors="replace")
    try:
        stays = not needs_rehash(text)
    except PasswordError:
        return
    assert stays is text.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
