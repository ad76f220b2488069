"""Reads while others log in by password: what a flood of logins costs those who are in.

Reads are measured alone and beside the logins, in turn, on one server; what is told is the median
of the ratios of single rounds. The logins come from a process of their own. With fewer than three
cores that process and the driver of the reads take from the server what the logins do not.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from bench import driver, workloads
from bench.client import Client
from bench.compare import Drive, Plan, Start, warm
from bench.load import Bounds, Measured, Request

LOGGING_IN = 50  # connections
SETTLES = 1.0  # seconds that logins go on before the reads and after them
WAITS = 60.0


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Each round's reads alone and beside the logins, and the logins that were answered."""

    idle: tuple[Measured, ...]
    busy: tuple[Measured, ...]
    logins: tuple[Measured, ...]

    def ratio(self) -> float:
        """Return which part of its idle throughput the reads keep."""
        return median(
            b.throughput / i.throughput for i, b in zip(self.idle, self.busy, strict=True)
        )

    def failed(self) -> int:
        """Return how many requests were not answered with success."""
        return sum(m.failed for m in (*self.idle, *self.busy, *self.logins))


def beside(folder: Path, start: Start, drive: Drive, plan: Plan) -> Beside:
    """Start a server in `folder`, measure, and stop it again."""
    idle: list[Measured] = []
    busy: list[Measured] = []
    answered: list[Measured] = []
    with start(folder) as running:
        client = Client(address=running.address)
        client.await_answer()
        client.initialise()
        reads = workloads.prepare(client).workloads[workloads.READ]
        logins = workloads.password_logins(client)
        drive(running.address, reads, warm(plan.bounds))
        for number in range(plan.rounds):
            plan.tell(f"reads beside logins, round {number + 1} of {plan.rounds}")
            idle.append(drive(running.address, reads, plan.bounds))
            seconds = plan.bounds.seconds + 2 * SETTLES
            bounds = Bounds(seconds=seconds, connections=LOGGING_IN)
            others = Others(running.address, logins, bounds)
            others.process.join(SETTLES)
            busy.append(drive(running.address, reads, plan.bounds))
            answered.append(others.measured())
            running.check()
    return Beside(idle=tuple(idle), busy=tuple(busy), logins=tuple(answered))


class Others:
    """Those who log in, in a process of their own."""

    def __init__(self, address: str, requests: Sequence[Request], bounds: Bounds) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe(duplex=False)
        self.process = context.Process(
            target=_drive, args=(theirs, address, requests, bounds), daemon=True
        )
        self.process.start()
        theirs.close()

    def measured(self) -> Measured:
        """Wait for their end. Raises RuntimeError where they ended without a word."""
        try:
            if not self._pipe.poll(WAITS):
                self.process.terminate()
                raise RuntimeError("the logins did not end")
            found: Measured = self._pipe.recv()
        except EOFError:
            raise RuntimeError("the logins broke off") from None
        self.process.join()
        return found


def _drive(
    pipe: Connection,
    address: str,
    requests: Sequence[Request],
    bounds: Bounds,
) -> None:
    pipe.send(driver.drive(address, requests, bounds))
