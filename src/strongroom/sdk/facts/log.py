"""What the log proves: the entries of a period, its checkpoints, and where it went back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from strongroom.sdk.facts.period import Period


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One entry, decoded. None stands for a field that the entry does not have."""

    index: int
    readable: bool = True  # False: the leaf is no JSON object, and nothing else here is set
    time: datetime | None = None
    code: str = ""
    operation: str | None = None
    path: str | None = None
    actor: str | None = None
    token: str = ""  # accessor
    kind: str = ""  # of the actor: "user", "admin", "system", "service", or nothing
    source: str | None = None  # network address, or "strongroom" for the server's own acts
    ok: bool | None = None
    reason: str = ""  # why it was refused or failed
    simulated: bool = False
    version: int | None = None  # of the secret that it is of, where its engine counts them
    own: Mapping[str, Any] = field(default_factory=dict)  # what the schema has no place for

    def lacks(self, *names: str) -> bool:
        """Say whether one of these fields was shortened, or left out, to keep the entry small.

        Of one that was shortened `own` holds the first: whoever needs the whole cannot judge.
        """
        cut = self.own.get("cut")
        return isinstance(cut, Mapping | list) and not {"details", *names}.isdisjoint(cut)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyCheckpoint:
    """The last signed checkpoint of a day; the last that a witness cosigned, if one did.

    `proof` shows that it goes on from the one before in this list; `recomputed` is the root that
    the stored entries give at its size. `cosigned` are lines by witnesses.
    """

    day: str
    note: bytes
    proof: tuple[bytes, ...] | None
    recomputed: bytes
    cosigned: tuple[str, ...] = ()
    fresh: bool = False  # signed for the run: no witness can have seen it yet
    further: int = 0  # entries to the day's last checkpoint, if that one is not cosigned


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """The clock went back: the entry `index` is of `time`, an entry `before` it was of `was`."""

    before: int
    was: datetime
    index: int
    time: datetime

    def __str__(self) -> str:
        was, time = (f"{m:%Y-%m-%d %H:%M:%S}" for m in (self.was, self.time))
        return f"entry {self.before} is of {was} UTC, entry {self.index} after it of {time} UTC"


class Log(Protocol):
    """The log, up to the checkpoint that the run is about."""

    @property
    def verifier_key(self) -> str:
        """The log's own public key, as a vkey."""
        ...

    @property
    def witnesses(self) -> Sequence[str]:
        """The vkeys of the witnesses that are configured."""
        ...

    @property
    def before(self) -> LogEntry | None:
        """The very first entry of the log; None if index 0 is gone."""
        ...

    def entries(
        self, start: datetime, end: datetime | None, codes: tuple[str, ...] = ()
    ) -> AsyncIterator[LogEntry]:
        """Give the entries of the stretch of [start, end), by their indexes.

        None means up to the checkpoint. `codes` are prefixes of event codes; without any, every
        entry is given. Where the clock went back, some are of a time outside.
        """
        ...

    async def stretch(self, start: datetime, end: datetime | None) -> tuple[int, int]:
        """Return the indexes of the first entry of a period, and behind the last.

        The first is that of the first entry not before `start`, whatever comes after it; the last
        entry is the last before `end`. The second is 0 only where no entry is before `end`.
        """
        ...

    async def setbacks(self, start: datetime, end: datetime | None) -> Sequence[Setback]:
        """Return where in the stretch the clock went back by more than CLOCK_TOLERANCE."""
        ...

    def uncovered(self, period: Period) -> str:
        """Say what of a period lies before the log begins; nothing if none of it does."""
        ...

    def checkpoints(self, period: Period) -> AsyncIterator[DailyCheckpoint]:
        """Give the last checkpoint of each day of the period that has one, and the run's own."""
        ...

    async def entry(self, index: int) -> LogEntry | None:
        """Return one entry, however young; None if there is none."""
        ...
