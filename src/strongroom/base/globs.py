"""Patterns in which `*` stands for any text, and every other character for itself.

Vault  What its auth methods take for names and claims (go-glob): no `?`, no `[a-z]`, no escape.
Trust  Matching takes time in proportion to pattern times text at worst, whatever they hold.
"""

from __future__ import annotations

from collections.abc import Iterable


def matches(pattern: str, text: str) -> bool:
    """Say whether the whole text is as the pattern says; case counts."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *between, last = rest
    if not text.startswith(first):
        return False
    at, end = len(first), len(text) - len(last)
    for part in between:
        found = text.find(part, at, max(end, at))
        if found < 0:
            return False
        at = found + len(part)
    return at <= end and text.endswith(last)


def matches_any(patterns: Iterable[str], texts: Iterable[str]) -> bool:
    """Say whether one of the patterns fits one of the texts."""
    known = tuple(texts)
    return any(matches(pattern, text) for pattern in patterns for text in known)
