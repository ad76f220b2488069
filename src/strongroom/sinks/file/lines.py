r"""One entry as one line: the leaf's own JSON object, its place in the log put in front.

    {"_tlog":{"index":7,"leaf_hash":"<hex>","origin":"log.example"},"activity_id":2,...}\n

The members after `_tlog` are the leaf's bytes, untouched, so what reads the file sees a plain
OCSF event. The exact leaf is `{` and all that follows the first `},` (the place holds no `}`
of its own: one in the origin is written as `\u007d`), less the newline.

Specs   A leaf is compact JSON, so it has no raw newline; `leaf_hash` is SHA-256(0x00 || leaf).
Trust   Reading checks the hash against the bytes. Whoever can write the file can make up both:
        only the log's own proofs say that a line is an entry.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

import msgspec

from strongroom.base.errors import InputError
from strongroom.sdk.sink import Entry

START: Final = b'{"_tlog":{'


class _Place(msgspec.Struct, forbid_unknown_fields=True):
    index: int
    leaf_hash: str
    origin: str


_place = msgspec.json.Decoder(_Place).decode


def encode_line(origin: str, entry: Entry) -> bytes:
    """Return the line, newline included; InputError for a leaf that is no JSON object of a line."""
    if not entry.leaf.startswith(b'{"') or not entry.leaf.endswith(b"}") or b"\n" in entry.leaf:
        raise InputError("leaf", "not a JSON object on one line")
    place = _Place(index=entry.index, leaf_hash=entry.digest.hex(), origin=origin)
    written = msgspec.json.encode(place)[:-1].replace(b"}", b"\\u007d")
    return b'{"_tlog":' + written + b"}," + entry.leaf[1:] + b"\n"


def decode_line(line: bytes) -> tuple[str, Entry]:
    """Return origin and entry of a line; InputError if it is none, or its hash is another's."""
    head, comma, rest = line.removesuffix(b"\n").partition(b"},")
    if not comma or not head.startswith(START):
        raise InputError("line", "not an entry of a log")
    try:
        place = _place(head.removeprefix(b'{"_tlog":') + b"}")
        digest = bytes.fromhex(place.leaf_hash)
    except ValueError:
        raise InputError("line", "its place in the log cannot be read") from None
    leaf = b"{" + rest
    if not hmac.compare_digest(sha256(b"\0" + leaf).digest(), digest):
        raise InputError("line", "the leaf does not have the hash that the line says")
    return place.origin, Entry(place.index, leaf, digest)
