"""What runs behind the requests: checkpoints, heartbeats, expiry, and the watch on the disk.

Order of start  `server.start` entry → tasks. Of stop: tasks → heartbeat → `server.stop` entry →
                last checkpoint → database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from strongroom.audit.entry import SYSTEM, Event
from strongroom.audit.follower import Follower
from strongroom.audit.witnessing import Post, Witness, Witnessing, post
from strongroom.base.clock import parse_time
from strongroom.base.errors import ConflictError, InputError, StrongroomError
from strongroom.core.governance.alerting import AlertFollower
from strongroom.core.governance.delivering import deliver
from strongroom.core.governance.duties import see_to_cases
from strongroom.core.governance.review_duties import see_to_reviews
from strongroom.core.governance.senders import Senders
from strongroom.core.leaver_check import check_leavers
from strongroom.core.login import uuid_of
from strongroom.core.offboarding import end_those_over
from strongroom.core.revocation import BATCH, end_sessions, revoke_expired
from strongroom.core.rotation_due import Following, queue_leavers, resolve_due
from strongroom.core.server import Server
from strongroom.core.system.rotation import count_down, rotate_if_due
from strongroom.storage.transaction import Transaction

HEARTBEAT_SECONDS = 60.0
EXPIRY_SECONDS = 1.0
LEAVER_SECONDS = 5.0
NOTICE_SECONDS = 2.0
FIRST_CHECK = timedelta(minutes=10)  # so that a server which is often restarted looks too
CHECK_EVERY = timedelta(days=1)
TROUBLE_SECONDS = 1.0
BEHIND_SECONDS = 2.0  # as far as T62 lets times go back
_logger = logging.getLogger("strongroom")


@dataclass(slots=True)
class Runtime:
    """A server with its background tasks."""

    server: Server
    followers: tuple[Follower, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    witness_interval: float = 15.0
    ask_witness: Post = post
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _witnessing: Witnessing = field(init=False)
    _newest: datetime | None = None  # of the last entry before the start, and of heartbeats

    def __post_init__(self) -> None:
        log = self.server.log
        self._witnessing = Witnessing(log, self.witnesses, self._received, self.ask_witness)

    async def start(self, interval: float = 1.0) -> None:
        """Write `server.start` and start what runs behind the requests."""
        server = self.server
        last = await self._last()
        crashed = bool(last) and b'"event_code":"server.stop"' not in last
        self._newest = time_of(last)
        details = {"after_crash": crashed} | self._behind()
        await server.pipeline.record(self.event("server.start", details))
        self._spawn(self._checkpoints(interval))
        self._spawn(self._heartbeats())
        self._spawn(self._expiry())
        self._spawn(self._leavers())
        self._spawn(self._cases())
        self._spawn(self._reviews())
        self._spawn(self._notices())
        self._spawn(self._watch())
        for follower in self.followers:
            await follower.open()
            self._spawn(follower.run())
        if self.witnesses:
            self._spawn(self._anchors())
        server.before_advance.append(self.account)

    def event(self, code: str, details: dict[str, object]) -> Event:
        server = self.server
        return Event(
            code=code,
            operation=code.partition(".")[2],
            path=code.replace(".", "/"),
            time=server.clock.now(),
            id=uuid_of(server.entropy(16)),
            actor=SYSTEM,
            ok=True,
            details=details,
            simulated=server.settings.simulated,
        )

    async def _last(self) -> bytes:
        """Return the last entry; one that is not `server.stop` says that the last run crashed."""
        size = self.server.log.size
        last = await self.server.log.entries(size - 1, size) if size else []
        return last[0].leaf if last else b""

    def _behind(self) -> dict[str, object]:
        """Say how far the clock is behind the latest time that was seen, if it is."""
        now = self.server.clock.now()
        newest = self._newest or now
        self._newest = max(newest, now)
        behind = (newest - now).total_seconds()
        return {"clock_behind_s": round(behind, 3)} if behind > BEHIND_SECONDS else {}

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    async def stop(self) -> None:
        """Stop the background, write `server.stop`, publish, close."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        server = self.server
        with contextlib.suppress(StrongroomError):
            await self._heartbeat()
            await server.pipeline.record(self.event("server.stop", {}))
            await server.log.publish(server.clock.now())
        await server.database.close()

    # -- behind the requests

    async def _checkpoints(self, interval: float) -> None:
        while True:
            with self._reported("checkpoint"):
                await self.server.log.publish(self.server.clock.now())
            await asyncio.sleep(interval)

    async def _anchors(self) -> None:
        while True:
            with self._reported("witness"):
                await self._witnessing.round(self.server.clock.now())
            await asyncio.sleep(self.witness_interval)

    async def _received(self, details: dict[str, object]) -> None:
        await self.server.pipeline.record(self.event("anchor.received", details))

    async def account(self) -> None:
        """Account for what happened up to now: heartbeat, checkpoint, a round of the witnesses.

        What cannot be done is reported as in the background, and done at the next chance.
        """
        now = self.server.clock.now
        with self._reported("heartbeat"):
            await self._heartbeat()
        with self._reported("checkpoint"):
            await self.server.log.publish(now())
        with self._reported("witness"):
            await self._witnessing.round(now())

    async def _heartbeats(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with self._reported("heartbeat"):
                await self._heartbeat()
            with self._reported("rotation of the barrier key"):
                await rotate_if_due(self.server)

    async def _heartbeat(self) -> None:
        """Write the counters down, and what noise was collapsed."""
        pipeline = self.server.pipeline
        for over in pipeline.noise.over(self.server.clock.now(), all_of_them=True):
            details: dict[str, object] = {
                "collapsed": over.count,
                "code": over.code,
                "network": over.network,
                "since": over.since,
                "why": over.reason,
            }
            await pipeline.record(self.event("log.noise", details))
        beat = pipeline.counters.beat(self.server.barrier)
        lag = {f.name: f.lag for f in self.followers}
        event = self.event("log.heartbeat", {**beat, "lag": lag} | self._behind())
        tx = Transaction(self.server.database, self.server.barrier)
        await count_down(self.server, tx)
        try:
            await pipeline.record(event, tx)
        except ConflictError:  # the key was rotated meanwhile, which wrote its count down
            await pipeline.record(event)

    async def _expiry(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            if not self.server.barrier.sealed:
                with self._reported("expiry"):
                    while await self.expire() >= BATCH:  # more are waiting: no pause
                        continue

    async def expire(self) -> int:
        """Revoke tokens and leases whose time is over. Returns how many."""
        server = self.server
        tx = Transaction(server.database, server.barrier)
        over = await server.tokens.expired(tx, server.clock.now(), BATCH)
        if over:
            await server.pipeline.expire_tokens(over)
        ended = await end_sessions(server, BATCH)
        return max(len(over) + await revoke_expired(server), ended)

    async def _leavers(self) -> None:
        """See to leavers: what they knew, whose end has come, and once a day what was missed."""
        server = self.server
        look_at = server.clock.now() + FIRST_CHECK
        following = Following(server.log)
        while True:
            await asyncio.sleep(LEAVER_SECONDS)
            if server.barrier.sealed:
                continue
            with self._reported("leavers"):
                await end_those_over(server)
                await queue_leavers(server)
                await resolve_due(server, following)
                now = server.clock.now()
                if now >= look_at:
                    await check_leavers(server)
                    look_at = now + CHECK_EVERY

    async def _cases(self) -> None:
        """See to cases of break-glass: what they touched, and what is due and not done."""
        while True:
            await asyncio.sleep(LEAVER_SECONDS)
            if not self.server.barrier.sealed:
                with self._reported("break-glass"):
                    await see_to_cases(self.server)

    async def _notices(self) -> None:
        """Tell of alerts, and send what people are to be told."""
        senders, alerts = Senders(), AlertFollower(self.server)
        opened = False
        while True:
            await asyncio.sleep(NOTICE_SECONDS)
            if self.server.barrier.sealed:
                continue
            with self._reported("notices"):
                if not opened:
                    await alerts.open()
                    opened = True
                await alerts.step()
                await deliver(self.server, senders)

    async def _reviews(self) -> None:
        """See to access reviews: those that begin, are late, or wait for a proof."""
        while True:
            await asyncio.sleep(LEAVER_SECONDS)
            if not self.server.barrier.sealed:
                with self._reported("access reviews"):
                    await see_to_reviews(self.server)

    async def _watch(self) -> None:
        while True:
            self.server.pipeline.trouble = self.server.database.trouble()
            await asyncio.sleep(TROUBLE_SECONDS)

    @contextlib.contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except StrongroomError as error:
            _logger.warning("%s: %s", what, error)
        except Exception:
            _logger.exception("defect in %s", what)


def time_of(leaf: bytes) -> datetime | None:
    """Return the time of an entry; None where it says none."""
    try:
        return parse_time(msgspec.json.decode(leaf)["unmapped"]["time"], "time")
    except (msgspec.DecodeError, LookupError, TypeError, InputError):
        return None
