"""Secret ids of a role: issued, spent, looked up, destroyed, tidied away.

Vault   A secret id's uses, life and networks may be tighter than its role's, never wider. Its
        life is capped by the mount's, and is the mount's where nobody says one: each has an end,
        but those of before. One that is spent or expired is as good as unknown.
Order   The last use deletes the rows in the transaction of its login, so a secret id that is
        good for one login gives one, however many try at once.
Limits  Tidying removes at most `AT_ONCE` secret ids a request, oldest expiry first, so that it
        never holds a transaction long; the reply says whether more are due.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from strongroom.auth.approle.metadata import parse_metadata
from strongroom.auth.approle.records import (
    Role,
    SecretId,
    accessor_key,
    digest_of,
    expiry_key,
    maker_key,
    secret_key,
)
from strongroom.auth.approle.roles import capped_by, new_id
from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.network import admits, covers, few_enough, parse_network
from strongroom.base.secret import Secret
from strongroom.sdk.auth import ZERO
from strongroom.sdk.engine import Call, Reply, Touched

AT_ONCE: Final = 1_000
LONGEST: Final = 4_096
NEVER: Final = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What was asked of a secret id; None is the role's own."""

    metadata: str = ""
    cidr_list: tuple[str, ...] = ()
    token_bound_cidrs: tuple[str, ...] = ()
    num_uses: int | None = None
    ttl: timedelta | None = None


async def issue(call: Call, role: Role, terms: Terms, chosen: Secret | None = None) -> Reply:
    """Make a secret id, or take the chosen one; the reply is the only place that ever shows it."""
    if not role.bind_secret_id:
        raise InputError("", "bind_secret_id is not set on the role")
    secret = Secret(new_id(call)) if chosen is None else _usable(chosen)
    digest = digest_of(call, secret)
    if await find(call, role, digest):
        raise InputError("secret_id", "already registered")
    kept = _on_terms(call, role, terms)
    fingerprint = bytes.fromhex(digest)
    await call.store.put(secret_key(role, digest), kept, fingerprint=fingerprint)
    await call.store.put(accessor_key(role, kept.accessor), digest)
    if kept.expires:
        await call.store.put(expiry_key(role, digest, kept.expires), kept.accessor)
    for maker in kept.makers:
        await call.store.put(maker_key(maker, role.uid, digest), value=True)
    data = {
        "secret_id": secret,
        "secret_id_accessor": kept.accessor,
        "secret_id_num_uses": kept.num_uses,
        "secret_id_ttl": int(kept.ttl.total_seconds()),
    }
    return Reply(data, touched=Touched(fingerprint=fingerprint))


async def spend(call: Call, role: Role, secret: Secret) -> SecretId | None:
    """Take one use of a secret id; None if it is unknown, expired, spent, or not for there."""
    digest = digest_of(call, secret)
    kept = await find(call, role, digest)
    if kept is None or not kept.lives(call.now) or not admits(kept.cidr_list, call.address):
        return None
    if kept.num_uses == 1:
        await destroy(call, role, digest, kept)
    elif kept.num_uses:
        left = replace(kept, num_uses=kept.num_uses - 1, updated=call.now)
        await call.store.put(secret_key(role, digest), left, fingerprint=bytes.fromhex(digest))
    return kept


async def find(call: Call, role: Role, digest: str) -> SecretId | None:
    """Return a secret id of this role, expired or not, or None."""
    held = await call.store.find(secret_key(role, digest), SecretId)
    return held.value if held else None


async def digest_by_accessor(call: Call, role: Role, accessor: str) -> str:
    """Return the digest behind an accessor; NotFoundError if there is none."""
    held = await call.store.find(accessor_key(role, accessor), str)
    if held is None:
        said = "failed to find accessor entry for secret_id_accessor"
        raise NotFoundError(said, data={"error": said})
    return held.value


async def destroy(call: Call, role: Role, digest: str, kept: SecretId) -> None:
    """Delete a secret id and what points to it."""
    await call.store.delete(secret_key(role, digest))
    await call.store.delete(accessor_key(role, kept.accessor))
    if kept.expires:
        await call.store.delete(expiry_key(role, digest, kept.expires))
    await _forget_makers(call, role.uid, digest, kept)


async def _forget_makers(call: Call, uid: str, digest: str, kept: SecretId) -> None:
    for maker in kept.makers:
        await call.store.delete(maker_key(maker, uid, digest))


async def handed(call: Call, role: Role, digest: str) -> None:
    """Keep that more entities have a secret id, as if they had made it."""
    kept = await find(call, role, digest)
    if kept is None:
        return
    makers = tuple(dict.fromkeys((*kept.makers, *call.makers)))
    if makers != kept.makers:
        more = replace(kept, makers=makers)
        await call.store.put(secret_key(role, digest), more, fingerprint=bytes.fromhex(digest))
        for maker in makers:
            await call.store.put(maker_key(maker, role.uid, digest), value=True)


async def made_by(call: Call, maker: str) -> list[tuple[str, str, SecretId]]:
    """Return the secret ids that somebody made: uid of the role, digest, and what is kept."""
    found: list[tuple[str, str, SecretId]] = []
    for name in await call.store.keys(f"maker/{maker}/"):
        uid, _, digest = name.partition("/")
        held = await call.store.find(f"secret/{uid}/{digest}", SecretId)
        if held is not None:
            found.append((uid, digest, held.value))
    return found


async def destroy_made_by(call: Call, maker: str) -> int:
    """Destroy what somebody made, whatever it is for; return how many there were."""
    found = await made_by(call, maker)
    for uid, digest, kept in found:
        await call.store.delete(f"secret/{uid}/{digest}")
        await call.store.delete(f"accessor/{uid}/{kept.accessor}")
        await _forget_makers(call, uid, digest, kept)  # the row of its end points nowhere then
    return len(found)


def shown(kept: SecretId) -> dict[str, Any]:
    """Return what a lookup says; neither the secret id nor its digest."""
    return {
        "cidr_list": list(kept.cidr_list),
        "creation_time": rfc3339(kept.created),
        "expiration_time": rfc3339(kept.expires) if kept.expires else NEVER,
        "last_updated_time": rfc3339(kept.updated),
        "metadata": kept.metadata,
        "secret_id_accessor": kept.accessor,
        "secret_id_num_uses": kept.num_uses,
        "secret_id_ttl": int(kept.ttl.total_seconds()),
        "token_bound_cidrs": list(kept.token_bound_cidrs),
    }


async def drop_all(call: Call, uid: str, most: int) -> int:
    """Delete up to `most` secret ids of a role that is gone; mark the role if more are left.

    Rows of expiry stay until they are due; they point nowhere by then.
    """
    dropped = 0
    for kind in ("secret", "accessor"):
        for name in await call.store.keys(f"{kind}/{uid}/", limit=most):
            if kind == "secret" and (
                held := await call.store.find(f"{kind}/{uid}/{name}", SecretId)
            ):
                await _forget_makers(call, uid, name, held.value)
            await call.store.delete(f"{kind}/{uid}/{name}")
            dropped += kind == "secret"
    if await call.store.keys(f"secret/{uid}/", limit=1):
        await call.store.put(f"gone/{uid}", value=True)
    else:
        await call.store.delete(f"gone/{uid}")
    return dropped


async def tidy(call: Call, most: int) -> Reply:
    """Remove expired secret ids, then those of deleted roles, up to `most` in all."""
    removed = await _drop_expired(call, most)
    for uid in await call.store.keys("gone/", limit=most):
        if removed < most:
            removed += await drop_all(call, uid, most - removed)
    more = " More are due: call it again." if removed >= most else ""
    return Reply(status=202, warnings=(f"Removed {removed} secret ids that had ended.{more}",))


async def _drop_expired(call: Call, most: int) -> int:
    dropped = 0
    for due in await call.store.keys("expiry/", limit=most):
        stamp, uid, digest = due.split("/")
        if int(stamp) > call.now.timestamp():
            break
        accessor = await call.store.fetch(f"expiry/{due}", str)
        if held := await call.store.find(f"secret/{uid}/{digest}", SecretId):
            await _forget_makers(call, uid, digest, held.value)
        await call.store.delete(f"secret/{uid}/{digest}")
        await call.store.delete(f"accessor/{uid}/{accessor}")
        await call.store.delete(f"expiry/{due}")
        dropped += 1
    return dropped


def _usable(chosen: Secret) -> Secret:
    if not chosen.reveal():
        raise InputError("", "missing secret_id")
    if len(chosen.reveal()) > LONGEST:
        raise InputError("secret_id", f"longer than {LONGEST:,} bytes")
    return chosen


def _on_terms(call: Call, role: Role, terms: Terms) -> SecretId:
    ttl = _life(call, role, terms.ttl)
    return SecretId(
        accessor=new_id(call),
        created=call.now,
        updated=call.now,
        expires=call.now + ttl if ttl else None,
        ttl=ttl,
        num_uses=_uses(role, terms.num_uses),
        cidr_list=_networks("cidr_list", terms.cidr_list, role.secret_id_bound_cidrs),
        token_bound_cidrs=_networks(
            "token_bound_cidrs", terms.token_bound_cidrs, role.token_bound_cidrs
        ),
        metadata=parse_metadata(terms.metadata),
        makers=call.makers,
    )


def _life(call: Call, role: Role, asked: timedelta | None) -> timedelta:
    ttl = role.secret_id_ttl if asked is None else asked
    if role.secret_id_ttl and (ttl == ZERO or ttl > role.secret_id_ttl):
        raise InputError("", "ttl cannot be longer than the role's secret_id_ttl")
    if ttl > call.mount.max_ttl or asked == ZERO:
        call.warnings.append(capped_by(call.mount, "ttl"))
    return min(ttl or call.mount.max_ttl, call.mount.max_ttl)


def _uses(role: Role, asked: int | None) -> int:
    if asked is None:
        return role.secret_id_num_uses
    if asked < 0:
        raise InputError("", "num_uses cannot be negative")
    if role.secret_id_num_uses and (asked == 0 or asked > role.secret_id_num_uses):
        raise InputError("", "num_uses cannot be higher than the role's secret_id_num_uses")
    return asked


def _networks(field: str, asked: tuple[str, ...], of_role: tuple[str, ...]) -> tuple[str, ...]:
    few_enough(asked, field)
    for each in asked:
        parse_network(each, field, bare=False)
    if of_role and not covers(of_role, asked):
        raise InputError(field, "not within the networks of the role")
    return asked
