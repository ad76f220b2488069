"""`sys/audit`: the one audit device, which is the log itself.

Vault   Shown as a device at `log/`. `audit-hash` gives the keyed digest of a text.
Differs Devices are neither enabled nor disabled here: the log cannot be switched off, and where
        its entries are sent is configured (`[[sink]]`). The log holds no value, hashed or not:
        `audit-hash` is for texts that somebody else wrote down by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NoReturn

from strongroom.base.errors import InputError
from strongroom.base.secret import Secret
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route

DEVICE = "log/"
LABEL = "audit-hash"
HEADERS_LEFT_OUT = "request headers are never written to the log"


@dataclass(frozen=True, kw_only=True)
class AtDevice:
    """Which device."""

    path: Annotated[str, Help("Path of the device.", most=512)]


@dataclass(frozen=True, kw_only=True)
class NewDevice(AtDevice):
    """A device as Vault takes it."""

    type: Annotated[str, Help("Type of the device.")] = ""
    description: Annotated[str, Help("For people.")] = ""
    local: Annotated[bool, Help("Not used.")] = False
    options: Annotated[dict[str, str] | None, Help("Options of the device.")] = None


@dataclass(frozen=True, kw_only=True)
class ToHash(AtDevice):
    """What to digest."""

    input: Annotated[Secret | None, Help("The text.")] = None


@dataclass(frozen=True, kw_only=True)
class Header:
    """Which header."""

    header: Annotated[str, Help("Name of the header.", most=512)]
    hmac: Annotated[bool, Help("Not used.")] = False


class DeviceRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        return (
            Route(
                path="audit",
                summary="The audit device: the log.",
                sudo=True,
                read=Endpoint(Nothing, self.devices, "audit.list"),
            ),
            Route(
                path="audit/{path...}",
                summary="Refused: sinks are configured, and the log is always on.",
                sudo=True,
                write=Endpoint(NewDevice, self.enable, "audit.enable"),
                delete=Endpoint(AtDevice, self.disable, "audit.disable"),
            ),
            Route(
                path="audit-hash/{path...}",
                summary="The keyed digest of a text.",
                write=Endpoint(ToHash, self.hash, "audit.hash"),
            ),
            Route(
                path="config/auditing/request-headers",
                summary="The request headers that are logged: none.",
                sudo=True,
                read=Endpoint(Nothing, self.headers, "audit.headers"),
            ),
            Route(
                path="config/auditing/request-headers/{header}",
                summary="Refused: no request header is ever logged.",
                sudo=True,
                read=Endpoint(Header, self.header, "audit.headers"),
                write=Endpoint(Header, self.set_header, "audit.headers"),
                delete=Endpoint(Header, self.set_header, "audit.headers"),
            ),
        )

    async def devices(self, _: SystemCall, __: Nothing) -> Reply:
        device = {
            "type": "log",
            "path": DEVICE,
            "description": "the built-in log; it cannot be disabled",
            "local": False,
            "options": {"origin": self._server.settings.origin},
        }
        data = {DEVICE: device}
        return Reply(data, fields=data)

    async def enable(self, _: SystemCall, __: NewDevice) -> NoReturn:
        raise InputError(
            "",
            "cannot enable audit device via API; the log is always on, and where its entries are "
            "sent is configured as [[sink]]",
        )

    async def disable(self, _: SystemCall, given: AtDevice) -> NoReturn:
        if f"{given.path.rstrip('/')}/" == DEVICE:
            raise InputError("", "the log cannot be disabled")
        raise InputError("", "cannot disable audit device via API; sinks are configured")

    async def hash(self, _: SystemCall, given: ToHash) -> Reply:
        path = f"{given.path.rstrip('/')}/"
        if path != DEVICE:
            raise InputError("", f'unknown audit backend "{path}"')
        if given.input is None:
            raise InputError("", "the 'input' parameter is empty")
        digest = self._server.barrier.digest(LABEL, given.input.reveal())
        data = {"hash": f"hmac-sha256:{digest.hex()}"}
        return Reply(data, fields=data)

    async def headers(self, _: SystemCall, __: Nothing) -> Reply:
        data: dict[str, object] = {"headers": {}}
        return Reply(data, fields=data)

    async def header(self, _: SystemCall, __: Header) -> NoReturn:
        raise InputError("", "Could not find header in config")

    async def set_header(self, _: SystemCall, __: Header) -> NoReturn:
        raise InputError("", HEADERS_LEFT_OUT)
