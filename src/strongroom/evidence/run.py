"""Control runs: each test evaluated at one checkpoint of the log, stored, and written down.

Order   what an earlier run left is removed → heartbeat → checkpoint → each test in turn: items,
        result, and the row with its entry `control.run` in one commit. A crash leaves the tests
        that were done; a run is complete when all that it names have a row.
Trust   A result is sealed in the database; its digest is in the log. Nobody types one.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from strongroom.audit.log import Published
from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, PreconditionError
from strongroom.core.server import Server
from strongroom.crypto.checkpoint import Checkpoint
from strongroom.crypto.note import Note
from strongroom.evidence.acting import act, heartbeat
from strongroom.evidence.definitions import definition_of
from strongroom.evidence.gathering import gather, reading
from strongroom.evidence.kept_runs import Kept, KeptRuns, as_runs
from strongroom.evidence.probing import Probing
from strongroom.evidence.records import CONTROL_RUNS, ControlRun
from strongroom.evidence.results import Result
from strongroom.evidence.sources import made_by
from strongroom.evidence.surroundings import Surroundings
from strongroom.evidence.verify import rolled_up
from strongroom.sdk.control import ControlTest, Evidence, Item
from strongroom.sdk.exceptions import excepted
from strongroom.sdk.facts.period import Period
from strongroom.storage.transaction import Transaction

TOGETHER = 64  # items between two pauses
_logger = logging.getLogger("strongroom")


@dataclass(frozen=True, slots=True)
class Basis:
    """What the tests of one run share."""

    run: str
    period: Period
    evidence: Evidence
    published: Published
    notes: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class ControlRuns:
    """Runs the controls of one server, one run at a time."""

    server: Server
    controls: Sequence[ControlTest]
    surroundings: Surroundings
    kept: KeptRuns = field(init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.kept = KeptRuns(self.server)

    def chosen(self, ids: Sequence[str]) -> list[ControlTest]:
        """Return the controls of these ids, all of them for none; InputError for an unknown one."""
        known = {control.id: control for control in self.controls}
        for each in ids:
            if each not in known:
                raise InputError("controls", f"there is no control {each!r}")
        return [known[each] for each in dict.fromkeys(ids)] if ids else list(self.controls)

    async def run(self, period: Period, ids: Sequence[str] = ()) -> list[ControlRun]:
        """Run controls over a period; return their rows in the order of the controls."""
        controls = self.chosen(ids)
        async with self._turn:
            await Probing(self.server).sweep()
            await heartbeat(self.server)
            published = await checkpoint(self.server)
            log = await reading(self.server, published, self.surroundings)
            evidence = gather(self.server, log, self.surroundings, self.kept)
            notes = await log.notes(period)
            now = self.server.clock.now()
            name = f"{now:%Y%m%dT%H%M%S}-{self.server.entropy(3).hex()}"
            basis = Basis(name, period, evidence, published, notes)
            return [await self._one(control, basis) for control in controls]

    async def _one(self, control: ControlTest, basis: Basis) -> ControlRun:
        run, period = basis.run, basis.period
        found = await collected(control, period, basis.evidence)
        exceptions = await basis.evidence.compliance.exceptions()
        now = self.server.clock.now()
        items = excepted(control.id, found, exceptions, now)
        tree = Checkpoint.parse(Note.parse(basis.published.note).text)
        result = Result(
            control=control.id,
            definition=definition_of(control).version,
            run=run,
            period=period,
            ran_at=now,
            simulated=self.server.settings.simulated,
            made_by=made_by(self.surroundings.host),
            checkpoint_size=tree.size,
            checkpoint_root=b64encode(tree.root).decode(),
            items=tuple(items),
            notes=basis.notes,
        )
        row = _row(result)

        async def store(tx: Transaction) -> None:
            tx.put(CONTROL_RUNS, row)

        path = f"strongroom/evidence/runs/{run}"
        await act(self.server, "control.run", path, result.details(), store)
        stored = await Transaction(self.server.database, self.server.barrier).get(
            CONTROL_RUNS, row.id
        )
        return stored or row

    # -- what was run

    async def read(self, run: str) -> list[Kept]:
        """Return what is kept of one run, in the order of the controls; none if there is none."""
        order = {control.id: at for at, control in enumerate(self.controls)}
        found = await self.kept.of(run)
        return sorted(found, key=lambda one: (order.get(one.control, len(order)), one.control))

    async def rolled_up(self, kept: Sequence[Kept]) -> dict[str, dict[str, Any]]:
        """Return for each test of a run what all runs over some of its period add up to.

        The log says which runs there were; one whose row is not what it says is no pass.
        """
        runs = [*as_runs(await self.kept.in_clear())]
        return {
            each.control: rolled_up(dict(each.logged.said) | {"verdict": each.verdict}, runs)
            for each in kept
            if each.logged is not None
        }

    async def latest(self, period: Period, control: str) -> ControlRun | None:
        """Return the newest run of a control over exactly this period.

        None where the row of that one is not what the log says.
        """
        wanted = (control, rfc3339(period.start), rfc3339(period.end))
        found = [one.id for one in (await self.kept.logged()).values() if one.over() == wanted]
        return (await self.kept.one(found[-1])).row if found else None


async def checkpoint(server: Server) -> Published:
    """Sign a checkpoint of everything that is committed; PreconditionError while sealed."""
    published = await server.log.publish(server.clock.now())
    if published is None or not server.log.verifier_key:
        raise PreconditionError("the log cannot be signed while the server is sealed")
    return published


async def collected(control: ControlTest, period: Period, evidence: Evidence) -> list[Item]:
    """Return a test's items; none where nothing is from before the period's end.

    One that fails itself is not a pass: it could not be judged.
    """
    items: list[Item] = []
    try:
        if not (await evidence.log.stretch(period.start, period.end))[1]:
            return []
        async for item in _paced(control.evaluate(period, evidence)):
            items.append(item)  # noqa: PERF401 - what came before an error is kept
    except Exception as error:  # a defect of the test, or of what it asked
        _logger.exception("control %s failed", control.id)
        because = f"the test itself failed: {type(error).__name__}"
        items.append(Item("the test itself", None, because))
    return items


async def _paced(items: AsyncIterator[Item]) -> AsyncIterator[Item]:
    """Give the items on, and let others have their turn now and then."""
    count = 0
    async for item in items:
        yield item
        count += 1
        if count % TOGETHER == 0:
            await asyncio.sleep(0)


def _row(result: Result) -> ControlRun:
    return ControlRun(
        id=f"{result.run}.{result.control}",
        control=result.control,
        definition=result.definition,
        period_start=result.period.start,
        period_end=result.period.end,
        ran_at=result.ran_at,
        verdict=result.verdict.value,
        population=result.population,
        exceptions=result.exceptions,
        checkpoint_size=result.checkpoint_size,
        result=result.written(),
    )
