"""What every page says: whether somebody has broken the glass, and what the visitor has not read.

Trust  That a case is open is told to everybody who is signed in, whatever their policies: not
       whose it is, nor of what. It is read as it stands, and is no entry of the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strongroom.base.errors import StrongroomError
from strongroom.core.server import Server
from strongroom.identity.governance.break_glass import CASES, OPEN, state_of
from strongroom.storage.barrier import TamperedError
from strongroom.storage.transaction import Transaction

UNREAD: Final = "SELECT count(*) FROM notice_inbox WHERE entity = ? AND read_at IS NULL"


@dataclass(frozen=True, kw_only=True)
class News:
    """How many cases and drills are open, and how many notices are unread."""

    cases: int = 0
    drills: int = 0
    unread: int = 0


NOTHING = News()


async def news_for(server: Server, token: str) -> News:
    """Return it, for whoever has a token that lives; nothing for anybody else."""
    if not token or server.barrier.sealed:
        return NOTHING
    tx, now = Transaction(server.database, server.barrier), server.clock.now()
    try:
        session = await server.views.session(tx, token, now)
        if session is None:
            return NOTHING
        rows, _ = await tx.examine(CASES, reviewed_at=None)
        open_ = [row for row in rows if state_of(row, now) == OPEN]
        drills = sum(row.drill for row in open_)
        unread = 0
        if session.entity is not None and not session.made.foreign:
            [[unread]] = await tx.reader.rows(UNREAD, (session.entity.id,))
    except (StrongroomError, TamperedError):
        return NOTHING  # the page itself says what is wrong
    return News(cases=len(open_) - drills, drills=drills, unread=int(unread))
