"""`strongroom exception`, `strongroom admission`: departures from controls, and what refuses them.

An exception is of one subject of one control, as a run of it names it: `strongroom evidence show`.
"""

from __future__ import annotations

from typing import Any

import click

from strongroom.cli.commands import command, field_option, group, in_session
from strongroom.cli.entities import entity_id, given, listed
from strongroom.cli.proposals import decisions
from strongroom.cli.render import Mark, cell, when
from strongroom.cli.replies import show
from strongroom.cli.session import Session

exception = group("exception", "Departures from controls: approved by another, with an end.")
admission = group("admission", "Whether a change that would break a control is refused.")
_AREA = "strongroom/exceptions"
_MARKS = {"in force": Mark.ON, "expired": Mark.BAD}
_MODES = {"refuse": Mark.ON, "warn": Mark.PART}


@command("list")
@click.option("--state", metavar="STATE", help="'in force', expired or ended.")
@click.option("--control", metavar="ID", help="T10, say.")
@in_session
def list_all(session: Session, /, **asked: str | None) -> None:
    """List exceptions."""
    found = listed(session, _AREA, asked)
    rows = [
        (
            cell(_MARKS.get(e["state"], Mark.OFF), e["state"]),
            *(e["control"], e["subject"], e["type"], when(e["expires_at"]), e["id"]),
        )
        for e in found
    ]
    columns = ("", "control", "subject", "type", "until", "id")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no exceptions"))


@command("read")
@click.argument("id_", metavar="ID")
@field_option
@in_session
def read(session: Session, id_: str, field: str | None) -> None:
    """Show an exception."""
    show(session, session.client.get(f"{_AREA}/{id_}"), field)


@command("ask")
@click.argument("control")
@click.argument("subject")
@click.option("--type", "kind", metavar="TYPE", help="jdbc-connection-string, legacy-system, …")
@click.option("--reason", required=True, metavar="TEXT", help="Why it cannot be otherwise.")
@click.option(
    "--compensating", multiple=True, required=True, metavar="TEXT", help="What is done instead."
)
@click.option("--owner", required=True, metavar="ENTITY", help="Who answers for it.")
@click.option("--expires-at", required=True, metavar="TIME", help="A year from now at most.")
@click.option("--target-at", metavar="TIME", help="When it is to be needed no more.")
@field_option
@in_session
def ask(session: Session, /, *, owner: str, field: str | None, **fields: Any) -> None:
    """Ask for an exception of CONTROL for SUBJECT; another person approves it."""
    body = given(fields) | {"owner": entity_id(session, owner)}
    show(session, session.client.post(_AREA, body), field)


@command("extend")
@click.argument("id_", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is still needed.")
@click.option("--expires-at", required=True, metavar="TIME", help="A year from now at most.")
@field_option
@in_session
def extend(session: Session, /, *, id_: str, field: str | None, **fields: Any) -> None:
    """Ask that an exception go on; another person approves it."""
    show(session, session.client.post(f"{_AREA}/{id_}/extend", given(fields)), field)


@command("end")
@click.argument("id_", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why.")
@in_session
def end(session: Session, id_: str, reason: str) -> None:
    """End an exception before its time."""
    session.client.post(f"{_AREA}/{id_}/end", {"reason": reason})
    session.output.done(f"exception {id_} ended")


@command("list")
@in_session
def modes(session: Session) -> None:
    """List the controls whose breaking can be refused."""
    found = listed(session, "strongroom/admission", {})
    rows = [(cell(_MODES.get(m["mode"], Mark.OFF), m["mode"]), m["control"]) for m in found]
    session.answer(found, lambda: session.output.table(("", "control"), rows))


@command("set")
@click.argument("control")
@click.argument("mode", type=click.Choice(["off", "warn", "refuse"]))
@in_session
def set_mode(session: Session, control: str, mode: str) -> None:
    """Say what becomes of a change that would break CONTROL."""
    session.client.post(f"strongroom/admission/{control}", {"mode": mode})
    session.output.done(f"{control}: {mode}")


for _each in (list_all, read, ask, extend, end, *decisions(_AREA)):
    exception.add_command(_each)
for _each in (modes, set_mode):
    admission.add_command(_each)
