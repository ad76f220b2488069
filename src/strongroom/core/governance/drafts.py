"""Drafts of writes: checked against the routes, and shown against what is there.

Trust   Who proposes a write could make it by their own policies, were it not for the rule. What it
        would change is read by the server itself, so they are shown the configuration that they may
        write, never what is secret.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final

from strongroom.base.errors import DeniedError, InputError, StrongroomError
from strongroom.core.fields import members
from strongroom.core.gate import ASKED
from strongroom.core.governance.drafting import (
    Target,
    base_of,
    compared,
    content_of,
    difference,
    digest_of_write,
)
from strongroom.core.request import Incoming, SystemCall
from strongroom.core.router import Match, Operation, Routes, routes_of
from strongroom.core.server import Server
from strongroom.core.system.token import plugin_call
from strongroom.core.views import Live, Mounts
from strongroom.identity.governance.changes import ChangeWrite
from strongroom.identity.policy.capability import Operation as Asked
from strongroom.sdk.changes import OPERATIONS
from strongroom.sdk.engine import Call, Help, Json
from strongroom.storage.store import MountStore

MOST_WRITES, LONGEST_PATH, MOST_NAMED = 16, 512, 3000
OWN: Final = "strongroom/changes"
NO_BODY: Final = frozenset({"delete"})


@dataclass(frozen=True, kw_only=True)
class WriteGiven:
    """One write of a change."""

    path: Annotated[str, Help("Path of the request, without v1/.", least=1, most=LONGEST_PATH)]
    operation: Annotated[str, Help("What is done there.", choices=OPERATIONS)] = "write"
    body: Annotated[Json | None, Help("The body, as it is to be sent.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A write, checked as far as it can be now."""

    path: str
    operation: str
    content: bytes
    digest: str
    base: str
    follows: bool
    shown: str


class Drafting:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def drafts(self, call: SystemCall, writes: Sequence[WriteGiven]) -> list[Draft]:
        """Check each write against the routes; InputError names the write, and the field."""
        if not 0 < len(writes) <= MOST_WRITES:
            raise InputError("writes", f"from 1 to {MOST_WRITES}")
        mounts = await self._server.views.mounts(call.transaction)
        found: list[Draft] = []
        made: dict[str, str] = {}
        for at, each in enumerate(writes):
            try:
                found.append(await self._draft(call, mounts, made, each))
            except InputError as error:
                name = f"writes.{at}" + (f".{error.field}" if error.field else "")
                raise InputError(name, error.problem) from None
            _makes(made, found[-1], each)
        paths = [each.path for each in found]
        if len(set(paths)) < len(paths):
            raise InputError("writes", "two of them are of the same path")
        if sum(map(len, paths)) > MOST_NAMED:
            raise InputError("writes", f"all paths together have at most {MOST_NAMED} characters")
        return found

    async def _draft(
        self, call: SystemCall, mounts: Mounts, made: dict[str, str], given: WriteGiven
    ) -> Draft:
        path = given.path.removeprefix("/").removeprefix("v1/")
        _check_path(path)
        operation = Operation(given.operation)
        await self._check_may(call, path, operation)
        content = _content(call, given, path, operation)
        digest = digest_of_write(self._server.barrier, path, operation.value, content)
        found = mounts.find(path)
        new = next((each for each in made if f"{path}/".startswith(each)), "")
        if found is None and new:
            match = _matched(self._routes(made[new], new), path.removeprefix(new), operation)
            return Draft(
                path=path,
                operation=operation.value,
                content=content,
                digest=digest,
                base="",
                follows=True,
                shown=compared(path, match, {}, operation, content),
            )
        if found is None:
            raise InputError("path", "nothing is mounted there")
        live, rest = found
        target = Target(path=path, live=live, match=_matched(live.routes, rest, operation))
        before = call.transaction.mark()
        inner = self._call_to(call, live)
        text = await difference(inner, target, operation, content)
        base = await base_of(self._server.barrier, inner, target)
        call.transaction.rollback(before)
        return Draft(
            path=path,
            operation=operation.value,
            content=content,
            digest=digest,
            base=base,
            follows=bool(new),
            shown=text,
        )

    async def _check_may(self, call: SystemCall, path: str, operation: Operation) -> None:
        """Raise DeniedError for who could not write there by themselves: they are shown nothing."""
        session = call.session
        if session is None:
            raise DeniedError
        asked = [ASKED[operation], *([Asked.CREATE] if operation is Operation.WRITE else [])]
        allowed = [each for each in asked if session.acl.grants(path, each).allowed]
        guardrails = await self._server.views.guardrails(call.transaction)
        if not allowed or guardrails.check(session, path, allowed[0]) is not None:
            raise DeniedError("permission denied: you may not write there, with a change or not")

    def _routes(self, kind: str, path: str) -> Routes:
        """Return the routes of a mount that an earlier write makes."""
        if path.startswith("auth/"):
            method = self._server.methods.get(kind)
            if method is not None:
                return routes_of(method)
        else:
            engine = self._server.engines.get(kind.partition("-v")[0])
            if engine is not None:
                return Routes(engine.routes(), kind)
        raise InputError("path", "an earlier write mounts nothing that is known there")

    async def _base(self, call: SystemCall, target: Target) -> str:
        before = call.transaction.mark()
        base = await base_of(self._server.barrier, self._call_to(call, target.live), target)
        call.transaction.rollback(before)
        return base

    def _call_to(self, call: SystemCall, live: Live) -> Call:
        """Return a call to a mount, of the core's own or of a plugin."""
        if not live.system:
            return plugin_call(call, live)
        return replace(
            call,
            store=MountStore(call.transaction, live.row.uuid),
            mount=live.mounted,
            details={},
            committed=[],
            warnings=[],
        )

    async def is_stale(self, call: SystemCall, write: ChangeWrite) -> bool:
        """Say whether what a write was shown against is no longer there; not once it is applied."""
        if write.applied_at is not None or write.follows or not write.base:
            return False
        mounts = await self._server.views.mounts(call.transaction)
        found = mounts.find(write.path)
        if found is None:
            return True
        live, rest = found
        try:
            match = live.routes.match(rest, Operation(write.operation))
        except StrongroomError:
            return True
        target = Target(path=write.path, live=live, match=match)
        return await self._base(call, target) != write.base


def _matched(routes: Routes, rest: str, operation: Operation) -> Match:
    try:
        match = routes.match(rest, operation)
    except StrongroomError as error:
        raise InputError("path", str(error) or "no such path") from None
    if match.bound.route.open or match.bound.login is not None:
        raise InputError("path", "it asks nobody for a token: no change holds it")
    return match


def _check_path(path: str) -> None:
    if f"{path}/".startswith(f"{OWN}/"):
        raise InputError("path", "no change holds a change")
    if not path.isprintable() or "//" in path or not {".", ".."}.isdisjoint(path.split("/")):
        raise InputError("path", "no empty, '.' or '..' segment, and printable characters only")


def _content(call: SystemCall, given: WriteGiven, path: str, operation: Operation) -> bytes:
    body = None if given.body is None or given.body.raw == b"null" else given.body.raw
    if body is not None and operation.value in NO_BODY:
        raise InputError("body", "a delete has none")
    if body is not None:
        members(body)
    sent = Incoming(id=call.request.id, operation=operation, path=path, body=body)
    return content_of(sent)


def _makes(made: dict[str, str], draft: Draft, given: WriteGiven) -> None:
    """Note the mount that a write makes, with its type."""
    for table, prefix in (("sys/mounts/", ""), ("sys/auth/", "auth/")):
        rest = draft.path.removeprefix(table)
        if rest == draft.path or rest.endswith("/tune") or given.operation != "write":
            continue
        kind = json.loads(draft.content)["body"].get("type", "")
        made[f"{prefix}{rest.strip('/')}/"] = str(kind)
