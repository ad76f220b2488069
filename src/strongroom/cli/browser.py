"""A login at an OpenID provider, in a browser: `strongroom login --method oidc`.

    auth_url → browser → provider → http://localhost:PORT/oidc/callback → here → the server

Vault  As `bao login -method=oidc`: `role`, `port` (8250) and `skip_browser=true`, which is
       `--no-browser` too; the role must allow the redirect URI.
Units  The browser has five minutes.
Trust  It listens on the loopback address alone, until the answer to this very login came: one with
       another state is turned away. The server is also sent a nonce that only this process has, so
       that a code that somebody else catches gets nobody in. What is shown to the browser is fixed.
"""

from __future__ import annotations

import secrets
import time
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from strongroom.cli.errors import CommandError
from strongroom.cli.session import Session

PORT: Final = "8250"
PATH: Final = "/oidc/callback"
SECONDS: Final = 300
_PAGE: Final = b"<!doctype html><title>strongroom</title><p>Go back to the terminal.\n"


class _Listener(HTTPServer):
    """Waits for the browser to come back with this state."""

    def __init__(self, port: int, state: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.state = state
        self.came: dict[str, str] = {}


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    timeout = 5

    def do_GET(self) -> None:
        """Take the provider's answer; anything else is not found."""
        parts = urlsplit(self.path)
        found = {name: values[0] for name, values in parse_qs(parts.query).items()}
        state = found.get("state", "").encode()
        ours = parts.path == PATH and secrets.compare_digest(state, self.server.state.encode())
        if ours:
            self.server.came = found
        self.send_response(200 if ours else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.send_header("Content-Security-Policy", "default-src 'none'")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, *_: object) -> None:
        """Say nothing: the path holds a code."""


def log_in(session: Session, place: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the login that the browser was sent for."""
    port = str(given.pop("port", PORT))
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise CommandError("the port is not a number from 1 to 65535")
    if str(given.pop("skip_browser", "")).lower() == "true":
        session.skips_browser = True
    nonce = secrets.token_urlsafe(32)
    asked = {
        "role": given.pop("role", ""),
        "redirect_uri": f"http://localhost:{port}{PATH}",
        "client_nonce": nonce,
    }
    reply = session.anonymous.post(f"{place}/oidc/auth_url", asked)
    url = str(((reply or {}).get("data") or {}).get("auth_url") or "")
    state = parse_qs(urlsplit(url).query).get("state", [""])[0]
    if urlsplit(url).scheme not in {"http", "https"} or not state:
        raise CommandError("the server gave no address to log in at", "check role and port")
    came = _awaited(session, int(port), state, "" if session.skips_browser else url, url)
    if "code" not in came:
        raise CommandError("the provider let nobody in")
    query: dict[str, str | int] = {"client_nonce": nonce}
    query |= {name: came[name] for name in ("code", "state", "id_token", "iss") if name in came}
    answer: dict[str, Any] = session.anonymous.get(f"{place}/oidc/callback", query)
    return answer


def _awaited(session: Session, port: int, state: str, opened: str, url: str) -> dict[str, str]:
    """Send the browser off, and wait until it is back."""
    try:
        listener = _Listener(port, state)
    except OSError as problem:
        raise CommandError(f"port {port}: {problem.strerror}", "give port=NUMBER") from None
    with listener:
        session.output.note(f"log in with a browser, here:\n\n  {url}\n")
        if opened:
            webbrowser.open(opened)
        until = time.monotonic() + SECONDS
        while not listener.came and (left := until - time.monotonic()) > 0:
            listener.timeout = left
            listener.handle_request()
    if not listener.came:
        raise CommandError("no browser came back in time")
    return listener.came
