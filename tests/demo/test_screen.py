"""What the demo shows reads well in a pipe, in ASCII, and on a narrow terminal."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from strongroom.demo.company import EVE
from strongroom.demo.ending import as_data, show
from strongroom.demo.evidence import Result
from strongroom.demo.record import Record, Step
from strongroom.demo.screen import Screen, console_on
from strongroom.demo.stage import Stage

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


def shown(record: Record, *, encoding: str = "utf-8", width: int | None = None) -> str:
    """Return what a story of two steps looks like."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = console_on(stream)
    if width is not None:
        console = Console(file=stream, width=width, force_terminal=True, no_color=True)
    screen = Screen(console, record)
    screen.open()
    for step in record.steps:
        screen.ends(step)
    screen.close()
    show(screen, record, 12.3)
    stream.seek(0)
    return stream.read()


@pytest.fixture
def record() -> Record:
    record = Record()
    good = Step(scene="a", text="A good step", at=EVE, detail="and why")
    bad = Step(scene="a", text="A bad step", at=EVE, problems=["it was not so"])
    dull = Step(scene="a", text="One of many", at=EVE, routine=True)
    record.steps += [good, bad, dull]
    record.findings.controls = [
        Result(id="T02", title="t", verdict="effective", items=7, exceptions=0),
        Result(
            id="T99",
            title="Something new",
            verdict="not exercised",
            items=0,
            exceptions=0,
            runs=3,
            runs_with_exceptions=1,
            of_period="exceptions",
        ),
    ]
    return record


def test_each_state_is_a_shape_and_a_word(record: Record) -> None:
    text = shown(record)

    assert "✓ A good step" in text
    assert "✗ A bad step" in text
    assert "it was not so" in text
    assert "● effective" in text
    assert "○ not exercised" in text
    assert "\x1b" not in text


def test_a_step_of_many_is_shown_only_if_it_went_wrong(record: Record) -> None:
    assert "One of many" not in shown(record)

    record.steps[-1].expect(held=False, otherwise="the tenth time")

    assert "One of many" in shown(record)


def test_a_stream_of_ascii_gets_ascii(record: Record) -> None:
    text = shown(record, encoding="ascii")

    assert "+ A good step" in text
    assert "x A bad step" in text
    assert "* effective" in text


def test_a_narrow_terminal_has_the_detail_under_the_step(record: Record) -> None:
    record.steps[0].detail = "a detail that is too long to stand on the same line"

    lines = [ESCAPES.sub("", line) for line in shown(record, width=60).splitlines()]

    at = next(number for number, line in enumerate(lines) if "A good step" in line)

    assert lines[at + 1].strip().startswith("a detail")
    assert all(len(line) <= 60 for line in lines[at:])


def test_a_control_that_nobody_put_in_plain_words_has_its_title(record: Record) -> None:
    text = shown(record)

    assert "Everything that is stored is encrypted" in text
    assert "Something new" in text


def test_what_earlier_runs_found_stands_beside_the_last_verdict(record: Record) -> None:
    [line] = [each for each in shown(record).splitlines() if "Something new" in each]

    assert "not exercised" in line
    assert "3, 1 with exceptions" in line


def test_the_last_line_has_what_a_program_needs(stage: Stage, record: Record) -> None:
    stage.record = record
    record.findings.tampered = {"log: byte": True, "pack: row": False}

    data = as_data(stage, 12.34)

    assert data["controls"] == {"T02": "effective", "T99": "not exercised"}
    assert data["controls_for_the_period"]["T99"] == {
        "runs": 3,
        "with_exceptions": 1,
        "verdict": "exceptions",
    }
    assert data["held"] is False
    assert data["tamper_detected"] is False
    assert [step["held"] for step in data["steps"]] == [True, False, True]
    assert {"pack", "pack_verified", "log_size"} <= set(data)
