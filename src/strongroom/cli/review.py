"""`strongroom review`: who holds what, looked at by somebody else, and signed for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from strongroom.cli.commands import command, field_option, group, in_session
from strongroom.cli.entities import entity_id, given, listed
from strongroom.cli.errors import CommandError
from strongroom.cli.render import Mark, cell, when
from strongroom.cli.replies import show
from strongroom.cli.session import Session

review = group("review", "Who holds what, looked at by somebody else each quarter.")
_AREA = "strongroom/reviews"
_SCHEDULES = "strongroom/review-schedules"
_STATES = {"open": Mark.PART, "overdue": Mark.BAD, "signed": Mark.GOOD}
_LINES = {"kept": Mark.GOOD, "revoked": Mark.BAD, "deferred": Mark.PART, "escalated": Mark.PART}
_FORMS = {".pdf": "pdf", ".xlsx": "xlsx"}


@command("list")
@click.option("--kind", metavar="KIND", help="people or workloads.")
@click.option("--state", metavar="STATE", help="open, overdue or signed.")
@in_session
def list_all(session: Session, /, **asked: str | None) -> None:
    """List access reviews."""
    found = listed(session, _AREA, asked)
    rows = [
        (
            cell(_STATES.get(r["state"], Mark.OFF), r["state"]),
            *(r["title"], str(r["lines"]), when(r["deadline_at"]), r["id"]),
        )
        for r in found
    ]
    columns = ("", "review", "lines", "until", "id")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no reviews"))


@command("start")
@click.argument("kind", metavar="people|workloads")
@click.option("--reviewers", multiple=True, required=True, metavar="GROUP", help="Who review.")
@click.option("--fallback", multiple=True, metavar="GROUP", help="Who step in.")
@click.option("--environment", "environments", multiple=True, metavar="NAME", help="Only these.")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Only who is in these.")
@click.option("--title", metavar="TEXT", help="What people call it.")
@click.option("--deadline", metavar="DURATION", help="How long it may take: 14d.")
@click.option("--grace", metavar="DURATION", help="How much later a sign-off counts: 7d.")
@click.option("--period", metavar="DURATION", help="From how far back uses count: 90d.")
@field_option
@in_session
def start(session: Session, /, *, field: str | None, **fields: Any) -> None:
    """Freeze what everybody of a kind holds now, and begin a review of it."""
    show(session, session.client.post(_AREA, given(fields)), field)


@command("read")
@click.argument("id_", metavar="ID")
@field_option
@in_session
def read(session: Session, id_: str, field: str | None) -> None:
    """Show a review, and how far it is."""
    show(session, session.client.get(f"{_AREA}/{id_}"), field)


@command("lines")
@click.argument("id_", metavar="ID")
@click.option("--state", metavar="STATE", help="undecided, kept, revoked, …")
@click.option("--flag", metavar="FLAG", help="dormant, privileged, orphaned, …")
@click.option("--holder", metavar="ENTITY", help="Of one holder.")
@click.option("--mine", is_flag=True, help="Only those that you can decide on.")
@in_session
def lines(session: Session, /, *, id_: str, holder: str | None, mine: bool, **asked: Any) -> None:
    """List the lines of a review."""
    asked |= {"holder": entity_id(session, holder) if holder else None}
    asked |= {"mine": "true"} if mine else {}
    found = listed(session, f"{_AREA}/{id_}/lines", asked)
    rows = [
        (
            cell(_LINES.get(r["state"], Mark.OFF), r["state"]),
            *(str(r["number"]), r["holder_name"], r["kind"], r["name"]),
            *(f"{r['uses']}", f"{r['peers']}/{r['alike']}", " ".join(r["flags"])),
            _proof(r.get("decision") or {}),
        )
        for r in found
    ]
    columns = ("", "line", "holder", "kind", "grant", "uses", "peers", "flags", "proof")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no lines"))


def _proof(decision: dict[str, Any]) -> str:
    if decision.get("task") and decision.get("proof") not in ("refused", "covered", "nothing"):
        return str(decision["task"])
    return str(decision.get("proof", ""))


@command("line")
@click.argument("id_", metavar="ID")
@click.argument("number", type=int)
@field_option
@in_session
def line(session: Session, id_: str, number: int, field: str | None) -> None:
    """Show a line, with what was decided on it."""
    show(session, session.client.get(f"{_AREA}/{id_}/lines/{number}"), field)


@command("decide")
@click.argument("id_", metavar="ID")
@click.argument("verdict", type=click.Choice(["keep", "revoke", "defer", "escalate"]))
@click.argument("numbers", metavar="LINE...", nargs=-1, required=True, type=int)
@click.option("--because", metavar="TEXT", help="Why; asked for where a line has flags.")
@click.option("--until", metavar="TIME", help="Of a deferral: until when.")
@click.option("--otherwise", metavar="VERDICT", help="Of a deferral: revoke or escalate, then.")
@click.option("--to", metavar="ENTITY", help="Of an escalation: who decides.")
@in_session
def decide(
    session: Session,
    /,
    *,
    id_: str,
    verdict: str,
    numbers: tuple[int, ...],
    to: str | None,
    **fields: Any,
) -> None:
    """Decide on lines alike. What is revoked is ended at once, each for itself."""
    body = given(fields) | {"verdict": verdict}
    body |= {"to": entity_id(session, to)} if to else {}
    if verdict != "revoke":
        session.client.post(f"{_AREA}/{id_}/decide", body | {"lines": list(numbers)})
        session.output.done(f"{verdict}: {', '.join(map(str, numbers))}")
        return
    for number in numbers:
        reply = session.client.post(f"{_AREA}/{id_}/lines/{number}/decide", body)
        done = (reply.get("data") or {}).get("decision") or {}
        session.output.done(f"line {number}: {done.get('executed', '')}")
        if done.get("task"):
            session.output.note(f"to do: {done['task']}")


@command("sign-off")
@click.argument("id_", metavar="ID")
@click.option("--statement", required=True, metavar="TEXT", help="What was reviewed, and how.")
@field_option
@in_session
def sign_off(session: Session, id_: str, statement: str, field: str | None) -> None:
    """Sign a review off, on which all is decided. Asks for a fresh security key."""
    show(session, session.client.post(f"{_AREA}/{id_}/sign-off", {"statement": statement}), field)


@command("record")
@click.argument("id_", metavar="ID")
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@in_session
def record(session: Session, id_: str, output: Path) -> None:
    """Write the record of a review to a file that ends in .pdf or .xlsx."""
    form = _FORMS.get(output.suffix.lower())
    if form is None:
        raise CommandError("the file has to end in .pdf or .xlsx")
    reply = session.client.send("GET", f"strongroom/evidence/reviews/{id_}", query={"form": form})
    output.write_bytes(reply.raw)
    found = {"record": str(output), "bytes": len(reply.raw)}
    session.answer(found, lambda: session.output.done(f"{output}: {len(reply.raw)} bytes"))


@command("schedules")
@in_session
def schedules(session: Session) -> None:
    """List which reviews begin by themselves, once a quarter."""
    found = listed(session, _SCHEDULES, {})
    rows = [
        (
            cell(Mark.ON if r["enabled"] else Mark.OFF, "on" if r["enabled"] else "off"),
            *(r["kind"], ", ".join(r["reviewers"]), r["problem"]),
        )
        for r in found
    ]
    columns = ("", "kind", "reviewers", "problem")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no schedules"))


@command("schedule")
@click.argument("kind", metavar="people|workloads")
@click.option("--reviewers", multiple=True, metavar="GROUP", help="Who review.")
@click.option("--fallback", multiple=True, metavar="GROUP", help="Who step in.")
@click.option("--environment", "environments", multiple=True, metavar="NAME", help="Only these.")
@click.option("--deadline", metavar="DURATION", help="How long one may take: 14d.")
@click.option("--grace", metavar="DURATION", help="How much later a sign-off counts: 7d.")
@click.option("--off", is_flag=True, help="Begin none by itself any more.")
@in_session
def schedule(session: Session, /, *, kind: str, off: bool, **fields: Any) -> None:
    """Begin a review of a kind each quarter."""
    session.client.post(f"{_SCHEDULES}/{kind}", given(fields) | {"enabled": not off})
    session.output.done(f"reviews of {kind}: {'off' if off else 'each quarter'}")


for _each in (list_all, start, read, lines, line, decide, sign_off, record, schedules, schedule):
    review.add_command(_each)
