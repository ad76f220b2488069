"""`strongroom request`, `requests`, `approve`, `deny`, `grants`: access for a while, by approval.

A decision is on the text that was shown: one that was edited meanwhile is read again.
"""

from __future__ import annotations

import re
import time
from typing import Any, Final

import click

from strongroom.cli import prompt
from strongroom.cli.commands import command, field_option, in_session, yes_option
from strongroom.cli.entities import entity_id, listed
from strongroom.cli.errors import REFUSED, CommandError
from strongroom.cli.render import Mark, cell, how_long, when
from strongroom.cli.replies import show
from strongroom.cli.session import Session

_AREA: Final = "strongroom/requests"
_GRANTS: Final = "strongroom/grants"
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # no accessor is so
_WAITING: Final = ("pending",)
_EVERY: Final = 2.0  # seconds between two looks, of who waits
_MARKS: Final = {
    "pending": Mark.PART,
    "begun": Mark.PART,
    "overdue": Mark.BAD,
    "approved": Mark.GOOD,
    "denied": Mark.BAD,
    "active": Mark.GOOD,
}


@command("request")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--capability", "capabilities", multiple=True, metavar="NAME", help="read, list, …; repeated."
)
@click.option("--role", "groups", multiple=True, metavar="GROUP", help="The rights of a group.")
@click.option("--for", "ttl", metavar="TIME", help="For how long, from the approval: 1h.")
@click.option("--until", metavar="TIME", help="Until when at the latest, RFC 3339.")
@click.option("--reason", metavar="TEXT", help="Why you need it.")
@click.option("--preview", is_flag=True, help="Only tell what it would need.")
@click.option("--wait", is_flag=True, help="Wait until it is decided.")
@click.option("--id", "id_", metavar="ID", help="Write a request that is there anew.")
@field_option
@in_session
def request(  # noqa: PLR0913 - the parts of a request, each by its name
    session: Session,
    /,
    *,
    paths: tuple[str, ...],
    preview: bool,
    wait: bool,
    id_: str | None,
    field: str | None,
    **given: Any,
) -> None:
    """Ask for access to PATHs, or for the rights of a role, for a while.

    A PATH is a pattern of request paths, as in a policy: secret/data/app/*.
    """
    body = {"paths": list(paths), **{k: v for k, v in given.items() if v not in (None, ())}}
    if preview:
        show(session, session.client.post(f"{_AREA}/preview", body), field)
        return
    reply = session.client.post(f"{_AREA}/{id_}" if id_ else _AREA, body)
    asked = reply["data"]
    if wait:
        reply = _decided(session, asked)
    if field is not None:
        show(session, reply, field)
    else:
        session.answer(reply, lambda: _tell(session, reply["data"]))


def _decided(session: Session, asked: dict[str, Any]) -> Any:
    """Wait until a request is decided; CommandError unless it was approved."""
    _tell(session, asked)
    while True:
        reply = session.client.get(f"{_AREA}/{asked['id']}")
        state = str(reply["data"]["state"])
        if state not in _WAITING:
            break
        time.sleep(_EVERY)
    if state in {"approved", "begun"}:
        return reply
    raise CommandError(f"the request is {state}", exit_code=REFUSED)


def _tell(session: Session, asked: dict[str, Any]) -> None:
    """Say what became of a request, and what it still needs."""
    note = session.output.note
    state = asked["state"]
    note(f"request {asked['id']} is {state}")
    if state == "begun":
        note(f"its grant has begun; an approval must follow by {asked['due_at']}")
    if state != "pending":
        return
    note(f"it needs {asked['needed']} of: {_who(asked)}")
    for rule in asked["rules"]:
        needs = ", ".join(_need(need, asked.get("group_names") or {}) for need in rule["needs"])
        note(f"rule {rule['name']}: {needs}")
    if asked.get("enough") is False:
        note("there are not enough people who could approve it now")


def _who(asked: dict[str, Any]) -> str:
    known = asked.get("approvers")
    if known is None:
        return "who may approve"
    return ", ".join(each["name"] or each["entity"] for each in known) or "nobody there is"


def _need(need: dict[str, Any], names: dict[str, str]) -> str:
    groups = " or ".join(names.get(each) or each for each in need["groups"])
    return f"{need['count']} of {groups}" if groups else f"{need['count']} of any who may"


@command("requests")
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--inbox", is_flag=True, help="Those that wait for your decision.")
@click.option("--mine", is_flag=True, help="Your own.")
@click.option("--state", metavar="STATE", help="pending, approved, denied, withdrawn, expired, …")
@click.option("--withdraw", is_flag=True, help="Take the request ID back.")
@field_option
@in_session
def requests(  # noqa: PLR0913 - which, and how
    session: Session,
    /,
    *,
    id_: str | None,
    inbox: bool,
    mine: bool,
    state: str | None,
    withdraw: bool,
    field: str | None,
) -> None:
    """List requests for access, or show one."""
    if id_ and withdraw:
        session.client.delete(f"{_AREA}/{id_}")
        session.output.done(f"request {id_} withdrawn")
        return
    if id_:
        show(session, session.client.get(f"{_AREA}/{id_}"), field)
        return
    at = f"{_AREA}/inbox" if inbox else f"{_AREA}/self" if mine else _AREA
    found = listed(session, at, {} if inbox else {"state": state})
    rows = [
        (cell(_MARKS.get(r["state"], Mark.OFF), r["state"]), r["title"], r["reason"], r["id"])
        for r in found
    ]
    columns = ("", "what", "why", "id")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no requests"))


def _decide(session: Session, id_: str, how: str, because: str | None, yes: bool) -> Any:
    """Show the request, ask, and decide on just what was shown."""
    found = session.client.get(f"{_AREA}/{id_}")
    if not yes and not session.output.as_json:
        show(session, found)
    prompt.agree(f"{how.title()} it?", given=yes)
    body = {"revision": found["data"]["revision"], "because": because or ""}
    return session.client.post(f"{_AREA}/{id_}/{how}", body)


@command("approve")
@click.argument("id_", metavar="ID")
@click.option("--because", metavar="TEXT", help="Why.")
@yes_option
@field_option
@in_session
def approve(
    session: Session, /, *, id_: str, because: str | None, yes: bool, field: str | None
) -> None:
    """Approve a request for access; the last approval needed begins the grant.

    ID may also be the accessor of what a policy's control group holds.
    """
    if not _ID.fullmatch(id_):
        show(session, _authorized(session, id_, yes), field)
        return
    reply = _decide(session, id_, "approve", because, yes)
    if field is not None or session.output.as_json:
        show(session, reply, field)
        return
    data = reply["data"]
    session.output.done(f"request {id_} is {data['state']}")
    for place in data["places"]:
        if not place["met"]:
            missing = place["count"] - len(place["by"])
            session.output.note(f"rule {place['rule']} needs {missing} more")


def _authorized(session: Session, accessor: str, yes: bool) -> Any:
    """Show what a control group holds, ask, and say yes to it."""
    body = {"accessor": accessor}
    if not yes and not session.output.as_json:
        show(session, session.client.post("sys/control-group/request", body))
    prompt.agree("Approve it?", given=yes)
    return session.client.post("sys/control-group/authorize", body)


@command("deny")
@click.argument("id_", metavar="ID")
@click.option("--because", metavar="TEXT", help="Why.")
@yes_option
@in_session
def deny(session: Session, id_: str, because: str | None, yes: bool) -> None:
    """Deny a request for access, which ends it."""
    _decide(session, id_, "deny", because, yes)
    session.output.done(f"request {id_} denied")


@command("grants")
@click.option("--all", "everybody", is_flag=True, help="Everybody's, and not your own alone.")
@click.option("--entity", metavar="ENTITY", help="Those of one entity.")
@click.option("--state", metavar="STATE", help="active or ended.")
@click.option("--end", "ended", metavar="ID", help="End a grant now.")
@click.option("--because", metavar="TEXT", help="Why it is ended.")
@in_session
def grants(  # noqa: PLR0913 - whose, which, or the end of one
    session: Session,
    /,
    *,
    everybody: bool,
    entity: str | None,
    state: str | None,
    ended: str | None,
    because: str | None,
) -> None:
    """List what was granted, and what is left of it; or end a grant."""
    others = everybody or entity is not None
    if ended:
        at = f"{_GRANTS}/{ended}/end" if others else f"{_GRANTS}/self/{ended}/end"
        session.client.post(at, {"because": because or ""})
        session.output.done(f"grant {ended} ended")
        return
    asked = {"state": state, "entity": entity_id(session, entity) if entity else None}
    found = listed(session, _GRANTS if others else f"{_GRANTS}/self", asked)
    rows = [
        (
            cell(_MARKS.get(r["state"], Mark.OFF), r["state"]),
            ", ".join(r["paths"]) or "a role",
            ", ".join(r["capabilities"]),
            how_long(r["left"]) if r["left"] else "",
            when(r["ended_at"] or r["ends"]),
            r["name"],
            r["id"],
        )
        for r in found
    ]
    columns = ("", "what", "to", "left", "until", "whose", "id")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no grants"))
