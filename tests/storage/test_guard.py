"""Guarded rows: what was written holds, and nothing else does."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from strongroom.base.errors import SealedError
from strongroom.base.secret import Secret
from strongroom.core.records import MOUNTS
from strongroom.storage.barrier import Barrier, TamperedError
from strongroom.storage.guard import Guard
from strongroom.storage.register import Register
from tests.storage.registers import REGISTERS
from tests.storage.requests import Desk, fresh_barrier
from tests.storage.test_register import rows

GUARDED = {name: r for name, r in REGISTERS.items() if "mac" in r.stored}
BARRIER = fresh_barrier()
AT = datetime(2026, 1, 1, tzinfo=UTC)
SAMPLES: dict[Any, Any] = {
    str: "ä\u2028'\U0010ffff",
    int: -(2**63),
    float: 2.5,
    bool: True,
    bytes: b"\0\xff",
    datetime: AT,
    timedelta: timedelta(days=-1),
    object: [1, 2.5, None],
    Secret: Secret(b"\0\xff"),
}


def sample(hint: Any) -> Any:
    """Return a value of a column's type that is awkward to store; None where it may be."""
    if type(None) in get_args(hint):
        return None
    if get_origin(hint) is tuple:
        each = sample(get_args(hint)[0])
        return (each, each)
    if get_origin(hint) is dict:
        each = sample(get_args(hint)[1])
        return {"b": each, "a": each}
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return hint(**{f.name: sample(hints[f.name]) for f in fields(hint)})
    return SAMPLES[hint]


@dataclass(frozen=True, slots=True)
class Pair:
    first: str
    second: str | None = None
    third: str | None = None
    entry: int | None = None


PAIRS = Register("pair", Pair, key=("first",), guarded=True)


def test_what_authorization_goes_by_is_guarded() -> None:
    assert set(GUARDED) >= {
        *("token", "entity", "alias", "policy", "policy_version", "environment", "mount"),
        *("merged_entity", "entity_group", "group_member", "group_alias"),
        *("person", "workload", "registration"),
        *("factor", "factor_ceremony", "factor_rule"),
        *("mfa_method", "mfa_enforcement", "mfa_pending"),
        *("sign_in", "step_up_rule"),
    }
    assert not set(GUARDED) & {"cell", "lease", "lockout", "factor_lockout", "sink_cursor"}


@pytest.mark.parametrize("register", GUARDED.values(), ids=GUARDED)
@given(data=st.data())
def test_a_row_with_any_column_changed_is_refused(
    register: Register[Any], data: st.DataObject
) -> None:
    row, other = (register.dump(data.draw(rows(register)), BARRIER) for _ in range(2))
    at = data.draw(st.integers(0, len(row) - 1))
    assume(row[at] != other[at])
    changed = (*row[:at], other[at], *row[at + 1 :])

    with pytest.raises(TamperedError, match=f"a row of {register.name} is not as it was written"):
        register.load((*changed, 7), BARRIER)


@given(mac=st.binary(max_size=40) | st.none() | st.integers() | st.text())
def test_what_is_no_mac_of_the_row_is_refused(mac: object) -> None:
    with pytest.raises(TamperedError):
        PAIRS.load(("a", "b", None, mac, 7), BARRIER)


@given(values=st.lists(st.none() | st.floats() | st.integers(-(2**63), 2**63 - 1), min_size=3))
def test_values_of_other_types_are_refused(values: list[object]) -> None:
    mac = PAIRS.dump(Pair("a", "b"), BARRIER)[-1]

    with pytest.raises(TamperedError):
        PAIRS.load((*values[:3], mac, 7), BARRIER)


@pytest.mark.parametrize(
    "changed",
    [("a", None, "b"), ("a", "b\0", None), ("a", "", "b"), ("b", "a", None), ("ab", None, None)],
)
def test_values_do_not_run_into_each_other(changed: tuple[str | None, ...]) -> None:
    mac = PAIRS.dump(Pair("a", "b"), BARRIER)[-1]

    with pytest.raises(TamperedError):
        PAIRS.load((*changed, mac, 7), BARRIER)


def test_a_row_of_another_table_is_refused() -> None:
    row = PAIRS.dump(Pair("a", "b"), BARRIER)
    twin = Register("twin", Pair, key=("first",), guarded=True)

    with pytest.raises(TamperedError):
        twin.load((*row, 7), BARRIER)


def test_a_row_of_another_server_is_refused() -> None:
    other = Barrier(os.urandom)
    other.unseal({1: b"1" * 32}, b"another derivation".ljust(32))

    with pytest.raises(TamperedError):
        PAIRS.load((*PAIRS.dump(Pair("a"), other), 7), BARRIER)


def test_rows_hold_when_the_barriers_key_was_rotated() -> None:
    barrier = fresh_barrier()
    row = PAIRS.dump(Pair("a", "b"), barrier)
    barrier.add_term(2, b"2" * 32)

    assert PAIRS.load((*row, 7), barrier) == Pair("a", "b", entry=7)


def test_a_column_that_a_migration_adds_leaves_older_rows_good() -> None:
    before = Guard("pair", ("first", "second"), (0,)).mac(("a", "b"), BARRIER)

    assert PAIRS.load(("a", "b", None, before, 7), BARRIER) == Pair("a", "b", entry=7)


def test_the_error_names_the_row_for_the_operator() -> None:
    with pytest.raises(TamperedError, match=r"a row of pair .* 'a\\nb'"):
        PAIRS.load(("a\nb", None, None, b"", 7), BARRIER)


def test_while_sealed_nothing_is_written_or_read() -> None:
    sealed = Barrier(os.urandom)
    row = PAIRS.dump(Pair("a"), BARRIER)

    with pytest.raises(SealedError):
        PAIRS.dump(Pair("a"), sealed)
    with pytest.raises(SealedError):
        PAIRS.load((*row, 7), sealed)


@given(row=rows(MOUNTS))
def test_while_sealed_mounts_are_read_as_they_are(row: Any) -> None:
    sealed = Barrier(os.urandom)
    changed = (*MOUNTS.dump(row, BARRIER)[:-1], b"", 7)

    assert MOUNTS.load(changed, sealed).path == row.path
    with pytest.raises(TamperedError):
        MOUNTS.load(changed, BARRIER)


@pytest.mark.parametrize("register", GUARDED.values(), ids=GUARDED)
async def test_a_row_comes_back_from_the_database_and_holds(
    desk: Desk, register: Register[Any]
) -> None:
    hints = get_type_hints(register.row)
    row = register.row(**{c.name: sample(hints[c.name]) for c in register.columns})
    tx = desk.transaction()
    tx.put(register, row)
    made = await desk.commit(tx)

    assert await desk.transaction().all(register) == [replace(row, entry=made.index)]
    key = register.key_in(register.dump(row, desk.barrier))
    assert await desk.transaction().get(register, *key) is not None
