"""What the HTTP edge hands to the application, and what it takes back.

Specs  RFC 9110 and 9112. `LIST` and `SCAN` are methods of Vault's and OpenBao's clients.
Units  Bodies are whole: a request's is complete and within the cap before anybody sees it.
Trust  Nothing in a request is trusted but `peer` and `tls`, which the edge itself saw. Requests
       and responses carry tokens and secrets, so neither prints more than its size.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsPeer:
    """How a connection is protected, and the certificate that the client showed.

    A certificate here proves that the client holds its key, and nothing else: whether anybody
    vouches for it is for the cert auth method to judge.
    """

    version: str
    cipher: str
    certificate: bytes | None = None
    chain: tuple[bytes, ...] = ()


@dataclass(slots=True, repr=False)
class HttpRequest:
    """One request. `peer` is the client's address, behind trusted proxies too."""

    method: str  # GET, POST, PUT, PATCH, DELETE, LIST, SCAN, HEAD
    raw_path: bytes  # as on the wire, without the query; still percent-encoded
    query: bytes
    headers: list[tuple[bytes, bytes]]  # lower-case names
    body: bytes
    peer: tuple[str, int]
    tls: TlsPeer | None

    def __repr__(self) -> str:
        return f"<HttpRequest {self.method}, body of {len(self.body)} bytes>"


@dataclass(slots=True, repr=False)
class HttpResponse:
    """One response. The edge adds `content-length`, `date` and `connection`; nobody else may."""

    status: int
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<HttpResponse {self.status}, body of {len(self.body)} bytes>"


Respond = Callable[[HttpResponse], None]


class Application(Protocol):
    """Answers requests; run as a task, to its end, whether or not the client still listens."""

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        ...


class StartingApplication(Application, Protocol):
    """An application that can also answer without a task, now or later."""

    def start(self, request: HttpRequest, respond: Respond) -> bool:
        """Take the request, or return False to leave it to `__call__`.

        Runs in the event loop and must not block. Whoever returns True calls `respond` exactly
        once, from the event loop's thread: before it returns, or any time later.
        """
        ...


class RecordingApplication(Application, Protocol):
    """An application that keeps a record of what was refused before it could be asked."""

    def refused(self, request: HttpRequest, response: HttpResponse, respond: Respond) -> None:
        """Note a refusal, and respond as told; headers may be added. Must not block.

        The request is what of it was read: without a body, and perhaps without a method, a path
        or some of its headers. `respond` is called as in `StartingApplication.start`.
        """
        ...


def refusal(
    status: int, *errors: str, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> HttpResponse:
    """Return an error in Vault's shape."""
    fixed = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    body = json.dumps({"errors": list(errors)}, separators=(",", ":")).encode()
    return HttpResponse(status, [*fixed, *headers], body)


class ResponseError(ValueError):
    """A response that must not be written: a defect of the application."""


_OWN = frozenset({b"content-length", b"transfer-encoding", b"connection", b"date"})
_BODILESS = frozenset({204, 304})
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {_PHRASES.get(status, 'Status')}\r\ndate: ".encode()
    for status in range(200, 600)
}


def encode(response: HttpResponse, *, date: bytes, last: bool, head: bool) -> bytes:
    """Return a response as bytes for the wire.

    `last` announces that the connection closes; `head` leaves out the body but not its length.
    Raises ResponseError where a header would break out of its line, or is the edge's own.
    """
    status, headers, body = response.status, response.headers, response.body
    start = _STATUS_LINES.get(status)
    if start is None:
        raise ResponseError("status out of range")
    text = start + date
    for header in headers:
        if header[0] in _OWN:
            raise ResponseError("a header that only the edge may set")
        text += b"\r\n%b: %b" % header
    lines = len(headers) + 3 + last
    if status not in _BODILESS:
        text += b"\r\ncontent-length: %d" % len(body)
        lines += 1
    elif body:
        raise ResponseError("a body where the status allows none")
    text += b"\r\nconnection: close\r\n\r\n" if last else b"\r\n\r\n"
    if text.count(b"\n") != lines or text.count(b"\r") != lines or b"\0" in text:
        raise ResponseError("a header with a line break in it")
    return text if head else text + body
