"""`strongroom training`: courses, and who completed which."""

from __future__ import annotations

from typing import Any

import click

from strongroom.cli.commands import command, group, in_session
from strongroom.cli.entities import entity_id, given, listed
from strongroom.cli.render import Mark, cell, how_long, when
from strongroom.cli.replies import show
from strongroom.cli.session import Session

training = group("training", "Courses, and who completed which.")
_AREA = "strongroom/training"
_MARKS = {"current": Mark.GOOD, "over": Mark.BAD}


@command("courses")
@in_session
def courses(session: Session) -> None:
    """List courses."""
    found = listed(session, f"{_AREA}/courses", {})
    rows = [
        (
            c["name"],
            c["title"],
            c["version"],
            how_long(c["validity"]),
            "yes" if c["required"] else "no",
        )
        for c in found
    ]
    columns = ("name", "title", "version", "counts for", "required")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no courses"))


@command("course")
@click.argument("name")
@click.option("--title", metavar="TEXT")
@click.option("--version", metavar="TEXT", help="Of its content.")
@click.option("--validity", metavar="TIME", help="For how long a completion counts: 8760h.")
@click.option("--required/--not-required", default=None, help="Whoever can reach a secret.")
@click.option("--self-attested/--recorded", default=None, help="People may say it themselves.")
@click.option("--description", metavar="TEXT")
@in_session
def course(session: Session, /, *, name: str, **fields: Any) -> None:
    """Make a course, or change what was said of it."""
    session.client.post(f"{_AREA}/courses/{name}", given(fields))
    session.output.done(f"{name} written")


@command("list")
@click.option("--course", metavar="NAME")
@click.option("--entity", metavar="ENTITY", help="Of whom.")
@in_session
def completions(session: Session, course: str | None, entity: str | None) -> None:
    """List who completed which course."""
    who = entity_id(session, entity) if entity else None
    found = listed(session, f"{_AREA}/completions", {"course": course, "entity": who})
    rows = [
        (
            cell(_MARKS.get(c["state"], Mark.OFF), c["state"]),
            c["course"],
            c["entity"],
            when(c["completed_at"]),
            c["id"],
        )
        for c in found
    ]
    columns = ("", "course", "entity", "completed", "id")
    session.answer(found, lambda: session.output.table(columns, rows, empty="nobody"))


@command("record")
@click.argument("course_name", metavar="COURSE")
@click.argument("entity", required=False)
@click.option("--completed-at", metavar="TIME", help="RFC 3339; now, if not said.")
@click.option("--version", metavar="TEXT", help="That they took.")
@click.option("--reference", metavar="TEXT", help="Where the evidence of it is kept.")
@in_session
def record(session: Session, /, *, course_name: str, entity: str | None, **fields: Any) -> None:
    """Write down that somebody completed a course; without ENTITY, yourself where you may."""
    body = given(fields) | {"course": course_name}
    if entity:
        body["entity"] = entity_id(session, entity)
    show(session, session.client.post(f"{_AREA}/completions", body))


@command("void")
@click.argument("id_", metavar="ID")
@click.option("--because", required=True, metavar="TEXT", help="Why it does not count.")
@in_session
def void(session: Session, id_: str, because: str) -> None:
    """Take a completion back; it stays on record."""
    session.client.send("DELETE", f"{_AREA}/completions/{id_}", query={"because": because})
    session.output.done(f"completion {id_} counts no more")


for _each in (courses, course, completions, record, void):
    training.add_command(_each)
