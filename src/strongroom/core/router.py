"""From a path under a mount, and an operation, to the endpoint that serves it.

`Routes` compiles what an engine declares into tables by first segment and number of segments,
so that a match looks at the few routes that can fit, without a regular expression.

Vault   Of two routes that fit, the one with more literal text wins, whatever it can do: a path
        that fits but lacks the operation is UnsupportedError ("unsupported operation"), one
        that fits nothing NotFoundError ("unsupported path"). Lists take their path with or
        without a trailing slash, and a last `{field...}` may then be empty; everything else
        takes a path as it stands, since policy was asked about it as it stands.
        Literal segments may follow `{field...}` (`mounts/{path...}/tune`); it is then not empty.
Trust   The path has been cleaned before (no "..", no empty segment inside); what a route
        captures is any text without a slash, and for `{field...}` with slashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, cast

from strongroom.base.errors import InputError, NotFoundError, UnsupportedError
from strongroom.core.fields import Decode, declared, decoder
from strongroom.sdk.auth import AuthMethod, Login, SeveralWays
from strongroom.sdk.engine import Endpoint, Route


class Operation(StrEnum):
    """What is done to a path. Whether a write creates or updates is decided after routing."""

    READ = "read"
    LIST = "list"
    SCAN = "scan"
    WRITE = "write"
    PATCH = "patch"
    DELETE = "delete"
    HELP = "help"


ENDPOINTS: Mapping[Operation, Callable[[Route], Endpoint[Any] | None]] = {
    Operation.READ: lambda route: route.read,
    Operation.LIST: lambda route: route.list,
    Operation.SCAN: lambda route: route.scan,
    Operation.WRITE: lambda route: route.write,
    Operation.PATCH: lambda route: route.patch,
    Operation.DELETE: lambda route: route.delete,
}
_LISTS = frozenset({Operation.LIST, Operation.SCAN})
_WRITES = frozenset({Operation.WRITE, Operation.PATCH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """An operation of a route, ready to be served; `login` is set on an auth method's way in."""

    route: Route
    operation: Operation
    endpoint: Endpoint[Any]
    decode: Decode[Any]
    event: str
    login: Login[Any] | None = None


class Match(NamedTuple):
    """What serves a request, and what its path says."""

    bound: Bound
    fields: dict[str, str]


class Part(NamedTuple):
    """A segment of a route's path: `text` is literal text or the name of a field."""

    text: str
    is_field: bool
    is_rest: bool


def parts(path: str) -> tuple[Part, ...]:
    """Split a route's path. Raises TypeError for one that no request could fit."""
    found: list[Part] = []
    segments = path.split("/")
    for segment in segments:
        inner = segment[1:-1] if segment.startswith("{") and segment.endswith("}") else ""
        rest = inner.endswith("...")
        name = inner.removesuffix("...")
        wrong = (
            not name.isidentifier() if inner else not segment or not {"{", "}"}.isdisjoint(segment)
        )
        after_rest = any(part.is_rest for part in found) and bool(inner)
        if wrong or after_rest:
            raise TypeError(f"{path!r} is no path of a route")
        found.append(Part(name if inner else segment, bool(inner), rest))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A route's path, taken apart: positions of literals and of fields, and where a rest starts."""

    route: Route
    bound: Mapping[Operation, Bound]
    length: int  # segments before the rest
    weight: tuple[int, bool, int]
    literals: tuple[tuple[int, str], ...]
    fields: tuple[tuple[int, str], ...]
    rest: str | None
    tail: tuple[str, ...] = ()  # segments after the rest

    def captures(self, segments: Sequence[str]) -> dict[str, str] | None:
        """Return what the fields capture, or None if the path does not fit."""
        for at, text in self.literals:
            if segments[at] != text:
                return None
        found = {}
        for at, name in self.fields:
            if not segments[at]:
                return None
            found[name] = segments[at]
        if self.rest is None:
            return found
        end = len(segments) - len(self.tail)
        if self.tail and tuple(segments[end:]) != self.tail:
            return None
        found[self.rest] = "/".join(segments[self.length : end])
        return found


class Routes:
    """The routes of one mount, compiled. Raises TypeError for routes that contradict themselves.

    `login` is an auth method's way in, and `others` are those beside it.
    """

    __slots__ = ("_tables", "_widest", "login", "routes")

    def __init__(
        self,
        routes: Iterable[Route],
        kind: str = "",
        login: Login[Any] | None = None,
        others: Sequence[Login[Any]] = (),
    ) -> None:
        ways_in = (*(() if login is None else (login,)), *others)
        patterns = [_pattern(route, kind, None) for route in routes]
        patterns += [_pattern(_login_route(way_in, kind), kind, way_in) for way_in in ways_in]
        heaviest = sorted(patterns, key=lambda pattern: pattern.weight, reverse=True)
        self._widest = max((p.length + len(p.tail) + 1 for p in patterns), default=1)
        self._tables = _tables(heaviest, self._widest)
        self.login = login
        self.routes = tuple(pattern.route for pattern in patterns)
        _check_distinct(self.routes)

    def match(self, path: str, operation: Operation) -> Match:
        """Return what serves `operation` at `path`, which is relative to the mount.

        Raises NotFoundError for a path that no route fits, UnsupportedError for a route without
        the operation (help is never one; see `find`), and InputError for a write to a path that
        ends in a slash.
        """
        lists = operation in _LISTS
        if path[-1:] == "/":
            if lists:
                path = path[:-1]
            elif operation in _WRITES:
                raise InputError("path", "cannot write to a path ending in '/'")
        pattern, fields = self._fit(path.split("/"), lists)
        bound = pattern.bound.get(operation)
        if bound is None:
            raise UnsupportedError("unsupported operation")
        return Match(bound, fields)

    def find(self, path: str) -> Route:
        """Return the route at `path`, whatever it can do; for help. Raises NotFoundError."""
        pattern, _ = self._fit(path.removesuffix("/").split("/"), lists=True)
        return pattern.route

    def _fit(self, segments: list[str], lists: bool) -> tuple[_Pattern, dict[str, str]]:
        count = len(segments)
        by_first = self._tables[min(self._widest, count)]
        for pattern in by_first.get(segments[0]) or by_first[""]:
            captured = pattern.captures(segments)
            if captured is None:
                continue
            if pattern.rest is not None and not captured[pattern.rest] and not lists:
                continue
            return pattern, captured
        raise NotFoundError("unsupported path")


def _login_route(login: Login[Any], kind: str) -> Route:
    serve = cast("Any", login.prove)  # its Proof becomes a reply where tokens are made
    endpoint = Endpoint(login.given, serve, f"{kind}.login" if kind else "login", login.summary)
    reading = endpoint if login.by_reading else None
    return Route(path=login.path, summary=login.summary, read=reading, write=endpoint, open=True)


def routes_of(method: AuthMethod) -> Routes:
    """Return the routes of an auth method: its configuration, and every way in."""
    others = method.other_logins() if isinstance(method, SeveralWays) else ()
    return Routes(method.routes(), method.kind, method.login(), others)


def _pattern(route: Route, kind: str, login: Login[Any] | None) -> _Pattern:
    segments = parts(route.path)
    names = [part.text for part in segments if part.is_field]
    literal = [part for part in segments if not part.is_field]
    at_rest = next((at for at, part in enumerate(segments) if part.is_rest), len(segments))
    rest = segments[at_rest].text if at_rest < len(segments) else None
    fixed = segments[:at_rest]
    return _Pattern(
        route=route,
        bound=_bound(route, names, kind, login),
        length=len(fixed),
        weight=(sum(len(part.text) for part in literal), rest is None, len(segments)),
        literals=tuple((at, part.text) for at, part in enumerate(fixed) if not part.is_field),
        fields=tuple((at, part.text) for at, part in enumerate(fixed) if part.is_field),
        rest=rest,
        tail=tuple(part.text for part in segments[at_rest + 1 :]),
    )


def _bound(
    route: Route, names: Sequence[str], kind: str, login: Login[Any] | None
) -> Mapping[Operation, Bound]:
    found = {}
    for operation, pick in ENDPOINTS.items():
        endpoint = pick(route)
        if endpoint is None:
            continue
        lost = set(names) - {field.name for field in declared(endpoint.given)}
        if lost or len(set(names)) < len(names):
            raise TypeError(f"{route.path}: {endpoint.given.__name__} has no place for {names}")
        found[operation] = Bound(
            route=route,
            operation=operation,
            endpoint=endpoint,
            decode=decoder(endpoint.given),
            event=endpoint.event or f"{kind}.{operation}",
            login=login,
        )
    return found


def _tables(
    patterns: Sequence[_Pattern], widest: int
) -> tuple[Mapping[str, tuple[_Pattern, ...]], ...]:
    """Return, for each number of segments, the patterns by first segment; "" is for all others."""
    firsts = {"", *(p.literals[0][1] for p in patterns if p.literals and p.literals[0][0] == 0)}
    return tuple(
        {first: tuple(p for p in patterns if _may_fit(p, first, count)) for first in firsts}
        for count in range(widest + 1)
    )


def _may_fit(pattern: _Pattern, first: str, count: int) -> bool:
    starts = not pattern.literals or pattern.literals[0][0] > 0 or pattern.literals[0][1] == first
    if pattern.rest is None:
        return starts and count == pattern.length
    return starts and count >= pattern.length + (len(pattern.tail) + 1 if pattern.tail else 0)


def _check_distinct(routes: Iterable[Route]) -> None:
    seen: set[tuple[object, ...]] = set()
    for route in routes:
        shape = tuple((p.is_rest, "" if p.is_field else p.text) for p in parts(route.path))
        if shape in seen:
            raise TypeError(f"two routes of the path {route.path}")
        seen.add(shape)
