"""Repeated noise without a token, collapsed: a scan of a million requests is not a million entries.

The first few of each (reason, network, route) in a window are entries of their own; the rest are
counted, and the count becomes one entry when the window ends.

Units  A window is 60 seconds. Networks are /24 of IPv4 and /48 of IPv6.
Trust  What is collapsed was answered without touching any secret; a login that was judged never
       is. A crash loses the counts of the open windows, at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

WINDOW = timedelta(seconds=60)
ALLOWED = 10  # entries of their own in a window
MOST = 4096  # windows open at once; beyond that all other networks share one for each kind
ELSEWHERE = "elsewhere"


@dataclass(slots=True)
class Window:
    """One kind of noise from one network, since `since`."""

    since: datetime
    count: int = 0
    collapsed: int = 0


@dataclass(frozen=True, slots=True)
class Collapsed:
    """What became of a window."""

    code: str
    reason: str
    network: str
    since: datetime
    count: int


class Noise:
    """Counts; the pipeline asks, and a background task takes what is over."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str, str], Window] = {}

    def admit(self, code: str, reason: str, address: str, now: datetime) -> bool:
        """Say whether this one gets an entry of its own."""
        key = (code, reason, network_of(address))
        window = self._windows.get(key)
        if window is None and len(self._windows) >= MOST:
            key = (code, reason, ELSEWHERE)
            window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(now)
        if now - window.since >= WINDOW and not window.collapsed:
            window.since, window.count = now, 0
        window.count += 1
        if window.count <= ALLOWED:
            return True
        window.collapsed += 1
        return False

    def over(self, now: datetime, *, all_of_them: bool = False) -> list[Collapsed]:
        """Return and forget the windows that have ended, those with nothing collapsed left out."""
        ended = [k for k, w in self._windows.items() if all_of_them or now - w.since >= WINDOW]
        out = []
        for key in ended:
            window = self._windows.pop(key)
            if window.collapsed:
                out.append(Collapsed(*key, window.since, window.collapsed))
        return out


def network_of(address: str) -> str:
    """Return the network that an address is counted under."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    return str(ip_network(f"{parsed}/{24 if parsed.version == 4 else 48}", strict=False))
