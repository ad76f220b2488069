"""Both servers and the bare endpoint under the same loads, in turn, round after round.

Whoever goes first changes with each round, so that a machine that grows warm or busy does not
favour one. What is reported are medians over the rounds; the ratio is the median of the ratios of
single rounds, since the two halves of a round met the same machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from bench import servers, workloads
from bench.client import Client
from bench.load import Bounds, Measured, Request
from bench.servers import Running

Drive = Callable[[str, Sequence[Request], Bounds], Measured]
Start = Callable[[Path], AbstractContextManager[Running]]
OURS, THEIRS, BARE = "strongroom", "openbao", "bare"
WARM_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured, and who is told of the progress."""

    bounds: Bounds
    rounds: int
    tell: Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Round:
    """One server under one workload, once."""

    workload: str
    server: str
    measured: Measured


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Every round, and the memory of the servers after the reads."""

    rounds: tuple[Round, ...]
    resident: dict[str, float]

    def of(self, workload: str, server: str) -> list[Measured]:
        """Return the rounds of one server under one workload, in order."""
        wanted = (workload, server)
        return [r.measured for r in self.rounds if (r.workload, r.server) == wanted]

    def middle(self, workload: str, server: str) -> Measured:
        """Return the medians of those rounds, as if they were one."""
        seen = self.of(workload, server)
        throughput = median(m.throughput for m in seen)
        return Measured(
            requests=round(throughput * 1_000),
            seconds=1_000,
            failed=sum(m.failed for m in seen),
            p50=median(m.p50 for m in seen),
            p99=median(m.p99 for m in seen),
        )

    def ratio(self, workload: str, figure: Callable[[Measured], float]) -> float:
        """Return our figure over theirs."""
        return self._over(workload, (OURS, THEIRS), figure)

    def share_of_bare(self) -> float:
        """Return which part of the bare endpoint's throughput our reads reach."""
        return self._over(workloads.READ, (OURS, BARE), lambda m: m.throughput)

    def _over(
        self, workload: str, pair: tuple[str, str], figure: Callable[[Measured], float]
    ) -> float:
        ours, theirs = (self.of(workload, server) for server in pair)
        return median(figure(a) / figure(b) for a, b in zip(ours, theirs, strict=True))

    def failed(self) -> Iterator[str]:
        """Say which loads had requests that were not answered with success."""
        for one in self.rounds:
            if one.measured.failed:
                of = f"{one.measured.failed} of {one.measured.requests}"
                yield f"{one.workload} on {one.server}: {of} requests failed"


def compare(folder: Path, starts: Mapping[str, Start], drive: Drive, plan: Plan) -> Comparison:
    """Start everything in `folder`, measure, and stop it again.

    `starts` says how OURS and THEIRS are started; both may be the same program.
    """
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        prepared: dict[str, workloads.Prepared] = {}
        for name, start in starts.items():
            plan.tell(f"starting {name}")
            place = folder / name
            place.mkdir()
            running[name] = stack.enter_context(start(place))
            client = Client(address=running[name].address)
            client.await_answer()
            client.initialise()
            prepared[name] = workloads.prepare(client)
        reader = Client(address=running[OURS].address, token=prepared[OURS].token)
        _, body = reader.raw("GET", workloads.name(0))
        running[BARE] = stack.enter_context(servers.bare(folder, body))
        loads = {name: ready.workloads for name, ready in prepared.items()}
        loads[BARE] = {workloads.READ: loads[OURS][workloads.READ]}
        return _measure(running, loads, drive, plan)


def _measure(
    running: Mapping[str, Running],
    loads: Mapping[str, Mapping[str, Sequence[Request]]],
    drive: Drive,
    plan: Plan,
) -> Comparison:
    done: list[Round] = []
    resident: dict[str, float] = {}
    for workload in (workloads.READ, workloads.WRITE, workloads.LOGIN, workloads.JWT_LOGIN):
        taking_part = [server for server, known in loads.items() if workload in known]
        for server in taking_part:
            drive(running[server].address, loads[server][workload], warm(plan.bounds))
        for number in range(plan.rounds):
            for server in taking_part if number % 2 == 0 else reversed(taking_part):
                plan.tell(f"{workload}, round {number + 1} of {plan.rounds}: {server}")
                measured = drive(running[server].address, loads[server][workload], plan.bounds)
                running[server].check()
                done.append(Round(workload=workload, server=server, measured=measured))
                if workload == workloads.READ:
                    resident[server] = running[server].resident_megabytes()
    return Comparison(rounds=tuple(done), resident=resident)


def warm(bounds: Bounds) -> Bounds:
    """Return the bounds of a load that is not counted."""
    return replace(bounds, seconds=bounds.seconds * WARM_SHARE)
