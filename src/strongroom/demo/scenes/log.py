"""The log is taken away and verified without the server; then copies of it are tampered with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from strongroom.crypto.log_policy import LogPolicy
from strongroom.demo.company import RUTH
from strongroom.demo.falsify import (
    falsify_log,
    flip_a_byte,
    refused_entry,
    remove_it,
    swap_with_the_next,
    what_names,
)
from strongroom.demo.stage import Scene, Stage


def play(stage: Stage) -> None:
    """Export, verify, tamper, find."""
    export = stage.directory / "log"
    with stage.step("Ruth, the auditor, takes the whole log: `strongroom log export`") as step:
        ruth = stage.command_token(RUTH)
        made = stage.shell.data("log", "export", str(export), token=ruth)
        step.detail = f"{made['size']:,} entries"
    with stage.step("She verifies it offline, by the key and checkpoints that she kept") as step:
        report = _verify(stage, export)
        stage.record.findings.log_size = report["entries"]
        step.expect(report["sound"], f"faults: {report['faults'][:1]}")
        step.expect(report["entries"] == made["size"], "entries are missing")
        step.detail = f"{report['entries']:,} entries, {len(stage.kept_checkpoints)} checkpoints"
    with stage.step("Each is cosigned: what came before it can no longer be rewritten") as step:
        sizes = _cosigned(stage)
        step.expect(sizes == sorted(sizes), "they do not grow")
        step.detail = f"{len(sizes)} weeks, the last at {sizes[-1]:,} entries"
    index = refused_entry(export)
    for name, text, change in (
        ("byte", "One byte of one entry is changed", flip_a_byte),
        ("removed", "One entry is removed", remove_it),
        ("reordered", "Two entries change places", swap_with_the_next),
    ):
        with stage.step(f"{text}, in a copy: found, and named") as step:
            copy = stage.directory / f"log-{name}"
            falsify_log(export, copy, index, change)
            report = _verify(stage, copy)
            named = what_names(report["faults"], index)
            stage.record.findings.tampered[f"log: {name}"] = bool(named)
            step.expect(bool(named), f"entry {index} was changed, and not named")
            step.detail = f"entry {index} is named"


def _verify(stage: Stage, directory: Path) -> Any:
    kept = [word for path in stage.kept_checkpoints for word in ("--old-checkpoint", str(path))]
    return stage.shell.data("log", "verify", str(directory), "--vkey", stage.log_key, *kept)


def _cosigned(stage: Stage) -> list[int]:
    """Return the sizes of the kept checkpoints; raises for one that the witness did not cosign."""
    text = f"log {stage.log_key}\nwitness auditor {stage.witness_key}\nquorum auditor\n"
    policy = LogPolicy.parse(text.encode())
    return [policy.open(path.read_bytes()).checkpoint.size for path in stage.kept_checkpoints]


SCENE = Scene(name="log", title="The log, away from the server", play=play)
