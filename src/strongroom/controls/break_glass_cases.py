"""T43: each case of break-glass is handled to its end.

Population  Every case that was opened in the period, but drills.
Holds when  A reason was given, a security key shown just before, and who could have approved was
            told; what was done was said in time; another person reviewed it within five business
            days of its end; and somebody else wrote anew each secret that it touched, within seven
            days of its end.
Not judged  What still has time; a case of which an entry was cut, or whose times cannot be read.
Trust       From the log alone. What the holder was served by policies of their own is not of the
            case. That a message arrived is not seen: only to whom a notice was made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

from strongroom.base.business_days import after_business_days
from strongroom.sdk.break_glass import Cases, Known, Story, moment
from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.period import Period
from strongroom.sdk.knowing import READ, WRITTEN, actors

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
CODES = ("break_glass.", "grant.end", READ, *WRITTEN)
KEY = "webauthn"
FRESH = timedelta(minutes=10)
REVIEW_DAYS = 5
ROTATE_WITHIN = timedelta(days=7)
MOST_NAMED = 8
Finding = tuple[bool | None, str]


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each case."""
    first, end = await evidence.log.stretch(period.start, period.end)
    cases = Cases()
    async for entry in evidence.log.entries(BEGINNING, None, CODES):
        cases.follow(entry)
    for story in cases.by_id.values():
        if first <= story.opened.index < end and not story.drill:
            yield _judge(story, period.end)


def _judge(story: Story, now: datetime) -> Item:
    subject = f"case {story.id}"
    entries = [story.opened, story.extended, story.ended, story.closed, story.reviewed]
    touched = sorted(story.known.values(), key=lambda each: each.path)
    entries += [entry for each in touched[:MOST_NAMED] for entry in (each.last, each.replaced)]
    proof = tuple(dict.fromkeys(entry.index for entry in entries if entry is not None))
    over = story.over_at()
    if over is None or story.opened.lacks("notified", "factors", "grant", "holder"):
        return Item(subject, None, "an entry of it was cut, or says no time", proof)
    found = [
        *_opening(story.opened),
        *_closing(story, over, now),
        *_review(story, over, now),
        *_secrets(touched, over, now),
        *((None, f"entry {each.index} of it was cut") for each in story.cut),
    ]
    broke = [why for held, why in found if held is False]
    open_ = [why for held, why in found if held is None]
    if broke:
        return Item(subject, False, "; ".join(broke), proof)
    if open_:
        return Item(subject, None, "; ".join(open_), proof)
    words = f"closed, reviewed by another, and {len(touched)} secrets written anew"
    return Item(subject, True, words, proof)


def _opening(opened: LogEntry) -> Iterator[Finding]:
    own = opened.own
    if own.get("reason_given") is not True:
        yield False, "opened without a reason"
    shown = moment(opened, "factor_at")
    factors = own.get("factors")
    fresh = shown is not None and opened.time is not None and opened.time - shown <= FRESH
    if not fresh or not isinstance(factors, list) or KEY not in factors:
        yield False, "opened without a fresh security key"
    if not own.get("notified"):
        yield False, "nobody was told who could have approved"


def _closing(story: Story, over: datetime, now: datetime) -> Iterator[Finding]:
    due = moment(story.extended or story.opened, "close_due_at")
    if due is None:
        yield None, "the entry does not say when it was to be closed"
    elif story.closed is None:
        late = due <= now
        yield (False, "never closed") if late else (None, "not closed, and still in time")
    elif story.closed.time is None:
        yield None, "the entry that closed it has no time"
    elif over <= due < story.closed.time:
        yield False, f"closed {story.closed.time - due} too late"


def _review(story: Story, over: datetime, now: datetime) -> Iterator[Finding]:
    due, by = after_business_days(over, REVIEW_DAYS), story.reviewed
    if by is None:
        late = due <= now
        yield (False, "never reviewed") if late else (None, "not reviewed, and still in time")
        return
    reviewer = by.own.get("reviewer")
    if not reviewer or story.holder in (reviewer, *actors(by)) or story.holder == "":
        yield False, "reviewed by its holder"
    if by.time is None:
        yield None, "the entry of its review has no time"
    elif by.time >= due:
        yield False, f"reviewed after more than {REVIEW_DAYS} business days"


def _secrets(touched: list[Known], over: datetime, now: datetime) -> Iterator[Finding]:
    due = over + ROTATE_WITHIN
    never = [each.path for each in touched if each.replaced is None]
    late = [
        each.path
        for each in touched
        if each.replaced is not None and each.replaced.time is not None and each.replaced.time > due
    ]
    if late:
        yield False, f"written anew too late: {_named(late)}"
    if never:
        over_due = due <= now
        because = "not written anew" if over_due else "not written anew, and still in time"
        yield False if over_due else None, f"{because}: {_named(never)}"


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(paths[:MOST_NAMED]) + more


CONTROL = ControlTest(
    id="T43",
    title="Break-glass is handled to its end",
    kind=Kind.POP,
    population="Every case of break-glass that was opened in the period, but drills",
    procedure=(
        "From the whole log took each case from its opening to its review, and every request that "
        "its grant let somebody make. Looked whether a reason, a fresh security key and notices "
        "are in the entry of the opening, when it was closed and by whom reviewed, and which entry "
        "by somebody else wrote each secret that it read or wrote anew."
    ),
    holds_when=(
        "Each was opened with a reason, a key and notices, closed in the time of its rule, "
        "reviewed by another person in time, and what it touched was written anew in time."
    ),
    limits=(
        "Whether the reason was a good one, the review a careful one and a message read is not "
        "seen. Holidays are business days."
    ),
    parameters={
        "review_business_days": REVIEW_DAYS,
        "rotate_days": ROTATE_WITHIN.days,
        "factor_minutes": int(FRESH.total_seconds() // 60),
    },
    evaluate=evaluate,
)
