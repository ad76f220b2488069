"""`strongroom lease`: look up, renew, revoke."""

from __future__ import annotations

import click

from strongroom.cli import prompt
from strongroom.cli.commands import command, group, in_session, yes_option
from strongroom.cli.errors import CommandError
from strongroom.cli.generic import show_names
from strongroom.cli.render import how_long
from strongroom.cli.replies import show
from strongroom.cli.session import Session

lease = group("lease", "Leases: look up, renew, revoke.")


@command("lookup")
@click.argument("lease_id", metavar="LEASE")
@in_session
def lookup(session: Session, lease_id: str) -> None:
    """Show a lease."""
    show(session, session.client.post("sys/leases/lookup", {"lease_id": lease_id}))


@command("list")
@click.argument("prefix")
@in_session
def list_leases(session: Session, prefix: str) -> int:
    """List the leases below PREFIX."""
    found = session.client.list(f"sys/leases/lookup/{prefix.strip('/')}")
    return show_names(session, found, prefix)


@command("renew")
@click.argument("lease_id", metavar="LEASE")
@click.option("--increment", metavar="TTL", help="For how long; the server may give less.")
@in_session
def renew(session: Session, lease_id: str, increment: str | None) -> None:
    """Renew a lease."""
    body = {"lease_id": lease_id} | ({"increment": increment} if increment else {})
    reply = session.client.post("sys/leases/renew", body)
    session.answer(
        reply,
        lambda: session.output.done(f"renewed; ends in {how_long(reply.get('lease_duration'))}"),
    )


@command("revoke")
@click.argument("lease_id", metavar="LEASE")
@click.option("--prefix", is_flag=True, help="LEASE is a prefix: revoke all below it.")
@click.option("--force", is_flag=True, help="Forget them even where revocation fails.")
@click.option("--sync", is_flag=True, help="Wait until it is done.")
@yes_option
@in_session
def revoke(  # noqa: PLR0913, PLR0917  one for each option
    session: Session, lease_id: str, prefix: bool, force: bool, sync: bool, yes: bool
) -> None:
    """Revoke a lease: the credential behind it ends."""
    if force and not prefix:
        raise CommandError("--force goes with --prefix")
    if prefix:
        prompt.agree(f"Revoke all leases below {lease_id}?", given=yes)
        area = "revoke-force" if force else "revoke-prefix"
        session.client.post(f"sys/leases/{area}/{lease_id.strip('/')}", {"sync": sync})
    else:
        session.client.post("sys/leases/revoke", {"lease_id": lease_id, "sync": sync})
    session.output.done("revoked" if sync else "revocation is under way")


for _each in (lookup, list_leases, renew, revoke):
    lease.add_command(_each)
