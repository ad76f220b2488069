"""One HTTP/1.1 connection, from bytes to the application and back.

Specs  RFC 9112, as llhttp reads it in its strict mode: one length of a body, CRLF, no folding.
       One `Host`; HTTP/1.0 may leave it out.
Vault  llhttp knows neither `LIST` nor `SCAN`. It is fed `LINK` and `LOCK` in their place, at the
       beginning of a message only, and what is a client's own `LINK` stays one.
Order  Requests of a connection are answered in the order they came. A request that was handed
       to the application runs to its end, also when the client goes away meanwhile. What cannot
       be read is refused once the application has written that down. What waited or was not whole
       when the connection ended is written down as well.
Trust  A client may send any bytes at any pace. It holds a connection no longer than the
       deadlines of `EdgeLimits`, and no more memory than its caps: both count from the first
       byte, before anything is known of the client. Refusals tell it nothing about the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import re
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Final, cast

import httptools
from httptools.parser import errors as parser_errors

from strongroom.api.edge import INTERNAL, Edge, Exchange, report
from strongroom.api.forwarded import Network, client_of, trusts
from strongroom.api.wire import HttpRequest, HttpResponse, TlsPeer, encode, refusal
from strongroom.base.errors import InputError

_log = logging.getLogger("strongroom.edge")

_METHODS: Final = {
    method.encode(): method for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
}
_ALIASES: Final = {b"LIST ": b"LINK ", b"SCAN ": b"LOCK "}
_MEANT: Final = {b"LINK": "LIST", b"LOCK": "SCAN"}
_VERB: Final = re.compile(rb"LIST |SCAN |(?:LIST|LIS|LI|L|SCAN|SCA|SC|S)\Z")
_VERB_LETTERS: Final = frozenset(b"LISTSCAN")
_SPECIAL: Final = frozenset({b"connection", b"content-length", b"expect", b"upgrade"})

_BETWEEN, _HEADERS, _BODY = 0, 1, 2

_BUSY: Final = refusal(503, "the server is busy", headers=((b"retry-after", b"1"),))
_MALFORMED: Final = refusal(400, "malformed HTTP request")
_HEADER_TOO_LARGE: Final = refusal(431, "request header too large")
_TOO_SLOW: Final = refusal(408, "the request did not arrive in time")
_NO_SUCH_METHOD: Final = refusal(
    405,
    "unsupported operation",
    headers=((b"allow", b"GET, POST, PUT, PATCH, DELETE, LIST, SCAN, HEAD"),),
)
_NO_SUCH_EXPECTATION: Final = refusal(417, "unsupported expectation")
_NOT_WHOLE: Final = refusal(400, "the connection ended before the request was whole")
_NOT_SERVED: Final = refusal(400, "the connection ended before the request was served")


class _RefusedError(Exception):
    """Stops the parser: the connection's `_fault` says why."""


class Connection(asyncio.Protocol):
    """Reads requests, has them answered one after another, writes the responses."""

    def __init__(self, edge: Edge, trusted_proxies: Sequence[Network] = ()) -> None:
        self.deadline = math.inf
        self._edge = edge
        self._limits = edge.limits
        self._trusted_proxies = trusted_proxies
        self._parser = httptools.HttpRequestParser(self)
        # Of the connection
        self._transport: asyncio.Transport
        self._peer = ("", 0)
        self._proxied = False
        self._tls: TlsPeer | None = None
        self._lost = False
        self._closing = False  # the last response is written
        self._deaf = False  # whatever else arrives is discarded
        self._half_closed = False
        self._paused = False  # reading
        self._choked = False  # writing
        self._fault: HttpResponse | None = None  # to be sent when all before it is answered
        self._on_record = False  # the application has been told of the fault, or need not be
        # Of the message that arrives
        self._stage = _BETWEEN
        self._timed = _BETWEEN  # the stage for which the deadline was set
        self._verb_start = b""  # the bytes so far of what may become LIST or SCAN
        self._aliased = False
        self._advanced = False
        self._piece = 0  # bytes that arrived just now
        self._before = 0  # bytes of pieces before, of which this message has a part
        self._unheard = 0  # bytes since the parser last had anything to say
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._special: dict[bytes, bytes] = {}
        self._hosts = 0
        self._method = ""
        self._keep = False
        self._body: bytes | bytearray = b""
        # Of the requests that have arrived
        self._ready: deque[tuple[HttpRequest, bool]] = deque()
        self._buffered = 0  # bytes of bodies that nobody has been handed yet
        self._busy = False
        self._pumping = False

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who is there; the first request must arrive soon."""
        self._transport = cast("asyncio.Transport", transport)
        address = transport.get_extra_info("peername")
        if isinstance(address, tuple):
            self._peer = (str(address[0]).removeprefix("::ffff:"), int(address[1]))
            self._proxied = trusts(self._trusted_proxies, self._peer[0])
        connected = transport.get_extra_info("ssl_object")
        if connected is not None:
            self._tls = tls_peer(connected, of_client=not self._proxied)
        self.deadline = self._edge.loop.time() + self._limits.header_seconds
        crowded = len(self._edge.connections) >= self._limits.connections
        self._edge.connections.add(self)
        if crowded or self._edge.stopping:
            self._fault = _BUSY
            self._send_fault()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """Have what was not begun written down; what was begun goes on without us."""
        self._give_up()
        self._edge.connections.discard(self)
        self._edge.buffered -= self._buffered
        self._buffered = 0
        del self._parser  # which refers to us

    def data_received(self, data: bytes) -> None:
        """Read what arrived, and serve what is complete."""
        if self._deaf:
            return
        self._advanced = False
        if self._verb_start:
            data, self._verb_start = self._verb_start + data, b""
        self._piece = len(data)
        try:
            if b"LIST " in data or b"SCAN " in data or data[-1] in _VERB_LETTERS:
                self._feed_in_pieces(data)
            else:
                self._parser.feed_data(data)
            if self._stage != _BETWEEN:
                self._bound_silence()
        except httptools.HttpParserUpgrade:
            self._deaf = True  # no protocol is spoken here but this: the request is answered
        except (httptools.HttpParserError, _RefusedError) as error:
            self._misread(error)
        if not self._busy:
            self._pump()
        elif self._ready:
            self._pause_reading()
        self._settle()

    def eof_received(self) -> bool:
        """Answer what has arrived also to a client that will send no more."""
        self._deaf = True
        self._miss_the_rest()
        awaited = self._busy or bool(self._ready) or self._fault is not None
        self._half_closed = awaited and not self._closing and self._tls is None
        if self._half_closed and not self._busy:
            self._pump()
            self._settle()
        return self._half_closed and not self._closing

    def pause_writing(self) -> None:
        """Serve nothing more until the client reads."""
        self._choked = True
        self.deadline = self._edge.loop.time() + self._limits.write_seconds

    def resume_writing(self) -> None:
        """Go on serving."""
        self._choked = False
        if not self._pumping and not self._busy:
            self._pump()
        self._settle()

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._stage = _HEADERS
        self._timed = _BETWEEN
        self._advanced = True
        self._before = 0
        self._url = b""
        self._headers = []
        self._hosts = 0
        self._method = ""
        self._body = b""
        if self._special:
            self._special = {}

    def on_url(self, url: bytes) -> None:
        """Take the request target, or a piece of it."""
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; the trailers of a chunked body are none."""
        if self._stage == _BODY:
            return
        name = name.lower()
        if name == b"host":
            self._hosts += 1
        elif name in _SPECIAL:
            self._special[name] = value
        self._headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Refuse early what would be refused anyway."""
        parser, verb = self._parser, self._parser.get_method()
        if self._aliased:
            self._method, self._aliased = _MEANT[verb], False
        elif verb in _METHODS:
            self._method = _METHODS[verb]
        else:
            self._method = verb.decode()
            self._refuse(_NO_SUCH_METHOD)
        if self._hosts != 1 and (self._hosts or parser.get_http_version() == "1.1"):
            self._refuse(_MALFORMED)  # RFC 9112 section 3.2
        self._keep = parser.should_keep_alive()
        if self._before + self._piece > self._limits.header_bytes:
            self._bound_header()
        if self._special:
            self._heed_special(self._special)
        self._stage = _BODY

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._advanced = True
        if not self._body:
            self._body = body
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body
        self._buffered += len(body)
        self._edge.buffered += len(body)
        if len(self._body) > self._limits.body_bytes:
            self._refuse(self._edge.too_large)
        spared = len(self._body) <= self._limits.spared_bytes
        if self._edge.buffered > self._limits.buffered_bytes * (2 if spared else 1):
            self._refuse(_BUSY)

    def on_message_complete(self) -> None:
        """Queue the request."""
        self._unheard = 0
        url, peer = self._url, self._peer
        if not url.startswith(b"/"):
            url = self._origin_form(url)
        path, _, query = url.partition(b"?")
        if self._proxied:
            peer = self._client()
        self._stage = _BETWEEN  # from here on nothing is wrong with the message
        body = self._body if isinstance(self._body, bytes) else bytes(self._body)
        self._body = b""
        request = HttpRequest(self._method, path, query, self._headers, body, peer, self._tls)
        self._ready.append((request, self._keep))
        if not self._keep:
            self._deaf = True

    # What the server calls

    def answer(self, exchange: Exchange, response: HttpResponse) -> None:
        """Write the response, and go on with the next request."""
        self._edge.finish(exchange.held)
        self._busy = False
        if self._lost:
            return
        if self._on_record:
            self._fault = response
            self._send_fault()
            return
        self._write(response, exchange.head, exchange.keep)
        if not self._pumping:
            self._pump()
            self._settle()

    def expire(self) -> None:
        """End a connection that has outstayed its deadline."""
        if self._closing or self._choked:
            self._transport.abort()
        elif self._stage == _BETWEEN and not self._verb_start:
            self._close()
        else:
            self._deaf = True
            self._fault = _TOO_SLOW
            self._pump()

    def retire(self) -> None:
        """Close if no request has begun."""
        if not (self._busy or self._ready or self._stage or self._verb_start or self._closing):
            self._close()

    def abort(self) -> None:
        """Cut the connection."""
        self._give_up()
        self._transport.abort()

    # Reading

    def _feed_in_pieces(self, data: bytes) -> None:
        """Feed the parser up to each place where a verb of ours may begin a message."""
        fed = 0
        for match in _VERB.finditer(data):
            if match.start() > fed:
                self._parser.feed_data(data[fed : match.start()])
                fed = match.start()
            if self._stage != _BETWEEN or self._deaf:
                continue
            alias = _ALIASES.get(match.group())
            if alias is None:
                self._verb_start = data[fed:]
                return
            self._aliased = True
            self._parser.feed_data(alias)
            fed = match.end()
        if fed < len(data):
            self._parser.feed_data(data[fed:])

    def _misread(self, error: Exception) -> None:
        """Refuse the message that could not be read, after those before it."""
        if self._deaf:
            return  # what follows a last request concerns nobody
        if isinstance(error, parser_errors.HttpParserCallbackError) and self._fault is None:
            report(error.__context__ or error)
            self._fault = INTERNAL
        self._deaf = True
        self._fault = self._fault or _MALFORMED

    def _refuse(self, response: HttpResponse) -> None:
        self._fault = response
        raise _RefusedError

    def _bound_silence(self) -> None:
        """Bound what the parser keeps of a header line or a chunk's extension."""
        self._before += self._piece
        self._unheard = 0 if self._advanced else self._unheard + self._piece
        if self._unheard > self._limits.header_bytes:
            self._refuse(_HEADER_TOO_LARGE)

    def _bound_header(self) -> None:
        size = len(self._url)
        for name, value in self._headers:
            size += len(name) + len(value) + 4
        if size > self._limits.header_bytes:
            self._refuse(_HEADER_TOO_LARGE)

    def _heed_special(self, special: dict[bytes, bytes]) -> None:
        version = "1.1"
        if b"connection" in special or b"expect" in special:
            version = self._parser.get_http_version()
        if version != "1.1":
            self._keep = False  # also where a client of HTTP/1.0 asks to be kept
        length = special.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18:
            self._refuse(_MALFORMED)
        if int(length) > self._limits.body_bytes:
            self._refuse(self._edge.too_large)
        if b"upgrade" in special and self._parser.should_upgrade():
            if int(length) or any(name == b"transfer-encoding" for name, _ in self._headers):
                self._refuse(_MALFORMED)  # where its body ends cannot be known
            self._keep = False
        expected = special.get(b"expect")
        if expected is None or version != "1.1":
            return
        if expected.strip().lower() != b"100-continue":
            self._refuse(_NO_SUCH_EXPECTATION)
        if not self._busy and not self._ready:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _origin_form(self, url: bytes) -> bytes:
        """Return the path and query of an absolute request target."""
        scheme, separator, rest = url.partition(b"://")
        if not separator or scheme.lower() not in {b"http", b"https"}:
            self._refuse(_MALFORMED)
        slash = rest.find(b"/")
        return rest[slash:] if slash >= 0 else b"/"

    def _client(self) -> tuple[str, int]:
        try:
            return client_of(self._headers, self._peer, self._trusted_proxies)
        except InputError as error:
            self._fault = refusal(400, str(error))
            raise _RefusedError from None

    # Serving

    def _pump(self) -> None:
        """Serve what is ready, in order, until one request takes its time."""
        self._pumping = True
        ready = self._ready
        while ready and not self._busy and not self._choked and not self._closing:
            request, keep = ready.popleft()
            self._serve(request, keep)
        self._pumping = False
        if self._closing or self._lost:
            return
        if ready:
            self._pause_reading()
        elif not self._busy:
            if self._fault is not None:
                self._record_fault(self._fault)
            elif self._half_closed:
                self._close()
            else:
                self._resume_reading()

    def _serve(self, request: HttpRequest, keep: bool) -> None:
        edge, held = self._edge, len(request.body)
        head = request.method == "HEAD"
        self._buffered -= held
        if edge.under_way >= self._limits.requests:
            edge.buffered -= held
            self._write(_BUSY, head, keep)
            return
        edge.under_way += 1
        self._busy = True
        exchange = Exchange(self, head, keep, held)
        if edge.start is not None:
            try:
                if edge.start(request, exchange.respond):
                    return
            except Exception as error:  # noqa: BLE001  a defect of the application
                report(error)
                if not exchange.answered:
                    exchange.respond(INTERNAL)
                return
            if exchange.answered:
                _log.error("a request was answered, and then left to the coroutine")
                return
        edge.spawn(request, exchange)

    def _write(self, response: HttpResponse, head: bool, keep: bool) -> None:
        keep = keep and not self._edge.stopping
        try:
            text = encode(response, date=self._edge.date, last=not keep, head=head)
        except Exception as error:  # noqa: BLE001  whatever the application handed over
            report(error)
            keep = False
            text = encode(INTERNAL, date=self._edge.date, last=True, head=head)
        self._transport.write(text)
        if not keep:
            self._close()

    def _record_fault(self, fault: HttpResponse) -> None:
        """Tell the application, which keeps the record, what is refused; then refuse.

        It adds to the response by what it is found in the record again. To be busy is no fault of
        the client's, and to write that down would make it worse.
        """
        if fault is _BUSY or not self._may_tell():
            self._send_fault()
            return
        self._busy = self._on_record = True
        self._tell(self._seen(), fault)

    def _may_tell(self) -> bool:
        return self._edge.refused is not None and self._edge.under_way < self._limits.requests

    def _tell(self, request: HttpRequest, fault: HttpResponse) -> None:
        edge = self._edge
        assert edge.refused is not None
        edge.under_way += 1
        exchange = Exchange(self, head=False, keep=False, held=0)
        try:
            edge.refused(request, fault, exchange.respond)
        except Exception as error:  # noqa: BLE001  a defect of the application
            report(error)
            if not exchange.answered:
                exchange.respond(fault)

    def _miss_the_rest(self) -> None:
        """Find fault with a message that has begun and of which no more will come."""
        if self._fault is None and (self._stage != _BETWEEN or self._verb_start):
            self._fault = _NOT_WHOLE

    def _give_up(self) -> None:
        """Answer nobody any more, and have written down what was not begun. Twice is once."""
        self._lost = self._deaf = True
        unserved = [(request, _NOT_SERVED) for request, _ in self._ready]
        self._ready.clear()
        self._miss_the_rest()
        if self._fault not in (None, _BUSY) and not self._on_record:
            self._on_record = True
            unserved.append((self._seen(), self._fault))
        for request, fault in unserved:
            if self._may_tell():
                self._tell(request, fault)

    def _seen(self) -> HttpRequest:
        """Return what is known of the message that could not be read to its end."""
        if self._stage == _BETWEEN:
            return HttpRequest("", b"", b"", [], b"", self._peer, self._tls)
        path, _, query = self._url[max(0, self._url.find(b"/v1/")) :].partition(b"?")
        peer, method = self._peer, self._method
        if self._url and not method:  # its header did not come to an end
            verb = self._parser.get_method()
            method = _MEANT[verb] if self._aliased else verb.decode()
        if self._proxied:
            with contextlib.suppress(InputError):
                peer = client_of(self._headers, peer, self._trusted_proxies)
        return HttpRequest(method, path, query, self._headers, b"", peer, self._tls)

    def _send_fault(self) -> None:
        """Refuse, and give the client a moment to read it although it may still be sending."""
        assert self._fault is not None
        self._deaf = self._closing = self._on_record = True
        self._transport.write(encode(self._fault, date=self._edge.date, last=True, head=False))
        if self._half_closed:
            self._transport.close()
        elif self._transport.can_write_eof():
            with contextlib.suppress(OSError):  # it has gone, which nobody has told us yet
                self._transport.write_eof()
        self._resume_reading()
        self.deadline = self._edge.loop.time() + self._limits.linger_seconds

    def _close(self) -> None:
        self._deaf = self._closing = True
        self._transport.close()
        self.deadline = self._edge.loop.time() + self._limits.write_seconds

    def _pause_reading(self) -> None:
        if not self._paused and not self._half_closed:
            self._paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _settle(self) -> None:
        """Set the deadline of what is awaited now."""
        if self._closing or self._choked:
            return
        if self._busy:
            self.deadline, self._timed = math.inf, _BETWEEN
            return
        stage = self._stage or (_HEADERS if self._verb_start else _BETWEEN)
        if stage == _BETWEEN:
            self.deadline = self._edge.loop.time() + self._limits.idle_seconds
        elif stage != self._timed:
            limits = self._limits
            allowed = limits.header_seconds if stage == _HEADERS else limits.body_seconds
            self.deadline = self._edge.loop.time() + allowed
        self._timed = stage


def tls_peer(connected: ssl.SSLObject, *, of_client: bool = True) -> TlsPeer:
    """Return what is known of the other end; a proxy's certificate is not its client's."""
    cipher = connected.cipher()
    certificate = connected.getpeercert(binary_form=True) if of_client else None
    return TlsPeer(
        version=connected.version() or "",
        cipher=cipher[0] if cipher else "",
        certificate=certificate,
        chain=_chain(connected) if certificate else (),
    )


def _chain(connected: ssl.SSLObject) -> tuple[bytes, ...]:
    """Return the certificates that the client sent, its own first, as DER."""
    if hasattr(connected, "get_unverified_chain"):  # Python 3.13
        return tuple(connected.get_unverified_chain())
    inner = getattr(connected, "_sslobj", None)
    sent = inner.get_unverified_chain() if inner is not None else None
    der = 2  # ENCODING_DER of the _ssl module
    return tuple(each.public_bytes(der) for each in sent or ())
