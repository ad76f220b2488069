"""`sys/wrapping`: wrap anything, and look up, open or renew what is wrapped.

Vault   The wrapping token is the request's own token, or `token` in the body of a request that
        another token makes. One opening; looking up does not count.
Differs A request for `unwrap` that asks to be wrapped itself gets a new wrapping token.
        `cubbyhole/response` is empty: `unwrap` is the one way in. Who asks for `unwrap` or
        `rewrap` of a wrapping token in the body, which is none, and has no token that stands, is
        told 403 as anybody without one; OpenBao says 400.
Trust   Whoever has the wrapping token has what it wraps, once. That an opened token comes again
        means that somebody else had it: the entry then names its accessor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, NoReturn

import msgspec

from strongroom.audit.entry import Actor
from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError, SealedError
from strongroom.core.envelope import envelope
from strongroom.core.fields import members
from strongroom.core.governance.control_groups import release
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.token import plugin_call
from strongroom.core.wrapping import Stems, Wrapped, wrap_info
from strongroom.identity.makers import stems_from
from strongroom.identity.records import Token
from strongroom.sdk.auth import HandingOn
from strongroom.sdk.engine import Endpoint, Help, Json, Reply, Route, Whole

INVALID = "wrapping token is not valid or does not exist"
ISSUER = "sys/wrapping/wrap"


@dataclass(frozen=True, kw_only=True)
class Anything:
    """What is to be wrapped: the whole body."""

    body: Annotated[Json | None, Whole()] = None


@dataclass(frozen=True, kw_only=True)
class WrappingToken:
    """Which."""

    token: Annotated[str, Help("The wrapping token; left out, the request's own.")] = ""


class WrappingRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._wrapping = server.wrapping

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        look = Endpoint(WrappingToken, self.look, "wrapping.lookup")
        return (
            Route(
                path="wrapping/wrap",
                summary="Wrap a body; ask for it with X-Vault-Wrap-TTL.",
                write=Endpoint(Anything, self.wrap, "wrapping.wrap"),
            ),
            Route(
                path="wrapping/lookup",
                summary="When and where a wrapping token was made; does not open it.",
                open=True,
                read=look,
                write=look,
            ),
            Route(
                path="wrapping/unwrap",
                summary="Open a wrapping token, once.",
                open=True,
                write=Endpoint(WrappingToken, self.unwrap, "wrapping.unwrap"),
            ),
            Route(
                path="wrapping/rewrap",
                summary="Replace a wrapping token by a new one.",
                write=Endpoint(WrappingToken, self.rewrap, "wrapping.rewrap"),
            ),
        )

    async def wrap(self, call: SystemCall, given: Anything) -> Reply:
        """Give the body back: the pipeline wraps it."""
        if call.request.wrap_ttl is None:
            raise InputError("", "endpoint requires response wrapping to be used")
        found = members(given.body.raw) if given.body is not None else {}
        return Reply({name: Json(bytes(value)) for name, value in found.items()})

    async def look(self, call: SystemCall, given: WrappingToken) -> Reply:
        text = given.token or call.request.token
        held = None
        if text and not self._server.barrier.sealed:
            held = await self._wrapping.held(call.transaction, text, call.now)
        _, wrapped = held or await self._open(call, text)
        return Reply(
            {
                "creation_path": wrapped.creation_path,
                "creation_time": rfc3339(wrapped.creation_time),
                "creation_ttl": int(wrapped.creation_ttl.total_seconds()),
            }
        )

    async def unwrap(self, call: SystemCall, given: WrappingToken) -> Reply | None:
        """Give what is wrapped as it was, and end its token."""
        text = given.token or call.request.token
        if not text:
            raise DeniedError
        if text != call.request.token:
            await call.authorize()
        held = None
        if not self._server.barrier.sealed:
            held = await self._wrapping.held(call.transaction, text, call.now)
        if held is not None:
            await release(self._server, call, *held)
            return None
        token, wrapped = await self._open(call, text)
        call.details["creation_path"] = wrapped.creation_path
        if text == call.request.token:
            call.actor = _holder(token.accessor)
        if call.request.wrap_ttl is not None:
            return await self._again(call, token, wrapped, call.request.wrap_ttl, call.request.path)
        await self._wrapping.spend(call.transaction, token, wrapped, call.now)
        await self._handed(call, wrapped)
        return Reply(raw=wrapped.body.raw)

    async def _handed(self, call: SystemCall, wrapped: Wrapped) -> None:
        """Tell the auth method that made what is inside who has it now, as far as one can know."""
        found = (await self._server.views.mounts(call.transaction)).find(wrapped.creation_path)
        if call.session is None or found is None:
            return
        live, path = found
        method = live.plugin
        if not isinstance(method, HandingOn):
            return
        inside = msgspec.json.decode(wrapped.body.raw)
        data = inside.get("data") if isinstance(inside, dict) else None
        if isinstance(data, dict):
            asked = replace(plugin_call(call, live), makers=call.session.knowing)
            await method.handed(asked, path, data)

    async def rewrap(self, call: SystemCall, given: WrappingToken) -> Reply:
        token, wrapped = await self._open(call, given.token or call.request.token)
        return await self._again(call, token, wrapped, wrapped.creation_ttl, wrapped.creation_path)

    async def _again(
        self, call: SystemCall, token: Token, wrapped: Wrapped, ttl: timedelta, path: str
    ) -> Reply:
        """Wrap the same thing anew, and end the token that it was wrapped in."""
        tx = call.transaction
        makers = (*(token.makers or ()), *_asking(call))
        asking = () if call.session is None else call.session.token.let_in_by or ()
        let_in_by = tuple(dict.fromkeys((*(token.let_in_by or ()), *asking))) or None
        of = Stems(makers, let_in_by)
        issued = self._wrapping.issue(tx, wrapped.body.raw, path, ttl, call.now, of=of)
        await self._wrapping.spend(tx, token, wrapped, call.now)
        call.details["new_wrapping_accessor"] = issued.token.accessor
        fields = {"wrap_info": wrap_info(issued, path, ttl, call.now, _accessor_in(wrapped))}
        return Reply(raw=envelope(call.request.id, Reply(fields=fields), []))

    async def _open(self, call: SystemCall, text: str) -> tuple[Token, Wrapped]:
        """Return a wrapping token and what it wraps; refuse any other, and say why in the entry."""
        if self._server.barrier.sealed:
            raise SealedError("Vault is sealed")
        found = await self._wrapping.find(call.transaction, text, call.now) if text else None
        if found is None:
            await self._refuse(call, text)
        call.details["wrapping_accessor"] = found[0].accessor
        return found

    async def _refuse(self, call: SystemCall, text: str) -> NoReturn:
        spent = await self._wrapping.spent(call.transaction, text) if text else None
        if spent is None:
            raise InputError("", INVALID)
        call.details |= {
            "wrapping_accessor": spent.accessor,
            "already_unwrapped": rfc3339(spent.at),
            "creation_path": spent.creation_path,
        }
        if text == call.request.token:
            call.actor = _holder(spent.accessor)
        raise InputError("", INVALID)


def _holder(accessor: str) -> Actor:
    """Return who asks with a wrapping token as the only credential: whoever holds it."""
    return Actor(id=f"token:{accessor}", token=accessor, issuer=ISSUER)


def _asking(call: SystemCall) -> tuple[str, ...]:
    return () if call.session is None else stems_from(call.session.token)


def _accessor_in(wrapped: Wrapped) -> str:
    """Return the accessor of the token inside, if a token is what was wrapped."""
    inside = msgspec.json.decode(wrapped.body.raw)
    auth = inside.get("auth") if isinstance(inside, dict) else None
    return str(auth.get("accessor", "")) if isinstance(auth, dict) else ""
