"""From the fields of a mount's configuration to what can be asked of a directory.

Vault   `insecure_tls`, `use_token_groups`, `use_pre111_group_cn_behavior` and a `deny_null_bind`
        of false are refused by name.
Differs A URL in the clear (`ldap://` without `starttls`) is taken for loopback addresses only:
        every login would show a password to the network. Filters are read when they are written,
        not at each login, and must hold a place for the name: one without it finds the same for
        everybody. Nested groups of Active Directory are had by the matching rule
        1.2.840.113556.1.4.1941 in `groupfilter` in place of `use_token_groups`. TLS 1.3 is spoken
        unless `tls_max_version` forbids it; 1.0 and 1.1 are not. A changed `url` asks for
        `bindpass` again, so that who may write it cannot have the password sent to them.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from strongroom.auth.ldap.connection import Address, Trusted
from strongroom.auth.ldap.filters import ATTRIBUTE, Filter, parse_filter
from strongroom.auth.ldap.records import USER_FILTER, Config
from strongroom.base.errors import InputError

MOST_URLS: Final = 8
LEAST_TIME: Final = timedelta(seconds=1)
MOST_TIME: Final = timedelta(minutes=5)
_PORTS = {"ldap": 389, "ldaps": 636}
_USER_PLACES = frozenset({"UserAttr", "Username"})
_GROUP_PLACES = frozenset({"UserDN", "Username"})


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A configuration as it is used. `group_filter` None: groups are not asked for."""

    config: Config
    addresses: tuple[Address, ...]
    trusted: Trusted
    user_filter: Filter
    group_filter: Filter | None


def asking(config: Config) -> Asking:
    """Read a configuration; InputError, naming the field, for what cannot be used."""
    wanted = config.groupdn and config.groupfilter
    user_filter = parse_filter(config.userfilter or USER_FILTER, "userfilter", _USER_PLACES)
    if "Username" not in user_filter.places():
        raise InputError("userfilter", "must hold {{.Username}} in a value")
    group_filter = None
    if wanted:
        group_filter = parse_filter(config.groupfilter, "groupfilter", _GROUP_PLACES)
        if not group_filter.places():
            raise InputError("groupfilter", "must hold {{.UserDN}} or {{.Username}} in a value")
    return Asking(
        config=config,
        addresses=addresses_of(config.url, secured=config.starttls),
        trusted=trusted_of(config),
        user_filter=user_filter,
        group_filter=group_filter,
    )


def checked(config: Config, before: Config | None, sent: Collection[str]) -> Asking:
    """Check a configuration that is to be stored; see `asking`."""
    _check_refused(config)
    for name in ("userattr", "groupattr"):
        if not ATTRIBUTE.fullmatch(getattr(config, name)):
            raise InputError(name, "not the name of an attribute")
    for name in ("connection_timeout", "request_timeout"):
        if not LEAST_TIME <= getattr(config, name) <= MOST_TIME:
            raise InputError(name, "must be between 1s and 5m")
    if config.tls_max_version < config.tls_min_version:
        raise InputError("tls_max_version", "is older than tls_min_version")
    if bool(config.binddn) != bool(config.bindpass is not None and config.bindpass.reveal()):
        raise InputError("", "binddn and bindpass go together; for an anonymous search: discoverdn")
    if not config.userdn and not config.searches_first:
        raise InputError("userdn", "is needed where users are not searched for")
    found = asking(config)
    _check_tls(config, found)
    held = before.bindpass if before is not None and before.url != config.url else None
    if held is not None and "bindpass" not in sent:
        raise InputError("bindpass", "must be sent again when the url changes")
    return found


def _check_refused(config: Config) -> None:
    if config.insecure_tls:
        raise InputError("insecure_tls", "the directory's certificate is always verified")
    if not config.deny_null_bind:
        raise InputError("deny_null_bind", "a login without a password is always denied")
    if config.use_token_groups:
        raise InputError("use_token_groups", "not taken; use a matching rule in groupfilter")
    if config.use_pre111_group_cn_behavior:
        raise InputError("use_pre111_group_cn_behavior", "not taken")


def _check_tls(config: Config, found: Asking) -> None:
    if bool(config.client_tls_cert) != (config.client_tls_key is not None):
        raise InputError("", "both client_tls_cert and client_tls_key must be set")
    try:
        if config.certificate:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=config.certificate)
    except (OSError, ValueError):
        raise InputError("certificate", "not certificates in PEM") from None
    try:
        if config.client_tls_cert:
            found.trusted.context()
    except (OSError, ValueError):
        raise InputError("client_tls_cert", "certificate and key cannot be used") from None


def trusted_of(config: Config) -> Trusted:
    """Return what TLS is spoken with."""
    return Trusted(
        authorities=config.certificate,
        certificate=config.client_tls_cert,
        key=config.client_tls_key,
        oldest=config.tls_min_version,
        newest=config.tls_max_version,
    )


def addresses_of(urls: str, *, secured: bool) -> tuple[Address, ...]:
    """Read URLs; InputError for one that is none, or that would be asked in the clear."""
    found = tuple(_address(url.strip(), secured=secured) for url in urls.split(",") if url.strip())
    if not 0 < len(found) <= MOST_URLS:
        raise InputError("url", f"1 to {MOST_URLS} URLs are taken")
    return found


def _address(url: str, *, secured: bool) -> Address:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InputError("url", "cannot be read") from None
    beside = (parts.path.strip("/"), parts.query, parts.fragment, parts.username, parts.password)
    if parts.scheme not in _PORTS or not host or any(beside):
        raise InputError("url", "ldap://host[:port] or ldaps://host[:port] is expected")
    secure = parts.scheme == "ldaps"
    if not secure and not secured and not _is_loopback(host):
        raise InputError("url", "ldap:// to another machine needs starttls, or use ldaps://")
    return Address(host=host, port=port or _PORTS[parts.scheme], secure=secure)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
