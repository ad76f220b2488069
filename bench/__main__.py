"""`make bench`: OpenBao and strongroom under the same load on one machine, in turn.

Standard output carries the result alone, progress goes to standard error. The exit status says
whether every load was answered with success, not whether it was fast: how fast is for people to
judge, who know what else the machine was doing.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench import cold, driver, report, servers, wrk
from bench.access import Point, access
from bench.beside import Beside, beside
from bench.compare import OURS, THEIRS, Comparison, Drive, Plan, compare
from bench.curves import ENTRIES, Curves, curves
from bench.load import Bounds

PARTS = ("compare", "beside", "cold", "curves", "access")
WIDTH = 100


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("--quick", action="store_true", help="one short round of the comparison")
    parser.add_argument("--only", choices=PARTS, action="append", help="leave the rest out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each load")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--entries", type=int, default=ENTRIES[-1], help="to which the log grows")
    parser.add_argument("--driver", choices=("auto", "wrk", "own"), default="auto")
    parser.add_argument(
        "--against-itself",
        action="store_true",
        help="compare OpenBao with OpenBao: how far from 1 this machine's noise reaches",
    )
    given = parser.parse_args(arguments)
    if given.against_itself:
        given.only = ["compare"]
    if given.quick:
        given.rounds, given.seconds = 1, 2.0
        given.only = given.only or ["compare"]
    return given


def pick_driver(name: str) -> Drive:
    """Return wrk where it is installed, else ours."""
    use_wrk = wrk.installed() if name == "auto" else name == "wrk"
    return wrk.drive if use_wrk else driver.drive


def run(given: argparse.Namespace, plan: Plan) -> report.Report:
    """Measure what was asked for."""
    wanted = given.only or PARTS
    drive = pick_driver(given.driver)
    ours = servers.openbao if given.against_itself else servers.strongroom
    starts = {OURS: ours, THEIRS: servers.openbao}
    compared: Comparison | None = None
    kept: Beside | None = None
    grown: Curves | None = None
    status: float | None = None
    who: tuple[Point, ...] = ()
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as scratch:
        folder = Path(scratch)
        if "compare" in wanted:
            compared = compare(folder, starts, drive, plan)
        if "beside" in wanted:
            place = folder / "beside"
            place.mkdir()
            kept = beside(place, ours, drive, plan)
        if "cold" in wanted:
            plan.tell("starting `strongroom status`")
            place = folder / "cold"
            place.mkdir()
            with ours(place) as running:
                status = cold.status_seconds(running, 9)
        if "curves" in wanted:
            place = folder / "curves"
            place.mkdir()
            grown = curves(place, ours, drive, plan, given.entries)
        if "access" in wanted:
            place = folder / "access"
            place.mkdir()
            who = access(place, ours, plan)
    return report.Report(
        comparison=compared,
        status_seconds=status,
        beside=kept,
        curves=grown,
        access=who,
        against_itself=given.against_itself,
    )


def main(arguments: list[str]) -> int:
    """Measure, and print the result; 1 where a load was not answered with success."""
    given = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that our servers end with us
    errors = Console(stderr=True)
    with errors.status("") as status:

        def tell(what: str) -> None:
            if errors.is_terminal:
                status.update(what)
            else:
                errors.print(what, highlight=False)

        bounds = Bounds(seconds=given.seconds, connections=given.connections)
        done = run(given, Plan(bounds=bounds, rounds=given.rounds, tell=tell))
    if given.format == "json":
        print(report.as_json(done))
    else:
        console = Console()
        report.show(done, Console(width=max(WIDTH, console.width)))
    failed = list(done.comparison.failed()) if done.comparison else []
    if done.beside and done.beside.failed():
        failed.append(f"reads beside logins: {done.beside.failed()} requests failed")
    for line in failed:
        errors.print(line, style="red")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
