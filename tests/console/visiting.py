"""A browser without a window: it keeps cookies, and says where its forms come from."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from strongroom.api.wire import HttpRequest, HttpResponse
from strongroom.console.cookies import AWAY, NAME
from tests.api.serving import Served

AGENT = "Mozilla/5.0 (a browser)"
PASSWORD = "correct horse battery staple"
ADMIN = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'


class Browser:
    """Keeps a cookie and says where its forms come from, as a browser does."""

    def __init__(self, served: Served, *, address: str = "127.0.0.1", agent: str = AGENT) -> None:
        self.served = served
        self.address, self.agent = address, agent
        self.cookie = self.away = ""

    async def send(
        self,
        method: str,
        path: str,
        form: dict[str, str] | bytes | None = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> HttpResponse:
        """Send one request."""
        raw, _, query = path.partition("?")
        told = {"user-agent": self.agent, "host": "strongroom.test"}
        sent_along = {NAME: self.cookie, AWAY: self.away}
        told["cookie"] = "; ".join(f"{name}={text}" for name, text in sent_along.items() if text)
        body = b""
        if form is not None:
            body = form if isinstance(form, bytes) else urlencode(form).encode()
            told |= {
                "content-type": "application/x-www-form-urlencoded",
                "sec-fetch-site": "same-origin",
            }
        told |= headers or {}
        sent = [(k.encode(), v.encode("latin-1")) for k, v in told.items() if v]
        request = HttpRequest(
            method, raw.encode(), query.encode(), sent, body, (self.address, 40_000), None
        )
        got = await self.served.application(request)
        for name, value in got.headers:
            if name == b"set-cookie":
                given, _, text = value.decode().partition(";")[0].partition("=")
                setattr(self, "cookie" if given == NAME else "away", text)
        return got

    async def get(self, path: str) -> HttpResponse:
        """Open a page."""
        return await self.send("GET", path)

    async def sign_in(self, name: str = "ada", password: str = PASSWORD) -> HttpResponse:
        """Sign in by name and password."""
        form = {"mount": "userpass/", "name": name, "password": password, "next": "/"}
        return await self.send("POST", "/sign-in", form)

    async def mark(self) -> str:
        """Return what this session's forms carry."""
        page = (await self.get("/factors")).body.decode()
        found = re.search(r'name="form" value="([^"]+)"', page)
        assert found is not None
        return found[1]

    async def post(self, path: str, **form: str) -> HttpResponse:
        """Send a form of this session's."""
        return await self.send("POST", path, {"form": await self.mark(), **form})


def named(got: HttpResponse, name: str) -> str:
    """Return a header."""
    return next((v.decode() for k, v in got.headers if k.decode() == name), "")


def field_of(got: HttpResponse, name: str) -> str:
    """Return what a page's form holds in a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', got.body.decode())
    assert found is not None, got.body.decode()
    return found[1]
