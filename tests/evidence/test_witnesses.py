"""A log that a witness cosigns, and the pack of it."""

from __future__ import annotations

import json
from pathlib import Path

from strongroom.base.secret import Secret
from strongroom.controls import CONTROLS
from strongroom.crypto.checkpoint import Checkpoint, add_signatures, sign_checkpoint
from strongroom.crypto.note import Note, SignatureType, SigningKey
from strongroom.evidence.pack import Made, Packs
from strongroom.evidence.run import ControlRuns, checkpoint
from strongroom.evidence.verify import Witness, main, verify_pack
from strongroom.sdk.facts.period import Period
from tests.evidence.playing import DAY, Company, company
from tests.evidence.tampering import Files, refitted, unpacked, verified

WITNESS = SigningKey("witness.test", Secret(bytes(range(32))))
VKEY = str(WITNESS.verifier(SignatureType.COSIGNATURE))


async def cosign(lent: Company) -> int:
    """Let the witness cosign the log as it is; return the size."""
    published = await checkpoint(lent.server)
    now = lent.clock.now()
    line = WITNESS.cosign(Note.parse(published.note).text, int(now.timestamp()))
    await lent.server.log.cosigned(published, WITNESS.name, line, now)
    return published.size


def watched(lent: Company) -> ControlRuns:
    lent.surroundings.witnesses = lambda: [VKEY]
    return ControlRuns(server=lent.server, controls=CONTROLS, surroundings=lent.surroundings)


async def test_a_cosigned_day_holds_and_names_its_witness(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        runs = watched(lent)
        await cosign(lent)
        lent.clock.advance(DAY)

        [row] = await runs.run(lent.period(), ["T62"])

    items = json.loads(row.result)["items"]
    assert row.verdict == "effective", items
    assert any("cosigned by witness.test" in item["because"] for item in items)


async def test_a_day_that_goes_on_behind_its_last_cosignature_says_how_far(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        runs = watched(lent)
        cosigned = await cosign(lent)
        await lent.server.pipeline.record(lent.runtime.event("log.heartbeat", {}))
        further = (await checkpoint(lent.server)).size - cosigned
        lent.clock.advance(DAY)

        [row] = await runs.run(lent.period(), ["T62"])

    said = [item["because"] for item in json.loads(row.result)["items"]]
    assert further > 0
    assert any(f"last checkpoint, {further} entries further, is not" in each for each in said)


async def test_a_day_that_the_witness_never_saw_is_an_exception(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        runs = watched(lent)
        await checkpoint(lent.server)
        lent.clock.advance(DAY)

        [row] = await runs.run(lent.period(), ["T62"])

    assert row.verdict == "exceptions"


async def test_a_pack_says_what_a_witness_cosigned(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        made, vkey, sizes = await packed_after_days(lent, 3)

    said: list[str] = []
    found = verify_pack(made.path, vkey, said.append, [VKEY])
    assert found.ok, found.faults
    assert found.witnesses == (Witness(WITNESS.name, 3, sizes[-1], key_given=True),)
    seen = f"witness.test cosigned 3 checkpoints, the last at size {sizes[-1]}, as its key was"
    assert any(seen in line for line in said)
    assert main([str(made.path), "--vkey", vkey, "--witness", VKEY]) == 0
    assert main([str(made.path), "--witness", vkey]) == 1
    assert sorted(n for n in unpacked(made.path) if n.startswith("checkpoint/cosigned/")) == [
        f"checkpoint/cosigned/{size:012d}.txt" for size in sizes
    ]


async def test_a_pack_holds_one_cosigned_checkpoint_of_a_day_and_none_of_before(
    tmp_path: Path,
) -> None:
    async with company(tmp_path) as lent:
        runs = watched(lent)
        before = await cosign(lent)
        lent.clock.advance(DAY)
        start = lent.clock.now()
        await lent.server.pipeline.record(lent.runtime.event("log.heartbeat", {}))
        twice = [await cosign(lent)]
        await lent.server.pipeline.record(lent.runtime.event("log.heartbeat", {}))
        twice.append(await cosign(lent))
        lent.clock.advance(DAY)
        period = Period(start, lent.clock.now())
        made = await Packs(server=lent.server, runs=runs).make(period, ["T67"])
        vkey = lent.server.log.verifier_key

    found = verify_pack(made.path, vkey)
    assert before < twice[0] < twice[1]
    assert found.ok, found.faults
    assert found.witnesses == (Witness(WITNESS.name, 1, twice[1], key_given=False),)


async def test_a_cosignature_that_was_taken_away_is_named(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        made, vkey, [size] = await packed_after_days(lent, 1)
    files = unpacked(made.path)

    for name in ("checkpoint/witnessed.txt", f"checkpoint/cosigned/{size:012d}.txt"):
        lines = files[name].decode().splitlines(keepends=True)
        bare = refitted(files | {name: "".join(lines[:-1]).encode()})
        twice = refitted(files | {name: "".join([*lines[:-1], lines[-2]]).encode()})

        for changed in (bare, twice):
            faults = verified(changed, tmp_path, vkey).faults
            assert f"{name}: no witness has cosigned it" in faults


async def test_a_cosigned_checkpoint_that_was_left_out_or_moved_is_noticed(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        made, vkey, sizes = await packed_after_days(lent, 2)
    files = unpacked(made.path)
    first, second = (f"checkpoint/cosigned/{size:012d}.txt" for size in sizes)

    left_out = refitted(Files({n: data for n, data in files.items() if n != first}))
    moved = refitted(files | {second: files[first]})

    lost = f"{first} is missing: the log has its digest"
    assert lost in verified(left_out, tmp_path, vkey).faults
    assert f"{second} is not named after its size" in verified(moved, tmp_path, vkey).faults


async def test_a_checkpoint_of_another_history_is_not_of_these_entries(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        made, vkey, [size] = await packed_after_days(lent, 1)
        files, name = unpacked(made.path), f"checkpoint/cosigned/{size:012d}.txt"
        other = Checkpoint(origin=lent.server.log.origin, size=size, root=bytes(32))
        key = lent.server.log._key
    assert key is not None
    note = sign_checkpoint(other, key)
    line = WITNESS.cosign(Note.parse(note).text, 1)

    forked = refitted(files | {name: add_signatures(note, [line])})

    faults = verified(forked, tmp_path, vkey).faults
    assert f"checkpoint/cosigned/: size {size} is not of these entries" in faults


async def test_a_witness_that_must_have_cosigned_and_has_not_is_named(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        made, vkey, _ = await packed_after_days(lent, 1)
    stranger = SigningKey(WITNESS.name, Secret(bytes(32)))
    strange = str(stranger.verifier(SignatureType.COSIGNATURE))

    nobody = verify_pack(made.path, vkey, witnesses=[VKEY, strange])
    log_itself = verify_pack(made.path, vkey, witnesses=[vkey])
    nonsense = verify_pack(made.path, vkey, witnesses=["nonsense"])

    lacking = "the witness witness.test, whose key was given, has cosigned nothing of this pack"
    assert nobody.faults == (lacking,)
    assert [each.key_given for each in nobody.witnesses] == [True]
    assert log_itself.faults == (lacking.replace("witness.test", "strongroom.test/log"),)
    assert "checkpoints: not a verifier key" in nonsense.faults
    assert nonsense.witnesses == ()


async def packed_after_days(lent: Company, days: int) -> tuple[Made, str, list[int]]:
    """Let the witness cosign each day; return the pack, the log's key and the sizes."""
    runs, sizes = watched(lent), []
    for _ in range(days):
        await lent.server.pipeline.record(lent.runtime.event("log.heartbeat", {}))
        sizes.append(await cosign(lent))
        lent.clock.advance(DAY)
    made = await Packs(server=lent.server, runs=runs).make(lent.period(), ["T67"])
    return made, lent.server.log.verifier_key, sizes
