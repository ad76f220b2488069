"""What is said of the figures."""

from __future__ import annotations

import io
import json

from rich.console import Console

from bench import report
from bench.compare import BARE, OURS, THEIRS, Comparison, Round
from bench.curves import Curves, Point
from bench.load import Measured
from bench.workloads import JWT_LOGIN, LOGIN, READ, WRITE


def figures(throughput: float, p99: float, failed: int = 0) -> Measured:
    return Measured(requests=round(throughput), seconds=1, failed=failed, p50=p99 / 2, p99=p99)


def rounds(workload: str, **servers: list[Measured]) -> list[Round]:
    return [
        Round(workload=workload, server=server, measured=measured)
        for server, seen in servers.items()
        for measured in seen
    ]


COMPARISON = Comparison(
    rounds=(
        *rounds(
            READ,
            strongroom=[figures(10_000, 2), figures(8_000, 3), figures(9_000, 1)],
            openbao=[figures(1_000, 10), figures(2_000, 10), figures(1_500, 10)],
            bare=[figures(20_000, 1), figures(40_000, 1), figures(30_000, 1)],
        ),
        *rounds(WRITE, strongroom=[figures(3_000, 4)] * 3, openbao=[figures(1_000, 8)] * 3),
        *rounds(LOGIN, strongroom=[figures(3_000, 4)] * 3, openbao=[figures(1_000, 8)] * 3),
        *rounds(JWT_LOGIN, strongroom=[figures(1_500, 4)] * 3, openbao=[figures(1_000, 8)] * 3),
    ),
    resident={OURS: 90.0, THEIRS: 120.0, BARE: 30.0},
)
CURVES = Curves(
    points={
        "secrets": [Point(size=10, throughput=100, p50=1), Point(size=99, throughput=90, p50=1)]
    },
    log_size=1_000_000,
    first_answer_seconds=1.23456,
    first_read_seconds=2.5,
)
WHOLE = report.Report(comparison=COMPARISON, status_seconds=0.5, curves=CURVES)


def test_a_ratio_is_the_median_of_the_ratios_of_rounds() -> None:
    assert COMPARISON.ratio(READ, lambda m: m.throughput) == 6
    assert COMPARISON.ratio(READ, lambda m: m.p99) == 0.2
    assert COMPARISON.share_of_bare() == 0.3


def test_the_middle_of_rounds_is_their_median() -> None:
    middle = COMPARISON.middle(READ, OURS)

    assert (middle.throughput, middle.p50, middle.p99) == (9_000, 1, 2)


def test_the_json_is_one_line_with_what_was_promised() -> None:
    line = report.as_json(WHOLE)

    told = json.loads(line)
    assert "\n" not in line
    assert told["ratio"][READ] == {"throughput": 6.0, "p99": 0.2}
    assert set(told["ratio"]) == {READ, WRITE, LOGIN, JWT_LOGIN}
    assert (told["share_of_bare"], told["rss_mb"], told["rounds"]) == (0.3, 90.0, 3)
    assert told["start"]["first_answer_seconds"] == 1.235
    assert told["curves"]["secrets"][1] == {"size": 99, "throughput": 90.0, "p50": 1.0}


def test_what_was_left_out_is_not_made_up() -> None:
    nothing = report.Report(comparison=None, status_seconds=None, curves=None)

    assert json.loads(report.as_json(nothing)) == {}
    assert list(report.aims(nothing)) == []


def test_each_aim_says_whether_it_is_met() -> None:
    met = {aim.what: aim.met for aim in report.aims(WHOLE)}

    assert met == {
        "kv-read: throughput, times OpenBao's": True,
        "kv-write: throughput, times OpenBao's": False,
        "approle-login: throughput, times OpenBao's": True,
        "jwt-login: throughput, times OpenBao's": False,
        "kv-read: p99, times OpenBao's": True,
        "kv-read: share of the bare endpoint's throughput": True,
        "resident memory after the reads": True,
        "`strongroom status` from cold": False,
        "start to first answer with 1,000,000 entries": True,
    }


def test_the_tables_name_every_server_and_the_aims() -> None:
    out = io.StringIO()

    report.show(WHOLE, Console(file=out, width=100))

    text = out.getvalue()
    assert all(word in text for word in ("strongroom", "openbao", "bare", "secrets", "≤ 150 MB"))


def test_openbao_against_itself_is_held_against_no_aim() -> None:
    out = io.StringIO()
    noise = report.Report(
        comparison=COMPARISON, status_seconds=None, curves=None, against_itself=True
    )

    report.show(noise, Console(file=out, width=100))

    assert "openbao again" in out.getvalue()
    assert "aim" not in out.getvalue()


def test_a_load_with_failures_is_named() -> None:
    lame = Comparison(rounds=tuple(rounds(READ, openbao=[figures(10, 1, failed=2)])), resident={})

    assert list(lame.failed()) == ["kv-read on openbao: 2 of 10 requests failed"]
