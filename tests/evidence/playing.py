"""A small company on a server of its own, without a network, and with a clock that moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from strongroom.app import build_server
from strongroom.base.clock import MovableClock, rfc3339
from strongroom.base.ids import uuid_of
from strongroom.core.records import MOUNTS, Mount
from strongroom.core.request import Answer, Incoming
from strongroom.core.router import Operation
from strongroom.core.runtime import Runtime
from strongroom.core.server import Server, Settings
from strongroom.evidence.acting import act
from strongroom.evidence.surroundings import Surroundings
from strongroom.identity.environments import put_environment
from strongroom.identity.records import (
    ENTITIES,
    POLICIES,
    Entity,
    Environment,
    StoredPolicy,
)
from strongroom.identity.tokens import Wanted
from strongroom.sdk.facts.period import Period
from strongroom.sdk.facts.probes import ListenerFact
from strongroom.storage.transaction import Transaction
from tests.schema import open_ready

START = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def randomness(seed: str = "company") -> Any:
    """Return randomness that is the same each time."""
    state = {"n": 0}

    def entropy(size: int) -> bytes:
        state["n"] += 1
        blocks = b"".join(
            sha256(f"{seed} {state['n']} {i}".encode()).digest() for i in range(size // 32 + 1)
        )
        return blocks[:size]

    return entropy


@dataclass
class Company:
    """The server, and what its people can do."""

    server: Server
    clock: MovableClock
    runtime: Runtime
    surroundings: Surroundings
    root: str = ""
    tokens: dict[str, str] = field(default_factory=dict)

    async def ask(
        self,
        operation: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Make one request, as the root token if no other is given."""
        return await self.server.pipeline.handle(
            Incoming(
                id=uuid_of(self.server.entropy(16)),
                operation=Operation(operation),
                path=path,
                method={"read": "GET", "list": "LIST", "delete": "DELETE"}.get(operation, "POST"),
                token=self.root if token is None else token,
                body=raw
                if raw is not None
                else None
                if body is None
                else msgspec.json.encode(body),
                address="203.0.113.9",
                port=51544,
            )
        )

    async def stored(self, register: Any, row: Any, topic: str) -> None:
        """Put a row in place, on record."""

        async def change(tx: Transaction) -> None:
            tx.put(register, row)
            tx.changed(topic)

        await act(self.server, "entity.write", "tests/row", {}, change)

    async def policy(self, name: str, text: str) -> None:
        row = StoredPolicy(name, 1, text, {}, self.clock.now())
        await self.stored(POLICIES, row, f"policy:{name}")

    async def environment(self, name: str, *paths: str, protected: bool = True) -> None:
        row = Environment(name, paths, protected, False, "")
        details: dict[str, object] = {"boundary": name, "paths": paths}
        details |= {"protected": protected, "open": False}
        path = f"strongroom/environments/{name}"
        await act(
            self.server, "environment.write", path, details, lambda tx: put_environment(tx, row)
        )

    async def kv(self, path: str, version: str = "2") -> None:
        row = Mount(
            path,
            uuid_of(self.server.entropy(16)),
            f"kv_{self.server.entropy(4).hex()}",
            "kv",
            "",
            {"version": version},
            {},
            timedelta(0),
            timedelta(0),
            self.clock.now(),
        )
        await self.stored(MOUNTS, row, "mounts")

    async def workload(self, name: str, environment: str, *policies: str) -> None:
        """Make a workload with a token of a day."""
        entity = Entity(
            f"e-{name}",
            name,
            {"environment": environment} if environment else {},
            (),
            False,
            self.clock.now(),
            self.clock.now(),
        )

        async def change(tx: Transaction) -> str:
            tx.put(ENTITIES, entity)
            tx.changed(f"entity:{entity.id}")
            wanted = Wanted(
                path="auth/approle/login",
                display=name,
                policies=policies,
                ttl=timedelta(days=20),
                entity=entity.id,
            )
            return self.server.tokens.issue(tx, wanted, self.clock.now()).text.text()

        self.tokens[name], _ = await act(self.server, "auth.login", "tests/login", {}, change)

    async def revoke_root(self) -> None:
        """End the first root token, as whoever set the server up is to do."""
        await self.ask("write", "auth/token/revoke-self")

    async def advance(self, by: timedelta) -> None:
        """Put the clock forward, on record."""
        now = self.clock.now()
        details: dict[str, object] = {"from": rfc3339(now), "to": rfc3339(now + by)}
        await self.server.pipeline.record(self.runtime.event("clock.advance", details))
        self.clock.advance(by)

    def period(self) -> Period:
        """Return the period from the beginning to now."""
        return Period(START, self.clock.now())


@asynccontextmanager
async def company(folder: Path, *, simulated: bool = True, url: str = "") -> AsyncIterator[Company]:
    """Lend a company that has begun: set up, unsealed, with three environments."""
    clock = MovableClock(START, monotonic=lambda: 0.0)
    database = await open_ready(url or f"sqlite://{folder}/strongroom.db")
    settings = Settings(seal_type="dev", origin="strongroom.test/log", simulated=simulated)
    surroundings = Surroundings(
        packs=folder / "packs",
        files=lambda: sorted(p for p in folder.iterdir() if p.is_file()),
        listeners=lambda: [GOOD_LISTENER],
    )
    server = await build_server(database, settings, clock, randomness(), surroundings)
    runtime = Runtime(server=server)
    await runtime.start(3600)
    lent = Company(server, clock, runtime, surroundings)
    try:
        made = msgspec.json.decode((await lent.ask("write", "sys/init", {}, token="")).body or b"")
        lent.root = made["root_token"]
        await lent.ask("write", "sys/unseal", {"key": made["keys"][0]}, token="")
        await lent.kv("secret/")
        for name in ("production", "staging", "development"):
            path = f"secret/data/{name}/*", f"secret/metadata/{name}/*"
            await lent.environment(name, *path, protected=name == "production")
        yield lent
    finally:
        await runtime.stop()


GOOD_LISTENER = ListenerFact(
    address="127.0.0.1:8200",
    tls=True,
    handshakes=(),
    days_left=90.0,
)


async def quarter(lent: Company) -> None:
    """Play two weeks: secrets in three environments, reads, refusals, a heartbeat a day."""
    for name in ("production", "staging", "development"):
        text = f'path "secret/data/{name}/app/*" {{ capabilities = ["create", "update", "read"] }}'
        await lent.policy(f"app-{name}", text)
        await lent.workload(f"app-{name}", name, f"app-{name}")
    await lent.revoke_root()
    for day in range(14):
        for name in ("production", "staging", "development"):
            token = lent.tokens[f"app-{name}"]
            path = f"secret/data/{name}/app/db"
            await lent.ask("write", path, {"data": {"password": f"pw-{day}"}}, token=token)
            await lent.ask("read", path, token=token)
            await lent.ask("read", "secret/data/production/app/db", token=token)
        await lent.runtime._heartbeat()
        await lent.server.log.publish(lent.clock.now())
        await lent.advance(DAY)
