"""`strongroom status`: whether the server is open.

Vault  Exit status 0 unsealed, 2 sealed, as with Vault's; and 2 where nobody answers. With
       `--format json` the answer of `sys/seal-status`.
"""

from __future__ import annotations

from typing import Any

from strongroom.cli.commands import command, field_option, in_session
from strongroom.cli.errors import OK, REFUSED, CommandError
from strongroom.cli.render import Mark
from strongroom.cli.replies import pick
from strongroom.cli.session import Session

PASSPHRASE = "passphrase"  # noqa: S105 - a type of seal


@command("status")
@field_option
@in_session
def status(session: Session, field: str | None) -> int:
    """Show whether the server is open, and what it is.

    Exit status 0 if unsealed, 2 if sealed or out of reach.
    """
    found = session.anonymous.get("sys/seal-status")
    if field is not None:
        session.output.raw(pick(found, field), newline=True)
    else:
        session.answer(found, lambda: show(session, found))
        _advise(session, found)
        _warn(session, found)
    return REFUSED if found.get("sealed") else OK


def _advise(session: Session, found: dict[str, Any]) -> None:
    if session.output.as_json or not found.get("sealed"):
        return
    todo = "open it with `strongroom unseal`, a key share each time"
    if found.get("type") == PASSPHRASE:
        todo = "its own log says why it did not open itself; `strongroom unseal` takes a passphrase"
    if not found.get("initialized"):
        todo = "make its keys with `strongroom init`"
    session.output.note(f"note: {todo}")


def _warn(session: Session, found: dict[str, Any]) -> None:
    """Tell whoever may know of new root tokens that live, and of who is locked out."""
    if session.output.as_json or found.get("sealed") or session.token is None:
        return
    try:
        data = (session.client.get("strongroom/alerts", wrapped=False) or {}).get("data") or {}
    except CommandError:
        return  # somebody who may not, another server, or a token that is over
    alerts = [each for each in data.get("alerts") or () if each.get("lives")]
    for alert in alerts:
        session.output.note(f"alert: {_told(alert)}")
    if any("root" in str(each.get("kind")) for each in alerts):
        session.output.note(f"alert: root tokens that live, in all: {data.get('root_tokens')}")


def _told(alert: dict[str, Any]) -> str:
    made, until = alert.get("at"), alert.get("until")
    if alert.get("kind") == "login_locked_out":
        return f"a login at {alert.get('mount')} is locked out until {until}; see sys/locked-users"
    if alert.get("kind") == "second_factor_locked_out":
        return f"the second factor of {alert.get('entity')} is locked out until {until}"
    if alert.get("kind") == "root_token_made":
        return f"a root token made another {made}, and it lives; accessor {alert.get('accessor')}"
    return f"a root token was generated {made} and lives; accessor {alert.get('accessor')}"


def show(session: Session, found: dict[str, Any]) -> None:
    """Print the state in one line, and the rest below it."""
    session.output.line(f"{state(session, found)}   {session.output.dim(session.address)}")
    session.output.line()
    session.output.fields(_details(found))


def state(session: Session, found: dict[str, Any]) -> str:
    """Return the seal's state as a shape and a word."""
    if not found.get("initialized"):
        return session.output.state(Mark.UNKNOWN, "not initialized")
    if not found.get("sealed"):
        return session.output.state(Mark.ON, "unsealed")
    if found.get("progress"):
        given = f"sealed, {found['progress']} of {found['t']} shares given"
        return session.output.state(Mark.PART, given)
    return session.output.state(Mark.OFF, "sealed")


def _details(found: dict[str, Any]) -> dict[str, Any]:
    split = found.get("n") and found.get("type") != PASSPHRASE
    shares = f"{found.get('t')} of {found.get('n')}" if split else None
    rows = {
        "seal": found.get("type"),
        "shares": shares,
        "version": found.get("version"),
        "storage": found.get("storage_type"),
        "cluster": found.get("cluster_name"),
        "cluster id": found.get("cluster_id"),
        "log": found.get("log_problem"),
    }
    return {name: value for name, value in rows.items() if value}
