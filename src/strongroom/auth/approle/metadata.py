"""The metadata of a secret id, as its maker sends it.

Vault  Text that is a JSON object of strings, that object in base64, or `key=value` pairs
       between commas.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Final

import msgspec

from strongroom.base.errors import InputError

_EXPECTED: Final = 'a JSON object whose values are strings, such as {"team": "payments"}'
_decode: Final = msgspec.json.Decoder(dict[str, str]).decode


def parse_metadata(text: str) -> dict[str, str]:
    """Read metadata; InputError if it is none of the three."""
    stripped = text.strip()
    if not stripped:
        return {}
    for candidate in (stripped, _from_base64(stripped)):
        if candidate.startswith("{"):
            return _object(candidate)
    return _pairs(stripped)


def _object(text: str) -> dict[str, str]:
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise InputError("metadata", _EXPECTED) from None


def _from_base64(text: str) -> str:
    try:
        return b64decode(text, validate=True).decode().lstrip()
    except ValueError:
        return ""


def _pairs(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not all(key.strip() and equals for key, equals, _ in pairs):
        raise InputError("metadata", _EXPECTED)
    return {key.strip(): value.strip() for key, _, value in pairs}
