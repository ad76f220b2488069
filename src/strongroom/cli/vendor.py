"""`strongroom vendor`: who they are, what speaks for trusting them, and the end of their access."""

from __future__ import annotations

from typing import Any

import click

from strongroom.cli import prompt
from strongroom.cli.commands import command, field_option, group, in_session, yes_option
from strongroom.cli.entities import entity_id, given, listed
from strongroom.cli.render import Mark, cell, when
from strongroom.cli.replies import show
from strongroom.cli.session import Session

vendor = group("vendor", "Vendors: who they are, what they reach, and until when.")
_AREA = "strongroom/vendors"


@command("list")
@click.option("--state", metavar="STATE", help="active or left.")
@click.option("--tier", metavar="TIER", help="critical, high, medium or low.")
@in_session
def list_all(session: Session, /, **asked: str | None) -> None:
    """List vendors."""
    found = listed(session, _AREA, asked)
    rows = [
        (
            cell(Mark.ON if v["state"] == "active" else Mark.OFF, v["state"]),
            *(v["name"], v["tier"], v["report"], when(v["report_at"])),
            *(when(v["assess_again_at"]), when(v["contract_ends_at"])),
        )
        for v in found
    ]
    columns = ("", "name", "tier", "report", "of", "assess again", "contract ends")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no vendors"))


@command("read")
@click.argument("name")
@field_option
@in_session
def read(session: Session, name: str, field: str | None) -> None:
    """Show a vendor, with its people and workloads."""
    show(session, session.client.get(f"{_AREA}/{name}"), field)


@command("write")
@click.argument("name")
@click.option("--owner", metavar="ENTITY", help="The active person who answers for it.")
@click.option("--tier", metavar="TIER", help="critical, high, medium or low.")
@click.option("--holds", metavar="TEXT", help="What they hold or reach.")
@click.option("--name", "names", multiple=True, metavar="TEXT", help="Another name of it.")
@click.option("--contract", "contracts", multiple=True, metavar="TEXT", help="Its people's.")
@click.option("--contract-ends-at", metavar="TIME", help="RFC 3339.")
@click.option("--report", metavar="KIND", help="soc2-type1, soc2-type2, iso27001, other or none.")
@click.option("--report-at", metavar="TIME", help="Date of the report.")
@click.option("--report-from", metavar="TIME", help="Where its period begins.")
@click.option("--report-until", metavar="TIME", help="Where its period ends.")
@click.option("--reference", metavar="TEXT", help="Where it is kept.")
@click.option("--assessed-at", metavar="TIME", help="When they were assessed last.")
@click.option("--assess-again-at", metavar="TIME", help="When next.")
@in_session
def write(session: Session, /, *, name: str, **fields: Any) -> None:
    """Make a vendor, or change what is known of it."""
    if owner := fields.pop("owner"):
        fields["owner"] = entity_id(session, owner)
    session.client.post(f"{_AREA}/{name}", given(fields))
    session.output.done(f"{name} written")


@command("leave")
@click.argument("name")
@click.option("--reason", metavar="TEXT", help="Why.")
@yes_option
@in_session
def leave(session: Session, name: str, yes: bool, reason: str | None) -> None:
    """End all access of a vendor's people and workloads."""
    prompt.agree(f"End all access of {name}?", given=yes)
    reply = session.client.post(f"{_AREA}/{name}/leave", given({"reason": reason}))
    rows = [
        (each["kind"], each["entity"], sum(part["count"] for part in each["ended"].values()))
        for each in reply["data"]["ended"]
    ]

    def shown() -> None:
        session.output.done(f"all access of {name} has ended")
        session.output.table(("", "entity", "ended"), rows, empty="nobody was left")
        session.output.note(f"what they knew: strongroom vendor knowledge {name}")

    session.answer(reply, shown)


@command("return")
@click.argument("name")
@in_session
def back(session: Session, name: str) -> None:
    """Say that a vendor that left is one again."""
    session.client.post(f"{_AREA}/{name}/return", {})
    session.output.done(f"{name} is a vendor again")


@command("knowledge")
@click.argument("name")
@in_session
def knowledge(session: Session, name: str) -> None:
    """List the static secrets that a vendor's people and workloads knew, from the log."""
    reply = session.client.get(f"{_AREA}/{name}/knowledge")
    rows = [
        (s["path"], s["version"], s["time"], s["index"], "yes" if s["written_since"] else "no")
        for s in reply["data"]["secrets"]
    ]
    columns = ("path", "version", "known since", "entry", "written since")
    session.answer(reply, lambda: session.output.table(columns, rows, empty="nothing"))


for _each in (list_all, read, write, leave, back, knowledge):
    vendor.add_command(_each)
