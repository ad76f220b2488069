"""JSON in one written form, so that a digest of it can be checked by anybody.

Form    Names sorted, no white space, UTF-8; what Python's `json.dumps` gives with `sort_keys`,
        `separators=(",", ":")` and `ensure_ascii=False`. No floats.
"""

from __future__ import annotations

import json
from hashlib import sha256


def canonical(value: object) -> bytes:
    """Return the one written form of a value."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return sha256(data).hexdigest()
