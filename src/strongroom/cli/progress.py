"""A progress bar on the standard error, where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from strongroom.cli.session import Session

Tell = Callable[[int, int], None]


@contextmanager
def progress(session: Session, what: str) -> Iterator[Tell]:
    """Give a function that is told how much is done, and of how much."""
    if not sys.stderr.isatty() or session.output.as_json:
        yield _silent
        return
    from rich.console import Console  # noqa: PLC0415  costs 60 ms; only where it is seen
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(30), MofNCompleteColumn())
    console = Console(stderr=True, no_color=bool(session.environment.get("NO_COLOR")))
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield tell


def _silent(done: int, total: int) -> None:
    """Tell nobody."""
