"""T12: root tokens exist for ceremonies only.

Population  Every live root token, and every root token that was made in the period.
Holds when  None lives at the run; each that was made was revoked within the time that a ceremony
            may take. There is no break-glass case yet that could account for a longer one.
Not judged  A root token that is gone, though no entry says when.
Trust       Making a root token is an entry that holds its accessor; so is its end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind, LogEntry, Period

CEREMONY = timedelta(hours=24)
MAKING = ("seal.", "token.", "auth.")
ENDING = ("token.",)


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each live root token, and for each that was made in the period."""
    live: set[str] = set()
    async for token in evidence.tokens.live():
        if "root" in token.policies:
            live.add(token.accessor)
            proof = () if token.entry is None else (token.entry,)
            because = f"lives since {_when(token.issued_at)}"
            yield Item(f"root token {token.accessor}", False, because, proof)
    made = await _made(period, evidence)
    ended = await _ended(period, evidence) if made else {}
    for accessor, entry in made.items():
        if accessor not in live:
            yield _judge(accessor, entry, ended.get(accessor))


async def _made(period: Period, evidence: Evidence) -> dict[str, LogEntry]:
    entries = evidence.log.entries(period.start, period.end, MAKING)
    return {made_root(e): e async for e in entries if e.ok and made_root(e)}


async def _ended(period: Period, evidence: Evidence) -> dict[str, LogEntry]:
    """Return the first entry that says of a token that it was ended, by accessor."""
    ended: dict[str, LogEntry] = {}
    async for entry in evidence.log.entries(period.start, None, ENDING):
        for accessor in ended_tokens(entry) if entry.ok else ():
            ended.setdefault(accessor, entry)
    return ended


def made_root(entry: LogEntry) -> str:
    """Return the accessor of the root token that an entry says was made, or nothing."""
    if entry.code == "token.create" and "root" in (entry.own.get("token_policies") or ()):
        return str(entry.own.get("accessor", ""))
    return str(entry.own.get("root_accessor", ""))


def ended_tokens(entry: LogEntry) -> list[str]:
    """Return the accessors of the tokens that an entry says were ended."""
    if "revoke" not in entry.code and "expire" not in entry.code:
        return []
    found = [entry.own.get("accessor"), *(entry.own.get("accessors") or ())]
    if entry.code.endswith("revoke-self"):
        found.append(entry.token)
    return [str(accessor) for accessor in found if accessor]


def _judge(accessor: str, made: LogEntry, ended: LogEntry | None) -> Item:
    subject = f"root token {accessor}"
    start = made.time
    if ended is None or start is None or ended.time is None:
        because = f"made by {made.code}; gone, and no entry says when"
        return Item(subject, None, because, (made.index,))
    because = f"made {_when(start)} by {made.code}, revoked after {ended.time - start}"
    return Item(subject, ended.time - start <= CEREMONY, because, (made.index, ended.index))


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


CONTROL = ControlTest(
    id="T12",
    title="No root token outlives its ceremony",
    kind=Kind.POP,
    population="Every root token that lives at the run or was made in the period",
    procedure=(
        "Looked for live tokens with the policy root. From the log took every entry that made a "
        "root token, set-up included, and the entry that ended it, and measured the time between."
    ),
    holds_when="None lives, and each was revoked within the time that a ceremony may take.",
    limits=(
        "The first root token counts as handled when it was revoked in time after set-up. Without "
        "a break-glass case, a root token that was kept for longer is an exception."
    ),
    parameters={"ceremony_hours": int(CEREMONY.total_seconds() // 3600)},
    evaluate=evaluate,
)
