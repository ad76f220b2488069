"""`sys/capabilities`: what a token may do on a path, by name.

Vault   Three ways to name the token: its text, its accessor, or the caller's own.
Differs What a guardrail refuses is not shown, whatever policy grants, and `deny` where that is
        all: a token of an environment may read a folder that it may not scan. Of a root token
        what is left is shown by name.
Trust   Whoever may ask for another token's capabilities learns what it may do, never the token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from strongroom.base.errors import InputError, StrongroomError
from strongroom.core.envelope import Envelope
from strongroom.core.request import SystemCall
from strongroom.core.router import Operation
from strongroom.core.server import Server
from strongroom.core.subjects import subject_refusal
from strongroom.core.system.token import plugin_call
from strongroom.identity.policy.capability import EVERYTHING, Capability, names
from strongroom.identity.records import Token
from strongroom.identity.sessions import Session
from strongroom.sdk.engine import Endpoint, Help, Reply, Route

MOST = 1000
_CHANGES = (
    (Operation.WRITE, Capability.CREATE | Capability.UPDATE | Capability.PATCH),
    (Operation.DELETE, Capability.DELETE),
)
ENVELOPE = frozenset(field.name for field in msgspec.structs.fields(Envelope))


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Which paths."""

    paths: Annotated[tuple[str, ...], Help("Paths to ask about.", was=("path",))] = ()


@dataclass(frozen=True, kw_only=True)
class OfToken(Paths):
    """Of which token."""

    token: Annotated[str, Help("The token's text.")] = ""


@dataclass(frozen=True, kw_only=True)
class OfAccessor(Paths):
    """Of which token."""

    accessor: Annotated[str, Help("The token's accessor.")] = ""


class CapabilityRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        return (
            Route(
                path="capabilities",
                summary="What a token may do on some paths.",
                write=Endpoint(OfToken, self.of_token, "capabilities.read"),
            ),
            Route(
                path="capabilities-self",
                summary="What the calling token may do on some paths.",
                write=Endpoint(OfToken, self.of_caller, "capabilities.read"),
            ),
            Route(
                path="capabilities-accessor",
                summary="What the token of an accessor may do on some paths.",
                write=Endpoint(OfAccessor, self.of_accessor, "capabilities.read"),
            ),
        )

    async def of_token(self, call: SystemCall, given: OfToken) -> Reply:
        if not given.token:
            raise InputError("", "no token found")
        tx = call.transaction
        session = await self._server.views.session(tx, given.token, call.now)
        if session is None:
            raise InputError("", "invalid token")
        return await self._told(call, given, session)

    async def of_caller(self, call: SystemCall, given: OfToken) -> Reply:
        if call.session is None:
            raise InputError("", "no token found")
        return await self._told(call, given, call.session)

    async def of_accessor(self, call: SystemCall, given: OfAccessor) -> Reply:
        if not given.accessor:
            raise InputError("", "missing accessor")
        tx = call.transaction
        token = await self._server.tokens.by_accessor(tx, given.accessor)
        session = None if token is None else await self._open(call, token)
        if session is None:
            raise InputError("", "invalid accessor")
        return await self._told(call, given, session)

    async def _open(self, call: SystemCall, token: Token) -> Session | None:
        session = await self._server.views.open(call.transaction, token, call.now)
        return session if session is not None and session.live(call.now) else None

    async def _told(self, call: SystemCall, given: Paths, session: Session) -> Reply:
        if not given.paths:
            raise InputError("", "paths must be supplied")
        if len(given.paths) > MOST:
            raise InputError("paths", f"at most {MOST}")
        guardrails = await self._server.views.guardrails(call.transaction)
        data: dict[str, object] = {}
        for path in given.paths:
            clean = path.removeprefix("/")
            held = session.acl.capabilities_for(clean)
            held = await self._without_others(call, session, clean, held)
            held = guardrails.left(session.environments, clean, held)
            if not session.workload:
                lent = session.acl.granted
                granted = Capability.NONE if lent is None else lent.capabilities_for(clean)
                held = guardrails.left_to_people(clean, held, granted)
            data[path] = list(names(held))
        if len(given.paths) == 1:
            data["capabilities"] = data[given.paths[0]]
        call.details["of"] = session.token.accessor
        return Reply(data, fields={p: held for p, held in data.items() if p not in ENVELOPE})

    async def _without_others(
        self, call: SystemCall, session: Session, path: str, held: Capability
    ) -> Capability:
        """Take away what would change the credentials of somebody who is bound elsewhere."""
        bound, tx = session.environments, call.transaction
        found = (await self._server.views.mounts(tx)).find(path) if bound else None
        if found is None:
            return held
        live, rest = found
        for operation, flags in _CHANGES:
            try:
                match = live.routes.match(rest, operation)
                subjects = match.bound.route.subjects
                if subjects is None:
                    continue
                given = match.bound.decode(match.fields, None, None).given
            except StrongroomError:
                continue  # nothing is served there, or not without more than a path
            aliases = await subjects(plugin_call(call, live), given)
            if await subject_refusal(tx, live, aliases, bound) is not None:
                held = held & EVERYTHING & ~flags
        return held
