"""T67: the log reaches back to the start of the period, and nothing of it was removed.

Population  The log as a whole: its first entry, its indexes, and the tables that keep it; and the
            runs of controls that it says there were.
Holds when  The very first entry is there, is not younger than the period's start, and the
            database itself refuses to change or delete what the log consists of: each kind of
            change was tried on each table, and the triggers are those of the migrations. Each run
            of a control has its row, which is what its entry and its sealed result say.
Not judged  A period that starts before the log does: nothing can be said on the time before. A
            change that could not be tried since the database was locked. On an empty table only
            the triggers are judged.
Trust       Whoever may change the database's schema can lift its refusal; T62 and checkpoints
            kept elsewhere would show what they did then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for the first entry, for the start, and for each change of each table."""
    first = evidence.log.before
    if first is None or first.time is None:
        yield Item("first entry", False, "index 0 is not there, or cannot be read")
    else:
        yield Item("first entry", True, "index 0 is there: nothing was pruned", (0,))
        since = f"the log begins {first.time:%Y-%m-%d %H:%M:%S} UTC"
        if first.time <= period.start:
            yield Item("start of the period", True, since, (0,))
        else:
            because = f"{since}, in the period: of the time before it nothing can be said"
            yield Item("start of the period", None, because, (0,))
    for tried in await evidence.storage.append_only():
        yield Item(f"table {tried.table}: {tried.verb}", tried.refused, tried.because)
    async for item in _runs(period, evidence):
        yield item


async def _runs(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    _, size = await evidence.log.stretch(period.start, None)
    kept = 0
    async for run in evidence.storage.runs(size):
        if run.problem:
            proof = () if run.index is None else (run.index,)
            yield Item(f"run {run.id}", False, run.problem, proof)
        else:
            kept += 1
    if kept:
        because = "each has its row, and that is what its entry says"
        yield Item(f"{kept} runs of controls", True, because, members=kept)


CONTROL = ControlTest(
    id="T67",
    title="The log is kept",
    kind=Kind.POP,
    population=(
        "The log's first entry, the start of the period, the tables of the log, and every run of a "
        "control that the log has"
    ),
    procedure=(
        "Read the first entry and compared its time with the start of the period. Tried each kind "
        "of change on a row of each table of the log, in a transaction that was rolled back, and "
        "compared the triggers that refuse it with what the migrations wrote. Held each run of a "
        "control that the log names against its stored row: digest, verdict and counts."
    ),
    holds_when=(
        "Index 0 is there and not younger than the period's start; the tables refuse; no run of a "
        "control is gone or changed."
    ),
    limits="This version removes nothing from the log. Copies elsewhere are not looked at.",
    evaluate=evaluate,
)
