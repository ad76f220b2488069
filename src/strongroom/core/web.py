"""Asks other systems over HTTP, for the parts that may: the `sdk.web.Web` of the server.

Specs  RFC 9112, by `http.client`; TLS 1.2 and 1.3, the name in the certificate checked.
Order  Each question is asked by a thread of a small pool of its own, so that neither the loop nor
       password hashing waits for somebody else's server. What one server leaves hanging takes a
       few of the threads at most: the others are kept for questions to others.
Trust  The deadline holds for the whole exchange: every wait for the socket is given what is left of
       it, so that an answer which drips, or never ends, ends here. Only name resolution cannot be
       interrupted: whoever asked is told in time, and the thread follows when the resolver gives
       up. No proxy is taken from the environment, no redirect is followed, and nothing is sent in
       clear but to this machine. Errors name the host and what went wrong, never what was sent.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import logging
import re
import socket
import ssl
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from typing import Final, NamedTuple, cast
from urllib.parse import SplitResult, urlsplit

from strongroom.base.errors import InputError, UpstreamError
from strongroom.base.version import VERSION
from strongroom.sdk.web import Question, Response

THREADS: Final = 16
THREADS_OF_ONE: Final = 4  # for one host, so that one that hangs leaves the others theirs
MOST_WAITING: Final = 512
MOST_CONTEXTS: Final = 64
LONGEST_URL: Final = 8192
PIECE: Final = 64 * 1024
_OUT_OF_BOUNDS: Final = re.compile(r"[^\x21-\x7e]")
_HEADER: Final = re.compile(r"[^\x20-\x7e\t]")
_logger = logging.getLogger("strongroom")


class Place(NamedTuple):
    """Where a question goes."""

    tls: bool
    host: str
    port: int

    @property
    def name(self) -> str:
        """Return what errors call it."""
        return self.host


class HttpWeb:
    """Implements `sdk.web.Web`. Threads start as questions come, and end when there are none."""

    def __init__(self, threads: int = THREADS, of_one: int = THREADS_OF_ONE) -> None:
        self._threads, self._of_one = threads, of_one
        self._lock = threading.Lock()
        self._waiting: deque[_Exchange] = deque()
        self._busy: Counter[Place] = Counter()
        self._running = 0
        self._contexts: OrderedDict[bytes, ssl.SSLContext] = OrderedDict()

    async def ask(self, question: Question) -> Response:
        """Ask, and wait for the whole answer."""
        url = split_url(question.url)
        place = _place(url)
        exchange = _Exchange(
            question=question,
            url=url,
            place=place,
            context=self._context(question.authorities) if place.tls else None,
            ends_at=time.monotonic() + question.within.total_seconds(),
            answer=Future(),
        )
        _check_headers(question)
        self._submit(exchange)
        answer = asyncio.wrap_future(exchange.answer)
        try:
            await asyncio.wait([answer], timeout=question.within.total_seconds())
            if not answer.done():
                raise _failed(place, "did not answer in time")
            return answer.result()
        finally:
            answer.cancel()  # one that no thread has taken up yet is left out

    # -- threads

    def _submit(self, exchange: _Exchange) -> None:
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                raise _failed(exchange.place, "is asked too much at once")
            self._waiting.append(exchange)
            start = self._running < self._threads and self._busy[exchange.place] < self._of_one
            self._running += start
        if start:
            threading.Thread(target=self._work, name="web", daemon=True).start()

    def _work(self) -> None:
        while (exchange := self._next()) is not None:
            try:
                exchange.run()
            finally:
                with self._lock:
                    self._busy[exchange.place] -= 1
                    if not self._busy[exchange.place]:
                        del self._busy[exchange.place]

    def _next(self) -> _Exchange | None:
        """Take the first that may be asked; the thread ends where there is none."""
        with self._lock:
            for exchange in self._waiting:
                if self._busy[exchange.place] < self._of_one:
                    self._waiting.remove(exchange)
                    self._busy[exchange.place] += 1
                    return exchange
            self._busy = +self._busy
            self._running -= 1
            return None

    # -- TLS

    def _context(self, authorities: str) -> ssl.SSLContext:
        """Return the context that trusts these authorities; reading the system's takes a while."""
        digest = sha256(authorities.encode()).digest()
        with self._lock:
            known = self._contexts.get(digest)
            if known is not None:
                self._contexts.move_to_end(digest)
                return known
        made = tls_context(authorities)
        with self._lock:
            self._contexts[digest] = made
            while len(self._contexts) > MOST_CONTEXTS:
                self._contexts.popitem(last=False)
        return made


def tls_context(authorities: str) -> ssl.SSLContext:
    """Return a client's context that trusts these authorities; of none given, the system's.

    Raises InputError for what is no PEM. `ssl.create_default_context` is not used: it would write
    session keys into a file that the environment names.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not authorities:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=authorities)
    except (ssl.SSLError, ValueError):
        raise InputError("", "the authorities are not certificates in PEM") from None
    return context


def split_url(url: str) -> SplitResult:
    """Return the parts of a URL that can be asked, or raise InputError.

    Plain HTTP is for this machine only: whoever stands in between could answer, and would read
    what is sent.
    """
    try:
        found = urlsplit(url)
        host, _ = found.hostname or "", found.port
    except ValueError:
        raise InputError("", "not a URL") from None
    if len(url) > LONGEST_URL or _OUT_OF_BOUNDS.search(url) or not host:
        raise InputError("", "not a URL that can be asked")
    if found.username is not None or found.password is not None or found.fragment:
        raise InputError("", "a URL that is asked has neither user nor fragment")
    if found.scheme != "https" and not (found.scheme == "http" and is_here(host)):
        raise InputError("", "a URL must be https, or http of this machine")
    return found


def is_here(host: str) -> bool:
    """Say whether a host is this machine by its name."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _place(url: SplitResult) -> Place:
    tls = url.scheme == "https"
    return Place(tls, url.hostname or "", url.port or (443 if tls else 80))


def _check_headers(question: Question) -> None:
    for name, value in question.headers.items():
        if _HEADER.search(f"{name}{value}"):
            raise InputError("", "a header holds what cannot be sent")


class UnreachableError(OSError):
    """A host has no address that may be connected to."""


def connect(
    host: str, port: int, left: Callable[[], float], may_reach: Callable[[str], bool] | None
) -> socket.socket:
    """Connect to a host, at those of its addresses alone that may be reached; OSError if none.

    The name is resolved once: whoever answers another address afterwards changes nothing.
    """
    if may_reach is None:
        return socket.create_connection((host, port), timeout=left())
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(place[0]) for *_, place in found)
    problem: OSError = UnreachableError("no address that may be reached")
    for address in addresses:
        if may_reach(address):
            try:
                return socket.create_connection((address, port), timeout=left())
            except OSError as error:
                problem = error
    raise problem


def _failed(place: Place, what: str) -> UpstreamError:
    return UpstreamError(f"{place.name} {what}")


# -- one exchange, in its thread -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Exchange:
    """One question under way. `ends_at` is of the monotonic clock."""

    question: Question
    url: SplitResult
    place: Place
    context: ssl.SSLContext | None
    ends_at: float
    answer: Future[Response]

    def run(self) -> None:
        """Ask, and give the answer or the reason why there is none."""
        if not self.answer.set_running_or_notify_cancel():
            return
        try:
            answer = self._ask()
        except UpstreamError as error:
            _logger.warning("asked in vain: %s", error)
            self.answer.set_exception(error)
        except Exception:  # a defect: whoever asked must not wait for it
            _logger.exception("defect while asking %s", self.place.name)
            self.answer.set_exception(_failed(self.place, "could not be asked"))
        else:
            self.answer.set_result(answer)

    def _ask(self) -> Response:
        try:
            return self._exchanged()
        except TimeoutError:
            raise _failed(self.place, "did not answer in time") from None
        except ssl.SSLCertVerificationError:
            raise _failed(self.place, "showed a certificate that is not trusted") from None
        except ssl.SSLError:
            raise _failed(self.place, "spoke no TLS that is taken here") from None
        except socket.gaierror:
            raise _failed(self.place, "is not known by that name") from None
        except UnreachableError:
            raise _failed(self.place, "is at an address that is not asked") from None
        except ConnectionRefusedError:
            raise _failed(self.place, "refused the connection") from None
        except OSError:
            raise _failed(self.place, "closed the connection") from None
        except (http.client.HTTPException, ValueError):
            raise _failed(self.place, "did not answer in HTTP") from None

    def _exchanged(self) -> Response:
        host = f"[{self.place.host}]" if ":" in self.place.host else self.place.host
        usual = 443 if self.place.tls else 80
        port = "" if self.place.port == usual else f":{self.place.port}"
        target = self.url.path or "/"
        connection = _Connection(self)
        try:
            connection.putrequest(
                self.question.method,
                f"{target}?{self.url.query}" if self.url.query else target,
                skip_host=True,
                skip_accept_encoding=True,
            )
            sent = {
                "Host": f"{host}{port}",
                "User-Agent": f"strongroom/{VERSION}",
                "Accept-Encoding": "identity",
                "Connection": "close",
                **self.question.headers,
            }
            if self.question.body or self.question.method not in {"GET", "HEAD"}:
                sent["Content-Length"] = str(len(self.question.body))
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(self.question.body or None)
            with connection.getresponse() as response:
                return self._read(response)
        finally:
            connection.end()

    def _read(self, response: http.client.HTTPResponse) -> Response:
        most, pieces, size = self.question.most, list[bytes](), 0
        while piece := response.read(min(PIECE, most - size + 1)):
            pieces.append(piece)
            size += len(piece)
            if size > most:
                raise _failed(self.place, f"answered with more than {most} bytes")
        if response.length:
            raise _failed(self.place, "closed the connection")  # before the end that it announced
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Response(status=response.status, headers=headers, body=b"".join(pieces))

    def left(self) -> float:
        """Return the seconds that are left; TimeoutError where there are none."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def connected(self) -> socket.socket:
        """Connect, and shake hands where that is asked for."""
        plain = connect(self.place.host, self.place.port, self.left, self.question.may_reach)
        try:
            with suppress(OSError):
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context is None:
                return plain
            plain.settimeout(self.left())
            return self.context.wrap_socket(plain, server_hostname=self.place.host)
        except BaseException:
            plain.close()
            raise


class _Connection(http.client.HTTPConnection):
    """A connection whose every wait ends with its exchange's deadline."""

    def __init__(self, exchange: _Exchange) -> None:
        super().__init__(exchange.place.host, exchange.place.port)
        self._exchange = exchange
        self._open: socket.socket | None = None

    def connect(self) -> None:
        self._open = self._exchange.connected()
        self.sock = cast("socket.socket", _Timed(self._open, self._exchange))

    def end(self) -> None:
        """Close it for good; `close` is called while an answer is still to be read."""
        self.close()
        if self._open is not None:
            self._open.close()


class _Timed:
    """What `http.client` uses of a socket, with a deadline for all of it together."""

    def __init__(self, sock: socket.socket, exchange: _Exchange) -> None:
        self._sock, self._exchange = sock, exchange

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(self._exchange.left())
            rest = rest[self._sock.send(rest) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self._sock, self._exchange))

    def close(self) -> None:
        """Leave the socket to its exchange."""


class _Reading(io.RawIOBase):
    """Reads a socket until the deadline of its exchange."""

    def __init__(self, sock: socket.socket, exchange: _Exchange) -> None:
        self._sock, self._exchange = sock, exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        self._sock.settimeout(self._exchange.left())
        return self._sock.recv_into(cast("bytearray", buffer))
