"""Everybody who holds access, kept between requests, so that a question costs a few judgements.

What is kept is good while no row has changed that holders are made of. Each row bears the index of
the entry that wrote it, so a table's number of rows and its greatest index say whether it is the
same; tokens, which come and go, are compared row by row and read again where they differ.

Exact   As of the question: the tables are compared each time, and what ends by the clock before it
        is asked again. What a request changes meanwhile fences the answer, as ever.
Speed   While something is built, other requests get their turn.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import nsmallest
from typing import Any, Final

from strongroom.core.guardrails import Guardrails
from strongroom.core.records import MOUNTS
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.holders import Holder, Holders, Known, refusal
from strongroom.identity.governance.records import GRANTS
from strongroom.identity.groups import Belonging
from strongroom.identity.policy.acl import Decision
from strongroom.identity.policy.capability import Capability, asks
from strongroom.identity.policy.questions import may
from strongroom.identity.policy.rights import Class, Judged
from strongroom.identity.records import (
    ALIASES,
    ENTITIES,
    ENVIRONMENTS,
    GROUP_MEMBERS,
    GROUPS,
    PEOPLE,
    POLICIES,
    REGISTRATIONS,
    TOKENS,
    WORKLOADS,
)
from strongroom.sdk.auth import Enumerable
from strongroom.storage.guard import Broken
from strongroom.storage.transaction import Transaction

TURN: Final = 200  # holders between two turns of others
FEW: Final = 64  # classes that are judged one by one
_TABLES: Final = (
    *(ENTITIES, ALIASES, PEOPLE, WORKLOADS, REGISTRATIONS, GROUPS, GROUP_MEMBERS),
    *(POLICIES, MOUNTS, ENVIRONMENTS, GRANTS),
)
_STAMP: Final = " UNION ALL ".join(
    f"SELECT '{each.name}', count(*), max(entry) FROM {each.name}"  # noqa: S608 - names are ours
    for each in _TABLES
)
_CELLS: Final = "SELECT count(*), max(entry) FROM cell WHERE mount = ?"
_TOKENS: Final = "SELECT lookup, entry FROM token"
_SOME: Final = f"{TOKENS.select} WHERE lookup = ?"

Stamp = tuple[object, ...]


@dataclass(slots=True)
class Crowd:
    """Holders with their classes, as of one moment."""

    holders: dict[str, Holder] = field(default_factory=dict)  # by subject
    by_class: dict[Class, list[Holder]] = field(default_factory=lambda: defaultdict(list))
    _judged: Judged | None = None
    _new: dict[Class, None] = field(default_factory=dict)  # that are not among the judged yet

    def add(self, holder: Holder) -> None:
        """Take one more."""
        self.holders[holder.subject] = holder
        held = self.by_class[holder.rules]
        if not held:
            self._new[holder.rules] = None
        held.append(holder)

    def drop(self, subject: str) -> None:
        """Let one go."""
        holder = self.holders.pop(subject)
        held = self.by_class[holder.rules]
        held.remove(holder)
        if not held:
            del self.by_class[holder.rules]
            self._new.pop(holder.rules, None)

    def may(
        self, capability: Capability, path: str
    ) -> Iterator[tuple[Decision, frozenset[str], Iterable[Class]]]:
        """Judge one path for all; those of whom no rule matches are left out."""
        if self._judged is None or len(self._new) > FEW:
            self._judged = Judged(self.by_class)
            self._new.clear()
        for decision, bound, classes in self._judged.may(capability, path):
            here = [e for e in classes if e in self.by_class and e not in self._new]
            yield decision, bound, here
        for each in self._new:
            yield may(each.acl, capability, path), each.bound, (each,)


def _nowhere(_: str) -> Belonging | None:
    return None


@dataclass(slots=True, kw_only=True)
class Everybody:
    """All holders at one moment. `uncertain` says what of a past one could not be known."""

    guardrails: Guardrails
    now: datetime
    lasting: Crowd = field(default_factory=Crowd)
    tokens: Crowd = field(default_factory=Crowd)
    uncertain: tuple[str, ...] = ()
    known: Known | None = None
    belongings: Callable[[str], Belonging | None] = _nowhere

    def belonging(self, entity: str) -> Belonging | None:
        """Return the groups that an entity is in."""
        return self.belongings(entity)

    def __len__(self) -> int:
        return len(self.lasting.holders) + sum(1 for _ in self.live())

    def live(self) -> Iterator[Holder]:
        """Give the tokens whose time is not over."""
        for each in self.tokens.holders.values():
            if each.ends_at is None or each.ends_at > self.now:
                yield each

    def classes(self) -> dict[Class, list[Holder]]:
        """Return everybody by class."""
        found: dict[Class, list[Holder]] = defaultdict(list)
        for each in (*self.lasting.holders.values(), *self.live()):
            found[each.rules].append(each)
        return found

    def who(self, capability: Capability, path: str, after: str, limit: int) -> Found:
        """Return who may do something on a path, by subject."""
        found = Found()
        allowed: list[tuple[str, Holder, Decision]] = []
        for crowd in (self.lasting, self.tokens):
            for decision, bound, classes in crowd.may(capability, path):
                if not decision.allowed:
                    continue
                refused = refusal(self.guardrails, bound, path, asks(capability))
                for holder in (h for each in classes for h in crowd.by_class[each]):
                    if holder.ends_at is not None and holder.ends_at <= self.now:
                        continue
                    if refused is not None:
                        found.refused += 1
                    elif holder.subject > after:
                        allowed.append((holder.subject, holder, decision))
        found.holders = len(allowed)
        found.first = [each[1:] for each in nsmallest(limit, allowed, key=lambda each: each[0])]
        return found


@dataclass(slots=True)
class Found:
    """Who may: how many behind the one that was asked from, and the first of them."""

    holders: int = 0
    refused: int = 0  # by a guardrail, though their policies allow it
    first: list[tuple[Holder, Decision]] = field(default_factory=list)


class Present:
    """Keeps everybody as of now. One for each server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._building = asyncio.Lock()
        self._stamp: Stamp = ()
        self._built_at: datetime | None = None
        self._good_until: datetime | None = None
        self._holders: Holders | None = None
        self._lasting = Crowd()
        self._tokens = Crowd()
        self._rows: dict[bytes, tuple[int, str]] = {}  # entry and subject of each token
        server.on_seal.append(self.forget)

    def forget(self) -> None:
        """Keep nothing."""
        self._stamp, self._holders = (), None
        self._lasting, self._tokens, self._rows = Crowd(), Crowd(), {}

    async def read(self, call: SystemCall) -> Everybody:
        """Return everybody as of this call."""
        tx = Transaction(self._server.database, self._server.barrier)
        own = replace(call, transaction=tx)
        async with self._building:
            stamp = await self._stamped(tx)
            if stamp != self._stamp or not self._good(call.now):
                await self._build(own, stamp)
            await self._refresh(own)
            return Everybody(
                guardrails=await self._server.views.guardrails(call.transaction),
                now=call.now,
                lasting=self._lasting,
                tokens=self._tokens,
                known=self._holders.known if self._holders is not None else None,
                belongings=self._holders.belonging if self._holders is not None else _nowhere,
            )

    def _good(self, now: datetime) -> bool:
        begun = self._built_at is not None and self._built_at <= now
        return begun and (self._good_until is None or now < self._good_until)

    async def _stamped(self, tx: Transaction) -> Stamp:
        rows: list[tuple[Any, ...]] = list(await tx.reader.rows(_STAMP, ()))
        mounts = (await self._server.views.mounts(tx)).by_path
        for path, live in sorted(mounts.items()):
            if isinstance(live.plugin, Enumerable) or live.row.uuid == "core/auth/token/":
                rows += [(path, *row) for row in await tx.reader.rows(_CELLS, (live.row.uuid,))]
        return tuple(rows)

    async def _build(self, call: SystemCall, stamp: Stamp) -> None:
        self.forget()
        holders = await Holders(self._server, call).open()
        number = 0
        async for holder in holders.without_tokens():
            self._lasting.add(holder)
            number += 1
            if number % TURN == 0:
                await asyncio.sleep(0)
        self._holders = holders
        self._built_at, self._good_until = call.now, holders.good_until()
        self._stamp = stamp

    async def _refresh(self, call: SystemCall) -> None:
        """Read the tokens that were written since, and forget those that are gone."""
        holders, reader = self._holders, call.transaction.reader
        if holders is None:
            return
        there = {bytes(lookup): entry for lookup, entry in await reader.rows(_TOKENS, ())}
        for lookup in [each for each in self._rows if each not in there]:
            self._drop(lookup)
        new = [each for each, entry in there.items() if self._rows.get(each, (-1,))[0] != entry]
        rows: list[Any] = []
        if len(new) > len(there) // 2:
            rows = await reader.rows(TOKENS.select, ())
        else:
            for lookup in new:
                rows += await reader.rows(_SOME, (lookup,))
        wanted = set(new)
        for number, raw in enumerate(rows):
            token = TOKENS.examine(raw, self._server.barrier)
            if isinstance(token, Broken) or token.lookup not in wanted:
                continue
            self._drop(token.lookup)
            holder = await holders.of_token(token)
            subject = "" if holder is None else holder.subject
            if holder is not None:
                self._tokens.add(holder)
            self._rows[token.lookup] = there[token.lookup], subject
            if number % TURN == 0:
                await asyncio.sleep(0)

    def _drop(self, lookup: bytes) -> None:
        _, subject = self._rows.pop(lookup, (0, ""))
        if subject:
            self._tokens.drop(subject)
