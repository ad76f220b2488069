"""What a role asks of a certificate beside a chain: names, units, extensions; and who it then is.

Vault   Each list that is not empty must have a pattern that fits; the extensions must all fit.
Trust   An identity is taken only from what somebody vouched for. A common name is not under an
        authority's name constraints, so below such an authority it must be a DNS or an e-mail
        name of the certificate as well. A SPIFFE id needs a pattern that names its trust domain:
        the authority of one domain cannot make ids of another.
"""

from __future__ import annotations

import re
from typing import Final

from strongroom.auth.cert.certificates import Leaf
from strongroom.auth.cert.chains import Chain, constrained
from strongroom.auth.cert.records import Settings
from strongroom.auth.cert.spiffe import SvidError, bound_to, spiffe_id
from strongroom.base.errors import InputError
from strongroom.base.globs import matches, matches_any

MOST: Final = 256  # patterns of a kind
LONGEST: Final = 512  # characters of a pattern
OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]{0,38})){1,31}", re.ASCII)
_LISTS: Final = (
    "allowed_names",
    "allowed_common_names",
    "allowed_dns_sans",
    "allowed_email_sans",
    "allowed_uri_sans",
    "allowed_organizational_units",
    "required_extensions",
    "allowed_metadata_extensions",
)


class UnfitError(Exception):
    """A certificate that is good, but not for this role. The text is for the log."""


def check_settings(settings: Settings) -> None:
    """Raise InputError for what could never fit, or would cost too much to try."""
    for name in _LISTS:
        patterns: tuple[str, ...] = getattr(settings, name)
        if len(patterns) > MOST or max(map(len, patterns), default=0) > LONGEST:
            raise InputError(name, f"at most {MOST}, each of at most {LONGEST} characters")
    for each in settings.required_extensions:
        oid, colon, _ = each.partition(":")
        if not colon or not OID.fullmatch(oid):
            raise InputError("required_extensions", "each is `oid:pattern`")
    if not all(OID.fullmatch(oid) for oid in settings.allowed_metadata_extensions):
        raise InputError("allowed_metadata_extensions", "each is an OID")


def check_leaf(leaf: Leaf, settings: Settings) -> None:
    """Raise UnfitError where a certificate has not what a role asks for."""
    common = (leaf.common_name,) if leaf.common_name else ()
    for name, patterns, texts in (
        ("name", settings.allowed_names, (*common, *leaf.dns, *leaf.emails)),
        ("common name", settings.allowed_common_names, common),
        ("DNS name", settings.allowed_dns_sans, leaf.dns),
        ("e-mail name", settings.allowed_email_sans, leaf.emails),
        ("URI", settings.allowed_uri_sans, leaf.uris),
        ("organizational unit", settings.allowed_organizational_units, leaf.units),
    ):
        if patterns and not matches_any(patterns, texts):
            raise UnfitError(f"no {name} that the role allows")
    for each in settings.required_extensions:
        oid, _, pattern = each.partition(":")
        text = leaf.extensions.get(oid)
        if text is None or not matches(pattern, text):
            raise UnfitError("an extension that the role requires is not there, or is another")


def identity_of(leaf: Leaf, chain: Chain, settings: Settings) -> str:
    """Return who this is: a SPIFFE id, or the common name. Raises UnfitError if it is nobody."""
    try:
        identity = spiffe_id(leaf)
    except SvidError as error:
        raise UnfitError(str(error)) from None
    if identity:
        patterns = [each for each in settings.allowed_uri_sans if bound_to(each, identity)]
        if not matches_any(patterns, [identity]):
            raise UnfitError("an SVID whose trust domain the role does not name")
        return identity
    name = leaf.common_name
    if not name or name.lower().startswith("spiffe:"):
        raise UnfitError("no common name, and no SPIFFE id")
    if constrained(chain) and name not in (*leaf.dns, *leaf.emails):
        raise UnfitError("a common name beside the names that its authority may vouch for")
    return name


def metadata_of(leaf: Leaf, settings: Settings, *, role: str, identity: str) -> dict[str, str]:
    """Return what the token says of the certificate, and the texts of the extensions allowed."""
    own = {
        oid.replace(".", "-"): leaf.extensions[oid][:LONGEST]
        for oid in settings.allowed_metadata_extensions
        if oid in leaf.extensions
    }
    svid = {"spiffe_id": identity} if identity.startswith("spiffe:") else {}
    return {
        **own,
        **svid,
        "cert_name": role,
        "common_name": leaf.common_name,
        "serial_number": str(leaf.serial),
        "subject_key_id": leaf.subject_key[:64].hex(":"),
        "authority_key_id": leaf.authority_key[:64].hex(":"),
    }
