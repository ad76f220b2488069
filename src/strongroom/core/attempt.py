"""One try at a request: what is known of it so far, and what it wants committed and answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from strongroom.audit.entry import ANONYMOUS, Actor
from strongroom.core.request import Incoming, Instead
from strongroom.core.router import Match
from strongroom.core.views import Live
from strongroom.identity.policy.control_group import ControlGroup
from strongroom.identity.policy.listing import KeysFilter
from strongroom.identity.sessions import Session
from strongroom.sdk.engine import Touched
from strongroom.storage.transaction import Transaction


@dataclass(slots=True)
class Attempt:
    """See the module. The pipeline fills it in from top to bottom."""

    incoming: Incoming
    transaction: Transaction
    generation: int
    now: datetime
    # what was found
    code: str = "request.unrouted"
    operation: str = ""
    live: Live | None = None
    match: Match | None = None
    # who asks, and why that is allowed or not
    session: Session | None = None
    actor: Actor = ANONYMOUS
    known: bool = False  # somebody is behind the request
    clear_path: bool = False  # the path holds nothing that was typed at a login but a known name
    rules: tuple[str, ...] = ()
    unconditional: bool = False  # allowed, whatever else was said, and whatever is stored
    granted_until: datetime | None = None  # when what served it ends, where that is a grant alone
    guardrail: str = ""
    keys_filter: KeysFilter | None = None
    # what came of it
    status: int = 200
    body: bytes | None = None
    content_type: str = "application/json"
    reason: str = ""
    retry_after: int | None = None
    tried_login: bool = False  # a way in was served, and judged what it was given
    noise: str = ""  # what else than code, reason and network makes two of these the same noise
    touched: Touched | None = None
    details: dict[str, object] = field(default_factory=dict)
    about: dict[str, object] = field(default_factory=dict)  # what the gate adds to the details
    then: list[Callable[[], Awaitable[None]]] = field(default_factory=list)  # once it was served
    instead: Instead | None = None
    held: ControlGroup | None = None  # who must say yes before it is served
    committed: list[Callable[[], None]] = field(default_factory=list)
    leaf: bytes = b""
    digest: bytes = b""

    @property
    def is_open(self) -> bool:
        """Whether the path asks nobody for a token."""
        bound = self.match.bound if self.match else None
        return bound is not None and (bound.route.open or bound.login is not None)

    @property
    def serving(self) -> tuple[Live, Match]:
        """The mount and the route that serve; only once both were found."""
        if self.live is None or self.match is None:
            raise LookupError("nothing was routed")
        return self.live, self.match
