"""From a proof to a session: the second factor where one is asked for, then the cookie.

    a login ─▶ told ─▶ further ─┬─▶ a factor is asked for ─▶ answered ─▶ validated ─▶ further
                                └─▶ the token, opened as a session ─▶ the cookie

Order   The token is opened as a session before anybody has its cookie; one that cannot be is
        revoked. A session that this browser had before is ended.
Trust   What a login waits for is kept in the form, sealed and for this client alone: nobody can
        bring somebody else's, or make an easier one. The pipeline asks for the factors again
        anyway: the form only says what to show.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from strongroom.console.asking import FORBIDDEN, Told
from strongroom.console.cookies import Kept, given, opened, sealed
from strongroom.console.navigation import ENROLLING
from strongroom.console.visit import Moved, Shown, Visit
from strongroom.core.router import Operation
from strongroom.core.server import Server
from strongroom.identity.factors.demands import ENROL

KEY = "webauthn"
_PURPOSE = "second factor"
_LONGEST_AGENT = 2000


class Way(msgspec.Struct, frozen=True):
    """One way to meet a demand. `options` are a security key's, as JSON."""

    id: str
    kind: str
    options: str = ""


class Waiting(msgspec.Struct, frozen=True):
    """A login that waits: for one way of each of the demands; and what was given for them."""

    request: str
    demands: tuple[tuple[Way, ...], ...]
    given: dict[str, str]
    to: str
    client: bytes

    def __repr__(self) -> str:
        return "Waiting(…)"

    def open(self) -> tuple[tuple[Way, ...], ...]:
        """Return the demands that nothing was given for."""
        return tuple(ways for ways in self.demands if not any(w.id in self.given for w in ways))

    def without_keys(self) -> Waiting:
        """Return it after a wrong answer: a challenge is answered once, so no key can be used."""
        demands = (tuple(w for w in ways if w.kind != KEY) for ways in self.demands)
        return msgspec.structs.replace(self, demands=tuple(demands), given={})


@dataclass(frozen=True)
class Entering:
    """See the module."""

    server: Server

    async def further(self, visit: Visit, told: Told, to: str) -> Shown | Moved:
        """Go on after a login that was done."""
        asked = told.auth.get("mfa_requirement")
        if asked:
            return self.asking(_waiting(asked, to, visit.client.digest))
        return await self._let_in(visit, told.auth, to)

    def asking(
        self, waiting: Waiting, errors: tuple[str, ...] = (), status: int = 200
    ) -> Shown | Moved:
        """Return the page that asks for what is still missing."""
        missing = waiting.open()
        data = {
            "ways": missing[0] if missing else (),
            "waiting": sealed(self.server.barrier, _PURPOSE, waiting),
            "errors": errors,
            "more": len(missing) - 1,
        }
        return Shown(template="second_factor.html", data=data, status=status)

    def waiting(self, visit: Visit) -> Waiting | None:
        """Return the login that a form of this client belongs to."""
        text = visit.form.get("waiting", "")
        found = opened(self.server.barrier, _PURPOSE, text, Waiting)
        own = found is not None and hmac.compare_digest(found.client, visit.client.digest)
        return found if own else None

    async def _let_in(self, visit: Visit, auth: Mapping[str, Any], to: str) -> Shown | Moved:
        enrols = ENROL in auth["policies"]
        asker, turn = replace(visit.asker, token=auth["client_token"], turn=None), ""
        if not enrols:
            agent = visit.client.agent[:_LONGEST_AGENT]
            told = await asker.write("strongroom/sessions", surface="console", agent=agent)
            if not told.ok:
                await asker.ask(Operation.WRITE, "auth/token/revoke-self")
                return _not_opened(told)
            turn = str(told.data["turn"])
        if visit.kept is not None:
            await visit.asker.ask(Operation.WRITE, "auth/token/revoke-self")
        mark = urlsafe_b64encode(self.server.entropy(24)).decode()
        kept = Kept(auth["client_token"], visit.client.digest, mark, enrols=enrols, turn=turn)
        where = ENROLLING if enrols else to
        return Moved(to=where, cookies=(given(self.server.barrier, kept),))


def _waiting(asked: Mapping[str, Any], to: str, client: bytes) -> Waiting:
    demands = tuple(
        tuple(_way(each) for each in constraint["any"])
        for _, constraint in sorted(asked["mfa_constraints"].items())
    )
    return Waiting(asked["mfa_request_id"], demands, {}, to, client)


def _way(method: Mapping[str, Any]) -> Way:
    options = method.get("options")
    return Way(method["id"], str(method["type"]), json.dumps(options) if options else "")


def _not_opened(told: Told) -> Shown:
    said = "You are not signed in: your token cannot be opened as a session."
    more = (*told.errors, "It takes the capability create on strongroom/sessions.")
    data = {"status": told.status, "said": said, "more": more}
    status = FORBIDDEN if told.status == FORBIDDEN else told.status
    return Shown(template="problem.html", data=data, status=status)
