"""T16: people showed a fresh factor for what is sensitive, and idle sessions ended.

Population  Every request that a person was served in the period and that a rule asks a fresh
            factor for; and every session that was opened in the period, as each login of a
            registered person is one.
Holds when  A factor was shown with the same token within the rule's time before, at the login or
            as a step-up. Nothing was served to a session after it had been idle for its time, nor
            after its longest.
Not judged  An entry that was cut, or cannot be read; a request whose rule or environment was
            changed after it; what lies where the clock went back.
Trust       Rules are those of the run. Root tokens and workloads are under none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from strongroom.sdk.control import CLOCK_TOLERANCE, ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.identities import FreshFactor, PersonFact
from strongroom.sdk.facts.log import LogEntry, Setback
from strongroom.sdk.facts.period import Period
from strongroom.sdk.logins import login_of

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
BEFORE = timedelta(days=1)  # no session lives longer
IDLE = timedelta(minutes=15)  # where nobody set limits
LONGEST = timedelta(hours=12)
LIMITS, OPEN, STEP_UP = "session.limits.write", "session.open", "session.step_up"
LOGIN = "auth.login"  # of any kind, one that waits too: nobody is there yet to be asked
CHANGING = ("step_up.rule.write", "step_up.rule.delete", "environment.")
SAFE = {"read", "list", "scan", "help"}
PROVEN = 3


@dataclass
class Seen:
    """What was seen of one token: when factors were shown with it, and its use as a session."""

    came: datetime
    factor_at: datetime | None = None
    kinds: frozenset[str] = frozenset()
    factor: int = -1
    opened: int = -1
    last: datetime | None = None
    idle: timedelta = IDLE
    longest: timedelta = LONGEST
    broke: list[Item] = field(default_factory=list)


@dataclass
class Limits:
    """The limits of sessions that are opened now, as the log tells them."""

    idle: timedelta = IDLE
    longest: timedelta = LONGEST

    def follow(self, entry: LogEntry) -> None:
        """Take over what an entry says that they were set to."""
        idle, longest = entry.own.get("idle"), entry.own.get("longest")
        if isinstance(idle, int) and isinstance(longest, int):
            self.idle, self.longest = timedelta(seconds=idle), timedelta(seconds=longest)


@dataclass
class _Rules:
    """Asks which rules a request falls under, each path once."""

    evidence: Evidence
    _known: dict[tuple[str, str], Sequence[FreshFactor]] = field(default_factory=dict)

    async def of(self, entry: LogEntry) -> Sequence[FreshFactor]:
        asked = entry.path or "", entry.operation or ""
        if asked not in self._known:
            self._known[asked] = await self.evidence.identities.step_up(*asked)
        return self._known[asked]


@dataclass(kw_only=True)
class Watch:
    """What is known while the entries go by."""

    rules: _Rules
    people: Mapping[str, PersonFact]
    first: int  # index of the period's first entry
    changed: int  # index of the last change of a rule or an environment
    back: Sequence[Setback]
    limits: Limits
    seen: dict[str, Seen] = field(default_factory=dict)
    alike: dict[str, list[int]] = field(default_factory=dict)

    async def judged(self, entry: LogEntry) -> list[Item]:
        """Return what an entry broke, or what cannot be said of it."""
        if not entry.readable or entry.time is None:
            because = "cannot be read"
            unread = Item(f"entry {entry.index}", None, because, (entry.index,))
            return [unread] if entry.index >= self.first else []
        if entry.ok and entry.code == LIMITS and entry.index >= self.first:
            self.limits.follow(entry)
        _follow(entry, self.seen, self.limits)
        if not self._is_asked(entry):
            return []
        found: list[Item] = []
        for rule in await self.rules.of(entry):
            problem = _problem(entry, rule, self.seen.get(entry.token))
            if problem:
                found.append(self._broke(entry, f"{rule.name}: {problem}"))
            else:
                self.alike.setdefault(rule.name, []).append(entry.index)
        return found

    def _is_asked(self, entry: LogEntry) -> bool:
        """Say whether rules are about a request: one that was served to a person, or a session."""
        free = entry.kind == "admin" or _is_free(entry)
        if not entry.ok or entry.index < self.first or free:
            return False
        use = self.seen.get(entry.token)
        if use is not None and use.opened >= 0:
            return True
        person = self.people.get(entry.actor or "")
        since = person.created_at if person is not None else None
        return person is not None and (since is None or not entry.time or entry.time >= since)

    def _broke(self, entry: LogEntry, because: str) -> Item:
        subject = f"{entry.code} by {entry.actor} at entry {entry.index}"
        unsure = self.changed > entry.index or entry.lacks("path")
        if unsure or any(each.index <= entry.index for each in self.back):
            because = f"{because}; but rules, environments or the clock were changed since"
            return Item(subject, None, because, (entry.index,))
        return Item(subject, False, because, (entry.index,))

    def sessions(self) -> Iterator[Item]:
        """Give what came of each session that was opened in the period."""
        for token, use in self.seen.items():
            if use.opened < self.first:
                continue
            for item in use.broke:
                held = None if self.back else False
                yield Item(item.subject, held, item.because, item.proof)
            if not use.broke:
                because = "not used after its limits"
                yield Item(f"session of token {token}", True, because, (use.opened,))


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for what broke or cannot be judged, one for what is alike, one a session."""
    first, _ = await evidence.log.stretch(period.start, period.end)
    changed, limits = -1, Limits()
    async for entry in evidence.log.entries(BEGINNING, None, (LIMITS, *CHANGING)):
        if entry.ok and entry.code == LIMITS and entry.index < first:
            limits.follow(entry)
        elif entry.ok and _changes(entry):
            changed = entry.index
    watch = Watch(
        rules=_Rules(evidence),
        people={each.entity: each for each in await evidence.identities.people()},
        first=first,
        changed=changed,
        back=await evidence.log.setbacks(period.start, period.end),
        limits=limits,
    )
    async for entry in evidence.log.entries(period.start - BEFORE, period.end):
        for item in await watch.judged(entry):
            yield item
    for name, indexes in sorted(watch.alike.items()):
        because = "a factor was shown in time"
        yield Item(f"rule {name}", True, because, tuple(indexes[:PROVEN]), members=len(indexes))
    for item in watch.sessions():
        yield item


def _changes(entry: LogEntry) -> bool:
    if entry.code.startswith("environment."):
        return entry.operation not in SAFE
    return entry.code in CHANGING


def _is_free(entry: LogEntry) -> bool:
    free = entry.code in (OPEN, STEP_UP) or entry.code.startswith(LOGIN)
    return free or not entry.path or not entry.operation


def _follow(entry: LogEntry, seen: dict[str, Seen], limits: Limits) -> None:
    """Remember what an entry says of its token."""
    now = entry.time
    if not entry.token or now is None:
        return
    use = seen.get(entry.token)
    login = login_of(entry)
    if login is not None:
        use = seen[entry.token] = Seen(came=now)
        if login.second or login.provided:
            use.factor_at, use.factor = now, entry.index
            use.kinds = frozenset((*login.second, *login.provided))
        _begin(entry, use)
    use = use or seen.setdefault(entry.token, Seen(came=now))
    if use.opened >= 0:
        _judge_use(entry, use, now)
    if entry.code == STEP_UP and entry.ok:
        kind = entry.own.get("shown")
        use.factor_at, use.factor = now, entry.index
        use.kinds = frozenset({kind} if isinstance(kind, str) else ())
    if entry.code == OPEN and entry.ok and use.opened < 0:
        use.opened, use.idle, use.longest = entry.index, limits.idle, limits.longest
    use.last = now


def _begin(entry: LogEntry, use: Seen) -> None:
    """Take over the limits of a login that is a session: a registered person's."""
    idle, longest = entry.own.get("idle"), entry.own.get("longest")
    if isinstance(idle, int) and isinstance(longest, int):
        use.opened = entry.index
        use.idle, use.longest = timedelta(seconds=idle), timedelta(seconds=longest)


def _judge_use(entry: LogEntry, use: Seen, now: datetime) -> None:
    if not entry.ok or entry.operation is None:
        return
    subject, proof = f"session of token {entry.token}", (use.opened, entry.index)
    if use.last is not None and now - use.last > use.idle + CLOCK_TOLERANCE:
        because = f"served after {now - use.last} without use; its limit is {use.idle}"
        use.broke.append(Item(subject, False, because, proof))
    if now - use.came > use.longest + CLOCK_TOLERANCE:
        because = f"served {now - use.came} after its login; its limit is {use.longest}"
        use.broke.append(Item(subject, False, because, proof))


def _problem(entry: LogEntry, rule: FreshFactor, use: Seen | None) -> str:
    if use is None or use.factor_at is None or entry.time is None:
        return "no factor was shown with this token"
    age = entry.time - use.factor_at
    if age > rule.within + CLOCK_TOLERANCE:
        return f"the factor of entry {use.factor} was {age} old; the rule's time is {rule.within}"
    if rule.kinds and use.kinds.isdisjoint(rule.kinds):
        return f"what was shown is none of {', '.join(rule.kinds)}"
    return ""


CONTROL = ControlTest(
    id="T16",
    title="A fresh factor for what is sensitive, and no idle session",
    kind=Kind.POP,
    population=(
        "Every request that a person was served in the period and that a rule asks a fresh factor "
        "for, and every session that was opened in it"
    ),
    procedure=(
        "Found for each request of a person the rules that it falls under, and the last factor "
        "shown with the same token, at the login or as a step-up. Measured for each session the "
        "time between its requests, and since its login."
    ),
    holds_when=(
        "A factor was shown within the rule's time; nothing was served to a session after its "
        "limits."
    ),
    limits=(
        "Rules are those of the run: a request whose rule was changed after it, and that broke, is "
        "not judged. Requests that are folded into one entry count as one use."
    ),
    parameters={
        "idle_minutes": int(IDLE.total_seconds() // 60),
        "longest_hours": int(LONGEST.total_seconds() // 3600),
    },
    evaluate=evaluate,
)
