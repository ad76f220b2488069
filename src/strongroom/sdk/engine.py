"""The contract of a secrets engine, and what every plugin family shares with it.

An engine states its paths once, as `Route` values. Routing, decoding, help, OpenAPI, console
forms and the audit entry's names are all read off them, so that what is declared is what runs.

Vault   A route's five endpoints are Vault's operations: read (GET), list (LIST, or GET with
        `list=true`), scan (OpenBao's recursive list), write (POST and PUT), patch, delete.
Units   Durations are `timedelta`; moments are aware `datetime`, UTC.
Trust   A plugin sees its own mount's store and nothing else of the server. A plugin that lies
        can lie about its own mount only: the entry is written by the pipeline, not by it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    Protocol,
    TypeVar,
    final,
    runtime_checkable,
)

Given = TypeVar("Given")
Value = TypeVar("Value")


# -- what a request may carry ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Help:
    """What a field is for, and its limits; read by the decoder, OpenAPI, forms and `path-help`.

    `least` and `most` bound numbers, and the length of text. `choices` closes the set.
    `was` are older names that clients still send. `shown` False keeps it out of OpenAPI.
    """

    text: str
    least: int | None = None
    most: int | None = None
    choices: tuple[object, ...] = ()
    was: tuple[str, ...] = ()
    shown: bool = True


@final
class Json:
    """One JSON value as the bytes that came or will go, checked for syntax and never rewritten.

    As a field's type it takes any JSON value. In a reply it is written as it is. It may hold a
    secret, so it does not print.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __repr__(self) -> str:
        return "Json(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Json) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)


class Whole:
    """Marks the one `Json` field that takes the whole body (KV version 1 stores bodies)."""


class Sent:
    """Marks the one `frozenset[str]` field that receives the names which the caller sent."""


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """For operations that take no input."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """For paths that end in `{name}`."""

    name: Annotated[str, Help("Name.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class Page:
    """For lists. Names are in byte order; `after` is exclusive; `limit` 0 or less means all."""

    after: Annotated[str, Help("Give names after this one.")] = ""
    limit: Annotated[int, Help("Give at most so many names.")] = -1


# -- what a handler gets -----------------------------------------------------------------------


class Held(NamedTuple, Generic[Value]):
    """A stored value with its row's facts.

    `entry` is the index of the log entry of the request that last wrote the row; None when
    this very request did, whose index is not known before its commit.
    """

    value: Value
    entry: int | None
    fingerprint: bytes | None = None


class Store(Protocol):
    """One mount's keys, read and written in the transaction of the request's audit entry.

    Keys are UTF-8 without NUL. A request sees its own writes. Nothing is stored unless the
    whole request commits; if a row that was read has changed meanwhile, the request is served
    again from the start, so a handler may read, decide and write without a lock.
    Values are dataclasses or builtins; they are encrypted, bound to mount and key.
    """

    async def find(self, key: str, kind: type[Value]) -> Held[Value] | None:
        """Return what is stored under `key`, or None."""
        ...

    async def fetch(self, key: str, kind: type[Value]) -> Value:
        """Return the value stored under `key`; NotFoundError if there is none."""
        ...

    async def put(self, key: str, value: object, *, fingerprint: bytes | None = None) -> None:
        """Store `value`. `fingerprint`, of a secret inside, goes in a clear, indexed column."""
        ...

    async def delete(self, key: str) -> None:
        """Delete the row, if there is one."""
        ...

    async def names(self, prefix: str, *, after: str = "", limit: int = -1) -> list[str]:
        """Return the names directly under `prefix`, in byte order; folders end in '/'."""
        ...

    async def keys(self, prefix: str, *, after: str = "", limit: int = -1) -> list[str]:
        """Return every key that starts with `prefix`, the prefix left off, in byte order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """The mount that serves: where it is, and how it was tuned."""

    path: str  # with trailing slash, without "auth/": "secret/", "team/kv/", "approle/"
    kind: str
    accessor: str
    options: Mapping[str, str]
    default_ttl: timedelta
    max_ttl: timedelta
    own_ttl: timedelta = timedelta(0)  # its own default; zero where it has the system's
    own_max_ttl: timedelta = timedelta(0)  # its own limit; zero where it has the system's


@dataclass(slots=True, kw_only=True)
class Call:
    """One request that policy has allowed."""

    store: Store
    now: datetime  # the only clock ...
    entropy: Callable[[int], bytes]  # ... and the only randomness that a plugin uses
    fingerprint: Callable[[bytes], bytes]  # keyed digest of a secret value; the key stays inside
    mount: Mounted
    entity: str = ""  # entity id; empty when there is none (root, or before a login)
    makers: tuple[str, ...] = ()  # of what this request makes: its entity, and whom its token is of
    dropped: list[str] = field(default_factory=list)  # `Opens.name` of what `forget` removed
    helped_by: tuple[str, ...] = ()  # other entities who could be behind it (`identity.behind`)
    address: str = ""  # where the request came from, after trusted proxies
    certificates: tuple[bytes, ...] = ()  # the client's over TLS, its own first, DER; unverified
    warnings: list[str] = field(default_factory=list)  # shown to the caller in the reply

    @property
    def behind(self) -> tuple[str, ...]:
        """Everybody who could be behind what this request writes."""
        return tuple(dict.fromkeys((*self.makers, *self.helped_by)))


# -- what a handler returns --------------------------------------------------------------------


class Touched(NamedTuple):
    """What the audit entry says of the thing served; never the value.

    `unchanged` names the fields, by their keys, whose values a write left as they were.
    """

    version: int | None = None
    fingerprint: bytes | None = None
    unchanged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Something outside the store that lives until its end and can be taken back.

    `data` is what `Revoking.revoke` needs; it is stored encrypted.
    """

    ttl: timedelta
    max_ttl: timedelta
    renewable: bool = True
    data: Mapping[str, object] = field(default_factory=dict)


class Reply(NamedTuple):
    """What goes back: `data` is encoded as JSON, `Secret` and `Json` values inside included.

    This, `Held` and `Touched` are made for each request, and a named tuple of so many fields takes
    a quarter of the time of a frozen dataclass.
    """

    data: Mapping[str, object] | None = None
    lease: Lease | None = None
    touched: Touched | None = None
    warnings: tuple[str, ...] = ()
    status: int = 0  # 0: 200 with data, 204 without
    fields: Mapping[str, object] | None = None  # beside `data` in Vault's envelope
    bare: bool = False  # `data` is the whole body, without the envelope (`sys/seal-status`)
    raw: bytes | None = None  # the whole body as it is, of `content_type`; never wrapped
    content_type: str = "application/json"


@dataclass(frozen=True)
class Endpoint(Generic[Given]):
    """What an operation takes, what serves it, and what the log calls it (`secret.read`)."""

    given: type[Given]
    serve: Callable[[Any, Given], Awaitable[Reply | None]]  # first argument: a `Call`
    event: str = ""  # left out: the engine's kind and the operation, `totp.read`
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class Opens:
    """What somebody logs in by and a route changes: a role, a user, an auth mount's configuration.

    `name` is what `Proof.entrance` says at a login by it; empty where it concerns each login there.
    `removed`: a delete removes it; otherwise that is a change like another. `shown` says whether a
    read tells all that a login by it takes.
    """

    name: Callable[[Any], str]
    removed: bool = True
    shown: Callable[[Any, Any], Awaitable[bool]] | None = None


def _whole_mount(_given: object) -> str:
    return ""


CONFIGURATION = Opens(name=_whole_mount)


@dataclass(frozen=True, kw_only=True)
class Route:
    """A path under the mount, and what can be done there.

    `path` is segments, some of them `{field}`; a last `{field...}` takes the rest, slashes
    included. `sudo` asks for that capability; `open` serves without a token. `exists` tells a
    create from an update; without it every write is an update (Vault's rule). `subjects` names
    the aliases whose credentials a change there touches: whoever may change them can become them.
    A change of what is `whole` concerns all of the mount, so it takes the right to reach all of it.
    Of what it `opens`, the core keeps who wrote it: they know how to get in by it.
    Of two routes that fit, the one with more literal text wins.
    """

    path: str
    summary: str
    read: Endpoint[Any] | None = None
    list: Endpoint[Any] | None = None
    scan: Endpoint[Any] | None = None
    write: Endpoint[Any] | None = None
    patch: Endpoint[Any] | None = None
    delete: Endpoint[Any] | None = None
    exists: Callable[[Any, Any], Awaitable[bool]] | None = None
    subjects: Callable[[Any, Any], Awaitable[Sequence[str]]] | None = None
    opens: Opens | None = None
    sudo: bool = False
    open: bool = False
    whole: bool = False
    description: str = ""


class Engine(Protocol):
    """A secrets engine. `kind` is the type in `sys/mounts`; it holds no state of its own."""

    kind: ClassVar[str]

    def routes(self) -> Sequence[Route]:
        """Return the same routes each time."""
        ...


@runtime_checkable
class Attributing(Protocol):
    """For engines that know which entry of the log wrote what is under a path."""

    async def written_at(self, call: Call, path: str) -> int | None:
        """Return the index of the entry that wrote the present value; None if there is none.

        `path` is as in a request, behind the mount's.
        """
        ...


class Revoking(Protocol):
    """For engines whose replies carry leases. Revoking twice is once."""

    async def revoke(self, call: Call, data: Mapping[str, object]) -> None:
        """Take back what the lease stands for."""
        ...

    async def renew(self, call: Call, data: Mapping[str, object], ttl: timedelta) -> None:
        """Make it live `ttl` from now, at the outside system too."""
        ...
