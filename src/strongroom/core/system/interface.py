"""`sys/internal`: what user interfaces and clients ask before they do anything.

Vault   `kv` clients ask `internal/ui/mounts/{path}` for a mount's version; a browser asks
        `internal/ui/mounts` for what its token can reach, or what is shown without one.
Trust   A mount is shown to those whose policies reach some path in it, and to everybody only
        where `listing_visibility` says so. Of one that is not there, as of one that is hidden,
        the answer is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from strongroom.base.errors import DeniedError, NotFoundError, SealedError
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.mount_settings import AUTH, shown_mount
from strongroom.core.views import Live
from strongroom.identity.policy.acl import Acl
from strongroom.identity.policy.capability import Capability, names
from strongroom.identity.policy.pattern import has_plus
from strongroom.identity.policy.questions import reaches
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route


@dataclass(frozen=True, kw_only=True)
class AtPath:
    """Which path."""

    path: Annotated[str, Help("A path, or a mount's.")]


@dataclass(frozen=True, kw_only=True)
class DocumentGiven:
    """Which form of the document."""

    generic_mount_paths: Annotated[bool, Help("Name mounts by parameters, not by path.")] = False
    context: Annotated[str, Help("Not used.")] = ""


class InterfaceRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        openapi = Endpoint(DocumentGiven, self.document, "openapi.read")
        return (
            Route(
                path="internal/ui/mounts",
                summary="The mounts that the caller can reach.",
                open=True,
                read=Endpoint(Nothing, self.mounts, "mount.list"),
            ),
            Route(
                path="internal/ui/mounts/{path...}",
                summary="The mount that a path belongs to.",
                open=True,
                read=Endpoint(AtPath, self.mount, "mount.read"),
            ),
            Route(
                path="internal/ui/namespaces",
                summary="The namespaces of the caller: there are none.",
                open=True,
                read=Endpoint(Nothing, self.namespaces, "namespace.list"),
            ),
            Route(
                path="internal/ui/resultant-acl",
                summary="What the caller's policies add up to.",
                read=Endpoint(Nothing, self.resultant, "capabilities.read"),
            ),
            Route(
                path="internal/specs/openapi",
                summary="The OpenAPI document of the mounts that the caller can reach.",
                open=True,
                read=openapi,
                write=openapi,
            ),
        )

    async def mounts(self, call: SystemCall, _: Nothing) -> Reply:
        whole = call.session is not None
        shown: dict[str, dict[str, object]] = {"auth": {}, "secret": {}}
        for live in await self._visible(call):
            family = "auth" if live.row.path.startswith(AUTH) else "secret"
            shown[family][live.row.path.removeprefix(AUTH)] = _shown(live, whole=whole)
        return Reply(shown)

    async def mount(self, call: SystemCall, given: AtPath) -> Reply:
        self._require_unsealed()
        if call.session is None:
            raise DeniedError
        mounts = await self._server.views.mounts(call.transaction)
        found = mounts.find(f"{given.path.strip('/')}/")
        live = found[0] if found else None
        if live is None or not _reached(call.session.acl, live):
            wanted = f"{given.path.strip('/')}/"
            raise DeniedError(
                "preflight capability check returned 403, please ensure client's policies "
                f'grant access to path "{wanted}"'
            )
        return Reply({**_shown(live, whole=True), "path": live.row.path.removeprefix(AUTH)})

    async def namespaces(self, call: SystemCall, _: Nothing) -> Reply:
        self._require_unsealed()
        if call.session is None:
            raise DeniedError
        return Reply({})

    async def resultant(self, call: SystemCall, _: Nothing) -> Reply:
        """Give the caller's rules by pattern, granted ones too; those with a `+` not, as in Vault.

        What a guardrail refuses, or a `deny` takes from a grant, is not taken off.
        """
        if call.session is None:
            raise NotFoundError
        acl = call.session.acl
        if acl.everything is not None and acl.everything.allowed:
            return Reply({"root": True})
        exact: dict[str, object] = {}
        glob: dict[str, object] = {}
        rules = {pattern: merged.capabilities for pattern, merged in acl.merged.items()}
        for pattern, lent in (acl.granted.merged if acl.granted is not None else {}).items():
            rules[pattern] = rules.get(pattern, Capability.NONE) | lent.capabilities
        for pattern, capabilities in rules.items():
            held = {"capabilities": list(names(capabilities))}
            if has_plus(pattern):
                continue
            if pattern.endswith("*"):
                glob[pattern[:-1]] = held
            else:
                exact[pattern] = held
        return Reply({"root": False, "exact_paths": exact, "glob_paths": glob})

    async def document(self, call: SystemCall, given: DocumentGiven) -> Reply:
        visible = await self._visible(call)
        return Reply(self._server.openapi(visible, given.generic_mount_paths), bare=True)

    async def _visible(self, call: SystemCall) -> list[Live]:
        """Return the mounts that the caller may know of. DeniedError for a token that is none."""
        self._require_unsealed()
        if call.session is None and call.request.token:
            raise DeniedError
        mounts = await self._server.views.mounts(call.transaction)
        return [
            live
            for _, live in sorted(mounts.by_path.items())
            if live.row.config.get("listing_visibility") == "unauth"
            or (call.session is not None and _reached(call.session.acl, live))
        ]

    def _require_unsealed(self) -> None:
        if self._server.barrier.sealed:
            raise SealedError("Vault is sealed")


def _reached(acl: Acl, live: Live) -> bool:
    return reaches(acl, f"{live.row.path}*")


def _shown(live: Live, *, whole: bool) -> dict[str, object]:
    shown = shown_mount(live.row, fixed=live.system or live.row.kind == "cubbyhole")
    if whole:
        return shown
    return {name: shown[name] for name in ("type", "description", "options")}
