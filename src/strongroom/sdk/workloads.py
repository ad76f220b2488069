"""What auth methods of workloads do alike: short tokens, and what they remember of who got in.

Units   A token lives 15 minutes where neither role nor mount says otherwise, and a day at most,
        renewals included; a periodic one is renewed for a day at most each time. The one exception
        is a mount's own `max_lease_ttl`: where that was set, it stands in the day's place. Each
        setting of it is an entry, and T10 still names what lives longer than a day.
Trust   Such a method knows its subjects only as they come, so whoever may write its roles can
        become any of those who have come: `known_aliases` is what guardrails ask for.
Limits  Of a mount's aliases the first `MOST_KNOWN` are given.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from strongroom.sdk.auth import ZERO, TokenRules
from strongroom.sdk.engine import Call, Mounted

SHORT: Final = timedelta(minutes=15)
LONGEST: Final = timedelta(hours=24)
MOST_KNOWN: Final = 1_000
LONGEST_ALIAS: Final = 512  # characters, as of the name of an alias that is written
_KNOWN: Final = "known/"


def longest_life(mount: Mounted) -> timedelta:
    """Return how long a workload's token may live there."""
    return mount.own_max_ttl or LONGEST


def short_lived(rules: TokenRules, mount: Mounted) -> TokenRules:
    """Return the rules with lives that a workload's token may have."""
    most = longest_life(mount)
    longest = min(rules.token_max_ttl or most, most)
    return replace(
        rules,
        token_ttl=min(rules.token_ttl or mount.own_ttl or SHORT, longest),
        token_max_ttl=longest,
        token_period=min(rules.token_period, most),
    )


def warn_of_long_life(rules: TokenRules, mount: Mounted, warnings: list[str]) -> None:
    """Say so where a role asks for more than its tokens get."""
    most = longest_life(mount)
    asked = (rules.token_ttl, rules.token_max_ttl, rules.token_explicit_max_ttl, rules.token_period)
    if max(asked) > most:
        said = f"{most / timedelta(hours=1):g}h"
        warnings.append(
            f"tokens of workloads live at most {said} here, the mount's own max_lease_ttl or a"
            " day; longer lives are capped"
        )


def ending(rules: TokenRules, left: timedelta) -> TokenRules:
    """Return the rules for tokens that end, renewals included, before what was proven does."""
    whole = max(timedelta(seconds=int(left.total_seconds())), timedelta(seconds=1))
    own = rules.token_explicit_max_ttl
    return replace(rules, token_explicit_max_ttl=min(own, whole) if own > ZERO else whole)


async def remember(call: Call, alias: str) -> None:
    """Note that this alias has got in, once."""
    if await call.store.find(_KNOWN + alias, bool) is None:
        await call.store.put(_KNOWN + alias, value=True)


async def known_aliases(call: Call, _given: object) -> tuple[str, ...]:
    """Return who has got in so far; what `Route.subjects` of roles and settings gives."""
    return tuple(await call.store.keys(_KNOWN, limit=MOST_KNOWN))
