"""`strongroom login` and `logout`.

Vault  Methods `token`, `userpass`, `approle`, `jwt` and `oidc` (`cli.browser`); `-token-only`,
       `-no-store`, `-path` and JSON as with Vault's. Other methods are a `write auth/…/login`. A
       login that needs a second factor asks for it (`cli.second_factor`).
Trust  The token is stored for its owner alone and shown only where that was asked for; a password
       is not. A person's token that is kept is opened as a session of the command line, where the
       server is ours: it ends when nobody uses it, and at the latest after a working day.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import click

from strongroom.base.secret import Secret
from strongroom.cli import browser, prompt, second_factor, token_file
from strongroom.cli.arguments import read_pairs
from strongroom.cli.commands import command, field_option, in_session
from strongroom.cli.errors import CommandError
from strongroom.cli.render import how_long
from strongroom.cli.replies import login_fields, pick, warn
from strongroom.cli.session import Session
from strongroom.cli.sessions import open_as_session

METHODS = ("token", "userpass", "approle", "jwt", "oidc")


@command("login")
@click.argument("words", nargs=-1, metavar="[TOKEN | KEY=VALUE...]")
@click.option("--method", type=click.Choice(METHODS), default="token", show_default=True)
@click.option("--path", metavar="PATH", help="Where the method is mounted, if not at its name.")
@click.option("--token-only", is_flag=True, help="Print the token and keep it nowhere.")
@click.option("--no-store", is_flag=True, help="Print the login and keep the token nowhere.")
@click.option("--no-print", is_flag=True, help="Print nothing.")
@click.option("--no-browser", is_flag=True, help="Show the address for a browser, open none.")
@field_option
@in_session
def login(  # noqa: PLR0913, PLR0917  the options of Vault's
    session: Session,
    words: tuple[str, ...],
    method: str,
    path: str | None,
    token_only: bool,
    no_store: bool,
    no_print: bool,
    no_browser: bool,
    field: str | None,
) -> None:
    r"""Get a token and keep it.

    \b
      strongroom login                                     asks for a token
      strongroom login -method=userpass username=ada       asks for the password
      strongroom login -method=approle role_id=...         asks for the secret id
      strongroom login -method=oidc role=staff             opens a browser
      strongroom login -method=jwt role=ci jwt=@token      a signed token

    A second factor is asked for where one is needed: a code here, a security key in a browser.
    """
    session.skips_browser = no_browser
    place = f"auth/{(path or method).strip('/')}"
    reply = (
        _with_token(session, words) if method == "token" else _log_in(session, method, place, words)
    )
    auth = reply.get("auth")
    if auth and auth.get("mfa_requirement"):
        reply = second_factor.show(session, auth["mfa_requirement"], _calling_themselves(words))
        auth = reply.get("auth")
    if not auth:
        raise CommandError("the login asks for more than this command knows", "use `write`")
    warn(session, reply)
    if not (token_only or no_store):
        token = Secret(auth["client_token"])
        token_file.store(session.home, token)
        if auth.get("entity_id") and method != "token":
            most = open_as_session(session, token)
            auth["lease_duration"] = min(
                filter(None, (auth.get("lease_duration"), most)), default=0
            )
    if token_only:
        session.output.raw(auth["client_token"], newline=True)
    elif field is not None:
        session.output.raw(pick(login_fields(auth), field), newline=True)
    elif not no_print:
        session.answer(reply, lambda: _show(session, auth, stored=not no_store))


def _with_token(session: Session, words: Sequence[str]) -> dict[str, Any]:
    """Look a token up as itself, and return it in the form of a login."""
    if len(words) > 1:
        raise CommandError("one token at a time", "or name a -method")
    given = words[0].removeprefix("token=") if words else "?"
    if given == "?":
        given = prompt.hidden("Token")
    elif given == "-":
        given = prompt.one_line("token")
    token = token_file.checked(given.strip(), "what was given")
    data = session.client_with(token).get("auth/token/lookup-self")["data"]
    auth = {
        "client_token": token.text(),
        "accessor": data.get("accessor"),
        "policies": data.get("policies"),
        "token_policies": data.get("policies"),
        "identity_policies": data.get("identity_policies"),
        "metadata": data.get("meta"),
        "lease_duration": data.get("ttl"),
        "renewable": data.get("renewable"),
        "entity_id": data.get("entity_id"),
        "display_name": data.get("display_name"),
    }
    return {"auth": auth}


def _log_in(session: Session, method: str, place: str, words: Sequence[str]) -> dict[str, Any]:
    given = read_pairs(words, prompt.value_of)
    if method == "userpass":
        name = given.pop("username", None)
        if not name:
            raise CommandError("username is missing", "write username=NAME")
        place = f"{place}/login/{quote(str(name), safe='')}"
        given.setdefault("password", None)
        given["password"] = given["password"] or prompt.hidden(f"Password of {name}")
    elif method == "oidc":
        return browser.log_in(session, place, given)
    elif method == "jwt":
        place = f"{place}/login"
        given["jwt"] = str(given.get("jwt") or prompt.hidden("Signed token")).strip()
    else:
        if not given.get("role_id"):
            raise CommandError("role_id is missing", "write role_id=ID")
        place = f"{place}/login"
        if "secret_id" not in given:
            given["secret_id"] = prompt.hidden("Secret id")
    reply: dict[str, Any] = session.anonymous.post(place, given)
    return reply


def _calling_themselves(words: Sequence[str]) -> str:
    """Return the name that somebody logs in with, or their role's."""
    given = dict(word.partition("=")[::2] for word in words)
    return given.get("username") or given.get("role") or ""


def _show(session: Session, auth: dict[str, Any], *, stored: bool) -> None:
    if not stored:
        session.output.fields(login_fields(auth), indent=0)
        return
    told = auth.get("metadata") or {}
    who = told.get("username") or told.get("role_name") or auth.get("display_name")
    session.output.done(f"logged in to {session.address}" + (f" as {who}" if who else ""))
    session.output.line()
    ends = how_long(auth["lease_duration"]) if auth.get("lease_duration") else "does not expire"
    session.output.fields(
        {
            "policies": auth.get("policies"),
            "ends in": ends,
            "kept in": str(token_file.own_path(session.home)),
        }
    )
    if session.setting("token"):
        session.output.note("\nnote: STRONGROOM_TOKEN or VAULT_TOKEN is set, and counts first")


@command("logout")
@click.option("--revoke", is_flag=True, help="End the token at the server first.")
@in_session
def logout(session: Session, revoke: bool) -> None:
    """Forget the token that `login` kept."""
    if revoke:
        token = token_file.find(session.home)
        if token is not None:
            session.client_with(token).post("auth/token/revoke-self")
    if token_file.forget(session.home):
        session.output.done("logged out")
    else:
        session.output.note("nobody was logged in")
    if session.setting("token"):
        session.output.note("note: STRONGROOM_TOKEN or VAULT_TOKEN is still set")
