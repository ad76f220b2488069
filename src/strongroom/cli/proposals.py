"""Deciding on what others proposed: what is shown is what is decided on."""

from __future__ import annotations

from typing import Any

import click

from strongroom.cli import prompt
from strongroom.cli.commands import command, field_option, in_session, yes_option
from strongroom.cli.entities import listed
from strongroom.cli.render import Mark, cell, when
from strongroom.cli.replies import show
from strongroom.cli.session import Session

MARKS = {"pending": Mark.PART, "approved": Mark.GOOD, "denied": Mark.BAD}


def decisions(area: str) -> tuple[click.Command, ...]:
    """Return the commands that list, show and decide on the proposals of an area."""
    return (_proposals(area), _proposal(area), *_both(area), _withdraw(area))


def _proposals(area: str) -> click.Command:
    @command("proposals")
    @click.option("--state", metavar="STATE", help="pending, approved, denied, withdrawn, expired.")
    @click.option("--inbox", is_flag=True, help="Only what waits for you.")
    @in_session
    def proposals(session: Session, state: str | None, inbox: bool) -> None:
        """List what was proposed."""
        path = f"{area}/proposals/inbox" if inbox else f"{area}/proposals"
        found = listed(session, path, {} if inbox else {"state": state})
        rows = [
            (
                cell(MARKS.get(r["state"], Mark.OFF), r["state"]),
                r["title"],
                when(r["expires_at"]),
                r["id"],
            )
            for r in found
        ]
        columns = ("", "what", "open until", "id")
        session.answer(found, lambda: session.output.table(columns, rows, empty="nothing"))

    return proposals


def _proposal(area: str) -> click.Command:
    @command("proposal")
    @click.argument("id_", metavar="ID")
    @field_option
    @in_session
    def proposal(session: Session, id_: str, field: str | None) -> None:
        """Show what was proposed, and its approvals."""
        show(session, session.client.get(f"{area}/proposals/{id_}"), field)

    return proposal


def _both(area: str) -> tuple[click.Command, ...]:
    said: tuple[tuple[str, str], ...] = (
        ("approve", "Approve a proposal; the last approval needed puts it in force."),
        ("deny", "Deny a proposal, which ends it."),
    )
    return tuple(_decide(area, how, words) for how, words in said)


def _decide(area: str, how: str, words: str) -> click.Command:
    @command(how, help=words)
    @click.argument("id_", metavar="ID")
    @click.option("--because", metavar="TEXT", help="Why.")
    @yes_option
    @field_option
    @in_session
    def decide(
        session: Session, /, *, id_: str, because: str | None, yes: bool, field: str | None
    ) -> None:
        show(session, decided(session, f"{area}/proposals/{id_}", how, because, yes=yes), field)

    return decide


def decided(session: Session, path: str, how: str, because: str | None, *, yes: bool) -> Any:
    """Show a proposal, ask, and decide on just the revision that was shown."""
    found = session.client.get(path)
    if not yes and not session.output.as_json:
        show(session, found)
    prompt.agree(f"{how.title()} it?", given=yes)
    body = {"revision": found["data"]["revision"], "because": because or ""}
    return session.client.post(f"{path}/{how}", body)


def _withdraw(area: str) -> click.Command:
    @command("withdraw")
    @click.argument("id_", metavar="ID")
    @in_session
    def withdraw(session: Session, id_: str) -> None:
        """Take a proposal of one's own back."""
        session.client.delete(f"{area}/proposals/{id_}")
        session.output.done(f"proposal {id_} withdrawn")

    return withdraw
