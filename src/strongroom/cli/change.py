"""`strongroom change`: writes that are proposed, approved by another, and applied.

What is approved is the text that was shown; what is applied are exactly its writes, one by one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import click

from strongroom.cli import prompt
from strongroom.cli.arguments import read_pairs
from strongroom.cli.commands import command, field_option, group, in_session, yes_option
from strongroom.cli.entities import given, listed
from strongroom.cli.errors import CommandError, RefusedError
from strongroom.cli.policy import show_impact
from strongroom.cli.render import Mark, cell, when
from strongroom.cli.replies import show
from strongroom.cli.session import Session

change = group("change", "Changes of how the server is set up: propose, approve, apply.")
change_rule = group("change-rule", "Which writes need an approved change.")
AREA: Final = "strongroom/changes"
_RULES: Final = "strongroom/change-rules"
_POLICIES: Final = "sys/policies/acl/"
MARKS: Final = {
    "pending": Mark.PART,
    "begun": Mark.PART,
    "overdue": Mark.BAD,
    "approved": Mark.GOOD,
    "applied": Mark.GOOD,
    "denied": Mark.BAD,
}


@command("list")
@click.option("--state", metavar="STATE", help="pending, approved, applied, begun, overdue, …")
@click.option("--path", metavar="PATH", help="Only changes of this path.")
@click.option("--emergency", is_flag=True, help="Only those of emergencies.")
@click.option("--inbox", is_flag=True, help="Only what waits for your decision.")
@in_session
def list_all(
    session: Session, /, *, state: str | None, path: str | None, emergency: bool, inbox: bool
) -> None:
    """List changes."""
    asked = {"state": state, "path": path, "emergency": "true" if emergency else None}
    found = listed(session, f"{AREA}/inbox" if inbox else AREA, {} if inbox else asked)
    rows = [
        (
            cell(MARKS.get(r["state"], Mark.OFF), r["state"]),
            "emergency" if r["emergency"] else "",
            r["title"],
            r["reason"],
            when(r["created_at"]),
            r["id"],
        )
        for r in found
    ]
    columns = ("", "", "what", "why", "proposed", "id")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no changes"))


@command("read")
@click.argument("id_", metavar="ID")
@click.option("--impact", is_flag=True, help="Of policies, also who may more with it, who less.")
@field_option
@in_session
def read(session: Session, id_: str, impact: bool, field: str | None) -> None:
    """Show a change: what it would change, who approved it, what is done of it."""
    reply = session.client.get(f"{AREA}/{id_}")
    if field is not None or session.output.as_json:
        show(session, reply, field)
        return
    tell(session, reply["data"])
    if impact:
        _tell_impact(session, reply["data"])


def _tell_impact(session: Session, found: dict[str, Any]) -> None:
    """Print who gains and who loses by each policy that is not written yet."""
    for each in found["writes"]:
        texts = {row["field"]: row["after"] for row in each["difference"]}
        if not each["path"].startswith(_POLICIES) or each["applied_at"]:
            continue
        asked = {"name": each["path"].removeprefix(_POLICIES), "policy": texts.get("policy") or "#"}
        session.output.line()
        try:
            told = session.client.post("strongroom/policies/impact", asked)["data"]
        except RefusedError as refused:
            if refused.status != 404:
                raise
            session.output.note("the policy is new: nobody gains or loses by it yet")
            continue
        show_impact(session, told)


def tell(session: Session, found: dict[str, Any]) -> None:
    """Print a change with its differences."""
    out = session.output
    out.title(out.safe(found["title"]), f"{found['id']}, revision {found['revision']}")
    about = {"state": found["state"], "why": found["reason"], "ticket": found["ticket"] or None}
    about |= {"due": found["due_at"]} if found["emergency"] else {}
    out.fields({name: value for name, value in about.items() if value})
    for each in found["writes"]:
        done = "applied" if each["applied_at"] else "stale" if each.get("stale") else ""
        out.line()
        out.line(out.safe(f"{each['at']}. {each['operation']} {each['path']}  {done}".rstrip()))
        for row in each["difference"]:
            for line in _lines(row):
                out.line(out.safe(f"   {line}"))
    for place in found["places"]:
        if not place["met"]:
            missing = place["count"] - len(place["by"])
            out.note(f"rule {place['rule']} needs {missing} more")


def _lines(row: dict[str, Any]) -> list[str]:
    """Return what one field's difference looks like."""
    if row.get("hidden"):
        return [f"~ {row['field']}: (not shown)"]
    if row.get("diff"):
        return [str(each) for each in row["diff"][2:]] or [f"  {row['field']}: the same"]
    before, after = (json.dumps(row[name], sort_keys=True) for name in ("before", "after"))
    if before == after:
        return [f"  {row['field']}: {after}"]
    return [f"~ {row['field']}: {before} → {after}"]


@command("propose")
@click.argument("path", required=False)
@click.argument("words", nargs=-1, metavar="[KEY=VALUE...]")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is needed.")
@click.option("--title", metavar="TEXT", help="What it is called.")
@click.option("--ticket", metavar="TEXT", help="Where it is talked about.")
@click.option("--delete", "deletes", is_flag=True, help="Delete PATH, instead of writing to it.")
@click.option("--file", "file", metavar="FILE", help="JSON: a list of path, operation and body.")
@click.option("--emergency", is_flag=True, help="Apply at once; another approves it afterwards.")
@click.option("--preview", is_flag=True, help="Only show what it would change, and need.")
@click.option("--id", "id_", metavar="ID", help="Write a change that is there anew.")
@field_option
@in_session
def propose(  # noqa: PLR0913 - the parts of a change, each by its name
    session: Session,
    /,
    *,
    path: str | None,
    words: tuple[str, ...],
    deletes: bool,
    file: str | None,
    emergency: bool,
    preview: bool,
    id_: str | None,
    field: str | None,
    **fields: Any,
) -> None:
    """Propose to write KEY=VALUE to PATH, or what FILE lists.

    KEY=@FILE takes the value from a file, as `policy=@billing.hcl`.
    """
    writes = [_write(path, words, deletes=deletes)] if path else []
    writes += _listed_in(file) if file else []
    if not writes:
        raise CommandError("there is nothing to change", "give PATH and KEY=VALUE, or --file")
    at = f"{AREA}/preview" if preview else f"{AREA}/emergency" if emergency else AREA
    reply = session.client.post(f"{AREA}/{id_}" if id_ else at, {**given(fields), "writes": writes})
    if field is not None or session.output.as_json or preview:
        show(session, reply, field)
        return
    tell(session, reply["data"])
    state = reply["data"]["state"]
    session.output.done(f"change {reply['data']['id']} is {state}")


def _write(path: str, words: tuple[str, ...], *, deletes: bool) -> dict[str, Any]:
    if deletes:
        return {"path": path, "operation": "delete"}
    return {"path": path, "operation": "write", "body": read_pairs(words, prompt.value_of)}


def _listed_in(file: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(Path(file).read_text())
    except (OSError, ValueError):
        raise CommandError("the file cannot be read", "it is a JSON list of writes") from None
    if not isinstance(found, list):
        raise CommandError("the file is no list of writes")
    return found


def _decide(session: Session, id_: str, how: str, because: str | None, yes: bool) -> Any:
    """Show a change, ask, and decide on just what was shown."""
    found = session.client.get(f"{AREA}/{id_}")["data"]
    if not yes and not session.output.as_json:
        tell(session, found)
    prompt.agree(f"{how.title()} it?", given=yes)
    body = {"revision": found["revision"], "because": because or ""}
    return session.client.post(f"{AREA}/{id_}/{how}", body)


@command("approve")
@click.argument("id_", metavar="ID")
@click.option("--because", metavar="TEXT", help="Why.")
@yes_option
@field_option
@in_session
def approve(
    session: Session, /, *, id_: str, because: str | None, yes: bool, field: str | None
) -> None:
    """Approve a change; with the last approval needed it may be applied."""
    reply = _decide(session, id_, "approve", because, yes)
    if field is not None or session.output.as_json:
        show(session, reply, field)
        return
    session.output.done(f"change {id_} is {reply['data']['state']}")


@command("deny")
@click.argument("id_", metavar="ID")
@click.option("--because", metavar="TEXT", help="Why.")
@yes_option
@in_session
def deny(session: Session, id_: str, because: str | None, yes: bool) -> None:
    """Deny a change, which ends it."""
    _decide(session, id_, "deny", because, yes)
    session.output.done(f"change {id_} denied")


@command("withdraw")
@click.argument("id_", metavar="ID")
@in_session
def withdraw(session: Session, id_: str) -> None:
    """Take a change back."""
    session.client.delete(f"{AREA}/{id_}")
    session.output.done(f"change {id_} withdrawn")


@command("apply")
@click.argument("id_", metavar="ID")
@in_session
def apply(session: Session, id_: str) -> None:
    """Perform the writes of an approved change that are not done yet, one by one."""
    for done in applied(session, id_):
        session.output.note(done)
    session.output.done(f"change {id_} is applied")


def applied(session: Session, id_: str) -> list[str]:
    """Apply what is left of a change; return what was done."""
    found = session.client.get(f"{AREA}/{id_}")["data"]
    left = [each for each in found["writes"] if not each["applied_at"]]
    if not left:
        raise CommandError("all of it is applied already")
    for _ in left:
        session.client.post(f"{AREA}/{id_}/apply")
    return [f"{each['operation']} {each['path']}" for each in left]


# -- rules


@command("list")
@in_session
def list_rules(session: Session) -> None:
    """List the rules."""
    found = listed(session, _RULES, {})
    rows = [
        (
            each["name"],
            cell(Mark.ON, "on") if each["enabled"] else cell(Mark.OFF, "off"),
            ", ".join((*each["areas"], *each["paths"])),
            ", ".join(each["operations"]),
            "proposes" if each["propose"] else "refuses",
        )
        for each in found
    ]
    columns = ("name", "", "covers", "operations", "else")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no rules"))


@command("write")
@click.argument("name")
@click.option("--area", "areas", multiple=True, metavar="AREA", help="policies, auth, mounts, …")
@click.option("--path", "paths", multiple=True, metavar="PATTERN", help="That it covers.")
@click.option("--operation", "operations", multiple=True, metavar="NAME", help="Else all.")
@click.option("--propose/--no-propose", default=None, help="Propose what is refused by itself.")
@click.option("--enabled/--no-enabled", default=None, help="Whether it is in force.")
@click.option("--description", metavar="TEXT")
@in_session
def write_rule(session: Session, /, *, name: str, **fields: Any) -> None:
    """Make a rule, or change what is said of one."""
    session.client.post(f"{_RULES}/{name}", given(fields))
    session.output.done(f"change rule {name} written")


@command("delete")
@click.argument("name")
@yes_option
@in_session
def delete_rule(session: Session, name: str, yes: bool) -> None:
    """Remove a rule: what it covers is written without a change."""
    prompt.agree(f"Remove the rule {name}?", given=yes)
    session.client.delete(f"{_RULES}/{name}")
    session.output.done(f"change rule {name} deleted")


for _each in (list_all, read, propose, approve, deny, withdraw, apply):
    change.add_command(_each)
for _each in (list_rules, write_rule, delete_rule):
    change_rule.add_command(_each)
