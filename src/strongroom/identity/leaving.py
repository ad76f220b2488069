"""What ends at once when somebody leaves, and the row that remembers it.

Tokens and sessions are removed and leases ended with one statement each, however many they are:
what is below a token is found by the database itself, as it is at the commit. Tokens that stem from
the leaver are ended too, of whatever entity (`identity.makers`), and those below them, and what
was let in by something that they made; nobody gets in by that any more but who is registered
(`identity.entrances`).

Order   All of it is one transaction, with the entry that says so: whoever sees the acknowledgement
        can rely on it. Engines take their leases back behind it (`core.revocation`).
Units   `ended` holds a count and milliseconds for each kind of thing: how long it took to find and
        write down, before the commit.
Trust   Aliases stay: who still can prove at a directory who they are is found by theirs, and is
        refused; without one they would be somebody new. A row that was changed in the database is
        removed by its key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any, Final

from strongroom.identity.entrances import close
from strongroom.identity.factors.holds import void_codes
from strongroom.identity.factors.records import CEREMONIES, FACTORS, MFA_PENDING
from strongroom.identity.governance.grants import end_all
from strongroom.identity.governance.records import PROPOSALS
from strongroom.identity.makers import Made
from strongroom.identity.records import (
    ENTITIES,
    GROUP_MEMBERS,
    MERGED,
    REGISTRATIONS,
    Token,
)
from strongroom.identity.tokens import CUBBYHOLE
from strongroom.storage.register import Register, micros
from strongroom.storage.transaction import Stamp, Transaction

HOLDER_LEFT: Final = "its holder has left"
WITHDRAWN: Final = "withdrawn"
_MINE = (
    "WITH RECURSIVE let_in(lookup) AS "
    "(SELECT lookup FROM token WHERE let_in_by > '' AND ({let_in})), "
    "mine(lookup) AS (SELECT lookup FROM token WHERE entity IN ({marks}) "
    "UNION SELECT lookup FROM token WHERE makers > '' AND ({likes}) "
    "UNION SELECT lookup FROM let_in "
    "UNION SELECT t.lookup FROM token t JOIN mine m ON t.parent = m.lookup), "
    "own(lookup) AS (SELECT lookup FROM token WHERE entity IN ({marks})) "
)
_IN = "IN (SELECT lookup FROM mine)"
_OWN = "IN (SELECT lookup FROM own)"
_LET_IN = "IN (SELECT lookup FROM let_in)"
_WRAPS = "policies = '[\"response-wrapping\"]'"
_HEX = {"sqlite": "lower(hex(lookup))", "postgresql": "encode(lookup, 'hex')"}


@dataclass(frozen=True, slots=True)
class Leaver:
    """Somebody whose access was ended. `kind` is person or workload.

    `queued_at` says when what they knew was queued for rotation; `missed_at` when the check found
    something of theirs that still lived.
    """

    entity: str
    kind: str
    at: datetime
    by: str
    why: str
    ended: dict[str, dict[str, float]]
    queued_at: datetime | None = None
    missed_at: datetime | None = None
    entry: int | None = None


LEAVERS = Register("leaver", Leaver, key=("entity",), guarded=True)


async def ended_for(tx: Transaction, token: Token, made: Made) -> bool:
    """Say whether a token is from before the access of one whom it stems from was ended.

    For batch tokens, of which no row could be removed: who comes back does not bring them along.
    """
    stems_from = {*(token.makers or ()), *(token.let_in_by or ()), *made.makers, *made.let_in_by}
    for each in {token.entity, *stems_from} - {""}:
        leaver = await tx.get(LEAVERS, each)
        if leaver is not None and token.issued_at <= leaver.at:
            return True
    return False


@dataclass(slots=True)
class Ending:
    """Ends what is an entity's, and measures it."""

    tx: Transaction
    database: str  # its kind: the two write digests as text each in their own way
    entity: str
    now: datetime
    by: str
    ended: dict[str, dict[str, float]] = field(default_factory=dict)
    closed: list[tuple[str, str]] = field(default_factory=list)  # `identity.entrances`
    codes: list[str] = field(default_factory=list)  # whose enrolment codes are void now

    async def run(self) -> None:
        """End everything that rows of the core hold."""
        ids, works = await self._all_works()
        for name, work in works.items():
            await self.timed(name, work)
        await self.timed("entrances", partial(self._entrances, ids))
        await self.timed("enrolment_codes", partial(self._codes, ids))
        self._changed()

    async def sign_out(self) -> int:
        """End the tokens alone, and what hangs on them; return how many that were."""
        _, works = await self._all_works()
        for name in ("sessions", "leases", "cubbyholes", "logins_waiting", "enrolments"):
            await works[name]()
        count = await works["tokens"]()
        self._changed()
        return count

    async def _all_works(self) -> tuple[list[str], Mapping[str, Callable[[], Awaitable[int]]]]:
        ids = [self.entity, *(m.id for m in await self.tx.all(MERGED, entity=self.entity))]
        likes = " OR ".join(["makers LIKE ?"] * len(ids))
        let_in = " OR ".join(["let_in_by LIKE ?"] * len(ids))
        mine = _MINE.format(marks=", ".join("?" * len(ids)), likes=likes, let_in=let_in)
        quoted = [f'%"{each}"%' for each in ids]
        return ids, self._works(mine, (*quoted, *ids, *quoted, *ids))

    def _changed(self) -> None:
        self.tx.changed(f"entity:{self.entity}")
        self.tx.changed("tokens")  # of other entities too, where they are below one of theirs

    async def timed(self, name: str, work: Callable[[], Awaitable[int]]) -> None:
        """Do a part, and note how many it ended and in what time."""
        begun = perf_counter()
        count = await work()
        self.ended[name] = {"count": count, "ms": round((perf_counter() - begun) * 1000, 3)}

    def _works(self, mine: str, ids: Sequence[str]) -> Mapping[str, Callable[[], Awaitable[int]]]:
        """Return what ends, in order. Rows of tokens lead to those below, so they go at once."""
        wraps = f"lookup {_IN} AND {_WRAPS}"
        others = f"NOT lookup {_OWN} AND NOT {_WRAPS}"
        let_in = f"lookup {_LET_IN} AND {others}"
        made = f"lookup {_IN} AND NOT lookup {_LET_IN} AND {others}"
        return {
            "sessions": lambda: self._swept(mine, ids, "sign_in", f"lookup {_IN}"),
            "leases": lambda: self._leases(mine, ids),
            "cubbyholes": lambda: self._cubbyholes(mine, ids),
            "wrapping_tokens": lambda: self._counted(mine, ids, "token", wraps),
            "let_in_tokens": lambda: self._counted(mine, ids, "token", let_in),
            "made_tokens": lambda: self._counted(mine, ids, "token", made),
            "tokens": lambda: self._tokens(mine, ids),
            "logins_waiting": lambda: self._dropped(MFA_PENDING),
            "enrolments": lambda: self._dropped(CEREMONIES),
            "factors": self._factors,
            "groups": lambda: self._dropped(GROUP_MEMBERS),
            "policies": self._policies,
            "registrations": self._registrations,
            "grants": self._grants,
            "requests": self._requests,
        }

    async def _counted(self, mine: str, ids: Sequence[str], table: str, which: str) -> int:
        sql = f"{mine}SELECT count(*) FROM {table} WHERE {which}"  # noqa: S608 - names are ours
        [[count]] = await self.tx.reader.rows(sql, ids)
        return int(count)

    async def _swept(self, mine: str, ids: Sequence[str], table: str, which: str) -> int:
        count = await self._counted(mine, ids, table, which)
        self.tx.run(f"{mine}DELETE FROM {table} WHERE {which}", ids)  # noqa: S608
        return count

    async def _tokens(self, mine: str, ids: Sequence[str]) -> int:
        count = await self._counted(mine, ids, "token", f"lookup {_OWN}")
        self.tx.run(f"{mine}DELETE FROM token WHERE lookup {_IN}", ids)  # noqa: S608
        return count

    async def _leases(self, mine: str, ids: Sequence[str]) -> int:
        at = micros(self.now)
        count = await self._counted(mine, ids, "lease", f"token {_IN} AND expires_at > {at:d}")
        which = f"token {_IN} AND expires_at > ?"
        sql = f"{mine}UPDATE lease SET expires_at = ?, entry = ? WHERE {which}"  # noqa: S608
        self.tx.run(sql, (*ids, at, Stamp.ENTRY, at), stamped=True)
        return count

    async def _cubbyholes(self, mine: str, ids: Sequence[str]) -> int:
        text = _HEX.get(self.database, _HEX["postgresql"])
        of_mine = f"substr(key, 1, 64) IN (SELECT {text} FROM mine)"  # noqa: S608
        which = f"mount = '{CUBBYHOLE}' AND {of_mine}"
        return await self._swept(mine, ids, "cell", which)

    async def _dropped(self, register: Register[Any]) -> int:
        rows, broken = await self.tx.examine(register, entity=self.entity)
        for row in rows:
            self.tx.delete(register, *(getattr(row, name) for name in register.key))
        for each in broken:
            self.tx.delete(register, *each.key)
        return len(rows) + len(broken)

    async def _factors(self) -> int:
        rows, broken = await self.tx.examine(FACTORS, entity=self.entity)
        working = [row for row in rows if not row.disabled]
        for row in working:
            self.tx.put(FACTORS, replace(row, disabled=HOLDER_LEFT))
        for each in broken:
            self.tx.delete(FACTORS, *each.key)
        return len(working) + len(broken)

    async def _entrances(self, ids: Sequence[str]) -> int:
        self.closed = await close(self.tx, ids, self.now)
        return len(self.closed)

    async def _codes(self, ids: Sequence[str]) -> int:
        self.codes = await void_codes(self.tx, ids, self.now)
        return len(self.codes)

    async def _policies(self) -> int:
        entity = await self.tx.get(ENTITIES, self.entity)
        if entity is None or not entity.policies:
            return 0
        self.tx.put(ENTITIES, replace(entity, policies=(), updated_at=self.now))
        return len(entity.policies)

    async def _grants(self) -> int:
        return await end_all(self.tx, self.entity, self.by, HOLDER_LEFT, self.now)

    async def _requests(self) -> int:
        rows, _ = await self.tx.examine(PROPOSALS, state="pending")
        own = [row for row in rows if self.entity in row.requesters]
        for row in own:
            self.tx.put(PROPOSALS, replace(row, state=WITHDRAWN, decided_at=self.now))
        return len(own)

    async def _registrations(self) -> int:
        rows, _ = await self.tx.examine(REGISTRATIONS, state="pending")
        own = [row for row in rows if self.entity in row.requesters]
        for row in own:
            gone = replace(row, state=WITHDRAWN, decided_by=self.by, decided_at=self.now)
            self.tx.put(REGISTRATIONS, gone)
        return len(own)
