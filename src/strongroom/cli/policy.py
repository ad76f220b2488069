"""`strongroom policy`: list, read, write, delete on the server; `fmt` and `check` offline.

`propose`, `replay` and `impact` ask the server what a policy was used for, and what another text of
it would change.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from strongroom.base.errors import InputError
from strongroom.cli import policy_format, prompt
from strongroom.cli.commands import command, group, in_session, offline, yes_option
from strongroom.cli.errors import DOES_NOT_HOLD, OK, CommandError
from strongroom.cli.generic import show_names
from strongroom.cli.render import Mark, cell
from strongroom.cli.session import Session

policy = group("policy", "Policies: what they say, and whether they can.")
_AREA = "sys/policies/acl"
_ASKING = "strongroom/policies"


@command("list")
@in_session
def list_names(session: Session) -> int:
    """List the names of all policies."""
    return show_names(session, session.client.list(_AREA), _AREA)


@command("read")
@click.argument("name")
@in_session
def read(session: Session, name: str) -> None:
    """Print a policy."""
    found = session.client.get(f"{_AREA}/{name}")["data"]
    session.answer(
        found, lambda: session.output.line(session.output.safe(found["policy"].rstrip()))
    )


@command("write")
@click.argument("name")
@click.argument("file")
@in_session
def write(session: Session, name: str, file: str) -> None:
    """Store the policy in FILE, or on the standard input for `-`."""
    session.client.post(f"{_AREA}/{name}", {"policy": _text(file)})
    session.output.done(f"policy {name} written")


def _text(file: str) -> str:
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text()
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not UTF-8 text") from None


@command("delete")
@click.argument("name")
@yes_option
@in_session
def delete(session: Session, name: str, yes: bool) -> None:
    """Remove a policy; tokens that hold it lose what it granted."""
    prompt.agree(f"Remove the policy {name}?", given=yes)
    session.client.delete(f"{_AREA}/{name}")
    session.output.done(f"policy {name} removed")


@command("propose")
@click.argument("name")
@click.option("--days", default=90, show_default=True, help="Look so many days back.")
@click.option("--few", default=20, show_default=True, help="Name a rule's paths if so few.")
@in_session
def propose(session: Session, name: str, days: int, few: int) -> None:
    """Print a smaller policy, made of what NAME was used for; what became of each rule beside."""
    asked = {"name": name, "days": str(days), "few": str(few)}
    found = session.client.get(f"{_ASKING}/propose", asked)["data"]
    session.answer(found, lambda: _show_proposal(session, found))


def _show_proposal(session: Session, found: dict[str, Any]) -> None:
    output = session.output
    output.raw(output.safe(found["policy"]), newline=False)
    for rule in found["rules"]:
        used = ", ".join(rule["used"]) or "nothing"
        output.note(f"{rule['pattern']}: {rule['became']}; used for {used}")
    output.note(f"made of {found['requests']} requests since {found['since']}")


@command("replay")
@click.argument("name")
@click.argument("file")
@click.option("--days", default=90, show_default=True, help="Look so many days back.")
@in_session
def replay(session: Session, name: str, file: str, days: int) -> int:
    """Judge the requests of those who hold NAME by the text in FILE. Exit status 3 if one fails."""
    asked = {"name": name, "policy": _text(file), "days": days}
    found = session.client.post(f"{_ASKING}/replay", asked)["data"]
    session.answer(found, lambda: _show_replay(session, found))
    return DOES_NOT_HOLD if found["refused_requests"] or found["not_judged"] else OK


def _show_replay(session: Session, found: dict[str, Any]) -> None:
    output = session.output
    rows = [
        (r["name"] or r["entity"], r["operation"], r["path"], r["times"], r["last_index"], _why(r))
        for r in found["refused"]
    ]
    columns = ("who", "operation", "path", "times", "last entry", "why")
    output.table(columns, rows, empty="nothing would have been refused")
    output.line()
    said = f"{found['refused_requests']} of {found['requests']} requests since {found['since']}"
    said += f", of {found['refused_kinds']} kinds"
    if found["not_judged"]:
        said += f"; {found['not_judged']} could not be judged"
    if found["conditional"]:
        said += f"; {found['conditional']} depend on what stood in the request"
    output.line(output.dim(said))


def _why(refused: dict[str, Any]) -> str:
    return str(refused["reason"]) + (" (now, too)" if refused["refused_now"] else "")


@command("impact")
@click.argument("name")
@click.argument("file")
@in_session
def impact(session: Session, name: str, file: str) -> int:
    """Say who may more with the text in FILE for NAME, and who less. Exit status 3 if so."""
    asked = {"name": name, "policy": _text(file)}
    found = session.client.post(f"{_ASKING}/impact", asked)["data"]
    session.answer(found, lambda: show_impact(session, found))
    return DOES_NOT_HOLD if found["changes"] or found["asks_otherwise"] else OK


def show_impact(session: Session, found: dict[str, Any]) -> None:
    """Print who may more with another text of a policy, and who less."""
    output = session.output
    for change in found["changes"]:
        named = [each["name"] or each["subject"] for each in change["subjects"][:3]]
        more = change["holders"] - len(named)
        output.title(output.safe(", ".join(named)), f"and {more} more" if more > 0 else "")
        output.line()
        rows = [
            (cell(mark, word), each["pattern"], each["capabilities"], each["sample"])
            for mark, word in ((Mark.BAD, "gains"), (Mark.PART, "loses"))
            for each in change[word]
        ]
        output.table(("", "pattern", "capabilities", "such as"), rows)
        output.line()
    for pattern in found["asks_otherwise"]:
        output.line(output.state(Mark.PART, output.safe(f"{pattern}: asks something else")))
    output.line(output.dim(f"{found['unchanged']} of {found['holders']} holders: no change"))


@offline("fmt")
@click.argument("file")
@click.option("--check", "ask", is_flag=True, help="Change nothing; exit status 3 if it would.")
@in_session
def fmt(session: Session, file: str, ask: bool) -> int:
    """Lay a policy out in one way; `-` reads the standard input and prints."""
    text = _text(file)
    _parse(file, text)
    laid_out = policy_format.laid_out(text)
    if ask:
        same = text == laid_out
        session.output.line(f"{file} is laid out" if same else f"{file} would change")
        return OK if same else DOES_NOT_HOLD
    if file == "-":
        session.output.raw(laid_out, newline=False)
    elif text != laid_out:
        Path(file).write_text(laid_out)
        session.output.done(f"{file} laid out")
    return OK


@offline("check")
@click.argument("files", nargs=-1, required=True)
@in_session
def check(session: Session, files: tuple[str, ...]) -> int:
    """Say whether policies can be read, and what they hold."""
    found = {file: _problem(file) for file in files}
    if session.output.as_json:
        session.output.json({file: {"error": problem} for file, problem in found.items()})
    for file, problem in found.items():
        if problem is not None:
            session.output.note(f"error: {file}: {problem}")
        else:
            session.output.done(f"{file} can be read")
    return DOES_NOT_HOLD if any(found.values()) else OK


def _problem(file: str) -> str | None:
    try:
        _parse(file, _text(file))
    except CommandError as problem:
        return problem.problem.removeprefix(f"{file}: ")
    return None


def _parse(file: str, text: str) -> None:
    from strongroom.identity.policy.document import parse_policy  # noqa: PLC0415  these two alone

    try:
        parse_policy(Path(file).stem, text)
    except InputError as problem:
        raise CommandError(f"{file}: {problem.problem}", exit_code=DOES_NOT_HOLD) from None


for _each in (list_names, read, write, delete, propose, replay, impact, fmt, check):
    policy.add_command(_each)
