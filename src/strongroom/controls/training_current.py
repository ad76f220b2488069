"""T89: who can reach secrets knows how to handle them.

Population  Every active person who can reach a secret, or was served one in the period, with every
            course that is required.
Holds when  They completed it no longer ago than it counts for, and, where they were ever served
            something of production, before the first time.
Not judged  A row that is not as it was written; who was served something of production at a time
            that nobody knows.
Trust       That they took the course is what another person wrote down, or, where the course lets
            them, they themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.compliance import CompletionFact, CourseFact
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.knowing import actors
from strongroom.sdk.patterns import matches

PRODUCTION = ("production", "prod")
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NO_COURSE = "no course is required: nothing shows that they know"


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each person and required course."""
    people = [p for p in await evidence.identities.people() if p.active and not p.problem]
    names = {person.entity: person.name for person in people}
    readers = dict(await evidence.compliance.readers())
    async for entry in evidence.log.entries(period.start, period.end, ("secret.",)):
        if entry.ok:
            readers |= {
                who: entry.path or "a secret"
                for who in actors(entry)
                if who in names and who not in readers
            }
    completions = await evidence.compliance.completions()
    courses = await evidence.compliance.courses()
    broken = [(c.name, c.problem) for c in courses] + [(c.id, c.problem) for c in completions]
    for name, problem in broken:
        if problem:
            yield Item(f"training {name}", None, f"not as it was written: {problem}")
    required = [course for course in courses if course.required and not course.problem]
    firsts = await _first_of_production(evidence, readers) if readers else {}
    for entity, where in sorted(readers.items()):
        subject = f"{names.get(entity) or 'person'} ({entity})"
        if not required:
            yield Item(subject, False, f"can reach {where}; {NO_COURSE}")
        mine = [c for c in completions if c.entity == entity and not c.void and not c.problem]
        for course in required:
            yield _judge(f"{subject}: {course.name}", course, mine, firsts.get(entity), period)


async def _first_of_production(
    evidence: Evidence, readers: Mapping[str, str]
) -> dict[str, LogEntry]:
    """Return the first entry by which each was served something of production."""
    patterns = [
        path
        for each in await evidence.access.environments()
        if each.name in PRODUCTION
        for path in each.paths
    ]
    found: dict[str, LogEntry] = {}
    if not patterns:
        return found
    async for entry in evidence.log.entries(BEGINNING, None, ("secret.",)):
        if not entry.ok or not any(matches(pattern, entry.path or "") for pattern in patterns):
            continue
        for who in actors(entry):
            if who in readers:
                found.setdefault(who, entry)
    return found


def _judge(
    subject: str,
    course: CourseFact,
    completions: Sequence[CompletionFact],
    first: LogEntry | None,
    period: Period,
) -> Item:
    mine = sorted(
        (c.completed_at, c.entry)
        for c in completions
        if c.course == course.name and c.completed_at is not None and c.completed_at < period.end
    )
    proof = tuple(entry for _, entry in mine[-1:] if entry is not None)
    if not mine:
        return Item(subject, False, "not completed")
    last = mine[-1][0]
    if last + course.validity < period.end:
        return Item(subject, False, f"completed {last:%Y-%m-%d}, too long ago", proof)
    if first is not None:
        proof = (*proof, first.index)
        if first.time is None:
            return Item(subject, None, "was served production, at a time nobody knows", proof)
        if first.time < mine[0][0]:
            because = f"was served production {first.time:%Y-%m-%d}, before the first completion"
            return Item(subject, False, because, proof)
    return Item(subject, True, f"completed {last:%Y-%m-%d}", proof)


CONTROL = ControlTest(
    id="T89",
    title="Who can reach secrets is trained",
    kind=Kind.POP,
    population=(
        "Every active person who can reach a secret, or was served one in the period, with every "
        "required course"
    ),
    procedure=(
        "Asked of the policies of every active person whether they grant anything in a mount of "
        "secrets. Compared their completions of each required course with how long those count. "
        "From the whole log took the first time that each was served something of an environment "
        "that is named production."
    ),
    holds_when=(
        "Each completed every required course, not longer ago than it counts for, and first before "
        "they were first served anything of production."
    ),
    limits=(
        "What a course teaches, and whether its completion is true, nobody can tell from here. "
        "Where no environment has the name of production, nothing is before anything."
    ),
    parameters={"production": list(PRODUCTION)},
    evaluate=evaluate,
)
