"""T25: whoever leaves loses everything at once.

Population  Every person whose access was ended in the period, and everybody who has left or is
            over their end; and every role, user and configuration of an auth mount that one
            of them made.
Holds when  All was ended by one entry, a day after the end at the latest; nothing was served to
            them behind it; no token of theirs lives; and the daily look found nothing of theirs.
            What they made to log in by was written again, or confirmed, by somebody else.
Not judged  A row that is not as it was written; an ending whose entry was cut; what they made to
            log in by, as long as nobody else has looked at it and it lets in who is registered.
Trust       That nothing is left is asked twice: of the log and tokens here, and of the tables by
            the server's own look, whose findings are entries.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period
from strongroom.sdk.leavers import LATEST, PERSON, Gone, endings, gone_since, judged


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each leaver."""
    gone: dict[str, Gone] = {}
    names: dict[str, str] = {}
    for person in await evidence.identities.people():
        subject = f"{person.name} ({person.entity})" if person.name else f"person {person.entity}"
        names[person.entity] = subject
        if person.problem:
            yield Item(subject, None, f"not as it was written: {person.problem}")
        elif (since := gone_since(person, period)) is not None:
            why = "has left" if person.left_at is not None else "is over the end"
            gone[person.entity] = Gone(subject, since, person.entry, why)
    leaving = await endings(period, evidence, PERSON)
    async for item in judged(period, evidence, leaving, gone, names):
        yield item


CONTROL = ControlTest(
    id="T25",
    title="Whoever leaves loses everything at once",
    kind=Kind.POP,
    population="Every person whose access was ended in the period, or had to be",
    procedure=(
        "Took every entry that ended a person's access, and everybody who has left or is over "
        "their end. Looked for anything served to them behind that entry, for live tokens of "
        "theirs, and for what the server's daily look missed. Asked of each role, user and "
        "configuration of an auth mount who knows it, and whether it is closed for leavers."
    ),
    holds_when=(
        "All ended by one entry, in time; nothing was served behind it, nothing is left, and "
        "somebody else answers for what they made to log in by."
    ),
    limits=(
        "It begins when the server is told: how long somebody waited to tell it is not seen. What "
        "the leaver knew is T26's."
    ),
    parameters={"latest_hours": int(LATEST.total_seconds() // 3600)},
    evaluate=evaluate,
)
