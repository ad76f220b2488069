"""`/v1/…`: Vault's wire, between the HTTP edge and the pipeline.

Vault   Methods, headers and query switches as its clients send them: LIST or `?list=true`,
        `X-Vault-Token` or a bearer token, `X-Vault-Wrap-TTL`. HEAD is for `sys/health` alone.
        Namespaces are refused by name.
Differs Refused with 400 where OpenBao goes on: a body nested deeper than 300, that is not UTF-8
        (a lone surrogate is none), or that holds a second document; a time to wrap for below a
        microsecond; a token of more than 512 characters. A path that is a mount's alone
        (`secret/`, `sys/`) is 404 whatever the method, as is deleting the secret without a name.
        What is wrong with the framing of a request is told as one thing. HEAD is 405 but for
        health, whoever asks for whatever: OpenBao looks for the token and the path first.
Trust   A path is one string for policy, routing and the log: percent-decoded once, then refused
        if it is not UTF-8 or holds NUL, a control character, an empty, `.` or `..` segment.
        Where OpenBao redirects to what it takes a path to mean, this refuses it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from time import monotonic
from urllib.parse import parse_qs, unquote_to_bytes

import msgspec

from strongroom.api.limits import TokenBuckets
from strongroom.api.wire import HttpRequest, HttpResponse
from strongroom.base.duration import parse_duration
from strongroom.base.errors import (
    InputError,
    MediaTypeError,
    NotFoundError,
    RefusedError,
    StrongroomError,
    UnsupportedError,
)
from strongroom.core.login import uuid_of
from strongroom.core.pipeline import Pipeline
from strongroom.core.request import Answer, Incoming
from strongroom.core.router import Operation

PREFIX = b"/v1/"
LONGEST_PATH = 4096
_OPERATIONS = {
    "GET": Operation.READ,
    "HEAD": Operation.READ,
    "POST": Operation.WRITE,
    "PUT": Operation.WRITE,
    "PATCH": Operation.PATCH,
    "DELETE": Operation.DELETE,
    "LIST": Operation.LIST,
    "SCAN": Operation.SCAN,
}
_JSON_TYPE = "application/json"
_JSON = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_TRUE = frozenset({"true", "1", "t", "T", "TRUE", "True"})
_FALSE = frozenset({"", "false", "0", "f", "F", "FALSE", "False"})
_EVERYDAY_PATH = re.compile(rb"[0-9A-Za-z_-]+(?:/[0-9A-Za-z_-]+)*/?")
_STRAY_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
HEALTH = "sys/health"
MERGE_PATCH = b"application/merge-patch+json"
MAX_WRAP = timedelta(days=32)


class VaultWire:
    """Serves `/v1/…` through one pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        entropy: Callable[[int], bytes],
        strangers: TokenBuckets | None = None,
    ) -> None:
        """Serve; `strangers` bounds how often an address may ask without a token that stands."""
        self._pipeline = pipeline
        self._bound = None if strangers is None else lambda a: strangers.take(a, monotonic())
        self._ids = request_ids(entropy)
        self._recording: set[asyncio.Task[None]] = set()
        self._at_once = pipeline.database.kind == "sqlite"  # its reads return without waiting

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        answer = await self._pipeline.handle(self.incoming(request, PREFIX))
        return response(answer)

    def start(self, request: HttpRequest, respond: Callable[[HttpResponse], None]) -> bool:
        """Answer one request without a task; False where reads of the database wait."""
        if not self._at_once:
            return False
        incoming = self.incoming(request, PREFIX)
        self._pipeline.start(incoming, lambda answer: respond(response(answer)))
        return True

    def refused(
        self, request: HttpRequest, fault: HttpResponse, respond: Callable[[HttpResponse], None]
    ) -> None:
        """Write down what the edge refused before it was a request, and answer as it says.

        The receipt is added where there is one: what repeats itself is counted (`core.noise`),
        and what cannot be committed is answered all the same, since it is refused either way.
        """
        [words] = msgspec.json.decode(fault.body)["errors"]
        incoming = self.incoming(request, PREFIX)
        incoming.problem = RefusedError(fault.status, words)
        incoming.path = shown_path(request.raw_path)
        incoming.bound = None  # the answer is settled
        if self._at_once:
            self._pipeline.start(incoming, lambda answer: respond(with_receipt(fault, answer)))
            return
        task = asyncio.get_running_loop().create_task(self._record(incoming, fault, respond))
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)

    async def _record(
        self, incoming: Incoming, fault: HttpResponse, respond: Callable[[HttpResponse], None]
    ) -> None:
        told = fault
        try:
            told = with_receipt(fault, await self._pipeline.handle(incoming))
        finally:
            respond(told)

    def incoming(self, request: HttpRequest, prefix: bytes, under: str = "") -> Incoming:
        """Decode what every request has. What is wrong is answered by the pipeline, on record."""
        incoming = Incoming(
            id=next(self._ids),
            operation=_OPERATIONS.get(request.method, Operation.READ),
            path="",
            method=request.method,
            address=request.peer[0],
            port=request.peer[1],
            body=request.body or None,
            bound=self._bound,
        )
        if request.tls is not None and request.tls.certificate is not None:
            incoming.certificates = request.tls.chain or (request.tls.certificate,)
        _take_token(incoming, request.headers)  # first: whatever else is wrong, it says who asked
        try:
            incoming.path = under + clean_path(request.raw_path[len(prefix) :])
            if request.query:
                _take_query(incoming, request.query)
            _take_settings(incoming, request.headers)
            if request.method == "HEAD" and not under and incoming.path != HEALTH:
                raise UnsupportedError("unsupported operation")
        except StrongroomError as error:
            incoming.problem = error
            incoming.path = incoming.path or shown_path(request.raw_path)
        return incoming

    def elsewhere(self, request: HttpRequest) -> Incoming:
        """Return what was asked of a path that nothing serves; its token says who asked."""
        incoming = Incoming(
            id=next(self._ids),
            operation=_OPERATIONS.get(request.method, Operation.READ),
            path=shown_path(request.raw_path),
            method=request.method,
            address=request.peer[0],
            port=request.peer[1],
            problem=NotFoundError("nothing is served here; see /v1/ and /log/"),
            bound=self._bound,
        )
        _take_token(incoming, request.headers)
        return incoming


def request_ids(entropy: Callable[[int], bytes]) -> Iterator[str]:
    """Yield UUIDs for ever, drawing randomness for many at a time: they are no secrets."""
    while True:
        pool = entropy(16 * 256)
        for at in range(0, len(pool), 16):
            yield uuid_of(pool[at : at + 16])


def response(answer: Answer) -> HttpResponse:
    """Return the HTTP form of an answer."""
    headers = [_JSON[1]]
    if answer.body is not None:
        kind = answer.content_type
        headers = (
            list(_JSON) if kind == _JSON_TYPE else [(b"content-type", kind.encode()), _JSON[1]]
        )
    if answer.receipt:
        headers.append((b"audit-receipt", answer.receipt.encode()))
    if answer.retry_after is not None:
        headers.append((b"retry-after", b"%d" % answer.retry_after))
    return HttpResponse(answer.status, headers, answer.body or b"")


def with_receipt(fault: HttpResponse, answer: Answer) -> HttpResponse:
    """Return a refusal with the receipt of its entry, if it has one."""
    receipt = [(b"audit-receipt", answer.receipt.encode())] if answer.receipt else []
    return HttpResponse(fault.status, [*fault.headers, *receipt], fault.body)


def clean_path(raw: bytes) -> str:
    """Decode a request path, or raise InputError."""
    if _EVERYDAY_PATH.fullmatch(raw) and len(raw) <= LONGEST_PATH:
        return raw.decode("ascii")
    if _STRAY_PERCENT.search(raw):
        raise InputError("path", "holds a '%' that encodes nothing")
    try:
        path = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise InputError("path", "not UTF-8") from None
    if len(path) > LONGEST_PATH:
        raise InputError("path", f"longer than {LONGEST_PATH} characters")
    if not path.isprintable():
        raise InputError("path", "holds a control or unprintable character")
    if "//" in path or path.startswith("/"):
        raise InputError("path", "holds an empty segment")
    if "." in path and not {".", ".."}.isdisjoint(path.split("/")):
        raise InputError("path", "holds a '.' or '..' segment")
    return path


def shown_path(raw: bytes) -> str:
    """Return a path that could not be decoded as the log may show it."""
    return raw[:256].decode("ascii", "backslashreplace").removeprefix("/v1/")


def _take_query(incoming: Incoming, raw: bytes) -> None:
    try:
        query = parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:
        raise InputError("query", "not UTF-8, or too many fields") from None
    if incoming.operation is Operation.READ:
        incoming.operation = _switched(query)
    if incoming.operation is not Operation.WRITE:
        incoming.query = query or None


def _switched(query: dict[str, list[str]]) -> Operation:
    """Take the switches out of the query of a GET, and return what it means with them."""
    meant = Operation.READ
    for name, operation in (("list", Operation.LIST), ("scan", Operation.SCAN)):
        if name in query:
            value = query.pop(name)[0]
            if value in _TRUE:
                meant = operation
            elif value not in _FALSE:
                raise InputError(name, "neither true nor false")
    return Operation.HELP if query.pop("help", [""])[0] else meant


def _take_token(incoming: Incoming, headers: list[tuple[bytes, bytes]]) -> None:
    """Take who asks; refuses nothing. Of a token given twice the first counts, as in Vault."""
    bearer = ""
    for name, value in headers:
        if name == b"x-vault-token":
            incoming.token = incoming.token or value.decode("latin-1")
        elif name == b"authorization":
            bearer = bearer or _bearer(value)
    incoming.token = incoming.token or bearer


def _take_settings(incoming: Incoming, headers: list[tuple[bytes, bytes]]) -> None:
    """Take what else is Vault's of the headers."""
    for name, value in headers:
        if name == b"x-vault-wrap-ttl":
            incoming.wrap_ttl = _wrap_ttl(value.decode("latin-1"))
        elif name == b"x-vault-mfa":
            incoming.mfa = (*incoming.mfa, value.decode("latin-1"))
        elif name == b"x-vault-namespace" and value.strip(b"/ ") not in (b"", b"root"):
            raise InputError("X-Vault-Namespace", "namespaces are not supported")
    if incoming.operation is Operation.PATCH:
        _require_merge_patch(headers)
        incoming.merge_patch = True


def _bearer(value: bytes) -> str:
    return value[7:].strip().decode("latin-1") if value[:7].lower() == b"bearer " else ""


def _require_merge_patch(headers: list[tuple[bytes, bytes]]) -> None:
    for name, value in headers:
        if name == b"content-type" and value:
            if value.partition(b";")[0].strip().lower() != MERGE_PATCH:
                raise MediaTypeError(f"PATCH requires Content-Type of {MERGE_PATCH.decode()}")
            return
    raise InputError("Content-Type", f"PATCH requires one, of {MERGE_PATCH.decode()}")


def _wrap_ttl(text: str) -> timedelta | None:
    ttl = parse_duration(text, "X-Vault-Wrap-TTL")
    if ttl > MAX_WRAP:
        raise InputError("X-Vault-Wrap-TTL", "longer than 768h")
    return ttl if ttl > timedelta(0) else None
