"""`strongroom access`: the three questions, answered by the policies themselves.

may   may this subject do this there, and by which rules?
what  what may this subject do?
who   who may do this there?
self  what may we do?

A subject is the name or the id of an entity, or as `who` names it: entity:ID, token:ACCESSOR; and
policies:NAME,NAME for whoever would have these.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import click

from strongroom.cli.commands import command, group, in_session
from strongroom.cli.errors import DOES_NOT_HOLD, OK, CommandError, RefusedError
from strongroom.cli.render import Mark, cell
from strongroom.cli.session import Session

access = group("access", "Who may, what may, may this one?")
_AREA = "strongroom/access"
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PARAMETERS: Final = {"entity": "entity", "token": "accessor", "policies": "policies"}

Rows = Sequence[dict[str, Any]]


def _ask(session: Session, question: str, **given: str) -> dict[str, Any]:
    found: dict[str, Any] = session.client.get(f"{_AREA}/{question}", given)["data"]
    return found


def _subject(session: Session, text: str) -> dict[str, str]:
    """Return what the server calls a subject; an entity's name is looked up."""
    kind, separator, rest = text.partition(":")
    if separator and rest and kind in _PARAMETERS:
        return {_PARAMETERS[kind]: rest}
    if separator and kind in {"login", "token-role"}:
        raise CommandError(
            "what a login or a role would give is asked of its policies",
            "give policies:NAME,NAME",
        )
    if _ID.fullmatch(text):
        return {"entity": text}
    try:
        found = session.client.get(f"identity/entity/name/{text}")
    except RefusedError as refused:
        if refused.status != 404:
            raise
        raise CommandError(
            "no entity has this name",
            "`strongroom list identity/entity/name` lists them;"
            " others are token:ACCESSOR and policies:NAME,NAME",
            refused.code,
        ) from None
    return {"entity": str(found["data"]["id"])}


@command("may")
@click.argument("subject")
@click.argument("capability")
@click.argument("path")
@in_session
def may(session: Session, subject: str, capability: str, path: str) -> int:
    """Say whether SUBJECT may do CAPABILITY at PATH. Exit status 0 for yes, 3 for no.

    SUBJECT is an entity, by name or id, whose live tokens count too; token:ACCESSOR; or
    policies:NAME,NAME.
    """
    asked = {**_subject(session, subject), "capability": capability, "path": path}
    found = _ask(session, "may", **asked)
    allowed = bool(found["allowed"])
    session.answer(found, lambda: _show_may(session, found, f"{subject} {capability} {path}"))
    return OK if allowed else DOES_NOT_HOLD


def _show_may(session: Session, found: dict[str, Any], asked: str) -> None:
    output = session.output
    mark, word = (Mark.GOOD, "yes") if found["allowed"] else (Mark.BAD, "no")
    output.line(f"{output.state(mark, word)}   {output.dim(asked)}")
    output.line()
    _show_answers(session, found["subjects"])


def _show_answers(session: Session, answers: Rows, empty: str = "") -> None:
    rows = [(_answer(a), a["subject"], a["name"], a["why"], a["reason"] or None) for a in answers]
    if any(answer["reason"] for answer in answers):
        session.output.table(("", "subject", "name", "rules", "why not"), rows, empty=empty)
    else:
        session.output.table(
            ("", "subject", "name", "rules"), [row[:-1] for row in rows], empty=empty
        )


def _answer(answer: dict[str, Any]) -> str:
    if not answer["allowed"]:
        return cell(Mark.BAD, "may not")
    return cell(Mark.PART, "may, if") if answer["conditional"] else cell(Mark.GOOD, "may")


@command("what")
@click.argument("subject")
@in_session
def what(session: Session, subject: str) -> None:
    """Say what SUBJECT may do, and by which rules."""
    found = _ask(session, "what", **_subject(session, subject))
    session.answer(found, lambda: _show_grants(session, found["subjects"]))


@command("self")
@in_session
def own(session: Session) -> None:
    """Say what we may do, and by which rules."""
    found = _ask(session, "self")
    session.answer(found, lambda: _show_grants(session, [found]))


def _show_grants(session: Session, subjects: Rows) -> None:
    for number, each in enumerate(subjects):
        if number:
            session.output.line()
        bound = f", bound to {', '.join(each['environments'])}" if each["environments"] else ""
        policies = ", ".join(each["policies"]) or "no policy"
        session.output.title(
            each["name"] or each["subject"], f"{each['subject']}, {policies}{bound}"
        )
        session.output.line()
        rows = [
            (_grant(g), g["pattern"], g["capabilities"], g["policies"], _without(g))
            for g in each["grants"]
        ]
        columns = ("", "pattern", "capabilities", "by", "but not")
        session.output.table(columns, rows, empty="may do nothing")


def _grant(grant: dict[str, Any]) -> str:
    if grant["refused_in"] or grant["except_for"]:
        return cell(Mark.PART, "in part")
    return cell(Mark.PART, "may, if") if grant["conditional"] else cell(Mark.GOOD, "may")


def _without(grant: dict[str, Any]) -> str | None:
    """Return what a grant does not reach: patterns with a rule of their own, and environments."""
    outside = [f"in {name}" for name in grant["refused_in"]]
    return ", ".join([*grant["except_for"], *outside]) or None


@command("who")
@click.argument("capability")
@click.argument("path")
@in_session
def who(session: Session, capability: str, path: str) -> None:
    """Say who may do CAPABILITY at PATH, and by which rules.

    Asked are all who hold access, and what each login and token role would give.
    """
    found = _ask(session, "who", capability=capability, path=path)
    while after := found["next"]:
        more = _ask(session, "who", capability=capability, path=path, after=after)
        found = {**more, "subjects": found["subjects"] + more["subjects"]}
    session.answer(found, lambda: _show_who(session, found, f"nobody may {capability} {path}"))


def _show_who(session: Session, found: dict[str, Any], empty: str) -> None:
    output, answers = session.output, found["subjects"]
    _show_answers(session, answers, empty)
    said = [f"{len(answers)} of {found['asked']} who were asked"]
    if found["environments"]:
        said.append(f"in the environment {', '.join(found['environments'])}")
    if found["refused_by_guardrail"]:
        said.append(f"{found['refused_by_guardrail']} more have the policy, and no way in")
    output.line()
    output.line(output.dim("; ".join(said)))


for _each in (may, what, who, own):
    access.add_command(_each)
