"""`strongroom version`."""

from __future__ import annotations

import platform

from strongroom import __version__
from strongroom.cli.commands import in_session, offline
from strongroom.cli.session import Session


@offline("version")
@in_session
def version(session: Session) -> None:
    """Print the version."""
    found = {"version": __version__, "python": platform.python_version()}
    session.answer(found, lambda: session.output.line(f"strongroom {__version__}"))
