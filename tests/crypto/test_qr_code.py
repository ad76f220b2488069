"""QR codes: a decoder that is not ours reads each form of them back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.base.secret import Secret
from strongroom.crypto.errors import PictureError
from strongroom.crypto.qr_code import LARGEST, LONGEST, QUIET, qr_code
from strongroom.crypto.totp import Rules, otpauth
from tests.crypto.pictures import of_blocks, of_path, of_png, scanned

URL = otpauth(Secret(b"1234567890" * 2), Rules(), issuer="strongroom", account="ada@example.test")


def test_each_form_of_a_keys_picture_says_the_key() -> None:
    code = qr_code(URL)

    forms = (of_path(code.path().text(), code.width), of_blocks(code.blocks()))

    assert [scanned(rows) for rows in forms] == [URL.text()] * 2
    assert scanned(of_png(code.png(200).reveal()), scale=1) == URL.text()


@settings(max_examples=15, deadline=None)
@given(
    text=st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=40)
)
def test_any_text_comes_back(text: str) -> None:
    assert scanned(qr_code(Secret(text)).rows) == text


def test_the_quiet_zone_is_there_on_every_side() -> None:
    rows = qr_code(URL).rows
    turned = [*zip(*rows, strict=True)]

    for edge in (rows[:QUIET], rows[-QUIET:], turned[:QUIET], turned[-QUIET:]):
        assert not any(any(row) for row in edge)


@pytest.mark.parametrize("side", [-1, 0, 1, 200, 10**9])
def test_a_png_is_never_larger_than_it_may_be_nor_too_small_to_read(side: int) -> None:
    code = qr_code(URL)

    rows = of_png(code.png(side).reveal())

    assert code.width <= len(rows) <= LARGEST
    assert len(rows) % code.width == 0


@pytest.mark.parametrize("text", ["", "x" * (LONGEST + 1), "é"])
def test_of_nothing_too_much_or_other_letters_there_is_no_picture(text: str) -> None:
    with pytest.raises(PictureError):
        qr_code(Secret(text))


def test_a_picture_does_not_print_itself() -> None:
    code = qr_code(URL)

    assert repr(code) == "QrCode(…)"
    assert str(code.path()) == str(code.png(1)) == "Secret(…)"
