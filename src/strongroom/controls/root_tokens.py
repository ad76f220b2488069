"""T12: root tokens exist for ceremonies only.

Population  Every live root token, and every root token that was made, used or ended in the period,
            whenever it was made.
Holds when  None lives at the run; each other was revoked within the time that a ceremony may take.
            There is no break-glass case yet that could account for a longer one.
Not judged  A root token that is gone, though no entry says when, or that no entry made; one in
            whose life the clock went back; an entry that may have made one and lacks what would
            tell, because it was cut.
Trust       Making a root token is an entry that holds its accessor; so is its end. One that a root
            token made ends with that one, if not before, and needs no entry of its own then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.log import LogEntry, Setback
from strongroom.sdk.facts.period import Period

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
CEREMONY = timedelta(hours=24)
MAKING = ("seal.", "token.", "auth.")
ENDING = ("token.",)
ORPHANING = "auth/token/revoke-orphan"  # it ended none that descended from a token, once


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each live root token, and for each other that the period has to do with."""
    live: set[str] = set()
    async for token in evidence.tokens.live():
        if "root" in token.policies:
            live.add(token.accessor)
            proof = () if token.entry is None else (token.entry,)
            because = f"lives since {_when(token.issued_at)}"
            yield Item(f"root token {token.accessor}", False, because, proof)
    first, end = await evidence.log.stretch(period.start, period.end)
    made: dict[str, LogEntry] = {}
    async for entry in evidence.log.entries(BEGINNING, period.end, MAKING):
        if not entry.ok or entry.index >= end:
            continue
        if accessor := made_root(entry):
            made[accessor] = entry
        elif entry.index >= first and may_have_made_root(entry):
            because = f"{entry.code} does not say which token it made, or whether a root token"
            yield Item(f"entry {entry.index}", None, because, (entry.index,))
    used = await _used(period, evidence)
    ended = await _ended(evidence) if made or used else {}
    back = await evidence.log.setbacks(BEGINNING, None) if made or used else ()
    for accessor in {**made, **used}:
        life = Life(made.get(accessor), used.get(accessor), _end_of(accessor, made, ended))
        if accessor not in live and life.touches(first):
            yield _judge(accessor, life, back)


@dataclass(frozen=True)
class Life:
    """What the log has of a root token: when it was made, first used in the period, ended."""

    made: LogEntry | None
    used: LogEntry | None
    ended: LogEntry | None

    def touches(self, first: int) -> bool:
        """Say whether it was made, used or ended from an index on."""
        return any(each and each.index >= first for each in (self.made, self.used, self.ended))


async def _used(period: Period, evidence: Evidence) -> dict[str, LogEntry]:
    """Return the first entry of the period that each root token was used for."""
    used: dict[str, LogEntry] = {}
    async for entry in evidence.log.entries(period.start, period.end):
        if entry.token and "root" in _listed(entry.own.get("policies")):
            used.setdefault(entry.token, entry)
    return used


async def _ended(evidence: Evidence) -> dict[str, LogEntry]:
    """Return the first entry that says of a token that it was ended, by accessor."""
    ended: dict[str, LogEntry] = {}
    async for entry in evidence.log.entries(BEGINNING, None, ENDING):
        for accessor in ended_tokens(entry) if entry.ok else ():
            ended.setdefault(accessor, entry)
    return ended


def _end_of(
    accessor: str, made: Mapping[str, LogEntry], ended: Mapping[str, LogEntry]
) -> LogEntry | None:
    """Return the entry that ended a token: its own end, or else that of one it descends from."""
    seen: set[str] = set()
    while accessor and accessor not in seen:
        seen.add(accessor)
        end, entry = ended.get(accessor), made.get(accessor)
        if end is not None:
            spared = len(seen) > 1 and str(end.path).endswith(ORPHANING)
            return None if spared else end
        if entry is None or entry.own.get("orphan") is not False:
            return None
        accessor = entry.token
    return None


def made_root(entry: LogEntry) -> str:
    """Return the accessor of the root token that an entry says was made, or nothing."""
    own = entry.own
    if entry.code == "token.create" and (own.get("root") or "root" in _policies(own)):
        return str(own.get("accessor", ""))
    return str(own.get("root_accessor", ""))


def may_have_made_root(entry: LogEntry) -> bool:
    """Say whether an entry that names no root token may have made one all the same."""
    own = entry.own
    if entry.code != "token.create":
        return entry.lacks("root_accessor")
    if isinstance(own.get("root"), bool):
        return bool(own["root"])
    return "root" in _policies(own) or entry.lacks("token_policies", "accessor")


def _policies(own: Mapping[str, object]) -> Sequence[object]:
    return _listed(own.get("token_policies"))


def _listed(found: object) -> Sequence[object]:
    return found if isinstance(found, list | tuple) else ()


def ended_tokens(entry: LogEntry) -> list[str]:
    """Return the accessors of the tokens that an entry says were ended."""
    if "revoke" not in entry.code and "expire" not in entry.code:
        return []
    found = [entry.own.get("accessor"), *(entry.own.get("accessors") or ())]
    if entry.code.endswith("revoke-self"):
        found.append(entry.token)
    return [str(accessor) for accessor in found if accessor]


def _judge(accessor: str, life: Life, back: Sequence[Setback]) -> Item:
    subject = f"root token {accessor}"
    first, ended = life.made or life.used, life.ended
    assert first is not None
    how = f"made by {first.code}" if life.made else f"in use by entry {first.index}"
    start = first.time
    if ended is None or start is None or ended.time is None:
        return Item(subject, None, f"{how}; gone, and no entry says when", (first.index,))
    proof = first.index, ended.index
    if any(first.index < each.index <= ended.index for each in back):
        return Item(subject, None, f"{how}; the clock went back before it was revoked", proof)
    because = f"{how} {_when(start)}, revoked after {ended.time - start}"
    in_time = ended.time - start <= CEREMONY
    if in_time and not life.made:
        return Item(subject, None, f"{because}; no entry says when it was made", proof)
    return Item(subject, in_time, because, proof)


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


CONTROL = ControlTest(
    id="T12",
    title="No root token outlives its ceremony",
    kind=Kind.POP,
    population=("Every root token that lives at the run, or was made, used or ended in the period"),
    procedure=(
        "Looked for live tokens with the policy root. From the whole log took every entry that "
        "made a root token, set-up included, and the entry that ended it, and measured the time "
        "between; from the period every entry of a request with the policy root."
    ),
    holds_when="None lives, and each was revoked within the time that a ceremony may take.",
    limits=(
        "The first root token counts as handled when it was revoked in time after set-up. Without "
        "a break-glass case, a root token that was kept for longer is an exception. One "
        "that was made before the period, not used in it, and is gone without an entry is not "
        "seen."
    ),
    parameters={"ceremony_hours": int(CEREMONY.total_seconds() // 3600)},
    evaluate=evaluate,
)
