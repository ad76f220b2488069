"""Certificates for tests: authorities, what they sign, and revocation lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
_serials = count(1_000)

Extensions = Sequence[x509.ExtensionType]


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate and its key, and what its issuer was issued by, the root left out."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def chain(self) -> tuple[bytes, ...]:
        """What a client shows."""
        return (self.der, *(each.public_bytes(Encoding.DER) for each in self.above))

    def issue(
        self,
        name: str,
        *extensions: x509.ExtensionType,
        authority: bool = False,
        starts: datetime = NOW - DAY,
        ends: datetime = NOW + 10 * DAY,
        units: Sequence[str] = (),
        purposes: x509.ExtendedKeyUsage | None = CLIENT,
        constraints: x509.BasicConstraints | None = None,
        usage: x509.KeyUsage | None = None,
        critical: bool = False,
    ) -> Issued:
        """Sign a certificate; `critical` marks the extensions given."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = [*extensions, *([] if authority or purposes is None else [purposes])]
        certificate = signed(
            *(name, self.certificate.subject, key, self.key, starts, ends),
            authority=authority,
            extensions=own,
            units=units,
            constraints=constraints,
            usage=usage,
            critical=critical,
        )
        is_root = self.certificate.subject == self.certificate.issuer
        above = () if is_root else (self.certificate, *self.above)
        return Issued(certificate=certificate, key=key, above=above)

    def revoke(
        self,
        *revoked: Issued,
        ends: datetime | None = NOW + 5 * DAY,
        starts: datetime = NOW - DAY,
        extensions: Extensions = (),
    ) -> str:
        """Return a list that names these, in PEM."""
        listed = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        listed = listed.last_update(starts).next_update(ends or starts)
        for each in revoked:
            item = x509.RevokedCertificateBuilder().revocation_date(starts)
            item = item.serial_number(each.certificate.serial_number)
            listed = listed.add_revoked_certificate(item.build())
        for extension in extensions:
            listed = listed.add_extension(extension, critical=True)
        return listed.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def write(self, folder: Path) -> tuple[str, str]:
        """Write chain and key to files, as clients take them; return their paths."""
        stem = folder / f"{self.certificate.serial_number}"
        chain, key = stem.with_suffix(".pem"), stem.with_suffix(".key")
        every = [self.certificate, *self.above]
        chain.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in every))
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(chain), str(key)


def root(
    name: str = "root", *, starts: datetime = NOW - DAY, ends: datetime = NOW + 100 * DAY
) -> Issued:
    """Make an authority that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = named(name)
    certificate = signed(name, subject, key, key, starts, ends, authority=True)
    return Issued(certificate=certificate, key=key)


def alone(name: str, *extensions: x509.ExtensionType, ends: datetime = NOW + 10 * DAY) -> Issued:
    """Make a client's certificate that only itself has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = signed(name, named(name), key, key, NOW - DAY, ends, extensions=extensions)
    return Issued(certificate=certificate, key=key)


def named(name: str, units: Sequence[str] = ()) -> x509.Name:
    common = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
    units_of = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, each) for each in units]
    return x509.Name([*units_of, *common])


def uris(*each: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in each])


def dns(*each: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in each])


def emails(*each: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.RFC822Name(name) for name in each])


def text(oid: str, value: str) -> x509.UnrecognizedExtension:
    """An extension that holds a UTF8String."""
    encoded = value.encode()
    assert len(encoded) < 128
    return x509.UnrecognizedExtension(
        x509.ObjectIdentifier(oid), bytes([0x0C, len(encoded)]) + encoded
    )


def key_usage(*, signs: bool = True, certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def signed(  # noqa: PLR0917
    name: str,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    starts: datetime,
    ends: datetime,
    *,
    authority: bool = False,
    extensions: Extensions = (),
    units: Sequence[str] = (),
    constraints: x509.BasicConstraints | None = None,
    usage: x509.KeyUsage | None = None,
    critical: bool = False,
) -> x509.Certificate:
    built = (
        x509.CertificateBuilder()
        .subject_name(named(name, units))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(next(_serials))
        .not_valid_before(starts)
        .not_valid_after(ends)
    )
    basic = constraints or x509.BasicConstraints(ca=authority, path_length=None)
    built = built.add_extension(basic, critical=True)
    usual = key_usage(signs=not authority, certificates=authority)
    built = built.add_extension(usage or usual, critical=True)
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    built = built.add_extension(subject_key, critical=False)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key())
    built = built.add_extension(above, critical=False)
    for extension in extensions:
        built = built.add_extension(extension, critical=critical)
    return built.sign(by, hashes.SHA256())
