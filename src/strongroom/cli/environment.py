"""`strongroom environment`: boundaries around paths, which no policy lifts.

A protected one lets in who is bound to it; an open one those too who are bound to none.
"""

from __future__ import annotations

from typing import Any

import click

from strongroom.cli import prompt
from strongroom.cli.commands import command, group, in_session, yes_option
from strongroom.cli.render import Mark, cell
from strongroom.cli.replies import show
from strongroom.cli.session import Session

environment = group("environment", "Boundaries around paths, which no policy lifts.")
_AREA = "strongroom/environments"


@command("list")
@in_session
def list_all(session: Session) -> None:
    """List the environments: what is inside, and who gets in."""
    info = (session.client.send("LIST", _AREA).data or {}).get("data", {}).get("key_info") or {}
    rows = [(e["name"], _lets_in(e), e["paths"], e["description"] or None) for e in info.values()]
    columns = ("environment", "lets in", "paths", "description")
    session.answer(
        list(info.values()),
        lambda: session.output.table(columns, rows, empty="no environments yet"),
    )


def _lets_in(found: dict[str, Any]) -> str:
    if not found["protected"]:
        return cell(Mark.OFF, "everybody")
    if found["open"]:
        return cell(Mark.PART, "its own, and who is bound to none")
    return cell(Mark.ON, "its own only")


@command("read")
@click.argument("name")
@in_session
def read(session: Session, name: str) -> None:
    """Show an environment."""
    show(session, session.client.get(f"{_AREA}/{name}"))


@command("write")
@click.argument("name")
@click.option("--paths", multiple=True, metavar="PATTERN", help="What is inside; may be repeated.")
@click.option(
    "--protected/--no-protected",
    default=None,
    help="Whether it refuses those of other environments.",
)
@click.option("--open/--no-open", default=None, help="Whether those bound to none get in too.")
@click.option(
    "--people",
    type=click.Choice(["standing", "granted"]),
    help="What lets people in: their policies, or grants alone.",
)
@click.option("--description", metavar="TEXT")
@in_session
def write(session: Session, /, *, name: str, paths: tuple[str, ...], **given: Any) -> None:
    """Make an environment, or change it."""
    body = {key: value for key, value in given.items() if value is not None}
    body |= {"paths": list(paths)} if paths else {}
    session.client.post(f"{_AREA}/{name}", body)
    session.output.done(f"environment {name} written")


@command("delete")
@click.argument("name")
@yes_option
@in_session
def delete(session: Session, name: str, yes: bool) -> None:
    """Remove an environment: its boundary no longer holds."""
    prompt.agree(f"Remove the boundary of {name}?", given=yes)
    session.client.delete(f"{_AREA}/{name}")
    session.output.done(f"environment {name} removed")


for _each in (list_all, read, write, delete):
    environment.add_command(_each)
