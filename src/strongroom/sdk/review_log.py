"""Access reviews as entries of the log tell of them, and what they come to by a quarter.

Trust   Who decided what, and when, comes from the entries alone. The lines come from the database,
        and are those of the start only if the root over them is the one in its entry.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from strongroom.base.clock import parse_time
from strongroom.base.errors import InputError
from strongroom.sdk.control import Evidence, Item
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.facts.reviews import LineFact
from strongroom.sdk.reviews import (
    DECIDED,
    DEFER,
    ESCALATE,
    EXPIRED,
    KEEP,
    PEOPLE,
    REVOKE,
    SIGNED,
    STARTED,
    WORKLOADS,
    quarter_of,
    root_over,
)

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
CODES: Final = ("review.", "review_schedule.")
SCHEDULED: Final = "review_schedule.write"
SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Word:
    """What was said of a line last. `by` is "system" for a deferral that is over."""

    verdict: str
    by: str
    final: bool
    index: int
    otherwise_revoke: bool = False


@dataclass(slots=True)
class Story:
    """What the entries say of a campaign."""

    id: str
    start: LogEntry
    words: dict[int, Word] = field(default_factory=dict)
    said: list[tuple[int, Word]] = field(default_factory=list)
    signed: LogEntry | None = None
    cut: list[int] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Whose grants."""
        return str(self.start.own.get("campaign_kind", ""))

    @property
    def whole(self) -> bool:
        """Whether it is of everybody of its kind, whatever environment."""
        return not self.start.own.get("scope_groups") and not self.start.own.get("environments")

    @property
    def due(self) -> datetime | None:
        """By when it has to be signed off; None where the entry does not say."""
        grace = self.start.own.get("grace_seconds")
        try:
            end = parse_time(str(self.start.own.get("deadline_at", "")), "deadline_at")
        except InputError:
            return None
        return end + timedelta(seconds=grace if isinstance(grace, int) else 0)

    @property
    def subject(self) -> str:
        """What an item is of."""
        began = f"{self.start.time:%Y-%m-%d}" if self.start.time else "?"
        return f"review of {self.kind}, begun {began} ({self.id})"


@dataclass(slots=True)
class Stories:
    """Follows entries in their order."""

    campaigns: dict[str, Story] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)  # by kind: the first that was due

    def follow(self, entry: LogEntry) -> None:
        """Take the next entry."""
        if not entry.ok:
            return
        own = entry.own
        if entry.code == SCHEDULED:
            if own.get("enabled") is True:
                self._begun(str(own.get("campaign_kind", "")), entry)
            return
        id_ = str(own.get("campaign", ""))
        if entry.code == STARTED:
            self.campaigns[id_] = Story(id_, entry)
            self._begun(str(own.get("campaign_kind", "")), entry)
            return
        story = self.campaigns.get(id_)
        if story is None:
            return
        if entry.code == SIGNED:
            story.signed = entry
        elif entry.code in (DECIDED, EXPIRED):
            self._decided(story, entry)

    def _begun(self, kind: str, entry: LogEntry) -> None:
        if entry.time is not None:
            self.since.setdefault(kind, entry.time)

    def _decided(self, story: Story, entry: LogEntry) -> None:
        own = entry.own
        if entry.lacks("line", "decided_lines", "verdict", "decided_by", "final"):
            story.cut.append(entry.index)
        word = Word(
            verdict=str(own.get("verdict", "")),
            by=str(own.get("decided_by", "system")),
            final=own.get("final") is not False,
            index=entry.index,
            otherwise_revoke=own.get("otherwise") == REVOKE,
        )
        for line in _numbers(own):
            story.words[line] = word
            story.said.append((line, word))


def _numbers(own: Mapping[str, object]) -> Iterable[int]:
    one, several = own.get("line"), own.get("decided_lines")
    found = [one] if isinstance(one, int) else several if isinstance(several, list) else []
    return [each for each in found if isinstance(each, int)]


async def told(evidence: Evidence) -> Stories:
    """Read what the whole log says of reviews."""
    stories = Stories()
    async for entry in evidence.log.entries(BEGINNING, None, CODES):
        stories.follow(entry)
    return stories


async def judged(period: Period, evidence: Evidence, kind: str) -> AsyncIterator[Item]:
    """Give an item for each campaign that was due in a period, and each quarter without one."""
    stories = await told(evidence)
    mine = [each for each in stories.campaigns.values() if each.kind == kind]
    for quarter, start, end in quarters(period):
        first = stories.since.get(kind)
        if first is None or end <= first or end > period.end:
            continue
        there = [e for e in mine if e.start.time and start <= e.start.time < end and e.whole]
        if not there:
            because = f"no review of all {kind} was begun in the quarter"
            yield Item(f"{quarter}: {kind}", False, because)
    latest = max((e.start.index for e in mine if e.whole), default=-1)
    for story in mine:
        if _is_due(story, period):
            yield await _judge(story, evidence, is_latest=story.start.index == latest)


def quarters(period: Period) -> Iterable[tuple[str, datetime, datetime]]:
    """Return the quarters that end in a period, or reach into it: name, start, end."""
    at = datetime(period.start.year, (period.start.month - 1) // 3 * 3 + 1, 1, tzinfo=UTC)
    while at < period.end:
        month = at.month + 3
        after = at.replace(year=at.year + month // 13, month=(month - 1) % 12 + 1)
        yield quarter_of(at), at, after
        at = after


def _is_due(story: Story, period: Period) -> bool:
    """Say whether a campaign was signed in a period, or had to be."""
    if story.signed is not None and story.signed.time is not None:
        return period.start <= story.signed.time < period.end
    began = story.start.time
    if began is None or began >= period.end:
        return False
    return story.due is None or story.due <= period.end


async def _judge(story: Story, evidence: Evidence, *, is_latest: bool) -> Item:
    start = story.start
    proof = (start.index, *((story.signed.index,) if story.signed is not None else ()))
    if start.lacks("lines", "root", "deadline_at", "grace_seconds", "campaign_kind"):
        return Item(story.subject, None, "the entry of its start was cut", proof)
    if story.cut:
        some = ", ".join(map(str, story.cut[:SHOWN]))
        return Item(story.subject, None, f"entries of decisions were cut: {some}", proof)
    lines = [each async for each in evidence.reviews.lines(story.id)]
    broken = _broken(story, lines)
    if not broken:
        broken = [*_undecided(story, lines), *_by_themselves(story, lines), *_unsigned(story)]
        if is_latest:
            broken += await _left_out(story, lines, evidence)
    if broken:
        more = f"; and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        return Item(story.subject, False, "; ".join(broken[:SHOWN]) + more, proof)
    revoked = sum(word.verdict == REVOKE for word in story.words.values())
    because = f"{len(lines)} lines as frozen, all decided, {revoked} revoked; signed off in time"
    return Item(story.subject, True, because, proof)


def _broken(story: Story, lines: list[LineFact]) -> list[str]:
    """Say in what the lines are not those of the start."""
    lost = [f"line {each.number}: {each.problem}" for each in lines if each.problem]
    if lost:
        return lost
    if len(lines) != story.start.own.get("lines"):
        return [f"{len(lines)} lines, and its start says {story.start.own.get('lines')}"]
    if root_over(each.frozen for each in lines) != story.start.own.get("root"):
        return ["its lines are not those that were frozen: the root is another"]
    return []


def _undecided(story: Story, lines: list[LineFact]) -> list[str]:
    left = [each.number for each in lines if not _is_decided(story.words.get(each.number))]
    some = ", ".join(map(str, left[:SHOWN]))
    return [f"{len(left)} lines are not decided: {some}"] if left else []


def _is_decided(word: Word | None) -> bool:
    if word is None or word.verdict == ESCALATE or (not word.final and word.verdict == KEEP):
        return False
    return word.verdict != DEFER or word.otherwise_revoke


def _by_themselves(story: Story, lines: list[LineFact]) -> list[str]:
    found = []
    for each in lines:
        word = story.words.get(each.number)
        if word is None:
            continue
        if word.by == each.holder:
            found.append(f"line {each.number} was decided by its holder (entry {word.index})")
        elif word.by == each.owner and word.verdict == KEEP and word.final:
            found.append(f"line {each.number} was kept by its owner alone (entry {word.index})")
    return found


def _unsigned(story: Story) -> list[str]:
    signed, due = story.signed, story.due
    if signed is None:
        return [f"it was not signed off by {due:%Y-%m-%d %H:%M} UTC" if due else "not signed off"]
    if due is None or signed.time is None or signed.time > due:
        return ["it was signed off too late"]
    return []


async def _left_out(story: Story, lines: list[LineFact], evidence: Evidence) -> list[str]:
    """Say what was there at the start, still is, and has no line."""
    there = {(e.holder, str(e.frozen.get("kind")), str(e.frozen.get("via"))) for e in lines}
    return [
        f"{each.name} held {each.kind} {each.via} at the start, and no line says so"
        for each in await evidence.reviews.held()
        if each.person == (story.kind == PEOPLE)
        and each.entry < story.start.index
        and (each.entity, each.kind, each.via) not in there
    ]


__all__ = ["PEOPLE", "WORKLOADS", "Stories", "Story", "Word", "judged", "quarters", "told"]
