"""`strongroom break-glass`: help yourself in an emergency, and answer for it.

To open takes a fresh security key: `strongroom step-up --key` shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from strongroom.cli.commands import command, field_option, group, in_session, yes_option
from strongroom.cli.entities import entity_id, given, listed
from strongroom.cli.errors import REFUSED, CommandError
from strongroom.cli.prompt import agree
from strongroom.cli.render import Mark, cell, how_long, when
from strongroom.cli.replies import show
from strongroom.cli.session import Session

break_glass = group("break-glass", "Help yourself in an emergency, and answer for it.")
rule = group("rule", "Who may open a case, of what, and for how long.")
_AREA: Final = "strongroom/break-glass"
_RULES: Final = "strongroom/break-glass-rules"
_MARKS: Final = {"open": Mark.BAD, "ended": Mark.PART, "closed": Mark.PART, "reviewed": Mark.GOOD}


@command("open")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--capability", "capabilities", multiple=True, metavar="NAME", help="read, list, …; repeated."
)
@click.option("--role", "groups", multiple=True, metavar="GROUP", help="The rights of a group.")
@click.option("--for", "ttl", metavar="TIME", help="For how long, at most what the rule lets.")
@click.option("--reason", metavar="TEXT", required=True, help="What the emergency is.")
@click.option("--rule", "named", metavar="NAME", help="The rule that it goes by.")
@field_option
@in_session
def open_case(
    session: Session,
    /,
    *,
    paths: tuple[str, ...],
    named: str | None,
    field: str | None,
    **more: Any,
) -> None:
    """Open a case for PATHs: access at once, and everybody who could have approved is told."""
    body = {"paths": list(paths), **{k: v for k, v in more.items() if v not in (None, ())}}
    body |= {"rule": named} if named else {}
    reply = session.client.post(_AREA, body)
    if field is not None:
        show(session, reply, field)
        return
    session.answer(reply, lambda: _opened(session, reply["data"]))


def _opened(session: Session, case: dict[str, Any]) -> None:
    session.output.done(f"case {case['id']} is open until {when(case['ends_at'])}")
    if case["problem"]:
        session.output.note(case["problem"])
    else:
        session.output.note(f"{len(case['told'])} who could have approved it are told")
    session.output.note("close it as soon as you can, and say what was done")


@command("close")
@click.argument("id_", metavar="ID")
@click.option("--done", metavar="TEXT", required=True, help="What was done, and how it ended.")
@field_option
@in_session
def close(session: Session, id_: str, done: str, field: str | None) -> None:
    """Close a case: its access ends, and what was done is said."""
    _say(session, f"{id_}/close", {"done": done}, field, f"case {id_} closed")


@command("extend")
@click.argument("id_", metavar="ID")
@click.option("--for", "ttl", metavar="TIME", required=True, help="How much longer.")
@click.option("--because", metavar="TEXT", required=True, help="Why.")
@field_option
@in_session
def extend(session: Session, /, *, id_: str, ttl: str, because: str, field: str | None) -> None:
    """Give somebody else's case more time."""
    body = {"ttl": ttl, "because": because}
    _say(session, f"{id_}/extend", body, field, f"case {id_} has more time")


@command("review")
@click.argument("id_", metavar="ID")
@click.option("--justified/--not-justified", default=None, help="What you find.")
@click.option("--words", metavar="TEXT", required=True, help="Why.")
@click.option("--finding", "findings", multiple=True, metavar="TEXT", help="What is to be mended.")
@field_option
@in_session
def review(  # noqa: PLR0913 - the parts of a review
    session: Session,
    /,
    *,
    id_: str,
    justified: bool | None,
    words: str,
    findings: tuple[str, ...],
    field: str | None,
) -> None:
    """Review somebody else's case, once it is closed."""
    if justified is None:
        raise CommandError("say --justified or --not-justified")
    verdict = "justified" if justified else "not justified"
    body = {"verdict": verdict, "words": words, "findings": list(findings)}
    _say(session, f"{id_}/review", body, field, f"case {id_} reviewed: {verdict}")


@command("waive")
@click.argument("id_", metavar="ID")
@click.option("--because", metavar="TEXT", required=True, help="Why.")
@field_option
@in_session
def waive(session: Session, id_: str, because: str, field: str | None) -> None:
    """Let the holder of a case whose review is overdue open another."""
    body = {"because": because}
    _say(session, f"{id_}/waive", body, field, f"its holder may open another beside case {id_}")


def _say(
    session: Session, where: str, body: Mapping[str, object], field: str | None, said: str
) -> None:
    reply = session.client.post(f"{_AREA}/{where}", body)
    if field is not None or session.output.as_json:
        show(session, reply, field)
    else:
        session.output.done(said)


@command("list")
@click.option("--state", metavar="STATE", help="open, ended, closed or reviewed.")
@click.option("--mine", is_flag=True, help="Your own alone.")
@click.option("--holder", metavar="ENTITY", help="Those of one entity.")
@click.option("--drills", metavar="WHICH", help="no or only.")
@in_session
def list_all(
    session: Session, /, *, state: str | None, mine: bool, holder: str | None, drills: str | None
) -> None:
    """List cases."""
    asked: dict[str, str | None] = {"state": state, "drills": drills}
    asked["holder"] = entity_id(session, holder) if holder else None
    found = listed(session, f"{_AREA}/self" if mine else _AREA, asked)
    rows = [
        (
            cell(_MARKS.get(r["state"], Mark.OFF), r["state"]),
            "drill" if r["drill"] else ", ".join(r["paths"]) or "a role",
            r["name"] or r["holder"],
            how_long(r["left"]) if r["left"] else "",
            r["reason"],
            r["id"],
        )
        for r in found
    ]
    columns = ("", "what", "whose", "left", "reason", "id")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no cases"))


@command("show")
@click.argument("id_", metavar="ID")
@field_option
@in_session
def show_case(session: Session, id_: str, field: str | None) -> None:
    """Show a case: what is left of it, what it touched, and what is still to do."""
    show(session, session.client.get(f"{_AREA}/{id_}"), field)


@command("drill")
@click.option("--rule", "named", metavar="NAME", help="The rule whose path it is on.")
@click.option("--reason", metavar="TEXT", default="a drill", show_default=True)
@in_session
def drill(session: Session, named: str | None, reason: str) -> None:
    """Open a case on the rule's path for drills, read there, close it, and say how long it took."""
    body: dict[str, object] = {"drill": True, "reason": reason}
    case = session.client.post(_AREA, {**body, "rule": named} if named else body)["data"]
    [path] = case["paths"]
    try:
        session.client.get(path)
    finally:
        done = session.client.post(f"{_AREA}/{case['id']}/close", {"done": "the drill is over"})
    found = session.client.get(f"{_AREA}/{case['id']}")["data"]
    if found["took_seconds"] is None:
        raise CommandError("nothing was served in the drill", exit_code=REFUSED)
    session.answer(done, lambda: _drilled(session, found))


def _drilled(session: Session, found: dict[str, Any]) -> None:
    took, target = found["took_seconds"], how_long(found["target_seconds"])
    session.output.done(f"drill {found['id']}: {found['paths'][0]} was read")
    session.output.note(f"it took {took:.1f} seconds from the call; the target is {target}")


@command("list")
@in_session
def rules(session: Session) -> None:
    """List the rules."""
    found = listed(session, _RULES, {})
    rows = [
        (
            each["name"],
            ", ".join((*each["environments"], *each["paths"])) or "drills",
            ", ".join(each["groups"]) or "anybody who may",
            how_long(each["longest"]),
            how_long(each["in_all"]),
        )
        for each in found
    ]
    columns = ("name", "of", "who", "for", "in all")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no rules"))


@command("read")
@click.argument("name")
@field_option
@in_session
def rule_read(session: Session, name: str, field: str | None) -> None:
    """Show a rule."""
    show(session, session.client.get(f"{_RULES}/{name}"), field)


@command("write")
@click.argument("name")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Who may; repeated.")
@click.option("--path", "paths", multiple=True, metavar="PATTERN", help="What may be asked for.")
@click.option("--environment", "environments", multiple=True, metavar="NAME", help="Likewise.")
@click.option("--longest", metavar="TIME", help="The life of a case, at most 4h.")
@click.option("--in-all", metavar="TIME", help="With all extensions, at most 8h.")
@click.option("--close-within", metavar="TIME", help="When what was done is to be said.")
@click.option("--blocks/--no-blocks", default=None, help="No second beside an overdue review.")
@click.option("--drill-path", metavar="PATH", help="A path without a secret, for drills.")
@click.option("--drill-target", metavar="TIME", help="In what time a drill's read is served.")
@click.option("--description", metavar="TEXT")
@in_session
def rule_write(session: Session, /, *, name: str, **fields: Any) -> None:
    """Make a rule, or change what is said of one."""
    session.client.post(f"{_RULES}/{name}", given(fields))
    session.output.done(f"break-glass rule {name} written")


@command("delete")
@click.argument("name")
@yes_option
@in_session
def rule_delete(session: Session, name: str, yes: bool) -> None:
    """Remove a rule; open cases go on to their end."""
    agree(f"Remove the break-glass rule {name}?", given=yes)
    session.client.delete(f"{_RULES}/{name}")
    session.output.done(f"break-glass rule {name} removed")


for _each in (rules, rule_read, rule_write, rule_delete):
    rule.add_command(_each)
for _each in (open_case, close, extend, review, waive, list_all, show_case, drill, rule):
    break_glass.add_command(_each)
