"""Signing in at a provider by OpenID Connect: sent there, and come back with a code.

Specs  OpenID Connect Core 1.0, authorization code; each mount has a redirect URI of its own.
Order  `/sign-in/with` begins the login at the mount and gives a cookie; `/sign-in/callback/…` takes
       the cookie back whatever comes of it, ends the login, and shows a page that leads on: a
       session's cookie is not sent along by a visit that came from another site.
Trust  A callback counts only in the browser that was sent, once, for the mount that sent it: the
       nonce which the mount asks for again is in that browser's cookie alone. So nobody can be
       signed in as somebody else by a link. The redirect URI is the configured address of the
       console, whatever a request calls this host.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta

from strongroom.base.errors import InputError
from strongroom.console.asking import Told
from strongroom.console.cookies import AWAY_SECONDS, Away, come_back, sent_away
from strongroom.console.entering import Entering
from strongroom.console.pages.sign_in import OVER, SignIn
from strongroom.console.returning import afterwards
from strongroom.console.visit import Moved, Page, Shown, Visit
from strongroom.core.server import Server

_MOUNT = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*/")
_BROUGHT = ("state", "code", "iss", "error")
_NOT_BEGUN = ("This provider cannot be used here: its role does not allow this console's address.",)


@dataclass(frozen=True)
class Providers:
    """See the module."""

    server: Server

    def pages(self) -> tuple[Page, ...]:
        """Return them."""
        return (
            Page(path="/sign-in/with", get=self.send, open=True),
            Page(path="/sign-in/callback/{mount}", get=self.back, open=True),
        )

    def redirect_uri(self, mount: str) -> str:
        """Return where a mount's provider sends browsers back to."""
        name = mount.rstrip("/").replace("/", ":")
        return f"{self.server.settings.console_url.rstrip('/')}/sign-in/callback/{name}"

    async def send(self, visit: Visit) -> Shown | Moved:
        """Send the browser to the provider."""
        mount = visit.query.get("mount", "")
        if not _MOUNT.fullmatch(mount):
            raise InputError("mount", "not the path of an auth method")
        nonce = urlsafe_b64encode(self.server.entropy(24)).decode()
        told = await visit.asker.write(
            f"auth/{mount}oidc/auth_url",
            redirect_uri=self.redirect_uri(mount),
            client_nonce=nonce,
        )
        url = told.data.get("auth_url", "")
        if not told.ok or not url.isascii() or not url.startswith(("https://", "http://")):
            said = told.errors or _NOT_BEGUN
            return await SignIn(self.server).form(visit, visit.query, said, _status(told))
        away = Away(
            mount=mount,
            nonce=nonce,
            to=afterwards(visit.query),
            client=visit.client.digest,
            until=visit.now + timedelta(seconds=AWAY_SECONDS),
        )
        return Moved(to=url, cookies=(sent_away(self.server.barrier, away),))

    async def back(self, visit: Visit) -> Shown | Moved:
        """Take what the browser brings back."""
        away = visit.away
        mount = f"{visit.fields['mount'].replace(':', '/')}/"
        if away is None or away.mount != mount:
            await visit.refused("nobody who was sent to this provider from here")
            return await SignIn(self.server).form(visit, {}, OVER, 400)
        brought = {name: visit.query[name] for name in _BROUGHT if name in visit.query}
        told = await visit.asker.write(
            f"auth/{mount}oidc/callback", **brought, client_nonce=away.nonce
        )
        if not told.ok:
            made: Shown | Moved = await SignIn(self.server).form(
                visit, {"next": away.to}, told.errors, told.status
            )
            return with_cookie(made, come_back())
        made = await Entering(self.server).further(visit, told, away.to)
        if isinstance(made, Moved):
            made = Shown(template="signed_in.html", data={"to": made.to}, cookies=made.cookies)
        return with_cookie(made, come_back())


def with_cookie(made: Shown | Moved, cookie: str) -> Shown | Moved:
    """Return a page with one more header for a cookie."""
    cookies = (*made.cookies, cookie)
    if isinstance(made, Moved):
        return Moved(to=made.to, cookies=cookies)
    return Shown(template=made.template, data=made.data, status=made.status, cookies=cookies)


def _status(told: Told) -> int:
    return 400 if told.ok else told.status
