"""What says something, and what only looks as if it were there."""

from __future__ import annotations

import pytest

from strongroom.base.errors import InputError
from strongroom.base.wording import check_says

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e\u2800\u3164\u115f\u1160\uffa0\u3000"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "\t\n", "\u200b", INVISIBLE, "\u202e\u2066", "x", "x \u200b x", "..."),
        *("—" * 9, "\u0301" * 9, "\U000e0061" * 9, "\x00\x01\x02", "\ud800" * 9),
    ],
    ids=ascii,
)
def test_what_nobody_can_read_says_nothing(text: str) -> None:
    with pytest.raises(InputError, match="reason: give one; at least 3 letters or digits"):
        check_says("reason", text, "give one")


@pytest.mark.parametrize("text", ["joins", "T-1234", "部署", "배포", "нужно", "ด้วย", "٣٤٥"])
def test_words_of_any_script_say_something(text: str) -> None:
    check_says("reason", text, "give one")


def test_a_name_may_be_one_letter() -> None:
    check_says("name", "李", "give one", least=1)

    with pytest.raises(InputError, match="at least a letter or digit"):
        check_says("name", "\u200b.", "give one", least=1)
