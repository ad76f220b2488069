"""`strongroom session`: where one is signed in, and ending it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from strongroom.base.secret import Secret
from strongroom.cli.commands import command, group, in_session
from strongroom.cli.errors import CommandError
from strongroom.cli.render import when
from strongroom.cli.session import Session

session_group = group("session", "Sessions: where you are signed in.")
_AREA = "strongroom/sessions"


def open_as_session(session: Session, token: Secret) -> int | None:
    """Open a token as a session of the command line; return how many seconds it has at most.

    Another server than ours has none.
    """
    client = session.client_with(token)
    try:
        given = {"surface": "cli", "agent": "strongroom"}
        reply = client.send("POST", _AREA, given, wrapped=False)
        opened = (reply.data or {})["data"]
        begun, ends = (datetime.fromisoformat(opened[each]) for each in ("seen_time", "end_time"))
    except (CommandError, KeyError, TypeError, ValueError):
        return None  # another server, or a token that no session can be opened with
    return int((ends - begun).total_seconds())


@command("list")
@in_session
def list_all(session: Session) -> None:
    """List your sessions."""
    reply = session.client.send("LIST", _AREA, accepted=frozenset({404}), wrapped=False)
    info: dict[str, Any] = ((reply.data or {}).get("data") or {}).get("key_info") or {}
    rows = [
        (
            each.get("surface"),
            when(each.get("opened_time")),
            when(each.get("seen_time")),
            each.get("address"),
            "this one" if each.get("current") else "",
            id_,
        )
        for id_, each in info.items()
    ]
    columns = ("where", "since", "last used", "from", "", "id")
    session.answer(info, lambda: session.output.table(columns, rows, empty="no sessions"))


@command("end")
@click.argument("id_", metavar="ID")
@in_session
def end(session: Session, id_: str) -> None:
    """End one of your sessions, with its token."""
    session.client.delete(f"{_AREA}/id/{id_}")
    session.output.done("ended")


for _each in (list_all, end):
    session_group.add_command(_each)
