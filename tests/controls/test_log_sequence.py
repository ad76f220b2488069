"""T62, each case a log of five entries: `strongroom.controls.log_sequence`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.base.secret import Secret
from strongroom.controls.log_sequence import CONTROL
from strongroom.crypto.checkpoint import Checkpoint, sign_checkpoint
from strongroom.crypto.merkle import Tree, consistency_proof, leaf_hash, root_of
from strongroom.crypto.note import Note, SignatureType, SigningKey, VerifierKey
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.log import DailyCheckpoint, LogEntry, Setback
from tests.controls.histories import FakeLog, day, entry, found, items

KEY = SigningKey("log.test", Secret(bytes(range(32))))
OTHER = SigningKey("log.test", Secret(bytes(32)))
LEAVES = [leaf_hash(b"entry %d" % n) for n in range(5)]


def root(size: int) -> bytes:
    tree = Tree()
    tree.append(LEAVES[:size])
    return tree.root()


def read(level: int, index: int) -> bytes:
    return root_of(LEAVES[index << level : (index + 1) << level])


def daily(size: int, before: int = 0, key: SigningKey = KEY) -> DailyCheckpoint:
    note = sign_checkpoint(Checkpoint(origin="log.test", size=size, root=root(size)), key)
    proof = tuple(consistency_proof(before, size, read)) if before else None
    return DailyCheckpoint(day=f"day {size}", note=note, proof=proof, recomputed=root(size))


def log(history: list[LogEntry], *notes: DailyCheckpoint) -> FakeLog:
    return FakeLog(history, notes, verifier_key=str(KEY.verifier()))


WHOLE = [entry(n, "secret.read") for n in range(5)]
GAP = [each for each in WHOLE if each.index != 2]
TWO = (daily(3), daily(5, before=3))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(log(WHOLE, *TWO), Verdict.EFFECTIVE, id="whole"),
        pytest.param(log(GAP, *TWO), Verdict.EXCEPTIONS, id="an entry is missing"),
        pytest.param(log(WHOLE, daily(3, key=OTHER)), Verdict.EXCEPTIONS, id="another key"),
        pytest.param(
            log(WHOLE, replace(daily(3), recomputed=root(2))),
            Verdict.EXCEPTIONS,
            id="the entries do not give the root",
        ),
        pytest.param(
            log(WHOLE, daily(3), replace(daily(5, before=3), proof=(bytes(32),))),
            Verdict.EXCEPTIONS,
            id="not proven to go on",
        ),
        pytest.param(log(WHOLE), Verdict.INCONCLUSIVE, id="no checkpoint"),
        pytest.param(log([]), Verdict.NOT_EXERCISED, id="an empty period"),
    ],
)
async def test_verdict(given: FakeLog, expected: Verdict) -> None:
    assert await found(CONTROL, log=given) is expected


async def test_a_clock_that_went_back_is_an_exception_with_both_entries() -> None:
    given = log(WHOLE, *TWO)
    given.back = [Setback(before=1, was=day(3), index=2, time=day(1))]

    [broken] = [i for i in await items(CONTROL, log=given) if i.held is False]

    assert broken.proof == (1, 2)
    assert "entry 1 is of 2026-07-04" in broken.because
    assert "entry 2 after it of 2026-07-02" in broken.because


async def test_days_before_the_log_are_not_effective() -> None:
    given = log(WHOLE, *TWO)
    given.lacking = "the log begins on day 5"

    assert await found(CONTROL, log=given) is Verdict.INCONCLUSIVE


async def test_the_runs_own_checkpoint_is_no_population() -> None:
    assert await found(CONTROL, log=log([], daily(5))) is Verdict.NOT_EXERCISED


async def test_a_gap_is_named() -> None:
    [broken] = [i for i in await items(CONTROL, log=log(GAP, *TWO)) if i.held is False]

    assert broken.because == "entries 2 to 2 are missing"


async def test_it_says_that_no_witness_is_configured() -> None:
    last = (await items(CONTROL, log=log(WHOLE, *TWO)))[-1]

    assert "no witness is configured" in last.because


async def test_a_configured_witness_that_never_cosigned_is_an_exception() -> None:
    witness = VerifierKey(name="w", type=SignatureType.COSIGNATURE, public_key=bytes(32))
    given = log(WHOLE, *TWO)
    given.witnesses = [str(witness)]

    assert await found(CONTROL, log=given) is Verdict.EXCEPTIONS


async def test_it_says_how_far_the_day_went_on_behind_the_cosigned_checkpoint() -> None:
    signing = SigningKey("w", Secret(bytes(range(1, 33))))
    noted = daily(3)
    line = signing.cosign(Note.parse(noted.note).text, 1_790_000_000).line()
    given = log(WHOLE, replace(noted, cosigned=(line.rstrip("\n"),), further=2))
    given.witnesses = [str(signing.verifier(SignatureType.COSIGNATURE))]

    last = (await items(CONTROL, log=given))[-1]

    assert last.held
    assert last.because.endswith(
        "cosigned by w; the day's last checkpoint, 2 entries further, is not"
    )


async def test_a_checkpoint_of_this_moment_need_not_be_cosigned_yet() -> None:
    witness = VerifierKey(name="w", type=SignatureType.COSIGNATURE, public_key=bytes(32))
    given = log(WHOLE, replace(daily(5), fresh=True))
    given.witnesses = [str(witness)]

    assert await found(CONTROL, log=given) is Verdict.EFFECTIVE
