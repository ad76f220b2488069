"""`strongroom kv metadata` and `kv history`: what is known of a secret besides its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from strongroom.cli import kv_paths, prompt
from strongroom.cli.commands import command, group, in_session, yes_option
from strongroom.cli.errors import CommandError
from strongroom.cli.render import Mark, cell, when
from strongroom.cli.session import Session

_MERGE_PATCH = "application/merge-patch+json"

metadata = group("metadata", "What is known of a secret besides its values.")
mount_option = click.option("--mount", metavar="PATH", help="The mount; PATH is then below it.")


@command("history")
@click.argument("path")
@mount_option
@in_session
def history(session: Session, path: str, mount: str | None) -> None:
    """List the versions of a secret, the newest first."""
    found = _read(session, path, mount)
    session.answer(found, lambda: _versions(session, found["data"]))


def _read(session: Session, path: str, mount: str | None) -> dict[str, Any]:
    place = kv_paths.find(session.client, path, mount)
    place.require_versions()
    reply: dict[str, Any] = session.client.get(place.at("metadata"))
    return reply


def _versions(session: Session, data: dict[str, Any]) -> None:
    numbered = sorted(((int(n), v) for n, v in data["versions"].items()), reverse=True)
    current = data.get("current_version")
    rows = [(n, _state(v, current=n == current), when(v["created_time"])) for n, v in numbered]
    session.output.table(("version", "state", "created"), rows, empty="no versions")


def _state(version: dict[str, Any], *, current: bool) -> str:
    if version.get("destroyed"):
        return cell(Mark.BAD, "destroyed")
    if version.get("deletion_time"):
        return cell(Mark.OFF, f"deleted {when(version['deletion_time'])}")
    return cell(Mark.ON, "current") if current else cell(Mark.UNKNOWN, "earlier")


@command("get")
@click.argument("path")
@mount_option
@in_session
def get(session: Session, path: str, mount: str | None) -> None:
    """Show a secret's settings, custom metadata and versions."""
    found = _read(session, path, mount)
    session.answer(found, lambda: _show(session, path, found["data"]))


def _show(session: Session, path: str, data: dict[str, Any]) -> None:
    session.output.title(path, f"version {data.get('current_version')}")
    session.output.line()
    session.output.fields(
        {
            "created": when(data.get("created_time")),
            "updated": when(data.get("updated_time")),
            "check-and-set": "required" if data.get("cas_required") else "not required",
            "versions kept": data.get("max_versions") or "as the mount says",
            "delete versions": _after(data.get("delete_version_after")),
        }
    )
    if custom := data.get("custom_metadata"):
        session.output.line()
        session.output.fields(custom)
    session.output.line()
    _versions(session, data)


def _after(duration: str | None) -> str:
    return "never" if duration in {None, "", "0s"} else f"after {duration}"


@command("put")
@click.argument("path")
@mount_option
@click.option("--max-versions", type=click.IntRange(0), help="How many versions are kept.")
@click.option("--cas-required/--no-cas-required", default=None, help="Whether --cas is a must.")
@click.option("--delete-version-after", metavar="TTL", help="When a version deletes itself.")
@click.option("--custom-metadata", multiple=True, metavar="KEY=VALUE", help="Remarks, all anew.")
@in_session
def put(  # noqa: PLR0913, PLR0917  one for each option
    session: Session,
    path: str,
    mount: str | None,
    max_versions: int | None,
    cas_required: bool | None,
    delete_version_after: str | None,
    custom_metadata: tuple[str, ...],
) -> None:
    """Set a secret's settings and custom metadata."""
    place = kv_paths.find(session.client, path, mount)
    place.require_versions()
    given = {
        "max_versions": max_versions,
        "cas_required": cas_required,
        "delete_version_after": delete_version_after,
        "custom_metadata": _remarks(custom_metadata) or None,
    }
    body = {name: value for name, value in given.items() if value is not None}
    session.client.post(place.at("metadata"), body)
    session.output.done(f"metadata of {place} written")


@command("patch")
@click.argument("path")
@mount_option
@click.option("--custom-metadata", multiple=True, metavar="KEY=VALUE", help="Remarks to add.")
@click.option("--remove-custom-metadata", multiple=True, metavar="KEY", help="Remarks to drop.")
@in_session
def patch(
    session: Session,
    path: str,
    mount: str | None,
    custom_metadata: tuple[str, ...],
    remove_custom_metadata: tuple[str, ...],
) -> None:
    """Change some of a secret's custom metadata."""
    place = kv_paths.find(session.client, path, mount)
    place.require_versions()
    changed: dict[str, str | None] = {**_remarks(custom_metadata)}
    changed |= dict.fromkeys(remove_custom_metadata)
    body = {"custom_metadata": changed}
    session.client.send("PATCH", place.at("metadata"), body, content_type=_MERGE_PATCH)
    session.output.done(f"metadata of {place} written")


def _remarks(words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator or not key:
            raise CommandError("--custom-metadata is not of the form KEY=VALUE")
        found[key] = value
    return found


@command("delete")
@click.argument("path")
@mount_option
@yes_option
@in_session
def delete(session: Session, path: str, mount: str | None, yes: bool) -> None:
    """Remove a secret with all of its versions, for good."""
    place = kv_paths.find(session.client, path, mount)
    place.require_versions()
    prompt.agree(f"Remove {place} and all of its versions for good?", given=yes)
    session.client.delete(place.at("metadata"))
    session.output.done(f"{place} removed with all of its versions")


for _each in (get, put, patch, delete):
    metadata.add_command(_each)
