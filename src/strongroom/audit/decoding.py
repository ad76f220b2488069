"""A stored entry as what the contracts call one: who reads the log need not know its schema."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from strongroom.base.clock import parse_time
from strongroom.base.errors import InputError
from strongroom.sdk.facts.log import LogEntry

LIFECYCLE = 6002  # OCSF's Application Lifecycle
KINDS = {1: "user", 2: "admin", 3: "system", 4: "service"}  # OCSF's user types
_decode = msgspec.json.Decoder().decode


def decoded(index: int, leaf: bytes) -> LogEntry:
    """Return a leaf as an entry; one that is no JSON object is not readable."""
    try:
        event = _decode(leaf)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = None
    if not isinstance(event, dict):
        return LogEntry(index=index, readable=False)
    own = _part(event, "unmapped")
    actor, source = _part(event, "actor"), _part(event, "src_endpoint")
    user = _text(_part(actor, "user").get("uid")) or _text(own.get("actor"))
    lifecycle = own if event.get("class_uid") == LIFECYCLE else {}  # it has no place for a session
    own_act = user == "system" and "src_endpoint" not in event
    address = own.get("address") or ("strongroom" if own_act else None)
    return LogEntry(
        index=index,
        time=_time(own.get("time")),
        code=_text(_part(event, "metadata").get("event_code")) or "",
        operation=_text(own.get("operation")),
        path=_text(own.get("path")),
        actor=user,
        token=_text(_part(actor, "session").get("uid")) or _text(lifecycle.get("session")) or "",
        kind=_kind(_part(actor, "user").get("type_id") or _part(event, "user").get("type_id")),
        source=_text(source.get("ip") or source.get("name") or address),
        ok={1: True, 2: False}.get(event.get("status_id", 0)),
        reason=_text(event.get("status_detail")) or "",
        simulated=own.get("clock") == "simulated",
        version=_version(event),
        own=own,
    )


def _part(event: dict[str, Any], name: str) -> dict[str, Any]:
    found = event.get(name)
    return found if isinstance(found, dict) else {}


def _version(event: dict[str, Any]) -> int | None:
    resources = event.get("resources")
    first = resources[0] if isinstance(resources, list) and resources else None
    said = first.get("version") if isinstance(first, dict) else None
    if not isinstance(said, str) or not (said.isascii() and said.isdigit()):
        return None
    return int(said) if len(said) <= 20 else None


def _kind(value: object) -> str:
    return KINDS.get(value, "") if isinstance(value, int) else ""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _time(value: object) -> datetime | None:
    try:
        return parse_time(value, "time") if isinstance(value, str) else None
    except InputError:
        return None
