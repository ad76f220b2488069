"""`strongroom init`, `unseal` and `seal`.

Trust  Key shares, and the first root token or the bootstrap code, are shown once and kept nowhere,
       unless a file is asked for; that file is new, and its owner's alone. Shares are typed without
       an echo.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from strongroom.cli import prompt, status
from strongroom.cli.commands import command, in_session, yes_option
from strongroom.cli.errors import OK, REFUSED, CommandError
from strongroom.cli.session import Session

CODE = ("bootstrap_code", "bootstrap_expires_at")


@command("init")
@click.option(
    "--shares",
    "--key-shares",
    type=click.IntRange(1, 255),
    metavar="N",
    default=5,
    show_default=True,
    help="Into how many shares the key is split.",
)
@click.option(
    "--threshold",
    "--key-threshold",
    type=click.IntRange(1, 255),
    metavar="N",
    default=3,
    show_default=True,
    help="How many of them unseal.",
)
@click.option("--status", "ask", is_flag=True, help="Only say whether it was done before.")
@click.option(
    "--bootstrap", is_flag=True, help="Give a code for `strongroom bootstrap`, and no root token."
)
@click.option("--output", type=click.Path(path_type=Path), help="Write the keys to this new file.")
@in_session
def init(  # noqa: PLR0913, PLR0917  each is an option
    session: Session,
    shares: int,
    threshold: int,
    ask: bool,
    bootstrap: bool,
    output: Path | None,
) -> int:
    """Make the keys of a new server.

    The key shares and the root token are shown here, and nowhere else again; with --bootstrap
    there is no root token but a code, with which `strongroom bootstrap` makes the first
    administrator. With --status, the exit status is 0 if the server was initialized and 2 if not.
    """
    if ask:
        return _ask(session)
    if threshold > shares:
        raise CommandError("the threshold is larger than the number of shares")
    descriptor = None if output is None else _new_file(output)
    given: dict[str, Any] = {"secret_shares": shares, "secret_threshold": threshold}
    if bootstrap:
        given["bootstrap"] = True
    made = session.anonymous.post("sys/init", given)
    first = "the bootstrap code" if "bootstrap_code" in made else "the root token"
    split = bool(made["keys"])  # a passphrase is not
    keys = {
        "unseal_keys_b64": made["keys_base64"],
        "unseal_keys_hex": made["keys"],
        "unseal_shares": shares if split else 1,
        "unseal_threshold": threshold if split else 1,
        "root_token": made["root_token"],
        **{name: made[name] for name in CODE if name in made},
    }
    if descriptor is not None and output is not None:
        _write(descriptor, keys)
        what = f"{shares} key shares and {first}" if split else first
        session.output.done(f"{what} written to {output}")
    else:
        session.answer(keys, lambda: _show(session, keys))
    return OK


def _ask(session: Session) -> int:
    found = session.anonymous.get("sys/init")
    word = "initialized" if found["initialized"] else "not initialized"
    session.answer(found, lambda: session.output.line(word))
    return OK if found["initialized"] else REFUSED


def _new_file(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} exists", "name a new file") from None


def _write(descriptor: int, keys: dict[str, Any]) -> None:
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps(keys, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _show(session: Session, keys: dict[str, Any]) -> None:
    if not keys["unseal_keys_hex"]:
        session.output.fields(_first(keys), indent=0)
        session.output.note(
            "\nThere are no key shares: the passphrase in the server's configuration opens it, at"
            f" each start too. Without it, what the server holds is lost.\n{_then(keys)}"
        )
        return
    shares: list[str] = keys["unseal_keys_b64"]
    named = {f"key share {number}": share for number, share in enumerate(shares, start=1)}
    session.output.fields({**named, **_first(keys)}, indent=0)
    session.output.note(
        f"\nGive each share to another person: any {keys['unseal_threshold']} of them open the"
        " server after a start, and without them what it holds is lost. Nothing keeps them.\n"
        f"{_then(keys)}"
    )


def _first(keys: dict[str, Any]) -> dict[str, Any]:
    """Return what the first person begins with, as it is shown."""
    if "bootstrap_code" in keys:
        return {"bootstrap code": keys["bootstrap_code"]}
    return {"root token": keys["root_token"]}


def _then(keys: dict[str, Any]) -> str:
    if "bootstrap_code" not in keys:
        return "Revoke the root token when a person can log in."
    return (
        "There is no root token. `strongroom bootstrap` makes the first administrator, with this"
        f" code, once, until {keys['bootstrap_expires_at']}."
    )


@command("unseal")
@click.argument("share", required=False)
@click.option("--reset", is_flag=True, help="Forget the shares given so far.")
@in_session
def unseal(session: Session, share: str | None, reset: bool) -> int:
    """Give one key share, or the passphrase, typed without an echo; `-` reads standard input.

    SHARE as an argument ends up in the shell's history.
    """
    if reset:
        body: dict[str, Any] = {"reset": True}
    elif share and share != "-":
        body = {"key": share}
    else:
        body = {"key": prompt.one_line("share") if share else prompt.hidden("Key share")}
    found = session.anonymous.post("sys/unseal", body)
    session.answer(found, lambda: session.output.line(status.state(session, found)))
    return OK


@command("seal")
@yes_option
@in_session
def seal(session: Session, yes: bool) -> None:
    """Close the server: it serves nothing until it is unsealed again."""
    prompt.agree(f"Seal {session.address}?", given=yes)
    session.client.post("sys/seal")
    session.output.done("sealed")
