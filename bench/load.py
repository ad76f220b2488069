"""What is sent, and what came of it.

Units  Durations are seconds, latencies milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request of a load, as both drivers send it."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def raw(self, host: str) -> bytes:
        """Return the bytes of the request under HTTP/1.1, the connection kept open."""
        headers = {"Host": host, **self.headers}
        if self.body:
            headers["Content-Length"] = str(len(self.body))
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Where a load stops: at the first of these."""

    seconds: float
    connections: int = 32
    requests: int = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one server did under one load."""

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float

    @property
    def throughput(self) -> float:
        """Return the requests answered in a second."""
        return self.requests / self.seconds if self.seconds else 0.0


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of values in ascending order; NaN of none."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def as_json(value: object) -> bytes:
    """Encode the body of a request."""
    return msgspec.json.encode(value)
