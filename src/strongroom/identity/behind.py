"""Who could be behind an act: whoever could have had it done, beside whom its token is of.

What a workload does is done by whoever answers for it, and by whoever can get in as it: its owner,
who wrote its alias, who set what it logged in by. So is what a person does whom somebody else made
one. It is resolved twice: when it is kept with what the act leaves (an alias, a password, a row of
somebody), as of then, and again when a decision is judged by that, as of now.

Trust   Of rows under their MAC. What root wrote is nobody's; of an entity that is gone nothing
        more is known than was kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from strongroom.identity.records import ALIASES, PEOPLE, WORKLOADS
from strongroom.identity.standing import living
from strongroom.storage.transaction import Transaction

# In `Person.made_by`: the named directory did. Who is behind that decides on nothing that they
# asked for through somebody whom it made, but two whom it made are not one for that.
BY_DIRECTORY: Final = "directory"


async def behind(tx: Transaction, entities: Iterable[str]) -> tuple[str, ...]:
    """Return these, whom they were merged into, and who could be behind any of them, in turn."""
    found: dict[str, None] = {}
    waiting = list(entities)
    while waiting:
        each = waiting.pop(0)
        if each in found:
            continue
        found[each] = None
        entity = await living(tx, each)
        if entity is not None and entity.id != each:
            waiting.append(entity.id)
        person = await tx.get(PEOPLE, each)
        if person is not None:
            waiting += makers_of(person.made_by)
        workload = await tx.get(WORKLOADS, each)
        if workload is not None:
            waiting.append(workload.owner)
            for alias in await tx.all(ALIASES, entity=each):
                waiting += alias.made_by or ()
    return tuple(found)


def makers_of(made_by: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return those of a person's makers who could be them; none where the directory made them."""
    return () if made_by is None or BY_DIRECTORY in made_by else made_by
