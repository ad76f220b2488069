"""A row goes into a table and comes out as it was, for every register there is."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.secret import Secret
from strongroom.storage.register import MICROSECOND, Register, fits, micros, moment, numbered
from tests.storage.registers import REGISTERS
from tests.storage.requests import fresh_barrier

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
numbers = st.integers(-(2**63), 2**63 - 1)
moments = st.datetimes(timezones=st.just(UTC))
durations = st.timedeltas(timedelta(days=-36500), timedelta(days=36500))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: numbers,
    bytes: st.binary(max_size=12),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    datetime: moments,
    timedelta: durations,
    object: json_values,
    Secret: st.binary(max_size=12).map(Secret),
}


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Return values of a column's type."""
    if get_origin(hint) in (Union, types.UnionType):
        return st.one_of(*(st.none() if a is type(None) else of(a) for a in get_args(hint)))
    if get_origin(hint) is tuple:
        return st.lists(of(get_args(hint)[0]), max_size=3).map(tuple)
    if get_origin(hint) is dict:
        return st.dictionaries(texts, of(get_args(hint)[1]), max_size=3)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{field.name: of(hints[field.name]) for field in fields(hint)})
    return SIMPLE[hint]


def _plain(row: Any) -> tuple[object, ...]:
    """Return the values of a row; secrets, which do not compare, as their bytes."""
    values = (getattr(row, field.name) for field in fields(row))
    return tuple(v.reveal() if isinstance(v, Secret) else v for v in values)


def rows(register: Register[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(register.row)
    names = [f.name for f in fields(register.row) if f.name != "entry"]
    return st.builds(register.row, **{name: of(hints[name]) for name in names})


@pytest.mark.parametrize("register", REGISTERS.values(), ids=REGISTERS)
@given(data=st.data())
def test_a_row_comes_out_as_it_went_in(register: Register[Any], data: st.DataObject) -> None:
    barrier, row = fresh_barrier(), data.draw(rows(register))

    raw = register.dump(row, barrier)

    assert _plain(register.load((*raw, 7), barrier)) == _plain(replace(row, entry=7))
    key = [c for c in register.columns if c.name in register.key]
    assert sorted(map(repr, register.key_in(raw))) == sorted(
        repr(column.dump(getattr(row, column.name))) for column in key
    )
    assert all(fits(value) for value in raw)


@pytest.mark.parametrize("register", REGISTERS.values(), ids=REGISTERS)
@given(data=st.data())
def test_what_is_sealed_shows_nothing(register: Register[Any], data: st.DataObject) -> None:
    sealed = [at for at, column in enumerate(register.columns) if column.sealed]
    row = data.draw(rows(register))
    first, second = (register.dump(row, fresh_barrier()) for _ in range(2))

    columns = len(register.columns)  # a MAC comes behind them, over what is sealed
    for at, (one, other) in enumerate(zip(first[:columns], second[:columns], strict=True)):
        assert (one == other) == (at not in sealed or one is None)


@given(moments)
def test_moments_are_exact(at: datetime) -> None:
    assert moment(micros(at)) == at


@given(durations)
def test_moments_count_microseconds(by: timedelta) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)

    assert micros(at + by) - micros(at) == by // MICROSECOND


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("? ?", "$1 $2"),
        ("a = ? AND b = ? LIMIT ?", "a = $1 AND b = $2 LIMIT $3"),
    ],
)
def test_marks_are_numbered_for_postgresql(sql: str, expected: str) -> None:
    assert numbered(sql) == expected
