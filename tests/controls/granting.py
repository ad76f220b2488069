"""Entries of requests, approvals, grants and reads, for short histories."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from strongroom.base.clock import rfc3339
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import day, entry

HOUR = timedelta(hours=1)
ASKED = entry(1, "access_request.ask", actor="ann", proposal="p", revision=1, requesters=["ann"])
PLACE = {"count": 1, "groups": ["dba"], "rule": "r", "by": ["bob"]}


def approval(index: int = 2, actor: str = "bob", **more: Any) -> LogEntry:
    given: dict[str, Any] = {"proposal": "p", "revision": 1, "actor": actor, **more}
    return entry(index, "access_request.approve", on=2, **given)


def granting(index: int = 2, hours: float = 1, **more: Any) -> LogEntry:
    end = day(2) + hours * HOUR
    own: dict[str, Any] = {
        "grant": "g",
        "granted_to": "ann",
        "begins": rfc3339(day(2)),
        "ends": rfc3339(end),
        "longest_seconds": 8 * 3600,
        "places": [PLACE],
        "state": "approved",
        **more,
    }
    return approval(index, **own)


def read(index: int = 5, hours: float = 0.5, **more: Any) -> LogEntry:
    given: dict[str, Any] = {
        "actor": "ann",
        "kind": "user",
        "path": "secret/prod/db",
        "rules": ["grant/g#secret/prod/db"],
        **more,
    }
    made = entry(index, "secret.read", **given)
    return replace(made, time=day(2) + hours * HOUR)


ENDED = entry(4, "grant.end", on=2, grant="g", ended_at=rfc3339(day(2)))
