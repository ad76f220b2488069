"""`strongroom step-up` and `factor`: one's own second factors, shown and enrolled.

Trust  Codes are typed without an echo, or piped in, a line each; a security key is asked in a
       browser. The key of an app and recovery codes are shown once and kept nowhere: the key as
       text, as a link, and on a terminal as a picture. A security key is enrolled in the console.
"""

from __future__ import annotations

from typing import Any

import click

from strongroom.base.secret import Secret
from strongroom.cli import prompt
from strongroom.cli.commands import command, group, in_session
from strongroom.cli.proving import AREA, factors, proof, waits_for_approval
from strongroom.cli.render import when
from strongroom.cli.session import Session
from strongroom.crypto.errors import PictureError
from strongroom.crypto.qr_code import qr_code

factor = group("factor", "Second factors of your own.")


@command("step-up")
@click.option("--no-browser", is_flag=True, help="Show the address for a browser, open none.")
@in_session
def step_up(session: Session, no_browser: bool) -> None:
    """Show a factor again, for what asks for a fresh one: a code, or a security key."""
    session.skips_browser = no_browser
    session.client.steps_up = None  # it is what this command is for
    given = proof(session, session.client, purpose="step-up")
    reply = session.client.post("strongroom/step-up", given)
    session.answer(reply, lambda: session.output.done("a fresh factor was shown"))


@command("list")
@in_session
def list_all(session: Session) -> None:
    """List your factors."""
    info = factors(session.client)
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
    begun = session.client.post(f"{AREA}/totp/begin", {"name": name, **_shown(session)})["data"]
    session.output.note(f"key: {begun['secret']}\nor, as a link: {begun['url']}")
    _draw(session, Secret(begun["url"]))
    given = {"id": begun["id"], "code": prompt.hidden("First code of the app")}
    reply = session.client.post(f"{AREA}/totp/confirm", given)
    session.answer(reply, lambda: session.output.done(f"{name} is enrolled"))


@command("recovery-codes")
@in_session
def recovery_codes(session: Session) -> None:
    """Make ten recovery codes, shown once; older ones end."""
    reply = session.client.post(f"{AREA}/recovery", _shown(session))

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
    given = proof(session, session.client, purpose="change")
    session.client.post(f"{AREA}/{id_}/delete", given)
    session.output.done("deleted")


def _shown(session: Session) -> dict[str, Any]:
    """Ask for a factor where there is one already, or for the code of an approval."""
    if waits_for_approval(session.client):
        asked = "Enrolment code of an approval, or nothing to show a factor of before"
        code = prompt.hidden(asked, optional=True)
        if code:
            return {"enrolment_code": code}
    return proof(session, session.client, purpose="change") if factors(session.client) else {}


def _draw(session: Session, url: Secret) -> None:
    """Draw a link for the camera of an app, where it is not too long for one."""
    try:
        session.output.picture(qr_code(url).blocks())
    except PictureError:
        session.output.note("(it is too long for a picture)")


for _each in (list_all, enrol_app, recovery_codes, delete):
    factor.add_command(_each)
