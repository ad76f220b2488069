"""A whole server without a network: requests go to the application as the HTTP edge hands them."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from strongroom.api.wire import HttpRequest
from strongroom.app import Application, build_server
from strongroom.base.clock import MovableClock
from strongroom.core.server import Server, Settings
from strongroom.crypto.merkle import leaf_hash
from tests.schema import open_ready
from tests.servers import Got

NOW = datetime(2026, 9, 21, tzinfo=UTC)


@dataclass(slots=True)
class Served:
    """A server, unsealed, and its root token; `secret/` is KV version 2."""

    server: Server
    application: Application
    clock: MovableClock
    root: str = ""

    async def ask(
        self,
        method: str,
        path: str | bytes,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: bytes = b"",
    ) -> Got:
        """Send one request to `/v1/{path}`, which is taken as it is."""
        raw = path if isinstance(path, bytes) else path.encode()
        return await self.fetch(
            method, b"/v1/" + raw, body, token=token, headers=headers, query=query
        )

    async def fetch(
        self,
        method: str,
        raw: bytes,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: bytes = b"",
        peer: str = "127.0.0.1",
    ) -> Got:
        chosen = self.root if token is None else token
        sent = [(b"x-vault-token", chosen.encode("latin-1"))] if chosen else []
        sent += [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()]
        text = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        request = HttpRequest(method, raw, query, sent, text, (peer, 40_000), None)
        response = await self.application(request)
        named = {k.decode(): v.decode("latin-1") for k, v in response.headers}
        return Got(status=response.status, headers=named, raw=response.body)

    async def entry(self, got: Got) -> dict[str, Any]:
        """Return the entry that an answer's receipt names; its digest is the receipt's."""
        index, digest = got.receipt
        [found] = await self.server.log.entries(index, index + 1)
        assert leaf_hash(found.leaf) == digest
        fields: dict[str, Any] = json.loads(found.leaf)
        return fields

    async def reader(self, policy: str, name: str = "reader", **wanted: object) -> str:
        """Return a token with one policy."""
        stored = await self.ask("PUT", f"sys/policies/acl/{name}", {"policy": policy})
        assert stored.status == 204, stored.raw
        given = {"policies": [name], "no_default_policy": True, **wanted}
        made = await self.ask("POST", "auth/token/create", given)
        return str(made.body["auth"]["client_token"])


@asynccontextmanager
async def serving(url: str, *, unsealed: bool = True) -> AsyncIterator[Served]:
    """Give a server over a database that nobody has opened."""
    database = await open_ready(url)
    clock = MovableClock(NOW)
    server = await build_server(database, Settings(origin="strongroom.test/log"), clock, os.urandom)
    served = Served(server, Application(server), clock)
    try:
        if unsealed:
            made = await served.ask("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
            await served.ask("PUT", "sys/unseal", {"key": made.body["keys"][0]})
            served.root = made.body["root_token"]
            mount = {"type": "kv", "options": {"version": "2"}}
            assert (await served.ask("POST", "sys/mounts/secret", mount)).status == 204
        yield served
    finally:
        await database.close()
