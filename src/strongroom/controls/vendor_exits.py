"""T92: a vendor that leaves loses everything within a day, and what it knew is written anew.

Population  Every vendor that left in the period: each person and workload of it, and each static
            secret that one of them had read or written.
Holds when  The access of each was ended by the entry of the leaving, or before; no person or
            workload of it is there at the run; and each secret was written anew within a day after,
            or before it.
Not judged  A row that is not as it was written; an entry of a leaving or a read that was cut; a
            secret whose day is not over.
Trust       It begins when the server is told. Who is of a vendor is what rows say: T28 and T91
            look at those.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.compliance import VendorFact
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.knowing import CODES, Knowledge, Same, Value
from strongroom.sdk.leavers import BEGINNING, told_of_each

LIMIT = timedelta(hours=24)
LEFT, MEASURED, BACK = "vendor.leave", "vendor.measured", "vendor.return"


@dataclass
class Exit:
    """A vendor's leaving: its entry, whom it ended, and how long it took."""

    name: str
    entry: LogEntry
    entities: tuple[str, ...]
    back: LogEntry | None = None
    took: str = ""
    cut: bool = False


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each leaving, and for each secret that somebody of the vendor knew."""
    vendors = {vendor.name: vendor for vendor in await evidence.compliance.vendors()}
    for vendor in vendors.values():
        if vendor.problem:
            because = f"not as it was written: {vendor.problem}"
            yield Item(f"vendor {vendor.name}", None, because)
    exits, same = await _read(period, evidence)
    for each in exits:
        if each.cut:
            because = "was cut: whose access it ended is not in it"
            yield Item(f"entry {each.entry.index}", None, because, (each.entry.index,))
        yield _of_exit(each, vendors.get(each.name))
    async for item in _of_secrets(exits, same, period, evidence):
        yield item


async def _read(period: Period, evidence: Evidence) -> tuple[list[Exit], Same]:
    """Return the leavings of the period with what came behind them, and who went into whom."""
    first, end = await evidence.log.stretch(period.start, period.end)
    exits: list[Exit] = []
    same = Same()
    async for entry in evidence.log.entries(BEGINNING, None):
        same.follow(entry)
        name = entry.own.get("vendor")
        if not entry.ok or not isinstance(name, str):
            continue
        if entry.code == LEFT and first <= entry.index < end:
            entities = tuple(entity for entity, _, _ in told_of_each(entry))
            exits.append(Exit(name, entry, entities, cut=entry.lacks("leavers")))
        else:
            _follow(exits, entry, name)
    return exits, same


def _follow(exits: Sequence[Exit], entry: LogEntry, name: str) -> None:
    """Note of the last leaving of a vendor what comes behind it."""
    last = next((each for each in reversed(exits) if each.name == name), None)
    if last is None:
        return
    if entry.code == BACK:
        last.back = last.back or entry
    took = entry.own.get("took_ms")
    if entry.code == MEASURED and not last.took and isinstance(took, int | float):
        last.took = f", {took:.1f} ms after it was asked for"


async def _of_secrets(
    exits: Sequence[Exit], same: Same, period: Period, evidence: Evidence
) -> AsyncIterator[Item]:
    whose = {entity: each for each in exits for entity in each.entities}
    if not whose:
        return
    knowledge = Knowledge(same.names(whose))
    async for entry in evidence.log.entries(BEGINNING, None, CODES):
        knowledge.follow(entry)
    for entity, each in whose.items():
        for value in _last(knowledge.of(entity), each.entry.index):
            yield _of_secret(each, entity, value, period)


def _of_exit(each: Exit, vendor: VendorFact | None) -> Item:
    index = each.entry.index
    subject = f"vendor {each.name}"
    if each.back is None and vendor is not None and vendor.active:
        return Item(subject, False, f"left at entry {index}, and is active without one", (index,))
    there = () if vendor is None or each.back is not None else (*vendor.people, *vendor.workloads)
    if there:
        because = f"left at entry {index}, and {', '.join(there)} of it is still there"
        return Item(subject, False, because, (index,))
    because = f"{len(each.entities)} people and workloads ended at once{each.took}"
    return Item(subject, True, because, (index,))


def _last(values: list[Value], left: int) -> list[Value]:
    """Return of each secret the value that they knew last when they left."""
    found: dict[str, Value] = {}
    for value in values:
        if value.first.index < left:
            found[value.path if value.whole else f"entry {value.first.index}"] = value
    return list(found.values())


def _of_secret(each: Exit, entity: str, value: Value, period: Period) -> Item:
    left, over = each.entry, value.replaced
    subject = f"{value.path}, known to {entity} of {each.name}"
    proof: tuple[int, ...] = (value.first.index, left.index)
    if not value.whole:
        because = "an entry that was cut: of which secret is not in it"
        return Item(f"entry {value.first.index}", None, because, proof)
    if over is not None and over.index < left.index:
        return Item(subject, True, "written anew before it left", (*proof, over.index))
    for what, entry in (("written anew", over), ("the vendor was back", each.back)):
        if entry is None:
            continue
        if left.time is None or entry.time is None:
            return Item(subject, None, f"{what}, and an entry has no time", (*proof, entry.index))
        if (after := entry.time - left.time) <= LIMIT:
            return Item(subject, True, f"{what} {after} after it left", (*proof, entry.index))
    if over is not None:
        return Item(subject, False, "written anew, and not within a day", (*proof, over.index))
    late = left.time is not None and period.end - left.time > LIMIT
    because = "not written since, and its day is over" if late else "due, and still in time"
    return Item(subject, False if late else None, because, proof)


CONTROL = ControlTest(
    id="T92",
    title="A vendor that leaves loses everything within a day",
    kind=Kind.POP,
    population=(
        "Every vendor that left in the period, and each static secret that its people and "
        "workloads had read or written"
    ),
    procedure=(
        "Took every entry by which a vendor left, with the people and workloads whose access it "
        "ended. Looked for any of it that is there at the run. From the whole log took what each "
        "of them was ever served or wrote, and the next entry that wrote the same path."
    ),
    holds_when=(
        "None of its people and workloads is there, and each secret that they knew was written "
        "over within a day."
    ),
    limits=(
        "It begins when the server is told. That a value was really changed is not seen: only that "
        "it was written. What the vendor was told elsewhere is not in the log."
    ),
    parameters={"limit_hours": int(LIMIT.total_seconds() // 3600)},
    evaluate=evaluate,
)
