"""Cases of break-glass as entries of the log tell of them, from the opening to the review.

What a case touched is what its grant let somebody read or write; its holder knows a value until
somebody else writes the secret.

Trust   Everything comes from entries as they were written. What was cut off is not made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from strongroom.base.clock import parse_time
from strongroom.base.errors import InputError
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.knowing import READ, WRITTEN, actors, is_whole

OPENED, EXTENDED, CLOSED, REVIEWED = (
    "break_glass.open",
    "break_glass.extend",
    "break_glass.close",
    "break_glass.review",
)
NAMED: Final = "grant/"


@dataclass(slots=True)
class Known:
    """The last value of a secret that somebody knows by a case, and who wrote another."""

    path: str
    last: LogEntry
    replaced: LogEntry | None = None


@dataclass(slots=True)
class Story:
    """One case."""

    id: str
    opened: LogEntry
    extended: LogEntry | None = None
    ended: LogEntry | None = None  # its grant, before its time, and not by closing
    closed: LogEntry | None = None
    reviewed: LogEntry | None = None
    first_read: LogEntry | None = None
    known: dict[str, Known] = field(default_factory=dict)
    cut: list[LogEntry] = field(default_factory=list)

    @property
    def grant(self) -> str:
        """The id of its grant."""
        return str(self.opened.own.get("grant", ""))

    @property
    def holder(self) -> str:
        """Who opened it."""
        return str(self.opened.own.get("holder", ""))

    @property
    def drill(self) -> bool:
        """Whether it was one."""
        return self.opened.own.get("drill") is True

    def over_at(self) -> datetime | None:
        """Return when it ended, or will by the clock; None where no entry says."""
        if self.ended is not None and self.ended.time is not None:
            by_then = moment(self.extended or self.opened, "ends")
            return self.ended.time if by_then is None else min(by_then, self.ended.time)
        if self.closed is not None:
            return moment(self.closed, "case_ended_at")
        return moment(self.extended or self.opened, "ends")

    def overwrite(self, path: str, entry: LogEntry) -> None:
        """Note that an entry wrote a secret: what the holder knew of it is no more."""
        known = self.known.get(path)
        if known is not None and self.holder not in actors(entry):
            known.replaced = known.replaced or entry

    def learn(self, path: str, entry: LogEntry) -> None:
        """Note that the holder knows a secret as it is by an entry."""
        known = self.known.get(path)
        if known is None or known.replaced is not None:
            self.known[path] = Known(path, entry)
        else:
            known.last = entry


@dataclass(slots=True)
class Cases:
    """Follows entries in their order."""

    by_id: dict[str, Story] = field(default_factory=dict)
    _by_grant: dict[str, Story] = field(default_factory=dict)

    def follow(self, entry: LogEntry) -> None:
        """Take the next entry."""
        if not entry.ok:
            return
        if entry.code == OPENED:
            story = Story(str(entry.own.get("case") or f"of entry {entry.index}"), entry)
            self.by_id[story.id] = self._by_grant[story.grant] = story
            return
        told = self.by_id.get(str(entry.own.get("case", "")))
        if told is not None:
            _told(told, entry)
        elif entry.code == "grant.end":
            ended = self._by_grant.get(str(entry.own.get("grant", "")))
            if ended is not None and "ended_at" in entry.own:
                ended.ended = ended.ended or entry
        if self.by_id:
            self._served(entry)

    def _served(self, entry: LogEntry) -> None:
        for story in self._let_by(entry):
            if story.first_read is None and entry.operation == "read":
                story.first_read = entry
        if entry.code not in (READ, *WRITTEN):
            return
        by = list(self._let_by(entry))
        if not is_whole(entry) or entry.lacks("rules"):
            for story in by:
                story.cut.append(entry)
            return
        path = entry.path or ""
        if entry.code in WRITTEN:
            for story in self.by_id.values():
                story.overwrite(path, entry)
        for story in by:
            story.learn(path, entry)

    def _let_by(self, entry: LogEntry) -> Iterator[Story]:
        rules = entry.own.get("rules")
        for rule in rules if isinstance(rules, list) else ():
            grant = str(rule).removeprefix(NAMED).partition("#")[0]
            if str(rule).startswith(NAMED) and grant in self._by_grant:
                yield self._by_grant[grant]


def _told(story: Story, entry: LogEntry) -> None:
    match entry.code:
        case "break_glass.extend":
            story.extended = entry
        case "break_glass.close":
            story.closed = entry
        case "break_glass.review":
            story.reviewed = entry


def moment(entry: LogEntry, name: str) -> datetime | None:
    """Return a moment that an entry tells; None where it tells none."""
    found = entry.own.get(name)
    try:
        return parse_time(found, name) if isinstance(found, str) else None
    except InputError:
        return None
