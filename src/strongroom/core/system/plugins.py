"""`sys/plugins/catalog`: the engines and auth methods that are built in, which is all there are.

Vault   What `plugin list` and `plugin info` ask for.
Differs Only what can be mounted is shown, and no plugin can be registered, removed or reloaded:
        those requests are refused as unsupported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from strongroom.base.errors import NotFoundError
from strongroom.base.version import VERSION
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.mounts import UNMOUNTABLE
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route


@dataclass(frozen=True, kw_only=True)
class Type:
    """Plugins of one type."""

    type: Annotated[str, Help("auth, secret or database.")]


@dataclass(frozen=True, kw_only=True)
class Named(Type):
    """One plugin."""

    name: Annotated[str, Help("Name of the plugin.")]


class PluginRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        return (
            Route(
                path="plugins/catalog",
                summary="The engines and auth methods that are built in.",
                read=Endpoint(Nothing, self.catalog, "plugin.list"),
            ),
            Route(
                path="plugins/catalog/{type}",
                summary="The names of those of one type.",
                sudo=True,
                list=Endpoint(Type, self.names, "plugin.list"),
            ),
            Route(
                path="plugins/catalog/{type}/{name}",
                summary="One of them.",
                sudo=True,
                read=Endpoint(Named, self.show, "plugin.read"),
            ),
        )

    async def catalog(self, _: SystemCall, __: Nothing) -> Reply:
        found = self._by_type()
        detailed = [
            {"name": name, "type": each, **_about()}
            for each, names in found.items()
            for name in names
        ]
        return Reply({**found, "detailed": detailed})

    async def names(self, _: SystemCall, given: Type) -> Reply:
        return Reply({"keys": self._by_type().get(given.type, [])})

    async def show(self, _: SystemCall, given: Named) -> Reply:
        if given.name not in self._by_type().get(given.type, []):
            raise NotFoundError
        outside = {"args": None, "command": "", "sha256": "", "oci": False, "declarative": False}
        return Reply({"name": given.name, **_about(), **outside})

    def _by_type(self) -> dict[str, list[str]]:
        """Return what can be mounted. The versions of `kv` are one engine, as they are in Vault."""
        engines = {"kv" if name == "kv-v2" else name for name in self._server.engines}
        return {"auth": sorted(self._server.methods), "secret": sorted(engines - UNMOUNTABLE)}


def _about() -> dict[str, object]:
    return {
        "builtin": True,
        "deprecation_status": "supported",
        "version": f"v{VERSION}+builtin.strongroom",
    }
