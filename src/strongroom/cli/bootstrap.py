"""`strongroom bootstrap`: makes the first administrator, by the code of `init --bootstrap`.

Trust  Code and password are typed without an echo, or piped in, a line each, the code first. The
       token that comes back can enrol a key and nothing else; it is kept like that of a login.
"""

from __future__ import annotations

from typing import Any

import click

from strongroom.base.secret import Secret
from strongroom.cli import prompt, token_file
from strongroom.cli.commands import command, in_session
from strongroom.cli.errors import REFUSED, CommandError, RefusedError
from strongroom.cli.session import Session


@command("bootstrap")
@click.option("--name", required=True, metavar="NAME", help="Your name.")
@click.option("--email", required=True, metavar="ADDRESS", help="Your e-mail address.")
@click.option("--username", required=True, metavar="USER", help="With which you will log in.")
@click.option(
    "--registration",
    type=click.Choice(("open", "required")),
    help="Whether others must be registered before they can log in.",
)
@in_session
def bootstrap(
    session: Session, name: str, email: str, username: str, registration: str | None
) -> None:
    """Make the first administrator; asks for the code and for a password.

    An administrator logs in with a security key. Enrol it in the console, within 15 minutes.
    """
    given: dict[str, Any] = {"name": name, "email": email, "username": username}
    given["code"] = prompt.hidden("Code")
    given["password"] = prompt.hidden("Password", confirm=True)
    if registration is not None:
        given["registration"] = registration
    try:
        reply = session.anonymous.post("strongroom/bootstrap", given)
    except RefusedError as refused:
        if refused.status != 403:
            raise
        raise CommandError(refused.problem, exit_code=REFUSED) from None
    token_file.store(session.home, Secret(reply["auth"]["client_token"]))
    session.answer(reply, lambda: _show(session, reply))


def _show(session: Session, reply: dict[str, Any]) -> None:
    data = reply["data"]
    session.output.done(f"{data['username']} is administrator of {session.address}")
    session.output.line()
    place = str(data["mount"]).removeprefix("auth/").rstrip("/")
    session.output.fields(
        {
            "logs in with": f"-method=userpass -path={place} username={data['username']}",
            "entity": data["entity_id"],
            "kept in": str(token_file.own_path(session.home)),
        }
    )
    session.output.note(
        "\nWhat is kept can enrol a security key or passkey, for 15 minutes, and nothing else: sign"
        " in to the console and enrol it. Until then nobody is administrator."
    )
