"""The movable clock: what is done before it moves, and when it does not move at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from strongroom.audit.witness_state import Head, Submission, answer
from strongroom.audit.witnessing import Reply, Witness
from strongroom.base.clock import SystemClock, rfc3339
from strongroom.base.errors import UpstreamError
from strongroom.base.secret import Secret
from strongroom.core.runtime import Runtime
from strongroom.crypto.checkpoint import open_checkpoint
from strongroom.crypto.note import SignatureType, SigningKey, VerifierKey
from tests.core.system.room import START, Room, room

KEY = SigningKey("witness.example", Secret(bytes(range(32))))
VKEY = KEY.verifier(SignatureType.COSIGNATURE)
CLOCK = "strongroom/clock"


@dataclass
class Answering:
    """A witness that cosigns what extends what it has seen, or is away."""

    away: bool = False
    log: VerifierKey | None = None
    head: Head | None = None
    asked: int = 0

    def post(self, _url: str, body: bytes) -> Reply:
        self.asked += 1
        if self.away or self.log is None:
            raise UpstreamError("witness.example: away")
        submission = Submission.parse(body)
        given = answer(submission, self.head, logs={self.log.name: [self.log]}, key=KEY, now=1)
        self.head = given.head or self.head
        return Reply(given.status, given.content_type, given.body)


@dataclass(kw_only=True)
class Watched:
    room: Room
    witness: Answering = field(default_factory=Answering)


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[Watched]:
    """Give a server with a witness, neither of which does anything before the clock is moved."""
    async with room(folder) as made:
        given = Watched(room=made)
        given.witness.log = VerifierKey.parse(made.server.log.verifier_key)
        runtime = Runtime(
            server=made.server,
            witnesses=(Witness(VKEY, "https://witness.example"),),
            ask_witness=given.witness.post,
        )
        made.server.before_advance.append(runtime.account)
        yield given


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Watched]:
    async with watched(tmp_path) as given:
        yield given


def event_code(entry: Any) -> str:
    return str(entry["metadata"]["event_code"])


async def test_what_happened_is_cosigned_before_time_moves_on(ours: Watched) -> None:
    before = ours.room.server.log.size

    moved = await ours.room.ask("POST", CLOCK, {"advance": "9h"})

    entries = (await ours.room.entries())[before:]
    log = ours.room.server.log
    assert log.witnessed is not None
    opened = open_checkpoint(log.witnessed, [VerifierKey.parse(log.verifier_key)], [VKEY])
    assert moved.data == {"now": "2026-01-01T09:00:00Z", "simulated": True}
    assert rfc3339(ours.room.clock.now()) == "2026-01-01T09:00:00Z"
    assert [event_code(each) for each in entries] == [
        "log.heartbeat",
        "anchor.received",
        "clock.advance",
    ]
    assert {each["unmapped"]["time"] for each in entries} == {rfc3339(START)}
    assert opened.checkpoint.size == before + 1


async def test_each_move_is_cosigned_as_the_history_of_the_one_before(ours: Watched) -> None:
    sizes = []
    for _ in range(3):
        await ours.room.ask("POST", CLOCK, {"advance": "1h"})
        assert ours.witness.head is not None
        sizes.append(ours.witness.head.size)

    assert sizes == [sizes[0], sizes[0] + 3, sizes[0] + 6]


async def test_a_witness_that_is_away_does_not_hold_time_up(ours: Watched) -> None:
    ours.witness.away = True

    moved = await ours.room.ask("POST", CLOCK, {"advance": "1h"})

    assert moved.status == 200
    assert ours.witness.asked == 1
    assert ours.room.server.log.witnessed is None
    assert ours.room.server.log.published is not None


@pytest.mark.parametrize("advance", ["0s", "-1h", "367d", "", "soon", None])
async def test_a_clock_that_is_not_to_move_asks_nobody(ours: Watched, advance: str | None) -> None:
    refused = await ours.room.ask("POST", CLOCK, {"advance": advance})

    assert refused.status == 400
    assert ours.room.clock.now() == START
    assert ours.witness.asked == 0


async def test_nobody_is_asked_for_somebody_who_may_not_move_it(ours: Watched) -> None:
    await ours.room.policy("p", f'path "{CLOCK}" {{ capabilities = ["update"] }}')
    token = await ours.room.token("p")

    refused = await ours.room.ask("POST", CLOCK, {"advance": "1h"}, token=token)

    assert refused.status == 403
    assert ours.witness.asked == 0


async def test_the_machines_clock_cannot_be_moved(ours: Watched) -> None:
    ours.room.server.clock = SystemClock()

    refused = await ours.room.ask("POST", CLOCK, {"advance": "1h"})

    assert refused.status == 405
    assert ours.witness.asked == 0


async def test_a_server_that_runs_accounts_for_what_it_did(ours: Watched) -> None:
    server = ours.room.server
    server.before_advance.clear()
    runtime = Runtime(server=server)
    await runtime.start(3600)

    await ours.room.ask("POST", CLOCK, {"advance": "1h"})

    found = [event_code(entry) for entry in await ours.room.entries()]
    await runtime.stop()
    assert found[-2:] == ["log.heartbeat", "clock.advance"]
