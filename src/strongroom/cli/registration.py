"""`strongroom registration`: asking for an identity, and another person's decision on it.

A decision is on the text that was shown: one that was edited meanwhile is read again.
"""

from __future__ import annotations

from typing import Any

import click

from strongroom.cli import prompt
from strongroom.cli.commands import command, field_option, group, in_session, yes_option
from strongroom.cli.entities import entity_id, given, listed
from strongroom.cli.errors import CommandError
from strongroom.cli.render import Mark, cell
from strongroom.cli.replies import show
from strongroom.cli.session import Session

registration = group("registration", "Ask for an identity; decide on what others asked for.")
_AREA = "strongroom/registrations"
_MARKS = {"pending": Mark.PART, "approved": Mark.GOOD, "denied": Mark.BAD}


@command("list")
@click.option("--state", metavar="STATE", help="pending, approved, denied, withdrawn, expired.")
@click.option("--kind", metavar="KIND", help="person, workload, return or factors.")
@in_session
def list_all(session: Session, /, **asked: str | None) -> None:
    """List requests."""
    found = listed(session, _AREA, asked)
    rows = [
        (cell(_MARKS.get(r["state"], Mark.OFF), r["state"]), r["kind"], r["entity_name"], r["id"])
        for r in found
    ]
    columns = ("", "kind", "for", "id")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no requests"))


@command("read")
@click.argument("id_", metavar="ID")
@field_option
@in_session
def read(session: Session, id_: str, field: str | None) -> None:
    """Show a request."""
    show(session, session.client.get(f"{_AREA}/{id_}"), field)


@command("request")
@click.argument("kind", type=click.Choice(["person", "workload", "return", "factors"]))
@click.argument("entity_name")
@click.option("--reason", required=True, metavar="TEXT", help="Why they need it.")
@click.option("--name", metavar="TEXT", help="A person's name.")
@click.option("--email", metavar="ADDRESS")
@click.option("--worker", metavar="KIND", help="employee, contractor or vendor.")
@click.option("--contract", metavar="TEXT", help="Of a contractor or vendor.")
@click.option("--external-id", metavar="ID", help="In the directory of people.")
@click.option("--owner", metavar="ENTITY", help="The active person who answers for a workload.")
@click.option("--justification", metavar="TEXT", help="What a workload needs access for.")
@click.option("--environment", metavar="NAME", help="That the identity is bound to.")
@click.option("--vendor", metavar="TEXT", help="Whose product a workload is.")
@click.option("--ends-at", metavar="TIME", help="When all access ends, RFC 3339.")
@click.option("--policy", "policies", multiple=True, metavar="NAME", help="May be repeated.")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="May be repeated.")
@click.option("--mount", metavar="PATH", help="Auth mount of its alias.")
@click.option("--alias", metavar="NAME", help="Name of its alias there.")
@click.option("--id", "id_", metavar="ID", help="Write a request that is there anew.")
@field_option
@in_session
def request(session: Session, /, *, id_: str | None, field: str | None, **fields: Any) -> None:
    """Ask for a person or a workload to be registered as ENTITY_NAME.

    With `return` ENTITY_NAME is an entity that left and comes back; with `factors`, a person who
    needs a code to enrol by, since somebody else removed their factors.
    """
    if fields["kind"] in {"return", "factors"}:
        fields["entity"] = entity_id(session, fields.pop("entity_name"))
    if owner := fields.pop("owner"):
        fields["owner"] = entity_id(session, owner)
    if mount := fields.pop("mount"):
        fields["mount_accessor"] = _accessor(session, mount)
    at = f"{_AREA}/{id_}" if id_ else _AREA
    show(session, session.client.post(at, given(fields)), field)


def _accessor(session: Session, mount: str) -> str:
    """Return the accessor of an auth mount, as those know it who may log in there."""
    path = mount.strip("/").removeprefix("auth/")
    found = session.client.get("sys/internal/ui/mounts")["data"]["auth"].get(f"{path}/")
    if found is None:
        raise CommandError("there is no such auth mount", "`strongroom auth list` lists them")
    return str(found["accessor"])


def _decide(session: Session, id_: str, how: str, because: str | None, yes: bool) -> Any:
    """Show the request, ask, and decide on just what was shown."""
    found = session.client.get(f"{_AREA}/{id_}")
    if not yes and not session.output.as_json:
        show(session, found)
    prompt.agree(f"{how.title()} it?", given=yes)
    body = {"revision": found["data"]["revision"], "because": because or ""}
    return session.client.post(f"{_AREA}/{id_}/{how}", body)


@command("approve")
@click.argument("id_", metavar="ID")
@click.option("--because", metavar="TEXT", help="Why.")
@yes_option
@field_option
@in_session
def approve(
    session: Session, /, *, id_: str, because: str | None, yes: bool, field: str | None
) -> None:
    """Register whom a request asks for; prints the code by which a person enrols, once."""
    show(session, _decide(session, id_, "approve", because, yes), field)


@command("deny")
@click.argument("id_", metavar="ID")
@click.option("--because", metavar="TEXT", help="Why.")
@yes_option
@in_session
def deny(session: Session, id_: str, because: str | None, yes: bool) -> None:
    """Deny a request."""
    _decide(session, id_, "deny", because, yes)
    session.output.done(f"request {id_} denied")


@command("withdraw")
@click.argument("id_", metavar="ID")
@in_session
def withdraw(session: Session, id_: str) -> None:
    """Take a request back."""
    session.client.delete(f"{_AREA}/{id_}")
    session.output.done(f"request {id_} withdrawn")


for _each in (list_all, read, request, approve, deny, withdraw):
    registration.add_command(_each)
