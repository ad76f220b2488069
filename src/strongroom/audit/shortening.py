"""What an entry holds of a value that is too large for it: the first of it, and what it was.

Units   `count` is of a text's characters, a list's items, an object's names. `sha256` is in hex:
        of a text its UTF-8, of a list or an object its compact JSON as it would have stood there.
Trust   A number, a truth value and a text of up to 256 characters are never shortened here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

SHORT = 256  # characters
LEAST = 64  # of a long text in characters, of a list or an object in bytes


def by_type(value: object) -> str:
    """Stand in for what has no place in an entry; a Secret is one of these."""
    return f"<{type(value).__name__}>"


encode = msgspec.json.Encoder(enc_hook=by_type).encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value in JSON's own types, with the size of it as written, and what stands for it."""

    value: Any
    size: int
    mark: dict[str, object] | None  # None: it is small, and stays

    def within(self, share: int) -> Any:
        """Return the value, or the first of it that fits a share of an entry."""
        if isinstance(self.value, str):
            return self.value if self.mark is None else text(self.value, max(share, LEAST))
        if self.mark is None or self.size <= max(share, LEAST):
            return self.value
        if isinstance(self.value, dict):
            return dict(_first(self.value.items(), share))
        return list(_first(self.value, share))


def measured(value: object) -> Measured:
    """Measure a value; what JSON has no form for becomes the name of its type."""
    try:
        written = encode(utf8(value) if isinstance(value, str) else value)
        plain = _decode(written)
    except (TypeError, ValueError, OverflowError, RecursionError):
        plain = by_type(value)
        written = encode(plain)
    return Measured(value=plain, size=len(written), mark=_mark(plain, written))


def _mark(plain: object, written: bytes) -> dict[str, object] | None:
    if isinstance(plain, str):
        return None if len(plain) <= SHORT else mark_of(plain)
    if not isinstance(plain, list | dict):
        return None
    return {"count": len(plain), "sha256": sha256(written).hexdigest()}


def mark_of(whole: str) -> dict[str, object]:
    """Return what stands for a text that was shortened."""
    return {"count": len(whole), "sha256": sha256(utf8(whole).encode()).hexdigest()}


def text(whole: str, most: int) -> str:
    """Return the first characters of a text, and a sign that there were more."""
    return whole if len(whole) <= most else whole[:most] + "…"


def utf8(whole: str) -> str:
    """Return a text that UTF-8 can write."""
    return whole.encode("utf-8", "replace").decode()


def _first(items: Iterable[Any], share: int) -> Iterable[Any]:
    """Give the first items that fit, their texts of at most 256 characters."""
    left = share - len(b"[]")
    for item in items:
        pair = isinstance(item, tuple)
        last = item[1] if pair else item
        short = text(last, SHORT) if isinstance(last, str) else last
        kept = (item[0], short) if pair else short
        left -= len(encode(kept)) + len(b",")
        if left < 0:
            return
        yield kept
