"""What the server says of itself beyond its state: configuration, versions, namespaces, CORS.

Differs There are no namespaces and there is no CORS (nothing of another origin may call): both
        say so when asked, and refuse to be changed.
Trust   Nothing here is secret: no address, path or credential of the configuration is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NoReturn

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.version import VERSION
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.mount_settings import seconds
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route


@dataclass(frozen=True, kw_only=True)
class Namespace:
    """Which namespace."""

    path: Annotated[str, Help("Path of the namespace.")]


@dataclass(frozen=True, kw_only=True)
class Cors:
    """What may call from where."""

    enable: Annotated[bool | None, Help("Not supported.")] = None
    allowed_origins: Annotated[tuple[str, ...], Help("Not supported.")] = ()
    allowed_headers: Annotated[tuple[str, ...], Help("Not supported.")] = ()
    allow_credentials: Annotated[bool, Help("Not supported.")] = False


class AboutRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        return (
            Route(
                path="config/state/sanitized",
                summary="The configuration, without what is secret or of this machine.",
                read=Endpoint(Nothing, self.configuration, "config.read"),
            ),
            Route(
                path="config/cors",
                summary="Cross-origin requests: never allowed.",
                sudo=True,
                read=Endpoint(Nothing, self.cors, "config.read"),
                write=Endpoint(Cors, self.set_cors, "config.write"),
                delete=Endpoint(Nothing, self.drop_cors, "config.write"),
            ),
            Route(
                path="version-history",
                summary="The version that runs.",
                list=Endpoint(Nothing, self.versions, "version.list"),
            ),
            Route(
                path="namespaces",
                summary="Namespaces: there are none.",
                list=Endpoint(Nothing, self.namespaces, "namespace.list"),
                scan=Endpoint(Nothing, self.namespaces, "namespace.list"),
            ),
            Route(
                path="namespaces/{path...}",
                summary="Refused: namespaces are not supported.",
                read=Endpoint(Namespace, self.namespace, "namespace.read"),
                write=Endpoint(Namespace, self.refuse, "namespace.write"),
                delete=Endpoint(Namespace, self.refuse, "namespace.delete"),
            ),
        )

    async def configuration(self, _: SystemCall, __: Nothing) -> Reply:
        settings = self._server.settings
        data: dict[str, object] = {
            "cluster_name": settings.cluster_name,
            "default_lease_ttl": seconds(settings.default_ttl),
            "max_lease_ttl": seconds(settings.max_ttl),
            "seals": [{"type": settings.seal_type, "disabled": False}],
            "storage": {"type": settings.storage_type},
            "log": {"origin": settings.origin},
            "raw_storage_endpoint": False,
            "introspection_endpoint": False,
            "simulated_clock": settings.simulated,
        }
        return Reply(data, fields=data)

    async def cors(self, _: SystemCall, __: Nothing) -> Reply:
        data = {"enabled": False}
        return Reply(data, fields=data)

    async def set_cors(self, _: SystemCall, __: Cors) -> NoReturn:
        raise InputError("", "cross-origin requests are not supported")

    async def drop_cors(self, _: SystemCall, __: Nothing) -> None:
        """Nothing is to be done: CORS is off."""

    async def versions(self, _: SystemCall, __: Nothing) -> Reply:
        info = {
            "previous_version": None,
            "timestamp_installed": rfc3339(self._server.started_at),
        }
        return Reply({"keys": [VERSION], "key_info": {VERSION: info}})

    async def namespaces(self, _: SystemCall, __: Nothing) -> Reply:
        return Reply({"keys": []})

    async def namespace(self, _: SystemCall, __: Namespace) -> NoReturn:
        raise NotFoundError

    async def refuse(self, _: SystemCall, __: Namespace) -> NoReturn:
        raise InputError("", "namespaces are not supported")
