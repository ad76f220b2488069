"""A secret's data as JSON: the one form in which it is kept, and what is read from it.

Canonical form  Keys in code point order, no white space, of a key that comes twice the last;
                text unescaped where JSON allows it, in UTF-8. Whole numbers keep all their
                digits; others are the shortest text of their IEEE 754 double (1.10 is 1.1).
Fingerprint     The keyed digest of exactly these bytes, so that one value has one fingerprint
                however a client wrote it. Nothing and an empty object have none: they would
                all be alike.
Trust           The bytes are a secret. No error of this module holds any of them, nor does the
                context of one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from strongroom.base.errors import InputError

_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)
_EMPTY = frozenset({b"null", b"{}"})
_NOTHING_TO_KNOW = frozenset({b"null", b"true", b"false", b'""', b"{}", b"[]"})
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
MOST_NAMED = 64
LONGEST_NAME = 128
DEEPEST = 16
MORE = "*"  # among the names of fields: others, too


def canonical(raw: bytes, field: str) -> bytes:
    """Return JSON in its canonical form.

    Raises InputError, naming `field`, for what is no JSON, is nested too deeply to be read,
    holds half of a surrogate pair, or holds a number that is out of range.
    """
    return written(parsed(raw, field), field)


def parsed(raw: bytes, field: str) -> Any:
    """Return what the JSON holds; raises as `canonical` does."""
    with suppress(ValueError, RecursionError):
        return json.loads(raw.decode())
    raise InputError(field, "not JSON that can be kept")


def written(value: object, field: str) -> bytes:
    """Return a parsed value in canonical form; raises as `canonical` does."""
    with suppress(ValueError, RecursionError):
        return _ENCODER.encode(value).encode()
    raise InputError(field, "a number in it is out of range, or text is not valid Unicode")


def fingerprint(data: bytes, keyed: Callable[[bytes], bytes]) -> bytes | None:
    """Return the fingerprint of canonical data, or None of what holds nothing."""
    return None if data in _EMPTY else keyed(data)


def unchanged(old: bytes, new: bytes) -> tuple[str, ...]:
    """Name the fields that have the same value in both, by their keys with dots between them.

    Both are canonical. Not named: what nobody can know, such as `true` and empty text. Beyond
    `MOST_NAMED` fields, or `DEEPEST` levels, the last name is `MORE`.
    """
    found: list[str] = []
    _compare(old, new, "", 0, found)
    return tuple(found[:MOST_NAMED]) + ((MORE,) if len(found) > MOST_NAMED else ())


def unchanged_members(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> tuple[str, ...]:
    """Name the members that have the same value in both, as `unchanged` does."""
    found: list[str] = []
    for name in old.keys() & new.keys():
        _compare(old[name], new[name], name, 1, found)
    found.sort()
    return tuple(found[:MOST_NAMED]) + ((MORE,) if len(found) > MOST_NAMED else ())


def _compare(old: bytes, new: bytes, name: str, depth: int, found: list[str]) -> None:
    """Add the names of what is the same in two values, each of them canonical JSON."""
    if len(found) > MOST_NAMED or (name and old == new and old in _NOTHING_TO_KNOW):
        return
    if name and old == new:
        found.append(name[:LONGEST_NAME])
    elif old[:1] == new[:1] == b"{":
        if depth >= DEEPEST:
            found.append(MORE)
            return
        before, after = _MEMBERS.decode(old), _MEMBERS.decode(new)
        for key, value in after.items():
            if key in before:
                at = f"{name}.{key}" if name else key or '""'
                _compare(bytes(before[key]), bytes(value), at, depth + 1, found)


def subkeys(value: object, depth: int) -> object:
    """Return an object's keys with null for each value, down to `depth` levels; 0 is all."""
    if not isinstance(value, Mapping):
        return None
    deeper = depth == 0 or depth > 1
    return {
        key: subkeys(inner, max(depth - 1, 0)) if inner and deeper else None
        for key, inner in value.items()
    }
