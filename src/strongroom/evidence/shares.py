"""How much of a protected environment everybody can read by wildcards, of what is stored there.

A secret counts for somebody whose rule for its path has a wildcard; a rule that names it is a
decision on it. So several rules count together that are narrow each, of whatever policies.

Cost    Each secret of a protected environment is asked of each set of rules that somebody holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final

from strongroom.core.records import MOUNTS
from strongroom.identity.policy.acl import Acl
from strongroom.identity.policy.capability import Operation
from strongroom.identity.policy.pattern import Segment, Shape, is_exact, shape
from strongroom.identity.records import Environment
from strongroom.identity.sessions import Session
from strongroom.sdk.facts.access import ShareFact
from strongroom.storage.store import upper
from strongroom.storage.transaction import Transaction

CHUNK: Final = 1000
KEYS: Final = "SELECT key FROM cell WHERE mount = ? AND key > ? AND key < ? ORDER BY key LIMIT ?"
# Of a mount of secrets by its version: where its keys begin, and where they are read.
KEPT: Final[Mapping[str, tuple[str, str]]] = {"1": ("value/", ""), "2": ("current/", "data/")}


async def secrets_in(
    tx: Transaction, environments: Iterable[Environment]
) -> dict[str, tuple[str, ...]]:
    """Return the paths by which the secrets of each protected environment are read."""
    areas = {each.name: [shape(p) for p in each.paths] for each in environments if each.protected}
    found: dict[str, list[str]] = {name: [] for name in areas}
    for mount in (await tx.examine(MOUNTS, kind="kv"))[0]:
        prefix, folder = KEPT["2" if mount.options.get("version") == "2" else "1"]
        async for name in _names(tx, mount.uuid, prefix):
            path = f"{mount.path}{folder}{name}"
            own = Shape(tuple(map(Segment, path.split("/"))))
            for area, parts in areas.items():
                if any(part.covers(own) for part in parts):
                    found[area].append(path)
    return {name: tuple(paths) for name, paths in found.items()}


async def _names(tx: Transaction, mount: str, prefix: str) -> AsyncIterator[str]:
    after, end = prefix, upper(prefix)
    while rows := await tx.reader.rows(KEYS, (mount, after, end, CHUNK)):
        for (key,) in rows:
            yield key.removeprefix(prefix)
        after = rows[-1][0]
        await asyncio.sleep(0)


async def shares(
    holders: Sequence[tuple[str, Session]], secrets: Mapping[str, tuple[str, ...]]
) -> AsyncIterator[ShareFact]:
    """Give what each holder can read of each environment by wildcards, if it is anything.

    Root is left out: T12 tells of it.
    """
    known: dict[frozenset[str], dict[str, int]] = {}
    for name, session in holders:
        if session.acl.everything is not None:
            continue
        rules = frozenset(map(repr, session.acl.merged.values()))
        if rules not in known:
            known[rules] = {each: _read(session.acl, paths) for each, paths in secrets.items()}
            await asyncio.sleep(0)
        for environment, count in known[rules].items():
            if count:
                yield ShareFact(
                    holder=name,
                    environment=environment,
                    readable=count,
                    secrets=len(secrets[environment]),
                )


def _read(acl: Acl, paths: Iterable[str]) -> int:
    """Count the paths that are read by a rule with a wildcard."""
    count = 0
    for path in paths:
        pattern = acl.governing(path, Operation.READ)
        if pattern is not None and not is_exact(pattern):
            count += acl.grants(path, Operation.READ).allowed
    return count
