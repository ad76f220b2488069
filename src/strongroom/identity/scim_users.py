"""What a directory says of people over SCIM, beside their rows of identity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from strongroom.storage.register import Register


@dataclass(frozen=True, slots=True)
class ScimUser:
    """A person as a directory knows them. One that it `deleted` has left, and is not shown to it.

    `attributes` are those of the schema that identity has no place for.
    """

    entity: str
    user_name: str
    attributes: dict[str, object]
    deleted: bool
    created_at: datetime
    updated_at: datetime
    entry: int | None = None


SCIM_USERS = Register(
    "scim_user", ScimUser, key=("entity",), indexes=(("user_name",),), guarded=True
)
