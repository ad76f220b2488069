"""What a case of break-glass touched, from the log: each secret that its grant read or wrote.

The log is read from the opening on, for entries that name the grant as what let them
(`identity.governance.grants`): what its holder was served by policies of their own is not in it.

Trust   It is as complete as the log. A value is known to its holder until somebody else writes the
        secret; what they wrote themselves they know, too.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from strongroom.audit.decoding import decoded
from strongroom.audit.log import Log
from strongroom.core.rotation_due import PIECE, WRITING
from strongroom.identity.governance.break_glass import Case
from strongroom.identity.governance.grants import PREFIX
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.knowing import READ, WRITTEN, actors, is_whole


@dataclass(slots=True)
class Touched:
    """A secret that a case read or wrote: its last value that the holder knows by it."""

    path: str
    version: int  # 0: its engine has none, or does not say
    last: LogEntry
    times: int = 0
    wrote: bool = False
    replaced: LogEntry | None = None


@dataclass(slots=True)
class Account:
    """What came of a case: requests that it served, and the first read of them."""

    served: int = 0
    first_read: LogEntry | None = None
    found: dict[str, Touched] = field(default_factory=dict)

    @property
    def values(self) -> list[Touched]:
        """The secrets, by path."""
        return [each for _, each in sorted(self.found.items())]

    def follow(self, entry: LogEntry, case: Case) -> None:
        """Take the next entry."""
        if not entry.ok:
            return
        by_case = names_grant(entry, case.grant_id)
        if by_case:
            self.served += 1
            if self.first_read is None and entry.operation == "read":
                self.first_read = entry
        if entry.code not in (READ, *WRITTEN) or not is_whole(entry):
            return
        path = entry.path or ""
        known = self.found.get(path)
        if entry.code in WRITTEN and known is not None and case.holder not in actors(entry):
            known.replaced = known.replaced or entry
        if by_case:
            if known is None or known.replaced is not None:
                known = self.found[path] = Touched(path, entry.version or 0, entry)
            known.last, known.version = entry, entry.version or 0
            known.times, known.wrote = known.times + 1, known.wrote or entry.code in WRITTEN


def names_grant(entry: LogEntry, grant: str) -> bool:
    """Say whether a grant let an entry's request."""
    rules = entry.own.get("rules")
    mine = f"{PREFIX}{grant}#"
    return isinstance(rules, list) and any(str(rule).startswith(mine) for rule in rules)


async def touched_by(log: Log, case: Case) -> Account:
    """Read the log from a case's opening up to now, or to where its account ended."""
    account, mark = Account(), case.grant_id.encode()
    end = log.size if case.looked_to is None else case.looked_to
    for start in range(case.looked_from, end, PIECE):
        for stored in await log.entries(start, min(start + PIECE, end)):
            if mark in stored.leaf or any(code in stored.leaf for code in WRITING):
                account.follow(decoded(stored.index, stored.leaf), case)
        await asyncio.sleep(0)
    return account
