"""Whether a path is under a pattern: `+` stands for a segment, `*` at the end for anything."""

from __future__ import annotations

import re
from functools import lru_cache


def matches(pattern: str, path: str) -> bool:
    """Say whether a pattern matches a path."""
    return _expression(pattern).fullmatch(path) is not None


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    segments = [
        ("[^/]+" if s == "+" else re.escape(s)) for s in pattern.removesuffix("*").split("/")
    ]
    return re.compile("/".join(segments) + (".*" if pattern.endswith("*") else ""), re.DOTALL)
