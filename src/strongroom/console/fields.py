"""What people type into forms, as the pipeline takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_BETWEEN = re.compile(r"[\s,]+")


def time_of(text: str) -> str | None:
    """Return a time: a day is its beginning, in UTC; nothing typed is none."""
    typed = text.strip()
    if not typed:
        return None
    return f"{typed}T00:00:00Z" if _DAY.fullmatch(typed) else typed


def words_of(text: str) -> list[str]:
    """Return words that stand between commas, spaces or line breaks."""
    return [each for each in _BETWEEN.split(text) if each]


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that hold something."""
    return [each.strip() for each in text.splitlines() if each.strip()]


def chosen(form: Mapping[str, str], *names: str) -> dict[str, object]:
    """Return fields by name, as typed but for the space around them."""
    return {name: form.get(name, "").strip() for name in names}
