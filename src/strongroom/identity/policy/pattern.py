"""Path patterns: what they match, which of two goes first, and how two of them relate.

Vault  `*` at the end matches anything; a segment that is `+` alone matches one segment, which
       may be empty; both are plain characters anywhere else, and `+*` is refused. Where
       several match, the documented priority decides.
Exact  `overlap` and `covers` speak of all paths that there could be, not of samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Priority = tuple[float, bool, int, int, str]


@dataclass(frozen=True, slots=True)
class Segment:
    """Text that a segment begins with; `open_` says whether it may go on."""

    text: str
    open_: bool = False

    def meet(self, other: Segment) -> Segment | None:
        """Return the segment that matches what both match, or None where nothing is."""
        longer, shorter = (self, other) if len(self.text) >= len(other.text) else (other, self)
        if longer.text == shorter.text:
            return longer if not longer.open_ else shorter
        return longer if shorter.open_ and longer.text.startswith(shorter.text) else None

    def covers(self, other: Segment) -> bool:
        """Say whether it matches whatever the other does."""
        if self.open_:
            return other.text.startswith(self.text)
        return self == other


@dataclass(frozen=True, slots=True)
class Shape:
    """A set of paths: so many segments, and where `tail` is set, anything behind the last."""

    segments: tuple[Segment, ...]
    tail: bool = False

    def meet(self, other: Shape) -> Shape | None:
        """Return the paths that both hold, or None where there are none."""
        longer, shorter = (
            (self, other) if len(self.segments) >= len(other.segments) else (other, self)
        )
        if len(longer.segments) > len(shorter.segments) and not shorter.tail:
            return None
        met: list[Segment] = []
        for mine, theirs in zip(longer.segments, shorter.segments, strict=False):
            both = mine.meet(theirs)
            if both is None:
                return None
            met.append(both)
        met += longer.segments[len(met) :]
        return Shape(tuple(met), longer.tail and shorter.tail)

    def covers(self, other: Shape) -> bool:
        """Say whether it holds every path of the other."""
        mine, theirs = self.segments, other.segments
        if len(mine) > len(theirs) or (not self.tail and (other.tail or len(mine) < len(theirs))):
            return False
        return all(a.covers(b) for a, b in zip(mine, theirs, strict=False))

    def within(self) -> Shape:
        """Return the shape of the same paths with a slash behind each."""
        return self if self.tail else Shape((*self.segments, Segment("")))


def shape(pattern: str) -> Shape:
    """Return the set of paths that a pattern matches."""
    tail = pattern.endswith("*")
    *head, last = pattern.removesuffix("*").split("/")
    segments = [Segment("", open_=True) if part == "+" else Segment(part) for part in head]
    if tail:
        return Shape((*segments, Segment(last, open_=True)), tail=True)
    return Shape((*segments, Segment("", open_=True) if last == "+" else Segment(last)))


def has_plus(pattern: str) -> bool:
    """Say whether a segment is `+` alone."""
    return "+" in pattern and "+" in pattern.split("/")


def is_exact(pattern: str) -> bool:
    """Say whether it matches one path only."""
    return not pattern.endswith("*") and not has_plus(pattern)


def priority(pattern: str) -> Priority:
    """Return what makes the pattern that goes first the greatest.

    In this order: no wildcard, or a later first one; no `*` at the end; fewer `+` segments;
    longer; later in the order of bytes. In a pattern with a `+` segment, a `+` inside another
    segment counts as its first wildcard too: OpenBao takes it so.
    """
    tail = pattern.endswith("*")
    plus = pattern.split("/").count("+")
    first: float = len(pattern) - 1 if tail else math.inf
    if plus:
        first = pattern.index("+")
    return first, not tail, -plus, len(pattern.encode()), pattern


def problem(pattern: str) -> str | None:
    """Return what is wrong with a pattern, or None."""
    return "'+*' is no wildcard" if "+*" in pattern else None
