"""`strongroom workload`: entities that are no person, each with a living owner.

ENTITY and --owner are a name or an id.
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

workload = group("workload", "Workloads: whose they are, what for, and where.")
_AREA = "strongroom/workloads"
_MARKS = {"active": Mark.ON, "ended": Mark.BAD, "decommissioned": Mark.OFF}


@command("list")
@click.option("--state", metavar="STATE", help="active, ended or decommissioned.")
@click.option("--owner", metavar="ENTITY", help="Those of one owner.")
@click.option("--environment", metavar="NAME", help="Those of one environment.")
@in_session
def list_all(session: Session, /, *, owner: str | None, **asked: str | None) -> None:
    """List workloads."""
    asked["owner"] = entity_id(session, owner) if owner else None
    found = listed(session, _AREA, asked)
    rows = [
        (cell(_MARKS[w["state"]], w["state"]), w["entity"], w["environment"], w["justification"])
        for w in found
    ]
    columns = ("", "entity", "environment", "justification")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no workloads"))


@command("read")
@click.argument("entity")
@field_option
@in_session
def read(session: Session, entity: str, field: str | None) -> None:
    """Show a workload."""
    show(session, session.client.get(f"{_AREA}/{entity_id(session, entity)}"), field)


@command("write")
@click.argument("entity")
@click.option("--owner", metavar="ENTITY", help="The active person who answers for it.")
@click.option("--justification", metavar="TEXT", help="What it needs access for.")
@click.option("--environment", metavar="NAME", help="Where it is, and is bound to.")
@click.option("--vendor", metavar="TEXT", help="Whose product it is, if not ours.")
@click.option("--ends-at", metavar="TIME", help="When all access ends, RFC 3339.")
@in_session
def write(session: Session, /, *, entity: str, owner: str | None, **fields: Any) -> None:
    """Make an entity a workload, or change what is known of it."""
    body = given(fields) | ({"owner": entity_id(session, owner)} if owner else {})
    session.client.post(f"{_AREA}/{entity_id(session, entity)}", body)
    session.output.done(f"{entity} written")


@command("decommission")
@click.argument("entity")
@click.option("--reason", metavar="TEXT", help="Why.")
@yes_option
@in_session
def decommission(session: Session, entity: str, yes: bool, reason: str | None) -> None:
    """Say that a workload is no more, for good: all that is its ends at once."""
    prompt.agree(f"End all access of {entity}, for good?", given=yes)
    path = f"{_AREA}/{entity_id(session, entity)}/decommission"
    show_ended(session, entity, session.client.post(path, given({"reason": reason})))


for _each in (list_all, read, write, decommission):
    workload.add_command(_each)
