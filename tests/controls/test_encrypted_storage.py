"""T02, each case a database of a few values: `strongroom.controls.encrypted_storage`."""

from __future__ import annotations

import pytest

from strongroom.controls.encrypted_storage import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.storage import Blob, GuardedRow
from tests.controls.histories import FakeStorage, found, items


def blob(**changed: object) -> Blob:
    plain = {
        "place": "cell.value",
        "key": "m/one",
        "algorithm": "AES-256-GCM",
        "term": 1,
        "term_held": True,
    }
    return Blob(**(plain | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        pytest.param(FakeStorage([blob(), blob(key="m/two")]), Verdict.EFFECTIVE, id="all open"),
        pytest.param(FakeStorage([blob(algorithm="")]), Verdict.EXCEPTIONS, id="unknown header"),
        pytest.param(FakeStorage([blob(term_held=False)]), Verdict.EXCEPTIONS, id="no key of it"),
        pytest.param(
            FakeStorage([blob(), blob(problem="does not open")]),
            Verdict.EXCEPTIONS,
            id="one does not open",
        ),
        pytest.param(
            FakeStorage([blob()], ["person.photo"]), Verdict.EXCEPTIONS, id="a column of bytes"
        ),
        pytest.param(FakeStorage(), Verdict.NOT_EXERCISED, id="nothing is stored"),
    ],
)
async def test_verdict(storage: FakeStorage, expected: Verdict) -> None:
    assert await found(CONTROL, storage=storage) is expected


async def test_a_group_stands_for_all_its_values() -> None:
    storage = FakeStorage([blob(key=str(n)) for n in range(7)])

    [item] = await items(CONTROL, storage=storage)

    assert (item.subject, item.members) == ("cell.value: 7 values", 7)


async def test_a_bad_value_is_named() -> None:
    storage = FakeStorage([blob(), blob(key="m/bad", problem="does not open at this place")])

    broken = [i for i in await items(CONTROL, storage=storage) if i.held is False]

    assert [(i.subject, i.because) for i in broken] == [
        ("cell.value m/bad", "does not open at this place")
    ]


async def test_a_guarded_row_that_was_changed_is_named_with_its_table() -> None:
    rows = [GuardedRow(table="policy", key=name) for name in ("default", "reader")]
    changed = GuardedRow(table="policy", key="admin", problem="is not as it was written")
    storage = FakeStorage([blob()], rows=[*rows, changed])

    judged = await items(CONTROL, storage=storage)

    assert [(i.subject, i.because) for i in judged if i.held is False] == [
        ("policy admin", "is not as it was written")
    ]
    assert [i.members for i in judged if i.subject == "policy: 2 rows"] == [2]
