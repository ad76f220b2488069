"""What an AppRole mount stores, and under which keys.

    name/{role name}                        -> role id
    id/{role id}                            -> Role
    secret/{role uid}/{digest}              -> SecretId
    accessor/{role uid}/{accessor}          -> digest
    expiry/{unix seconds}/{uid}/{digest}    -> accessor
    maker/{entity}/{uid}/{digest}           -> True: who made it
    gone/{role uid}                         -> True: a deleted role that left secret ids behind

A login reads two rows, `id/` and `secret/`, and writes one only if uses are counted. Secret ids
are found by the uid that a role got when it was made, so a new role of the same name or role id
accepts none of an older one's. `expiry/` is in the order of time: tidying reads what is due.

Units   Times of expiry are whole Unix seconds, rounded up, twelve digits.
Trust   A digest is keyed and its key never leaves the barrier: who reads the rows cannot log in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

from strongroom.base.secret import Secret
from strongroom.sdk.auth import ZERO, TokenRules
from strongroom.sdk.engine import Call, Help


@dataclass(frozen=True, kw_only=True)
class Settings(TokenRules):
    """What may be set on a role."""

    bind_secret_id: Annotated[bool, Help("A login needs a secret id.")] = True
    secret_id_bound_cidrs: Annotated[
        tuple[str, ...], Help("Networks that logins come from.", was=("bound_cidr_list",))
    ] = ()
    secret_id_num_uses: Annotated[
        int, Help("Logins that a secret id is good for; 0 means any number.", least=0)
    ] = 0
    secret_id_ttl: Annotated[
        timedelta, Help("Life of a secret id; 0: as long as the mount allows.")
    ] = ZERO
    local_secret_ids: Annotated[
        bool, Help("Kept for compatibility; fixed when the role is made.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class Role(Settings):
    """A role. `uid` is its own for good; name and role id may be used again by another."""

    name: str
    uid: str
    role_id: str


@dataclass(frozen=True, kw_only=True)
class SecretId:
    """A secret id, less the id itself. `num_uses` is what is left; 0 means any number.

    `makers` are the entities who made it, and know it; none for root.
    """

    accessor: str
    created: datetime
    updated: datetime
    expires: datetime | None
    ttl: timedelta
    num_uses: int
    cidr_list: tuple[str, ...] = ()
    token_bound_cidrs: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    makers: tuple[str, ...] = ()

    def lives(self, now: datetime) -> bool:
        """Say whether the secret id has not expired."""
        return self.expires is None or now < self.expires


def name_key(name: str) -> str:
    """Return the key of a role's role id."""
    return f"name/{name}"


def role_key(role_id: str) -> str:
    """Return the key of a role."""
    return f"id/{role_id}"


def secret_key(role: Role, digest: str) -> str:
    """Return the key of a secret id."""
    return f"secret/{role.uid}/{digest}"


def accessor_key(role: Role, accessor: str) -> str:
    """Return the key of an accessor's digest."""
    return f"accessor/{role.uid}/{accessor}"


def expiry_key(role: Role, digest: str, expires: datetime) -> str:
    """Return the key that comes up when the secret id is due."""
    return f"expiry/{math.ceil(expires.timestamp()):012d}/{role.uid}/{digest}"


def maker_key(maker: str, uid: str, digest: str) -> str:
    """Return the key under which a secret id is found by who made it."""
    return f"maker/{maker}/{uid}/{digest}"


def digest_of(call: Call, secret_id: Secret) -> str:
    """Return the fingerprint under which a secret id is stored, in hex."""
    return call.fingerprint(secret_id.reveal()).hex()
