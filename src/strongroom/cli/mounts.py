"""`strongroom secrets` and `strongroom auth`: what is mounted where.

Vault  `-path`, `-description`, TTLs, `-options`, and `-version` for KV, as with Vault's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from strongroom.cli import prompt
from strongroom.cli.arguments import read_pairs
from strongroom.cli.commands import Command, Group, command, group, in_session, yes_option
from strongroom.cli.render import how_long
from strongroom.cli.session import Session

secrets = group("secrets", "Secrets engines and where they are mounted.")
auth = group("auth", "Auth methods and where they are mounted.")


@dataclass(frozen=True, kw_only=True)
class Family:
    """What is mounted: the words for it, and its place in the API."""

    one: str
    endpoint: str
    prefix: str
    tune: str


ENGINES = Family(one="engine", endpoint="sys/mounts", prefix="", tune="sys/mounts")
METHODS = Family(one="method", endpoint="sys/auth", prefix="auth/", tune="sys/auth")

_LIST_HELP = "Show the settings of each as well."


def _settings(tuning: dict[str, Any], options: Sequence[str]) -> dict[str, Any]:
    """Return the settings that were given, with options of the mount among them."""
    body = {name: value for name, value in tuning.items() if value is not None}
    return body | ({"options": read_pairs(options, prompt.value_of)} if options else {})


def _enabling(family: Family) -> Command:
    @command("enable", help=f"Mount an {family.one}." if family is ENGINES else "Enable a method.")
    @click.argument("kind")
    @click.option("--path", metavar="PATH", help="Where; at its kind's name if not said.")
    @click.option("--description", metavar="TEXT")
    @click.option("--default-lease-ttl", metavar="TTL")
    @click.option("--max-lease-ttl", metavar="TTL")
    @click.option("--options", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
    @click.option("--version", "kv_version", type=click.IntRange(1, 2), help="Of KV.")
    @click.option("--local", is_flag=True, help="Not replicated.")
    @in_session
    def enable(  # noqa: PLR0913  the parameters of the endpoint
        session: Session,
        /,
        *,
        kind: str,
        path: str | None,
        description: str | None,
        options: tuple[str, ...],
        kv_version: int | None,
        local: bool,
        **tuning: Any,
    ) -> None:
        kind, options = ("kv", ("version=2", *options)) if kind == "kv-v2" else (kind, options)
        options = (*options, f"version={kv_version}") if kv_version else options
        body = _settings({"description": description, "local": local or None}, options)
        config = _settings(tuning, ())
        at = (path or kind).strip("/")
        body |= {"type": kind} | ({"config": config} if config else {})
        session.client.post(f"{family.endpoint}/{at}", body)
        session.output.done(f"{kind} enabled at {family.prefix}{at}/")

    assert isinstance(enable, Command)
    return enable


def _disabling(family: Family) -> Command:
    @command("disable", help="Take one away, with all that it holds.")
    @click.argument("path")
    @yes_option
    @in_session
    def disable(session: Session, path: str, yes: bool) -> None:
        at = path.strip("/").removeprefix(family.prefix)
        prompt.agree(f"Disable {family.prefix}{at}/ and lose what it holds?", given=yes)
        session.client.delete(f"{family.endpoint}/{at}")
        session.output.done(f"{family.prefix}{at}/ disabled")

    assert isinstance(disable, Command)
    return disable


def _listing(family: Family) -> Command:
    @command("list", help=f"List the {family.one}s.")
    @click.option("--detailed", is_flag=True, help=_LIST_HELP)
    @in_session
    def list_mounts(session: Session, detailed: bool) -> None:
        reply = session.client.get(family.endpoint)
        found = reply.get("data") or reply
        session.answer(found, lambda: _table(session, found, detailed=detailed))

    assert isinstance(list_mounts, Command)
    return list_mounts


def _table(session: Session, found: dict[str, Any], *, detailed: bool) -> None:
    columns = ["path", "type", "description"]
    columns += ["version", "default ttl", "max ttl", "accessor"] if detailed else []
    rows = []
    for path, mount in sorted(found.items()):
        config = mount.get("config") or {}
        row = [path, mount["type"], mount.get("description") or None]
        if detailed:
            row += [
                (mount.get("options") or {}).get("version"),
                _ttl(config.get("default_lease_ttl")),
                _ttl(config.get("max_lease_ttl")),
                mount.get("accessor"),
            ]
        rows.append(row)
    session.output.table(columns, rows)


def _ttl(seconds: Any) -> str:
    return how_long(seconds) if seconds else "system"


def _tuning(family: Family) -> Command:
    @command("tune", help="Change the settings of one; without options, show them.")
    @click.argument("path")
    @click.option("--description", metavar="TEXT")
    @click.option("--default-lease-ttl", metavar="TTL")
    @click.option("--max-lease-ttl", metavar="TTL")
    @click.option("--listing-visibility", type=click.Choice(("unauth", "hidden")))
    @click.option("--token-type", metavar="TYPE")
    @click.option("--options", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
    @click.option("--version", "kv_version", type=click.IntRange(1, 2), help="Of KV.")
    @in_session
    def tune(
        session: Session,
        /,
        *,
        path: str,
        options: tuple[str, ...],
        kv_version: int | None,
        **tuning: Any,
    ) -> None:
        at = path.strip("/").removeprefix(family.prefix)
        options = (*options, f"version={kv_version}") if kv_version else options
        body = _settings(tuning, options)
        if body:
            session.client.post(f"{family.tune}/{at}/tune", body)
            session.output.done(f"{family.prefix}{at}/ tuned")
        else:
            reply = session.client.get(f"{family.tune}/{at}/tune")
            found = reply.get("data") or reply
            session.answer(found, lambda: session.output.fields(found, indent=0))

    assert isinstance(tune, Command)
    return tune


def _moving(family: Family) -> Command:
    @command("move", help="Move one to another path; its leases end.")
    @click.argument("source")
    @click.argument("destination")
    @in_session
    def move(session: Session, source: str, destination: str) -> None:
        names = [
            family.prefix + name.strip("/").removeprefix(family.prefix) + "/"
            for name in (source, destination)
        ]
        session.client.post("sys/remount", {"from": names[0], "to": names[1]})
        session.output.done(f"{names[0]} is moving to {names[1]}")

    assert isinstance(move, Command)
    return move


def _fill(commands: Group, family: Family) -> None:
    for make in (_enabling, _disabling, _listing, _tuning, _moving):
        commands.add_command(make(family))


_fill(secrets, ENGINES)
_fill(auth, METHODS)
