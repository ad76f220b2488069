"""How broad the rules of a policy are, held against the protected environments and their mounts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from strongroom.core.server import Server
from strongroom.core.views import Live, parsed
from strongroom.identity.policy.breadth import Area, Breadth, breadths, inside, roots_of
from strongroom.identity.policy.capability import Capability, names
from strongroom.identity.policy.pattern import is_exact, priority, shape
from strongroom.identity.records import ENVIRONMENTS, StoredPolicy
from strongroom.sdk.administration import ADMINISTRATION, APART, NO_GAIN, TOKEN_MAKING
from strongroom.sdk.facts.access import RuleFact
from strongroom.storage.transaction import Transaction

CHANGES: Final = Capability.CREATE | Capability.UPDATE | Capability.PATCH | Capability.DELETE
_ADMINISTRATION: Final = tuple((each, shape(each)) for each in ADMINISTRATION)
_NO_GAIN: Final = tuple(shape(each) for each in (*APART, *NO_GAIN))
OWN: Final = ("auth/", "identity/", "strongroom/", "sys/")  # what the server serves of its own


async def protected_areas(server: Server, tx: Transaction) -> list[Area]:
    """Return the protected environments, with the mounts that lie in them."""
    mounts = {
        path: tuple(root for folder in _folders(live) for root in roots_of(folder))
        for path, live in (await server.views.mounts(tx)).by_path.items()
        if not live.system
    }
    return [
        Area(
            name=each.name,
            patterns=each.paths,
            mounts={
                path: roots
                for path, roots in mounts.items()
                if roots and any(inside(pattern, path) for pattern in each.paths)
            },
        )
        for each in (await tx.examine(ENVIRONMENTS))[0]
        if each.protected and each.paths
    ]


def rules_of(row: StoredPolicy, areas: Sequence[Area], now: datetime) -> Iterator[RuleFact]:
    """Give every rule of a policy, with what it covers together with the others."""
    rules = parsed(row).rules
    live = [each for each in rules if each.expires_at is None or now < each.expires_at]
    found = breadths(((rule.path, _grants(rule.capabilities)) for rule in live), areas)
    denials = [rule.path for rule in live if rule.capabilities & Capability.DENY]
    for rule in rules:
        breadth = found.get(rule.path, Breadth())
        yield RuleFact(
            policy=row.name,
            pattern=rule.path,
            capabilities=tuple(names(rule.capabilities)),
            within=tuple(breadth.within),
            roots=tuple(breadth.roots),
            whole=tuple(each for each in OWN if inside(rule.path, each)),
            escalates=tuple(escalations(rule.path, rule.capabilities, denials)),
            entry=row.entry,
        )


def escalations(pattern: str, granted: Capability, denials: Sequence[str]) -> Iterator[str]:
    """Give where a rule lets its holder take rights that no policy gave, as patterns.

    A rule with a wildcard that changes what decides on others, whoever and whatever they are named;
    and sudo where tokens are made. A denial that goes first and takes all of it back counts.
    """
    if not _grants(granted) or not granted & CHANGES:
        return
    if is_exact(pattern):
        if granted & Capability.SUDO and pattern in TOKEN_MAKING:
            yield pattern
        return
    own, goes = shape(pattern), priority(pattern)
    taken = [shape(each) for each in denials if priority(each) >= goes]
    for each, area in _ADMINISTRATION:
        both = own.meet(area)
        if both is not None and not any(small.covers(both) for small in (*_NO_GAIN, *taken)):
            yield each


def _grants(capabilities: Capability) -> bool:
    return bool(capabilities) and not capabilities & Capability.DENY


def _folders(live: Live) -> list[str]:
    """Return patterns of all that the routes of a mount name, each from where they do."""
    heads = [
        live.row.path + route.path.partition("{")[0]
        for route in live.routes.routes
        if "{" in route.path
    ]
    return [f"{head}*" for head in dict.fromkeys(heads)]
