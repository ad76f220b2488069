"""What an AWS mount stores: how STS is asked, what principals are known by, and roles.

config/client    -> Client
config/identity  -> Identity
role/{name}      -> Role
known/{alias}    -> True, see `strongroom.sdk.workloads`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from strongroom.auth.aws.principals import Principal, PrincipalError, principal_of
from strongroom.auth.aws.signed import Rules
from strongroom.sdk.auth import TokenRules
from strongroom.sdk.engine import Help

CLIENT: Final = "config/client"
IDENTITY: Final = "config/identity"
ROLES: Final = "role/"
STS: Final = "sts.amazonaws.com"
METADATA: Final = ("account_id", "auth_type", "canonical_arn", "client_arn", "client_user_id")
DEFAULT_METADATA: Final = ("account_id", "auth_type")


@dataclass(frozen=True, kw_only=True)
class Client:
    """How STS is asked."""

    sts_endpoint: Annotated[str, Help("URL of STS; left out, the global one.")] = ""
    sts_region: Annotated[str, Help("Region whose STS is asked.")] = ""
    use_sts_region_from_client: Annotated[
        bool, Help("Ask the STS of the region that the request was signed for.")
    ] = False
    iam_server_id_header_value: Annotated[
        str, Help("What X-Vault-AWS-IAM-Server-ID must hold, and be signed.", most=512)
    ] = ""
    allowed_sts_header_values: Annotated[
        tuple[str, ...], Help("Names of headers that may come besides those that are known.")
    ] = ()

    def rules(self) -> Rules:
        """Return what is asked of a request."""
        return Rules(
            hosts=frozenset({self.host}),
            any_region=self.use_sts_region_from_client and not self.sts_endpoint,
            server_id=self.iam_server_id_header_value,
            more_headers=self.allowed_sts_header_values,
        )

    @property
    def host(self) -> str:
        """The host that requests must be for, with its port where it has one."""
        if self.sts_endpoint:
            url = urlsplit(self.sts_endpoint)
            host = url.netloc.lower()
            return host.removesuffix(":443") if url.scheme == "https" else host
        if self.sts_region:
            china = ".cn" if self.sts_region.startswith("cn-") else ""
            return f"sts.{self.sts_region}.amazonaws.com{china}"
        return STS

    def url(self, host: str) -> str:
        """Return where a request that was checked goes."""
        plain = self.sts_endpoint.startswith("http:")
        return f"{'http' if plain else 'https'}://{host}/"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a principal is known by, and what of it goes into its alias."""

    iam_alias: Annotated[
        str, Help("What a principal is known by.", choices=("unique_id", "canonical_arn"))
    ] = "unique_id"
    iam_metadata: Annotated[
        tuple[str, ...], Help("Names of the metadata that the alias gets; `default` for some.")
    ] = DEFAULT_METADATA

    def alias_of(self, principal: Principal) -> str:
        """Return what a principal is known by."""
        by_id = self.iam_alias == "unique_id"
        return principal.unique_id if by_id else principal.canonical


@dataclass(frozen=True, kw_only=True)
class Settings(TokenRules):
    """What may be set on a role."""

    bound_iam_principal_arn: Annotated[
        tuple[str, ...], Help("ARNs of principals; `*` stands for any text behind the slash.")
    ] = ()


@dataclass(frozen=True, kw_only=True)
class Role(Settings):
    """A role as it is stored."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Whom a token was made for, and by which role."""

    role: str
    principal: Principal

    def written(self) -> str:
        """Return it as one line of text; neither ARNs nor ids hold a space."""
        return f"{self.role} {self.principal.arn} {self.principal.user_id}"

    @classmethod
    def read(cls, text: str) -> Bound | None:
        """Return what `written` gave, or None for a text of another form."""
        parts = text.split(" ")
        if len(parts) != 3 or not parts[0] or parts[1].count(":") < 5:
            return None
        try:
            principal = principal_of(parts[1], parts[2], parts[1].split(":")[4])
        except PrincipalError:
            return None
        return cls(role=parts[0], principal=principal)
