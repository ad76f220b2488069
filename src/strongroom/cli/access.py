"""`strongroom access`: the three questions, answered by the policies themselves.

may     may this subject do this there, and by which rules?
what    what may this subject do, now or then?
who     who may do this there, now or then?
matrix  what may everybody do, on every path?
unused  which of the rules of somebody, or of a policy, were used?
self    what may we do?

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


at_option = click.option("--at", metavar="TIME", help="As of this moment, RFC 3339.")


@command("what")
@click.argument("subject")
@at_option
@in_session
def what(session: Session, subject: str, at: str | None) -> None:
    """Say what SUBJECT may do, and by which rules; of an entity, by its logins too."""
    found = _ask(session, "what", **_subject(session, subject), **_at(at))
    session.answer(found, lambda: _show_what(session, found))


def _at(at: str | None) -> dict[str, str]:
    return {"at": at} if at else {}


def _show_what(session: Session, found: dict[str, Any]) -> None:
    _show_grants(session, found["subjects"])
    _show_uncertain(session, found)


def _show_uncertain(session: Session, found: dict[str, Any]) -> None:
    """Say what of a past moment could not be known."""
    output = session.output
    of_each = [
        f"{e['subject']}: {e['uncertain']}" for e in found.get("subjects", ()) if "uncertain" in e
    ]
    for line in (*found.get("uncertain", ()), *of_each):
        output.line(output.state(Mark.PART, output.safe(line)))


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
@at_option
@in_session
def who(session: Session, capability: str, path: str, at: str | None) -> None:
    """Say who may do CAPABILITY at PATH, and by which rules.

    Asked are all who hold access, and what each login and token role would give.
    """
    asked = {"capability": capability, "path": path, **_at(at)}
    found = _ask(session, "who", **asked)
    while after := found["next"]:
        more = _ask(session, "who", **asked, after=after)
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
    _show_uncertain(session, found)


@command("matrix")
@click.option("--below", default="", metavar="PATH", help="Only paths that begin so.")
@at_option
@click.option("--rows", default=20, show_default=True, help="Show so many rows; 0 for all.")
@in_session
def matrix(session: Session, below: str, at: str | None, rows: int) -> None:
    """Say what everybody may do on every path; who may do the same is one row."""
    page = {"limit": str(rows)} if rows > 0 else {}
    found = _ask(session, "everybody", below=below, **_at(at), **page)
    while rows <= 0 and (after := found["next"]):
        more = _ask(session, "everybody", matrix=found["matrix"], after=after)
        found = {**more, "rows": found["rows"] + more["rows"]}
    session.answer(found, lambda: _show_matrix(session, found))


def _show_matrix(session: Session, found: dict[str, Any]) -> None:
    output = session.output
    for row in found["rows"]:
        named = [each["name"] or each["subject"] for each in row["subjects"][:3]]
        more = row["holders"] - len(named)
        output.title(output.safe(", ".join(named)), f"and {more} more" if more else "")
        output.line()
        rights = [(r["pattern"], r["capabilities"], r["paths"], r["sample"]) for r in row["rights"]]
        output.table(("pattern", "capabilities", "paths", "such as"), rows=rights, empty="nothing")
        output.line()
    said = (
        f"{found['holders']} holders, {found['paths']} paths: {found['row_count']} different "
        f"rows, {len(found['rows'])} of them shown; as of {found['as_of']}"
    )
    output.line(output.dim(said))
    _show_uncertain(session, found)


@command("unused")
@click.argument("name")
@click.option("--days", default=90, show_default=True, help="Look so many days back.")
@in_session
def unused(session: Session, name: str, days: int) -> None:
    """Say which rules NAME used, and when last. NAME is an entity, or policy:NAME."""
    kind, separator, policy = name.partition(":")
    if separator and kind == "policy":
        asked = {"policy": policy}
    else:
        asked = _subject(session, name)
        if "entity" not in asked:
            raise CommandError("an entity or policy:NAME is asked about")
    found = _ask(session, "unused", **asked, days=str(days))
    session.answer(found, lambda: _show_unused(session, found))


def _show_unused(session: Session, found: dict[str, Any]) -> None:
    output = session.output
    rows = [
        (
            cell(Mark.BAD, "unused") if rule["unused"] else cell(Mark.GOOD, "used"),
            rule["rule"],
            rule["granted"],
            rule["unused_capabilities"] or None,
            rule["times"],
            rule["last_time"],
        )
        for rule in found["rules"]
    ]
    columns = ("", "rule", "granted", "not used", "times", "last")
    output.table(columns, rows, empty="no rule grants anything")
    output.line()
    since = f"since {found['since']}"
    output.line(output.dim(f"{found['unused']} of {len(rows)} rules were not used {since}"))


for _each in (may, what, who, matrix, unused, own):
    access.add_command(_each)
