"""Names as a directory compares them: what a person may type, and distinguished names.

Specs   RFC 4514 (distinguished names as text), RFC 4518 (how names are prepared).
Trust   A directory takes many texts for one name: of either case, with spaces around, in wide
        letters, with characters between that do not show. A name that is not in its plain form is
        nobody's here, so that a person has one count of failed logins. In a distinguished name
        every byte that is not an ASCII letter or digit is escaped.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import normalize

LONGEST: Final = 256  # characters
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_PAIR = re.compile(rb"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)
_TYPE = re.compile(rb"\s*([A-Za-z][A-Za-z0-9-]*|[0-9.]+)\s*=\s*")
_VALUE = re.compile(rb"(?:\\.|[^\\,+;\"])*", re.DOTALL)


def composed(name: str) -> str:
    """Return a name as it is composed (NFC), whichever way it was typed."""
    return normalize("NFC", name)


def is_plain(name: str) -> bool:
    """Say whether a name is in the one form that is taken, but for case."""
    return (
        0 < len(name) <= LONGEST
        and name.isprintable()
        and normalize("NFKC", name) == name
        and " ".join(name.split()) == name
    )


def escaped(value: str) -> str:
    """Return a value as it may stand in a distinguished name."""
    return "".join(chr(b) if b in _PLAIN else f"\\{b:02x}" for b in value.encode())


def common_name(name: str) -> str | None:
    """Return the first `cn` of a distinguished name; None if it is none, or has no such part."""
    data, at = name.encode("utf-8", "surrogatepass"), 0
    found: bytes | None = None
    while at < len(data):
        head = _TYPE.match(data, at)
        if head is None:
            return None
        value = _VALUE.match(data, head.end())
        end = value.end() if value else head.end()
        if found is None and head[1].lower() in (b"cn", b"2.5.4.3"):
            found = data[head.end() : end]
        if end < len(data) and data[end : end + 1] not in (b",", b"+", b";"):
            return None
        at = end + 1
    if found is None or not found:
        return None
    plain = _PAIR.sub(lambda pair: bytes.fromhex(pair[1].decode()) if pair[1] else pair[2], found)
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return None
