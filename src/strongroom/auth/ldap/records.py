"""What an ldap mount stores, and under which keys.

    config           -> Config
    user/{name}      -> User      policies and groups beside what the directory says
    group/{name}     -> Group     policies of a group of the directory
    known/{alias}    -> True: has logged in (`strongroom.sdk.workloads`)

Units   `request_timeout` bounds a whole login, all URLs and the wait for a thread included;
        `connection_timeout` the connecting to one URL, TLS included.
Vault   The fields of Vault's `ldap` mount. Names are kept in lower case unless
        `case_sensitive_names` says otherwise when they are written.
Trust   `bindpass` and `client_tls_key` are secrets, and are never shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from strongroom.base.secret import Secret
from strongroom.sdk.auth import TokenRules
from strongroom.sdk.engine import Help

USER_FILTER: Final = "({{.UserAttr}}={{.Username}})"
GROUP_FILTER: Final = "(|(memberUid={{.Username}})(member={{.UserDN}})(uniqueMember={{.UserDN}}))"
SECRETS: Final = ("bindpass", "client_tls_key")
DEREFERENCE: Final = {"never": 0, "searching": 1, "finding": 2, "always": 3}
TLS_VERSIONS: Final = ("tls12", "tls13")
LONGEST: Final = 64 << 10  # characters of a field: a bundle of certificates


@dataclass(frozen=True, kw_only=True)
class Config(TokenRules):
    """How a mount asks its directory, and how its tokens are made."""

    url: Annotated[
        str, Help("URLs of the directory, parted by commas, tried in order.", most=2_048)
    ] = "ldap://127.0.0.1"
    starttls: Annotated[bool, Help("Ask for TLS on an ldap:// connection.")] = False
    certificate: Annotated[
        str, Help("Authorities of the directory's certificate, PEM.", most=LONGEST)
    ] = ""
    client_tls_cert: Annotated[str, Help("Our certificate, PEM.", most=LONGEST)] = ""
    client_tls_key: Annotated[Secret | None, Help("Key of our certificate, PEM.")] = None
    tls_min_version: Annotated[str, Help("Oldest TLS.", choices=TLS_VERSIONS)] = "tls12"
    tls_max_version: Annotated[str, Help("Newest TLS.", choices=TLS_VERSIONS)] = "tls13"
    insecure_tls: Annotated[bool, Help("Not taken: certificates are verified.")] = False
    connection_timeout: Annotated[timedelta, Help("Time to connect to one URL.")] = timedelta(
        seconds=30
    )
    request_timeout: Annotated[timedelta, Help("Time for a whole login.")] = timedelta(seconds=90)
    binddn: Annotated[str, Help("Account that searches.", most=1_024)] = ""
    bindpass: Annotated[Secret | None, Help("Its password.")] = None
    discoverdn: Annotated[bool, Help("Search for users anonymously.")] = False
    deny_null_bind: Annotated[bool, Help("Always true.")] = True
    userdn: Annotated[str, Help("Where users are searched for.", most=1_024)] = ""
    userattr: Annotated[str, Help("Attribute that names a user.", most=128)] = "cn"
    userfilter: Annotated[str, Help("Filter that finds a user.")] = USER_FILTER
    upndomain: Annotated[str, Help("Domain of userPrincipalName.", most=255)] = ""
    username_as_alias: Annotated[bool, Help("The name that was typed is the alias.")] = False
    case_sensitive_names: Annotated[
        bool, Help("Names of users and groups here differ by case.")
    ] = False
    groupdn: Annotated[str, Help("Where groups are searched for.", most=1_024)] = ""
    groupfilter: Annotated[str, Help("Filter that finds a user's groups.")] = GROUP_FILTER
    groupattr: Annotated[str, Help("Attribute that names a group.", most=128)] = "cn"
    anonymous_group_search: Annotated[bool, Help("Search for groups anonymously.")] = False
    use_token_groups: Annotated[bool, Help("Not taken; see `groupfilter`.")] = False
    use_pre111_group_cn_behavior: Annotated[bool, Help("Not taken.")] = False
    dereference_aliases: Annotated[
        str, Help("When aliases of the directory are followed.", choices=tuple(DEREFERENCE))
    ] = "never"
    max_page_size: Annotated[
        int, Help("Groups in a page of an answer; 0 asks without pages.", least=0, most=5_000)
    ] = 0

    @property
    def searches_first(self) -> bool:
        """Whether a user is found by a search, before anybody proves anything."""
        return self.discoverdn or bool(self.binddn and self.bindpass is not None)

    def canonical(self, name: str) -> str:
        """Return a name of a user or a group as it is kept here."""
        return name if self.case_sensitive_names else name.lower()


@dataclass(frozen=True, kw_only=True)
class User:
    """What somebody gets by name. Who has no such record may log in all the same."""

    policies: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    """What the members of a group get."""

    policies: tuple[str, ...] = ()
