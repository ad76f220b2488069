"""Duties that one person should not have together: who sets policies does not keep the log.

    policies   who may change what decides what others may do
    audit      who may change what is written down of them, or what is made of it

Spec    NIST SP 800-53 AC-5, AU-9(4). Nothing of a server's log can be deleted through it; that
        somebody was granted it all the same is said, since a sink, or a later server, may.
"""

from __future__ import annotations

from typing import Final

POLICIES, AUDIT = "policies", "audit"
AREAS: Final = {
    POLICIES: (
        "sys/policy/*",
        "sys/policies/*",
        "strongroom/environments/*",
        "strongroom/approval-rules/*",
        "strongroom/change-rules/*",
    ),
    AUDIT: ("sys/audit/*", "sys/config/auditing/*"),
}
THE_LOG: Final = ("strongroom/log/*", "sys/audit/*")
