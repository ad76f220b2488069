"""The evidence pack: written, verified offline twice, and tampered with in copies."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from strongroom.cli.errors import OK
from strongroom.demo.command_line import CommandFailedError, Ran
from strongroom.demo.company import END, RUTH, START
from strongroom.demo.falsify import (
    falsify_pack,
    flipped,
    with_another_verdict,
    without_a_row,
)
from strongroom.demo.processes import PATIENCE_SECONDS, environment_for
from strongroom.demo.stage import Scene, Stage

VERIFIER = "verify.py"
LOG, ROWS, RESULT = r"log/.*\.jsonl$", r"populations/.*rows\.jsonl$", r"tests/.*result\.json$"


def play(stage: Stage) -> None:
    """Write the pack, verify it, tamper with copies."""
    pack = stage.directory / "pack.zip"
    with stage.step("The evidence of the quarter is written into one file") as step:
        period = (f"--start={START:%Y-%m-%d}", f"--end={END:%Y-%m-%d}")
        token = stage.command_token(RUTH)
        stage.shell.ok("evidence", "pack", *period, "-o", str(pack), token=token)
        stage.record.findings.pack = str(pack)
        step.detail = f"{pack.name}, {pack.stat().st_size / 1024:,.0f} KiB"
    with stage.step("`strongroom verify` accepts it, without a server") as step:
        ran = _verify(stage, pack)
        ran.must(OK)
        stage.record.findings.pack_verified = True
        step.detail = "with the key that the auditor was handed"
    with stage.step("It tells what the auditor's witness has cosigned of the quarter") as step:
        [witness] = ran.data["witnesses"]
        stage.record.findings.witness = witness
        step.expect(witness["key_given"], "its key is not the one that the auditor made")
        step.expect(witness["checkpoints"] >= (END - START).days, "a day was not cosigned")
        step.detail = (
            f"{witness['checkpoints']} checkpoints, the last of {witness['size']:,} entries"
        )
    with stage.step("So does the verifier inside it: one file, Python and one library") as step:
        step.detail = _with_its_own(stage, pack)
    for name, text, member, change in (
        ("byte", "One byte of the log in it is changed", LOG, flipped),
        ("row", "One row of a population is removed", ROWS, without_a_row),
        ("verdict", "A verdict is edited", RESULT, with_another_verdict),
    ):
        with stage.step(f"{text}, in a copy: found, and named") as step:
            copy = stage.directory / f"pack-{name}.zip"
            changed = falsify_pack(pack, copy, member, change)
            ran = _verify(stage, copy)
            found = ran.code != OK and changed in ran.out + ran.err
            stage.record.findings.tampered[f"pack: {name}"] = found
            step.expect(found, f"{changed} was changed, and not named")
            step.detail = changed


def _verify(stage: Stage, pack: Path) -> Ran:
    """Verify with our program, by the keys that the auditor was handed and made."""
    return stage.shell.run("verify", str(pack), *_keys(stage), "--format", "json")


def _keys(stage: Stage) -> tuple[str, ...]:
    return ("--vkey", stage.log_key, "--witness", stage.witness_key)


def _with_its_own(stage: Stage, pack: Path) -> str:
    """Run the verifier that the pack brings, in a Python that sees nothing of ours."""
    place = stage.directory / "auditor"
    place.mkdir(exist_ok=True)
    with zipfile.ZipFile(pack) as archive:
        name = next(one for one in archive.namelist() if one.endswith(VERIFIER))
        (place / VERIFIER).write_bytes(archive.read(name))
    done = subprocess.run(  # noqa: S603  our own program
        [sys.executable, "-I", VERIFIER, str(pack), *_keys(stage)],
        cwd=place,
        capture_output=True,
        text=True,
        env=environment_for(place),
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    lines = (done.stdout + done.stderr).strip().splitlines()
    if done.returncode != OK:
        raise CommandFailedError(f"{VERIFIER}: status {done.returncode}: {lines[-1:]}")
    return lines[-1] if lines else ""


SCENE = Scene(name="pack", title="The evidence pack", play=play)
