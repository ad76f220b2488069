"""Who AWS says somebody is: ARNs, read, brought into one form, and matched.

Specs   AWS IAM identifiers: ARNs of users, assumed roles and federated users; unique ids.
Vault   An assumed role is known by its role, `arn:aws:iam::123456789012:role/Name`, and a user
        without the path. Names of users and of roles are each used once in an account, whatever
        their paths, so nobody is taken for another by leaving the path out.
Trust   A pattern names its account in full: everybody can have an account with a role of any name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from strongroom.base.errors import InputError
from strongroom.base.globs import matches_any

LONGEST: Final = 1_024  # characters of an ARN
_HEAD: Final = r"arn:(?P<partition>aws(?:-[a-z]{1,8}){0,3}):"
_NAME: Final = r"[A-Za-z0-9_+=,.@-]{1,128}"
_PATH: Final = r"(?:[\x21-\x2e\x30-\x7e]{1,128}/){0,32}"
_ARN: Final = re.compile(
    rf"{_HEAD}(?:"
    rf"iam::(?P<user_account>\d{{12}}):user/{_PATH}(?P<user>{_NAME})"
    rf"|sts::(?P<role_account>\d{{12}}):assumed-role/(?P<role>{_NAME})/(?P<session>{_NAME})"
    rf"|sts::(?P<federated_account>\d{{12}}):federated-user/(?P<federated>{_NAME})"
    r")",
    re.ASCII,
)
_PATTERN: Final = re.compile(
    rf"{_HEAD}(?:iam::\d{{12}}:(?P<kind>user|role)|sts::\d{{12}}:(?:assumed-role|federated-user))"
    r"/(?P<name>[\x21-\x7e]{1,512})",
    re.ASCII,
)
_USER_ID: Final = re.compile(
    r"(?P<unique>[A-Z0-9]{4,128}|\d{12})(?::[\x21-\x7e]{1,256})?", re.ASCII
)


class PrincipalError(Exception):
    """Nobody whom a role could be for. The text is for the log."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """A user, a role or a federated user of an account. `arn` is as AWS gave it."""

    arn: str
    canonical: str
    account: str
    name: str
    user_id: str

    @property
    def unique_id(self) -> str:
        """The id that nobody else ever has; of an assumed role, without the session."""
        return self.user_id.partition(":")[0]


def principal_of(arn: str, user_id: str, account: str) -> Principal:
    """Read what AWS said of a caller; PrincipalError for whom it said nothing that fits."""
    found = _ARN.fullmatch(arn) if len(arn) <= LONGEST else None
    if found is None or not _USER_ID.fullmatch(user_id):
        raise PrincipalError("not a user, an assumed role or a federated user")
    head = f"arn:{found['partition']}"
    if found["role"]:
        own, name = found["role_account"], found["role"]
        canonical = f"{head}:iam::{own}:role/{name}"
    elif found["user"]:
        own, name = found["user_account"], found["user"]
        canonical = f"{head}:iam::{own}:user/{name}"
    else:
        own, name = found["federated_account"], found["federated"]
        canonical = arn
    if own != account:
        raise PrincipalError("an ARN of another account than the caller's")
    return Principal(arn=arn, canonical=canonical, account=own, name=name, user_id=user_id)


def bound(pattern: str) -> str:
    """Return a role's pattern in the form that is matched; InputError for one that cannot be."""
    found = _PATTERN.fullmatch(pattern) if len(pattern) <= LONGEST else None
    if found is None:
        expected = "arn:aws:iam::123456789012:role/Name, or user/…; `*` only behind the slash"
        raise InputError("bound_iam_principal_arn", expected)
    name = found["name"]
    if found["kind"] != "role" or "/" not in name:
        return pattern
    if "*" in name:
        problem = "AWS says nothing of a role's path at a login, so no pattern can ask for it"
        raise InputError("bound_iam_principal_arn", problem)
    return pattern.removesuffix(name) + name.rpartition("/")[2]


def admitted(patterns: Iterable[str], principal: Principal) -> bool:
    """Say whether a pattern fits, as ARNs are given by AWS or in their one form."""
    return matches_any(patterns, (principal.canonical, principal.arn))
