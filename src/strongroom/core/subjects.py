"""The guardrail over credentials: who is bound to an environment becomes nobody elsewhere.

Whoever may set a password, or make a secret id, can log in by it. So a caller that is bound to an
environment changes only those whose logins would be bound just as it is: by the entity that they
are known as, or by the auth mount. Reading and listing are left to policy.

Limits  Somebody who has never logged in is known as no entity: of those the mount alone tells.
        A caller that is bound to nothing is not held back; its acts are entries.
"""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.core.router import Operation
from strongroom.core.views import Live
from strongroom.identity.entities import ENVIRONMENT
from strongroom.identity.records import ALIASES, ENTITIES
from strongroom.identity.standing import environment_of
from strongroom.storage.transaction import Transaction

CHANGES = (Operation.WRITE, Operation.PATCH, Operation.DELETE)


async def subject_refusal(
    tx: Transaction, live: Live, aliases: Sequence[str], bound: frozenset[str]
) -> str | None:
    """Say which guardrail keeps a caller, bound to these, from the credentials of some aliases."""
    if not bound:
        return None
    by_mount = frozenset({live.row.options.get(ENVIRONMENT, "")} - {""})
    logins: list[frozenset[str]] = []
    for alias in aliases:
        for known in await tx.all(ALIASES, mount_accessor=live.row.accessor, name=alias):
            entity = await tx.get(ENTITIES, known.entity)
            own = await environment_of(tx, entity)
            logins.append((by_mount | {own}) - {""})
    if by_mount and not logins:
        logins.append(by_mount)
    for theirs in logins:
        if theirs != bound:
            return f"environment:{min(theirs - bound, default=min(bound))}"
    return None
