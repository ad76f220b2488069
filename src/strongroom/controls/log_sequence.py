"""T62: the log has no gap, and each day's checkpoint goes on from the one before.

Population  The entries of the period, and the last signed checkpoint of each of its days, or the
            last that a witness cosigned.
Holds when  The indexes are contiguous; no entry's time is before an earlier one's by more than two
            seconds; each checkpoint is signed by the log's key, is what the
            stored entries give, and is proven to contain the one before; where witnesses are
            configured, one of them has cosigned. Of a day of which some checkpoint is cosigned
            the last such one is judged; the item says how many entries its last of all is further.
Not judged  A period without any checkpoint; the days of the period before the log began.
Trust       A log that no witness cosigns proves nothing against whoever controls its host and
            key: they could have rewritten it as a whole. The items say so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.crypto.checkpoint import SignedCheckpoint, add_signatures, open_checkpoint
from strongroom.crypto.errors import CryptoError
from strongroom.crypto.merkle import verify_consistency
from strongroom.crypto.note import NoteSignature, VerifierKey
from strongroom.sdk.control import CLOCK_TOLERANCE, ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.log import DailyCheckpoint
from strongroom.sdk.facts.period import Period


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for the indexes, one for each gap, and one for each day with a checkpoint."""
    first: int | None = None
    last = -1
    async for entry in evidence.log.entries(period.start, period.end):
        if first is None:
            first = entry.index
        elif entry.index != last + 1:
            because = f"entries {last + 1} to {entry.index - 1} are missing"
            yield Item(f"after entry {last}", False, because, (last, entry.index))
        last = entry.index
    if first is None:
        return  # what is no period of this log is not made one by the run's own checkpoint
    for setback in await evidence.log.setbacks(period.start, period.end):
        at = setback.before, setback.index
        yield Item(f"clock at entry {setback.index}", False, f"it went back: {setback}", at)
    if lacking := evidence.log.uncovered(period):
        yield Item("start of the period", None, lacking, (0,))
    because = f"contiguous from {first} to {last}"
    count = last - first + 1
    yield Item(f"{count} indexes", True, because, tuple({first: 0, last: 0}), members=count)
    before: SignedCheckpoint | None = None
    async for daily in evidence.log.checkpoints(period):
        opened, item = _judge(daily, before, evidence)
        before = opened or before
        yield item
    if before is None:
        yield Item("checkpoints", None, "the period has entries and no signed checkpoint")


def _judge(
    daily: DailyCheckpoint, before: SignedCheckpoint | None, evidence: Evidence
) -> tuple[SignedCheckpoint | None, Item]:
    subject = f"checkpoint of {daily.day}"
    try:
        witnesses = [VerifierKey.parse(vkey) for vkey in evidence.log.witnesses]
        note = add_signatures(daily.note, [NoteSignature.parse(line) for line in daily.cosigned])
        opened = open_checkpoint(note, [VerifierKey.parse(evidence.log.verifier_key)], witnesses)
        _check_proof(daily, before, opened)
    except CryptoError as problem:
        return None, Item(subject, False, str(problem))
    tree = opened.checkpoint
    if tree.root != daily.recomputed:
        because = f"the stored entries up to {tree.size} do not give its root"
        return opened, Item(subject, False, because)
    signers = [signed.key.name for signed in opened.signed_by if signed.time is not None]
    proof = (tree.size - 1,) if tree.size else ()
    if witnesses and not signers and not daily.fresh:
        return opened, Item(subject, False, "witnesses are configured and none has cosigned", proof)
    seen = f"cosigned by {', '.join(signers)}" if signers else "no witness is configured"
    if daily.fresh and witnesses and not signers:
        seen = "too young to be cosigned"
    if signers and daily.further:
        seen += f"; the day's last checkpoint, {daily.further} entries further, is not"
    joined = "consistent with the one before; " if before is not None else ""
    return opened, Item(subject, True, f"size {tree.size}, signed; {joined}{seen}", proof)


def _check_proof(
    daily: DailyCheckpoint, before: SignedCheckpoint | None, opened: SignedCheckpoint
) -> None:
    if before is None or daily.proof is None:
        return
    old, new = before.checkpoint, opened.checkpoint
    verify_consistency(old.size, new.size, old.root, new.root, daily.proof)


CONTROL = ControlTest(
    id="T62",
    title="The log is complete in sequence",
    kind=Kind.PROBE,
    population=(
        "The indexes of the period's entries, and the last checkpoint of each day: the last that a "
        "witness cosigned, of a day that has one"
    ),
    procedure=(
        "Read every entry of the period and looked for missing indexes, and for times that go "
        "back. Recomputed the tree from "
        "the stored entries; verified the signature of each day's checkpoint, its root "
        "against the recomputed one, and its consistency with the day before. Named how far the "
        "day's last checkpoint is beyond the last cosigned one."
    ),
    holds_when=(
        "No index is missing and no time goes back further than the tolerance; every checkpoint "
        "verifies and goes on from the one before."
    ),
    limits=(
        "Without a witness, the log proves nothing against whoever controls its host and signing "
        "key. That something happened and was never logged, T63 and receipts show, not this. A "
        "clock that is wrong and never goes back is not noticed."
    ),
    parameters={"clock_tolerance_seconds": CLOCK_TOLERANCE.total_seconds()},
    evaluate=evaluate,
)
