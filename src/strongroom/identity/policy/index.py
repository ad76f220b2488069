"""Finds the pattern that goes first for a path, among thousands, in a few microseconds.

Exact patterns are a dictionary. Prefixes are sorted, and each knows the next shorter one that
it goes on from: whatever matches a path is the greatest entry not above it, or one of those.
Patterns with `+` are a tree of segments, each node of which is visited at most once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from strongroom.identity.policy import pattern
from strongroom.identity.policy.pattern import Priority

Value = TypeVar("Value")


class Index(Generic[Value]):
    """Values by pattern, found by path."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.exact: dict[str, Value] = {}
        prefixes: dict[str, tuple[Priority, Value]] = {}
        plus: dict[str, tuple[Priority, Value]] = {}
        for text, value in values.items():
            if pattern.has_plus(text):
                plus[text] = (pattern.priority(text), value)
            elif text.endswith("*"):
                prefixes[text[:-1]] = (pattern.priority(text), value)
            else:
                self.exact[text] = value
        self._prefixes = _Prefixes(prefixes)
        self._tree = _tree(plus)

    def wildcard(self, path: str) -> Value | None:
        """Return the value of the first of the patterns with a wildcard that match, or None."""
        best = self._prefixes.find(path)
        if self._tree is not None:
            best = self._tree.best(path, best)
        return None if best is None else best[1]


class _Prefixes(Generic[Value]):
    """Finds the longest entry that a text begins with."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._keys = sorted(values)
        self._values = [values[key] for key in self._keys]
        self._shorter: list[int] = []
        for at, key in enumerate(self._keys):
            before = at - 1
            while before >= 0 and not key.startswith(self._keys[before]):
                before = self._shorter[before]
            self._shorter.append(before)

    def find(self, text: str) -> Value | None:
        keys = self._keys
        at = bisect_right(keys, text) - 1
        while at >= 0:
            if text.startswith(keys[at]):
                return self._values[at]
            at = self._shorter[at]
        return None


@dataclass(slots=True)
class _Node(Generic[Value]):
    """A segment of the patterns with `+`: what may follow it, and what may end here."""

    literal: dict[str, _Node[Value]] = field(default_factory=dict)
    plus: _Node[Value] | None = None
    last: dict[str, tuple[Priority, Value]] = field(default_factory=dict)
    any_last: tuple[Priority, Value] | None = None
    tails: _Prefixes[tuple[Priority, Value]] | None = None

    def best(self, path: str, best: tuple[Priority, Value] | None) -> tuple[Priority, Value] | None:
        """Return what goes first: `best`, or something beneath this node that matches."""
        waiting: list[tuple[_Node[Value], int]] = [(self, 0)]
        while waiting:
            node, at = waiting.pop()
            slash = path.find("/", at)
            segment = path[at:] if slash < 0 else path[at:slash]
            if slash < 0:
                found = (node.last.get(segment), node.any_last)
            else:
                found = (None, None)
                if (child := node.literal.get(segment)) is not None:
                    waiting.append((child, slash + 1))
                if node.plus is not None:
                    waiting.append((node.plus, slash + 1))
            tail = None if node.tails is None else node.tails.find(path[at:])
            for entry in (*found, tail):
                if entry is not None and (best is None or entry[0] > best[0]):
                    best = entry
        return best


def _tree(values: Mapping[str, tuple[Priority, Value]]) -> _Node[Value] | None:
    root: _Node[Value] = _Node()
    tails: dict[int, tuple[_Node[Value], dict[str, tuple[Priority, Value]]]] = {}
    for text, entry in values.items():
        *head, last = text.split("/")
        node = root
        for segment in head:
            if segment != "+":
                node = node.literal.setdefault(segment, _Node())
            else:
                node.plus = node = node.plus or _Node()
        if last.endswith("*"):
            tails.setdefault(id(node), (node, {}))[1][last[:-1]] = entry
        elif last == "+":
            node.any_last = entry
        else:
            node.last[last] = entry
    for node, entries in tails.values():
        node.tails = _Prefixes(entries)
    return root if values else None
