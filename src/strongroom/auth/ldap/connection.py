"""One connection to a directory: connect, TLS, bind, search. Blocking; runs in a thread.

Specs   RFC 4511 (LDAPv3), RFC 4513 (binds), RFC 2696 (paged results), RFC 4511 4.14 (StartTLS).
Units   `until` is a moment of the monotonic clock, in seconds. It bounds the whole of what is done
        over a connection, each read and the handshake included; name resolution is bounded by
        the system's resolver, and by whoever waits for this thread.
Trust   The directory's answers are any bytes at all. UpstreamError is what they raise, in words
        that are the same for every user; a bind that it refuses is DeniedError. One answer at a
        time is due, of a known kind and number; anything else ends the connection. At most
        4 MiB, and 5,000 entries of one search, are read. Referrals are not followed. A simple
        bind without a name or a password, which a directory takes for an anonymous one, cannot be
        sent. Certificates are verified against the given authorities, by the URL's host.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from strongroom.auth.ldap import ber
from strongroom.auth.ldap.ber import ENUMERATED, OCTETS, SEQUENCE, SET, MalformedError, Reader
from strongroom.base.errors import DeniedError, UpstreamError
from strongroom.base.secret import Secret

MOST_BYTES: Final = 4 << 20
MOST_ENTRIES: Final = 5_000
_READ = 64 << 10
_START_TLS = b"1.3.6.1.4.1.1466.20037"
_PAGED = b"1.2.840.113556.1.4.319"
_BIND, _BOUND = 0x60, 0x61
_UNBIND = 0x42
_SEARCH, _ENTRY, _DONE, _REFERENCE = 0x63, 0x64, 0x65, 0x73
_EXTENDED, _EXTENDED_DONE = 0x77, 0x78
_CONTROLS, _REFERRAL = 0xA0, 0xA3

SUCCESS, SIZE_LIMIT, NO_SUCH_OBJECT = 0, 4, 32
# What says that the directory serves nobody now, or nobody in this way; not that it refuses one.
_NOT_SERVED = frozenset({2, 3, 8, 11, 13, 51, 52})

UNREACHABLE: Final = "the directory cannot be reached"
LATE: Final = "the directory did not answer in time"
UNUSABLE: Final = "the directory's answer cannot be used"
UNTRUSTED: Final = "the directory's certificate is not trusted"
INSECURE: Final = "the directory does not speak TLS as it should"
NOT_SERVED: Final = "the directory does not serve now"


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a directory listens; `secure` is TLS from the first byte."""

    host: str
    port: int
    secure: bool


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """Whose certificates are taken, and our own. `authorities` empty: the system's."""

    authorities: str = ""
    certificate: str = ""
    key: Secret | None = None
    oldest: str = "tls12"
    newest: str = "tls13"

    def context(self) -> ssl.SSLContext:
        """Return what TLS is spoken with; OSError or ValueError for what cannot be read."""
        context = ssl.create_default_context(cadata=self.authorities or None)
        context.minimum_version = _VERSIONS[self.oldest]
        context.maximum_version = _VERSIONS[self.newest]
        if self.certificate and self.key is not None:
            _load_own(context, self.certificate.encode(), self.key.reveal())
        return context


_VERSIONS = {"tls12": ssl.TLSVersion.TLSv1_2, "tls13": ssl.TLSVersion.TLSv1_3}


def _load_own(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Give a context our certificate; the ssl module reads files, so they are in memory."""
    place = os.memfd_create("strongroom-ldap", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(place), "wb") as file:
            file.write(certificate + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{place}", password=lambda: b"")
    finally:
        os.close(place)


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for. `most` entries are asked for; `page` 0 asks without pages."""

    base: str
    filter: bytes
    attributes: tuple[str, ...]
    whole: bool = True  # the subtree, or the base alone
    dereference: int = 0
    most: int = 0
    page: int = 0


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry: its name, and the values of its attributes, whose names are in lower case."""

    name: str
    attributes: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)

    def texts(self, attribute: str) -> tuple[str, ...]:
        """Return those values of an attribute that are UTF-8."""
        found = []
        for value in self.attributes.get(attribute.lower(), ()):
            with suppress(UnicodeDecodeError):
                found.append(value.decode())
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found; `code` is what the directory said at its end."""

    code: int
    entries: tuple[Entry, ...]
    cookie: bytes = b""


@contextmanager
def connected(
    address: Address, trusted: Trusted, *, start_tls: bool, within: float, until: float
) -> Iterator[Connection]:
    """Give a connection that is secured as it should be, and close it.

    It is there `within` so many seconds, and by `until` all is done. Raises UpstreamError.
    """
    made = min(time.monotonic() + within, until)
    connection = Connection(_dialled(address, made), made)
    try:
        if address.secure:
            connection.secure(address.host, trusted)
        elif start_tls:
            connection.start_tls(address.host, trusted)
        connection.until = until
        yield connection
    finally:
        connection.close()


def _dialled(address: Address, until: float) -> socket.socket:
    """Connect to the first of a host's addresses that takes a connection."""
    try:
        places = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UpstreamError(UNREACHABLE) from None
    for family, kind, protocol, _, place in places:
        dialled = socket.socket(family, kind, protocol)
        try:
            dialled.settimeout(_left(until))
            dialled.connect(place)
        except OSError:
            dialled.close()
        except BaseException:
            dialled.close()
            raise
        else:
            dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return dialled
    raise UpstreamError(UNREACHABLE)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise UpstreamError(LATE)
    return left


class Connection:
    """One connection. Not to be used by two threads."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.until = until
        self._socket = sock
        self._buffer = b""
        self._read = 0
        self._number = 0

    # -- TLS

    def secure(self, host: str, trusted: Trusted) -> None:
        """Speak TLS from here on, with whoever proves to be `host`."""
        try:
            context = trusted.context()
            self._socket.settimeout(_left(self.until))
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except ssl.SSLCertVerificationError:
            raise UpstreamError(UNTRUSTED) from None
        except TimeoutError:
            raise UpstreamError(LATE) from None
        except (OSError, ValueError):
            raise UpstreamError(INSECURE) from None

    def start_tls(self, host: str, trusted: Trusted) -> None:
        """Ask for TLS, and speak it. What came in the clear behind the answer is refused."""
        answer = self._ask(_EXTENDED, ber.element(0x80, _START_TLS))
        if answer.tag != _EXTENDED_DONE:
            raise UpstreamError(UNUSABLE)
        if answer.code() != SUCCESS or self._buffer:
            raise UpstreamError(INSECURE)
        self.secure(host, trusted)

    # -- binds

    def bind(self, name: str, password: Secret) -> None:
        """Prove to be `name`; DeniedError if the directory refuses.

        Raises ValueError for an empty name or password: the directory would bind nobody, and
        call it a success.
        """
        secret = password.reveal()
        if not name or not secret or b"\0" in secret:
            raise ValueError("a simple bind takes a name and a password")
        code = self._bound(name.encode(), secret)
        if code in _NOT_SERVED:
            raise UpstreamError(NOT_SERVED)
        if code != SUCCESS:
            raise DeniedError("the directory refuses name and password")

    def be_nobody(self) -> None:
        """Bind anonymously, to search."""
        if self._bound(b"", b"") != SUCCESS:
            raise UpstreamError("the directory lets nobody search without an account")

    def _bound(self, name: bytes, password: bytes) -> int:
        answer = self._ask(
            _BIND, ber.integer(3), ber.element(OCTETS, name), ber.element(0x80, password)
        )
        if answer.tag != _BOUND or self._buffer:
            raise UpstreamError(UNUSABLE)
        return answer.code()

    # -- searches

    def search(self, wanted: Search) -> Found:
        """Search, over all pages."""
        found: list[Entry] = []
        cookie = b""
        for _ in range(MOST_ENTRIES):
            part = self._page(wanted, cookie, MOST_ENTRIES - len(found))
            found += part.entries
            cookie = part.cookie
            if not cookie or part.code != SUCCESS:
                return Found(code=part.code, entries=tuple(found))
        raise UpstreamError(UNUSABLE)

    def _page(self, wanted: Search, cookie: bytes, most: int) -> Found:
        answer = self._ask(
            _SEARCH,
            ber.element(OCTETS, wanted.base.encode()),
            ber.integer(2 if wanted.whole else 0, ENUMERATED),
            ber.integer(wanted.dereference, ENUMERATED),
            ber.integer(wanted.most),
            ber.integer(max(1, int(_left(self.until)))),
            ber.boolean(False),
            wanted.filter,
            ber.element(SEQUENCE, *(ber.element(OCTETS, a.encode()) for a in wanted.attributes)),
            controls=_paging(wanted.page, cookie) if wanted.page else b"",
        )
        entries: list[Entry] = []
        while answer.tag in (_ENTRY, _REFERENCE):
            if answer.tag == _ENTRY:
                entries.append(answer.entry())
            if len(entries) > most:
                raise UpstreamError("the directory gives more entries than are taken")
            answer = self._answer()
        if answer.tag != _DONE or self._buffer:
            raise UpstreamError(UNUSABLE)
        return Found(code=answer.code(), entries=tuple(entries), cookie=answer.cookie())

    # -- messages

    def close(self) -> None:
        """Say goodbye, and close; a directory that does not listen is not waited for."""
        with suppress(OSError, ValueError):
            self._socket.settimeout(0)
            self._socket.sendall(_message(self._number + 1, ber.element(_UNBIND)))
        with suppress(OSError):
            self._socket.close()

    def _ask(self, tag: int, *parts: bytes, controls: bytes = b"") -> _Answer:
        self._number += 1
        try:
            self._socket.settimeout(_left(self.until))
            self._socket.sendall(_message(self._number, ber.element(tag, *parts), controls))
        except TimeoutError:
            raise UpstreamError(LATE) from None
        except OSError:
            raise UpstreamError(UNREACHABLE) from None
        return self._answer()

    def _answer(self) -> _Answer:
        """Read the next message, which must be an answer to the last question."""
        try:
            message = Reader(self._message()).inside(SEQUENCE)
            if message.number() != self._number or message.tag is None:
                raise UpstreamError(UNUSABLE)  # a notice that it disconnects is one of these
            tag = message.tag
            body = message.take(tag)
            controls = message.take(_CONTROLS) if message.tag == _CONTROLS else b""
        except MalformedError:
            raise UpstreamError(UNUSABLE) from None
        return _Answer(tag, body, controls)

    def _message(self) -> bytes:
        while (sizes := ber.size_of(self._buffer[:6])) is None:
            self._receive()
        whole = sum(sizes)
        if whole > MOST_BYTES:
            raise UpstreamError("the directory gives a longer answer than is taken")
        if len(self._buffer) < whole:
            self._receive_all(whole)
        message, self._buffer = self._buffer[:whole], self._buffer[whole:]
        return message

    def _receive_all(self, whole: int) -> None:
        pieces, size = [self._buffer], len(self._buffer)
        while size < whole:
            pieces.append(self._more())
            size += len(pieces[-1])
        self._buffer = b"".join(pieces)

    def _receive(self) -> None:
        self._buffer += self._more()

    def _more(self) -> bytes:
        try:
            self._socket.settimeout(_left(self.until))
            data = self._socket.recv(_READ)
        except TimeoutError:
            raise UpstreamError(LATE) from None
        except OSError:
            raise UpstreamError(UNREACHABLE) from None
        self._read += len(data)
        if self._read > MOST_BYTES:
            raise UpstreamError("the directory gives a longer answer than is taken")
        if not data:
            raise UpstreamError(UNREACHABLE)
        return data


@dataclass(frozen=True)
class _Answer:
    """One message. Its methods raise UpstreamError for what is not as it should be."""

    tag: int
    body: bytes
    controls: bytes

    def code(self) -> int:
        """Return the result code of what ends an operation."""
        with _as_it_should():
            body = Reader(self.body)
            code = body.number(ENUMERATED)
            body.take(OCTETS)  # the part of a name that is there
            body.take(OCTETS)  # words for people
            return code

    def entry(self) -> Entry:
        with _as_it_should():
            body = Reader(self.body)
            name = body.take(OCTETS).decode()
            attributes: dict[str, tuple[bytes, ...]] = {}
            listed = body.inside(SEQUENCE)
            while listed.tag is not None:
                attribute = listed.inside(SEQUENCE)
                kind = attribute.take(OCTETS).decode().partition(";")[0].lower()
                values = attribute.inside(SET)
                while values.tag is not None:
                    attributes[kind] = (*attributes.get(kind, ()), values.take(OCTETS))
            return Entry(name=name, attributes=attributes)

    def cookie(self) -> bytes:
        """Return where the next page begins; empty after the last."""
        with _as_it_should():
            controls = Reader(self.controls)
            while controls.tag is not None:
                control = controls.inside(SEQUENCE)
                if control.take(OCTETS) != _PAGED:
                    continue
                if control.tag == ber.BOOLEAN:
                    control.skip()
                value = Reader(control.take(OCTETS)).inside(SEQUENCE)
                value.number()
                return value.take(OCTETS)
            return b""


@contextmanager
def _as_it_should() -> Iterator[None]:
    try:
        yield
    except (MalformedError, UnicodeDecodeError):
        raise UpstreamError(UNUSABLE) from None


def _message(number: int, operation: bytes, controls: bytes = b"") -> bytes:
    return ber.element(SEQUENCE, ber.integer(number), operation, controls)


def _paging(size: int, cookie: bytes) -> bytes:
    value = ber.element(SEQUENCE, ber.integer(size), ber.element(OCTETS, cookie))
    control = (ber.element(OCTETS, _PAGED), ber.boolean(True), ber.element(OCTETS, value))
    return ber.element(_CONTROLS, ber.element(SEQUENCE, *control))


def only(entries: Sequence[Entry]) -> Entry | None:
    """Return the one entry, or None where there are none or several."""
    return entries[0] if len(entries) == 1 else None
