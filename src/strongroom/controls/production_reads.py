"""T41: behind every read of production by a person there is a grant.

Population  Every secret of production that a person, or a root token, read in the period; reads
            by the same one under the same grant are one item.
Holds when  The entry names a grant, made to that entity by an earlier entry, that had begun and
            not ended at the time, by the clock and by the log.
Not judged  A read whose entry was cut.
Trust       What lies in production is judged by the patterns of now.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from strongroom.base.clock import parse_time
from strongroom.base.errors import InputError
from strongroom.sdk.approvals import ENDED_BY, GRANTED_BY, Granted, following, names
from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.patterns import matches

PRODUCTION = ("production", "prod")
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
READ = "secret.read"
HUMAN = ("user", "admin")
NAMED = "grant/"
MOST_PROOF = 3


@dataclass
class Grants:
    """Grants as the log tells of them, up to an entry."""

    made: dict[str, Granted] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)

    def follow(self, entry: LogEntry) -> None:
        """Take the next entry."""
        if following(self.made, entry) is not None:
            return
        if entry.ok and entry.code in ENDED_BY and "ended_at" in entry.own:
            self.ended.setdefault(str(entry.own.get("grant")), entry.index)

    def problem(self, id_: str, read: LogEntry) -> str:
        """Say why a grant does not cover a read; nothing if it does."""
        made = self.made.get(id_)
        if made is None:
            return f"names the grant {id_}, which no earlier entry made"
        if made.entity != read.actor:
            return f"names the grant {id_}, which is somebody else's"
        if id_ in self.ended:
            return f"names the grant {id_}, which was ended at entry {self.ended[id_]}"
        try:
            begins, ends = parse_time(made.begins, "begins"), parse_time(made.ends, "ends")
        except InputError:
            return f"names the grant {id_}, whose times cannot be read"
        if read.time is None or not begins <= read.time < ends:
            return f"names the grant {id_}, which was over"
        return ""


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each reader and what covers them."""
    patterns = [
        pattern
        for each in await evidence.access.environments()
        if each.name in PRODUCTION
        for pattern in each.paths
    ]
    if not patterns:
        return
    people = {each.entity for each in await evidence.identities.people()}
    first, end = await evidence.log.stretch(period.start, period.end)
    grants = Grants()
    found: dict[tuple[str, bool | None, str], list[int]] = {}
    async for entry in evidence.log.entries(BEGINNING, period.end, (READ, *GRANTED_BY, *ENDED_BY)):
        grants.follow(entry)
        if entry.code != READ or not entry.ok or not first <= entry.index < end:
            continue
        human = entry.actor in people or entry.kind in HUMAN
        if human and any(matches(pattern, entry.path or "") for pattern in patterns):
            found.setdefault(_judge(entry, grants), []).append(entry.index)
    for (who, held, because), indices in found.items():
        proof = tuple(indices[:MOST_PROOF])
        yield Item(who, held, because, proof, members=len(indices))


def _judge(entry: LogEntry, grants: Grants) -> tuple[str, bool | None, str]:
    who = f"reads by {entry.actor}"
    if entry.lacks("rules", "path"):
        return who, None, "the entry was cut: what allowed the read is not in it"
    ids = [
        rule.removeprefix(NAMED).partition("#")[0]
        for rule in names(entry, "rules")
        if rule.startswith(NAMED)
    ]
    if not ids:
        return who, False, "read, and no grant is named"
    problems = [grants.problem(each, entry) for each in ids]
    if "" not in problems:
        return who, False, problems[0]
    good = ids[problems.index("")]
    return who, True, f"covered by the grant {good} of entry {grants.made[good].entry.index}"


CONTROL = ControlTest(
    id="T41",
    title="Every human read of production has a grant",
    kind=Kind.POP,
    population="Every secret of production that a person, or a root token, read in the period",
    procedure=(
        "Took every read in the period whose path lies in an environment named as production and "
        "whose actor is a person or root. Looked up the grant that its entry names: which entry "
        "made it, for whom, from when, until when, and whether one ended it before."
    ),
    holds_when="Each read names a grant of its reader that covered that moment.",
    limits=(
        "Patterns of environments are those of the run. Who is not registered and came by a way "
        "that is not for people is not taken for a person."
    ),
    parameters={"production": list(PRODUCTION)},
    evaluate=evaluate,
)
