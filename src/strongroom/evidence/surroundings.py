"""What evidence needs to know of the process around the server; `app.py` fills it in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from strongroom.sdk.facts.probes import ListenerFact


def _none() -> tuple[()]:
    return ()


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """Everything may be missing: then what depends on it is not exercised, or says so.

    `files` are those that the server writes, and its database's. `listeners` asks each address
    and blocks. `witnesses` are vkeys. Packs are kept in `packs`. `host` is the machine's name.
    """

    packs: Path | None = None
    files: Callable[[], Sequence[Path]] = _none
    listeners: Callable[[], Sequence[ListenerFact]] = _none
    witnesses: Callable[[], Sequence[str]] = _none
    host: str = ""
