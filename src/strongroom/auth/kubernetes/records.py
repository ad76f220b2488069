"""What a Kubernetes mount stores: the cluster, and roles.

    config           -> Config
    role/{name}      -> Role
    known/{alias}    -> True, see `strongroom.sdk.workloads`

A token keeps who it was made for as the role that it is renewed by (`Bound`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from strongroom.auth.kubernetes.review import Account
from strongroom.base.errors import InputError
from strongroom.base.globs import matches_any
from strongroom.base.secret import Secret
from strongroom.sdk.auth import TokenRules
from strongroom.sdk.engine import Help

CONFIG: Final = "config"
ROLES: Final = "role/"
MOST: Final = 256  # patterns of a kind
LONGEST: Final = 512  # characters of a pattern, or of an audience
ANY: Final = "*"

Patterns = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The cluster whose service accounts log in."""

    kubernetes_host: Annotated[str, Help("The cluster's API: host, host:port, or https URL.")] = ""
    kubernetes_ca_cert: Annotated[str, Help("Authorities of the API's certificate; PEM.")] = ""
    token_reviewer_jwt: Annotated[
        Secret | None, Help("What asks for reviews; left out, the token that logs in.")
    ] = None
    pem_keys: Annotated[
        Patterns, Help("Keys or certificates in PEM, one of which must have signed the token.")
    ] = ()
    disable_local_ca_jwt: Annotated[
        bool, Help("Do not use the authorities and the token of the pod that this runs in.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class Settings(TokenRules):
    """What may be set on a role. `*` in a pattern stands for any text."""

    bound_service_account_names: Annotated[Patterns, Help("Patterns of the account's name.")] = ()
    bound_service_account_namespaces: Annotated[Patterns, Help("Patterns of its namespace.")] = ()
    audience: Annotated[str, Help("What the token must be for.")] = ""
    alias_name_source: Annotated[
        str,
        Help("What an account is known by.", choices=("serviceaccount_uid", "serviceaccount_name")),
    ] = "serviceaccount_uid"


@dataclass(frozen=True, kw_only=True)
class Role(Settings):
    """A role as it is stored."""

    name: str

    def admits(self, account: Account) -> bool:
        """Say whether the role is for this account."""
        return matches_any(self.bound_service_account_names, [account.name]) and matches_any(
            self.bound_service_account_namespaces, [account.namespace]
        )

    def alias_of(self, account: Account) -> str:
        """Return what the account is known by."""
        by_uid = self.alias_name_source == "serviceaccount_uid"
        return account.uid if by_uid else f"{account.namespace}/{account.name}"


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Whom a token was made for, and by which role."""

    role: str
    account: Account

    def written(self) -> str:
        """Return it as one line of text; names hold no space."""
        account = self.account
        return f"{self.role} {account.namespace} {account.name} {account.uid}"

    @classmethod
    def read(cls, text: str) -> Bound | None:
        """Return what `written` gave, or None for a text of another form."""
        parts = text.split(" ")
        if len(parts) != 4 or not all(parts):
            return None
        role, namespace, name, uid = parts
        return cls(role=role, account=Account(namespace=namespace, name=name, uid=uid))


def check_settings(settings: Settings) -> None:
    """Raise InputError for a role that would let nobody in, or that says `*` and more."""
    for field in ("bound_service_account_names", "bound_service_account_namespaces"):
        patterns: Patterns = getattr(settings, field)
        if not patterns or not all(patterns):
            raise InputError("", f'"{field}" can not be empty')
        if len(patterns) > 1 and ANY in patterns:
            raise InputError("", f'can not mix "{ANY}" with values')
        if len(patterns) > MOST or max(map(len, patterns)) > LONGEST:
            raise InputError(field, f"at most {MOST}, each of at most {LONGEST} characters")
    if len(settings.audience) > LONGEST:
        raise InputError("audience", f"at most {LONGEST} characters")
