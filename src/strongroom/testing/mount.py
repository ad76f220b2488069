"""A mount that serves from memory: the engine, the router and the decoder are the real ones.

    mount = Mount(Totp(), at=1_000)
    await mount.write("keys/alice", key=Secret("…"))
    code = shown(await mount.read("code/alice"))["code"]

Time stands still unless a test moves `mount.at`, and randomness is a counter under a hash. What
a handler wrote is kept if it returned and dropped if it raised, as in the real transaction.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec

from strongroom.base.clock import rfc3339
from strongroom.base.duration import format_duration
from strongroom.base.secret import Secret
from strongroom.core.router import Match, Operation, Routes, routes_of
from strongroom.sdk.auth import AuthMethod, Proof
from strongroom.sdk.engine import Call, Engine, Json, Mounted, Reply
from strongroom.testing.store import Memory, RequestStore

MONTH = timedelta(hours=768)  # Vault's system-wide default


def counted(seed: bytes = b"entropy") -> Callable[[int], bytes]:
    """Return randomness that is the same in each run, and never the same twice within one."""
    count = 0

    def entropy(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(seed + count.to_bytes(8, "big")).digest(size)

    return entropy


def shown(value: Any) -> Any:
    """Return a reply's data as a client reads it: secrets revealed, all of it plain JSON."""
    return msgspec.json.decode(msgspec.json.encode(_plain(value)))


def _plain(value: Any) -> Any:
    match value:
        case Secret():
            return value.text()
        case Json():
            return msgspec.Raw(value.raw)
        case datetime():
            return rfc3339(value)
        case timedelta():
            return format_duration(value)
        case Mapping():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
    return value


def _texts(value: Any) -> list[str]:
    """Return a query parameter's values."""
    if isinstance(value, list | tuple):
        return [text for each in value for text in _texts(each)]
    plain = _plain(value)
    return [str(plain).lower() if isinstance(plain, bool) else str(plain)]


class Mount:
    """An engine or an auth method, mounted. `reply` and `warnings` are those of the last request.

    Each request is decoded from bytes, as it would be from the wire, and raises what the handler
    raises. `store.records` holds what is committed.
    """

    def __init__(  # noqa: PLR0913  # each is something that a plugin may look at
        self,
        engine: Engine | AuthMethod,
        *,
        at: float = 1_767_225_600,  # 2026-01-01
        path: str | None = None,
        options: Mapping[str, str] | None = None,
        default_ttl: timedelta = MONTH,
        max_ttl: timedelta = MONTH,
        entity: str = "entity-1",
        address: str = "192.0.2.1",
        certificates: tuple[bytes, ...] = (),
        entropy: Callable[[int], bytes] | None = None,
    ) -> None:
        self.at = at
        self.entity = entity
        self.address = address
        self.certificates = certificates
        self.entropy = entropy or counted()
        self.store = Memory()
        self.reply = Reply()
        self.warnings: tuple[str, ...] = ()
        self.routes = (
            routes_of(cast("AuthMethod", engine))
            if hasattr(engine, "login")
            else Routes(engine.routes(), engine.kind)
        )
        self.mounted = Mounted(
            path=path or f"{engine.kind}/",
            kind=engine.kind,
            accessor=f"{engine.kind}_1",
            options=options or {},
            default_ttl=default_ttl,
            max_ttl=max_ttl,
        )

    # -- as a client ---------------------------------------------------------------------------

    async def read(self, path: str, /, **query: object) -> dict[str, Any]:
        """Read; the keywords are the query."""
        return await self.send(Operation.READ, path, query=query)

    async def list(self, path: str, /, **query: object) -> dict[str, Any]:
        """List; the keywords are the query."""
        return await self.send(Operation.LIST, path, query=query)

    async def scan(self, path: str, /, **query: object) -> dict[str, Any]:
        """List all below; the keywords are the query."""
        return await self.send(Operation.SCAN, path, query=query)

    async def write(self, path: str, /, **fields: object) -> dict[str, Any]:
        """Write; the keywords are the body."""
        return await self.send(Operation.WRITE, path, body=_body(fields))

    async def patch(self, path: str, /, **fields: object) -> dict[str, Any]:
        """Patch; the keywords are the body."""
        return await self.send(Operation.PATCH, path, body=_body(fields))

    async def delete(self, path: str, /, **query: object) -> dict[str, Any]:
        """Delete; the keywords are the query."""
        return await self.send(Operation.DELETE, path, query=query)

    async def send(
        self,
        operation: Operation,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | None = None,
    ) -> dict[str, Any]:
        """Serve one request and return its reply's data, {} where there is none."""
        reply = await self._serve(self.routes.match(path, operation), query, body)
        assert reply is None or isinstance(reply, Reply)
        self.reply = reply or Reply()
        self.warnings += self.reply.warnings
        shown(self.reply.data)  # what a client would get can be written as JSON
        return dict(self.reply.data or {})

    async def login(self, **fields: object) -> Proof:
        """Log in; the path's fields are taken from the keywords, the others are the body."""
        assert self.routes.login is not None
        path = self.routes.login.path
        rest: dict[str, Any] = {}
        for name, value in fields.items():
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", str(value))
            else:
                rest[name] = value
        return await self.login_at(path, **rest)

    async def login_at(
        self, path: str, /, *, query: Mapping[str, object] | None = None, **fields: object
    ) -> Proof:
        """Log in by any way in; with a query, by reading (where a browser is sent back to)."""
        operation = Operation.WRITE if query is None else Operation.READ
        body = _body(fields) if query is None else None
        proof = await self._serve(self.routes.match(path, operation), query, body)
        assert isinstance(proof, Proof)
        return proof

    async def exists(self, path: str, /, **fields: object) -> bool:
        """Say whether a write with these fields would be an update."""
        bound, captured = self.routes.match(path, Operation.WRITE)
        given = bound.decode(captured, None, _body(fields)).given
        if bound.route.exists is None:
            return True
        async with self.call() as call:
            return await bound.route.exists(call, given)

    # -- as the server -------------------------------------------------------------------------

    @asynccontextmanager
    async def call(self) -> AsyncIterator[Call]:
        """Make the `Call` of a request, and commit what it wrote unless the block raises."""
        store = RequestStore(self.store)
        call = Call(
            store=store,
            now=datetime.fromtimestamp(self.at, UTC),
            entropy=self.entropy,
            fingerprint=lambda value: hmac.digest(b"fingerprint", value, "sha256"),
            mount=self.mounted,
            entity=self.entity,
            address=self.address,
            certificates=self.certificates,
        )
        try:
            yield call
        except BaseException:
            self.store.commit(None)
            raise
        self.store.commit(store)

    async def _serve(
        self, match: Match, query: Mapping[str, object] | None, body: bytes | None
    ) -> object:
        texts = {name: _texts(value) for name, value in (query or {}).items()}
        decoded = match.bound.decode(match.fields, texts, body)
        self.warnings = ()
        async with self.call() as call:
            answer: object = await match.bound.endpoint.serve(call, decoded.given)
        self.warnings = (*decoded.warnings(), *call.warnings)
        return answer


def _body(fields: Mapping[str, object]) -> bytes:
    return msgspec.json.encode(_plain(fields))
