"""T35: what nobody granted is refused.

Population  Each path of each mount, with each operation, tried by an identity without a policy.
Holds when  Every request was refused, and every refusal is in the log.
Not judged  A request that failed for another reason.
Trust       The identity has no right at all, so nothing can be changed if the control works; the
            writes carry an empty body, so that nothing is written even if it does not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period
from strongroom.sdk.facts.probes import Prober

OPERATIONS = ("read", "list", "scan", "write", "patch", "delete")


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each path."""
    async with evidence.probe.identity("T35") as prober:
        for path in await evidence.probe.paths():
            yield await _try(evidence, prober, path)


async def _try(evidence: Evidence, prober: Prober, path: str) -> Item:
    proof: list[int] = []
    for operation in OPERATIONS:
        body = b"{}" if operation in ("write", "patch") else None
        answered = await prober.request(operation, path, body)
        proof.append(answered.index)
        if answered.status != 403:
            held = None if answered.status >= 500 else False
            because = f"{operation} was answered with status {answered.status}"
            return Item(path, held, because, tuple(proof))
        entry = await evidence.log.entry(answered.index)
        if entry is None or entry.ok is not False:
            because = f"{operation} was refused, and entry {answered.index} does not say so"
            return Item(path, False, because, tuple(proof))
    because = f"{len(proof)} operations refused: entries {proof[0]} to {proof[-1]} of the log"
    return Item(path, True, because, (proof[0],))


CONTROL = ControlTest(
    id="T35",
    title="Access is denied by default",
    kind=Kind.PROBE,
    population="A path below each mount and each of the server's own areas, with each operation",
    procedure=(
        "Made a throw-away identity without any policy, tried each operation on each path "
        "through the whole pipeline, and found each refusal in the log."
    ),
    holds_when="Every request was refused with 403, and is in the log as refused.",
    limits=(
        "It shows the moment of the run. Paths that ask nobody by design (log-in, health, unseal) "
        "are left out."
    ),
    parameters={"operations": list(OPERATIONS)},
    evaluate=evaluate,
)
