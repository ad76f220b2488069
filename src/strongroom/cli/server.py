"""`strongroom server` and `strongroom demo`: the two commands that need the whole product.

They import it when they are run, so that every other command starts without it.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from strongroom.base.errors import InputError
from strongroom.cli.commands import in_session, offline
from strongroom.cli.errors import CommandError
from strongroom.cli.session import Session

_DEV_ADDRESS = "127.0.0.1:8200"


@offline("server")
@click.option("--config", type=click.Path(path_type=Path), help="The configuration, in TOML.")
@click.option("--dev", is_flag=True, help="For trying out: unsealed, and gone when it ends.")
@click.option("--dev-root-token-id", metavar="TOKEN", help="The root token of --dev; root.")
@click.option(
    "--dev-listen-address", metavar="HOST:PORT", help=f"Where --dev listens; {_DEV_ADDRESS}."
)
def server(
    config: Path | None,
    dev: bool,
    dev_root_token_id: str | None,
    dev_listen_address: str | None,
) -> int:
    """Run the server, until interrupted."""
    if dev == (config is not None):
        raise CommandError("one of --config FILE and --dev is needed")
    if config is None:
        return _serve_dev(dev_listen_address or _DEV_ADDRESS, dev_root_token_id)
    if dev_root_token_id or dev_listen_address:
        raise CommandError("--dev-root-token-id and --dev-listen-address go with --dev")
    return _serve(config)


def _serve(config: Path) -> int:
    from strongroom.app import serve  # noqa: PLC0415  the whole server; here alone
    from strongroom.base.configuration import load_configuration  # noqa: PLC0415

    try:
        configuration = load_configuration(config, os.environ)
    except InputError as problem:
        raise CommandError(str(problem)) from None
    return serve(configuration)


def _serve_dev(address: str, root_token: str | None) -> int:
    from strongroom.app import Dev, dev_configuration, serve  # noqa: PLC0415  likewise

    with TemporaryDirectory(prefix="strongroom-dev-") as folder:
        try:
            configuration = dev_configuration(address, Path(folder))
        except InputError as problem:
            raise CommandError(str(problem)) from None
        return serve(configuration, dev=Dev(root_token=root_token) if root_token else Dev())


@offline("demo")
@click.option("--exit", "leave", is_flag=True, help="End when it is done, and serve no longer.")
@in_session
def demo(session: Session, leave: bool) -> int:
    """Play a company's quarter against a server of its own, and prove it."""
    play = import_module("strongroom.demo.main").play
    return int(play(leave=leave, as_json=session.output.as_json) or 0)
