"""Replies as the bytes of Vault's JSON envelope.

Vault  `{"request_id", "lease_id", "renewable", "lease_duration", "data", "wrap_info",
       "warnings", "auth"}`; some `sys` endpoints answer a bare object instead.
Units  Moments are written as RFC 3339. Durations are the handler's to write, as seconds or text.
Trust  Here, and only here, a `Secret` is revealed on its way to the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from strongroom.base.secret import Secret
from strongroom.sdk.engine import Json, Reply


def _plain(value: Any) -> Any:
    if isinstance(value, Json):
        return msgspec.Raw(value.raw)
    if isinstance(value, Secret):
        return value.text()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} in a reply")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


class Envelope(msgspec.Struct):
    """Vault's, in its order."""

    request_id: str
    lease_id: str = ""
    renewable: bool = False
    lease_duration: int = 0
    data: Any = None
    wrap_info: Any = None
    warnings: list[str] | None = None
    auth: Any = None


def envelope(request_id: str, reply: Reply, warnings: list[str]) -> bytes:
    """Encode a reply. `reply.fields` overrides the envelope's own fields and may add others."""
    if reply.raw is not None:
        return reply.raw
    if reply.bare:
        return _encode(reply.data or {})
    said = [*reply.warnings, *warnings]
    body = Envelope(request_id, data=reply.data, warnings=said or None)
    if not reply.fields:
        return _encode(body)
    whole = msgspec.structs.asdict(body) | dict(reply.fields)
    return _encode(whole)


def errors(*messages: str, data: object = None, warnings: list[str] | None = None) -> bytes:
    """Encode an error reply."""
    body: dict[str, object] = {"errors": [m for m in messages if m]}
    if data is not None:
        body["data"] = data
    if warnings:
        body["warnings"] = warnings
    return _encode(body)


def not_found(request_id: str, data: object) -> bytes:
    """Encode a 404 that has a body, as Vault does for a deleted version of a secret."""
    return _encode(Envelope(request_id, data=data))
