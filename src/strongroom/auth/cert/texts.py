"""The text in a certificate's extension: one ASN.1 string, as DER, and nothing behind it.

Specs  X.690 for DER; the string types of RFC 5280's DirectoryString, and IA5String.
Trust  Any bytes may come. What is not exactly one string of these types is no text.
"""

from __future__ import annotations

from typing import Final

LONGEST: Final = 4_096  # bytes
_CODECS: Final = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as everybody reads it
    0x16: "ascii",  # IA5String
    0x1E: "utf-16-be",  # BMPString
}
_LONG_FORM: Final = 0x80


def text_of(der: bytes) -> str | None:
    """Return the text, or None where there is none."""
    if len(der) < 2 or len(der) > LONGEST or der[0] not in _CODECS:
        return None
    length, start = der[1], 2
    if length & _LONG_FORM:
        start += length & ~_LONG_FORM
        length = int.from_bytes(der[2:start], "big")
        if start == 2 or start > len(der) or der[2] == 0 or length < _LONG_FORM:
            return None  # not the shortest form, so not DER
    if len(der) != start + length:
        return None
    try:
        return der[start:].decode(_CODECS[der[0]])
    except UnicodeDecodeError:
        return None
