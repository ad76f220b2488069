"""Constraints on what a request may carry: required, allowed and denied parameters.

Vault  Names match in any case. A list of values may hold globs (`zip*`, `*zap`, `*mid*`); an
       empty list means any value; the name `*` means all others (allowed) or all (denied).
       A list that a request sends matches as a whole or element by element, as Vault does
       from 1.21 on: every element must be allowed, and none denied.
Differs  From OpenBao, which compares lists as a whole only, so that `["admin"]` passes where
       `admin` is denied, which takes no number of a request as equal to the number in a
       policy, and which never finds a required parameter written in capitals. A value `*` is
       denied whatever it is, null too; among allowed values it is a plain asterisk, as there.
Trust  A reason names what the policy names; never a value, and no name the policy does not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """The values that a policy lists for one parameter; none listed means any."""

    exact: frozenset[str] = frozenset()  # canonical JSON
    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    middles: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether every value is meant."""
        return not (self.exact or self.prefixes or self.suffixes or self.middles)

    def match(self, value: object) -> bool:
        """Say whether a value is one of them, as a whole."""
        if self.any or canonical(value) in self.exact:
            return True
        return isinstance(value, str) and (
            value.startswith(self.prefixes)
            or value.endswith(self.suffixes)
            or any(middle in value for middle in self.middles)
        )

    def allow(self, value: object) -> bool:
        """Say whether a value is one of them, or a list of nothing else."""
        if self.match(value):
            return True
        return isinstance(value, list) and bool(value) and all(map(self.match, value))

    def deny(self, value: object) -> bool:
        """Say whether a value is one of them, or a list that holds one."""
        if self.match(value) or '"*"' in self.exact:
            return True
        return isinstance(value, list) and any(map(self.match, value))


def values(listed: Iterable[Any]) -> Values:
    """Return the values that a policy lists, decoded as JSON would be."""
    exact, prefixes, suffixes, middles = set(), [], [], []
    for value in listed:
        if not isinstance(value, str) or value == "*" or "*" not in (value[:1], value[-1:]):
            exact.add(canonical(value))
        elif value[0] == value[-1]:
            middles.append(value[1:-1])
        elif value[0] == "*":
            suffixes.append(value[1:])
        else:
            prefixes.append(value[:-1])
    return Values(
        exact=frozenset(exact),
        prefixes=tuple(prefixes),
        suffixes=tuple(suffixes),
        middles=tuple(middles),
    )


def canonical(value: object) -> str:
    """Return one text for equal JSON values; numbers are equal by value, never to a boolean.

    What is no JSON value gets a text that no policy can hold.
    """
    try:
        return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return ""


def _plain(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def joined(listed: Iterable[tuple[str, Values]]) -> Mapping[str, Values]:
    """Return what is listed for each name together, read-only, with names in lower case.

    Any of the values listed for a name is meant; any value at all, where one of them means that.
    """
    by_name: dict[str, list[Values]] = {}
    for name, each in listed:
        by_name.setdefault(name.lower(), []).append(each)
    return MappingProxyType({name: _together(of) for name, of in by_name.items()})


def _together(listed: Sequence[Values]) -> Values:
    if any(each.any for each in listed):
        return Values()
    return Values(
        exact=frozenset().union(*(each.exact for each in listed)),
        prefixes=tuple(chain.from_iterable(each.prefixes for each in listed)),
        suffixes=tuple(chain.from_iterable(each.suffixes for each in listed)),
        middles=tuple(chain.from_iterable(each.middles for each in listed)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraints:
    """What one pattern asks of a request's parameters; names are in lower case."""

    required: frozenset[str] = frozenset()
    allowed: Mapping[str, Values] = field(default_factory=lambda: MappingProxyType({}))
    denied: Mapping[str, Values] = field(default_factory=lambda: MappingProxyType({}))

    def __bool__(self) -> bool:
        """Say whether anything is asked."""
        return bool(self.required or self.allowed or self.denied)

    def refusal(self, parameters: Mapping[str, object]) -> str | None:
        """Return why these parameters are refused, or None."""
        sent = [(name.lower(), value) for name, value in parameters.items()]
        missing = self.required.difference(name for name, _ in sent)
        if missing:
            return f"the parameter {min(missing)!r} is required"
        for name, value in sent:
            if reason := self._denial(name, value) or self._stranger(name, value):
                return reason
        return None

    def _denial(self, name: str, value: object) -> str | None:
        if "*" in self.denied:
            return "every parameter is denied"
        listed = self.denied.get(name)
        if listed is None or not listed.deny(value):
            return None
        return f"the parameter {name!r} is denied" + ("" if listed.any else " that value")

    def _stranger(self, name: str, value: object) -> str | None:
        if not self.allowed:
            return None
        listed = self.allowed.get(name)
        if listed is None:
            return None if "*" in self.allowed else "a parameter is sent that is not allowed"
        return None if listed.allow(value) else f"the parameter {name!r} is not allowed that value"


def all_of(constraints: Sequence[Constraints]) -> Constraints:
    """Return what the same pattern in several rules asks together."""
    if len(constraints) == 1:
        return constraints[0]
    return Constraints(
        required=frozenset().union(*(each.required for each in constraints)),
        allowed=joined(chain.from_iterable(each.allowed.items() for each in constraints)),
        denied=joined(chain.from_iterable(each.denied.items() for each in constraints)),
    )
