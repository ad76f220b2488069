"""Changes: which writes need an approved one, and the writes that one is made of.

A rule names areas of administration, or patterns of paths. What it covers is written only as an
approved change says, to the letter: path, operation and body, while what is there is still what
the change was shown against. The rules themselves, and the approval rules, are covered as soon as
any rule is on.

Trust   Guarded: who can write to the database can delete a rule, or bring back an older one. While
        a row is not as it was written, every area is covered. Bodies are sealed; what else tells
        of one is a keyed digest, and what was shown of it, without what is secret.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from strongroom.identity.governance.records import APPROVED, BEGUN, EXPIRED, Proposal, state_of
from strongroom.sdk.changes import BUILT_IN, EVERYTHING, ITSELF, Cover
from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction

CHANGE: Final = "change"  # kind of the proposals that end in writes
APPLIED: Final = "applied"
TO_APPLY: Final = timedelta(days=7)  # for so long an approved change may be applied
TO_APPLY_AT_ONCE: Final = timedelta(hours=24)  # and so long one of an emergency
LOST: Final = "a rule that was changed"


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """Which writes need an approved change. `operations` empty: all of `sdk.changes.OPERATIONS`.

    With `propose` a write that is refused for want of one is a proposed change by itself.
    """

    name: str
    areas: tuple[str, ...]
    paths: tuple[str, ...]
    operations: tuple[str, ...]
    propose: bool
    enabled: bool
    description: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeSettings:
    """What holds for all changes: the holidays, as ISO dates."""

    name: str
    holidays: tuple[str, ...]
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeWrite:
    """One write of a change, in one text of it.

    `digest` is of path, operation and content together; `base` is of what was there, and empty
    where that cannot be told. One that `follows` is of a
    mount that an earlier write of the same change makes. `shown` is the difference, as JSON.
    """

    change: str
    revision: int
    at: int  # its place, from 1
    path: str
    operation: str
    digest: str
    base: str
    follows: bool
    content: bytes  # sealed: query and body, canonical JSON
    shown: str
    applied_at: datetime | None
    applied_by: str
    entry: int | None = None


CHANGE_RULES: Final = Register("change_rule", ChangeRule, key=("name",), guarded=True)
CHANGE_SETTINGS: Final = Register("change_setting", ChangeSettings, key=("name",), guarded=True)
CHANGE_WRITES: Final = Register(
    "change_write",
    ChangeWrite,
    key=("change", "revision", "at"),
    sealed=("content",),
    indexes=(("digest",),),
    guarded=True,
)
SETTINGS: Final = "settings"


class ChangeRules:
    """The rules in force, compiled; as of one generation."""

    def __init__(self, rules: Iterable[ChangeRule], lost: Collection[str] = ()) -> None:
        self.lost = tuple(lost)
        found = [(rule, cover_of(rule)) for rule in rules if rule.enabled]
        found += [(_built_in(LOST), EVERYTHING)] if lost else []
        found += [(_built_in(ITSELF), BUILT_IN)] if found else []
        self._found = tuple(found)

    def covering(self, path: str, operation: str) -> tuple[ChangeRule, ...]:
        """Return the rules that a write falls under."""
        return tuple(rule for rule, cover in self._found if cover.holds(path, operation))


def cover_of(rule: ChangeRule) -> Cover:
    """Return what a rule covers."""
    return Cover(rule.areas, rule.paths, rule.operations)


async def read_change_rules(tx: Transaction) -> ChangeRules:
    """Return the rules in force."""
    stored, broken = await tx.examine(CHANGE_RULES, order="name")
    return ChangeRules(stored, [each.problem for each in broken])


async def holidays(tx: Transaction) -> tuple[str, ...]:
    """Return the days that are no business days, beside the weekends."""
    row = await tx.get(CHANGE_SETTINGS, SETTINGS)
    return () if row is None else row.holidays


def change_state(row: Proposal, now: datetime) -> str:
    """Return the state of a change by the clock: an approved one is to be applied in time."""
    if row.state == APPROVED and row.expires_at <= now:
        return EXPIRED
    return state_of(row, now)


def may_be_applied(row: Proposal, now: datetime) -> bool:
    """Say whether a change lets its writes pass now."""
    return row.kind == CHANGE and row.state in (APPROVED, BEGUN) and now < row.expires_at


def _built_in(name: str) -> ChangeRule:
    return ChangeRule(name, (), (), (), propose=False, enabled=True, description="")
