"""Grants: what they may be of, and what an active one gives.

A grant is compiled like a policy of its name, `grant/{id}`, so that the rules in an entry name it.
It goes to tokens of its holder's own sign-in alone: not to what is made with them, nor to what
somebody else made in their name.

Trust   Neither root nor sudo, and nothing where others are administered (`sdk.administration`):
        what of a group's policies reaches there is left out, whole patterns at a time. A policy's
        `deny` holds against any grant. What is left of a grant ends at `ends` by the clock.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from typing import Final

from strongroom.identity.governance.records import GRANTS, Grant
from strongroom.identity.policy.capability import BY_NAME, Capability
from strongroom.identity.policy.document import Policy, Rule
from strongroom.identity.policy.pattern import shape
from strongroom.identity.records import Token
from strongroom.sdk.administration import ADMINISTRATION
from strongroom.storage.transaction import Transaction

_logger = logging.getLogger("strongroom")
PREFIX: Final = "grant/"
GRANTABLE: Final = tuple(
    sorted(name for name, flag in BY_NAME.items() if not flag & (Capability.SUDO | Capability.DENY))
)
_ADMINISTRATION: Final = tuple(map(shape, ADMINISTRATION))


def of_own_sign_in(token: Token) -> bool:
    """Say whether a login gave a token to whose it is."""
    return token.makers is None and bool(token.mount) and bool(token.entity)


async def grants_of(tx: Transaction, entity: str) -> list[Grant]:
    """Return somebody's grants; those that are not as they were written give nothing."""
    rows, broken = await tx.examine(GRANTS, entity=entity)
    for each in broken:
        _logger.error("grants: %s", each.problem)
    return rows


async def end_all(tx: Transaction, entity: str, by: str, why: str, now: datetime) -> int:
    """End all grants of somebody that have not ended."""
    found = [row for row in await grants_of(tx, entity) if now < row.over_at]
    for row in found:
        tx.put(GRANTS, replace(row, ended_at=now, ended_by=by, why=why))
    if found:
        tx.changed(f"entity:{entity}")
    return len(found)


def policy_of(grant: Grant) -> Policy:
    """Return what a grant gives on its paths, as a policy."""
    held = Capability.NONE
    for name in grant.capabilities:
        held |= BY_NAME[name] if name in GRANTABLE else Capability.NONE
    rules = tuple(Rule(path=path, capabilities=held) for path in grant.paths)
    return Policy(name=f"{PREFIX}{grant.id}", rules=tuple(filter(is_harmless, rules)))


def lent(grant: Grant, policy: Policy) -> Policy:
    """Return what a grant gives of a policy of one of its groups, under the grant's name."""
    rules = (replace(r, capabilities=r.capabilities & ~Capability.SUDO) for r in policy.rules)
    return replace(policy, name=f"{PREFIX}{grant.id}", rules=tuple(filter(is_harmless, rules)))


def is_harmless(rule: Rule) -> bool:
    """Say whether a rule may stand in a grant: it denies, or it administers nobody."""
    return bool(rule.capabilities & Capability.DENY) or not administers(rule.path)


def administers(pattern: str) -> bool:
    """Say whether a pattern, its templates open, meets a path where others are administered."""
    own = shape(_open(pattern))
    return any(
        each.meet(met) is not None for each in _ADMINISTRATION for met in (own, own.within())
    )


def _open(pattern: str) -> str:
    """Return a pattern that covers what a template could become: cut off where one begins."""
    head, brace, _ = pattern.partition("{{")
    return f"{head}*" if brace else pattern
