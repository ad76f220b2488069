"""T34, each case a matrix of a cell or two: `strongroom.controls.access_matrix`."""

from __future__ import annotations

import pytest

from strongroom.controls.access_matrix import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import Cell, MatrixRow
from tests.controls.histories import FakeAccess, found, items

SAME = Cell(path="secret/a", stored=("read",), engine=("read",))
OTHER = Cell(path="secret/b", stored=("deny",), engine=("read",))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([MatrixRow(subject="app", cells=(SAME,))], Verdict.EFFECTIVE, id="equal"),
        pytest.param(
            [MatrixRow(subject="app", cells=(SAME, OTHER))], Verdict.EXCEPTIONS, id="one differs"
        ),
        pytest.param([], Verdict.NOT_EXERCISED, id="nobody"),
    ],
)
async def test_verdict(rows: list[MatrixRow], expected: Verdict) -> None:
    assert await found(CONTROL, access=FakeAccess(rows=rows)) is expected


async def test_a_cell_that_differs_is_named_with_both_sides() -> None:
    rows = [MatrixRow(subject="app", cells=(SAME, OTHER))]

    [broken] = [i for i in await items(CONTROL, access=FakeAccess(rows=rows)) if i.held is False]

    assert broken.subject == "app on secret/b"
    assert broken.because == "stored policies say deny; the engine says read"


async def test_the_hash_changes_with_the_stored_policies() -> None:
    one = [MatrixRow(subject="app", cells=(SAME,))]
    two = [MatrixRow(subject="app", cells=(Cell(path="x", stored=("list",), engine=("list",)),))]

    first, second = [
        (await items(CONTROL, access=FakeAccess(rows=rows)))[-1].because for rows in (one, two)
    ]

    assert first != second
