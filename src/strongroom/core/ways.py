"""Ways that requests have gone before: routed and authorized once, and taken again.

A way holds for the very session, mounts and guardrails that it was found with: the same objects,
since `Views` builds new ones when anything that they stand for changes. So there is nothing to
forget here when a policy, a token or a mount changes, and the commit fences a request that took a
known way like any other.

Only what depends on nothing but the operation and the path is kept: no use-limited or address-bound
token, no rule that asks something of parameters or has a page, no query, no wrapping, and no write
that policy judges by what is stored already or a guardrail by what is in its body. A read is known
as it was decoded; a write's body is decoded each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strongroom.core.attempt import Attempt
from strongroom.core.fields import Decoded
from strongroom.core.request import Incoming
from strongroom.core.router import Match, Operation
from strongroom.core.views import Live, Views
from strongroom.identity.sessions import Session

REMEMBERED = 8192


@dataclass(frozen=True, slots=True)
class Way:
    """What was found out about a request, and what it was found with."""

    session: Session
    state: tuple[object, object]  # mounts and guardrails
    live: Live
    match: Match
    operation: str  # as the entry names it
    rules: tuple[str, ...]
    decoded: Decoded[Any] | None  # None: there is a body, which is not the same each time


class Ways:
    """Ways by session, operation and path; all are forgotten when there are too many."""

    def __init__(self, views: Views) -> None:
        self._views = views
        # A way keeps its session, and so its id.
        self._known: dict[tuple[int, Operation, str], Way] = {}

    def find(self, attempt: Attempt) -> Way | None:
        """Return the way of a request, and fill in what it says; None if it has to be found."""
        incoming = attempt.incoming
        if not plain(incoming):
            return None
        session = self._views.known(incoming.token, attempt.now)
        if session is None:
            return None
        way = self._known.get((id(session), incoming.operation, incoming.path))
        if way is None:
            return None
        mounts, guardrails = way.state
        if not self._views.are_current(mounts, guardrails):
            return None
        attempt.live, attempt.match, attempt.rules = way.live, way.match, way.rules
        attempt.code, attempt.operation = way.match.bound.event, way.operation
        attempt.session, attempt.actor = session, session.actor
        attempt.known = attempt.clear_path = True
        return way

    def remember(self, attempt: Attempt, decoded: Decoded[Any]) -> None:
        """Keep the way that a request went which was allowed."""
        incoming, session = attempt.incoming, attempt.session
        if session is None or session.limited or session.networks or not plain(incoming):
            return
        if session.sign_in is not None or session.steps_up_at(incoming.path):
            return
        if not attempt.unconditional:
            return
        reads = incoming.operation is Operation.READ
        if reads and decoded.warnings():
            return
        if self._views.known(incoming.token, attempt.now) is not session:
            return
        live, match = attempt.serving
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[id(session), incoming.operation, incoming.path] = Way(
            session=session,
            state=self._views.current(),
            live=live,
            match=match,
            operation=attempt.operation,
            rules=attempt.rules,
            decoded=decoded if reads else None,
        )


def plain(incoming: Incoming) -> bool:
    """Say whether a request says nothing but its path, its token and, where it writes, a body."""
    return (
        (
            incoming.operation is Operation.WRITE
            or (incoming.operation is Operation.READ and incoming.body is None)
        )
        and incoming.problem is None
        and incoming.query is None
        and incoming.wrap_ttl is None
        and incoming.actor is None
    )
