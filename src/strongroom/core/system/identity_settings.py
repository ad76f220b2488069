"""`strongroom/identity/settings`: whom a first login makes an entity of, and ownerless workloads.

Trust   Where `registration` is `required`, nobody logs in who was not registered. To set it `open`
        again, or to let workloads go on for longer without an owner, asks for sudo; a caller that
        is bound to an environment changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from strongroom.base.errors import DeniedError
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_unbound
from strongroom.identity.admission import Registering, put_registering, registering
from strongroom.identity.standing import (
    DAYS_OWNERLESS,
    ownerless_after,
    put_ownerless_after,
)
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route, Sent


@dataclass(frozen=True, kw_only=True)
class Given:
    """The settings."""

    registration: Annotated[
        str,
        Help(
            "open: whoever an auth method knows; required: who was registered before.",
            choices=tuple(str(each) for each in Registering),
        ),
    ] = ""
    ownerless_after: Annotated[
        timedelta, Help("For so long a workload goes on whose owner is gone; 30 days at most.")
    ] = DAYS_OWNERLESS
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


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
        after = await ownerless_after(call.transaction)
        said = str(await registering(call.transaction))
        return Reply({"registration": said, "ownerless_after": int(after.total_seconds())})

    async def write(self, call: SystemCall, given: Given) -> None:
        check_unbound(call)
        before, longer = await registering(call.transaction), False
        chosen = Registering(given.registration) if given.registration else before
        if "ownerless_after" in given.sent:
            longer = given.ownerless_after > await ownerless_after(call.transaction)
            put_ownerless_after(call.transaction, given.ownerless_after)
            call.details["ownerless_after"] = int(given.ownerless_after.total_seconds())
        loosened = longer or (before, chosen) == (Registering.REQUIRED, Registering.OPEN)
        session = call.session
        if loosened and session is not None and not session.acl.sudo(call.request.path).allowed:
            raise DeniedError
        if given.registration:
            put_registering(call.transaction, chosen)
        call.details |= {"registration": str(chosen), "loosened": loosened}
