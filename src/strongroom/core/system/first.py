"""What a new server begins with: its first mounts and the policies that tokens have by default."""

from __future__ import annotations

from datetime import timedelta

from strongroom.core.login import uuid_of
from strongroom.core.records import MOUNTS, Mount
from strongroom.core.request import SystemCall
from strongroom.identity.environments import put_roll
from strongroom.identity.records import (
    POLICIES,
    POLICY_VERSIONS,
    PolicyVersion,
    StoredPolicy,
)
from strongroom.identity.tokens import CUBBYHOLE

DEFAULT = """\
# What every token may do unless it says otherwise: look after itself.
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "identity/entity/id/{{identity.entity.id}}" { capabilities = ["read"] }
path "identity/entity/name/{{identity.entity.name}}" { capabilities = ["read"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
path "sys/renew" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
path "sys/tools/hash" { capabilities = ["update"] }
path "sys/tools/hash/*" { capabilities = ["update"] }
path "strongroom/access/self" { capabilities = ["read"] }
path "strongroom/sessions" { capabilities = ["create", "update", "list"] }
path "strongroom/sessions/id/*" { capabilities = ["delete"] }
path "strongroom/step-up" { capabilities = ["create", "update"] }
path "strongroom/factors" { capabilities = ["list"] }
path "strongroom/factors/challenge" { capabilities = ["create", "update"] }
path "strongroom/factors/recovery" { capabilities = ["create", "update"] }
path "strongroom/factors/totp/*" { capabilities = ["create", "update"] }
path "strongroom/factors/webauthn/*" { capabilities = ["create", "update"] }
path "strongroom/factors/+/delete" { capabilities = ["create", "update"] }
"""

WRAPPING = """\
# What a wrapping token may do: be opened.
path "cubbyhole/response" { capabilities = ["create", "read"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
"""


async def first_rows(call: SystemCall) -> None:
    """Store them, in the transaction of `sys/init`."""
    tx = call.transaction
    for name, text in (("default", DEFAULT), ("response-wrapping", WRAPPING)):
        tx.put(
            POLICIES,
            StoredPolicy(name=name, version=1, text=text, options={}, modified_at=call.now),
        )
        tx.put(
            POLICY_VERSIONS,
            PolicyVersion(
                name=name, version=1, text=text, changed_at=call.now, changed_by="system"
            ),
        )
    tx.put(MOUNTS, cubbyhole(call))
    put_roll(tx, {})
    tx.changed("mounts")


def cubbyhole(call: SystemCall) -> Mount:
    """Return the row of the mount that every token has a part of."""
    about = "per-token private secret storage"
    return new_mount(call, "cubbyhole/", "cubbyhole", about, uuid=CUBBYHOLE)


def new_mount(  # noqa: PLR0913 - each is one fact of a mount
    call: SystemCall,
    path: str,
    kind: str,
    description: str = "",
    *,
    options: dict[str, str] | None = None,
    config: dict[str, object] | None = None,
    default_ttl: timedelta = timedelta(0),
    max_ttl: timedelta = timedelta(0),
    uuid: str = "",
) -> Mount:
    """Return the row of a new mount, with an accessor that never changes."""
    prefix = f"auth_{kind}" if path.startswith("auth/") else kind
    return Mount(
        path=path,
        uuid=uuid or uuid_of(call.entropy(16)),
        accessor=f"{prefix}_{call.entropy(4).hex()}",
        kind=kind,
        description=description,
        options=options or {},
        config=config or {},
        default_ttl=default_ttl,
        max_ttl=max_ttl,
        created_at=call.now,
    )
