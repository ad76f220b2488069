"""What decides what others may do, as paths: one list for all that go by it.

A change there asks a person for a security key (`identity.step_up`); whose policy grants one has
privileges (T08). What lies apart is under a pattern of the list, and decides nothing: it looks
something up, sees to one's own token, or only takes away.
"""

from __future__ import annotations

import re
from typing import Final

ADMINISTRATION: Final = (
    "auth/*",
    "identity/*",
    "strongroom/admission/*",
    "strongroom/approval-rules/*",
    "strongroom/break-glass-rules/*",
    "strongroom/break-glass/+/extend",
    "strongroom/break-glass/+/review",
    "strongroom/break-glass/+/waive",
    "strongroom/change-rules/*",
    "strongroom/change-settings",
    "strongroom/changes/+/approve",
    "strongroom/changes/emergency",
    "strongroom/documents/proposals/+/approve",
    "strongroom/environments/*",
    "strongroom/exceptions/proposals/+/approve",
    "strongroom/factors/rules/*",
    "strongroom/identity/settings",
    "strongroom/leavers/entrances/*",
    "strongroom/notifiers/*",
    "strongroom/people/*",
    "strongroom/registrations/+/approve",
    "strongroom/requests/+/approve",
    "strongroom/review-schedules/*",
    "strongroom/reviews/+/sign-off",
    "strongroom/scim/*",
    "strongroom/sessions/limits",
    "strongroom/step-up/rules/*",
    "strongroom/vendors/+/leave",
    "strongroom/workloads/*",
    "sys/auth/*",
    "sys/control-group/authorize",
    "sys/generate-root",
    "sys/generate-root-token/*",
    "sys/generate-root/*",
    "sys/mounts/*",
    "sys/policies/*",
    "sys/policy/*",
    "sys/rekey/*",
    "sys/remount",
    "sys/rotate",
    "sys/rotate/*",
)
APART: Final = (
    "auth/+/role/+/secret-id-accessor/lookup",
    "auth/+/role/+/secret-id/lookup",
    "auth/token/create",
    "auth/token/create-orphan",
    "auth/token/create/*",
    "auth/token/lookup*",
    "auth/token/renew*",
    "auth/token/revoke*",
    "auth/token/tidy",
    "identity/lookup/*",
    "identity/mfa/method/totp/generate",
    "strongroom/people/+/sessions/*",
)
# Under a pattern of the list, and of what no policy can name beforehand: it lets in, decides what
# another asked for, or takes away. A wildcard gives its holder no more rights.
NO_GAIN: Final = (
    "auth/+/login",
    "auth/+/login/*",
    "strongroom/break-glass/+/extend",
    "strongroom/break-glass/+/review",
    "strongroom/break-glass/+/waive",
    "strongroom/changes/+/approve",
    "strongroom/documents/proposals/+/approve",
    "strongroom/exceptions/proposals/+/approve",
    "strongroom/factors/+/delete",
    "strongroom/people/+/knowledge",
    "strongroom/people/+/leave",
    "strongroom/registrations/+/approve",
    "strongroom/requests/+/approve",
    "strongroom/reviews/+/sign-off",
    "strongroom/scim/v2/Users/+",
    "strongroom/vendors/+/leave",
    "strongroom/workloads/+/decommission",
)
TOKEN_MAKING: Final = ("auth/token/create", "auth/token/create-orphan")  # any policy, with sudo


def administers(pattern: str) -> bool:
    """Say whether a policy's pattern lies where others are administered."""
    return _ADMINISTRATION.match(pattern) is not None and _APART.match(pattern) is None


def _expression(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches the paths of patterns: `+` is a segment, and `*` at the end anything."""
    each = (re.escape(p).replace(r"\+", "[^/]+").removesuffix(r"\*") for p in patterns)
    ends = ("" if p.endswith("*") else r"\Z" for p in patterns)
    return re.compile("|".join(f"(?:{a}{b})" for a, b in zip(each, ends, strict=True)))


_ADMINISTRATION: Final = _expression(ADMINISTRATION)
_APART: Final = _expression(APART)
