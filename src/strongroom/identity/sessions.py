"""Who is behind a token, with all that authorization needs, ready to be asked many times.

Trust  A session is cached knowledge of one generation: the commit fences it. Nothing here
       decides alone that a request may leave.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from strongroom.audit.entry import Actor, Kind
from strongroom.identity.makers import BY_NOBODY, Made
from strongroom.identity.policy.acl import Acl
from strongroom.identity.policy.template import Identity
from strongroom.identity.records import Entity, Token
from strongroom.identity.sign_ins import API, SignIn
from strongroom.sdk.administration import administers

Network = IPv4Network | IPv6Network
KINDS = {
    "auth/userpass": Kind.USER,
    "auth/ldap": Kind.USER,
    "auth/approle": Kind.SERVICE,
}


@dataclass(slots=True, kw_only=True)
class Session:
    """A live token with its entity and compiled policies."""

    token: Token
    ends_at: datetime | None  # with the first of token, those that it descends from, and entity
    entity: Entity | None
    policies: tuple[str, ...]  # of the token, its entity and the groups of that, sorted
    identity_policies: tuple[str, ...]  # of the entity and its groups
    acl: Acl
    identity: Identity | None
    environments: frozenset[str]  # to which it is bound; usually none or one
    networks: tuple[Network, ...]
    actor: Actor
    about: frozenset[str]  # the topics whose change concerns it, beside those for everybody
    sign_in: SignIn | None = None
    person: bool = False
    workload: bool = False  # it is a registered workload's, by its own login
    registered: bool = False  # as a workload, or made by such ones alone
    made: Made = BY_NOBODY  # by whom, where no login gave it
    makers: tuple[str, ...] = ()  # of what is made with it
    helped_by: tuple[str, ...] = ()  # who else could be behind it: `identity.behind`
    recorded_at: datetime | None = None  # when the use of the sign-in was last written down
    refused: str = ""  # why its policies grant nothing: one of them was changed in the database
    outgrown: str = ""  # the rule that asks for more than its login has shown, if one does
    guarded: dict[str, str | None] = field(default_factory=dict)

    @property
    def knowing(self) -> tuple[str, ...]:
        """Whoever knows what is made with it: its makers, and who could have logged in so too."""
        return tuple(dict.fromkeys((*self.makers, *self.made.let_in_by)))

    @property
    def limited(self) -> bool:
        """Whether each request uses the token up a bit."""
        return self.token.uses > 0

    def live(self, now: datetime) -> bool:
        """Whether the token still stands at this time, and the limits of its sign-in."""
        if self.sign_in is not None and self.sign_in.over(now):
            return False
        return self.ends_at is None or now < self.ends_at

    @property
    def turn(self) -> str:
        """What a cookie of it must hold; nothing where none is asked for."""
        return self.sign_in.turn if self.sign_in is not None else ""

    @property
    def steps_up(self) -> bool:
        """Whether it is of somebody who can be asked for a fresh factor, or was made by one.

        So is one of nobody who is registered, that came in by what such a person made.
        """
        opened = self.sign_in is not None and self.sign_in.surface != API
        by_person = self.made.person or (self.made.by_person and not self.registered)
        return by_person or (bool(self.token.entity) and (self.person or opened))

    def steps_up_at(self, path: str) -> bool:
        """Whether it is asked for one at a path.

        A registered workload that came by a secret id, or a role, of a person is where others are
        administered: that person would be asked there, and it has none to show.
        """
        return self.steps_up or (self.made.by_person and administers(path))

    def fresh(self, now: datetime, latest: datetime) -> bool:
        """Whether what was compiled still holds (a rule may have an end).

        What was granted is over once it was, though the clock went back since: `latest` is the
        latest moment that anybody asked at.
        """
        until = self.acl.good_until
        if until is None:
            return True
        since = self.acl.good_from
        return now < until and (since is None or (since <= now and latest < until))

    def from_here(self, address: str) -> bool:
        """Whether the token may be used from this address, and the session that it is of."""
        home = self.sign_in.network if self.sign_in is not None else None
        return _within(self.networks, address) and (not home or _within(_home(home), address))


def _within(allowed: tuple[Network, ...], address: str) -> bool:
    if not allowed:
        return True
    try:
        source = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(source, "ipv4_mapped", None)
    return any((mapped or source) in network for network in allowed)


@lru_cache(maxsize=4096)
def _home(network: str) -> tuple[Network, ...]:
    return (ip_network(network),)


def networks(cidrs: tuple[str, ...]) -> tuple[Network, ...]:
    """Return the networks that a token is bound to."""
    return tuple(ip_network(cidr, strict=False) for cidr in cidrs)


def about(token: Token, made: Made = BY_NOBODY) -> frozenset[str]:
    """Return the topics that concern a token: itself, or a batch token's parent, and its entities.

    Those are its own and those that it stems from.
    """
    own = token.lookup or token.parent
    stems_from = (*(token.makers or ()), *(token.let_in_by or ()))
    entities = (token.entity, *stems_from, *made.makers, *made.let_in_by)
    topics = {f"entity:{each}" for each in entities if each}
    return frozenset(topics | ({f"token:{own.hex()}"} if own else set()))


def actor_of(
    token: Token,
    environments: frozenset[str],
    policies: tuple[str, ...],
    registered: Kind | None = None,
    makers: tuple[str, ...] = (),
) -> Actor:
    """Return who the log says it was: the entity, or else the token's display name.

    Of who is not `registered` as something, the way in says what it may be.
    """
    issuer = token.path
    guessed = next((k for prefix, k in KINDS.items() if issuer.startswith(prefix)), Kind.UNKNOWN)
    kind = guessed if registered is None else registered
    if "root" in policies:
        kind = Kind.ADMIN
    return Actor(
        id=token.entity or ("root" if kind is Kind.ADMIN else f"token:{token.accessor}"),
        kind=kind,
        token=token.accessor,
        issuer=issuer,
        policies=policies,
        environment=",".join(sorted(environments)),
        makers=tuple(each for each in makers if each != token.entity),
        let_in_by=tuple(each for each in token.let_in_by or () if each != token.entity),
    )
