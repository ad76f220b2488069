"""The access matrix of everybody over every path: worked out once, and taken away in pages.

The paths are those of every secret that is stored, as far as its engine tells (`sdk.paths`), and
for all that policies, environments and mounts name one path each, with `any` for a wildcard.

Order   The first page works it out, as of then, while other requests go on; its id asks for the
        others. A few are kept, until another takes their place.
Bounds  Memory grows with the kinds of holders and of paths, not with both together. Of one request
        at a time; the next waits.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Hashable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.guardrails import Guardrails
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.everybody import Everybody
from strongroom.core.system.holders import Holder, left
from strongroom.core.system.token import plugin_call
from strongroom.identity.environments import read_environments
from strongroom.identity.policy.capability import Capability, Operation, names
from strongroom.identity.policy.matching import Matching
from strongroom.identity.policy.rights import Class, Matrix, Row
from strongroom.sdk.engine import Help, Page
from strongroom.sdk.paths import Listing
from strongroom.storage.transaction import Transaction

KEPT: Final = 3
MOST_ROWS: Final = 200
MOST_NAMED: Final = 50  # holders that a row names; the others are counted
TURN: Final = 200
CHUNK: Final = 1000
ANY: Final = "any"


@dataclass(frozen=True, kw_only=True)
class Whole(Page):
    """Which part of it. `after` is the id of a row."""

    below: Annotated[str, Help("Only paths that begin so.", most=4096)] = ""
    matrix: Annotated[str, Help("Id of a matrix that was worked out, for its other rows.")] = ""
    row: Annotated[str, Help("Id of a row, to have all of its holders.")] = ""
    at: Annotated[datetime | None, Help("As of this moment, RFC 3339; left out, now.")] = None


@dataclass(slots=True)
class Fence:
    """The guardrails, as the matrix asks them. Scans are told apart where somebody may scan."""

    guardrails: Guardrails
    scans: bool
    _left: dict[tuple[frozenset[str], Hashable, Capability], Capability] = field(
        default_factory=dict
    )
    _matching: Matching | None = None
    _whose: dict[str, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, boundary in enumerate(self.guardrails.boundaries):
            for pattern in boundary.environment.paths:
                self._whose.setdefault(pattern.removeprefix("/"), set()).add(number)
        self._matching = Matching(self._whose) if self._whose else None

    def where(self, path: str) -> Hashable:
        """Return which boundaries an operation on a path, a list and a scan would meet."""
        if self.guardrails.problem:
            return path
        if self._matching is None:
            return ()
        met = tuple(
            tuple(e.name for e in self.guardrails.environments_of(path, each))
            for each in ((Operation.SCAN,) if self.scans else ())
        )
        return (self._met(path), self._met(f"{path.removesuffix('/')}/"), met)

    def _met(self, path: str) -> frozenset[int]:
        matching = self._matching
        if matching is None:
            return frozenset()
        patterns = (matching.patterns[number] for number in matching.single(path))
        return frozenset(number for pattern in patterns for number in self._whose[pattern])

    def left(self, bound: frozenset[str], path: str, held: Capability) -> Capability:
        """Return what the guardrails leave."""
        if not (self.guardrails.boundaries or self.guardrails.problem or bound):
            return held
        key = (bound, self.where(path), held)
        if key not in self._left:
            self._left[key] = left(self.guardrails, bound, path, held)
        return self._left[key]


@dataclass(slots=True, kw_only=True)
class Kept:
    """A matrix that was worked out, and of when it is."""

    id: str
    matrix: Matrix
    holders: dict[Class, list[Holder]]
    as_of: str
    log_size: int
    uncertain: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Part:
    """Some rows of a matrix."""

    id: str
    kept: Kept
    rows: list[Row]
    next: str
    most: int

    def shown(self) -> dict[str, object]:
        """Return them as replies show them."""
        kept = self.kept
        return {
            "matrix": kept.id,
            "as_of": kept.as_of,
            "log_size": kept.log_size,
            "holders": sum(map(len, kept.holders.values())),
            "paths": kept.matrix.paths,
            "row_count": kept.matrix.size,
            "rows": [_row(row, kept.holders, self.most) for row in self.rows],
            "next": self.next,
            "uncertain": list(kept.uncertain),
        }


class WholeMatrix:
    """See the module. One for each server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._kept: dict[str, Kept] = {}
        self._building = asyncio.Lock()
        server.on_seal.append(self._kept.clear)

    async def read(self, call: SystemCall, given: Whole, everybody: Everybody | None) -> Part:
        """Return a page; of a new matrix where `everybody` is given."""
        id_ = given.matrix or call.request.id
        if everybody is not None:
            async with self._building:  # a request that is served again has it already
                if id_ not in self._kept:
                    await self._work_out(call, given.below.removeprefix("/"), everybody, id_)
        kept = self._kept.get(id_)
        if kept is None:
            raise NotFoundError("this matrix is not kept any more: ask without its id")
        if given.row:
            rows = [row for row in kept.matrix.rows(_before(given.row), 1) if row.id == given.row]
            if not rows:
                raise NotFoundError("no such row")
            return Part(id=id_, kept=kept, rows=rows, next="", most=sys.maxsize)
        limit = given.limit if 0 < given.limit < MOST_ROWS else MOST_ROWS
        rows = list(kept.matrix.rows(given.after, limit + 1))
        more = rows[limit - 1].id if len(rows) > limit else ""
        return Part(id=id_, kept=kept, rows=rows[:limit], next=more, most=MOST_NAMED)

    async def _work_out(self, call: SystemCall, below: str, everybody: Everybody, id_: str) -> None:
        holders = everybody.classes()
        scans = any(_scans(each) for each in holders)
        matrix = Matrix(holders, Fence(everybody.guardrails, scans))
        log_size = self._server.log.size
        async for path in self._paths(call, below, everybody):
            matrix.add(path)
            if matrix.paths % TURN == 0:
                await asyncio.sleep(0)
        for _ in matrix.settle():
            await asyncio.sleep(0)
        while len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[id_] = Kept(
            id=id_,
            matrix=matrix,
            holders=holders,
            as_of=rfc3339(everybody.now),
            log_size=log_size,
            uncertain=everybody.uncertain,
        )

    async def _paths(
        self, call: SystemCall, below: str, everybody: Everybody
    ) -> AsyncIterator[str]:
        """Give every path once: of secrets as they are stored, and one for each pattern."""
        tx = Transaction(self._server.database, self._server.barrier)
        mounts = (await self._server.views.mounts(tx)).by_path
        seen: set[str] = set()
        for path in sorted(await self._patterns(tx, everybody, mounts)):
            if path.startswith(below):
                seen.add(path)
                yield path
        own = replace(call, transaction=tx)
        for prefix, live in sorted(mounts.items()):
            if not isinstance(live.plugin, Listing):
                continue
            after = ""
            while True:
                chunk = await live.plugin.secrets(plugin_call(own, live), after, CHUNK)
                for name in chunk:
                    for head in live.plugin.heads:
                        path = f"{prefix}{head}{name}"
                        if path.startswith(below) and path not in seen:
                            yield path
                tx.checks.clear()  # nothing is written, so nothing is checked
                if len(chunk) < CHUNK:
                    break
                after = chunk[-1]

    async def _patterns(
        self, tx: Transaction, everybody: Everybody, mounts: Iterable[str]
    ) -> set[str]:
        texts = {text for each in everybody.classes() for text in each.base.merged}
        stored = await read_environments(tx)
        texts |= {path.removeprefix("/") for e in stored.sound for path in e.paths}
        texts |= {f"{path}*" for path in mounts}
        return {concrete(text) for text in texts}


def concrete(pattern: str) -> str:
    """Return a path that a pattern matches."""
    parts = [ANY if part == "+" else part for part in pattern.split("/")]
    return "/".join(parts).removesuffix("*") + (ANY if pattern.endswith("*") else "")


def _scans(each: Class) -> bool:
    if each.acl.everything is not None:
        return True
    return any(said.capabilities & Capability.SCAN for said in each.acl.merged.values())


def _before(row: str) -> str:
    """Return an id that no other stands between and this one."""
    try:
        return f"{int(row, 16) - 1:032x}"
    except ValueError:
        raise InputError("row", "not the id of a row") from None


def _row(row: Row, holders: dict[Class, list[Holder]], most: int) -> dict[str, object]:
    held = sorted((h for c in row.classes for h in holders[c]), key=lambda each: each.subject)
    return {
        "id": row.id,
        "holders": len(held),
        "subjects": [each.shown() for each in held[:most]],
        "policies": sorted({name for each in held for name in each.policies}),
        "rights": [
            {
                "pattern": right.pattern,
                "capabilities": list(names(right.capabilities)),
                "paths": right.paths,
                "sample": right.sample,
                "why": list(right.rules),
            }
            for right in row.rights
        ],
    }
