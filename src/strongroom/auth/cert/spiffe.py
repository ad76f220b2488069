"""SPIFFE ids, and what makes a client's certificate an X.509-SVID.

Specs   SPIFFE-ID 2 (trust domain, path); X509-SVID 2, 3.1, 4 and 5.2 (the leaf).
Limits  An id has at most 512 characters here, as any name in a certificate; SPIFFE allows 2,048.
Trust   A certificate with a `spiffe:` URI is judged as an SVID or not at all, so that no other
        certificate passes for one. Which authority may vouch for which trust domain is for roles.
"""

from __future__ import annotations

import re
from typing import Final

from cryptography import x509

from strongroom.auth.cert.certificates import Leaf, extension, is_authority

_SCHEME: Final = "spiffe:"
_ID: Final = re.compile(
    r"spiffe://(?P<domain>[a-z0-9._-]{1,255})(?P<path>(?:/[A-Za-z0-9._-]+)+)", re.ASCII
)
_DOTS: Final = frozenset({".", ".."})


class SvidError(Exception):
    """A certificate that would be an SVID and is none. The text holds nothing of it."""


def spiffe_id(leaf: Leaf) -> str:
    """Return the id of an SVID, or nothing for a certificate that does not claim to be one.

    Raises SvidError for one that claims it and breaks a rule.
    """
    if not any(uri.lower().startswith(_SCHEME) for uri in leaf.uris):
        return ""
    if len(leaf.uris) != 1:
        raise SvidError("an SVID with more than one URI")
    domain_of(leaf.uris[0])
    usage = extension(leaf.certificate, x509.KeyUsage)
    if is_authority(leaf.certificate) or usage is None or not usage.digital_signature:
        raise SvidError("an SVID with constraints or a key usage that are not a workload's")
    if usage.key_cert_sign or usage.crl_sign:
        raise SvidError("an SVID whose key may sign certificates")
    return leaf.uris[0]


def domain_of(text: str) -> str:
    """Return the trust domain of a workload's SPIFFE id; SvidError where it is none."""
    found = _ID.fullmatch(text)
    if found is None or _DOTS & set(found["path"].split("/")):
        raise SvidError("not a SPIFFE id of a workload")
    return found["domain"]


def bound_to(pattern: str, identity: str) -> bool:
    """Say whether a pattern names the trust domain of an id in full, and not by `*`."""
    return pattern.startswith(f"spiffe://{domain_of(identity)}/")
