"""How a value becomes the bytes that the barrier encrypts, and back.

MessagePack, since it carries bytes as they are: a `Secret` and a `Json` cost one copy, and a
`Json` is neither parsed on its way in nor on its way out.

Specs  MessagePack. Dataclasses are maps by field name, so that a later version reads an older
       row: unknown fields are ignored and missing ones take their defaults. A field that is
       renamed or changes its type needs a migration.
Units  Moments come back in UTC; durations are exact to the microsecond.
Trust  What comes out here was authenticated by the barrier, and secrets are in clear: nothing of
       a value is ever in an error. Types are kept where the class declares them; inside a field
       of type `object` a secret would come back as bytes, so `encode` refuses none and the
       declaration must be right.
Order  A first byte of 0xC1, which MessagePack never uses, is kept for a format after this one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import msgspec

from strongroom.base.secret import Secret
from strongroom.sdk.engine import Json

Value = TypeVar("Value")


class CodecError(ValueError):
    """A value that cannot be stored, or stored bytes that are not the type asked for."""


def encode(value: object) -> bytes:
    """Return the bytes to store. Raises CodecError for a type that is not stored."""
    try:
        return _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        problem = f"a {type(value).__name__} holds what cannot be stored"
    raise CodecError(problem)


def decode(data: bytes, kind: type[Value]) -> Value:
    """Return the value that was stored. Raises CodecError if it is no `kind`."""
    try:
        found: Value = _decoder(kind)(data)  # type: ignore[arg-type]  # a class has a hash
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, CodecError):
        problem = f"what is stored is no {kind}"
    else:
        return found
    raise CodecError(problem)


def _pack(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Json):
        return value.raw
    raise TypeError(f"{type(value).__name__} is not stored")


def _unpack(kind: type, value: object) -> object:
    if kind is object:
        return value
    if isinstance(value, bytes):
        if kind is Secret:
            return Secret(value)
        if kind is Json:
            return Json(value)
    raise CodecError(f"{kind} is not stored")


_encode = msgspec.msgpack.Encoder(enc_hook=_pack).encode


@cache
def _decoder(kind: Any) -> Callable[[bytes], Any]:
    return msgspec.msgpack.Decoder(kind, dec_hook=_unpack).decode
