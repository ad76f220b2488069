"""HTTP to a Vault-compatible server, over the standard library alone.

Vault  The headers `X-Vault-Token`, `X-Vault-Namespace`, `X-Vault-Wrap-TTL`, `X-Vault-Request`.
Order  A request that is refused for want of a fresh factor is sent once more after `steps_up`.
Units  Timeouts are in seconds. One is for each piece of an answer; behind it the whole must come
       at some pace, and end.
Trust  The server's certificate is always verified, against the system's authorities or the file
       given; nothing switches that off. Without TLS nothing is sent but to this machine. What
       the server says is shown without control characters. One redirect is followed, as a
       standby node gives it, to the same scheme.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
)
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from strongroom.base.secret import Secret
from strongroom.cli.errors import CommandError, RefusedError, UnreachableError

_IN_PATH: Final = "/~:@!$&'()*,;="
_PLAIN_TO_TLS: Final = b"HTTP request to an HTTPS server"
_COUNTED: Final = re.compile(r"^\s*1 error occurred:\s*\*\s*")
# X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL
_OTHER_NAME: Final = frozenset({62, 64})
NO_TOKEN: Final = "nobody is logged in: `strongroom login`, or set STRONGROOM_TOKEN"  # noqa: S105  none
_OWN: Final = "auth/token/lookup-self"
_FACTOR: Final = "a fresh factor is needed here"
_LOGIN: Final = "/login"
_WHERE: Final = "is the address right (--address, STRONGROOM_ADDR)?"
_LARGEST: Final = 2**27  # bytes of an answer
_SLOWEST: Final = 16 * 1024  # bytes a second, once an answer takes longer than the timeout
_PIECE: Final = 2**16
_JSON: Final = "application/json"
_NO_API: Final = frozenset({"text/html", "text/plain"})  # other types are other interfaces'
_REDIRECTS: Final = frozenset({307, 308})

Query = Mapping[str, str | int]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back, with `data` decoded where it is JSON."""

    status: int
    headers: Mapping[str, str]
    raw: bytes = field(repr=False)
    data: Any = field(repr=False)
    kind: str = ""  # of content, without parameters


@dataclass(frozen=True, kw_only=True)
class Target:
    """Which server, and how to be sure of it and show who we are."""

    address: str
    ca_file: Path | None = None
    certificate: tuple[Path, Path] | None = None
    namespace: str = ""
    timeout: float = 60.0


class Client:
    """One server and one token; one connection, opened at the first request."""

    def __init__(self, target: Target, token: Secret | None, wrap_ttl: str = "") -> None:
        self.address = target.address
        self._target = target
        self._token = token
        self._wrap_ttl = wrap_ttl
        self._parts = _address(target.address)
        self._connection: HTTPConnection | None = None
        self.largest = _LARGEST  # an answer; a pack may be larger
        self.steps_up: Callable[[Client], None] | None = None  # shows a fresh factor, once

    def get(self, path: str, query: Query | None = None, *, wrapped: bool = True) -> Any:
        """Read a path below `/v1/` and return its JSON; wrapped only if that is asked and meant."""
        return self._json(self.send("GET", path, query=query, wrapped=wrapped))

    def list(self, path: str, query: Query | None = None) -> list[str]:
        """Return the names below a path; none where there is nothing."""
        try:
            found = self._json(self.send("LIST", path, query=query))
        except RefusedError as refused:
            if refused.status == 404 and not _errors(refused.body):
                return []
            raise
        return [str(key) for key in (found or {}).get("data", {}).get("keys") or ()]

    def post(self, path: str, body: object = None) -> Any:
        """Write to a path and return the JSON that came back, None for an empty answer."""
        return self._json(self.send("POST", path, {} if body is None else body))

    def delete(self, path: str) -> Any:
        """Delete a path."""
        return self._json(self.send("DELETE", path))

    def _json(self, reply: Reply) -> Any:
        no_json = reply.kind == _JSON and not isinstance(reply.data, dict)
        strange = reply.kind in _NO_API or no_json
        if reply.raw and strange:
            raise CommandError(
                f"{self.address} does not answer as a Vault-compatible server does", _WHERE
            )
        return reply.data

    def send(  # noqa: PLR0913  what an HTTP request has
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Query | None = None,
        content_type: str = "application/json",
        accepted: frozenset[int] = frozenset(),
        wrapped: bool = True,
    ) -> Reply:
        """Send one request to `/v1/{path}`.

        Raises `RefusedError` for a status of 400 and above that is not `accepted`,
        `UnreachableError` where no answer came or it lies elsewhere, and `CommandError` for a
        server that cannot be trusted with a token.
        """
        text = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type} if text is not None else {}
        if wrapped and self._wrap_ttl:
            headers["X-Vault-Wrap-TTL"] = self._wrap_ttl
        reply = self.fetch(
            method, f"/v1/{path.strip('/')}{_kept_slash(path)}", text, headers, query
        )
        if reply.status == 403 and self.steps_up is not None and _wants_factor(reply.data):
            steps_up, self.steps_up = self.steps_up, None
            steps_up(self)
            reply = self.fetch(
                method, f"/v1/{path.strip('/')}{_kept_slash(path)}", text, headers, query
            )
        if reply.status >= 400 and reply.status not in accepted:
            raise _refused(path, reply, anonymous=self.anonymous)
        if 300 <= reply.status < 400:
            raise UnreachableError(f"{self.address} redirects elsewhere", "use its own address")
        return reply

    def fetch(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Query | None = None,
    ) -> Reply:
        """Send one request to an absolute path and return whatever status came."""
        target = self._parts.path.rstrip("/") + quote(path, safe=_IN_PATH)
        if query:
            target += "?" + urlencode(query)
        sent = {**self._headers(), **(headers or {})}
        response, raw = self._exchange(method, target, body, sent)
        if response.status in _REDIRECTS and (location := response.headers.get("Location")):
            self._follow(location)
            response, raw = self._exchange(method, target, body, sent)
        if response.status == 400 and _PLAIN_TO_TLS in raw:
            raise UnreachableError(f"{self.address} expects TLS", "begin the address with https://")
        return Reply(
            status=response.status,
            headers=dict(response.headers),
            raw=raw,
            data=_decoded(raw, response.headers.get_content_type()),
            kind=response.headers.get_content_type(),
        )

    @property
    def anonymous(self) -> bool:
        """Whether there is no token."""
        return self._token is None

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _headers(self) -> dict[str, str]:
        headers = {"X-Vault-Request": "true", "User-Agent": "strongroom"}
        if self._token is not None:
            headers["X-Vault-Token"] = self._token.text()
        if self._target.namespace:
            headers["X-Vault-Namespace"] = self._target.namespace
        return headers

    def _exchange(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[HTTPResponse, bytes]:
        if self._connection is None:
            self._connection = self._connect()
        try:
            self._connection.request(method, target, body=body, headers=dict(headers))
            response = self._connection.getresponse()
            return response, _body(response, self._target.timeout, self.largest)
        except _TooLargeError:
            self.close()
            raise CommandError(f"the answer of {self.address} does not end", _WHERE) from None
        except (OSError, HTTPException) as problem:
            self.close()
            raise _unreachable(self.address, problem) from None

    def _connect(self) -> HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            if not _is_loopback(host):
                raise CommandError(
                    f"{self.address} is not on this machine, and has no TLS",
                    "begin the address with https://",
                )
            return HTTPConnection(host, port or 80, timeout=self._target.timeout)
        return HTTPSConnection(
            host, port or 443, timeout=self._target.timeout, context=_context(self._target)
        )

    def _follow(self, location: str) -> None:
        parts = urlsplit(location)
        if parts.scheme != self._parts.scheme or not parts.hostname:
            raise UnreachableError(f"{self.address} redirects elsewhere", "use its own address")
        self._parts = parts._replace(path="", query="", fragment="")
        self.close()


class _TooLargeError(Exception):
    pass


def _body(response: HTTPResponse, patience: float, largest: int) -> bytes:
    """Read a body; TimeoutError for one that comes slower than any link behind `patience`."""
    parts, size, began = list[bytes](), 0, monotonic()
    while part := response.read1(_PIECE):
        parts.append(part)
        size += len(part)
        if size > largest:
            raise _TooLargeError
        if (waited := monotonic() - began) > patience and size < waited * _SLOWEST:
            raise TimeoutError
    if response.length:
        raise IncompleteRead(b"", response.length)
    response.close()  # the connection is free for the next request
    return b"".join(parts)


def _address(text: str) -> SplitResult:
    parts = urlsplit(text)
    try:
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username or parts.query or parts.fragment:
        raise CommandError(
            "the server's address is not of the form https://HOST:PORT",
            "see --address and STRONGROOM_ADDR",
        )
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _context(target: Target) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(
            cafile=None if target.ca_file is None else str(target.ca_file)
        )
        if target.certificate is not None:
            context.load_cert_chain(*map(str, target.certificate))
    except OSError as problem:
        files = [*filter(None, (target.ca_file, *(target.certificate or ())))]
        raise CommandError(
            f"{' or '.join(map(str, files))} cannot be used as a certificate:"
            f" {problem.strerror or 'not PEM'}"
        ) from None
    return context


def _unreachable(address: str, problem: Exception) -> UnreachableError:
    if isinstance(problem, ssl.SSLCertVerificationError):
        return UnreachableError(
            f"the certificate of {address} is not trusted ({problem.verify_message.rstrip('.')})",
            "use a name or address that the certificate has"
            if problem.verify_code in _OTHER_NAME
            else "name its authority with --ca-cert FILE or STRONGROOM_CACERT",
        )
    if isinstance(problem, ssl.SSLError):
        return UnreachableError(
            f"{address} does not answer with TLS ({problem.reason})",
            "check the port; a development server may want http://",
        )
    if isinstance(problem, TimeoutError):
        return UnreachableError(f"{address} did not answer in time")
    said = (problem.strerror if isinstance(problem, OSError) else None) or type(problem).__name__
    return UnreachableError(
        f"{address} cannot be reached ({said[:1].lower()}{said[1:]})",
        "is the server running, and is the address right (--address, STRONGROOM_ADDR)?",
    )


def _kept_slash(path: str) -> str:
    return "/" if path.endswith("/") and path.strip("/") else ""


def _decoded(raw: bytes, content_type: str) -> Any:
    if content_type != _JSON or not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _refused(path: str, reply: Reply, *, anonymous: bool) -> RefusedError:
    errors = _errors(reply.data)
    said = printable("; ".join(_COUNTED.sub("", error) for error in errors))
    where = path.strip("/")
    problem, advice = _meaning(reply.status, said)
    if reply.status == 403 and where == _OWN:
        advice = "the token is not valid here, or not any more; `strongroom login` gets another"
    if reply.status == 403 and anonymous and _LOGIN not in where:
        advice = NO_TOKEN
    return RefusedError(f"{where}: {problem}", advice, status=reply.status, body=reply.data)


def _wants_factor(body: Any) -> bool:
    return any(_FACTOR in error for error in _errors(body))


def _errors(body: Any) -> list[str]:
    found = body.get("errors") if isinstance(body, dict) else None
    return [str(error) for error in found] if isinstance(found, list) else []


def _meaning(status: int, said: str) -> tuple[str, str]:
    """Return what a refusal means, and what to do about it."""
    if status == 403:
        return said or "permission denied", (
            "check who you are with `strongroom token lookup`, and what you may do with"
            " `strongroom token capabilities PATH`"
        )
    if status == 404 and "unsupported path" in said:
        return said, (
            "`strongroom path-help PATH` says what a mount has;"
            " secrets are read with `strongroom kv`"
        )
    if status == 404:
        return said or "nothing is stored there", ""
    if status == 503 and "sealed" in said.lower():
        return (
            "the server is sealed",
            "open it with `strongroom unseal`, or `strongroom init` if it is new",
        )
    if status == 429:
        return said or "too many requests", "wait a moment"
    return f"{said or 'the server gave no reason'} ({status})", ""


def printable(text: str) -> str:
    """Return one line in which nothing can move a terminal's cursor."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
