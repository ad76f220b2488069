"""`strongroom group`: entities, and other groups, that share policies.

GROUP, ENTITY and members are named by name or id. Who is in an external group follows what its
auth mount says at logins.
"""

from __future__ import annotations

from typing import Any

import click

from strongroom.cli import prompt
from strongroom.cli.arguments import read_pairs
from strongroom.cli.commands import command, field_option, in_session, yes_option
from strongroom.cli.commands import group as group_of
from strongroom.cli.entities import NOTHING, entity_id, given, group_id
from strongroom.cli.replies import show
from strongroom.cli.session import Session

group = group_of("group", "Groups: who is in them, and what they give.")
_AREA = "identity/group"


@command("list")
@in_session
def list_all(session: Session) -> None:
    """List groups."""
    reply = session.client.send("LIST", f"{_AREA}/id", accepted=NOTHING)
    info = ((reply.data or {}).get("data") or {}).get("key_info") or {}
    rows = [
        (g["name"], g["num_member_entities"], (g.get("alias") or {}).get("mount_path"), each)
        for each, g in info.items()
    ]
    columns = ("group", "entities", "members from", "id")
    session.answer(info, lambda: session.output.table(columns, rows, empty="no groups"))


@command("read")
@click.argument("group")
@field_option
@in_session
def read(session: Session, /, *, group: str, field: str | None) -> None:
    """Show a group."""
    show(session, session.client.get(f"{_AREA}/id/{group_id(session, group)}"), field)


@command("write")
@click.argument("name")
@click.option("--policy", "policies", multiple=True, metavar="NAME", help="May be repeated.")
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
@click.option("--external", is_flag=True, help="Members come from an auth mount.")
@in_session
def write(session: Session, /, *, name: str, external: bool, **fields: Any) -> None:
    """Make a group, or change it; its members stay."""
    metadata = fields.pop("metadata")
    body: dict[str, Any] = {key: list(value) for key, value in given(fields).items()}
    body |= {"metadata": read_pairs(metadata, prompt.value_of)} if metadata else {}
    body |= {"type": "external"} if external else {}
    session.client.post(f"{_AREA}/name/{name}", body)
    session.output.done(f"group {name} written")


def _members(session: Session, group: str) -> tuple[str, dict[str, list[str]]]:
    found = session.client.get(f"{_AREA}/id/{group_id(session, group)}")["data"]
    names = ("member_entity_ids", "member_group_ids")
    return str(found["id"]), {name: list(found[name] or ()) for name in names}


def _named(
    session: Session, entities: tuple[str, ...], groups: tuple[str, ...]
) -> dict[str, list[str]]:
    return {
        "member_entity_ids": [entity_id(session, each) for each in entities],
        "member_group_ids": [group_id(session, each) for each in groups],
    }


@command("add")
@click.argument("group")
@click.argument("entities", nargs=-1)
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="A group to let in.")
@in_session
def add(
    session: Session, /, *, group: str, entities: tuple[str, ...], groups: tuple[str, ...]
) -> None:
    """Let ENTITIES, and other groups, into GROUP."""
    found, members = _members(session, group)
    more = _named(session, entities, groups)
    body = {name: list(dict.fromkeys(members[name] + ids)) for name, ids in more.items() if ids}
    session.client.post(f"{_AREA}/id/{found}", body)
    session.output.done(f"group {group}: {len(entities) + len(groups)} let in")


@command("remove")
@click.argument("group")
@click.argument("entities", nargs=-1)
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="A group to let out.")
@in_session
def remove(
    session: Session, /, *, group: str, entities: tuple[str, ...], groups: tuple[str, ...]
) -> None:
    """Let ENTITIES, and other groups, out of GROUP."""
    found, members = _members(session, group)
    out = _named(session, entities, groups)
    body = {
        name: [each for each in members[name] if each not in ids]
        for name, ids in out.items()
        if ids
    }
    session.client.post(f"{_AREA}/id/{found}", body)
    session.output.done(f"group {group}: {len(entities) + len(groups)} let out")


@command("delete")
@click.argument("group")
@yes_option
@in_session
def delete(session: Session, /, *, group: str, yes: bool) -> None:
    """Remove a group: its members keep nothing of it."""
    prompt.agree(f"Remove the group {group}?", given=yes)
    session.client.delete(f"{_AREA}/id/{group_id(session, group)}")
    session.output.done(f"group {group} removed")


for _each in (list_all, read, write, add, remove, delete):
    group.add_command(_each)
