"""Templates to pages.

Trust  Everything is escaped unless a template of ours says otherwise, and none does: there is no
       `safe` in them (a test reads them all). A value that a page did not pass is an error, not
       an empty place.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from jinja2 import Environment, PackageLoader, StrictUndefined

from strongroom.base.clock import parse_time
from strongroom.console.assets import Assets

MARKS = {
    "effective": "●",
    "exceptions": "▲",
    "inconclusive": "◆",
    "excepted": "◐",
    "not exercised": "○",
}
_STEPS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


class Pages:
    """Renders our templates."""

    def __init__(self, assets: Assets) -> None:
        environment = Environment(
            loader=PackageLoader("strongroom.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"moment": moment, "ago": ago, "mark": MARKS.get}
        environment.globals["asset"] = assets.paths
        self._environment = environment

    def render(self, template: str, data: Mapping[str, object]) -> bytes:
        """Return a page."""
        return self._environment.get_template(template).render(data).encode()


def moment(value: object) -> str:
    """Return a time as people read it, in UTC; a dash for none."""
    found = _time(value)
    return "\u2013" if found is None else f"{found:%Y-%m-%d %H:%M:%S} UTC"


def ago(value: object, now: datetime) -> str:
    """Return how long ago or how far ahead a time is, in its largest whole unit."""
    found = _time(value)
    if found is None:
        return ""
    gone = now - found
    seconds = abs(gone) // timedelta(seconds=1)
    size, unit = next(((s, u) for s, u in _STEPS if seconds >= s), (1, "second"))
    count = seconds // size
    said = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{said} ago" if gone >= timedelta(0) else f"in {said}"


def _time(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    return parse_time(value, "time") if isinstance(value, str) and value else None
