"""T12: root tokens exist for ceremonies only.

Population  Every live root token, and every root token that was made in the period.
Holds when  None lives at the run; each that was made was revoked within the time that a ceremony
            may take. There is no break-glass case yet that could account for a longer one.
Not judged  A root token that is gone, though no entry says when; an entry that may have made one
            and lacks what would tell, because it was cut.
Trust       Making a root token is an entry that holds its accessor; so is its end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
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
    made: dict[str, LogEntry] = {}
    async for entry in evidence.log.entries(period.start, period.end, MAKING):
        if not entry.ok:
            continue
        if accessor := made_root(entry):
            made[accessor] = entry
        elif may_have_made_root(entry):
            because = f"{entry.code} does not say which token it made, or whether a root token"
            yield Item(f"entry {entry.index}", None, because, (entry.index,))
    ended = await _ended(period, evidence) if made else {}
    for accessor, entry in made.items():
        if accessor not in live:
            yield _judge(accessor, entry, ended.get(accessor))


async def _ended(period: Period, evidence: Evidence) -> dict[str, LogEntry]:
    """Return the first entry that says of a token that it was ended, by accessor."""
    ended: dict[str, LogEntry] = {}
    async for entry in evidence.log.entries(period.start, None, ENDING):
        for accessor in ended_tokens(entry) if entry.ok else ():
            ended.setdefault(accessor, entry)
    return ended


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
    found = own.get("token_policies")
    return found if isinstance(found, list | tuple) else ()


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
