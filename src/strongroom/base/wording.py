"""Texts that people write for people to read, and whether one says anything at all.

What counts are letters and digits of any script. Spaces, punctuation, marks and characters that
nothing is drawn for do not: a justification of one zero-width space is none.

Limits  Whether the words are true, or of use, a person must judge: `aaa` says something here.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from strongroom.base.errors import InputError

FEW: Final = 3  # letters or digits of a reason; a wide one, which is often a word, counts twice
_BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0")  # letters by their category, and not drawn


def check_says(field: str, text: str, problem: str, least: int = FEW) -> None:
    """Raise InputError for a text with fewer letters and digits than `least`."""
    if _said(text, least) < least:
        some = "a letter or digit" if least == 1 else f"{least} letters or digits"
        raise InputError(field, f"{problem}; at least {some}")


def _said(text: str, enough: int) -> int:
    """Count what a text says, up to enough."""
    found = 0
    for each in text:
        if unicodedata.category(each)[0] in "LN" and each not in _BLANK:
            found += 2 if unicodedata.east_asian_width(each) in "WF" else 1
        if found >= enough:
            break
    return found
