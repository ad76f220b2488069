"""One form that a browser posts to a waiting command, on this computer's loopback address.

    page of the console ──form──▶ http://127.0.0.1:PORT/key ──▶ the command

Specs  RFC 8252 section 7.3: the loopback redirect of native programs, the port of the system's
       choice; HTTP/1.1 as far as a browser's form needs it.
Units  Seconds; bytes.
Order  A form is judged in whole before it counts; the browser has its page before the command goes
       on. The first that counts is the only one.
Trust  Anybody's page may post here, and anybody's program on this computer. What counts has the
       state that only the page had that was opened, compared in constant time; comes, as the
       browser says, from the console's origin; and was sent to this address by its number, so that
       no name that somebody rebinds leads here. All else is turned away, and the waiting goes on.
       No connection may take longer than ten seconds or hold more than a form; of very many the
       oldest are dropped, so that none can keep the others out. What is answered is fixed.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

HOST: Final = "127.0.0.1"
PATH: Final = "/key"
LARGEST_HEAD: Final = 16 * 1024
LARGEST_FORM: Final = 32 * 1024
PATIENCE: Final = 10.0  # of one connection
MOST: Final = 64  # connections at a time
_FIELDS: Final = {"state", "answer"}
_FORM: Final = "application/x-www-form-urlencoded"
_TAKEN: Final = b"<p>This terminal has what it asked for. Close this page and go back to it."
_REFUSED: Final = b"<p>This was not taken. Go back to the terminal."
_HEADERS: Final = (
    "Content-Type: text/html; charset=utf-8\r\n"
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cache-Control: no-store\r\n"
    "Connection: close\r\n"
)


class TurnedAwayError(Exception):
    """This is not what is waited for; `status` says why."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


@dataclass(kw_only=True)
class Listener:
    """Waits for an answer with this state from a page of this origin; `fits` looks at it."""

    origin: str
    state: str = field(repr=False)
    fits: Callable[[str], bool]
    patience: float = PATIENCE
    port: int = field(default=0, init=False)
    _taken: bool = field(default=False, init=False)
    _came: asyncio.Future[str] = field(init=False, repr=False)
    _serving: dict[asyncio.Task[None], None] = field(default_factory=dict, init=False, repr=False)

    async def answer(self, opened: Callable[[int], None], seconds: float) -> str:
        """Return the answer. `opened` is told the port. Raises TimeoutError where none came."""
        self._came = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(self._connected, HOST, 0, limit=LARGEST_HEAD)
        try:
            self.port = server.sockets[0].getsockname()[1]
            opened(self.port)
            async with asyncio.timeout(seconds):
                found: str = await self._came
                return found
        finally:
            server.close()
            for task in [*self._serving]:
                task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = asyncio.current_task()
        assert own is not None
        if len(self._serving) >= MOST:
            next(iter(self._serving)).cancel()
        self._serving[own] = None
        found = None
        try:
            async with asyncio.timeout(self.patience):
                found = await self._serve(reader, writer)
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()  # whoever it was is gone, too slow, or one of too many
        finally:
            self._serving.pop(own, None)
            if found is not None and not self._came.done():
                self._came.set_result(found)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str | None:
        """Answer one request; return what was waited for, if it was that."""
        status, found = HTTPStatus.OK, None
        try:
            found = await self._judged(reader)
        except TurnedAwayError as refused:
            status = refused.status
        body = b"<!doctype html><title>strongroom</title>" + (_TAKEN if found else _REFUSED)
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\n{_HEADERS}"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return found

    async def _judged(self, reader: asyncio.StreamReader) -> str:
        """Return the answer in a request. Raises TurnedAwayError for any other request."""
        target, headers = await _head(reader)
        if headers.get("host") != f"{HOST}:{self.port}":
            raise TurnedAwayError(HTTPStatus.MISDIRECTED_REQUEST)
        if target != ("POST", PATH):
            wrong = HTTPStatus.METHOD_NOT_ALLOWED if target[1] == PATH else HTTPStatus.NOT_FOUND
            raise TurnedAwayError(wrong)
        if headers.get("origin") != self.origin:
            raise TurnedAwayError(HTTPStatus.FORBIDDEN)
        fields = _fields(await _body(reader, headers))
        if not hmac.compare_digest(fields["state"].encode(), self.state.encode()):
            raise TurnedAwayError(HTTPStatus.FORBIDDEN)
        if not self.fits(fields["answer"]):
            raise TurnedAwayError(HTTPStatus.BAD_REQUEST)
        if self._taken:
            raise TurnedAwayError(HTTPStatus.CONFLICT)
        self._taken = True
        return fields["answer"]


async def _head(reader: asyncio.StreamReader) -> tuple[tuple[str, str], dict[str, str]]:
    """Read method and path, and the headers by their lower-case names."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise TurnedAwayError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from None
    except asyncio.IncompleteReadError:
        raise TurnedAwayError(HTTPStatus.BAD_REQUEST) from None
    first, *lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] != "HTTP/1.1":
        raise TurnedAwayError(HTTPStatus.BAD_REQUEST)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or name.lower() in headers:
            raise TurnedAwayError(HTTPStatus.BAD_REQUEST)
        headers[name.lower()] = value.strip()
    return (words[0], words[1]), headers


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise TurnedAwayError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal()) or "transfer-encoding" in headers:
        raise TurnedAwayError(HTTPStatus.LENGTH_REQUIRED)
    if len(length) > 6 or int(length) > LARGEST_FORM:
        raise TurnedAwayError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        return await reader.readexactly(int(length))
    except asyncio.IncompleteReadError:
        raise TurnedAwayError(HTTPStatus.BAD_REQUEST) from None


def _fields(body: bytes) -> dict[str, str]:
    """Read a form that has each of our fields once and no other."""
    try:
        read = parse_qs(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=4
        )
    except ValueError:
        raise TurnedAwayError(HTTPStatus.BAD_REQUEST) from None
    if read.keys() != _FIELDS or any(len(values) != 1 for values in read.values()):
        raise TurnedAwayError(HTTPStatus.BAD_REQUEST)
    return {name: values[0] for name, values in read.items()}
