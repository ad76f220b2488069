"""Finds every pattern that matches a path, the one that goes first in front.

`index.Index` finds the one that decides for one token; this finds all of many tokens' patterns at
once, so that paths on which nobody can be treated differently are known by their patterns alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from strongroom.identity.policy.pattern import has_plus, priority


class Matching:
    """Patterns, numbered: the greater number goes first wherever both match."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = sorted(set(patterns), key=priority)
        self._exact: dict[str, int] = {}
        heads: dict[str, int] = {}
        self._tree = _Node()
        self._has_tree = False
        for number, text in enumerate(self.patterns):
            if has_plus(text):
                self._tree.add(text, number)
                self._has_tree = True
            elif text.endswith("*"):
                heads[text[:-1]] = number
            else:
                self._exact[text] = number
        self._heads = _Heads(heads)

    def single(self, path: str) -> tuple[int, ...]:
        """Return what may decide an operation on one path, the first in front."""
        return (*self._exactly(path), *self._wild(path))

    def listing(self, path: str) -> tuple[int, ...]:
        """Return what may decide a list or scan: asked with a slash, then without."""
        bare = path.removesuffix("/")
        whole = f"{bare}/"
        return (*self._exactly(whole), *self._exactly(bare), *self._wild(whole), *self._wild(bare))

    def _exactly(self, path: str) -> tuple[int, ...]:
        found = self._exact.get(path)
        return () if found is None else (found,)

    def _wild(self, path: str) -> list[int]:
        found = self._heads.find(path)
        if self._has_tree:
            self._tree.find(path, found)
        found.sort(reverse=True)
        return found


class _Heads:
    """Finds every entry that a text begins with."""

    def __init__(self, values: dict[str, int]) -> None:
        self._keys = sorted(values)
        self._values = [values[key] for key in self._keys]
        self._shorter: list[int] = []
        for at, key in enumerate(self._keys):
            before = at - 1
            while before >= 0 and not key.startswith(self._keys[before]):
                before = self._shorter[before]
            self._shorter.append(before)

    def find(self, text: str) -> list[int]:
        found: list[int] = []
        at = bisect_right(self._keys, text) - 1
        while at >= 0:
            if text.startswith(self._keys[at]):
                found.append(self._values[at])
            at = self._shorter[at]
        return found


@dataclass(slots=True)
class _Node:
    """A segment of the patterns with `+`: what may follow it, and what may end here."""

    literal: dict[str, _Node] = field(default_factory=dict)
    plus: _Node | None = None
    last: dict[str, int] = field(default_factory=dict)
    any_last: int | None = None
    tails: dict[str, int] = field(default_factory=dict)

    def add(self, text: str, number: int) -> None:
        *head, last = text.split("/")
        node = self
        for segment in head:
            if segment != "+":
                node = node.literal.setdefault(segment, _Node())
            else:
                node.plus = node = node.plus or _Node()
        if last.endswith("*"):
            node.tails[last[:-1]] = number
        elif last == "+":
            node.any_last = number
        else:
            node.last[last] = number

    def find(self, path: str, found: list[int]) -> None:
        waiting: list[tuple[_Node, int]] = [(self, 0)]
        while waiting:
            node, at = waiting.pop()
            slash = path.find("/", at)
            segment = path[at:] if slash < 0 else path[at:slash]
            if slash < 0:
                ends = (node.last.get(segment), node.any_last)
                found += [number for number in ends if number is not None]
            else:
                if (child := node.literal.get(segment)) is not None:
                    waiting.append((child, slash + 1))
                if node.plus is not None:
                    waiting.append((node.plus, slash + 1))
            for head, number in node.tails.items():
                if path.startswith(head, at):
                    found.append(number)
