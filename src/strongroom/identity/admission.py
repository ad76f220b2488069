"""Whether somebody who has shown who they are is let in, and which groups they bring along.

Trust   Who is refused here is told the same as for a wrong password; the entry has the reason. The
        setting `registration` is a sealed row: who can write to the database can delete it, and
        then it is `open` again; they cannot write one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from strongroom.base.errors import InputError
from strongroom.identity.groups import Graph, Named, follow_login
from strongroom.identity.records import PEOPLE, Entity
from strongroom.identity.standing import Standing, stand
from strongroom.storage.records import SETTINGS, Setting
from strongroom.storage.transaction import Transaction

SETTING: Final = "registration"
ASK: Final = (
    "registration is required: ask at strongroom/registrations, and let another person approve it"
)


class Registering(StrEnum):
    """Whom a first login makes an entity of."""

    OPEN = "open"  # whoever an auth mount knows, as in Vault
    REQUIRED = "required"  # only who was registered before, a person or a workload


class NotAdmittedError(Exception):
    """Refused; the text is for the entry alone."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who was let in, and the ids of external groups that the login put them in or out of."""

    standing: Standing
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def details(self) -> dict[str, object]:
        """What the entry says of it."""
        found = {"groups_joined": list(self.joined), "groups_left": list(self.left)}
        return {name: ids for name, ids in found.items() if ids}


async def admit(
    tx: Transaction, graph: Graph, entity: Entity, now: datetime, said: Named | None = None
) -> Admitted:
    """Let an entity in, into just the external groups that its mount names, if it names any.

    Raises NotAdmittedError for one that is over its end, and where registration is required for
    one that is neither an active person nor an active workload.
    """
    standing = await stand(tx, entity, graph)
    if standing.over(now):
        raise NotAdmittedError("the end of its registration has come")
    if not standing.active(now) and await registering(tx) is Registering.REQUIRED:
        raise NotAdmittedError("neither a registered person nor a registered workload")
    if said is None:
        return Admitted(standing)
    joined, left = await follow_login(tx, graph, entity.id, said, now)
    if joined or left:
        standing = await stand(tx, entity, graph)
    return Admitted(standing, tuple(joined), tuple(left))


async def registering(tx: Transaction) -> Registering:
    """Return the setting."""
    row = await tx.get(SETTINGS, SETTING)
    return Registering.OPEN if row is None else msgspec.json.decode(row.value, type=Registering)


async def check_direct(tx: Transaction) -> None:
    """Raise InputError where nobody new is made but by a registration that another approves.

    Two people have to be there before one can approve for another: whoever comes before them is
    written. Who has left counts, so that nobody makes themselves alone.
    """
    if await registering(tx) is Registering.REQUIRED and len(await tx.all(PEOPLE, limit=2)) > 1:
        raise InputError("", ASK)


def put_registering(tx: Transaction, chosen: Registering) -> None:
    """Write the setting."""
    tx.put(SETTINGS, Setting(SETTING, msgspec.json.encode(chosen)))
