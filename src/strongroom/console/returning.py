"""Where a visitor goes afterwards: a path of ours, or the first page; never another site."""

from __future__ import annotations

import re
from collections.abc import Mapping

FIRST = "/"
_OURS = re.compile(r"/(?:[A-Za-z0-9_.~@:-]+(?:/[A-Za-z0-9_.~@:-]+)*)?")


def afterwards(typed: Mapping[str, str]) -> str:
    """Return the path that `next` names, if it is one of ours."""
    wanted = typed.get("next", "")
    return wanted if _OURS.fullmatch(wanted) else FIRST
