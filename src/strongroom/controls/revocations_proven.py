"""T39: what a review revoked is gone, and a refused probe shows it.

Population  Every line that was revoked in the period: by a decision, or since a deferral was over.
Holds when  A probe behind it was refused, within seven days; or nothing is left that could be
            tried; or the holder still has it by another line that was kept. The entry that the
            probe names says that the request was refused.
Not judged  What is not proven yet, while the seven days last; where entries were cut.
Trust       By the log alone. That a probe asked for what the line gave is the server's own word.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.review_log import BEGINNING
from strongroom.sdk.reviews import ALLOWED, DECIDED, EXPIRED, PROBED, PROVEN, REFUSED, REVOKE

LATEST: Final = timedelta(days=7)
Key = tuple[str, int]


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each revocation."""
    revoked: dict[Key, LogEntry] = {}
    proofs: dict[Key, list[LogEntry]] = {}
    async for entry in evidence.log.entries(BEGINNING, None, ("review.",)):
        own, line = entry.own, entry.own.get("line")
        if not entry.ok or not isinstance(line, int):
            continue
        key = str(own.get("campaign", "")), line
        if entry.code in (DECIDED, EXPIRED) and own.get("verdict") == REVOKE:
            revoked[key] = entry
        elif entry.code == PROBED:
            proofs.setdefault(key, []).append(entry)
    for key, entry in revoked.items():
        if entry.time is not None and period.start <= entry.time < period.end:
            yield await _judge(period, evidence, key, entry, proofs.get(key, []))


async def _judge(
    period: Period, evidence: Evidence, key: Key, entry: LogEntry, proofs: list[LogEntry]
) -> Item:
    subject = f"line {key[1]} of review {key[0]}: {entry.own.get('holder', '')}"
    behind = [each for each in proofs if each.index > entry.index]
    if entry.lacks("line", "campaign", "holder") or any(e.lacks("proof", "probe") for e in behind):
        return Item(subject, None, "an entry of it was cut", (entry.index,))
    since = entry.time or BEGINNING
    last = behind[-1] if behind else None
    numbers = (entry.index, *(() if last is None else (last.index,)))
    said = "" if last is None else str(last.own.get("proof", ""))
    text = "" if last is None else str(last.own.get("proof_text", ""))
    if said == ALLOWED:
        return Item(subject, False, f"revoked, and still there: {text}", numbers)
    if last is None or said not in PROVEN:
        late = period.end - since > LATEST
        because = "no probe shows that it is gone"
        return Item(subject, False if late else None, because, numbers)
    if (last.time or since) - since > LATEST:
        return Item(subject, False, f"proven later than {LATEST.days} days: {text}", numbers)
    index = last.own.get("probe")
    if said == REFUSED and isinstance(index, int) and index >= 0:
        asked = await evidence.log.entry(index)
        if asked is None or asked.ok is not False:
            because = f"entry {index}, which the proof names, is of no refused request"
            return Item(subject, False, because, numbers)
        numbers = (*numbers, index)
    return Item(subject, True, f"{said}: {text}", numbers)


CONTROL = ControlTest(
    id="T39",
    title="What a review revoked is gone, and was tried",
    kind=Kind.PROBE,
    population="Every line of an access review that was revoked in the period",
    procedure=(
        "For each revocation in the log looked for the server's probe behind it: the holder "
        "judged anew on what the line gave, and a request with just what they still have, through "
        "the whole pipeline. Looked that request up in the log."
    ),
    holds_when=(
        "Within seven days nothing was left: the request was refused, as its entry says; or there "
        "was nothing to try; or another line that was kept gives the same, and is named."
    ),
    limits=(
        "Of a pattern one path is tried, with a made-up name. A right that was given again "
        "afterwards is of the next review."
    ),
    parameters={"latest_days": LATEST.days},
    evaluate=evaluate,
)
