"""One's own sessions: which are open, where they are used from, and ending them."""

from __future__ import annotations

from strongroom.console.visit import Moved, Page, Shown, Visit


def pages() -> tuple[Page, ...]:
    """Return them."""
    return (
        Page(path="/sessions", get=mine),
        Page(path="/sessions/{id}/end", post=end),
    )


async def mine(visit: Visit) -> Shown:
    """Show them, the one that is looking first."""
    return await _shown(visit)


async def end(visit: Visit) -> Shown | Moved:
    """End one; ending one's own is signing out."""
    told = await visit.asker.delete(f"strongroom/sessions/id/{visit.fields['id']}")
    return Moved(to="/sessions") if told.ok else await _shown(visit, told.errors, told.status)


async def _shown(visit: Visit, errors: tuple[str, ...] = (), status: int = 200) -> Shown:
    told = await visit.asker.names("strongroom/sessions")
    rows = sorted(
        told.data.get("key_info", {}).values(),
        key=lambda each: (not each["current"], each["opened_time"]),
    )
    return Shown(
        template="sessions.html",
        data={"rows": rows, "errors": errors, "index": told.index},
        status=status,
    )
