"""What is tried: requests of a throw-away identity, places that are searched, handshakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back of a probe's request. `index` is that of its entry, -1 if it has none."""

    status: int
    body: bytes
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRoute:
    """A way to write: a path that fits the route, and its fields.

    `fields` are declared to hold a secret or any JSON; `names` to hold other text.
    """

    operation: str  # "write" or "patch"
    path: str
    fields: tuple[str, ...]
    names: tuple[str, ...] = ()
    login: bool = False


class Prober(Protocol):
    """Makes real requests, through the whole pipeline, as a throw-away identity."""

    async def request(
        self,
        operation: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str | None = None,
    ) -> Answered:
        """Make one request; `token` stands in for the identity's own."""
        ...


class Probe(Protocol):
    """Makes throw-away identities and mounts, and takes them away again, whatever happens."""

    def identity(
        self, control: str, *, environment: str = "", policy: str = ""
    ) -> AbstractAsyncContextManager[Prober]:
        """Lend an identity that is bound to an environment and has one policy, or none at all."""
        ...

    def mounts(self, control: str) -> AbstractAsyncContextManager[Mapping[str, str]]:
        """Lend an empty mount of each kind of engine: kind to path. Removed with its contents."""
        ...

    async def writes(self) -> Sequence[WriteRoute]:
        """Return every way to write that the running server has."""
        ...

    async def paths(self) -> Sequence[str]:
        """Return paths of every mount, to knock at."""
        ...

    def random_name(self) -> str:
        """Return a name that nobody else has."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A place that was searched. `hits` are the positions of the needles that were found."""

    place: str
    size: int
    hits: tuple[int, ...] = ()
    problem: str = ""  # why it could not be searched


class Places(Protocol):
    """Wherever this server leaves bytes: its database, files of sinks, logs, packs."""

    def search(self, needles: Sequence[bytes]) -> AsyncIterator[Searched]:
        """Look for each needle in each place."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What became of one version of TLS at a listener."""

    version: str
    suites: tuple[str, ...]  # accepted
    ended: str
    conclusive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerFact:
    """A listener, and what it answered. `problem`: it could not be asked."""

    address: str
    tls: bool
    handshakes: tuple[Handshake, ...] = ()
    certificate_problem: str = ""
    days_left: float | None = None
    problem: str = ""


class Listeners(Protocol):
    """The addresses where this server can be reached."""

    async def probe(self) -> Sequence[ListenerFact]:
        """Ask each of them."""
        ...
