"""How much, how long and how often a client may ask.

Units  Sizes are bytes, times seconds, rates requests per second. `now` is any monotonic clock.
Trust  Whoever can reach the listener is held to these before anything is known of them. What is
       remembered per address is bounded: the address unseen for longest is forgotten, which
       gives it a full bucket again.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EdgeLimits:
    """What the HTTP edge bears."""

    header_bytes: int = 64 * 1024
    body_bytes: int = 32 * 1024 * 1024
    buffered_bytes: int = 3 * 32 * 1024 * 1024  # bodies of all requests under way
    spared_bytes: int = 64 * 1024  # of a body that may come although the large ones fill that
    connections: int = 8192
    requests: int = 4096  # under way, on all connections
    header_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 90.0
    write_seconds: float = 30.0
    linger_seconds: float = 1.0  # for the client to read a refusal before the connection goes


class TokenBuckets:
    """A token bucket for each client address.

    An IPv6 client is its /64: whoever has one address there has them all.
    """

    def __init__(self, *, rate: float, burst: float, capacity: int = 65_536) -> None:
        if rate <= 0 or burst < 1 or capacity < 1:
            raise ValueError("rate, burst and capacity must be positive")
        self._rate = rate
        self._burst = burst
        self._capacity = capacity
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, address: str, now: float) -> int:
        """Take one token. Return 0, or the whole seconds until there is one again."""
        key = address if ":" not in address else _network(address)
        tokens, filled = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, now - filled) * self._rate)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - tokens) / self._rate))


def _network(address: str) -> str:
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> 64:x}/64"
