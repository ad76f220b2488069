"""Access reviews: the words of their lines, and the one written form that their root is over.

Form    A line is one object of canonical JSON: names sorted, no white space, UTF-8, times in
        RFC 3339. The root is that of the RFC 6962 tree over the lines, in the order of their
        numbers; the entry of the start has it, so that nobody can leave a line out afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final

PEOPLE, WORKLOADS = "people", "workloads"
KINDS: Final = (PEOPLE, WORKLOADS)
KEEP, REVOKE, DEFER, ESCALATE = "keep", "revoke", "defer", "escalate"
VERDICTS: Final = (KEEP, REVOKE, DEFER, ESCALATE)

POLICY, GROUP, DIRECTORY, GRANT, TOKEN, LOGIN = (
    "policy",
    "group",
    "directory",
    "grant",
    "token",
    "login",
)
GRANT_KINDS: Final = (POLICY, GROUP, DIRECTORY, GRANT, TOKEN, LOGIN)
EXECUTABLE: Final = (POLICY, GROUP, GRANT, TOKEN)  # the others are ended where they are made

ORPHANED, DORMANT, EXCESSIVE, PRIVILEGED = "orphaned", "dormant", "excessive", "privileged"
CONFLICT, NEW, ENDED, SHARED = "duty_conflict", "new", "contractor_ended", "shared"
UNUSED, UNJUSTIFIED, UNREADABLE = "never_used", "no_justification", "unreadable"
FLAGS: Final = (
    *(ORPHANED, DORMANT, EXCESSIVE, PRIVILEGED, CONFLICT, NEW, ENDED, SHARED),
    *(UNUSED, UNJUSTIFIED, UNREADABLE),
)
# What `keep` has to say why of; that something is new is no reason to ask.
SUSPECT: Final = frozenset({*FLAGS} - {NEW})

WAITING, REFUSED, COVERED, ALLOWED, NOTHING = "waiting", "refused", "covered", "allowed", "nothing"
PROOFS: Final = ("", WAITING, REFUSED, COVERED, ALLOWED, NOTHING)
PROVEN: Final = frozenset({REFUSED, COVERED, NOTHING})

STARTED, DECIDED, SIGNED = "review.start", "review.decide", "review.sign_off"
PROBED, EXPIRED = "review.probe", "review.defer_over"
MISSED: Final = "review.missed"


def line_bytes(fields: Mapping[str, object]) -> bytes:
    """Return the one written form of a line."""
    return json.dumps(
        fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def root_over(lines: Iterable[Mapping[str, object]]) -> str:
    """Return the root over lines in the order of their numbers, in hexadecimal."""
    row = [sha256(b"\0" + line_bytes(each)).digest() for each in lines]
    if not row:
        return sha256(b"").hexdigest()
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []
        pairs = zip(row[::2], row[1::2], strict=False)
        row = [*(sha256(b"\1" + left + right).digest() for left, right in pairs), *odd]
    return row[0].hex()


def quarter_of(moment: datetime) -> str:
    """Return the quarter of a moment, as "2026-Q1"."""
    return f"{moment.year}-Q{(moment.month + 2) // 3}"
