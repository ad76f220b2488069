"""`strongroom person`: who of the entities is a person, and until when.

ENTITY is a name or an id. A contractor or vendor has an end and a contract; at their end, and when
they have left, none of their tokens works.
"""

from __future__ import annotations

from typing import Any

import click

from strongroom.cli import prompt
from strongroom.cli.commands import command, field_option, group, in_session, yes_option
from strongroom.cli.ended import show_ended
from strongroom.cli.entities import entity_id, given, listed
from strongroom.cli.render import Mark, cell
from strongroom.cli.replies import show
from strongroom.cli.session import Session

person = group("person", "People: who they are, and until when.")
_AREA = "strongroom/people"
_MARKS = {"active": Mark.ON, "ended": Mark.BAD, "left": Mark.OFF}


@command("list")
@click.option("--state", metavar="STATE", help="active, ended or left.")
@click.option("--worker", metavar="KIND", help="employee, contractor or vendor.")
@click.option("--email", metavar="ADDRESS")
@in_session
def list_all(session: Session, /, **asked: str | None) -> None:
    """List people."""
    found = listed(session, _AREA, asked)
    rows = [
        (cell(_MARKS[p["state"]], p["state"]), p["name"], p["worker"], p["ends_at"], p["entity"])
        for p in found
    ]
    columns = ("", "name", "worker", "ends", "entity")
    session.answer(found, lambda: session.output.table(columns, rows, empty="nobody"))


@command("read")
@click.argument("entity")
@field_option
@in_session
def read(session: Session, entity: str, field: str | None) -> None:
    """Show a person."""
    show(session, session.client.get(f"{_AREA}/{entity_id(session, entity)}"), field)


@command("write")
@click.argument("entity")
@click.option("--name", metavar="TEXT", help="Their name.")
@click.option("--email", metavar="ADDRESS")
@click.option("--worker", metavar="KIND", help="employee, contractor or vendor.")
@click.option("--contract", metavar="TEXT", help="Of a contractor or vendor.")
@click.option("--external-id", metavar="ID", help="In the directory of people.")
@click.option("--ends-at", metavar="TIME", help="When all access ends, RFC 3339.")
@in_session
def write(session: Session, /, *, entity: str, **fields: Any) -> None:
    """Make an entity a person, or change what is known of them."""
    session.client.post(f"{_AREA}/{entity_id(session, entity)}", given(fields))
    session.output.done(f"{entity} written")


@command("leave")
@click.argument("entity")
@click.option("--reason", metavar="TEXT", help="Why.")
@yes_option
@in_session
def leave(session: Session, entity: str, yes: bool, reason: str | None) -> None:
    """Say that a person has left: all that is theirs ends at once."""
    prompt.agree(f"End all access of {entity}?", given=yes)
    path = f"{_AREA}/{entity_id(session, entity)}/leave"
    show_ended(session, entity, session.client.post(path, given({"reason": reason})))


@command("knowledge")
@click.argument("entity")
@in_session
def knowledge(session: Session, entity: str) -> None:
    """List the static secrets that a person read, from the log."""
    reply = session.client.get(f"{_AREA}/{entity_id(session, entity)}/knowledge")
    rows = [
        (s["path"], s["version"], s["time"], s["index"], "yes" if s["written_since"] else "no")
        for s in reply["data"]["secrets"]
    ]
    columns = ("path", "version", "read", "entry", "written since")
    session.answer(reply, lambda: session.output.table(columns, rows, empty="nothing"))


@command("return")
@click.argument("entity")
@click.option("--reason", metavar="TEXT", help="Why they come back.")
@in_session
def back(session: Session, entity: str, reason: str | None) -> None:
    """Ask for the return of a person who left; another person approves it. Root brings back."""
    given = {} if reason is None else {"reason": reason}
    reply = session.client.post(f"{_AREA}/{entity_id(session, entity)}/return", given)
    request = ((reply or {}).get("data") or {}).get("registration")
    words = f"{entity} is back"
    if request:
        words = (
            f"asked for: another person approves it, `strongroom registration approve {request}`"
        )
    session.answer(reply or {}, lambda: session.output.done(words))


@command("enrolment-code")
@click.argument("entity")
@field_option
@in_session
def enrolment_code(session: Session, entity: str, field: str | None) -> None:
    """Give a person a code to enrol by, as root: for when nobody is left to approve it."""
    at = f"{_AREA}/{entity_id(session, entity)}/factors/code"
    show(session, session.client.post(at, {}), field)


for _each in (list_all, read, write, leave, knowledge, back, enrolment_code):
    person.add_command(_each)
