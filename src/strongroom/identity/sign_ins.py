"""Sessions of people: what a token was signed in with, when it was last used, and its limits.

A person's login leaves a row beside its token: which factors were shown, and when. Of a registered
person, or once opened as a session (`console`, `cli`), a token also ends when nobody has used it
for a while, and at the latest after a working day, whatever its own time; and it is used from where
it was signed in, as far as `Limits.bound` says.

Units   `idle` zero: no limit but the token's. `seen_at` is written at most once a minute.
Trust   Guarded: who can write to the database can delete a row, which ends what its token may do
        where a fresh factor is asked for, or bring back an older one, which is less fresh. A crash
        forgets up to a minute of use: a session may end a minute early, never late.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Final

import msgspec

from strongroom.base.errors import InputError
from strongroom.identity.records import NONE, TOKENS, Token
from strongroom.storage.records import SETTINGS, Setting
from strongroom.storage.register import Register, micros
from strongroom.storage.transaction import Transaction

SETTING: Final = "sessions"
API, CONSOLE, CLI = "api", "console", "cli"
WRITTEN_AFTER = timedelta(minutes=1)
SHORTEST = timedelta(minutes=3)  # idle: a session may end a minute early (see Limits)
SLACK = timedelta(minutes=1)  # clocks of several nodes
LONGEST_AGENT = 200
ANYBODY: Final = "*"  # in `SignIn.helped_by`: more could have signed in so than are kept
ADDRESS, NETWORK, ANYWHERE = "address", "network", "off"
PREFIXES: Final = {ADDRESS: (32, 64), NETWORK: (24, 48)}  # IPv4 and IPv6: a host has a /64


@dataclass(frozen=True, slots=True)
class SignIn:
    """See the module. `lookup` is the token's.

    `helped_by` are the entities who could have signed in so themselves: they set the password, or
    wrote the alias, or configured the mount. `enrolled_at` says since when the factor that was
    shown is there, and `enrolled_by` who else could have enrolled it.
    """

    lookup: bytes
    id: str
    entity: str
    surface: str
    factors: tuple[str, ...]
    factor_at: datetime | None
    opened_at: datetime
    seen_at: datetime
    idle: timedelta
    ends_at: datetime | None
    until: datetime | None  # when it is over if it is not used again
    address: str
    agent: str
    helped_by: tuple[str, ...] | None = None
    enrolled_at: datetime | None = None
    network: str | None = None  # from which it may be used; nothing: any
    shown: tuple[str, ...] | None = None  # kinds, at the login and ever since
    enrolled_by: tuple[str, ...] | None = None
    entry: int | None = None

    @property
    def turn(self) -> str:
        """What is another once a factor was shown: a cookie of before is no good then."""
        return "" if self.factor_at is None else str(micros(self.factor_at))

    def used(self, at: datetime) -> SignIn:
        """Return it as used at this time."""
        ends = (at + self.idle if self.idle > NONE else None, self.ends_at)
        return replace(self, seen_at=at, until=min(filter(None, ends), default=None))

    def over(self, now: datetime) -> bool:
        """Say whether its limits have come, or the clock was set back before its last use."""
        return self.until is not None and (now >= self.until or now < self.seen_at - SLACK)

    def fresh(self, now: datetime, within: timedelta) -> bool:
        """Say whether a factor was shown within so long. A clock set back makes nothing fresh."""
        return self.factor_at is not None and timedelta(0) <= now - self.factor_at <= within


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a session may be idle, how long it lives at most, and from where it is used."""

    idle: timedelta = timedelta(minutes=15)
    longest: timedelta = timedelta(hours=12)
    bound: str = ADDRESS

    def closer(self, other: Limits) -> bool:
        """Say whether the others let a session be used from more addresses."""
        order = (ADDRESS, NETWORK, ANYWHERE)
        return order.index(self.bound) < order.index(other.bound)

    def checked(self) -> Limits:
        """Return them, or raise InputError for limits that limit nothing, or everything."""
        if not SHORTEST <= self.idle <= timedelta(hours=8):
            raise InputError("idle", "from 3 minutes to 8 hours")
        if not self.idle <= self.longest <= timedelta(hours=24):
            raise InputError("longest", "from `idle` to 24 hours")
        if self.bound not in (ADDRESS, NETWORK, ANYWHERE):
            raise InputError("bound", f"{ADDRESS}, {NETWORK} or {ANYWHERE}")
        return self


def helped_by(sign_in: SignIn | None) -> tuple[str, ...]:
    """Return who could have signed in so themselves, alone.

    Where a factor of ours was shown as well, that is who could have enrolled it, too; the word of a
    provider is that of whoever configured it.
    """
    if sign_in is None:
        return ()
    first = sign_in.helped_by or ()
    if sign_in.enrolled_at is None:
        return first
    return tuple(each for each in first if each in (sign_in.enrolled_by or ()))


SIGN_INS = Register(
    "sign_in",
    SignIn,
    key=("lookup",),
    indexes=(("id",), ("entity",), ("until",)),
    guarded=True,
)


def network_of(address: str, bound: str) -> str:
    """Return the network that a session from this address is bound to; nothing for anywhere."""
    if bound not in PREFIXES:
        return ""
    try:
        found = ip_address(address)
    except ValueError:
        return ""  # no address: a call within the process
    found = getattr(found, "ipv4_mapped", None) or found
    prefix = PREFIXES[bound][found.version == 6]
    return str(ip_network((found, prefix), strict=False))


async def limits(tx: Transaction) -> Limits:
    """Return the limits of sessions that are opened now."""
    row = await tx.get(SETTINGS, SETTING)
    return Limits() if row is None else msgspec.json.decode(row.value, type=Limits)


def put_limits(tx: Transaction, chosen: Limits) -> None:
    """Write the limits; sessions that are open keep theirs."""
    tx.put(SETTINGS, Setting(SETTING, msgspec.json.encode(chosen)))


async def sign_in_of(tx: Transaction, token: Token) -> SignIn | None:
    """Return what is known of a token's sign-in. Batch tokens have none."""
    if not token.lookup:
        return None
    return await tx.get(SIGN_INS, token.lookup)


async def login_behind(tx: Transaction, token: Token) -> Token | None:
    """Return the token that a login gave to an entity, and that this one descends from.

    It is the token itself where a login gave it; None for what was made in another way.
    """
    entity = token.entity
    while token.parent:
        above = await tx.get(TOKENS, token.parent)
        if above is None:
            return None
        token = above
    made = token.makers is not None or token.entity != entity or not entity
    return None if made else token


async def shown_by(tx: Transaction, token: Token) -> frozenset[str]:
    """Return the kinds of factors that were ever shown with a token, or at the login behind it."""
    found: set[str] = set()
    for each in (token, await login_behind(tx, token)):
        known = None if each is None else await sign_in_of(tx, each)
        if known is not None:
            found |= {*(known.shown or ()), *known.factors}
    return frozenset(found)


async def over(tx: Transaction, now: datetime, limit: int) -> list[SignIn]:
    """Return sessions whose limits have come, the longest over first."""
    rows = await tx.reader.rows(
        f"{SIGN_INS.select} WHERE until <= ? ORDER BY until LIMIT ?", (micros(now), limit)
    )
    found = [SIGN_INS.examine(row, tx.barrier) for row in rows]
    return [each for each in found if isinstance(each, SignIn)]
