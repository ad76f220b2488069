"""`strongroom step-up` and `factor`: one's own second factors, shown and enrolled.

Trust  Codes are typed without an echo, or piped in, a line each. The key of an app and recovery
       codes are shown once and kept nowhere. A security key is enrolled in the console: it needs a
       browser.
"""

from __future__ import annotations

from typing import Any

import click

from strongroom.cli import prompt
from strongroom.cli.commands import command, group, in_session
from strongroom.cli.render import when
from strongroom.cli.session import Session

factor = group("factor", "Second factors of your own.")
_AREA = "strongroom/factors"
_CODE = "Code of your app, or a recovery code"


@command("step-up")
@in_session
def step_up(session: Session) -> None:
    """Show a factor again, for what asks for a fresh one; asks for a code."""
    reply = session.client.post("strongroom/step-up", {"code": prompt.hidden(_CODE)})
    session.answer(reply, lambda: session.output.done("a fresh factor was shown"))


@command("list")
@in_session
def list_all(session: Session) -> None:
    """List your factors."""
    info = _factors(session)
    rows = [
        (each["kind"], each["name"], when(each["created_at"]), when(each["used_at"]), id_)
        for id_, each in info.items()
    ]
    columns = ("kind", "name", "since", "last used", "id")
    session.answer(info, lambda: session.output.table(columns, rows, empty="no factors"))


@command("enrol-app")
@click.option("--name", default="app", show_default=True, help="What it is to be called.")
@in_session
def enrol_app(session: Session, name: str) -> None:
    """Enrol an authenticator app: shows its key, then asks for its first code."""
    begun = session.client.post(f"{_AREA}/totp/begin", {"name": name, **_shown(session)})["data"]
    session.output.note(f"key: {begun['secret']}\nor, as a link: {begun['url']}")
    given = {"id": begun["id"], "code": prompt.hidden("First code of the app")}
    reply = session.client.post(f"{_AREA}/totp/confirm", given)
    session.answer(reply, lambda: session.output.done(f"{name} is enrolled"))


@command("recovery-codes")
@in_session
def recovery_codes(session: Session) -> None:
    """Make ten recovery codes, shown once; older ones end."""
    reply = session.client.post(f"{_AREA}/recovery", _shown(session))

    def show() -> None:
        for code in reply["data"]["codes"]:
            session.output.line(code)
        session.output.note("\nEach is good once. Nothing keeps them: print them.")

    session.answer(reply, show)


@command("delete")
@click.argument("id_", metavar="ID")
@in_session
def delete(session: Session, id_: str) -> None:
    """Delete a factor of yours, showing one."""
    session.client.post(f"{_AREA}/{id_}/delete", {"code": prompt.hidden(_CODE)})
    session.output.done("deleted")


def _factors(session: Session) -> dict[str, Any]:
    """Return one's own factors by id."""
    reply = session.client.send("LIST", _AREA, accepted=frozenset({404}), wrapped=False)
    found: dict[str, Any] = ((reply.data or {}).get("data") or {}).get("key_info") or {}
    return found


def _shown(session: Session) -> dict[str, str]:
    """Ask for a code where there is a factor already."""
    return {"code": prompt.hidden(_CODE)} if _factors(session) else {}


for _each in (list_all, enrol_app, recovery_codes, delete):
    factor.add_command(_each)
