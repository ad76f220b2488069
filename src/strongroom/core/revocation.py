"""Taking back what was handed out: leases through their engines, tokens of a mount or a path.

Order   A lease is revoked at the outside system first, and its row goes with the entry that says
        so: a crash between them revokes twice, which is once (`sdk.engine.Revoking`). One that
        cannot be revoked is tried again, later each time, for ever; each try is an entry.
        Whole mounts and prefixes are ended with one statement, and cleared away behind it.
Trust   What has ended is refused from the commit on, whether or not it has been cleared away.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from strongroom.base.errors import StrongroomError, UpstreamError
from strongroom.core.leases import Failing
from strongroom.core.records import LEASES, MOUNTS, LeaseRow, Mount
from strongroom.identity.entrances import ENTRANCES
from strongroom.identity.groups import forget_mount
from strongroom.identity.records import ALIASES, LOCKOUTS, TOKENS, Token
from strongroom.identity.sign_ins import SIGN_INS
from strongroom.identity.sign_ins import over as sessions_over
from strongroom.identity.tokens import changed, remove
from strongroom.sdk.engine import Call
from strongroom.storage.guard import Broken
from strongroom.storage.records import CELLS
from strongroom.storage.register import micros
from strongroom.storage.store import MountStore, upper
from strongroom.storage.transaction import Stamp, Transaction

if TYPE_CHECKING:
    from strongroom.core.attempt import Attempt
    from strongroom.core.server import Server
    from strongroom.core.views import Live

BATCH: Final = 100
AT_ONCE: Final = 25  # leases, each with an entry of its own: they share commits
LONGEST_WAIT: Final = timedelta(hours=1)
MILLISECOND: Final = timedelta(milliseconds=1)
TOKENS_AT: Final = f"{TOKENS.select} WHERE path = ? OR (path >= ? AND path < ?)"
END_LEASES: Final = "UPDATE lease SET expires_at = ?, entry = ? WHERE {which} AND expires_at > ?"
_logger = logging.getLogger("strongroom")


# -- ending many at once -----------------------------------------------------------------------


async def expire_tokens(tx: Transaction, row: Mount, now: datetime) -> None:
    """End every token that a mount made, and all below them."""
    tokens, broken = await tx.examine(TOKENS, mount=row.uuid)
    await remove(tx, changed(broken), now)
    await _end(tx, tokens, now)


async def end_sessions(server: Server, batch: int) -> int:
    """Revoke the tokens of sessions whose limits have come, with all below them. One entry."""
    tx = Transaction(server.database, server.barrier)
    if not await sessions_over(tx, server.clock.now(), batch):
        return 0
    count = 0

    async def work(attempt: Attempt) -> bool:
        nonlocal count
        tx, ended = attempt.transaction, []
        for each in await sessions_over(tx, attempt.now, batch):
            current = await tx.get(SIGN_INS, each.lookup)
            if current is not None and current.over(attempt.now):
                await remove(tx, [current.lookup], attempt.now)
                ended.append(current.id)
        attempt.details, count = {"sessions": ended}, len(ended)
        return bool(ended)

    await server.pipeline.act("session.expire", "strongroom/sessions", work)
    return count


async def _end(tx: Transaction, tokens: list[Token], now: datetime) -> None:
    """Let tokens and what is below them be over now; the expirer removes them, on record.

    One whose row was changed cannot be given an end: it is removed here, with all below it.
    """
    edge, seen = tokens, set[bytes]()
    while edge:
        below: list[Token] = []
        for token in edge:
            seen.add(token.lookup)
            if token.expires_at is None or token.expires_at > now:
                tx.put(TOKENS, replace(token, expires_at=now))
            children, broken = await tx.examine(TOKENS, parent=token.lookup)
            await remove(tx, changed(broken), now)
            below += children
        edge = [token for token in below if token.lookup not in seen]
    tx.changed("tokens")


def expire_leases(tx: Transaction, row: Mount, now: datetime) -> None:
    """End every lease that a mount gave."""
    at = micros(now)
    tx.run(END_LEASES.format(which="mount = ?"), (at, Stamp.ENTRY, row.uuid, at), stamped=True)


async def expire_below(tx: Transaction, prefix: str, now: datetime) -> None:
    """End the leases and tokens made at the path `prefix`, which ends in a slash, or below it."""
    at, end = micros(now), upper(prefix)
    rows = await tx.scan(TOKENS_AT, (prefix[:-1], prefix, end))
    found = [TOKENS.examine(each, tx.barrier) for each in rows]
    await remove(tx, changed(each for each in found if isinstance(each, Broken)), now)
    await _end(tx, [each for each in found if not isinstance(each, Broken)], now)
    leases = END_LEASES.format(which="id >= ? AND id < ?")
    tx.run(leases, (at, Stamp.ENTRY, prefix, end, at), stamped=True)


def wipe(tx: Transaction, row: Mount) -> None:
    """Remove a mount with everything that it holds, and how it knew people."""
    tx.purge(CELLS, mount=row.uuid)
    tx.purge(ALIASES, mount_accessor=row.accessor)
    tx.purge(LOCKOUTS, mount=row.uuid)
    tx.purge(ENTRANCES, mount=row.uuid)
    tx.delete(MOUNTS, row.path)


# -- one lease ---------------------------------------------------------------------------------


async def mount_of(server: Server, tx: Transaction, lease: LeaseRow) -> Live | None:
    """Return a lease's mount, a disabled one too; None if it is gone.

    Raises UpstreamError for one whose row was changed: the lease is tried again later.
    """
    rows, broken = await tx.examine(MOUNTS, uuid=lease.mount)
    if broken:
        raise UpstreamError(broken[0].problem)
    return server.views.live(rows[0]) if rows else None


def call_for(server: Server, tx: Transaction, lease: LeaseRow, live: Live, now: datetime) -> Call:
    """Return a call to the engine that gave a lease."""
    return Call(
        store=MountStore(tx, lease.mount),
        now=now,
        entropy=server.entropy,
        fingerprint=server.pipeline.fingerprint,
        mount=live.mounted,
    )


async def take_back(server: Server, tx: Transaction, lease: LeaseRow, now: datetime) -> None:
    """Revoke a lease through its engine, and forget it.

    Raises UpstreamError, or what the engine says, where it could not be revoked.
    """
    live = await mount_of(server, tx, lease)
    revoke = None if live is None else getattr(live.plugin, "revoke", None)
    if live is not None and revoke is not None:
        call = call_for(server, tx, lease, live, now)
        try:
            await revoke(call, lease.data)
        except StrongroomError:
            raise
        except Exception as error:
            _logger.exception("defect while revoking a lease of %s", call.mount.path)
            raise UpstreamError(f"the engine failed: {type(error).__name__}") from None
    tx.delete(LEASES, lease.id)


# -- behind the requests -----------------------------------------------------------------------


async def revoke_expired(server: Server) -> int:
    """Take back leases whose time is over, and clear away disabled mounts. Returns how many."""
    now = server.clock.now()
    tx = Transaction(server.database, server.barrier)
    rows = await tx.reader.rows(
        f"{LEASES.select} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
        (micros(now), BATCH + len(server.failing)),
    )
    if len(rows) < BATCH + len(server.failing):  # all that are over: what is not there is done
        over = {lease_id for lease_id, *_ in rows}
        for id_ in server.failing.keys() - over:
            del server.failing[id_]
    due = [
        lease
        for lease in (LEASES.load(row, tx.barrier) for row in rows)
        if lease.id not in server.failing or server.failing[lease.id].next_at <= now
    ]
    for start in range(0, len(due[:BATCH]), AT_ONCE):
        part = due[start : min(start + AT_ONCE, BATCH)]
        await asyncio.gather(*(_expire(server, lease, now) for lease in part))
    mounts, _ = await tx.examine(MOUNTS)
    for mount in mounts:
        if mount.config.get("tainted"):
            await _clear_away(server, mount)
    return len(due[:BATCH])


async def _expire(server: Server, lease: LeaseRow, now: datetime) -> None:
    """Try once to take one lease back."""
    attempts = server.failing[lease.id].attempts if lease.id in server.failing else 0

    async def work(attempt: Attempt) -> bool:
        tx = attempt.transaction
        current = await tx.get(LEASES, lease.id)
        if current is None or current.expires_at > attempt.now:
            return False
        late = (attempt.now - current.expires_at) // MILLISECOND
        attempt.details = {"lease": lease.id, "mount": lease.mount, "attempt": attempts + 1}
        attempt.details |= {"late_ms": late}
        await take_back(server, tx, current, attempt.now)
        return True

    answer = await server.pipeline.act("lease.revoke", "sys/leases/expire", work)
    if answer is None or answer.status < 400:
        server.failing.pop(lease.id, None)
        return
    wait = min(timedelta(seconds=2 ** min(attempts, 12)), LONGEST_WAIT)
    reason = (answer.body or b"").decode()
    server.failing[lease.id] = Failing(attempts + 1, now + wait, reason)


async def _clear_away(server: Server, mount: Mount) -> None:
    """Destroy what a disabled mount holds, once its last lease is gone."""

    async def work(attempt: Attempt) -> bool:
        tx = attempt.transaction
        row = await tx.get(MOUNTS, mount.path)
        if row is None or row.uuid != mount.uuid or await tx.all(LEASES, mount=row.uuid, limit=1):
            return False
        await forget_mount(tx, row.accessor)
        wipe(tx, row)
        tx.changed("mounts")
        attempt.details = {"mount": row.path, "kind": row.kind, "accessor": row.accessor}
        return True

    await server.pipeline.act("mount.wipe", f"sys/mounts/{mount.path.rstrip('/')}", work)
