"""The contract of an auth method.

A method proves who somebody is and says so with a `Proof`; only `strongroom.identity` makes
tokens, so that what every token has in common is written once.

Trust   A method can name any alias of its own mount, and grant the policies its roles list. It
        cannot name an alias of another mount, and never sees a token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from strongroom.sdk.engine import Call, Help, Route

Given = TypeVar("Given")
ZERO = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class TokenRules:
    """How a role's tokens are made: the `token_*` fields that all auth methods share.

    Zero durations mean "the mount's". Vault: the "token parameters" of every auth method.
    """

    token_policies: Annotated[
        tuple[str, ...], Help("Policies of the tokens.", was=("policies",))
    ] = ()
    token_ttl: Annotated[timedelta, Help("Life at issue.", was=("ttl", "lease"))] = ZERO
    token_max_ttl: Annotated[timedelta, Help("Life at most.", was=("max_ttl",))] = ZERO
    token_explicit_max_ttl: Annotated[timedelta, Help("Life at most, never extended.")] = ZERO
    token_period: Annotated[
        timedelta, Help("Renewed for so long, without end.", was=("period",))
    ] = ZERO
    token_num_uses: Annotated[int, Help("Uses; 0 means any number.", least=0)] = 0
    token_bound_cidrs: Annotated[
        tuple[str, ...], Help("Networks the tokens work from.", was=("bound_cidrs",))
    ] = ()
    token_no_default_policy: Annotated[bool, Help("Leave the default policy off.")] = False
    token_type: Annotated[
        str,
        Help(
            "Type of the tokens.",
            choices=("default", "service", "batch", "default-service", "default-batch"),
        ),
    ] = "default"  # noqa: S105 - a kind of token
    token_strictly_bind_ip: Annotated[bool, Help("Bind to the address of the login.")] = False


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Who, as this method knows them, and how that was shown.

    `alias` never changes for one subject (a role id, a user name); it is what an entity's
    alias holds. `shown_by` names what was proven: "password", "secret-id", "certificate".
    `display` is a name for people that holds no secret, or none: a role id is half of a login.
    `role` is the method's own name for the rules that apply, given back at renewal.
    `groups` are the subject's groups as the mount knows them now; external groups with an alias
    of such a name take the entity in, and let it go at the login that no longer names them.
    `factors` are further factors which the method itself saw ("otp", "webauthn"), or which a
    provider vouches for whose word is trusted for that. A `workload` is no person. `set_by` are the
    entities who set what was shown, as far as the method knows: `Call.makers` and `Call.helped_by`
    of then. `entrance` is the role or user that let them in, as `Opens.name` has it, where that is
    not what `role` says.
    """

    alias: str
    shown_by: str
    rules: TokenRules
    display: str = ""
    role: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    alias_metadata: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    workload: bool = False
    set_by: tuple[str, ...] = ()
    entrance: str = ""


@dataclass(frozen=True)
class Login(Generic[Given]):
    """A path that turns a proof into a token; it needs none itself."""

    path: str  # as in `Route.path`: "login", "login/{username}"
    given: type[Given]
    prove: Callable[[Any, Given], Awaitable[Proof]]  # raises DeniedError, at one cost
    subject: Callable[[Given], str]  # what lock-out counts: the name that was tried; "" counts none
    summary: str = "Log in."
    refused: str = "permission denied"  # what every refused login is told, whatever the reason
    # Says whether there is such a subject. Needed where the path holds its name: a name of nobody,
    # which may be a mistyped password, is written down as a digest.
    knows: Callable[[Any, Given], Awaitable[bool]] | None = None
    by_reading: bool = False  # also a GET gets in: where a browser is sent back to (OIDC)


class AuthMethod(Protocol):
    """An auth method. It holds no state of its own."""

    kind: ClassVar[str]

    def routes(self) -> Sequence[Route]:
        """Return the paths of its configuration; not the login."""
        ...

    def login(self) -> Login[Any]:
        """Return the way in."""
        ...

    async def still_holds(self, call: Call, role: str, alias: str) -> TokenRules:
        """Return the rules now in force, at renewal; DeniedError if the subject is gone."""
        ...


@runtime_checkable
class SeveralWays(Protocol):
    """For methods with more than one way in."""

    def other_logins(self) -> Sequence[Login[Any]]:
        """Return the ways in beside `login()`."""
        ...


@runtime_checkable
class Regrouping(Protocol):
    """For methods that know at a renewal too which groups a subject is in."""

    async def groups_now(self, call: Call, role: str, alias: str) -> tuple[str, ...]:
        """Return what `Proof.groups` would hold now; DeniedError if the subject is gone."""
        ...


@runtime_checkable
class Marking(Protocol):
    """For methods that keep what a login was judged by: the hash of a password, a role's terms.

    A login that waits for a second factor gives no token once the mark of its subject is another.
    """

    async def mark(self, call: Call, role: str, alias: str) -> str:
        """Return a digest that changes with any of it; DeniedError if the subject is gone."""
        ...


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Somebody who could log in: the method's name for them, their alias, their tokens' rules."""

    name: str
    alias: str
    rules: TokenRules


@runtime_checkable
class Enumerable(Protocol):
    """For methods that know beforehand who could log in; access reviews ask them."""

    async def subjects(self, call: Call, after: str, limit: int) -> list[Subject]:
        """Return at most `limit` subjects after a name, in byte order of names."""
        ...


@runtime_checkable
class Forgetting(Protocol):
    """For methods that keep what somebody logs in with: a password, secret ids."""

    async def forget(self, call: Call, alias: str) -> int:
        """Remove what lets this subject in; return how many things that were. Twice is once.

        What `Opens` names of it goes to `Call.dropped`.
        """
        ...

    async def remembers(self, call: Call, alias: str) -> int:
        """Return how many things are there that would let this subject in."""
        ...


@runtime_checkable
class ForgettingMade(Protocol):
    """For methods where somebody makes what others log in with, and knows it: secret ids.

    What is made has to be kept with `Call.makers`.
    """

    async def forget_made(self, call: Call, maker: str) -> int:
        """Remove what an entity made; return how many things that were. Twice is once."""
        ...

    async def remembers_made(self, call: Call, maker: str) -> int:
        """Return how many things that it made are there."""
        ...


@runtime_checkable
class SetByOthers(Protocol):
    """For methods where others set what somebody logs in with: a password."""

    async def set_by(self, call: Call, name: str) -> tuple[str, ...]:
        """Return who set it; nobody where there is no such subject."""
        ...


@runtime_checkable
class HandingOn(Protocol):
    """For methods whose replies hold what others log in with, and may be wrapped: secret ids."""

    async def handed(self, call: Call, path: str, data: Mapping[str, object]) -> None:
        """Keep that `Call.makers` have opened what the reply to a request at a path held."""
        ...
