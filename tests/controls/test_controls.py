"""What is true of every control test: `strongroom.controls`, against its contract."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.controls import CONTROLS
from strongroom.sdk.control import ControlTest, Item, Verdict, verdict

HELD = st.sampled_from([True, False, None])


def test_the_ids_are_those_of_the_catalogue_each_once() -> None:
    ids = [control.id for control in CONTROLS]

    assert len(set(ids)) == len(ids) == 45
    assert all(re.fullmatch(r"T\d\d", each) for each in ids)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_each_says_what_an_auditor_asks(control: ControlTest) -> None:
    said = (
        control.title,
        control.population,
        control.procedure,
        control.holds_when,
        control.limits,
    )

    assert all(len(text) > 12 for text in said)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_none_names_a_criterion_of_a_framework(control: ControlTest) -> None:
    texts = f"{control.title} {control.population} {control.procedure} {control.limits}"

    assert not re.search(r"\b(CC|A|C)\d\.\d\b", texts)


@given(st.lists(HELD, max_size=6))
def test_the_worst_item_decides_and_none_at_all_is_no_pass(held: list[bool | None]) -> None:
    found = verdict([Item("x", each, "") for each in held])

    expected = Verdict.EFFECTIVE if held else Verdict.NOT_EXERCISED
    expected = Verdict.INCONCLUSIVE if None in held else expected
    assert found is (Verdict.EXCEPTIONS if False in held else expected)
