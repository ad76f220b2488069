"""SCIM's filters: read by a parser of our own, and judged on resources in memory.

Specs   RFC 7644 section 3.4.2.2: eq ne co sw ew gt ge lt le pr, and, or, not, groups in
        parentheses, and `emails[type eq "work"]`. Names and texts compare without case, but ids.
Trust   A filter never becomes a statement of the database. Length and depth are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from strongroom.base.errors import InputError

LONGEST: Final = 1024
DEEPEST: Final = 16
EXACT: Final = frozenset({"id", "value", "externalid"})
Test = Callable[[Mapping[str, Any]], bool]
_TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\\x00-\x1f]|\\.)*")|(?P<punct>[()\[\]])'
    r"|(?P<number>-?\d+(?:\.\d+)?(?![\w.:$-]))|(?P<name>[A-Za-z$][\w.:$-]*))"
)
_ORDERED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}
_TEXTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "co": lambda a, b: b in a,
    "sw": lambda a, b: a.startswith(b),
    "ew": lambda a, b: a.endswith(b),
}
_OPERATORS: Final = frozenset({"eq", "ne", "pr", *_ORDERED, *_TEXTS})
_WORDS: Final = {"true": True, "false": False, "null": None}


def bad_filter(problem: str) -> InputError:
    """Return what is said of a filter that is none."""
    return InputError("invalidFilter", problem)


def parse_filter(text: str) -> Test:
    """Return what judges a resource by a filter; InputError for what is none."""
    if len(text) > LONGEST:
        raise bad_filter(f"longer than {LONGEST} characters")
    parser = _Parser(_tokens(text))
    test = parser.either(0)
    if parser.peek() is not None:
        raise bad_filter("something stands behind its end")
    return test


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise bad_filter("holds what is no part of a filter")
        found.append(_Token(match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


class _Parser:
    """Reads tokens from left to right; `and` binds closer than `or`."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> _Token:
        token = self.peek()
        if token is None:
            raise bad_filter("it ends too early")
        self._at += 1
        return token

    def _takes(self, word: str) -> bool:
        token = self.peek()
        if token is None or token.kind == "text" or token.text.lower() != word:
            return False
        self._at += 1
        return True

    def _must(self, punct: str) -> None:
        if not self._takes(punct):
            raise bad_filter(f"lacks a {punct}")

    def either(self, depth: int) -> Test:
        if depth > DEEPEST:
            raise bad_filter("nested too deep")
        tests = [self._both(depth)]
        while self._takes("or"):
            tests.append(self._both(depth))
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _both(self, depth: int) -> Test:
        tests = [self._one(depth)]
        while self._takes("and"):
            tests.append(self._one(depth))
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self, depth: int) -> Test:
        if self._takes("not"):
            self._must("(")
            inner = self.either(depth + 1)
            self._must(")")
            return lambda row: not inner(row)
        if self._takes("("):
            inner = self.either(depth + 1)
            self._must(")")
            return inner
        return self._compared(depth)

    def _compared(self, depth: int) -> Test:
        name = self._take()
        if name.kind != "name":
            raise bad_filter("an attribute was expected")
        if self._takes("["):
            inner = self.either(depth + 1)
            self._must("]")
            return lambda row: any(inner(each) for each in _objects(row, name.text))
        operator = self._take().text.lower()
        if operator not in _OPERATORS:
            raise bad_filter("an operator was expected")
        if operator == "pr":
            return lambda row: bool(values_of(row, name.text))
        return _comparison(name.text, operator, self._value())

    def _value(self) -> Any:
        token = self._take()
        if token.kind in {"text", "number"}:
            try:
                return msgspec.json.decode(token.text.encode())
            except (msgspec.DecodeError, UnicodeEncodeError):
                raise bad_filter("a value that is no JSON") from None
        word = token.text.lower()
        if token.kind == "name" and word in _WORDS:
            return _WORDS[word]
        raise bad_filter("a value was expected")


def _comparison(name: str, operator: str, wanted: Any) -> Test:
    exact = name.rpartition(".")[2].lower() in EXACT

    def same(value: Any) -> Any:
        return value.casefold() if isinstance(value, str) and not exact else value

    right = same(wanted)

    def holds(row: Mapping[str, Any]) -> bool:
        lefts = [same(value) for value in values_of(row, name)]
        if operator == "eq":
            return right in lefts if right is not None else not lefts
        if operator == "ne":
            return right not in lefts if right is not None else bool(lefts)
        return any(_related(operator, left, right) for left in lefts)

    return holds


def _related(operator: str, left: Any, right: Any) -> bool:
    if operator in _TEXTS:
        both = isinstance(left, str) and isinstance(right, str)
        return both and _TEXTS[operator](left, right)
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    alike = isinstance(left, str) == isinstance(right, str) and None not in (left, right)
    return alike and _ORDERED[operator](left, right)


def find(row: Mapping[str, Any], name: str) -> Any:
    """Return an attribute by its name without case, or None."""
    wanted = name.lower()
    return next((value for key, value in row.items() if key.lower() == wanted), None)


def values_of(row: Mapping[str, Any], path: str) -> list[Any]:
    """Return the plain values at a path such as `name.givenName` or `emails`."""
    found: list[Any] = [row]
    for name in plain(path).split("."):
        found = [find(each, name) for each in found if isinstance(each, Mapping)]
        found = [one for each in found for one in (each if isinstance(each, list) else [each])]
    found = [find(each, "value") if isinstance(each, Mapping) else each for each in found]
    return [each for each in found if each not in (None, "")]


def plain(path: str) -> str:
    """Return a path without the name of its schema."""
    return path.rpartition(":")[2] if path.lower().startswith("urn:") else path


def _objects(row: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = find(row, plain(name))
    many = value if isinstance(value, list) else [value]
    return [each for each in many if isinstance(each, Mapping)]
