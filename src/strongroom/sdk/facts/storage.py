"""What is stored now: blobs, guarded rows, and what the databases refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A stored value that must be encrypted. `problem` says why it did not open, if so."""

    place: str  # table.column
    key: str
    algorithm: str  # empty when unknown
    term: int
    term_held: bool
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedRow:
    """A row that authorization goes by. `problem` says why it is not as it was written, if so."""

    table: str
    key: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run of one test: the entry that says so, and what is wrong with its row, if anything."""

    id: str
    index: int | None  # None: the log has no entry of it
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One kind of change to one table of the log, and whether the database itself refuses it.

    `refused` is None where that could not be tried.
    """

    table: str
    verb: str
    refused: bool | None
    because: str


class Storage(Protocol):
    """The database, as it is."""

    def blobs(self) -> AsyncIterator[Blob]:
        """Open every sealed value and every wrapped key, and say what came of it."""
        ...

    def guarded(self) -> AsyncIterator[GuardedRow]:
        """Verify every guarded row, and give those that are gone and known to be."""
        ...

    def runs(self, size: int) -> AsyncIterator[RunRow]:
        """Hold each run of a test that the log has before an index against its stored row.

        Rows without an entry, wherever it would be, are given too.
        """
        ...

    async def unexplained(self) -> Sequence[str]:
        """Return the columns of bytes that are neither sealed nor known to hold no secret."""
        ...

    async def append_only(self) -> Sequence[Refusal]:
        """Try each change of each table of the log, and leave nothing of it behind."""
        ...
