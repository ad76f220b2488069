"""Ways that reads have gone before: routed, authorized and decoded once, and taken again.

A way holds for the very session, mounts and guardrails that it was found with: the same objects,
since `Views` builds new ones when anything that they stand for changes. So there is nothing to
forget here when a policy, a token or a mount changes, and the commit fences a request that took a
known way like any other.

Only what depends on nothing but the path is kept: no use-limited or address-bound token, no rule
that asks something of parameters or has a page, no query, no body, no wrapping.
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
    """What was found out about a read, and what it was found with."""

    session: Session
    state: tuple[object, object]  # mounts and guardrails
    live: Live
    match: Match
    rules: tuple[str, ...]
    decoded: Decoded[Any]


class Ways:
    """Ways by session and path; all are forgotten when there are too many."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._known: dict[tuple[int, str], Way] = {}  # a way keeps its session, and so its id

    def find(self, attempt: Attempt) -> Way | None:
        """Return the way of a read, and fill in what it says; None if it has to be found."""
        incoming = attempt.incoming
        if not plain(incoming):
            return None
        session = self._views.known(incoming.token, attempt.now)
        if session is None:
            return None
        way = self._known.get((id(session), incoming.path))
        if way is None:
            return None
        mounts, guardrails = way.state
        if not self._views.are_current(mounts, guardrails):
            return None
        attempt.live, attempt.match, attempt.rules = way.live, way.match, way.rules
        attempt.code, attempt.operation = way.match.bound.event, incoming.operation.value
        attempt.session, attempt.actor = session, session.actor
        attempt.known = attempt.clear_path = True
        return way

    def remember(self, attempt: Attempt, decoded: Decoded[Any]) -> None:
        """Keep the way that a request went which was allowed."""
        incoming, session = attempt.incoming, attempt.session
        if session is None or session.limited or session.networks or not plain(incoming):
            return
        if not attempt.unconditional or decoded.warnings():
            return
        if self._views.known(incoming.token, attempt.now) is not session:
            return
        live, match = attempt.serving
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        state = self._views.current()
        self._known[id(session), incoming.path] = Way(
            session, state, live, match, attempt.rules, decoded
        )


def plain(incoming: Incoming) -> bool:
    """Say whether a request is a read that says nothing but its path and its token."""
    return (
        incoming.operation is Operation.READ
        and incoming.problem is None
        and incoming.query is None
        and incoming.body is None
        and incoming.wrap_ttl is None
        and incoming.actor is None
    )
