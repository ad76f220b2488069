"""Criteria and the tests that they are mapped to."""

from __future__ import annotations

from strongroom.controls import CONTROLS
from strongroom.evidence.frameworks import FOLDER, STRENGTHS, load_framework

NAMES = [path.stem for path in FOLDER.glob("*.toml")]


def test_every_test_that_a_criterion_names_is_there() -> None:
    known = {control.id for control in CONTROLS}
    named = {t.control for n in NAMES for c in load_framework(n).criteria for t in c.tests}

    assert named - known == set()


def test_every_test_speaks_to_a_criterion_of_soc2() -> None:
    framework = load_framework("soc2")

    assert [c.id for c in CONTROLS if not framework.criteria_of(c.id)] == []


def test_each_mapping_says_what_kind_of_evidence_it_is() -> None:
    shown = {t.shows for n in NAMES for c in load_framework(n).criteria for t in c.tests}

    assert shown <= set(STRENGTHS)


def test_each_criterion_stands_once() -> None:
    ids = [criterion.id for criterion in load_framework("soc2").criteria]

    assert len(ids) == len(set(ids))
