"""The rows of the core: mounts and leases.

Trust  Mounts are guarded (`storage.guard`), but while sealed they are taken as they are: they route
       to what is open then, and are read anew at the unseal. A lease's data is sealed; its times
       and its token are in clear and not guarded, so who can write to the database can end it, or
       keep it from being revoked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from strongroom.storage.register import Register

WRITTEN_BY: Final = "written_by"  # in `Mount.config`: whose hands are in it (`core.hands`)


@dataclass(frozen=True, slots=True)
class Mount:
    """A secrets engine or auth method at a path. Its store is keyed by `uuid`, so it may move."""

    path: str  # "secret/", "auth/userpass/"
    uuid: str
    accessor: str
    kind: str
    description: str
    options: dict[str, str]
    config: dict[str, object]  # what tune sets, as Vault names it
    default_ttl: timedelta  # zero: the system's
    max_ttl: timedelta
    created_at: datetime
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """Something that a reply handed out, to be taken back at its end or before."""

    id: str
    token: bytes  # lookup of the token it was given to
    mount: str
    path: str
    issued_at: datetime
    renewed_at: datetime | None
    expires_at: datetime
    max_at: datetime
    renewable: bool
    data: dict[str, object]
    entry: int | None = None


MOUNTS = Register(
    "mount", Mount, key=("path",), indexes=(("uuid",),), guarded=True, open_while_sealed=True
)
LEASES = Register(
    "lease",
    LeaseRow,
    key=("id",),
    sealed=("data",),
    indexes=(("token",), ("expires_at",), ("mount",)),
)


def hands_of(row: Mount) -> tuple[str, ...]:
    """Return who could log in at a mount as anybody, since they have written to it."""
    found = row.config.get(WRITTEN_BY)
    return tuple(map(str, found)) if isinstance(found, list) else ()
