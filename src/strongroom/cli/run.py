"""`strongroom run`: a program with secrets in its environment, and nowhere else.

Order  All secrets are read before the program starts; if one is missing, it does not start.
       The program then takes this process's place, so that signals and its status are its own.
Trust  The program sees the secrets that were named, and not our token.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import click

from strongroom.cli import kv, kv_paths
from strongroom.cli.commands import command, in_session
from strongroom.cli.errors import CommandError
from strongroom.cli.render import as_text
from strongroom.cli.session import Session

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKENS = ("STRONGROOM_TOKEN", "VAULT_TOKEN")
_NOT_FOUND = 127
_NOT_RUNNABLE = 126


@command("run")
@click.option("--env", "wanted", multiple=True, metavar="NAME=PATH#FIELD", help="May be repeated.")
@click.option("--keep-token", is_flag=True, help="Leave STRONGROOM_TOKEN in the environment.")
@click.argument("program", nargs=-1, required=True, metavar="-- PROGRAM [ARGUMENT]...")
@in_session
def run(
    session: Session, wanted: tuple[str, ...], keep_token: bool, program: tuple[str, ...]
) -> int:
    """Run a program with secrets in its environment.

    As in: strongroom run --env DB_PASSWORD=secret/app#password -- ./serve
    """
    environment = dict(session.environment)
    for name in () if keep_token else _TOKENS:
        environment.pop(name, None)
    environment |= read_all(session, wanted)
    sys.stdout.flush()
    try:
        os.execvpe(program[0], program, environment)  # noqa: S606  the user's own program
    except FileNotFoundError:
        raise CommandError("the program was not found", exit_code=_NOT_FOUND) from None
    except OSError as problem:
        said = problem.strerror or "unknown reason"
        raise CommandError(f"the program cannot be run: {said}", exit_code=_NOT_RUNNABLE) from None


def read_all(session: Session, wanted: Sequence[str]) -> dict[str, str]:
    """Return the variables; each secret is read once."""
    read: dict[str, dict[str, Any]] = {}
    found = {}
    for word in wanted:
        name, path, field = parse(word)
        if path not in read:
            place = kv_paths.find(session.client, path, None)
            data = kv.fetch(session.client, place, wrapped=False)["data"]
            read[path] = data["data"] if place.versioned else data
        if field not in read[path]:
            raise CommandError(f"{path} has no field {field}")
        value = as_text(read[path][field])
        if "\0" in value:
            raise CommandError(f"{path}#{field} cannot stand in the environment: it holds a NUL")
        found[name] = value
    return found


def parse(word: str) -> tuple[str, str, str]:
    """Return the variable, the path and the field of `NAME=PATH#FIELD`."""
    name, _, where = word.partition("=")
    path, _, field = where.rpartition("#")
    if not _NAME.fullmatch(name) or not path or not field:
        raise CommandError("--env is not of the form NAME=PATH#FIELD")
    return name, path, field
