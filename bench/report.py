"""What was measured, as a table for people and as one line of JSON for programs.

Ratios are ours over theirs: of throughput more is better, of p99 less is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.access import Point
from bench.beside import Beside
from bench.compare import BARE, OURS, THEIRS, Comparison
from bench.curves import Curves
from bench.workloads import JWT_LOGIN, LOGIN, READ, WRITE


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that one run measured; None for what it left out.

    `against_itself` says that OpenBao stood in for us, so that nothing is held against an aim.
    """

    comparison: Comparison | None
    status_seconds: float | None
    curves: Curves | None
    against_itself: bool = False
    beside: Beside | None = None
    access: Sequence[Point] = ()


@dataclass(frozen=True, kw_only=True)
class Aim:
    """A figure beside what we want of it."""

    what: str
    figure: float
    bound: float
    at_least: bool
    unit: str

    @property
    def met(self) -> bool:
        """Say whether the figure is where we want it."""
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound

    def wanted(self) -> str:
        """Return the bound as text."""
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}{self.unit}"


def aims(report: Report) -> Iterator[Aim]:
    """Give each aim that this run can speak of."""
    if (compared := report.comparison) is not None:
        for workload, bound in ((READ, 5), (WRITE, 4), (LOGIN, 2), (JWT_LOGIN, 2)):
            figure = compared.ratio(workload, lambda m: m.throughput)
            what = f"{workload}: throughput, times OpenBao's"
            yield Aim(what=what, figure=figure, bound=bound, at_least=True, unit="×")
        tail = compared.ratio(READ, lambda m: m.p99)
        what = f"{READ}: p99, times OpenBao's"
        yield Aim(what=what, figure=tail, bound=0.2, at_least=False, unit="×")
        what = f"{READ}: share of the bare endpoint's throughput"
        share = compared.share_of_bare()
        yield Aim(what=what, figure=share, bound=0.25, at_least=True, unit="")
        memory = compared.resident[OURS]
        what = "resident memory after the reads"
        yield Aim(what=what, figure=memory, bound=150, at_least=False, unit=" MB")
    if (kept := report.beside) is not None:
        what = f"{READ}: share of its idle throughput while 50 connections log in by password"
        yield Aim(what=what, figure=kept.ratio(), bound=0.5, at_least=True, unit="")
    if (status := report.status_seconds) is not None:
        what = "`strongroom status` from cold"
        yield Aim(what=what, figure=status, bound=0.4, at_least=False, unit=" s")
    if (grown := report.curves) is not None:
        what = f"start to first answer with {grown.log_size:,} entries"
        first = grown.first_answer_seconds
        yield Aim(what=what, figure=first, bound=2, at_least=False, unit=" s")
    if report.access:
        last = report.access[-1]
        what = f"who can read a path, of {last.identities:,} identities"
        yield Aim(what=what, figure=last.who, bound=50, at_least=False, unit=" ms")
        what = f"the access matrix over {last.paths:,} paths"
        yield Aim(what=what, figure=last.matrix_seconds, bound=60, at_least=False, unit=" s")


def as_json(report: Report) -> str:
    """Return the run as one line."""
    told: dict[str, Any] = {}
    if (compared := report.comparison) is not None:
        told |= {
            "ratio": {
                workload: {
                    "throughput": rounded(compared.ratio(workload, lambda m: m.throughput)),
                    "p99": rounded(compared.ratio(workload, lambda m: m.p99)),
                }
                for workload in (READ, WRITE, LOGIN, JWT_LOGIN)
            },
            "share_of_bare": rounded(compared.share_of_bare()),
            "rss_mb": rounded(compared.resident[OURS]),
            "rounds": len(compared.of(READ, OURS)),
            "servers": _measured(compared),
        }
    if (kept := report.beside) is not None:
        told["beside_logins"] = {
            "ratio": rounded(kept.ratio()),
            "rounds": len(kept.busy),
            "logins": [rounded(m.throughput) for m in kept.logins],
        }
    if report.status_seconds is not None:
        told["status_seconds"] = rounded(report.status_seconds)
    if (grown := report.curves) is not None:
        told["start"] = {
            "log_size": grown.log_size,
            "first_answer_seconds": rounded(grown.first_answer_seconds),
            "first_read_seconds": rounded(grown.first_read_seconds),
        }
        told["curves"] = {
            what: [{k: rounded(v) for k, v in asdict(point).items()} for point in points]
            for what, points in grown.points.items()
        }
    if report.access:
        told["access"] = [
            {k: rounded(v) for k, v in asdict(point).items()} for point in report.access
        ]
    return json.dumps(told, separators=(",", ":"))


def _measured(compared: Comparison) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for server in (OURS, THEIRS, BARE):
        told[server] = {"rss_mb": rounded(compared.resident[server])}
        for workload in (READ, WRITE, LOGIN, JWT_LOGIN):
            if compared.of(workload, server):
                middle = compared.middle(workload, server)
                told[server][workload] = {
                    "throughput": rounded(middle.throughput),
                    "p50_ms": rounded(middle.p50),
                    "p99_ms": rounded(middle.p99),
                }
    return told


def rounded(figure: float) -> float:
    """Return a figure with the digits that mean something."""
    return float(f"{figure:.4g}")


def show(report: Report, console: Console) -> None:
    """Print the run as tables."""
    if report.comparison is not None:
        console.print(_loads(report.comparison, against_itself=report.against_itself))
    if report.curves is not None:
        console.print(_growth(report.curves))
    if report.access:
        console.print(_questions(report.access))
    if not report.against_itself:
        console.print(_aims(report))


def _questions(points: Sequence[Point]) -> Table:
    table = Table(title="Who can do what, as identities and paths grow")
    for heading in ("identities", "paths", "who ms", "first who ms", "what ms", "matrix s", "rows"):
        table.add_column(heading, justify="right")
    for each in points:
        times = [f"{took:,.1f}" for took in (each.who, each.first_who, each.what)]
        last = (f"{each.matrix_seconds:.1f}", f"{each.rows:,}")
        table.add_row(f"{each.identities:,}", f"{each.paths:,}", *times, *last)
    return table


def _loads(compared: Comparison, *, against_itself: bool) -> Table:
    rounds = len(compared.of(READ, OURS))
    labels = {OURS: "openbao again"} if against_itself else {}
    table = Table(title=f"In turn on this machine, medians of rounds: {rounds}")
    table.add_column("workload", no_wrap=True)
    table.add_column("server", no_wrap=True)
    for heading in ("requests/s", "p50 ms", "p99 ms", "MB after reads", "× openbao", "p99 ×"):
        table.add_column(heading, justify="right")
    for workload in (READ, WRITE, LOGIN, JWT_LOGIN):
        for server in (OURS, THEIRS, BARE):
            if not compared.of(workload, server):
                continue
            middle = compared.middle(workload, server)
            memory = f"{compared.resident[server]:.0f}" if workload == READ else ""
            cells = [f"{middle.throughput:,.0f}", f"{middle.p50:.2f}", f"{middle.p99:.2f}", memory]
            if server == OURS:
                cells.append(f"{compared.ratio(workload, lambda m: m.throughput):.2f}")
                cells.append(f"{compared.ratio(workload, lambda m: m.p99):.2f}")
            table.add_row(workload, labels.get(server, server), *cells)
        table.add_section()
    return table


def _growth(grown: Curves) -> Table:
    table = Table(title="Reads as things grow")
    table.add_column("what grows")
    for heading in ("to", "reads/s", "p50 ms", "beside the first"):
        table.add_column(heading, justify="right")
    for what, points in grown.points.items():
        for point in points:
            beside = point.throughput / points[0].throughput
            cells = (f"{point.size:,}", f"{point.throughput:,.0f}", f"{point.p50:.2f}")
            table.add_row(what, *cells, f"{beside:.0%}")
        table.add_section()
    return table


def _aims(report: Report) -> Table:
    table = Table(title="Beside what we aim at")
    table.add_column("figure")
    for heading in ("here", "aim", "met"):
        table.add_column(heading, justify="right")
    for aim in aims(report):
        here = f"{aim.figure:.3g}{aim.unit}"
        table.add_row(aim.what, here, aim.wanted(), "yes" if aim.met else "[red]no")
    return table
