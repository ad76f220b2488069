"""An entry of the log, as the proof behind a fact: what it says, and that the log holds it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from strongroom.base.errors import InputError
from strongroom.console.visit import Page, Shown, Visit


def pages() -> tuple[Page, ...]:
    """Return them."""
    return (Page(path="/entries/{index}", get=entry),)


async def entry(visit: Visit) -> Shown:
    """Show one entry and its proof of inclusion."""
    index = visit.fields["index"]
    if not index.isdecimal() or len(index) > 18:
        raise InputError("index", "must be a number")
    told = await visit.asker.read(f"strongroom/log/proof/{int(index)}")
    return Shown(
        template="entry.html",
        data={
            "index": told.data["index"],
            "leaf_hash": told.data["leaf_hash"],
            "proof": told.data["proof"],
            "event": told.data["event"],
            "at": datetime.fromtimestamp(told.data["event"]["time"] / 1000, UTC),
            "written": json.dumps(told.data["event"], indent=2, ensure_ascii=False),
        },
    )
