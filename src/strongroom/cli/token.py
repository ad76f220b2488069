"""`strongroom token`: make, look up, renew, revoke; and what a token may do."""

from __future__ import annotations

from typing import Any

import click

from strongroom.cli import prompt
from strongroom.cli.arguments import read_pairs
from strongroom.cli.commands import command, field_option, group, in_session
from strongroom.cli.errors import OK, CommandError
from strongroom.cli.render import how_long, when
from strongroom.cli.replies import show
from strongroom.cli.session import Session

token = group("token", "Tokens: make, look up, renew, revoke.")
accessor_option = click.option("--accessor", is_flag=True, help="TOKEN is an accessor.")


@command("create")
@click.option("--policy", "policies", multiple=True, metavar="NAME", help="May be repeated.")
@click.option("--ttl", metavar="TTL", help="When it ends, unless renewed.")
@click.option("--explicit-max-ttl", metavar="TTL", help="When it ends in any case.")
@click.option("--period", metavar="TTL", help="Renewable for ever, each time for this long.")
@click.option("--use-limit", "num_uses", type=click.IntRange(0), help="How often it can be used.")
@click.option("--display-name", metavar="NAME", help="What the log calls it.")
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
@click.option("--entity-alias", metavar="NAME", help="Whose it is; needs a role.")
@click.option(
    "--type", "kind", type=click.Choice(("service", "batch")), help="service if not said."
)
@click.option("--role", metavar="NAME", help="Make it as this role says.")
@click.option("--orphan", is_flag=True, help="It outlives the token that made it.")
@click.option("--no-default-policy", is_flag=True, help="Only the policies named.")
@click.option("--renewable/--no-renewable", default=None, help="Whether it can be renewed.")
@click.option("--id", "chosen", metavar="ID", help="Its text; for root tokens only.")
@field_option
@in_session
def create(  # noqa: PLR0913  the parameters of the endpoint
    session: Session,
    /,
    *,
    role: str | None,
    orphan: bool,
    metadata: tuple[str, ...],
    policies: tuple[str, ...],
    kind: str | None,
    chosen: str | None,
    field: str | None,
    **given: Any,
) -> None:
    """Make a token."""
    body = {name: value for name, value in given.items() if value not in {None, False}}
    body |= {"policies": list(policies)} if policies else {}
    body |= {"meta": read_pairs(metadata, prompt.value_of)} if metadata else {}
    body |= {"type": kind} if kind else {}
    body |= {"id": chosen} if chosen else {}
    if "renewable" in given and given["renewable"] is not None:
        body["renewable"] = given["renewable"]
    if role:
        path = f"auth/token/create/{role}"
        body |= {"no_parent": True} if orphan else {}
    else:
        path = "auth/token/create-orphan" if orphan else "auth/token/create"
    show(session, session.client.post(path, body), field)


@command("lookup")
@click.argument("given", metavar="[TOKEN]", required=False)
@accessor_option
@field_option
@in_session
def lookup(session: Session, given: str | None, accessor: bool, field: str | None) -> None:
    """Show a token, your own unless TOKEN is given."""
    if given is None:
        reply = session.client.get("auth/token/lookup-self")
    elif accessor:
        reply = session.client.post("auth/token/lookup-accessor", {"accessor": given})
    else:
        reply = session.client.post("auth/token/lookup", {"token": _typed(given)})
    if field is not None or session.output.as_json:
        show(session, reply, field)
    else:
        session.output.fields(_described(reply["data"]), indent=0)


def _typed(given: str) -> str:
    return prompt.hidden("Token") if given == "-" else given


def _described(data: dict[str, Any]) -> dict[str, Any]:
    ttl, root = data.get("ttl"), not data.get("ttl")
    shown = {
        "name": data.get("display_name"),
        "policies": data.get("policies"),
        "identity policies": data.get("identity_policies"),
        "ends in": "does not expire" if root else how_long(ttl),
        "ends at": when(data["expire_time"]) if data.get("expire_time") else None,
        "made": when(data.get("issue_time")),
        "made through": data.get("path"),
        "type": data.get("type"),
        "renewable": data.get("renewable"),
        "orphan": data.get("orphan"),
        "period": how_long(data["period"]) if data.get("period") else None,
        "uses left": data.get("num_uses") or None,
        "entity": data.get("entity_id"),
        "bound to": data.get("bound_cidrs"),
        "accessor": data.get("accessor"),
        **{f"meta {name}": value for name, value in (data.get("meta") or {}).items()},
    }
    return {name: value for name, value in shown.items() if value not in (None, "", [])}


@command("renew")
@click.argument("given", metavar="[TOKEN]", required=False)
@accessor_option
@click.option("--increment", metavar="TTL", help="For how long; the server may give less.")
@field_option
@in_session
def renew(
    session: Session, given: str | None, accessor: bool, increment: str | None, field: str | None
) -> None:
    """Renew a token, your own unless TOKEN is given."""
    body: dict[str, Any] = {"increment": increment} if increment else {}
    if given is None:
        reply = session.client.post("auth/token/renew-self", body)
    elif accessor:
        reply = session.client.post("auth/token/renew-accessor", {**body, "accessor": given})
    else:
        reply = session.client.post("auth/token/renew", {**body, "token": _typed(given)})
    if field is None and not session.output.as_json:
        seconds = reply["auth"].get("lease_duration")
        session.output.done(f"renewed; ends in {how_long(seconds)}" if seconds else "renewed")
    else:
        show(session, reply, field)


@command("revoke")
@click.argument("given", metavar="[TOKEN]", required=False)
@accessor_option
@click.option("--self", "own", is_flag=True, help="Your own.")
@click.option(
    "--mode",
    type=click.Choice(("tree", "orphan", "path")),
    default="tree",
    help="With what came from it, without, or all logins of an auth path.",
)
@in_session
def revoke(session: Session, given: str | None, accessor: bool, own: bool, mode: str) -> None:
    """End a token, and with it what it made."""
    if own == (given is not None):
        raise CommandError("one of TOKEN and --self is needed")
    if accessor and mode != "tree":
        raise CommandError("an accessor is revoked with all that came from it", "leave --mode out")
    path, body = _revocation(given, mode, accessor=accessor, own=own)
    session.client.post(path, body)
    session.output.done("revoked")


def _revocation(
    given: str | None, mode: str, *, accessor: bool, own: bool
) -> tuple[str, dict[str, Any]]:
    """Return the endpoint that revokes, and what it takes."""
    if own or given is None:
        return "auth/token/revoke-self", {}
    if mode == "path":
        return f"sys/leases/revoke-prefix/{given.strip('/')}", {}
    if accessor:
        return "auth/token/revoke-accessor", {"accessor": given}
    area = "revoke-orphan" if mode == "orphan" else "revoke"
    return f"auth/token/{area}", {"token": _typed(given)}


@command("capabilities")
@click.argument("words", nargs=-1, required=True, metavar="[TOKEN] PATH")
@accessor_option
@in_session
def capabilities(session: Session, words: tuple[str, ...], accessor: bool) -> int:
    """Say what a token may do at PATH, your own unless TOKEN is given."""
    *whose, path = words
    if len(whose) > 1:
        raise CommandError("one token and one path at a time")
    if not whose:
        reply = session.client.post("sys/capabilities-self", {"paths": [path]})
    elif accessor:
        body = {"accessor": whose[0], "paths": [path]}
        reply = session.client.post("sys/capabilities-accessor", body)
    else:
        body = {"token": _typed(whose[0]), "paths": [path]}
        reply = session.client.post("sys/capabilities", body)
    found = sorted((reply.get("data") or reply).get(path) or ("deny",))
    session.answer(found, lambda: session.output.line(", ".join(found)))
    return OK


for _each in (create, lookup, renew, revoke, capabilities):
    token.add_command(_each)
