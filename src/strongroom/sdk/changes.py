"""Which writes need an approved change: what a rule covers, told alike for all who ask.

The server holds writes to it, and a control test judges the log by it afterwards.

Units   Deadlines are business days: Monday to Friday in UTC, but for holidays (ISO dates).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from strongroom.base.business_days import after_business_days
from strongroom.sdk.administration import APART

OPERATIONS: Final = ("write", "patch", "delete")
WITHIN: Final = 3  # business days in which an emergency must be regularised
ITSELF: Final = "change-rules"
OF_ITSELF: Final = (
    "strongroom/change-rules/*",
    "strongroom/change-settings",
    "strongroom/approval-rules/*",
)


@dataclass(frozen=True, slots=True)
class Area:
    """What a rule can name as a whole: patterns, and what of them is none of it."""

    patterns: tuple[str, ...]
    apart: tuple[str, ...] = ()


AREAS: Final[Mapping[str, Area]] = {
    "policies": Area(("sys/policies/*", "sys/policy/*")),
    "auth": Area(
        ("auth/*", "sys/auth/*", "sys/mounts/auth/*", "sys/remount"),
        (
            *(each for each in APART if each.startswith("auth/")),
            "auth/+/login*",
            "auth/+/role/+/custom-secret-id",
            "auth/+/role/+/secret-id*",
            "auth/+/tidy*",
            "auth/+/users/+/password",
        ),
    ),
    "mounts": Area(("sys/mounts/*", "sys/remount")),
    "seal": Area(("sys/rotate", "sys/rotate/*")),
    "environments": Area(("strongroom/environments/*",)),
    "identity": Area(
        ("identity/*", "strongroom/identity/settings"),
        ("identity/lookup/*", "identity/mfa/*"),
    ),
    "approval-rules": Area(("strongroom/approval-rules/*",)),
    "factors": Area(
        ("strongroom/factors/rules/*", "strongroom/step-up/rules/*", "identity/mfa/*"),
        ("identity/mfa/method/totp/generate",),
    ),
    "sessions": Area(("strongroom/sessions/limits",)),
}


@dataclass(frozen=True, slots=True)
class Cover:
    """What a rule covers. `operations` empty: all of `OPERATIONS`."""

    areas: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()

    def holds(self, path: str, operation: str) -> bool:
        """Say whether a write falls under it."""
        if operation not in (self.operations or OPERATIONS):
            return False
        reached = {path.strip("/"), one_form(path)}
        if any(_expression(self.paths).fullmatch(each) for each in reached):
            return True
        return any(_in_area(name, each) for name in self.areas for each in reached)


BUILT_IN: Final = Cover(paths=OF_ITSELF)
EVERYTHING: Final = Cover(areas=tuple(AREAS))


def one_form(path: str) -> str:
    """Return a path, or a pattern, in its one form: policies have two paths, in any case."""
    path = path.strip("/")
    if path.startswith("sys/policy/"):
        path = f"sys/policies/acl/{path.removeprefix('sys/policy/')}"
    return path.lower() if path.startswith("sys/policies/acl/") else path


def due_after(begun: datetime, off: Collection[str], days: int = WITHIN) -> datetime:
    """Return the end of the last of so many business days after the one of a moment, in UTC."""
    return after_business_days(begun, days, off)


def _in_area(name: str, path: str) -> bool:
    area = AREAS[name]
    inside = _expression(area.patterns).fullmatch(path) is not None
    return inside and _expression(area.apart).fullmatch(path) is None


@lru_cache(maxsize=256)
def _expression(patterns: Sequence[str]) -> re.Pattern[str]:
    """Return what matches the paths of patterns: `+` is a segment, and `*` at the end anything."""
    forms = dict.fromkeys(form for each in patterns for form in (each, one_form(each)))
    found = []
    for each in forms:
        segments = each.removesuffix("*").split("/")
        text = "/".join("[^/]*" if part == "+" else re.escape(part) for part in segments)
        found.append(text + (".*" if each.endswith("*") else ""))
    return re.compile("|".join(found) if found else r"(?!)", re.DOTALL)
