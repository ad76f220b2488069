"""Who had a hand in how an auth mount tells who somebody is: they could log in there as anybody.

Whoever writes a mount's configuration, or a role of it, chooses by what a login is proven. So at a
person's login they count among those who could have signed in so themselves (`SignIn.helped_by`):
such a login decides on nothing that they asked for, nor they on what it asks for. What concerns one
subject alone (users of a password mount, for whom the method says who set what; policies of a
directory's users and groups) is not counted, nor is tuning, which proves nobody.

Trust   In the mount's row, under its MAC. They stay for as long as the mount is there: what one of
        them put there may still be. What root wrote is nobody's, and of what was written before
        this was kept nobody can say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from strongroom.core.attempt import Attempt
from strongroom.core.records import MOUNTS, WRITTEN_BY
from strongroom.core.records import hands_of as hands_of  # noqa: PLC0414 - others take it from here
from strongroom.core.router import Bound
from strongroom.core.subjects import CHANGES
from strongroom.identity.records import WORKLOADS
from strongroom.identity.sign_ins import ANYBODY
from strongroom.sdk.engine import Call
from strongroom.storage.transaction import Transaction

MOST: Final = 64  # who are kept; of more it is as if anybody had
OF_ONE: Final[Mapping[str, tuple[str, ...]]] = {
    "userpass": ("users/",),
    "ldap": ("users/", "groups/"),
}


async def note_hands(attempt: Attempt, call: Call, bound: Bound) -> None:
    """Keep who changes what proves logins at an auth mount; nothing for any other request."""
    live, _ = attempt.serving
    if bound.operation not in CHANGES or live.system or not live.row.path.startswith("auth/"):
        return
    path = bound.route.path
    if path.startswith(OF_ONE.get(live.row.kind, ())):
        return
    makers = dict.fromkeys(call.behind)
    if not makers or {*makers} <= {*hands_of(live.row)}:
        return
    tx = attempt.transaction
    row = await tx.get(MOUNTS, live.row.path)
    if row is None:
        return
    kept = dict.fromkeys((*hands_of(row), *makers, *await _owners(tx, makers)))
    hands = [*kept] if len(kept) <= MOST else [ANYBODY]
    if hands != [*hands_of(row)]:
        tx.put(MOUNTS, replace(row, config={**row.config, WRITTEN_BY: hands}))
        tx.changed("mounts")
        attempt.details = {**attempt.details, "could_log_in": sorted(makers)}


async def _owners(tx: Transaction, entities: Mapping[str, None]) -> tuple[str, ...]:
    """Return who answers for those that are workloads: they hand out what these log in by."""
    found: list[str] = []
    for each in entities:
        row = await tx.get(WORKLOADS, each)
        found += [row.owner] if row is not None else []
    return tuple(found)
