"""Tells of alerts: follows the log for entries that somebody should look at.

Order   A durable cursor, as of any sink: a crash tells of an alert twice, and never not at all. A
        server that never told of any begins with what comes next.
Trust   A notice names the entry, what it is of and who did it; the rest is in the log. What goes
        wrong with notices themselves is told by none, or a failing one would call for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from strongroom.audit.decoding import decoded
from strongroom.audit.follower import Follower
from strongroom.core.governance.telling import Told, tell
from strongroom.core.server import Server
from strongroom.identity.governance.notices import ALERT
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.sink import Entry
from strongroom.storage.records import CURSORS

if TYPE_CHECKING:
    from strongroom.core.attempt import Attempt

NAME: Final = "notices"
MARK: Final = b'"alert":'
OWN: Final = "notice."
MOST_NAMED: Final = 10


class Alerts:
    """A sink that makes a notice of what is an alert."""

    kind: ClassVar[str] = "notices"

    def __init__(self, server: Server) -> None:
        self._server = server

    async def deliver(self, _origin: str, entries: Sequence[Entry]) -> None:
        """Tell of the alerts among some entries, of all of them in one notice."""
        found = [decoded(e.index, e.leaf) for e in entries if MARK in e.leaf]
        alerts = [e for e in found if "alert" in e.own and not e.code.startswith(OWN)]
        if not alerts:
            return
        server, told = self._server, _told(alerts)

        async def work(attempt: Attempt) -> bool:
            notice = tell(attempt.transaction, told, (), entropy=server.entropy, now=attempt.now)
            attempt.details = {"notice": notice.id, "of_entries": [e.index for e in alerts]}
            return True

        await server.pipeline.act("notice.alert", "strongroom/notices", work)


def _told(alerts: Sequence[LogEntry]) -> Told:
    count, first = len(alerts), alerts[0]
    title = f"Alert: {first.own['alert']}" if count == 1 else f"{count} alerts"
    lines = [
        f"entry {e.index}: {e.own['alert']}, {e.code} at {e.path or 'no path'} by {e.actor}\n"
        for e in alerts[:MOST_NAMED]
    ]
    more = f"and {count - MOST_NAMED} more\n" if count > MOST_NAMED else ""
    return Told(
        topic=ALERT,
        about=f"entry {first.index}",
        title=title,
        text="".join(lines) + more,
        place=f"entries/{first.index}",
    )


class AlertFollower(Follower):
    """Follows from the next entry on, where it never followed before."""

    def __init__(self, server: Server) -> None:
        super().__init__(NAME, Alerts(server), server.log, server.database)
        self._server = server

    async def open(self) -> None:
        """Read the cursor, or begin here."""
        if await self._server.database.rows(CURSORS.select_one, (self.name,)):
            await super().open()
        else:
            self.next = self._server.log.size
            await self._keep(self.next)
