"""What entries of the log say of logins: who got a token, by which way, and what was shown.

Vault   A login that waits for a second factor has no token, and is none here; the entry of
        `sys/mfa/validate` is.
Trust   Everything comes from an entry as it was written. What was cut off is not made up: `whole`
        says whether it is all there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.sdk.facts.log import LogEntry

CODES: Final = ("auth.login",)
SECOND: Final = frozenset({"totp", "webauthn", "recovery"})
WORKLOAD_PROOFS: Final = frozenset(
    {"secret-id", "role-id", "jwt", "certificate", "service-account", "aws-signature"}
)
PERSON, SERVICE, UNKNOWN = "person", "workload", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login that gave a token. `proofs` is all that was shown, the first factor first."""

    entry: LogEntry
    who: str
    kind: str  # PERSON, SERVICE or UNKNOWN
    path: str  # of the way in
    proofs: tuple[str, ...]
    provided: tuple[str, ...]  # further factors that a trusted provider saw
    user_verified: bool
    only_enrols: bool  # its token can do nothing but enrol a factor
    whole: bool

    @property
    def second(self) -> tuple[str, ...]:
        """The kinds of second factors that were shown here."""
        return tuple(each for each in self.proofs if each in SECOND)


def login_of(entry: LogEntry) -> Login | None:
    """Return the login that an entry tells of; None for one that gave no token."""
    own = entry.own
    if entry.kind == "system":  # an act of the server's own
        return None
    if not entry.code.startswith(CODES) or not entry.ok or own.get("complete") is False:
        return None
    proofs = _texts(own.get("factors"))
    kind = {"user": PERSON, "admin": PERSON, "service": SERVICE}.get(entry.kind, UNKNOWN)
    if kind is UNKNOWN and proofs[:1] and proofs[0] in WORKLOAD_PROOFS:
        kind = SERVICE
    waited = own.get("login")
    return Login(
        entry=entry,
        who=entry.actor or "",
        kind=kind,
        path=(waited if isinstance(waited, str) else entry.path) or "",
        proofs=proofs,
        provided=_texts(own.get("provider_factors")),
        user_verified=own.get("user_verified") is True,
        only_enrols=bool(own.get("only_enrols")),
        whole=not entry.lacks("factors", "provider_factors", "complete", "only_enrols"),
    )


def _texts(found: object) -> tuple[str, ...]:
    if not isinstance(found, Sequence) or isinstance(found, str | bytes):
        return ()
    return tuple(each for each in found if isinstance(each, str))
