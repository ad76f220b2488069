"""The server's evidence interface as the story uses it: run controls, read what they found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from strongroom.base.clock import rfc3339

EFFECTIVE, NOT_EXERCISED = "effective", "not exercised"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one control found."""

    id: str
    title: str
    verdict: str
    items: int
    exceptions: int
    runs: int = 1  # over some of the period, this one too
    runs_with_exceptions: int = 0
    of_period: str = ""  # the verdict of all of them

    @classmethod
    def of(cls, data: dict[str, Any]) -> Result:
        """Read a result as a run's reply has it."""
        items = data.get("items", data.get("population", 0))
        runs = data["runs"]
        return cls(
            id=data["control"] if "control" in data else data["id"],
            title=data["title"],
            verdict=data["verdict"],
            items=_count(items),
            exceptions=_count(data.get("exceptions", 0)),
            runs=runs["count"],
            runs_with_exceptions=runs["with_exceptions"],
            of_period=runs["verdict"],
        )


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list) else int(value)


def run(
    client: Any, start: datetime, end: datetime, controls: Sequence[str] = ()
) -> dict[str, Result]:
    """Run controls over a period as hvac's client, and return what each found."""
    body: dict[str, object] = {"period_start": rfc3339(start), "period_end": rfc3339(end)}
    if controls:
        body["controls"] = list(controls)
    reply = client.write_data("strongroom/evidence/runs", data=body)["data"]
    found = [Result.of(each) for each in reply["results"]]
    return {result.id: result for result in found}
