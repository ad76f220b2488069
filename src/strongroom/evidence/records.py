"""The rows of evidence: a control run each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from strongroom.storage.register import Register


@dataclass(frozen=True, slots=True)
class ControlRun:
    """One test of one run. `id` is the run's and the control's: "<run>.T02".

    `result` is the result's JSON, byte for byte what its digest in the log is of.
    """

    id: str
    control: str
    definition: str
    period_start: datetime
    period_end: datetime
    ran_at: datetime
    verdict: str
    population: int
    exceptions: int
    checkpoint_size: int
    result: bytes
    entry: int | None = None

    @property
    def run(self) -> str:
        """The id of the run that the test belongs to."""
        return self.id.rpartition(".")[0]


CONTROL_RUNS = Register(
    "control_run",
    ControlRun,
    key=("id",),
    sealed=("result",),
    indexes=(("control", "ran_at"),),
)
