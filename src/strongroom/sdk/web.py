"""The contract of asking another system over HTTP: a provider's keys, a cluster's token review.

Units   `within` bounds the whole exchange, name resolution and handshake included; `most` is the
        size of the body in bytes.
Trust   What comes back is whatever the other system, or who stands in its place, chose to say.
        Redirects are not followed: an answer comes from the address that was configured, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

PATIENCE = timedelta(seconds=10)
LARGEST = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request. `authorities` is PEM; empty, the system's own are trusted.

    `may_reach` says of an address that the host has whether it may be connected to; left out, any
    may. It is asked of the very address that is then connected to.

    `headers` and `body` may hold credentials, so they do not print.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    authorities: str = ""
    within: timedelta = PATIENCE
    most: int = LARGEST
    may_reach: Callable[[str], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Response:
    """What came back, whatever its status. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Web(Protocol):
    """Whoever asks. Nothing is kept between two questions, cookies and connections included."""

    async def ask(self, question: Question) -> Response:
        """Ask, and wait for the whole answer.

        Raises InputError for a URL that cannot be asked, UpstreamError where no whole answer
        came in time, or one larger than `most`; their words name the host and no more.
        """
        ...
