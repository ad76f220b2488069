"""A strongroom in this process for tests: no network, a clock that the test moves.

Requests go through the same application as over HTTP. What other parts of the core have paths
for (policies, mounts) is stored here directly, in a transaction with the right topics.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from strongroom.api.wire import HttpRequest
from strongroom.app import Application, build_server
from strongroom.audit.entry import digest_of
from strongroom.base.clock import MovableClock
from strongroom.base.secret import Secret
from strongroom.core.records import MOUNTS, Mount
from strongroom.core.server import Server, Settings
from strongroom.identity.records import POLICIES, StoredPolicy
from strongroom.storage.commit import Outcome, Request
from strongroom.storage.transaction import Transaction
from tests.schema import open_ready

START = datetime(2026, 1, 1, tzinfo=UTC)
Entropy = Callable[[int], bytes]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: the status, and the decoded body where there was one."""

    status: int
    body: Any

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def auth(self) -> Any:
        return self.body["auth"]

    @property
    def errors(self) -> list[str]:
        return list(self.body["errors"])


@dataclass(kw_only=True)
class Room:
    """A server that was built, and its first root token."""

    server: Server
    clock: MovableClock
    root: str = ""
    keys: list[str] = field(default_factory=list)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        address: str = "127.0.0.1",
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Send one request to `/v1/{path}`, as root unless another token is given.

        `raw` replaces the path and `content` the body, as bytes.
        """
        plain, _, query = path.partition("?")
        sent = {"x-vault-token": self.root if token is None else token, **(headers or {})}
        request = HttpRequest(
            method=method,
            raw_path=raw or b"/v1/" + quote(plain).encode(),
            query=query.encode(),
            headers=[(k.encode(), v.encode()) for k, v in sent.items() if v],
            body=content or (b"" if body is None else json.dumps(body).encode()),
            peer=(address, 4711),
            tls=None,
        )
        response = await Application(self.server)(request)
        text = response.body
        return Answer(status=response.status, body=json.loads(text) if text else None)

    async def token(self, *policies: str, by: str | None = None, **asked: object) -> str:
        """Make a token with just these policies."""
        off = "default" not in policies
        given = {"policies": list(policies), "no_default_policy": off, **asked}
        answer = await self.ask("POST", "auth/token/create", given, token=by)
        assert answer.status == 200, answer
        return str(answer.auth["client_token"])

    async def policy(self, name: str, text: str) -> None:
        """Store a policy."""
        await self.store(lambda tx: _policy(tx, name, text))

    async def mount(self, path: str, kind: str, uuid: str = "", **options: str) -> Mount:
        """Store a mount: `kv/`, or `auth/userpass/`."""
        row = Mount(
            path=path,
            uuid=uuid or f"uuid-of-{path}",
            accessor=f"accessor-of-{path.strip('/').replace('/', '-')}",
            kind=kind,
            description="",
            options=options,
            config={},
            default_ttl=timedelta(0),
            max_ttl=timedelta(0),
            created_at=self.clock.now(),
        )
        await self.store(lambda tx: _mount(tx, row))
        return row

    async def store(self, act: Callable[[Transaction], None]) -> None:
        """Commit what `act` writes."""
        tx = Transaction(self.server.database, self.server.barrier)
        act(tx)
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        leaf = b'{"metadata":{"event_code":"test"}}'
        self.server.database.submit(
            Request(
                done=done.set_result,
                leaf=leaf,
                digest=digest_of(leaf),
                checks=tx.due_checks(),
                writes=tx.writes(),
                topics=tx.topics,
            )
        )
        outcome = await done
        assert outcome.problem is None, outcome

    async def entries(self) -> list[dict[str, Any]]:
        """Return all entries of the log."""
        log = self.server.log
        return [json.loads(entry.leaf) for entry in await log.entries(0, log.size)]

    async def last(self) -> dict[str, Any]:
        """Return the last entry."""
        return (await self.entries())[-1]


@asynccontextmanager
async def room(
    folder: Path,
    *,
    shares: int = 1,
    threshold: int = 1,
    seal: str = "shamir",
    passphrase: str = "",
    initialized: bool = True,
    entropy: Entropy = os.urandom,
    storage: str = "",
) -> AsyncIterator[Room]:
    """Give a server over a new database in `folder`, or another, initialized and unsealed."""
    clock = MovableClock(START, lambda: 0.0)
    database = await open_ready(storage or f"sqlite://{folder}/strongroom.db")
    settings = Settings(
        seal_type=seal, passphrase=Secret(passphrase) if passphrase else None, simulated=True
    )
    server = await build_server(database, settings, clock, entropy)
    made = Room(server=server, clock=clock)
    try:
        if initialized:
            await _initialize(made, shares, threshold, passphrase)
        yield made
    finally:
        await database.close()


async def _initialize(made: Room, shares: int, threshold: int, passphrase: str) -> None:
    given = {"secret_shares": shares, "secret_threshold": threshold}
    answer = await made.ask("POST", "sys/init", given)
    assert answer.status == 200, answer
    made.root, made.keys = answer.body["root_token"], answer.body["keys"]
    for key in made.keys[:threshold] or [passphrase or "unused"]:
        await made.ask("POST", "sys/unseal", {"key": key})
    assert not made.server.barrier.sealed


def _policy(tx: Transaction, name: str, text: str) -> None:
    row = StoredPolicy(name=name, version=1, text=text, options={}, modified_at=START)
    tx.put(POLICIES, row)
    tx.changed(f"policy:{name}")


def _mount(tx: Transaction, row: Mount) -> None:
    tx.put(MOUNTS, row)
    tx.changed("mounts")
