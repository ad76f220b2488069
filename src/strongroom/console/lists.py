"""Lists as pages show them: facets, words to search for, and paging by cursor.

Units  A page has at most 50 rows. A search looks at 10,000 rows at most, and says so if there are
       more.
Trust  The pipeline filters and lists as the visitor; the words are looked for in what it gave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from strongroom.base.errors import InputError
from strongroom.console.visit import Visit

ROWS: Final = 50
ASKED: Final = 1000  # of the pipeline at once, in a search
MOST_ASKED: Final = 10
LONGEST: Final = 256  # of the words of a search
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Rows, the address of those after them, and the entry of the question.

    `cut` says that a search ended before the last row.
    """

    rows: Sequence[Row]
    next: str
    index: int
    cut: bool
    sought: str
    chosen: Mapping[str, str]

    @property
    def narrowed(self) -> bool:
        """Whether anything was asked for but all of it."""
        return bool(self.sought or any(self.chosen.values()))


async def listed(visit: Visit, path: str, facets: Sequence[str], within: Sequence[str]) -> Listed:
    """Return a page of a list; `within` names the fields that words are looked for in."""
    chosen = {name: visit.query.get(name, "") for name in facets}
    sought, after = visit.query.get("q", "").strip(), visit.query.get("after", "")
    if max(len(sought), len(after)) > LONGEST:
        raise InputError("q", f"longer than {LONGEST} characters")
    asked = {name: value for name, value in chosen.items() if value}
    rows: list[Row] = []
    index, cut = -1, False
    for time in range(MOST_ASKED if sought else 1):
        limit = ASKED if sought else ROWS + 1
        told = await visit.asker.names(path, **asked, after=after, limit=str(limit))
        index, info = told.index, told.data.get("key_info", {})
        there = [{"key": key, **info[key]} for key in told.data["keys"]]
        rows += [row for row in there if not sought or _has(row, sought.casefold(), within)]
        cut = len(there) == limit
        if not cut or len(rows) > ROWS:
            break
        after = there[-1]["key"]
        cut = time == MOST_ASKED - 1
    more = len(rows) > ROWS
    shown = rows[:ROWS]
    query = {**asked, **({"q": sought} if sought else {})}
    return Listed(
        rows=shown,
        next=f"?{urlencode({**query, 'after': shown[-1]['key']})}" if more else "",
        index=index,
        cut=bool(sought) and cut and not more,
        sought=sought,
        chosen=chosen,
    )


def _has(row: Row, words: str, within: Sequence[str]) -> bool:
    return any(words in str(row.get(name) or "").casefold() for name in ("key", *within))
