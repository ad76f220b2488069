"""`strongroom approval-rule`: who must approve what is asked for."""

from __future__ import annotations

from typing import Any, Final

import click

from strongroom.cli import prompt
from strongroom.cli.commands import command, field_option, group, in_session, yes_option
from strongroom.cli.entities import given, listed
from strongroom.cli.errors import CommandError
from strongroom.cli.render import how_long
from strongroom.cli.replies import show
from strongroom.cli.session import Session

approval_rule = group("approval-rule", "Who must approve what is asked for.")
_AREA: Final = "strongroom/approval-rules"


@command("list")
@in_session
def list_all(session: Session) -> None:
    """List the rules."""
    found = listed(session, _AREA, {})
    rows = [
        (
            each["name"],
            ", ".join((*each["environments"], *each["paths"], *_named(each, each["groups"])))
            or "everything",
            "; ".join(_need(each, need) for need in each["needs"]),
            how_long(each["longest"]),
            how_long(each["afterwards"]) if each["afterwards"] else "before",
        )
        for each in found
    ]
    columns = ("name", "of", "needs", "at most for", "approved")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no rules"))


def _named(rule: dict[str, Any], groups: list[str]) -> list[str]:
    return [rule["group_names"].get(each) or each for each in groups]


def _need(rule: dict[str, Any], need: dict[str, Any]) -> str:
    return f"{need['count']} of {' or '.join(_named(rule, need['groups'])) or 'any'}"


@command("read")
@click.argument("name")
@field_option
@in_session
def read(session: Session, name: str, field: str | None) -> None:
    """Show a rule."""
    show(session, session.client.get(f"{_AREA}/{name}"), field)


@command("write")
@click.argument("name")
@click.option("--path", "paths", multiple=True, metavar="PATTERN", help="That it covers.")
@click.option("--environment", "environments", multiple=True, metavar="NAME", help="Likewise.")
@click.option("--role", "groups", multiple=True, metavar="GROUP", help="Asked for; likewise.")
@click.option(
    "--need",
    "needs",
    multiple=True,
    metavar="COUNT[:GROUP,…]",
    help="So many people of these groups; of none named, any who may approve. May be repeated.",
)
@click.option("--longest", metavar="TIME", help="The longest life of a grant, at most 8h.")
@click.option("--afterwards", metavar="TIME", help="Grant at once; approval follows in this time.")
@click.option("--description", metavar="TEXT")
@in_session
def write(session: Session, /, *, name: str, needs: tuple[str, ...], **fields: Any) -> None:
    """Make a rule, or change what is said of one."""
    body = given(fields)
    if needs:
        body["needs"] = [_parsed(each) for each in needs]
    session.client.post(f"{_AREA}/{name}", body)
    session.output.done(f"approval rule {name} written")


def _parsed(text: str) -> dict[str, object]:
    count, _, groups = text.partition(":")
    if not (count.isascii() and count.isdigit()):
        raise CommandError(f"--need {text}", "a number, then the groups: 2:dba,security")
    return {"count": int(count), "groups": [each for each in groups.split(",") if each]}


@command("delete")
@click.argument("name")
@yes_option
@in_session
def delete(session: Session, name: str, yes: bool) -> None:
    """Remove a rule."""
    prompt.agree(f"Remove the approval rule {name}?", given=yes)
    session.client.delete(f"{_AREA}/{name}")
    session.output.done(f"approval rule {name} removed")


for _each in (list_all, read, write, delete):
    approval_rule.add_command(_each)
