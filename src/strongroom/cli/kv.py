"""`strongroom kv`: secrets and their versions, in KV versions 1 and 2.

Vault  The commands, options and JSON of Vault's; `history` and `scan` besides.
Trust  A value given as KEY=VALUE ends up in the shell's history; KEY=- asks for it, or reads
       the standard input.
"""

from __future__ import annotations

from typing import Any

import click

from strongroom.cli import kv_paths, prompt
from strongroom.cli.arguments import read_pairs
from strongroom.cli.client import Client
from strongroom.cli.commands import Command, command, field_option, group, in_session
from strongroom.cli.errors import CommandError, RefusedError
from strongroom.cli.generic import show_names, written
from strongroom.cli.kv_metadata import history, metadata
from strongroom.cli.kv_paths import Place
from strongroom.cli.render import shown, when
from strongroom.cli.replies import pick, show, warn
from strongroom.cli.session import Session

_MERGE_PATCH = "application/merge-patch+json"

kv = group("kv", "Secrets and their versions.")
mount_option = click.option("--mount", metavar="PATH", help="The mount; PATH is then below it.")
cas_option = click.option(
    "--cas", type=click.IntRange(0), help="Only if this is the current version; 0 for none."
)
versions_option = click.option(
    "--versions", metavar="N,N", required=True, help="Which versions, with commas between."
)


@command("get")
@click.argument("path")
@mount_option
@field_option
@click.option("--version", type=click.IntRange(1), help="Not the current version.")
@click.option("--raw", is_flag=True, help="The bare data; with --field, without a newline.")
@in_session
def get(  # noqa: PLR0913, PLR0917  one for each option
    session: Session,
    path: str,
    mount: str | None,
    field: str | None,
    version: int | None,
    raw: bool,
) -> None:
    """Read a secret."""
    place = kv_paths.find(session.client, path, mount)
    if version is not None:
        place.require_versions()
    reply = fetch(session.client, place, version)
    if reply.get("wrap_info"):
        show(session, reply, field)
        return
    values = reply["data"]["data"] if place.versioned else reply["data"]
    warn(session, reply)
    if field is not None:
        session.output.raw(pick(values, field), newline=False if raw else None)
    elif raw:
        session.output.json(values)
    else:
        session.answer(reply, lambda: _show(session, place, reply))


def fetch(
    client: Client, place: Place, version: int | None = None, *, wrapped: bool = True
) -> dict[str, Any]:
    """Return the answer for a secret; a version that is deleted is an error that says so."""
    query = {"version": version} if version else None
    try:
        reply: dict[str, Any] = client.get(place.at(), query, wrapped=wrapped)
    except RefusedError as refused:
        if (gone := _gone(place, refused)) is not None:
            raise gone from None
        raise
    return reply


def _gone(place: Place, refused: RefusedError) -> CommandError | None:
    """Say what a 404 means: nothing there, or a version that is deleted or destroyed."""
    if refused.status != 404:
        return None
    body = refused.body if isinstance(refused.body, dict) else {}
    found = (body.get("data") or {}).get("metadata")
    if not found:
        return RefusedError(f"{place}: nothing is stored there", status=404)
    version = found["version"]
    if found.get("destroyed"):
        return RefusedError(f"{place}: version {version} is destroyed", status=404)
    return RefusedError(
        f"{place}: version {version} was deleted on {when(found.get('deletion_time'))}",
        f"bring it back with `strongroom kv undelete --versions={version} {place}`",
        status=404,
    )


def _show(session: Session, place: Place, reply: dict[str, Any]) -> None:
    if not place.versioned:
        session.output.title(str(place))
        values = reply["data"]
    else:
        about = reply["data"]["metadata"]
        detail = f"version {about['version']}, {when(about['created_time'])}"
        session.output.title(str(place), detail)
        for name, value in (about.get("custom_metadata") or {}).items():
            session.output.line(f"  {session.output.dim(shown(f'{name}: {value}'))}")
        values = reply["data"]["data"]
    session.output.line()
    session.output.fields(values)


@command("put")
@click.argument("path")
@click.argument("words", nargs=-1, required=True, metavar="KEY=VALUE...")
@mount_option
@cas_option
@field_option
@in_session
def put(  # noqa: PLR0913, PLR0917  one for each option
    session: Session,
    path: str,
    words: tuple[str, ...],
    mount: str | None,
    cas: int | None,
    field: str | None,
) -> None:
    """Write a secret, whole.

    KEY=@FILE takes a value from a file, KEY=- from the standard input; on a terminal it is asked
    for. @FILE and - alone are JSON objects.
    """
    place = kv_paths.find(session.client, path, mount)
    values = read_pairs(words, prompt.value_of)
    if place.versioned:
        reply = session.client.post(place.at(), {"data": values, "options": _cas(cas)})
    else:
        if cas is not None:
            place.require_versions()
        reply = session.client.post(place.at(), values)
    _tell(session, reply, place, field)


def _cas(cas: int | None) -> dict[str, int]:
    return {} if cas is None else {"cas": cas}


def _tell(session: Session, reply: Any, place: Place, field: str | None = None) -> None:
    """Say which version was written."""
    data = (reply or {}).get("data") or {}
    if session.output.as_json or field is not None or "version" not in data:
        written(session, reply, str(place), field)
        return
    warn(session, reply)
    session.output.done(f"{place} is at version {data['version']}")


@command("patch")
@click.argument("path")
@click.argument("words", nargs=-1, required=True, metavar="KEY=VALUE...")
@mount_option
@cas_option
@click.option("--remove-data", multiple=True, metavar="KEY", help="Take this key out.")
@click.option(
    "--method",
    type=click.Choice(("patch", "rw")),
    default="patch",
    help="Ask for the change, or read and write.",
)
@in_session
def patch(  # noqa: PLR0913, PLR0917  one for each option
    session: Session,
    path: str,
    words: tuple[str, ...],
    mount: str | None,
    cas: int | None,
    remove_data: tuple[str, ...],
    method: str,
) -> None:
    """Change some values of a secret, and keep the others."""
    place = kv_paths.find(session.client, path, mount)
    place.require_versions()
    values = {**read_pairs(words, prompt.value_of), **dict.fromkeys(remove_data)}
    if method == "rw":
        found = fetch(session.client, place, wrapped=False)["data"]
        merged = {k: v for k, v in {**found["data"], **values}.items() if v is not None}
        expected = found["metadata"]["version"] if cas is None else cas
        reply = session.client.post(place.at(), {"data": merged, "options": {"cas": expected}})
    else:
        body = {"data": values, "options": _cas(cas)}
        reply = session.client.send("PATCH", place.at(), body, content_type=_MERGE_PATCH).data
    _tell(session, reply, place)


@command("delete")
@click.argument("path")
@mount_option
@click.option("--versions", metavar="N,N", help="Which versions; the current one without.")
@in_session
def delete(session: Session, path: str, mount: str | None, versions: str | None) -> None:
    """Delete a secret; versions can be brought back with `undelete`."""
    place = kv_paths.find(session.client, path, mount)
    if versions is None:
        session.client.delete(place.at())
        session.output.done(f"{place} deleted" + (", its current version" * place.versioned))
    else:
        _change(session, place, "delete", versions, "deleted")


def _change(session: Session, place: Place, area: str, versions: str, done: str) -> None:
    place.require_versions()
    numbers = read_versions(versions)
    session.client.post(place.at(area), {"versions": numbers})
    session.output.done(f"{place} version {', '.join(map(str, numbers))} {done}")


def read_versions(text: str) -> list[int]:
    """Return the numbers of `1,2,3`."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise CommandError("--versions is not a list of numbers", "write 1,2,3")
    return [int(word) for word in words]


def _on_versions(name: str, area: str, done: str, text: str) -> Command:
    @command(name, help=text)
    @click.argument("path")
    @mount_option
    @versions_option
    @in_session
    def run(session: Session, path: str, mount: str | None, versions: str) -> None:
        place = kv_paths.find(session.client, path, mount)
        _change(session, place, area, versions, done)

    assert isinstance(run, Command)
    return run


undelete = _on_versions("undelete", "undelete", "is back", "Bring deleted versions back.")
destroy = _on_versions("destroy", "destroy", "destroyed", "Destroy versions for good.")


@command("list")
@click.argument("path")
@mount_option
@in_session
def list_names(session: Session, path: str, mount: str | None) -> int:
    """List the names below PATH; folders end in a slash."""
    place = kv_paths.find(session.client, path, mount)
    return show_names(session, session.client.list(place.at("metadata")), str(place))


@command("scan")
@click.argument("path")
@mount_option
@in_session
def scan(session: Session, path: str, mount: str | None) -> int:
    """List all names below PATH, in its folders too."""
    place = kv_paths.find(session.client, path, mount)
    try:
        found = session.client.send("SCAN", place.at("metadata")).data
    except RefusedError as refused:
        if refused.status != 404:
            raise
        found = None
    return show_names(session, ((found or {}).get("data") or {}).get("keys") or [], str(place))


@command("rollback")
@click.argument("path")
@mount_option
@click.option("--version", type=click.IntRange(1), required=True, help="Which version to repeat.")
@in_session
def rollback(session: Session, path: str, mount: str | None, version: int) -> None:
    """Write an earlier version again, as the newest one."""
    place = kv_paths.find(session.client, path, mount)
    place.require_versions()
    found = session.client.get(place.at("metadata"), wrapped=False)
    current = found["data"]["current_version"]
    earlier = fetch(session.client, place, version, wrapped=False)["data"]["data"]
    body = {"data": earlier, "options": {"cas": current}}
    _tell(session, session.client.post(place.at(), body), place)


def _add(*commands: click.Command) -> None:
    for each in commands:
        kv.add_command(each)


_add(get, put, patch, delete, undelete, destroy, list_names, scan, history, rollback, metadata)
