"""The contract of a sink: something outside that wants the log's entries.

Order   Entries come in the order of their index, each at least once. The follower stores the
        cursor only after `deliver` returned, so a crash repeats entries and never skips one.
Trust   A sink sees what the log holds: no secret value, but who did what. A sink cannot hold up
        a request: it lags, and the lag is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One leaf of the log: `leaf` is the exact bytes, `digest` is SHA-256(0x00 || leaf)."""

    index: int
    leaf: bytes
    digest: bytes


class Sink(Protocol):
    """Takes entries; raises UpstreamError when it cannot now."""

    kind: ClassVar[str]

    async def deliver(self, origin: str, entries: Sequence[Entry]) -> None:
        """Return when the entries are safe at the sink (synced, acknowledged)."""
        ...
