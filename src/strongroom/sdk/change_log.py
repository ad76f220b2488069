"""Changes as entries of the log tell of them: the rules, who proposed, who approved, what was done.

Trust   Everything comes from entries as they were written, in their order. What was cut off is not
        made up: a change with such an entry is `cut`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from strongroom.sdk.changes import BUILT_IN, Cover
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.knowing import actors

WRITTEN: Final = ("change.propose", "change.edit", "change.emergency")
EMERGENCY: Final = "change.emergency"
APPROVE, DENY = "change.approve", "change.deny"
RULE, NO_RULE = "change_rule.write", "change_rule.delete"
OPERATION: Final = {"create": "write", "update": "write", "patch": "patch", "delete": "delete"}
IN_FORCE: Final = ("approved", "applied")
CODES: Final = ("change.", "change_rule.")


@dataclass(slots=True)
class ChangeStory:
    """What is known of one change. `digests` are those that were approved."""

    id: str
    requesters: set[str] = field(default_factory=set)
    proof: tuple[int, ...] = ()
    reasoned: bool = False
    difference: str = ""
    emergency: bool = False
    begun: datetime | None = None
    holidays: tuple[str, ...] = ()
    approvers: set[str] = field(default_factory=set)
    approved: LogEntry | None = None
    denied: LogEntry | None = None
    digests: set[str] = field(default_factory=set)
    applied: int = 0  # of its writes, when it was decided
    cut: bool = False


@dataclass(slots=True)
class Changes:
    """Follows entries in their order."""

    changes: dict[str, ChangeStory] = field(default_factory=dict)
    rules: dict[str, Cover] = field(default_factory=dict)
    unknown: bool = False  # a rule's entry was cut: what it covers is not known

    def covered(self, entry: LogEntry) -> bool:
        """Say whether a rule that is in force by now covers a write."""
        path, operation = entry.path or "", operation_of(entry)
        if not self.rules or not operation:
            return False
        return any(each.holds(path, operation) for each in (*self.rules.values(), BUILT_IN))

    def follow(self, entry: LogEntry) -> None:
        """Take the next entry."""
        own = entry.own
        if not entry.ok:
            if isinstance(own.get("change_proposed"), str):
                self._proposed_by_itself(entry, str(own["change_proposed"]))
        elif entry.code in {RULE, NO_RULE}:
            self._rule(entry)
        elif entry.code in WRITTEN:
            self._written(entry)
        elif entry.code == APPROVE:
            self._approved(entry)
        elif entry.code == DENY:
            story = self._story(entry)
            story.denied, story.applied = entry, _number(own.get("writes_applied"))
            story.cut = story.cut or entry.lacks("writes_applied")
            story.proof = (*story.proof, entry.index)

    def _rule(self, entry: LogEntry) -> None:
        own, name = entry.own, str(entry.own.get("rule", ""))
        self.unknown = self.unknown or entry.lacks("rule", "areas", "paths", "operations")
        if entry.code == NO_RULE or own.get("enabled") is False:
            self.rules.pop(name, None)
        elif name:
            areas, paths, operations = (
                tuple(_texts(own.get(each))) for each in ("areas", "paths", "operations")
            )
            self.rules[name] = Cover(areas, paths, operations)

    def _proposed_by_itself(self, entry: LogEntry, id_: str) -> None:
        story, own = self._of(id_), entry.own
        story.requesters |= {*actors(entry), *_texts(own.get("requesters"))} - {""}
        story.difference = str(own.get("change_difference", ""))
        story.proof = (entry.index,)
        story.cut = entry.lacks("requesters", "change_digest", "change_difference")

    def _written(self, entry: LogEntry) -> None:
        story, own = self._story(entry), entry.own
        story.requesters |= {*actors(entry), *_texts(own.get("requesters"))} - {""}
        story.reasoned = own.get("reason_given") is True
        story.difference = str(own.get("difference", ""))
        story.approved, story.digests, story.approvers = None, set(), set()
        story.proof = (entry.index,)
        story.emergency = entry.code == EMERGENCY
        story.begun, story.holidays = entry.time, tuple(_texts(own.get("holidays")))
        story.cut = entry.lacks("requesters", "digests", "difference", "reason_given", "holidays")
        if story.emergency:
            story.digests = {*_texts(own.get("digests"))}

    def _approved(self, entry: LogEntry) -> None:
        story, own = self._story(entry), entry.own
        story.reasoned = story.reasoned or own.get("because_given") is True
        story.proof = (*story.proof, entry.index)
        story.approvers |= {*actors(entry), *_texts(own.get("approvers"))} - {""}
        story.cut = story.cut or entry.lacks("digests", "state", "approvers", "proposal")
        if own.get("state") in IN_FORCE:
            story.approved = entry
            story.digests |= {*_texts(own.get("digests"))}

    def _story(self, entry: LogEntry) -> ChangeStory:
        return self._of(str(entry.own.get("proposal", "")))

    def _of(self, id_: str) -> ChangeStory:
        return self.changes.setdefault(id_, ChangeStory(id_))


def operation_of(entry: LogEntry) -> str:
    """Return what a write does, in the words of change rules; nothing for what is none."""
    return OPERATION.get(entry.operation or "", "")


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _texts(value: object) -> Iterable[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
