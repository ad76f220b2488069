"""T37: nobody holds much more than they use.

Population  Every entity that can act and has been there for the window before the period's end, and
            holds a rule of a policy that grants something.
Holds when  Of the rules that it holds, no greater part than the threshold was without a use in the
            window. What is greater needs an exception with owner and end, or a smaller policy.
Not judged  Whose entries were shortened where their rules stood, if that could change the verdict.
Trust       A use is what the log says: the rule that granted a request that was served. What is
            held is as of the run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.access import HeldRules
from strongroom.sdk.facts.period import Period

WINDOW: Final = timedelta(days=90)
THRESHOLD: Final = 0.75  # part of the rules that may be without a use
FEWEST: Final = 4  # rules; who holds fewer has no gap that a smaller policy would close
LEFT_OUT: Final = ("default", "root")  # everybody's; T12 tells of the other


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each identity, and one for what all of them do not use."""
    start = period.end - WINDOW
    held = [each async for each in evidence.access.held_rules(LEFT_OUT)]
    judged = [each for each in held if each.since <= start and each.rules]
    if not judged:
        return
    used: dict[str, dict[str, int]] = defaultdict(dict)
    cut: dict[str, int] = {}
    names = {name: each.entity for each in judged for name in each.names}
    async for entry in evidence.log.entries(start, period.end):
        who = names.get(entry.actor or "")
        if who is None or entry.ok is not True:
            continue
        if entry.lacks("rules"):
            cut[who] = entry.index
        for rule in entry.own.get("rules") or ():
            if isinstance(rule, str):
                used[who][rule] = entry.index
    whole = unused = 0
    for each in judged:
        mine = used[each.entity]
        idle = [rule for rule in each.rules if rule not in mine]
        whole, unused = whole + len(each.rules), unused + len(idle)
        yield _judge(each, idle, mine, cut.get(each.entity))
    because = f"{unused} of {whole} rules that {len(judged)} identities hold were not used"
    yield Item("all identities together", True, because)


def _judge(each: HeldRules, idle: list[str], used: dict[str, int], cut: int | None) -> Item:
    number = len(each.rules)
    shown = ", ".join(idle[:5]) + (f" and {len(idle) - 5} more" if len(idle) > 5 else "")
    because = f"{len(idle)} of {number} rules not used in {WINDOW.days} days"
    because += f": {shown}" if idle else ""
    proof = tuple(sorted({used[rule] for rule in each.rules if rule in used}))[-3:]
    broken = number >= FEWEST and len(idle) > THRESHOLD * number
    if broken and cut is not None:
        return Item(each.subject, None, f"{because}; entry {cut} was shortened", (cut,))
    return Item(each.subject, not broken, because, proof)


CONTROL = ControlTest(
    id="T37",
    title="Nobody holds much more than they use",
    kind=Kind.POP,
    population=(
        "Every entity that can act, has been there for the 90 days before the end of the period, "
        "and holds a rule that grants something"
    ),
    procedure=(
        "Took the rules of the policies that each entity holds, by itself, its groups and its "
        "tokens, and counted those by which no request of the last 90 days was served, from the "
        "entries of the log."
    ),
    holds_when=(
        "Of nobody who holds four rules or more, more than three quarters were not used; or an "
        "exception in force covers it."
    ),
    limits=(
        "A rule counts as used by a single request, however much wider it is: `strongroom policy "
        "propose` says what was used of it. Whether the gap gets smaller is in the series of runs, "
        "by the last item. What only a login would give is not counted before that login."
    ),
    parameters={
        "window_days": WINDOW.days,
        "threshold": THRESHOLD,
        "fewest_rules": FEWEST,
        "left_out": list(LEFT_OUT),
    },
    evaluate=evaluate,
)
