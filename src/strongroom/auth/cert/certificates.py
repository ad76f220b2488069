"""Certificates as they come, from an operator as PEM or from a TLS handshake as DER.

Specs   RFC 5280 for certificates, RFC 7468 for PEM.
Limits  A role's PEM is at most `LONGEST_PEM` characters and holds at most `MOST_AUTHORITIES`
        certificates; a client shows at most `MOST_SHOWN`, each of at most `LARGEST_SHOWN` bytes.
Trust   What a client shows is any bytes at all, its signature by nobody included. `InputError`
        is all that is raised here, and it repeats nothing of what came.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from strongroom.auth.cert.texts import text_of
from strongroom.base.errors import InputError

LONGEST_PEM: Final = 256 * 1024
MOST_AUTHORITIES: Final = 64
MOST_SHOWN: Final = 10
LARGEST_SHOWN: Final = 16 * 1024
LONGEST_NAME: Final = 512  # characters of one name
MOST_NAMES: Final = 256  # of one kind

# What reading a certificate, or a list of revoked ones, raises where something is wrong with it.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    NotImplementedError,
    CryptographyDeprecationWarning,  # what a later version will refuse
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

Found = TypeVar("Found")
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A client's own certificate, with all that roles ask of one read out of it."""

    certificate: x509.Certificate
    common_name: str
    units: tuple[str, ...]
    dns: tuple[str, ...]
    emails: tuple[str, ...]
    uris: tuple[str, ...]
    extensions: dict[str, str]  # text by OID, of those that hold one text
    subject_key: bytes  # key identifiers, empty where there are none
    authority_key: bytes

    @property
    def serial(self) -> int:
        """The serial number that its issuer gave it."""
        return self.certificate.serial_number


@lru_cache(maxsize=256)
def authorities(pem: str) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a role, as many as there are; InputError where there is none."""
    if len(pem) > LONGEST_PEM:
        raise InputError("certificate", f"longer than {LONGEST_PEM:,} characters")
    found = _read(lambda: x509.load_pem_x509_certificates(pem.encode()), "certificate")
    if len(found) > MOST_AUTHORITIES:
        raise InputError("certificate", f"more than {MOST_AUTHORITIES} certificates")
    _read(lambda: [(each.extensions, each.subject, key_of(each)) for each in found], "certificate")
    return tuple(found)


def shown(chain: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """Return the certificates that a client showed, its own first, each of the others once."""
    if not chain:
        raise InputError("", "no client certificate")
    if len(chain) > MOST_SHOWN or max(map(len, chain)) > LARGEST_SHOWN:
        raise InputError("", "a chain that is too long")
    return tuple(_certificate(der) for der in dict.fromkeys(chain))


def leaf_of(certificate: x509.Certificate) -> Leaf:
    """Read a client's own certificate; InputError where something in it cannot be read."""
    return _read(lambda: _leaf(certificate), "")


def is_authority(certificate: x509.Certificate) -> bool:
    """Say whether a certificate may sign others."""
    constraints = extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """Return an extension, or None where there is none of its kind."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def key_of(certificate: x509.Certificate) -> bytes:
    """Return a certificate's public key, in its one form."""
    form = PublicFormat.SubjectPublicKeyInfo
    return certificate.public_key().public_bytes(Encoding.DER, form)


def _certificate(der: bytes) -> x509.Certificate:
    return _read(lambda: x509.load_der_x509_certificate(der), "")


def _leaf(certificate: x509.Certificate) -> Leaf:
    names = extension(certificate, x509.SubjectAlternativeName) or ()
    by_kind: dict[type, list[str]] = {}
    for name in names:
        if isinstance(name, x509.DNSName | x509.RFC822Name | x509.UniformResourceIdentifier):
            by_kind.setdefault(type(name), []).append(name.value)
    subject_key = extension(certificate, x509.SubjectKeyIdentifier)
    authority_key = extension(certificate, x509.AuthorityKeyIdentifier)
    commons = _attributes(certificate, NameOID.COMMON_NAME)
    certificate.public_key()
    return Leaf(
        certificate=certificate,
        common_name=commons[-1] if commons else "",
        units=_attributes(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME),
        dns=_bounded(by_kind.get(x509.DNSName, ())),
        emails=_bounded(by_kind.get(x509.RFC822Name, ())),
        uris=_bounded(by_kind.get(x509.UniformResourceIdentifier, ())),
        extensions=_texts(certificate),
        subject_key=subject_key.digest if subject_key else b"",
        authority_key=(authority_key.key_identifier or b"") if authority_key else b"",
    )


def _attributes(certificate: x509.Certificate, kind: x509.ObjectIdentifier) -> tuple[str, ...]:
    values = [each.value for each in certificate.subject.get_attributes_for_oid(kind)]
    return _bounded([value for value in values if isinstance(value, str)])


def _bounded(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of a client as they are; ValueError for any that nobody should be known by."""
    if len(names) > MOST_NAMES:
        raise ValueError("too many names")
    for name in names:
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise ValueError("an unusable name")
    return tuple(names)


def _texts(certificate: x509.Certificate) -> dict[str, str]:
    found = {}
    for each in certificate.extensions:
        text = text_of(each.value.public_bytes())
        if text is not None:
            found[each.oid.dotted_string] = text
    return found


def _read(read: Callable[[], Found], field: str) -> Found:
    """Read, and let all that is wrong with a certificate be one error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            return read()
    except UNREADABLE:
        raise InputError(field, "not a certificate that can be used") from None
