"""A log that a witness cosigns, and the pack of it."""

from __future__ import annotations

import json
from pathlib import Path

from strongroom.base.secret import Secret
from strongroom.controls import CONTROLS
from strongroom.crypto.note import Note, SignatureType, SigningKey
from strongroom.evidence.pack import Packs
from strongroom.evidence.run import ControlRuns, checkpoint
from strongroom.evidence.verify import verify_pack
from tests.evidence.playing import DAY, Company, company
from tests.evidence.tampering import refitted, unpacked, verified

WITNESS = SigningKey("witness.test", Secret(bytes(range(32))))


async def cosign(lent: Company) -> int:
    """Let the witness cosign the log as it is; return the size."""
    published = await checkpoint(lent.server)
    now = lent.clock.now()
    line = WITNESS.cosign(Note.parse(published.note).text, int(now.timestamp()))
    await lent.server.log.cosigned(published, WITNESS.name, line, now)
    return published.size


def watched(lent: Company) -> ControlRuns:
    vkey = str(WITNESS.verifier(SignatureType.COSIGNATURE))
    lent.surroundings.witnesses = lambda: [vkey]
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


async def test_a_day_that_the_witness_never_saw_is_an_exception(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        runs = watched(lent)
        await checkpoint(lent.server)
        lent.clock.advance(DAY)

        [row] = await runs.run(lent.period(), ["T62"])

    assert row.verdict == "exceptions"


async def test_a_pack_says_up_to_where_the_log_was_witnessed(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        runs = watched(lent)
        size = await cosign(lent)
        lent.clock.advance(DAY)
        made = await Packs(server=lent.server, runs=runs).make(lent.period(), ["T67"])
        vkey = lent.server.log.verifier_key

    said: list[str] = []
    found = verify_pack(made.path, vkey, said.append)
    assert found.ok, found.faults
    assert any(f"witnessed by witness.test up to entry {size - 1}" in line for line in said)


async def test_a_cosignature_that_was_taken_away_is_named(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        runs = watched(lent)
        await cosign(lent)
        lent.clock.advance(DAY)
        made = await Packs(server=lent.server, runs=runs).make(lent.period(), ["T67"])
        vkey = lent.server.log.verifier_key
    files = unpacked(made.path)
    lines = files["checkpoint/witnessed.txt"].decode().splitlines(keepends=True)

    bare = refitted(files | {"checkpoint/witnessed.txt": "".join(lines[:-1]).encode()})

    faults = verified(bare, tmp_path, vkey).faults
    assert "checkpoint/witnessed.txt: no witness has cosigned it" in faults
