"""Leases: what replies hand out and what is taken back at the end.

Vault   A lease's id is the path that made it and a random part.
Ends    What was given by a grant alone ends with it at the latest, however it is renewed.
Trust   A lease's data (what revoking needs) is sealed in the database.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from strongroom.core.attempt import Attempt
from strongroom.core.records import LEASES, LeaseRow
from strongroom.sdk.engine import Reply


@dataclass(frozen=True, slots=True)
class Failing:
    """A lease that could not be taken back yet: it is tried again, and never dropped."""

    attempts: int
    next_at: datetime
    reason: str


class Leases:
    """Grants leases inside a transaction; `core.system.leases` looks them up, renews, revokes."""

    def grant(self, attempt: Attempt, reply: Reply, entropy: Callable[[int], bytes]) -> Reply:
        """Store the reply's lease and name it in the envelope."""
        lease = reply.lease
        if lease is None:
            return reply
        (live, _), incoming, now = attempt.serving, attempt.incoming, attempt.now
        session = attempt.session
        max_ttl = min(lease.max_ttl or live.mounted.max_ttl, live.mounted.max_ttl)
        if attempt.granted_until is not None:
            max_ttl = min(max_ttl, attempt.granted_until - now)
        ttl = min(lease.ttl or live.mounted.default_ttl, max_ttl)
        part = b32encode(entropy(15)).decode().lower()
        row = LeaseRow(
            id=f"{incoming.path}/{part}",
            token=session.token.lookup if session else b"",
            mount=live.row.uuid,
            path=incoming.path,
            issued_at=now,
            renewed_at=None,
            expires_at=now + ttl,
            max_at=now + max_ttl,
            renewable=lease.renewable,
            data=dict(lease.data),
        )
        attempt.transaction.put(LEASES, row)
        fields = {
            "lease_id": row.id,
            "renewable": row.renewable,
            "lease_duration": int(ttl.total_seconds()),
        }
        return reply._replace(fields={**(reply.fields or {}), **fields})
