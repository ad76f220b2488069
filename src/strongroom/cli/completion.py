"""`strongroom completion`: the script that completes our commands in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from strongroom.cli.commands import in_session, offline
from strongroom.cli.session import Session

_SHELLS = ("bash", "zsh", "fish")


@offline("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
@in_session
def completion(session: Session, context: click.Context, shell: str) -> None:
    """Print the completion script; `source <(strongroom completion bash)` loads it."""
    made = get_completion_class(shell)
    assert made is not None
    root = context.find_root().command
    session.output.line(made(root, {}, "strongroom", "_STRONGROOM_COMPLETE").source())
