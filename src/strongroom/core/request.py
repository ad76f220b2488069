"""A request as the pipeline sees it, whichever surface it came by, and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from time import perf_counter

from strongroom.audit.entry import Actor
from strongroom.base.errors import DeniedError
from strongroom.core.router import Operation
from strongroom.identity.sessions import Session
from strongroom.sdk.engine import Call
from strongroom.storage.transaction import Transaction


@dataclass(slots=True, kw_only=True)
class Incoming:
    """One request, decoded as far as every request is. `path` has no `v1/` and no leading slash."""

    id: str
    operation: Operation
    path: str
    method: str = ""
    token: str = ""
    query: Mapping[str, list[str]] | None = None
    body: bytes | None = None
    wrap_ttl: timedelta | None = None
    merge_patch: bool = False  # the body came as application/merge-patch+json
    address: str = ""
    port: int = 0
    certificates: tuple[bytes, ...] = ()  # the client's over TLS, its own first, DER; unverified
    mfa: tuple[str, ...] = ()  # factors that were sent along with a login: `X-Vault-MFA`
    turn: str | None = None  # of the console's cookie: `SignIn.turn` when it was given
    actor: Actor | None = None  # set for the server's own work, which needs no token
    problem: Exception | None = None  # found while decoding; answered after it is written down
    chosen: tuple[str, int] | None = None  # the change, and its write, that this request performs
    released: bool = False  # others have said yes to it, as its control group asks
    asked_as: Incoming | None = None  # what came, where this is served in its place
    # Counts an address that asks with nobody behind it: seconds that it must wait, or 0.
    bound: Callable[[str], int] | None = None
    began: float = field(default_factory=perf_counter, compare=False)  # when it arrived, in seconds

    def __repr__(self) -> str:
        return f"<Incoming {self.operation} {self.path}>"


@dataclass(slots=True)
class Answer:
    """What goes back. `body` None means an empty one."""

    status: int
    body: bytes | None = None
    receipt: str = ""
    retry_after: int | None = None
    index: int = -1
    content_type: str = "application/json"


async def _nobody() -> None:
    raise DeniedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """A request that is served in place of the one that came: in its transaction, as its entry.

    It is routed and judged like any other, for `session`, or else for whoever asks. `about` goes
    into the entry, and `then` is done in the transaction once it has been served.
    """

    incoming: Incoming
    session: Session | None = None
    about: Mapping[str, object] = field(default_factory=dict)
    then: Callable[[], Awaitable[None]] | None = None


@dataclass(slots=True, kw_only=True)
class SystemCall(Call):
    """What a handler of the core gets beyond what an engine gets.

    `authorize` asks policy and guardrails as for a path that is not open, and counts a use of a
    limited token; DeniedError if there is no session. For open paths that ask after all. A handler
    that sets `instead` has written nothing, and what it returns is not sent.
    """

    transaction: Transaction
    request: Incoming
    session: Session | None
    actor: Actor
    authorize: Callable[[], Awaitable[None]] = _nobody
    instead: Instead | None = None
    details: dict[str, object] = field(default_factory=dict)  # go into the entry
    committed: list[Callable[[], None]] = field(default_factory=list)  # run after the commit

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do something in memory once it is certain; not at all if the request fails."""
        self.committed.append(act)
