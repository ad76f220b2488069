"""Entries of changes, for histories of T80 and T81."""

from __future__ import annotations

from typing import Any

from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import entry

PATH = "sys/policies/acl/billing"
RULE = entry(
    1,
    "change_rule.write",
    on=-9,
    operation="update",
    path="strongroom/change-rules/admin",
    rule="admin",
    areas=["policies"],
    paths=[],
    operations=[],
    enabled=True,
)
PROPOSED: dict[str, Any] = {
    "proposal": "c-1",
    "requesters": ["ann"],
    "reason_given": True,
    "difference": "d",
    "digests": ["x"],
    "holidays": [],
}


def proposed(index: int = 2, code: str = "change.propose", **more: Any) -> LogEntry:
    given: dict[str, Any] = {"on": 1, "actor": "ann", **PROPOSED, **more}
    return entry(index, code, operation="update", path="strongroom/changes", **given)


def approved(index: int = 3, actor: str = "bob", **more: Any) -> LogEntry:
    given: dict[str, Any] = {
        "proposal": "c-1",
        "approvers": [actor],
        "digests": ["x"],
        "state": "approved",
        "on": 2,
        **more,
    }
    path = "strongroom/changes/c-1/approve"
    return entry(index, "change.approve", actor=actor, operation="update", path=path, **given)


def write(index: int = 4, **more: Any) -> LogEntry:
    given: dict[str, Any] = {
        "rules": ["admin#sys/*"],
        "change": "c-1",
        "change_digest": "x",
        "on": 3,
        "operation": "update",
        **more,
    }
    return entry(index, "policy.write", path=PATH, **given)
