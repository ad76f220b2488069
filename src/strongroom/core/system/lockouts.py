"""`sys/locked-users`: who is locked out after failed logins, and letting them in again.

Vault   Subjects are shown by mount accessor; a subject is the name that was tried.
Trust   A list of names that somebody tried: some are no user's, and may be a mistyped password.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from strongroom.core.login import tried
from strongroom.core.records import MOUNTS
from strongroom.core.request import SystemCall
from strongroom.identity.records import LOCKOUTS
from strongroom.sdk.engine import Endpoint, Help, Reply, Route


@dataclass(frozen=True, kw_only=True)
class OfMount:
    """Of which mount."""

    mount_accessor: Annotated[str, Help("Only of the mount with this accessor.")] = ""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who."""

    mount_accessor: Annotated[str, Help("Accessor of the auth mount.", most=512)]
    alias_identifier: Annotated[str, Help("The name that was tried.", most=512)]


class LockoutRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        return (
            Route(
                path="locked-users",
                summary="Who is locked out.",
                read=Endpoint(OfMount, self.locked, "lockout.list"),
            ),
            Route(
                path="locked-users/{mount_accessor}/unlock/{alias_identifier}",
                summary="Let somebody in again.",
                write=Endpoint(Subject, self.unlock, "lockout.unlock"),
            ),
        )

    async def locked(self, call: SystemCall, given: OfMount) -> Reply:
        tx = call.transaction
        accessors = {row.uuid: row.accessor for row in (await tx.examine(MOUNTS))[0]}
        found: dict[str, list[str]] = {}
        if given.mount_accessor:
            found[given.mount_accessor] = []
        for row in await tx.all(LOCKOUTS):
            accessor = accessors.get(row.mount, "")
            if row.locked_until is None or row.locked_until <= call.now:
                continue
            if given.mount_accessor in ("", accessor):
                found.setdefault(accessor, []).append(row.name)
        total = sum(map(len, found.values()))
        mounts = [
            {"mount_accessor": accessor, "counts": len(subjects), "alias_identifiers": subjects}
            for accessor, subjects in sorted(found.items())
        ]
        root = {
            "namespace_id": "root",
            "namespace_path": "",
            "counts": total,
            "mount_accessors": mounts,
        }
        return Reply({"by_namespace": [root], "total": total})

    async def unlock(self, call: SystemCall, given: Subject) -> None:
        """Forget the failed logins of a subject. One that has none is done."""
        tx = call.transaction
        for mount in await tx.all(MOUNTS, accessor=given.mount_accessor):
            key = tried(tx.barrier, given.alias_identifier)
            row = await tx.get(LOCKOUTS, mount.uuid, key)
            if row is not None:
                tx.delete(LOCKOUTS, mount.uuid, key)
                call.details |= {"mount": mount.path, "failures": row.failures}
