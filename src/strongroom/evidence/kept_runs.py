"""What is kept of control runs, held against the log.

Each run of a test is an entry `control.run` of the log, with its verdict, its counts and the digest
of its result, and a row: the result, sealed, and copies of some of it in clear columns to find it
by. Here the entries say which runs there were. A row that is gone, has no entry, or differs from
its entry or from its own result is named, and its verdict is believed by nobody.

Cost    The first question after a start reads every entry of the log once, block by block; later
        ones the entries since. `whole` opens each result.
Trust   Whoever can write to the database can change a row or remove it, and it is said. To hide it
        they would have to change the entry too, which the tree of the log does not allow (T62).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from strongroom.audit.decoding import decoded
from strongroom.base.clock import rfc3339
from strongroom.core.server import Server
from strongroom.evidence.canonical import digest
from strongroom.evidence.records import CONTROL_RUNS, ControlRun
from strongroom.evidence.verify import ran
from strongroom.storage.barrier import TamperedError
from strongroom.storage.guard import Broken
from strongroom.storage.register import moment

CODE: Final = "control.run"
MARK: Final = f'"event_code":"{CODE}"'.encode()
CHUNK: Final = 512
SINCE: Final = "SELECT idx, leaf FROM entry WHERE idx >= ? ORDER BY idx LIMIT ?"
IN_CLEAR: Final = (
    "SELECT id, control, definition, period_start, period_end, verdict, population, exceptions,"
    " checkpoint_size, entry FROM control_run ORDER BY id"
)
IDS: Final = "SELECT id FROM control_run WHERE id > ? ORDER BY id LIMIT ?"
ONE: Final = f"{CONTROL_RUNS.select} WHERE id = ?"
COPIED: Final = (
    *("control", "definition", "period_start", "period_end", "ran_at"),
    *("verdict", "population", "exceptions"),
)
TAMPERED: Final = "tampered"  # in place of a verdict
GONE: Final = "the log has its entry, and its row is gone"
UNLOGGED: Final = "the log has no entry of it"


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log says of one run of one test."""

    index: int
    time: datetime | None
    said: Mapping[str, Any]  # see `verify.ran`
    population: object
    checkpoint_size: object
    sha256: str

    @property
    def id(self) -> str:
        """The key of the row that belongs to it."""
        return f"{self.said['run']}.{self.said['control']}"

    def over(self) -> tuple[str, str, str]:
        """Return the control, and the start and the end of the period."""
        said = self.said
        return said["control"], said["period_start"], said["period_end"]

    @property
    def columns(self) -> tuple[object, ...]:
        """What the row says of it in clear, in the order of `IN_CLEAR` less the id."""
        said = self.said
        period = said["period_start"], said["period_end"]
        counts = self.population, said["exceptions"], self.checkpoint_size
        names = said["control"], said["definition"]
        return (*names, *period, said["verdict"], *counts, self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One run of one test: what the log says, the row, and what is wrong with that, if anything.

    `row` is None where it is gone or cannot be believed, and where only clear columns were read.
    """

    id: str
    logged: Logged | None
    row: ControlRun | None
    problem: str = ""

    @property
    def control(self) -> str:
        """The control's id."""
        return self.id.rpartition(".")[2]

    @property
    def run(self) -> str:
        """The id of the run that the test belongs to."""
        return self.id.rpartition(".")[0]

    @property
    def verdict(self) -> str:
        """What the log says, if the row is what it says too; else `TAMPERED`."""
        intact = self.logged is not None and not self.problem
        return str(self.logged.said["verdict"]) if self.logged and intact else TAMPERED


@dataclass(slots=True)
class KeptRuns:
    """The runs of one server. The entries that were found are remembered: the log only grows."""

    server: Server
    _logged: dict[str, Logged] = field(default_factory=dict)
    _next: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def logged(self) -> Mapping[str, Logged]:
        """Return what the log says of each run of a test, by the key of its row, in its order."""
        async with self._turn:
            while rows := await self.server.database.rows(SINCE, (self._next, CHUNK)):
                for index, leaf in rows:
                    if MARK in bytes(leaf):
                        self._found(index, bytes(leaf))
                self._next = rows[-1][0] + 1
                if len(rows) < CHUNK:
                    break
                await asyncio.sleep(0)
        return self._logged

    def _found(self, index: int, leaf: bytes) -> None:
        entry = decoded(index, leaf)
        if entry.code != CODE or entry.ok is False:
            return
        own, tree = entry.own, entry.own.get("checkpoint")
        one = Logged(
            index=index,
            time=entry.time,
            said=ran(index, own),
            population=own.get("population"),
            checkpoint_size=tree.get("size") if isinstance(tree, dict) else None,
            sha256=str(own.get("result_sha256", "")),
        )
        self._logged.setdefault(one.id, one)

    async def in_clear(self) -> list[Kept]:
        """Return every run by what the log says of it, in its order; no result is opened.

        What has a row and no entry comes last.
        """
        found = {row[0]: row for row in await self.server.database.rows(IN_CLEAR, ())}
        logged = await self.logged()
        kept = []
        for name, one in logged.items():
            row = found.pop(name, None)
            problem = GONE if row is None else _differing(one, row[1:])
            kept.append(Kept(id=name, logged=one, row=None, problem=problem))
        return [*kept, *(Kept(id=n, logged=None, row=None, problem=UNLOGGED) for n in found)]

    async def of(self, run: str) -> list[Kept]:
        """Return what is kept of one run, whole, by the ids of its tests."""
        logged = [one.id for one in (await self.logged()).values() if one.said["run"] == run]
        stored = [n for n in await self._ids(f"{run}.") if n.rpartition(".")[0] == run]
        return [await self.one(name) for name in sorted({*logged, *stored})]

    async def whole(self, size: int) -> AsyncIterator[Kept]:
        """Give every run before an index of the log, whole; what has a row and no entry too."""
        logged = {n: one for n, one in (await self.logged()).items() if one.index < size}
        for name in logged:
            yield await self.one(name)
            await asyncio.sleep(0)
        for name in await self._ids(""):
            if name not in self._logged:
                kept = await self.one(name)
                if kept.logged is None:  # not one of just now
                    yield kept

    async def rows(self) -> AsyncIterator[tuple[str, str]]:
        """Give the key of each row and what differs between its columns and its own result."""
        for name in await self._ids(""):
            for raw in await self.server.database.rows(ONE, (name,)):
                found = self._examined(raw)
                yield name, found.problem if isinstance(found, Broken) else ""
            await asyncio.sleep(0)

    async def one(self, name: str) -> Kept:
        """Return what is kept of one run of one test, whole."""
        rows = await self.server.database.rows(ONE, (name,))
        logged = (await self.logged()).get(name)
        if not rows:
            return Kept(id=name, logged=logged, row=None, problem=GONE)
        found = self._examined(rows[0])
        if isinstance(found, Broken):
            return Kept(id=name, logged=logged, row=None, problem=found.problem)
        if logged is None:
            return Kept(id=name, logged=None, row=None, problem=UNLOGGED)
        if digest(found.result) != logged.sha256 or found.entry != logged.index:
            problem = f"its row is not what entry {logged.index} of the log is of"
            return Kept(id=name, logged=logged, row=None, problem=problem)
        return Kept(id=name, logged=logged, row=found)

    async def _ids(self, prefix: str) -> list[str]:
        names: list[str] = []
        after = prefix
        while rows := await self.server.database.rows(IDS, (after, CHUNK)):
            found = [row[0] for row in rows if row[0].startswith(prefix)]
            names += found
            after = rows[-1][0]
            if len(found) < CHUNK:
                break
        return names

    def _examined(self, raw: Sequence[Any]) -> ControlRun | Broken:
        """Return a row if its columns say what its sealed result says."""
        barrier = self.server.barrier
        try:
            found = CONTROL_RUNS.examine(raw, barrier)
            problem = "" if isinstance(found, Broken) else ", ".join(differing(found))
        except (TamperedError, ValueError, TypeError, OverflowError) as error:
            problem = f"it cannot be read: {type(error).__name__}"
        else:
            if isinstance(found, Broken) or not problem:
                return found
            problem = f"not what its sealed result says: {problem}"
        stored = dict(zip(CONTROL_RUNS.stored, raw, strict=True))
        return Broken(
            (raw[0],), f"the row {raw[0]!r} of control_run was changed: {problem}", stored
        )


def _differing(logged: Logged, row: Sequence[Any]) -> str:
    """Say if the clear columns of a row are not what its entry says."""
    try:
        control, definition, start, end, *others = row
        said = control, definition, rfc3339(moment(start)), rfc3339(moment(end)), *others
    except (TypeError, OverflowError):
        said = ()
    return "" if said == logged.columns else f"its row is not what entry {logged.index} says"


def differing(row: ControlRun) -> Iterator[str]:
    """Give the names of the columns that are not what the row's own result says."""
    result = json.loads(row.result)
    said = {
        "id": f"{result['run']}.{result['control']}",
        "checkpoint_size": result["checkpoint"]["size"],
        **{name: result[name] for name in COPIED},
    }
    for name, value in said.items():
        column = getattr(row, name)
        if value != (rfc3339(column) if isinstance(column, datetime) else column):
            yield name


def as_runs(kept: Sequence[Kept]) -> Iterator[dict[str, Any]]:
    """Give runs for `verify.rolled_up`: one whose row is not as it was cannot count as a pass."""
    for each in kept:
        if each.logged is None:
            continue
        said = dict(each.logged.said)
        if each.problem and said["verdict"] != "exceptions":
            said["verdict"] = "inconclusive"
        yield said
