"""T18: what belongs to one environment cannot reach another (by real requests).

Population  Each pattern of each protected environment, tried by a throw-away identity of another
            environment whose policy grants everything there.
Holds when  Every request was refused by the guardrail, and every refusal is in the log.
Not judged  A request that failed for another reason.
Trust       The paths are random names that do not exist, and the requests only read and list: if
            the guardrail did not work, nothing would be shown or changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.access import EnvironmentFact
from strongroom.sdk.facts.period import Period
from strongroom.sdk.facts.probes import Prober

OPERATIONS = ("read", "list")
PATHS = 3  # random names for each pattern
STRANGER = "control-t18"


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each pattern of each protected environment."""
    stored = await evidence.access.environments()
    environments = [each for each in stored if not each.problem]  # T17 names the others
    for environment in environments:
        if not environment.protected or not environment.paths:
            continue
        other = _other(environment, environments)
        policy = "\n".join(
            f'path "{path}" {{ capabilities = ["read", "list"] }}' for path in environment.paths
        )
        async with evidence.probe.identity("T18", environment=other, policy=policy) as prober:
            for pattern in environment.paths:
                yield await _try(evidence, prober, environment, other, pattern)


def _other(environment: EnvironmentFact, environments: Sequence[EnvironmentFact]) -> str:
    """Return an environment that the identity is to belong to: one that exists, if possible."""
    return next((e.name for e in environments if e.name != environment.name), STRANGER)


async def _try(
    evidence: Evidence, prober: Prober, environment: EnvironmentFact, other: str, pattern: str
) -> Item:
    subject = f"{other} identity on {environment.name}: {pattern}"
    proof: list[int] = []
    for _ in range(PATHS):
        path = concrete(pattern, evidence.probe.random_name())
        for operation in OPERATIONS:
            answered = await prober.request(operation, path)
            proof.append(answered.index)
            if answered.status < 400 or answered.status == 404:
                because = f"{operation} of a path got through: status {answered.status}"
                return Item(subject, False, because, tuple(proof))
            if answered.status != 403:
                return Item(subject, None, f"status {answered.status}", tuple(proof))
            if problem := await _unlogged(evidence, answered.index):
                return Item(subject, False, problem, tuple(proof))
    because = f"{len(proof)} requests refused by the guardrail, each in the log"
    return Item(subject, True, because, tuple(proof))


async def _unlogged(evidence: Evidence, index: int) -> str:
    entry = await evidence.log.entry(index)
    if entry is None or entry.ok is not False:
        return f"refused, and entry {index} does not say so"
    if not entry.own.get("guardrail"):
        return f"refused by something else than the guardrail: entry {index}"
    return ""


def concrete(pattern: str, name: str) -> str:
    """Return a path under a pattern, with a name that nobody has in place of each wildcard."""
    parts = [name if part == "+" else part for part in pattern.split("/")]
    return "/".join(parts).removesuffix("*") + (name if pattern.endswith("*") else "")


CONTROL = ControlTest(
    id="T18",
    title="Environments are isolated (tried)",
    kind=Kind.PROBE,
    population="Each pattern of each protected environment, tried from another environment",
    procedure=(
        "Made a throw-away identity of another environment with a policy that grants reading and "
        "listing of the pattern, requested random paths under it through the whole pipeline, and "
        "found each refusal in the log."
    ),
    holds_when="Every request was refused by the guardrail, and is in the log as refused.",
    limits="It shows the moment of the run, on paths that do not exist.",
    parameters={"paths_for_each_pattern": PATHS, "operations": list(OPERATIONS)},
    evaluate=evaluate,
)
