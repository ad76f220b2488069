"""How the story ends: the controls as a table, what was shown, and where everything is."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from strongroom.demo.company import END, RUTH, START, TOMAS
from strongroom.demo.evidence import EFFECTIVE
from strongroom.demo.record import Record
from strongroom.demo.screen import Screen
from strongroom.demo.stage import Stage
from strongroom.demo.words import in_plain_words

VERDICTS: Final[Mapping[str, tuple[str, str]]] = {
    EFFECTIVE: ("●", "green"),
    "exceptions": ("▲", "bold red"),
    "inconclusive": ("◆", "yellow"),
    "excepted": ("◐", "yellow"),
    "not exercised": ("○", "yellow"),
}


def as_data(stage: Stage, seconds: float) -> dict[str, Any]:
    """Return the last line: what a program wants to know of it all."""
    record, findings = stage.record, stage.record.findings
    return {
        "held": record.held,
        "pack": findings.pack,
        "pack_verified": findings.pack_verified,
        "tamper_detected": findings.tamper_detected,
        "tampered": findings.tampered,
        "log_size": findings.log_size,
        "witness": findings.witness,
        "controls": {result.id: result.verdict for result in findings.controls},
        "controls_for_the_period": {
            result.id: {
                "runs": result.runs,
                "with_exceptions": result.runs_with_exceptions,
                "verdict": result.of_period,
            }
            for result in findings.controls
        },
        "period": [START.isoformat(), END.isoformat()],
        "clock": "simulated",
        "requests": record.counts.requests,
        "seconds": round(seconds, 1),
        "directory": str(stage.directory),
        "steps": [step.as_data() for step in record.steps],
    }


def show(screen: Screen, record: Record, seconds: float) -> None:
    """Show the table, and what the story has shown."""
    findings = record.findings
    if findings.controls:
        screen.line()
        screen.line(Text(f"The controls, {START:%-d %B} to {END:%-d %B %Y}", "bold"))
        screen.show(Padding(_table(screen, record), (1, 0, 0, 3)))
    screen.line()
    screen.line(Text("What was shown", "bold"))
    found = sum(findings.tampered.values())
    for held, text in (
        (record.held, _steps(record)),
        (record.counts.refused > 0, f"{record.counts.refused} requests refused as they had to be"),
        (findings.tamper_detected, f"{found} of {len(findings.tampered)} falsified copies found"),
        (findings.pack_verified, "the pack verified without a server"),
    ):
        mark = Text("✓ ", "green") if held else Text("✗ ", "bold red")
        screen.line(Text.assemble("   ", screen.plain(mark), screen.plain(text)))
    screen.line(
        Text(
            f"   {record.counts.requests:,} requests of hvac, {findings.log_size:,} entries,"
            f" in {seconds:.0f} seconds",
            "dim",
        )
    )


def _steps(record: Record) -> str:
    failed = [step for step in record.steps if not step.held]
    if not failed:
        return f"all {len(record.steps)} steps held"
    return f"{len(failed)} of {len(record.steps)} steps did not hold: {failed[0].text}"


def _table(screen: Screen, record: Record) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("id")
    table.add_column("what it says")
    table.add_column("verdict", no_wrap=True)
    table.add_column("items", justify="right")
    table.add_column("runs in the quarter")
    for result in record.findings.controls:
        shape, style = VERDICTS.get(result.verdict, ("◆", "yellow"))
        words = screen.plain(in_plain_words(result.id, result.title))
        verdict = screen.plain(Text.assemble((f"{shape} ", style), result.verdict))
        odd = result.runs_with_exceptions
        runs = f"{result.runs}" + (f", {odd} with exceptions" if odd else "")
        table.add_row(result.id, words, verdict, f"{result.items:,}", runs)
    return table


def show_ways_in(screen: Screen, stage: Stage, *, serving: bool) -> None:
    """Show where the files are and, while the server runs, how to use it."""
    screen.line()
    screen.line(Text("Where it is", "bold"))
    log = stage.directory / "log"
    rows = {"log": from_here(log), "its key": stage.log_key} if log.is_dir() else {}
    if stage.record.findings.pack:
        rows = {"pack": from_here(Path(stage.record.findings.pack)), **rows}
    if serving:
        rows |= {"server": stage.address, "authority": from_here(stage.authority)}
    rows["all of it"] = from_here(stage.directory)
    width = max(map(len, rows))
    for name, value in rows.items():
        screen.line(Text.assemble("   ", (name.ljust(width), "dim"), "   ", value))
    if serving:
        _show_what_to_try(screen, stage)


def _show_what_to_try(screen: Screen, stage: Stage) -> None:
    us = from_here(Path(sys.executable).with_name("strongroom"))
    settings = f"STRONGROOM_ADDR={stage.address} STRONGROOM_CACERT={from_here(stage.authority)}"
    lines = {
        f"{us} login -method=userpass -path={TOMAS.mount} username={TOMAS.name}": (
            f"password {stage.passwords[TOMAS.name]}"
        ),
        f"{us} kv get development/shop/database": "served",
        f"{us} kv get production/shop/database": "refused by the guardrail",
        f"{us} login -method=userpass username={RUTH.name}": (
            f"password {stage.passwords[RUTH.name]}"
        ),
        f"{us} log tail": "what the auditor sees",
    }
    screen.line()
    screen.line(Text("Try it", "bold"))
    screen.line(f"   export {settings}")
    width = max(map(len, lines))
    for line, remark in lines.items():
        screen.line(Text.assemble(f"   {line.ljust(width)}", (f"   # {remark}", "dim")))
    screen.line()
    screen.line(Text("The server and the witness run until Ctrl-C.", "bold"))


def from_here(path: Path) -> str:
    """Return a path as it is written from where we are."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
