"""Recovery codes: their form, and which texts are read as one."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.secret import Secret
from strongroom.crypto.errors import CodeError
from strongroom.crypto.recovery_codes import BYTES, canonical, new_code, place_of


def test_a_code_is_four_groups_that_hold_all_its_bits() -> None:
    shown = new_code(lambda size: b"\xff" * size).text()

    assert shown == "ZZZZ-ZZZZ-ZZZZ-ZZZZ"
    assert new_code(bytes).text() == "0000-0000-0000-0000"
    assert BYTES * 8 == 80


@given(st.binary(min_size=BYTES, max_size=BYTES))
def test_a_code_is_read_however_it_is_typed(raw: bytes) -> None:
    shown = new_code(lambda _: raw).text()
    plain = canonical(Secret(shown)).reveal()

    typed = shown.lower().replace("-", " ").replace("0", "o").replace("1", "l")

    assert canonical(Secret(typed)).reveal() == plain
    assert int.from_bytes(raw, "big") == _number(plain.decode())


def _number(text: str) -> int:
    number = 0
    for character in text:
        number = number << 5 | "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(character)
    return number


def test_codes_do_not_repeat() -> None:
    made = {new_code(os.urandom).text() for _ in range(1000)}

    assert len(made) == 1000
    assert all(re.fullmatch(r"(?:[0-9A-HJKMNP-TV-Z]{4}-?){4}", each) for each in made)


@pytest.mark.parametrize(
    "typed", ["", "123456", "U" * 16, "0" * 15, "0" * 17, "é" * 16, "-" * 500, b"\xff" * 16]
)
def test_what_is_no_code_is_refused(typed: str | bytes) -> None:
    with pytest.raises(CodeError):
        canonical(Secret(typed))


def test_a_digest_is_found_where_it_stands_and_no_other() -> None:
    digests = [bytes([number]) * 32 for number in range(10)]

    assert [place_of(each, digests) for each in digests] == list(range(10))
    for missing in (b"", bytes(31), b"\xff" * 32):
        with pytest.raises(CodeError):
            place_of(missing, digests)
    with pytest.raises(CodeError):
        place_of(b"", [])
