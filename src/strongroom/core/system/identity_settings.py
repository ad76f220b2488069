"""`strongroom/identity/settings`: whom a first login makes an entity of.

Trust   Where `registration` is `required`, nobody logs in who was not registered. To set it `open`
        again asks for sudo; a caller that is bound to an environment changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from strongroom.base.errors import DeniedError
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_unbound
from strongroom.identity.admission import Registering, put_registering, registering
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route


@dataclass(frozen=True, kw_only=True)
class Given:
    """The settings."""

    registration: Annotated[
        str,
        Help(
            "open: whoever an auth method knows; required: who was registered before.",
            choices=tuple(str(each) for each in Registering),
        ),
    ]


class IdentitySettingRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="identity/settings",
                summary="Whether somebody must be registered to log in.",
                read=Endpoint(Nothing, self.show, "identity.settings.read"),
                write=Endpoint(Given, self.write, "identity.settings.write"),
            ),
        )

    async def show(self, call: SystemCall, _given: Nothing) -> Reply:
        return Reply({"registration": str(await registering(call.transaction))})

    async def write(self, call: SystemCall, given: Given) -> None:
        check_unbound(call)
        before, chosen = await registering(call.transaction), Registering(given.registration)
        loosened = (before, chosen) == (Registering.REQUIRED, Registering.OPEN)
        session = call.session
        if loosened and session is not None and not session.acl.sudo(call.request.path).allowed:
            raise DeniedError
        put_registering(call.transaction, chosen)
        call.details |= {"registration": str(chosen), "loosened": loosened}
