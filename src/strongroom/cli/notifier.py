"""`strongroom notifier` and `strongroom inbox`: what people are told, and what sends it out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from strongroom.cli import prompt
from strongroom.cli.commands import command, field_option, group, in_session, yes_option
from strongroom.cli.entities import given, listed
from strongroom.cli.errors import CommandError
from strongroom.cli.render import Mark, cell, when
from strongroom.cli.replies import show
from strongroom.cli.session import Session

notifier = group("notifier", "What sends notices out: mail servers and channels.")
_AREA: Final = "strongroom/notifiers"
_NOTICES: Final = "strongroom/notices"
_MARKS: Final = {"sent": Mark.GOOD, "waiting": Mark.PART, "failed": Mark.BAD}


@command("list")
@in_session
def list_all(session: Session) -> None:
    """List the notifiers."""
    found = listed(session, _AREA, {})
    rows = [
        (
            cell(Mark.GOOD, "on") if each["enabled"] else cell(Mark.OFF, "off"),
            each["name"],
            each["kind"],
            each["host"] or "a channel",
            ", ".join(each["topics"]),
        )
        for each in found
    ]
    columns = ("", "name", "kind", "by", "of")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no notifiers"))


@command("read")
@click.argument("name")
@field_option
@in_session
def read(session: Session, name: str, field: str | None) -> None:
    """Show a notifier, without what is sealed of it."""
    show(session, session.client.get(f"{_AREA}/{name}"), field)


@command("write")
@click.argument("name")
@click.option("--kind", metavar="KIND", help="smtp or webhook.")
@click.option("--topic", "topics", multiple=True, metavar="TOPIC", help="What it sends; repeated.")
@click.option("--on/--off", "enabled", default=None, help="Whether it sends.")
@click.option("--host", metavar="NAME", help="Mail server.")
@click.option("--port", type=int, metavar="PORT")
@click.option("--security", metavar="HOW", help="starttls or tls.")
@click.option("--username", metavar="NAME", help="Who logs in there.")
@click.option("--sender", metavar="ADDRESS", help="From whom the mail is.")
@click.option("--recipient", "recipients", multiple=True, metavar="ADDRESS", help="Of alerts.")
@click.option("--secret", "secret", metavar="-|@FILE", help="Password, or the webhook's URL.")
@click.option("--ca", metavar="@FILE", help="Authorities in PEM.")
@click.option("--network", "networks", multiple=True, metavar="CIDR", help="Private; repeated.")
@click.option("--description", metavar="TEXT")
@in_session
def write(
    session: Session, /, *, name: str, secret: str | None, ca: str | None, **fields: Any
) -> None:
    """Make a notifier, or change what is said of one.

    What is secret is read from a file or the standard input, and never from the command line.
    """
    body = given(fields)
    if secret is not None:
        kind = fields["kind"] or session.client.get(f"{_AREA}/{name}")["data"]["kind"]
        body["password" if kind == "smtp" else "url"] = _read(secret, "--secret").strip()
    if ca is not None:
        body["ca"] = _read(ca, "--ca")
    session.client.post(f"{_AREA}/{name}", body)
    session.output.done(f"notifier {name} written")


def _read(source: str, option: str) -> str:
    """Return what a file holds, or the standard input."""
    if source == "-":
        return sys.stdin.read()
    if not source.startswith("@"):
        raise CommandError(f"{option} takes - or @FILE", "what is on a command line others can see")
    try:
        return Path(source[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{option}: {source[1:]} cannot be read: {error}") from None


@command("delete")
@click.argument("name")
@yes_option
@in_session
def delete(session: Session, name: str, yes: bool) -> None:
    """Remove a notifier."""
    prompt.agree(f"Remove the notifier {name}?", given=yes)
    session.client.delete(f"{_AREA}/{name}")
    session.output.done(f"notifier {name} removed")


@command("test")
@click.argument("name")
@in_session
def test(session: Session, name: str) -> None:
    """Send a notice that says nothing, to see whether it arrives."""
    reply = session.client.post(f"{_AREA}/{name}/test", {})
    session.answer(reply, lambda: session.output.done("a test is on its way"))
    session.output.note(f"strongroom notifier deliveries {name}: whether it arrived")


@command("deliveries")
@click.argument("name")
@click.option("--state", metavar="STATE", help="waiting, sent or failed.")
@in_session
def deliveries(session: Session, name: str, state: str | None) -> None:
    """List what was sent by a notifier, and what was not, the latest first."""
    found = listed(session, f"{_AREA}/{name}/deliveries", {"state": state})
    rows = [
        (
            cell(_MARKS.get(r["state"], Mark.OFF), r["state"]),
            r["recipient"] or "the channel",
            str(r["attempts"]),
            r["problem"],
            when(r["done_at"] or r["next_at"]),
        )
        for r in found
    ]
    columns = ("", "to", "tries", "problem", "done, or next")
    session.answer(found, lambda: session.output.table(columns, rows, empty="nothing was sent"))


@command("inbox")
@click.option("--unread", is_flag=True, help="Only what you have not read.")
@click.option("--read", "noted", is_flag=True, help="Note that you have read all of it.")
@in_session
def inbox(session: Session, unread: bool, noted: bool) -> None:
    """List what you were told, the latest first."""
    found = listed(session, _NOTICES, {"state": "unread" if unread else None})
    rows = [
        (
            cell(Mark.OFF, "read") if each["read_at"] else cell(Mark.PART, "new"),
            each["title"],
            each["text"].partition("\n")[0],
            when(each["at"]),
        )
        for each in found
    ]
    columns = ("", "what", "", "when")
    session.answer(found, lambda: session.output.table(columns, rows, empty="nothing"))
    if noted:
        session.client.post(f"{_NOTICES}/read", {})


for _each in (list_all, read, write, delete, test, deliveries):
    notifier.add_command(_each)
