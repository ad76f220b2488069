"""`strongroom document`: policies and procedures, proposed, approved and acknowledged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from strongroom.cli.commands import command, field_option, group, in_session
from strongroom.cli.entities import entity_id, given, listed
from strongroom.cli.proposals import decisions
from strongroom.cli.render import Mark, cell, when
from strongroom.cli.replies import show
from strongroom.cli.session import Session

document = group("document", "Policies and procedures: versions, approvals, who knows them.")
_AREA = "strongroom/documents"


@command("list")
@in_session
def list_all(session: Session) -> None:
    """List documents."""
    found = listed(session, _AREA, {})
    rows = [
        (
            cell(Mark.GOOD, f"version {d['in_force']}")
            if d["in_force"]
            else cell(Mark.PART, "none"),
            *(d["name"], d["title"], d["rendered"] or "written", when(d["review_due"])),
        )
        for d in found
    ]
    columns = ("in force", "name", "title", "from", "review due")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no documents"))


@command("read")
@click.argument("name")
@field_option
@in_session
def read(session: Session, name: str, field: str | None) -> None:
    """Show a document: its text in force, and who is still to acknowledge it."""
    show(session, session.client.get(f"{_AREA}/{name}"), field)


@command("write")
@click.argument("name")
@click.option("--title", metavar="TEXT")
@click.option("--kind", metavar="KIND", help="policy or procedure.")
@click.option("--rendered", metavar="SOURCE", help="access-control, key-management, log-retention.")
@click.option("--owner", metavar="ENTITY", help="The active person who answers for it.")
@click.option("--review-every", metavar="TIME", help="A year at most: 8760h.")
@click.option("--acknowledge/--no-acknowledge", default=None, help="People acknowledge it.")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Who; none: everybody.")
@in_session
def write(session: Session, /, *, name: str, **fields: Any) -> None:
    """Make a document, or change what is known of it; its text is proposed."""
    if owner := fields.pop("owner"):
        fields["owner"] = entity_id(session, owner)
    session.client.post(f"{_AREA}/{name}", given(fields))
    session.output.done(f"{name} written")


@command("propose")
@click.argument("name")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--reason", required=True, metavar="TEXT", help="What it changes, and why.")
@field_option
@in_session
def propose(
    session: Session, /, *, name: str, file: Path | None, reason: str, field: str | None
) -> None:
    """Propose a version: FILE, or what the live settings say."""
    text = file.read_text(encoding="utf-8") if file is not None else None
    body = given({"reason": reason, "text": text})
    show(session, session.client.post(f"{_AREA}/{name}/propose", body), field)


@command("diff")
@click.argument("name")
@click.option("--older", metavar="VERSION", help="The one in force, if not said.")
@click.option("--newer", metavar="VERSION", help="The newest, if not said; `live`: the settings.")
@in_session
def diff(session: Session, name: str, older: str | None, newer: str | None) -> int:
    """Show how two versions differ. Exit status 2 if they do."""
    asked = {k: v for k, v in (("older", older), ("newer", newer)) if v}
    reply = session.client.send("GET", f"{_AREA}/{name}/difference", query=asked).data
    lines = reply["data"]["lines"]
    text = "\n".join(lines) if lines else "they are the same"
    session.answer(reply, lambda: session.output.line(text))
    return 0 if reply["data"]["same"] else 2


@command("acknowledge")
@click.argument("name")
@in_session
def acknowledge(session: Session, name: str) -> None:
    """Show the version in force, and say that you have read it."""
    found = session.client.get(f"{_AREA}/{name}")["data"]
    if not session.output.as_json:
        session.output.line(found["text"])
    session.client.post(f"{_AREA}/{name}/acknowledge", {"version": found["in_force"]})
    session.output.done(f"version {found['in_force']} of {name} acknowledged")


@command("review")
@click.argument("name")
@click.option("--because", required=True, metavar="TEXT", help="What was looked at.")
@in_session
def review(session: Session, name: str, because: str) -> None:
    """Say that the version in force was reviewed, and stays."""
    found = session.client.get(f"{_AREA}/{name}")["data"]
    body = {"version": found["in_force"], "because": because}
    session.client.post(f"{_AREA}/{name}/review", body)
    session.output.done(f"version {found['in_force']} of {name} reviewed")


for _each in (list_all, read, write, propose, diff, acknowledge, review, *decisions(_AREA)):
    document.add_command(_each)
