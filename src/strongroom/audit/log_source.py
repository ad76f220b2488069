"""Where a published log is read from: a directory, or a server.

Specs  C2SP tlog-tiles: `checkpoint`, `tile/<L>/<N>` and `tile/entries/<N>` below a prefix.
Trust  None. A source returns whatever it likes, bounded in size; `strongroom.audit.reader`
       believes what it can recompute up to a signature by a key that came another way. What
       cannot be read is an `UpstreamError`, never None: None says that there is no such file.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from stat import S_ISREG
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from strongroom.base.errors import InputError, UpstreamError
from strongroom.crypto.merkle import TILE_WIDTH
from strongroom.crypto.tiles import MAX_ENTRY_BYTES

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

MAX_FILE_BYTES: Final = TILE_WIDTH * (MAX_ENTRY_BYTES + 2)
_TIMEOUT_SECONDS: Final = 30.0  # for each piece
_WHOLE_SECONDS: Final = 120.0  # for a file, which has 16 MiB at most
_PIECE: Final = 2**16
_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "strongroom-log-reader"}


class LogSource(Protocol):
    """Gives the files of one log."""

    def read(self, path: str) -> bytes | None:
        """Return a file below the log's prefix, None if it is not there.

        Raises `UpstreamError` where that cannot be told.
        """
        ...


def open_source(where: str, ca_file: Path | None = None) -> LogSource:
    """Return the source at an http(s) address or in a directory; `InputError` if neither."""
    if "://" in where:
        return HttpSource(where, ca_file)
    directory = Path(where)
    if not directory.is_dir():
        raise InputError("log", f"{where} is neither a directory nor an http(s) address")
    return DirectorySource(directory)


class DirectorySource:
    """A log as files, as `strongroom` and other writers of tlog-tiles lay them out."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> bytes | None:
        """Return the file, cut behind the largest size that one can have."""
        try:
            with open(self._root / path, "rb", opener=_at_once) as file:
                if not S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise UpstreamError(f"{path} is no regular file")
                return file.read(MAX_FILE_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as problem:
            raise UpstreamError(f"{path} cannot be read: {problem.strerror}") from None


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever might write to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


class HttpSource:
    """A log on a server; one connection, kept open. Redirects are not followed."""

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise InputError("log", f"{url} is not an address") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InputError("log", f"{url} is not an http(s) address")
        if parts.query or parts.fragment or parts.username:
            raise InputError("log", "the address of a log is a scheme, a host and a path")
        self._prefix = parts.path.rstrip("/")
        self._connection = _connection(parts.scheme, parts.hostname, port, ca_file)

    def read(self, path: str) -> bytes | None:
        """Return what the server answers; only 200 and 404 are answers."""
        try:
            response = self._get(path)
            body = _body(response)
            if len(body) > MAX_FILE_BYTES:
                self._connection.close()
        except _failures() as problem:
            self._connection.close()
            raise UpstreamError(f"{path}: the server did not answer ({problem})") from None
        if response.status == 404:
            return None
        if response.status != 200:
            raise UpstreamError(f"{path}: the server answered {response.status}")
        return _decoded(body, response.headers.get("Content-Encoding", "identity"), path)

    def _get(self, path: str) -> HTTPResponse:
        """Ask, and once more where the server has closed an idle connection."""
        try:
            return self._ask(path)
        except ConnectionError:
            self._connection.close()
            return self._ask(path)

    def _ask(self, path: str) -> HTTPResponse:
        self._connection.request("GET", f"{self._prefix}/{path}", headers=_HEADERS)
        return self._connection.getresponse()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _connection(scheme: str, host: str, port: int | None, ca_file: Path | None) -> HTTPConnection:
    """Return a connection, opened at the first request; http and TLS are imported here alone."""
    from http.client import HTTPConnection, HTTPSConnection  # noqa: PLC0415  directories need none

    if scheme == "http":
        return HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    from ssl import create_default_context  # noqa: PLC0415  likewise

    try:
        context = create_default_context(cafile=ca_file)
    except OSError:  # of which SSLError is one
        raise InputError("ca_file", f"no certificate can be read from {ca_file}") from None
    return HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=context)


def _body(response: HTTPResponse) -> bytes:
    """Read a file, one byte past the largest at most; TimeoutError where it takes too long."""
    parts, left, began = list[bytes](), MAX_FILE_BYTES + 1, monotonic()
    while left and (part := response.read1(min(left, _PIECE))):
        parts.append(part)
        left -= len(part)
        if monotonic() - began > _WHOLE_SECONDS:
            raise TimeoutError("it takes too long")
    response.close()  # the connection is free for the next request
    return b"".join(parts)


def _failures() -> tuple[type[Exception], ...]:
    from http.client import HTTPException  # noqa: PLC0415  already loaded by `_connection`

    return (OSError, HTTPException)


def _decoded(body: bytes, encoding: str, path: str) -> bytes:
    """Undo the gzip that a bundle may come in, whether or not it was asked for."""
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise UpstreamError(f"{path}: the server encoded it as {encoding}")
    try:
        return zlib.decompressobj(wbits=31).decompress(body, MAX_FILE_BYTES + 1)
    except zlib.error:
        raise UpstreamError(f"{path}: the server sent a damaged gzip") from None
