"""Our load driver: keep-alive connections, one request in flight on each, all in one thread.

For machines without wrk. It spends about a core at 30,000 requests a second; a comparison stays
fair beyond that, since both servers meet the same driver, but differences shrink.
"""

from __future__ import annotations

import asyncio
import gc
import time
from array import array
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import cast

import uvloop

from bench.load import Bounds, Measured, Request, percentile


class BrokenReplyError(Exception):
    """What came back is not a reply that this driver can read."""


class Tally:
    """What all connections of one load have seen, and whether they go on."""

    def __init__(self, requests: Sequence[bytes], bounds: Bounds) -> None:
        self.requests: Iterator[bytes] = cycle(requests)
        self.latencies = array("d")
        self.failed = 0
        self.left = bounds.requests
        self.open = 0
        self.broken: Exception | None = None
        self.stopping = False
        self.ended = asyncio.Event()

    def closed(self, why: Exception | None) -> None:
        """Take note that a connection is gone."""
        self.broken = self.broken or why
        self.open -= 1
        if self.open == 0:
            self.ended.set()


class Connection(asyncio.Protocol):
    """One connection: sends, waits for the whole reply, sends again."""

    transport: asyncio.Transport

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start as soon as there is somebody to talk to."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.tally.open += 1
        self.send()

    def send(self) -> None:
        """Send the next request, or close where enough were sent."""
        tally = self.tally
        if tally.left <= 0 or tally.stopping:
            self.transport.close()
            return
        tally.left -= 1
        self.sent_at = time.perf_counter()
        self.transport.write(next(tally.requests))

    def data_received(self, data: bytes) -> None:
        """Count the reply once it is whole."""
        self.buffer = self.buffer + data if self.buffer else data
        try:
            if not whole_reply(self.buffer):
                return
        except BrokenReplyError as broken:
            self.tally.broken = broken
            self.transport.abort()
            return
        self.tally.latencies.append(time.perf_counter() - self.sent_at)
        if self.buffer[9:10] != b"2":
            self.tally.failed += 1
        self.buffer = b""
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the load; a server that closes in the middle of it broke it."""
        unfinished = not self.tally.stopping and self.tally.left > 0
        reason = exc or (BrokenReplyError("the server closed a connection") if unfinished else None)
        self.tally.closed(reason)


def whole_reply(data: bytes) -> bool:
    """Say whether `data` is one whole reply; raises BrokenReplyError if it can never be."""
    length = reply_length(data)
    if length is not None and length < len(data):
        raise BrokenReplyError("more than one reply to one request")
    return length == len(data)


def reply_length(data: bytes) -> int | None:
    """Return how long the reply is that `data` begins, or None where that cannot be said yet."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        stop = head.find(b"\r\n", at + 2)
        return end + 4 + int(head[at + 17 : stop if stop >= 0 else end])
    if b"\r\ntransfer-encoding: chunked" in head:
        return chunked_length(data, end + 4)
    if head[9:12] in (b"204", b"304"):
        return end + 4
    raise BrokenReplyError("a reply without a length")


def chunked_length(data: bytes, at: int) -> int | None:
    """Return where a chunked body that starts at `at` ends, or None where it is not all there."""
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:line].partition(b";")[0], 16)
        at = line + 2 + size + 2
        if size == 0:
            return at if len(data) >= at else None
    return None


async def _drive(host: str, port: int, raw: Sequence[bytes], bounds: Bounds) -> Measured:
    loop = asyncio.get_running_loop()
    tally = Tally(raw, bounds)
    started = time.perf_counter()
    for _ in range(bounds.connections):
        await loop.create_connection(lambda: Connection(tally), host, port)
    try:
        await asyncio.wait_for(tally.ended.wait(), bounds.seconds)
    except TimeoutError:
        tally.stopping = True
        await asyncio.wait_for(tally.ended.wait(), 30)
    if tally.broken is not None:
        raise tally.broken
    seconds = time.perf_counter() - started
    ordered = sorted(tally.latencies)
    return Measured(
        requests=len(ordered),
        seconds=seconds,
        failed=tally.failed,
        p50=percentile(ordered, 0.50) * 1_000,
        p99=percentile(ordered, 0.99) * 1_000,
    )


def drive(address: str, requests: Sequence[Request], bounds: Bounds) -> Measured:
    """Put a load on a server, and measure it; `address` is host and port.

    Raises BrokenReplyError or OSError where the server closes, or answers what is no HTTP.
    """
    host, _, port = address.partition(":")
    raw = [request.raw(address) for request in requests]
    gc.collect()
    gc.disable()
    try:
        return uvloop.run(_drive(host, int(port), raw, bounds))
    finally:
        gc.enable()
