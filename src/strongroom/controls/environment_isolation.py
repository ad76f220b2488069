"""T17: what belongs to one environment cannot reach another (by evaluation).

Population  Every identity that is bound to an environment, with every path pattern of every
            other environment that is protected.
Holds when  No path under the pattern can be reached: policy grants none, or the guardrail, which
            no policy can lift, refuses all. And each environment is what the last entry of the
            log that wrote it says: none is gone, changed, or brought back.
Not judged  An environment whose last entry was cut; a write or deletion of one that does not say
            which, for the same reason.
Trust       The evaluation reasons about all paths of a pattern, not about samples. T18 tries the
            same with real requests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.access import Crossing, EnvironmentFact
from strongroom.sdk.facts.log import Log, LogEntry
from strongroom.sdk.facts.period import Period

MUST_BE_PROTECTED = ("production", "prod")
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
CUT = "its last entry was cut: too many paths for one"


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each identity and foreign pattern; one for each bad environment."""
    async for crossing in evidence.access.crossings():
        yield _judge(crossing)
    environments = await evidence.access.environments()
    async for item in _against_log(environments, evidence.log):
        yield item
    for environment in environments:
        if environment.name in MUST_BE_PROTECTED and not environment.protected:
            yield Item(f"environment {environment.name}", False, "is not protected")


async def _against_log(environments: Sequence[EnvironmentFact], log: Log) -> AsyncIterator[Item]:
    """Give an item for each environment that is not as the log last says."""
    written: dict[str, LogEntry] = {}
    async for entry in log.entries(BEGINNING, None, ("environment.write", "environment.delete")):
        if not entry.ok:
            continue
        if entry.lacks("boundary"):
            because = f"{entry.code} does not say of which environment: it was cut"
            yield Item(f"entry {entry.index}", None, because, (entry.index,))
        elif "boundary" in entry.own:
            written[str(entry.own["boundary"])] = entry
    for each in environments:
        last = written.pop(each.name, None)
        if each.entry is not None and (last is None or last.index < each.entry):
            last = await log.entry(each.entry) or last  # younger than the checkpoint of the run
        if problem := each.problem or _difference(each, last):
            proof = () if last is None else (last.index,)
            held = None if problem == CUT else False
            yield Item(f"environment {each.name}", held, problem, proof)
    for name, entry in written.items():
        if entry.code == "environment.write":
            because = f"entry {entry.index} wrote it, and it is gone without one"
            yield Item(f"environment {name}", False, because, (entry.index,))


def _difference(environment: EnvironmentFact, last: LogEntry | None) -> str:
    """Say how an environment differs from the last entry about it; empty if it does not."""
    own = {} if last is None else last.own
    if last is None or last.code != "environment.write" or own.get("boundary") != environment.name:
        return "is there, and no entry says so"
    if last.lacks("paths") or not {"paths", "protected", "open"} <= own.keys():
        return CUT
    people = own.get("people", "standing")  # of an entry from before there were grants
    said = (tuple(own["paths"]), own["protected"], own["open"], people)
    if said == (environment.paths, environment.protected, environment.open, environment.people):
        return ""
    return f"is not as entry {last.index} wrote it"


def _judge(crossing: Crossing) -> Item:
    bound = ", ".join(crossing.bound)
    subject = f"{crossing.identity} ({bound}) on {crossing.environment}: {crossing.pattern}"
    if not crossing.by_policy:
        also = "; the guardrail would refuse it too" if crossing.guardrail else ""
        return Item(subject, True, f"no policy grants any path there{also}")
    if crossing.guardrail:
        return Item(subject, True, f"a policy grants some, and {crossing.guardrail} refuses it")
    return Item(subject, False, "a policy grants some path there, and no guardrail refuses it")


CONTROL = ControlTest(
    id="T17",
    title="Environments are isolated (evaluated)",
    kind=Kind.POP,
    population=(
        "Every identity bound to an environment, with every pattern of every other protected one"
    ),
    procedure=(
        "For each bound identity compiled the policies it has, and asked symbolically whether any "
        "path under each pattern of each other protected environment is granted; then whether "
        "the guardrail refuses it. Compared each environment with the last entry of the whole log "
        "that wrote or deleted it."
    ),
    holds_when=(
        "No path of another protected environment can be reached, and each environment is as the "
        "log last says."
    ),
    limits=(
        "It shows the policies and identities as of the run. Identities are live tokens and "
        "entities with policies of their own; what a role would grant at the next login shows "
        "once somebody has logged in. Whoever may write environments can move the boundary."
    ),
    parameters={"must_be_protected": list(MUST_BE_PROTECTED)},
    evaluate=evaluate,
)
