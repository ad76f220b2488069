"""Chains: from a client's certificate to one that a role trusts, judged at a moment.

Specs   RFC 5280 path validation by `cryptography.x509.verification`, which also refuses what no
        longer is good enough: keys shorter than RSA 2048, other curves than NIST's, SHA-1.
        What it leaves open is asked for here: purposes, and the key of the client's own.
Trust   Any certificate of a role is an end of a chain, whoever signed it. Intermediates are the
        client's own words: they need a signature from there. The search is bounded by the library
        (signature checks) and by `DEPTH`.
Limits  Of several chains that would do, one is found and judged. Name constraints on URIs and on
        directory names are not understood, so a chain under them is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy

from strongroom.auth.cert.certificates import extension

DEPTH: Final = 5  # intermediates between a client and what a role trusts
PURPOSES: Final = frozenset(
    {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
)
SHORTEST_RSA: Final = 2048  # bits
CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
Chain = tuple[x509.Certificate, ...]


class ChainError(Exception):
    """No chain leads there. The text is for the log: it says why, and holds no name."""


def verified(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    trusted: Sequence[x509.Certificate],
    now: datetime,
) -> Chain:
    """Return the chain from a client's certificate to a trusted one, both included.

    Raises ChainError where there is none, or the certificate is not for clients, or not for now.
    """
    _check_key(leaf)
    authorities, clients = _policies()
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(trusted)))
        .time(now)
        .max_chain_depth(DEPTH)
        .extension_policies(ca_policy=authorities, ee_policy=clients)
        .build_client_verifier()
    )
    try:
        return tuple(verifier.verify(leaf, list(others)).chain)
    except verification.VerificationError as error:
        raise ChainError(_reason(str(error))) from None


def check_pinned(leaf: x509.Certificate, now: datetime) -> None:
    """Judge a certificate that a role names itself; ChainError where it is no good for clients."""
    _check_key(leaf)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise ChainError("the certificate is not valid now")
    purposes = extension(leaf, x509.ExtendedKeyUsage)
    if purposes is not None and not PURPOSES & set(purposes):
        raise ChainError("the certificate is not for clients")


def _check_key(leaf: x509.Certificate) -> None:
    """Judge the key that TLS was shown; the library judges those of authorities."""
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        strong = key.key_size >= SHORTEST_RSA
    elif isinstance(key, ec.EllipticCurvePublicKey):
        strong = isinstance(key.curve, CURVES)
    else:
        strong = isinstance(key, ed25519.Ed25519PublicKey)
    if not strong:
        raise ChainError("a key that is too weak, or of a kind that is not taken")


def constrained(chain: Chain) -> bool:
    """Say whether an authority on the way may vouch for certain names only."""
    return any(extension(each, x509.NameConstraints) is not None for each in chain[1:])


@lru_cache(maxsize=1)
def _policies() -> tuple[ExtensionPolicy, ExtensionPolicy]:
    """Return what authorities and clients must have in their extensions."""
    any_mark = Criticality.AGNOSTIC
    authorities = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, any_mark, None)
        .may_be_present(x509.KeyUsage, any_mark, _signs_certificates)
        .may_be_present(x509.ExtendedKeyUsage, any_mark, _vouches_for_clients)
    )
    clients = (
        ExtensionPolicy.permit_all()
        .require_present(x509.ExtendedKeyUsage, any_mark, _is_for_clients)
        .may_be_present(x509.BasicConstraints, any_mark, _is_no_authority)
        .may_be_present(x509.KeyUsage, any_mark, _signs)
    )
    return authorities, clients


def _signs_certificates(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("an authority that may not sign certificates")


def _vouches_for_clients(
    _: Policy, __: x509.Certificate, purposes: x509.ExtendedKeyUsage | None
) -> None:
    if purposes is not None and not PURPOSES & set(purposes):
        raise ValueError("an authority that is not for clients")


def _is_for_clients(_: Policy, __: x509.Certificate, purposes: x509.ExtendedKeyUsage) -> None:
    if not PURPOSES & set(purposes):
        raise ValueError("the certificate is not for clients")


def _is_no_authority(
    _: Policy, __: x509.Certificate, constraints: x509.BasicConstraints | None
) -> None:
    if constraints is not None and constraints.ca:
        raise ValueError("the certificate is an authority's")


def _signs(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.digital_signature:
        raise ValueError("the certificate's key may not sign")


def _reason(text: str) -> str:
    """Return why there is no chain, in the library's words but without the names in them."""
    plain = text.partition(" (encountered processing")[0]
    return plain.rpartition("ValueError: ")[2].removeprefix("validation failed: ")[:200]
