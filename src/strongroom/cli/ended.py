"""What ended when somebody left, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strongroom.cli.session import Session


def show_ended(session: Session, entity: str, reply: Mapping[str, Any]) -> None:
    """Show how many things of each kind ended, and how long each took."""
    rows = [
        (name.replace("_", " "), each["count"], each["ms"])
        for name, each in reply["data"]["ended"].items()
        if each["count"]
    ]

    def show() -> None:
        session.output.done(f"all access of {entity} has ended")
        session.output.table(("ended", "count", "ms"), rows, empty="nothing was left")

    session.answer(reply, show)
