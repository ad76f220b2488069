"""A running server as a client with a raw socket meets it, and applications to run."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strongroom.api.server import Server
from strongroom.api.wire import HttpRequest, HttpResponse, Respond

PATIENCE = 5.0


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A client that writes bytes and reads responses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.002 if len(pieces) > 1 else 0)

    async def reply(self, *, head: bool = False) -> Reply:
        async with asyncio.timeout(PATIENCE):
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            start, *lines = text.rstrip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            length = 0 if head else int(headers.get("content-length", "0"))
            return Reply(int(start.split()[1]), headers, await self.reader.readexactly(length))

    async def ask(self, *pieces: bytes) -> Reply:
        await self.send(*pieces)
        return await self.reply()

    async def rest(self) -> bytes:
        """Return what comes until the server closes; a reset is an end too."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.reader.read()
        except ConnectionError:
            return b""

    def close(self) -> None:
        self.writer.close()

    def cut(self) -> None:
        """Go away with a reset."""
        connected = self.writer.get_extra_info("socket")
        if not self.writer.is_closing() and connected.fileno() >= 0:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Running:
    """A server that has been started, and the connections made to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = server.bound[0].port
        self.wires: list[Wire] = []

    async def connect(self, tls: ssl.SSLContext | None = None) -> Wire:
        name = "localhost" if tls else None
        async with asyncio.timeout(PATIENCE):
            wire = Wire(
                *await asyncio.open_connection(
                    "127.0.0.1", self.port, ssl=tls, server_hostname=name
                )
            )
        self.wires.append(wire)
        return wire

    async def ask(self, *pieces: bytes) -> Reply:
        return await (await self.connect()).ask(*pieces)

    @property
    def connections(self) -> int:
        assert self.server._edge is not None
        return len(self.server._edge.connections)

    @property
    def buffered(self) -> int:
        assert self.server._edge is not None
        return self.server._edge.buffered

    async def end(self) -> None:
        for wire in self.wires:
            wire.cut()
        await self.server.stop(within=0.1)


async def until(condition: Any) -> None:
    """Wait for something that another task or the other end brings about."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  the other end sets no event here
            await asyncio.sleep(0.002)


class Echo:
    """Answers with what it was asked."""

    def __init__(self) -> None:
        self.seen: list[HttpRequest] = []

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        self.seen.append(request)
        told = {
            "method": request.method,
            "path": request.raw_path.decode("latin-1"),
            "query": request.query.decode("latin-1"),
            "headers": [[n.decode(), v.decode("latin-1")] for n, v in request.headers],
            "body": request.body.decode("latin-1") if len(request.body) < 100 else "…",
            "size": len(request.body),
            "peer": list(request.peer),
        }
        return HttpResponse(
            200, [(b"content-type", b"application/json")], json.dumps(told).encode()
        )


class Gated:
    """Answers each request when its gate is opened; counts what it began and finished."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun: list[str] = []
        self.finished: list[str] = []

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.raw_path.decode()
        self.begun.append(path)
        await self.gate.wait()
        self.finished.append(path)
        return HttpResponse(200, [], path.encode())


class Fixed:
    """Answers everything alike."""

    def __init__(self, response: HttpResponse | Exception | None) -> None:
        self.response = response

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        if isinstance(self.response, Exception):
            raise self.response
        return self.response  # type: ignore[return-value]  # some tests hand over what is none


class Starting(Echo):
    """Takes GETs without a task, at once or when told, and leaves the others to the coroutine."""

    def __init__(self, *, at_once: bool) -> None:
        super().__init__()
        self.at_once = at_once
        self.held: list[tuple[HttpRequest, Respond]] = []

    def start(self, request: HttpRequest, respond: Respond) -> bool:
        if request.method != "GET":
            return False
        self.held.append((request, respond))
        if self.at_once:
            self.answer(0)
        return True

    def answer(self, which: int) -> None:
        request, respond = self.held.pop(which)
        respond(HttpResponse(200, [], request.raw_path))


def get(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def post(path: str, body: bytes, *headers: str, method: str = "POST") -> bytes:
    return get(path, f"Content-Length: {len(body)}", *headers, method=method) + body


def chunked(path: str, chunks: Sequence[bytes], trailer: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return (
        get(path, "Transfer-Encoding: chunked", method="POST") + body + b"0\r\n" + trailer + b"\r\n"
    )
