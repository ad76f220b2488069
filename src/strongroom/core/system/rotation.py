"""`sys/rotate…` and `sys/key-status`: a new barrier key for what is written from now on.

Vault   `sys/rotate` and `sys/rotate/keyring` are one. What was written under older terms stays
        readable, and is written under the newest when it is next written.
Units   `interval` is at least a day; `max_operations` counts encryptions with one key.
Trust   AES-GCM with random nonces is good for 2**32 encryptions with one key. They are counted
        in memory and written down with each heartbeat; what a crash takes of the count is
        within the tenth that the highest `max_operations` leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from strongroom.audit.entry import SYSTEM
from strongroom.base.clock import rfc3339
from strongroom.base.duration import format_duration
from strongroom.base.errors import InputError
from strongroom.base.ids import uuid_of
from strongroom.core.request import Incoming, SystemCall
from strongroom.core.router import Operation
from strongroom.core.seal import BARRIER, KEY_BYTES
from strongroom.core.server import Server
from strongroom.core.system.ceremonies import step
from strongroom.sdk.auth import ZERO
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route, Sent
from strongroom.storage.records import KEYS, SETTINGS, Setting, WrappedKey
from strongroom.storage.transaction import Transaction

NAME = "rotation"
FEWEST, MOST = 1_000_000, 3_865_470_566  # the most is nine tenths of 2**32
SHORTEST = timedelta(days=1)


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """When the barrier key is rotated without being asked."""

    enabled: bool = True
    max_operations: int = MOST
    interval: timedelta = ZERO  # zero: however old


@dataclass(frozen=True, kw_only=True)
class RotationGiven:
    """What may be set."""

    enabled: Annotated[bool, Help("Rotate without being asked.")] = True
    max_operations: Annotated[int, Help("Encryptions with one key, at most.")] = MOST
    interval: Annotated[timedelta, Help("Age of a key, at most; 0: any age.")] = ZERO
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


class RotationRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        rotate = Endpoint(Nothing, self.rotate, "keyring.rotate")
        show = Endpoint(Nothing, self.show, "keyring.config.read")
        write = Endpoint(RotationGiven, self.write, "keyring.config.write")
        now = "A new barrier key, from now on."
        when = "When the barrier key is rotated without being asked."
        return (
            Route(path="rotate", summary=now, sudo=True, write=rotate),
            Route(path="rotate/keyring", summary=now, sudo=True, write=rotate),
            Route(path="rotate/config", summary=when, read=show, write=write),
            Route(path="rotate/keyring/config", summary=when, read=show, write=write),
            Route(
                path="key-status",
                summary="The barrier key in use: its term, its age, how much it encrypted.",
                read=Endpoint(Nothing, self.status, "keyring.status"),
            ),
        )

    async def rotate(self, call: SystemCall, _given: Nothing) -> None:
        """Make the key of the next term; in force after the commit."""
        server, tx = self._server, call.transaction
        if call.actor is SYSTEM:
            call.details["why"] = await why_due(server, tx, call.now)
        old = await newest(tx)
        await server.seal.check_root(tx)
        term, key = old.term + 1, call.entropy(KEY_BYTES)
        used = server.barrier.encryptions
        tx.put(KEYS, replace(old, retired_at=call.now, encryptions=used))
        server.seal.put_key(tx, server.seal.root(), (BARRIER, term), key, call.now)
        call.details |= {"term": term, "encryptions": used}
        step(call, lambda: server.barrier.add_term(term, key))

    async def status(self, call: SystemCall, _given: Nothing) -> Reply:
        key = await newest(call.transaction)
        data: dict[str, object] = {
            "term": key.term,
            "install_time": rfc3339(key.created_at),
            "encryptions": self._server.barrier.encryptions,
        }
        return Reply(data, fields=data)

    async def show(self, call: SystemCall, _given: Nothing) -> Reply:
        rotation = await load(call.transaction)
        interval: object = format_duration(rotation.interval) if rotation.interval else 0
        return Reply(
            {
                "enabled": rotation.enabled,
                "max_operations": rotation.max_operations,
                "interval": interval,
            }
        )

    async def write(self, call: SystemCall, given: RotationGiven) -> None:
        """Change what was sent."""
        if not FEWEST <= given.max_operations <= MOST:
            raise InputError("", f"max_operations must be in the range [{FEWEST},{MOST}]")
        if given.interval and given.interval < SHORTEST:
            raise InputError("", "interval must be greater or equal to 24h0m0s")
        rotation = msgspec.structs.replace(
            await load(call.transaction),
            **{
                name: getattr(given, name)
                for name in ("enabled", "max_operations", "interval")
                if name in given.sent
            },
        )
        call.transaction.put(SETTINGS, Setting(NAME, msgspec.json.encode(rotation)))
        call.details |= {
            "enabled": rotation.enabled,
            "max_operations": rotation.max_operations,
            "interval_seconds": int(rotation.interval.total_seconds()),
        }


async def load(tx: Transaction) -> Rotation:
    """Return the rule in force."""
    row = await tx.get(SETTINGS, NAME)
    return Rotation() if row is None else msgspec.json.decode(row.value, type=Rotation)


async def newest(tx: Transaction) -> WrappedKey:
    """Return the row of the barrier key in use."""
    return (await tx.all(KEYS, name=BARRIER, order="term DESC", limit=1))[0]


async def why_due(server: Server, tx: Transaction, now: datetime) -> str:
    """Say why the barrier key must be rotated now; empty if it need not."""
    rotation = await load(tx)
    if not rotation.enabled:
        return ""
    if server.barrier.encryptions >= rotation.max_operations:
        return "max_operations"
    key = await newest(tx)
    return "interval" if rotation.interval and now - key.created_at >= rotation.interval else ""


async def rotate_if_due(server: Server) -> bool:
    """Rotate as the server itself where the rule says so, on record. Says whether it did."""
    if server.barrier.sealed:
        return False
    tx = Transaction(server.database, server.barrier)
    if not await why_due(server, tx, server.clock.now()):
        return False
    answer = await server.pipeline.handle(
        Incoming(
            id=uuid_of(server.entropy(16)),
            operation=Operation.WRITE,
            path="sys/rotate",
            actor=SYSTEM,
        )
    )
    return answer.status < 300


async def count_down(server: Server, tx: Transaction) -> None:
    """Write down how often the barrier key was used, as far as it has moved on."""
    if server.barrier.sealed:
        return
    key = await newest(tx)
    if key.term == server.barrier.term and key.encryptions < server.barrier.encryptions:
        tx.put(KEYS, replace(key, encryptions=server.barrier.encryptions))
