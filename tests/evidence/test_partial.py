"""Packs that do not hold every control test, and whether anybody can hide that."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strongroom.controls import CONTROLS
from strongroom.evidence import verify
from tests.evidence.conftest import Taken
from tests.evidence.tampering import refitted, unpacked, verified

HELD = ("T64", "T67")
LEFT = tuple(sorted({control.id for control in CONTROLS} - {*HELD}))
WORDS = f"partial: {', '.join(LEFT)} are not in this pack"


def test_a_pack_of_chosen_controls_says_that_it_is_partial_and_names_the_others(
    whole: Taken,
) -> None:
    about = json.loads(unpacked(whole.path)["about.json"])

    assert about["completeness"] == "partial"
    assert about["missing"] == [f"tests/{each}: not in this pack" for each in LEFT]


def test_the_verifier_names_what_is_left_out(whole: Taken) -> None:
    said: list[str] = []

    found = verify.verify_pack(whole.path, whole.vkey, said.append)

    assert found.ok, found.faults
    assert found.left_out == LEFT
    assert WORDS in said[-1]


def test_the_program_in_the_pack_says_it_too(whole: Taken, tmp_path: Path) -> None:
    program = tmp_path / "verify.py"
    program.write_bytes(unpacked(whole.path)["verify.py"])

    ran = subprocess.run(
        [sys.executable, "-I", str(program), str(whole.path), "--vkey", whole.vkey],
        check=False,
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0
    assert WORDS in ran.stdout.splitlines()[-1]


def test_a_pack_of_all_controls_is_complete(taken: Taken) -> None:
    found = verify.verify_pack(taken.path, taken.vkey)

    assert json.loads(unpacked(taken.path)["about.json"])["completeness"] == "complete"
    assert (found.left_out, found.lacks) == ((), "")
    assert "; complete; " in found.checks[-1].detail


def calls_itself_complete(about: dict[str, Any]) -> None:
    about |= {"completeness": "complete", "missing": []}


def hides_one(about: dict[str, Any]) -> None:
    about["missing"].remove("tests/T05: not in this pack")


def hides_the_word(about: dict[str, Any]) -> None:
    about["completeness"] = "complete"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (calls_itself_complete, "about.json: T02 is not in this pack, and is not named"),
        (calls_itself_complete, "about.json: the pack calls itself other than partial"),
        (hides_one, "about.json: T05 is not in this pack, and is not named"),
        (hides_the_word, "about.json: the pack calls itself other than partial"),
    ],
)
def test_the_verifier_takes_the_tests_there_are_from_the_log_and_not_from_the_pack(
    change: Callable[[dict[str, Any]], None], named: str, whole: Taken, tmp_path: Path
) -> None:
    files = unpacked(whole.path)
    about = json.loads(files["about.json"])
    change(about)

    found = verified(refitted(files | {"about.json": verify.written(about)}), tmp_path, whole.vkey)

    assert any(named in fault for fault in found.faults), found.faults
    assert found.left_out == LEFT


def test_a_test_that_was_taken_out_is_named_by_the_log(taken: Taken, tmp_path: Path) -> None:
    files = unpacked(taken.path)
    about = json.loads(files["about.json"])
    about |= {"completeness": "partial", "missing": ["tests/T05: not in this pack"]}
    about["tests"] = [each for each in about["tests"] if each["id"] != "T05"]
    left = type(files)({n: d for n, d in files.items() if not n.startswith("tests/T05/")})

    found = verified(refitted(left | {"about.json": verify.written(about)}), tmp_path, taken.vkey)

    assert found.left_out == ("T05",)
    assert "tests/T05/result.json is missing: the log has its digest" in found.faults


def test_words_of_the_pack_reach_a_terminal_as_text(whole: Taken, tmp_path: Path) -> None:
    files = unpacked(whole.path)
    about = json.loads(files["about.json"])
    about["missing"].append("\x1b[2Jcleared")

    found = verified(refitted(files | {"about.json": verify.written(about)}), tmp_path, None)

    assert not found.ok
    assert found.lacks.endswith("are not in this pack; \\x1b[2Jcleared")
