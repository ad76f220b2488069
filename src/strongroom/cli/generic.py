"""`strongroom read`, `write`, `list`, `delete`, `unwrap` and `path-help`: any path of the API."""

from __future__ import annotations

from typing import Any

import click

from strongroom.cli import prompt, token_file
from strongroom.cli.arguments import read_pairs
from strongroom.cli.commands import command, field_option, in_session
from strongroom.cli.errors import REFUSED, CommandError
from strongroom.cli.replies import show
from strongroom.cli.session import Session


@command("read")
@click.argument("path")
@click.argument("words", nargs=-1, metavar="[KEY=VALUE...]")
@field_option
@in_session
def read(session: Session, path: str, words: tuple[str, ...], field: str | None) -> None:
    """Read PATH, with KEY=VALUE in the query."""
    query = {key: str(value) for key, value in read_pairs(words, prompt.value_of).items()}
    show(session, session.client.get(path, query), field)


@command("write")
@click.argument("path")
@click.argument("words", nargs=-1, metavar="[KEY=VALUE...]")
@click.option("-f", "--force", is_flag=True, help="Write though there is nothing to write.")
@field_option
@in_session
def write(
    session: Session, path: str, words: tuple[str, ...], force: bool, field: str | None
) -> None:
    """Write KEY=VALUE to PATH.

    KEY=@FILE takes the value from a file, KEY=- from the standard input; on a terminal it is
    asked for. @FILE and - alone are JSON objects.
    """
    if not words and not force:
        raise CommandError("there is nothing to write", "give KEY=VALUE, or --force")
    reply = session.client.post(path, read_pairs(words, prompt.value_of))
    written(session, reply, path.strip("/"), field)


def written(session: Session, reply: Any, what: str, field: str | None = None) -> None:
    """Show what a write gave back, or that it was done."""
    if reply is None or (not field and not _tells(reply)):
        session.output.done(f"{what} written")
    else:
        show(session, reply, field)


def _tells(reply: Any) -> bool:
    return any(reply.get(part) for part in ("data", "auth", "wrap_info", "warnings"))


@command("list")
@click.argument("path")
@in_session
def list_names(session: Session, path: str) -> int:
    """List the names below PATH."""
    return show_names(session, session.client.list(path), path)


def show_names(session: Session, names: list[str], path: str) -> int:
    """Print names one to a line; exit status 2 where there is none, as with Vault."""
    if session.output.as_json:
        session.output.json(names)
    else:
        for name in names:
            session.output.line(session.output.safe(name))
    if not names:
        session.output.note(f"nothing below {path.strip('/')}/")
    return 0 if names else REFUSED


@command("delete")
@click.argument("path")
@in_session
def delete(session: Session, path: str) -> None:
    """Delete PATH."""
    reply = session.client.delete(path)
    if reply is not None and _tells(reply):
        show(session, reply)
    else:
        session.output.done(f"{path.strip('/')} deleted")


@command("unwrap")
@click.argument("given", metavar="[TOKEN]", required=False)
@field_option
@in_session
def unwrap(session: Session, given: str | None, field: str | None) -> None:
    """Open a wrapped answer, which can be done once; without TOKEN it is asked for."""
    text = given if given and given != "-" else prompt.hidden("Wrapping token")
    wrapping = token_file.checked(text, "what was given")
    show(session, session.client_with(wrapping).post("sys/wrapping/unwrap"), field)


@command("path-help")
@click.argument("path")
@in_session
def path_help(session: Session, path: str) -> None:
    """Show what PATH takes."""
    found = session.client.get(path, {"help": 1})
    session.answer(found, lambda: session.output.line(session.output.safe(found.get("help", ""))))
