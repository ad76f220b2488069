"""Approvals as entries of the log tell of them: what was asked, by whom, and each decision on it.

Trust   Everything comes from entries as they were written. What was cut off is not made up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from strongroom.base.clock import parse_time
from strongroom.base.errors import InputError
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.knowing import MERGED, actors

EXTENDED_BY: Final = "break_glass.extend"
GRANTED_BY: Final = (
    *("access_request.approve", "access_request.ask", "access_request.edit"),
    *("break_glass.open", EXTENDED_BY),
)
ENDED_BY: Final = ("grant.end", "access_request.deny", "break_glass.close")
APPROVE, DENY, END = ".approve", ".deny", "grant.end"
CODES: Final = (
    *("access_request.", "registration.", "change.", "document.", "exception."),
    "control_group.",
    *(END, MERGED),
)


def proposal_of(entry: LogEntry) -> str:
    """Return the id of what an entry asks for, or decides on; nothing where it names none."""
    own = entry.own
    found = own.get("proposal") or own.get("registration") or own.get("change_proposed")
    return found if isinstance(found, str) else ""


def names(entry: LogEntry, field_: str) -> list[str]:
    """Return a list of names in an entry; of anything else, none."""
    found = entry.own.get(field_)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


@dataclass(slots=True)
class Asked:
    """Something that was asked for: who did, its revision, and what was said of each of those."""

    requesters: set[str] = field(default_factory=set)
    revision: int = 0
    approvals: list[LogEntry] = field(default_factory=list)
    denied: LogEntry | None = None
    begun: LogEntry | None = None  # where it was granted before it was approved


@dataclass(slots=True)
class Approvals:
    """Follows entries in their order."""

    asked: dict[str, Asked] = field(default_factory=dict)

    def follow(self, entry: LogEntry) -> None:
        """Take the next entry."""
        id_ = proposal_of(entry)
        if not id_ or not (entry.ok or "change_proposed" in entry.own):
            return
        one = self.asked.setdefault(id_, Asked())
        if entry.code.endswith(APPROVE):
            one.approvals.append(entry)
            return
        if entry.code.endswith(DENY):
            one.denied = entry
        elif "requesters" in entry.own and entry.code.endswith(
            ("ask", "edit", "request", ".draft", ".propose", ".emergency")
        ):
            one.requesters |= {*actors(entry), *names(entry, "requesters")} - {""}
            one.revision = _number(entry.own.get("revision"))
            one.begun = entry if entry.own.get("grant") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A grant as the entry that made it tells of it."""

    id: str
    entity: str
    entry: LogEntry
    begins: str
    ends: str
    most: timedelta  # that the rules allowed; zero where the entry does not say


def granted_of(entry: LogEntry) -> Granted | None:
    """Return the grant that an entry made, or gave more time, as it is from then on."""
    own = entry.own
    if (
        not entry.ok
        or entry.code not in GRANTED_BY
        or not {"grant", "begins", "ends"} <= own.keys()
    ):
        return None
    return Granted(
        id=str(own["grant"]),
        entity=str(own.get("granted_to", "")),
        entry=entry,
        begins=str(own["begins"]),
        ends=str(own["ends"]),
        most=timedelta(seconds=_number(own.get("longest_seconds"))),
    )


def following(made: dict[str, Granted], entry: LogEntry) -> Granted | None:
    """Keep in `made` the grant that an entry made, or gave more time; return it."""
    grant = granted_of(entry)
    if grant is not None and (grant.id not in made or entry.code == EXTENDED_BY):
        made[grant.id] = grant
    return grant


def lasts(grant: Granted) -> timedelta | None:
    """Return how long a grant was to be; None where its times cannot be read."""
    try:
        return parse_time(grant.ends, "ends") - parse_time(grant.begins, "begins")
    except InputError:
        return None


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
