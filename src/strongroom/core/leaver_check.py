"""A look for what leavers still have, by somebody else than who ended it.

It goes by the tables as they are, and shares nothing with the workflow (`core.offboarding`) but the
question to auth mounts: what the workflow forgets, or what came after it, is found here.

Order   Once a day, and whenever it is asked for. What is missed is an entry `leaver.missed` for
        each; it ends nothing by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from strongroom.core.offboarding import remembered, remembered_made
from strongroom.core.server import Server
from strongroom.identity.entrances import entrance_name
from strongroom.identity.leaving import LEAVERS
from strongroom.identity.records import ENTITIES, MERGED, PEOPLE, WORKLOADS, Person, Workload
from strongroom.identity.standing import end_of
from strongroom.storage.register import micros
from strongroom.storage.transaction import Transaction

if TYPE_CHECKING:
    from strongroom.core.attempt import Attempt

_QUOTED: Final = re.compile('"([^"]*)"')  # of a row that was changed too
AFTER: Final = timedelta(hours=24)  # whose registration ran out is a leaver by then at the latest
_BELOW: Final = (
    "WITH RECURSIVE below(lookup, entity, expires_at) AS ("
    "SELECT lookup, entity, expires_at FROM token WHERE entity <> '' "
    "UNION SELECT t.lookup, b.entity, t.expires_at FROM token t JOIN below b "
    "ON t.parent = b.lookup) "
)
_TOKENS: Final = (
    "SELECT entity, count(*) FROM below WHERE expires_at IS NULL OR expires_at > ? GROUP BY entity"
)
_LEASES: Final = (
    "SELECT b.entity, count(*) FROM lease l JOIN below b ON l.token = b.lookup "
    "WHERE l.expires_at > ? GROUP BY b.entity"
)
_STEMMING: Final[Mapping[str, str]] = {  # by the JSON list of those that a token stems from
    "made_tokens": (
        "SELECT makers, count(*) FROM token WHERE makers > '' "
        "AND (expires_at IS NULL OR expires_at > ?) GROUP BY makers"
    ),
    "leases_of_made": (
        "SELECT t.makers, count(*) FROM lease l JOIN token t ON l.token = t.lookup "
        "WHERE t.makers > '' AND l.expires_at > ? GROUP BY t.makers"
    ),
    "let_in_tokens": (
        "SELECT let_in_by, count(*) FROM token WHERE let_in_by > '' "
        "AND (expires_at IS NULL OR expires_at > ?) GROUP BY let_in_by"
    ),
    "leases_of_let_in": (
        "SELECT t.let_in_by, count(*) FROM lease l JOIN token t ON l.token = t.lookup "
        "WHERE t.let_in_by > '' AND l.expires_at > ? GROUP BY t.let_in_by"
    ),
}
_ENTRANCES: Final = (
    "SELECT m.path, e.name, e.makers, e.readers, e.refused_for FROM entrance e "
    "JOIN mount m ON m.uuid = e.mount ORDER BY m.path, e.name"
)
_REMEMBERED: Final = {"credentials": remembered, "made_credentials": remembered_made}
COUNTS: Final[Mapping[str, str]] = {
    "tokens": f"{_BELOW}{_TOKENS}",
    "leases": f"{_BELOW}{_LEASES}",
    "sessions": "SELECT entity, count(*) FROM sign_in WHERE opened_at <= ? GROUP BY entity",
    "groups": "SELECT entity, count(*) FROM group_member WHERE since <= ? GROUP BY entity",
    "factors": (
        "SELECT entity, count(*) FROM factor WHERE created_at <= ? AND disabled = '' "
        "GROUP BY entity"
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """How many leavers were looked at, and what each still has.

    `to_look_at` are roles, users and configurations of theirs by which none gets in any more but
    who is registered, until another person has looked at them (`identity.entrances`).
    """

    looked_at: int
    missed: dict[str, dict[str, int]]
    to_look_at: dict[str, list[str]]


async def look(server: Server, tx: Transaction, now: datetime) -> Found:
    """Look at everybody who left, was decommissioned, or is long over their end."""
    gone = await _gone(tx, now)
    missed: dict[str, dict[str, int]] = {}
    async for name, entity, count in _counted(tx, now):
        if entity in gone:
            missed.setdefault(entity, {})[name] = count
    for entity in sorted(gone):
        row = await tx.get(ENTITIES, entity)
        if row is not None and row.policies:
            missed.setdefault(entity, {})["policies"] = len(row.policies)
        for name, ask in _REMEMBERED.items():
            if count := await ask(server, tx, entity, now):
                missed.setdefault(entity, {})[name] = count
    to_look_at: dict[str, list[str]] = {}
    async for entity, path, closed in _entrances(tx):
        if entity not in gone:
            continue
        if closed:
            to_look_at.setdefault(entity, []).append(path)
        else:
            has = missed.setdefault(entity, {})
            has["entrances"] = has.get("entrances", 0) + 1
    return Found(len(gone), missed, to_look_at)


async def _entrances(tx: Transaction) -> AsyncIterator[tuple[str, str, bool]]:
    """Give each who knows a way in, what it is, and whether it is closed for them."""
    merged = await _merged(tx)
    for path, name, makers, readers, refused in await tx.reader.rows(_ENTRANCES, ()):
        closed = _named(refused, merged)
        for each in sorted(_named(f"{makers}{readers}", merged)):
            yield each, entrance_name(path, name), each in closed


async def _counted(tx: Transaction, now: datetime) -> AsyncIterator[tuple[str, str, int]]:
    for name, sql in COUNTS.items():
        for entity, count in await tx.reader.rows(sql, (micros(now),)):
            yield name, entity, int(count)
    for name, sql in _STEMMING.items():
        for entity, count in (await _stemming(tx, sql, now)).items():
            yield name, entity, count


async def _stemming(tx: Transaction, sql: str, now: datetime) -> Mapping[str, int]:
    """Count by everybody that a row stems from, under the names that they have now."""
    merged = await _merged(tx)
    found = Counter[str]()
    for text, count in await tx.reader.rows(sql, (micros(now),)):
        for each in _named(text, merged):
            found[each] += int(count)
    return found


async def _merged(tx: Transaction) -> Mapping[str, str]:
    return {row.id: row.entity for row in (await tx.examine(MERGED))[0]}


def _named(text: str, merged: Mapping[str, str]) -> set[str]:
    return {merged.get(each, each) for each in _QUOTED.findall(text)}


async def _gone(tx: Transaction, now: datetime) -> set[str]:
    people, _ = await tx.examine(PEOPLE)
    workloads, _ = await tx.examine(WORKLOADS)
    registered: list[Person | Workload] = [*people, *workloads]
    found: set[str] = set()
    for row in registered:
        end = end_of(row)
        if row.left_at is not None or (end is not None and end + AFTER <= now):
            found.add(row.entity)
    return found


async def check_leavers(server: Server) -> Found:
    """Look, and write an entry for each leaver who still has something, and one for the look."""
    tx = Transaction(server.database, server.barrier)
    found = await look(server, tx, server.clock.now())
    for entity, what in sorted(found.missed.items()):
        await server.pipeline.act(
            "leaver.missed", f"strongroom/leavers/{entity}", partial(_missed, entity, what)
        )

    async def looked(attempt: Attempt) -> bool:
        attempt.details = {"looked_at": found.looked_at, "missed": len(found.missed)}
        attempt.details["to_look_at"] = found.to_look_at
        return True

    await server.pipeline.act("leaver.check", "strongroom/leavers/check", looked)
    return found


async def _missed(entity: str, what: Mapping[str, int], attempt: Attempt) -> bool:
    row = await attempt.transaction.get(LEAVERS, entity)
    if row is not None:
        attempt.transaction.put(LEAVERS, replace(row, missed_at=attempt.now))
    attempt.details = {"entity": entity, "missed": dict(what)}
    return True
